/* SPDX-License-Identifier: MIT */
#include "spool_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "crc32c.h"
#include "err.h"

static const char start_word[8] = {'s', 't', 'i', 'n', 't', 's', 'p', 'l'};
static const char cursor_word[8] = {'s', 't', 'i', 'n', 't', 'c', 'u', 'r'};
static const char frame_mark[4] = {'\xff', 'S', 'T', '\x01'};

#define START_RELATIVE 1
#define STOP_RELATIVE  2
#define TASK_BYTES_MIN 49 /* flags, durability and ten empty texts */

/* ---- Numbers and texts --------------------------------------------------- */

static void put_n(char *to, uint64_t n, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (char)(n >> (8 * i) & 0xff);
}

static uint64_t get_n(const char *from, int bytes)
{
    uint64_t n = 0;
    for (int i = 0; i < bytes; i++)
        n |= (uint64_t)(unsigned char)from[i] << (8 * i);
    return n;
}

static int add_n(struct buf *to, uint64_t n, int bytes)
{
    char data[8];
    put_n(data, n, bytes);
    return buf_add(to, data, (size_t)bytes);
}

static int add_text(struct buf *to, const char *text, size_t len)
{
    return len > UINT32_MAX || add_n(to, len, 4) ||
                   (len > 0 && buf_add(to, text, len)) ? -1 : 0;
}

static int add_str(struct buf *to, const char *s)
{
    return add_text(to, s != NULL ? s : "", s != NULL ? strlen(s) : 0);
}

/* What is left to be read; `bad` once it was too short. */
struct source {
    const char *at;
    size_t left;
    int bad;
};

static const char *take(struct source *s, size_t len)
{
    if (s->bad || len > s->left) {
        s->bad = 1;
        return NULL;
    }
    const char *p = s->at;
    s->at += len;
    s->left -= len;
    return p;
}

static uint64_t take_n(struct source *s, int bytes)
{
    const char *p = take(s, (size_t)bytes);
    return p != NULL ? get_n(p, bytes) : 0;
}

static const char *take_text(struct source *s, size_t *len)
{
    *len = (size_t)take_n(s, 4);
    const char *p = take(s, *len);
    if (p == NULL)
        *len = 0;
    return p;
}

/* Into a field of a task. */
static void take_into(struct source *s, char *to, size_t cap)
{
    size_t len;
    const char *p = take_text(s, &len);
    if (p == NULL || len >= cap || memchr(p, '\0', len) != NULL) {
        s->bad = 1;
        return;
    }
    memcpy(to, p, len);
    to[len] = '\0';
}

/* Owned; NULL if it is empty. -1: out of memory. */
static int take_copy(struct source *s, char **to, size_t *to_len)
{
    size_t len;
    const char *p = take_text(s, &len);
    *to = NULL;
    if (to_len != NULL)
        *to_len = len;
    if (p == NULL || len == 0)
        return 0;
    *to = malloc(len + 1);
    if (*to == NULL)
        return -1;
    memcpy(*to, p, len);
    (*to)[len] = '\0';
    return 0;
}

/* ---- Writing ------------------------------------------------------------- */

int spool_write_start(struct buf *to)
{
    size_t at = to->len;
    if (buf_add(to, start_word, sizeof(start_word)) ||
        add_n(to, SPOOL_VERSION, 4))
        return -1;
    return add_n(to, crc32c(0, to->data + at, to->len - at), 4);
}

static int is_relative(const char *time)
{
    return time[0] == '+' || time[0] == '-';
}

/* "+n" and "-n" become absolute. */
static int add_time(struct buf *to, const char *time, int64_t now_ms)
{
    char text[24];
    if (!is_relative(time))
        return add_str(to, time);
    int64_t ms = now_ms + strtoll(time, NULL, 10);
    snprintf(text, sizeof(text), "%" PRId64, ms > 0 ? ms : 0);
    return add_str(to, text);
}

static int add_task(struct buf *to, const struct stint_task *t, int64_t now_ms)
{
    unsigned flags = (is_relative(t->start) ? START_RELATIVE : 0u) |
                     (is_relative(t->stop) ? STOP_RELATIVE : 0u);
    if (add_n(to, flags, 1) || add_n(to, (uint64_t)t->durability.level, 4) ||
        add_n(to, (uint64_t)t->durability.replicas, 4) ||
        add_str(to, t->id) || add_str(to, t->group) ||
        add_str(to, t->function) || add_time(to, t->start, now_ms) ||
        add_time(to, t->stop, now_ms) || add_str(to, t->rules) ||
        add_str(to, t->depends) || add_str(to, t->cronline) ||
        add_str(to, t->timezone))
        return -1;
    return add_text(to, t->text, t->text_len);
}

static int frame_fill(struct buf *to, size_t at, const char *name_space,
                      stint_task *const *tasks, size_t n, int64_t queued_ms,
                      int64_t sent_ms)
{
    char head[SPOOL_HEAD_BYTES] = {0};
    if (buf_add(to, head, sizeof(head)) || add_str(to, name_space))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (add_task(to, tasks[i], queued_ms))
            return -1;
    size_t body = to->len - at - SPOOL_HEAD_BYTES;
    if (body > UINT32_MAX || n > UINT32_MAX)
        return -1;
    memcpy(head, frame_mark, 4);
    put_n(head + 4, body, 4);
    put_n(head + 8, n, 4);
    put_n(head + 12, (uint64_t)queued_ms, 8);
    put_n(head + 20, (uint64_t)sent_ms, 8);
    put_n(head + 28, crc32c(0, head, 28), 4);
    memcpy(to->data + at, head, sizeof(head));
    return add_n(to, crc32c(0, to->data + at, to->len - at), 4);
}

int spool_write_frame(struct buf *to, const char *name_space,
                      stint_task *const *tasks, size_t n, int64_t queued_ms,
                      int64_t sent_ms)
{
    size_t at = to->len;
    if (frame_fill(to, at, name_space, tasks, n, queued_ms, sent_ms) == 0)
        return 0;
    to->len = at; /* of what is not whole nothing stays */
    return -1;
}

/* ---- Reading ------------------------------------------------------------- */

static int start_version(const char *data, size_t len)
{
    if (len < SPOOL_START_BYTES || memcmp(data, start_word, 8) != 0 ||
        get_n(data + 12, 4) != crc32c(0, data, 12))
        return 0;
    return (int)get_n(data + 8, 4);
}

int spool_is_newer(const char *data, size_t len)
{
    return start_version(data, len) > SPOOL_VERSION;
}

static int head_is_good(const char *head)
{
    return memcmp(head, frame_mark, 4) == 0 &&
           get_n(head + 28, 4) == crc32c(0, head, 28);
}

/* 1: a whole frame; 0: it goes on behind the end; -1: it is none. */
static int frame_at(const char *data, size_t len, size_t at,
                    struct spool_frame *f)
{
    const char *head = data + at;
    if (len - at < SPOOL_HEAD_BYTES || !head_is_good(head))
        return -1;
    size_t body = (size_t)get_n(head + 4, 4);
    if (body > len - at || SPOOL_HEAD_BYTES + body + 4 > len - at)
        return 0;
    if (get_n(head + SPOOL_HEAD_BYTES + body, 4) !=
        crc32c(0, head, SPOOL_HEAD_BYTES + body))
        return -1;
    *f = (struct spool_frame){
        .at = at,
        .len = SPOOL_HEAD_BYTES + body + 4,
        .n_tasks = (uint32_t)get_n(head + 8, 4),
        .queued_ms = (int64_t)get_n(head + 12, 8),
        .sent_ms = (int64_t)get_n(head + 20, 8),
        .body = head + SPOOL_HEAD_BYTES,
        .body_len = body};
    return 1;
}

/* The next frame behind `at`, or len. */
static size_t frame_search(const char *data, size_t len, size_t at)
{
    struct spool_frame f;
    for (size_t i = at + 1; i < len; i++) {
        const char *p = memchr(data + i, frame_mark[0], len - i);
        if (p == NULL)
            return len;
        i = (size_t)(p - data);
        if (frame_at(data, len, i, &f) == 1)
            return i;
    }
    return len;
}

static int is_zeros(const char *data, size_t len)
{
    return len == 0 || (data[0] == '\0' && memcmp(data, data + 1, len - 1) == 0);
}

enum spool_found spool_next(const char *data, size_t len, size_t *at,
                            struct spool_frame *f)
{
    if (*at == 0 && start_version(data, len) > 0)
        *at = SPOOL_START_BYTES;
    if (*at >= len)
        return SPOOL_END;
    int is = *at > 0 ? frame_at(data, len, *at, f) : -1;
    if (is == 1) {
        *at += f->len;
        return SPOOL_FRAME;
    }
    size_t next = frame_search(data, len, *at);
    size_t shortest = *at > 0 ? SPOOL_HEAD_BYTES : SPOOL_START_BYTES;
    if (next == len && (is == 0 || len - *at < shortest ||
                        is_zeros(data + *at, len - *at)))
        return SPOOL_TORN;
    *f = (struct spool_frame){.at = *at, .len = next - *at};
    *at = next;
    return SPOOL_DAMAGE;
}

/* ---- Tasks --------------------------------------------------------------- */

static void time_shift(char time[static 24], int64_t shift_ms)
{
    int64_t ms = strtoll(time, NULL, 10) + shift_ms;
    snprintf(time, 24, "%" PRId64, ms > 0 ? ms : 0);
}

/* -1: out of memory. */
static int task_take(struct source *s, struct stint_task *t, int64_t shift_ms)
{
    unsigned flags = (unsigned)take_n(s, 1);
    t->durability.level = (int)take_n(s, 4);
    t->durability.replicas = (int)take_n(s, 4);
    take_into(s, t->id, sizeof(t->id));
    take_into(s, t->group, sizeof(t->group));
    take_into(s, t->function, sizeof(t->function));
    take_into(s, t->start, sizeof(t->start));
    take_into(s, t->stop, sizeof(t->stop));
    take_into(s, t->rules, sizeof(t->rules));
    if (take_copy(s, &t->depends, NULL) || take_copy(s, &t->cronline, NULL) ||
        take_copy(s, &t->timezone, NULL) ||
        take_copy(s, &t->text, &t->text_len))
        return -1;
    if (t->text == NULL)
        s->bad = 1;
    if (flags & START_RELATIVE)
        time_shift(t->start, shift_ms);
    if (flags & STOP_RELATIVE)
        time_shift(t->stop, shift_ms);
    return 0;
}

stint_task **spool_tasks(const struct spool_frame *f, int64_t shift_ms,
                         const char **name_space, size_t *name_space_len,
                         struct stint_err *err)
{
    struct source s = {f->body, f->body_len, 0};
    *name_space = take_text(&s, name_space_len);
    size_t n = f->n_tasks;
    if (s.bad || n > s.left / TASK_BYTES_MIN) {
        err_set(err, STINT_INVALID, "spool: a frame that makes no sense");
        return NULL;
    }
    stint_task **tasks = calloc(n + 1, sizeof(*tasks));
    int failed = tasks == NULL;
    for (size_t i = 0; !failed && !s.bad && i < n; i++) {
        tasks[i] = calloc(1, sizeof(**tasks));
        failed = tasks[i] == NULL || task_take(&s, tasks[i], shift_ms);
    }
    if (!failed && !s.bad && s.left == 0)
        return tasks;
    if (failed)
        err_set(err, STINT_NOMEM, "out of memory");
    else
        err_set(err, STINT_INVALID, "spool: a frame that makes no sense");
    if (tasks != NULL)
        spool_tasks_free(tasks, n);
    return NULL;
}

void spool_tasks_free(stint_task **tasks, size_t n)
{
    for (size_t i = 0; tasks != NULL && i < n; i++)
        stint_task_free(tasks[i]);
    free(tasks);
}

/* ---- The cursor ---------------------------------------------------------- */

void spool_cursor_write(const struct spool_cursor *c,
                        char data[static SPOOL_CURSOR_BYTES])
{
    memcpy(data, cursor_word, 8);
    put_n(data + 8, SPOOL_VERSION, 4);
    put_n(data + 12, c->segment, 8);
    put_n(data + 20, c->offset, 8);
    put_n(data + 28, c->sent_to, 8);
    put_n(data + 36, (uint64_t)c->sent_ms, 8);
    put_n(data + 44, crc32c(0, data, 44), 4);
}

int spool_cursor_read(struct spool_cursor *c, const char *data, size_t len)
{
    if (len != SPOOL_CURSOR_BYTES || memcmp(data, cursor_word, 8) != 0 ||
        get_n(data + 8, 4) != SPOOL_VERSION ||
        get_n(data + 44, 4) != crc32c(0, data, 44))
        return -1;
    *c = (struct spool_cursor){get_n(data + 12, 8), get_n(data + 20, 8),
                               get_n(data + 28, 8),
                               (int64_t)get_n(data + 36, 8)};
    return 0;
}
