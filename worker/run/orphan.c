/* SPDX-License-Identifier: MIT */
/* The two signs of a worker's processes. */
#define _GNU_SOURCE /* prlimit */
#include "orphan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Looks for the entry in a stream of NUL-terminated entries. *at: how much of
 * it matched, or SIZE_MAX until the next entry begins. */
static int entry_find(const char *data, size_t len, const char *entry,
                      size_t *at)
{
    for (size_t i = 0; i < len; i++) {
        if (*at != SIZE_MAX && data[i] == entry[*at]) {
            if (data[i] == '\0')
                return 1;
            ++*at;
        } else {
            *at = data[i] == '\0' ? 0 : SIZE_MAX;
        }
    }
    return 0;
}

int orphan_has(pid_t pid, const char *entry)
{
    char path[40], data[4096];
    size_t at = 0;
    ssize_t n;
    int fd, found = 0;

    snprintf(path, sizeof(path), "/proc/%ld/environ", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    while (!found && (n = read(fd, data, sizeof(data))) > 0)
        found = entry_find(data, (size_t)n, entry, &at);
    close(fd);
    return found;
}

/* FNV-1a, then 40 bits of it: the mark is no "unlimited", nor 0. */
uint64_t orphan_mark_of(const char *worker)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *worker; worker++)
        hash = (hash ^ (unsigned char)*worker) * UINT64_C(1099511628211);
    hash = (hash ^ hash >> 40) & ((UINT64_C(1) << 40) - 1);
    return (hash ? hash : 1) << ORPHAN_RUN_BITS;
}

void orphan_mark_set(uint64_t mark)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_LOCKS, &limit) < 0)
        return;
    limit.rlim_cur = (rlim_t)mark;
    (void)setrlimit(RLIMIT_LOCKS, &limit); /* see the header */
}

/* The same for all to read, but made for people: slower. "unlimited" is 0. */
static uint64_t mark_read(pid_t pid)
{
    static const char name[] = "Max file locks";
    char path[40], data[4096], *line;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%ld/limits", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, data, sizeof(data) - 1);
    close(fd);
    data[n > 0 ? n : 0] = '\0';
    line = strstr(data, name);
    return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

/* Of another user's process prlimit needs CAP_SYS_RESOURCE, which root in a
 * container may lack. */
uint64_t orphan_mark(pid_t pid)
{
    struct rlimit limit;

    if (prlimit(pid, RLIMIT_LOCKS, NULL, &limit) < 0)
        return errno == EPERM ? mark_read(pid) : 0;
    return limit.rlim_cur == RLIM_INFINITY ? 0 : limit.rlim_cur;
}
