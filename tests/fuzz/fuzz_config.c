/* SPDX-License-Identifier: MIT */
/* A worker's configuration. What is refused is refused with a text. */
#define _GNU_SOURCE /* memfd_create */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static struct config c;
    char path[40];
    struct stint_err err = {0};
    if (fd < 0)
        fd = memfd_create("worker.json", MFD_CLOEXEC);
    must(fd >= 0 && ftruncate(fd, 0) == 0);
    must(pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    config_init(&c);
    if (config_load(&c, path, &err)) {
        must(err.code == STINT_INVALID || err.code == STINT_SYSTEM);
        must(err.text[0] != '\0');
    } else {
        must(c.n_groups >= 0 && c.n_groups <= GROUPS_MAX);
        must(c.concurrency >= 0 && c.concurrency <= CONCURRENCY_MAX);
        must(c.n_types >= 0 && c.n_types <= FUNCTIONS_MAX);
        for (int i = 0; i < c.n_types; i++)
            must(config_find(&c, c.types[i].name, strlen(c.types[i].name)) ==
                 &c.types[i]);
    }
    config_close(&c);
    return 0;
}
