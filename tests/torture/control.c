/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct control *control_map(const char *path, int make)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | (make ? O_CREAT | O_TRUNC : 0),
                  0600);
    if (fd < 0 || (make && ftruncate(fd, sizeof(struct control)) < 0)) {
        perror(path);
        _exit(70);
    }
    void *p = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE,
                   MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED) {
        perror(path);
        _exit(70);
    }
    struct control *c = p;
    if (make)
        atomic_store(&c->next_actor, ACTOR_NEXT);
    return c;
}
