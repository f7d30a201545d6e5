/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* setns */
#include "netns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs ip with these words, quietly. 0: it worked. */
static int ip(const char *line)
{
    char words[256], *argv[24] = {0}, *rest = words;
    int n = 0, status;
    snprintf(words, sizeof(words), "ip %s", line);
    while (n < 23 && (argv[n] = strsep(&rest, " ")) != NULL)
        n++;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execvp("ip", argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

int netns_make(int tag, int n)
{
    static const char *const lines[] = {
        "netns add st%d-%d",
        "link add sth%d-%d type veth peer name eth0 netns st%d-%d",
        "addr add 10.77.%d.1/24 dev sth%d-%d",
        "link set sth%d-%d up",
        "-n st%d-%d addr add 10.77.%d.2/24 dev eth0",
        "-n st%d-%d link set eth0 up",
        "-n st%d-%d link set lo up"};
    char line[200];
    if (geteuid() != 0)
        return -1;
    for (int i = 0; i < 7; i++) {
        if (i == 2)
            snprintf(line, sizeof(line), lines[i], n, tag, n);
        else if (i == 4)
            snprintf(line, sizeof(line), lines[i], tag, n, n);
        else
            snprintf(line, sizeof(line), lines[i], tag, n, tag, n);
        if (ip(line) < 0) {
            netns_remove(tag, n);
            return -1;
        }
    }
    return 0;
}

int netns_enter(int tag, int n)
{
    char path[64];
    snprintf(path, sizeof(path), "/run/netns/st%d-%d", tag, n);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd >= 0 ? setns(fd, CLONE_NEWNET) : -1;
    if (fd >= 0)
        close(fd);
    return rc;
}

void netns_cut(int tag, int n, int cut)
{
    char line[100];
    snprintf(line, sizeof(line), "link set sth%d-%d %s", tag, n,
             cut ? "down" : "up");
    (void)ip(line); /* the summary counts what it did, not whether */
}

void netns_remove(int tag, int n)
{
    char line[100];
    snprintf(line, sizeof(line), "link del sth%d-%d", tag, n);
    (void)ip(line);
    snprintf(line, sizeof(line), "netns del st%d-%d", tag, n);
    (void)ip(line);
}
