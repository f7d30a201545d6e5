/* SPDX-License-Identifier: MIT */
#include "history_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void history_fail(const char *what)
{
    fprintf(stderr, "history: %s: %s\n", what, strerror(errno));
    _exit(70);
}

void history_open(struct history *h, const char *dir, uint32_t actor)
{
    char path[512];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%u.hist", dir, actor);
    h->actor = actor;
    h->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (h->fd < 0 || fstat(h->fd, &st) < 0)
        history_fail(path);
    if (st.st_size == 0 && write(h->fd, HISTORY_MAGIC, 8) != 8)
        history_fail(path);
}

void history_write(const struct history *h, struct history_record *r)
{
    r->mono_us = history_now_us();
    r->actor = h->actor;
    if (write(h->fd, r, sizeof(*r)) != (ssize_t)sizeof(*r))
        history_fail("write");
}

void history_add(const struct history *h, int kind, int outcome,
                 const char *id, uint64_t fence, uint64_t token,
                 int64_t v0, int64_t v1, int64_t v2, int64_t v3)
{
    struct history_record r = {.kind = (uint16_t)kind,
                               .outcome = (uint16_t)outcome,
                               .fence = fence,
                               .token = token,
                               .value = {v0, v1, v2, v3}};
    if (id != NULL)
        snprintf(r.id, sizeof(r.id), "%s", id);
    history_write(h, &r);
}

void history_close(struct history *h)
{
    if (h->fd >= 0)
        close(h->fd);
    h->fd = -1;
}

uint64_t history_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t history_hash(const char *text, size_t len)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return h;
}

int history_status(const char *word, size_t len)
{
    static const char *const words[] = {
        "NONE", "QUEUED", "ASSIGNED", "RUNNING", "COMPLETED",
        "FAILED", "TIMEOUT", "STOPPED", "EXPIRED", "LOST"};
    for (int i = 1; i <= HS_LOST; i++)
        if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
            return i;
    return HS_NONE;
}

static const char *const fault_words[] = {
    "none",
#define X(name, word, may) word,
    HISTORY_FAULTS(X)
#undef X
};

int history_fault(const char *word)
{
    for (int i = 1; i < HISTORY_FAULTS_N; i++)
        if (strcmp(fault_words[i], word) == 0)
            return i;
    return -1;
}

const char *history_fault_word(int fault)
{
    return fault > 0 && fault < HISTORY_FAULTS_N ? fault_words[fault] : "none";
}
