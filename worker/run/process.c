/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* close_range by syscall */
#include "process.h"

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
