/* SPDX-License-Identifier: MIT */
/* Joins a program, and all processes it makes of itself, to a test: preloaded,
 * with STINT_SCARCE naming the file with the page of scarce.h. Other programs
 * that inherit this are left alone. */
#define _GNU_SOURCE /* readlink, in plain C11 */
#include "scarce.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

__attribute__((constructor)) static void scarce_join(void)
{
    const char *path = getenv("STINT_SCARCE");
    char self[256];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (path == NULL || n <= 0)
        return;
    self[n] = '\0';
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    struct scarcity *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
                              MAP_SHARED, fd, 0);
    close(fd);
    if (s == MAP_FAILED)
        return;
    const char *slash = strrchr(self, '/');
    if (strcmp(slash != NULL ? slash + 1 : self, s->program) == 0)
        scarce_share(s);
}
