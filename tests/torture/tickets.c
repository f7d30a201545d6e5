/* SPDX-License-Identifier: MIT */
#include "tickets.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "history_file.h"

#define BUCKETS (1u << 13)
#define WAYS    4

struct entry {
    _Atomic uint64_t key; /* hash of id and fence; 0: free, or being written */
    uint64_t serial;      /* the oldest goes */
    uint64_t token;
    uint32_t actor;
};

struct tickets {
    uint64_t serial; /* one process of a slot writes at a time */
    struct entry at[BUCKETS][WAYS];
};

struct tickets *tickets_map(const char *dir, int slot)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/tickets.%d", dir, slot);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *p = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof(struct tickets)) == 0)
        p = mmap(NULL, sizeof(struct tickets), PROT_READ | PROT_WRITE,
                 MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return p == MAP_FAILED ? NULL : p;
}

void tickets_unmap(struct tickets *t)
{
    munmap(t, sizeof(*t));
}

static uint64_t ticket_key(const char *id, uint64_t fence)
{
    uint64_t h = history_hash(id, strlen(id));
    h = (h ^ fence) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 29;
    return h == 0 ? 1 : h;
}

void tickets_put(struct tickets *t, const char *id, uint64_t fence,
                 struct ticket ticket)
{
    uint64_t key = ticket_key(id, fence);
    struct entry *row = t->at[key % BUCKETS], *to = &row[0];
    for (int i = 1; i < WAYS; i++)
        if (row[i].serial < to->serial)
            to = &row[i];
    atomic_store(&to->key, 0);
    to->serial = ++t->serial;
    to->token = ticket.token;
    to->actor = ticket.actor;
    atomic_store(&to->key, key);
}

struct ticket tickets_get(const struct tickets *t, const char *id,
                          uint64_t fence)
{
    uint64_t key = ticket_key(id, fence);
    const struct entry *row = t->at[key % BUCKETS];
    for (int i = 0; i < WAYS; i++)
        if (atomic_load(&row[i].key) == key)
            return (struct ticket){row[i].token, row[i].actor};
    return (struct ticket){0, 0};
}
