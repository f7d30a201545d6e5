/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* close_range by syscall */
#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void process_signals_reset(void)
{
    struct sigaction sa;
    sigset_t none;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = SIG_DFL;
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &sa, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* By hand, as printf is not async-signal-safe. */
void process_oom_first(void)
{
    char text[8];
    int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    int is_negative = n > 0 && text[0] == '-', adj = 0, len = 0;

    for (int i = is_negative; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        adj = adj * 10 + (text[i] - '0');
    adj = (is_negative ? -adj : adj) + PROCESS_OOM_STEP;
    if (adj > PROCESS_OOM_MAX)
        adj = PROCESS_OOM_MAX;
    if (adj < 0)
        text[len++] = '-';
    adj = adj < 0 ? -adj : adj;
    for (int unit = PROCESS_OOM_MAX; unit > 0; unit /= 10)
        if (adj >= unit || unit == 1)
            text[len++] = (char)('0' + adj / unit % 10);
    if (n > 0 && write(fd, text, (size_t)len) < 0)
        len = 0; /* it stays as its worker is */
    if (fd >= 0)
        close(fd);
}

void process_fds_close(unsigned first, unsigned last)
{
    struct rlimit max;

    if (first > last)
        return;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, last, 0) == 0)
        return;
#endif
    if (getrlimit(RLIMIT_NOFILE, &max) < 0)
        return;
    for (unsigned fd = first; fd <= last && fd < max.rlim_cur; fd++)
        close((int)fd);
}
