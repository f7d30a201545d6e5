/* SPDX-License-Identifier: MIT */
/* Bytes come in pieces that end anywhere, also within a marker or within a
 * character; each stream remembers what it ended with. Output is made valid on
 * its way in, so that a look at it while the run goes on costs a copy and
 * counts what the final text will count. */
#define _GNU_SOURCE /* sigabbrev_np */
#include "capture.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "err.h"
#include "executor.h"
#include "text.h"

#define HALF         (OUTPUT_BYTES_MAX / 2)
#define MARK_ROOM    64   /* for "\n[... N bytes cut ...]\n" */
#define HALF_SHOWN   ((OUTPUT_BYTES_MAX - MARK_ROOM) / 2)
#define SLICE        8192 /* made valid at once: it can become 3 times that */
#define STDERR_BYTES 4096
#define STDERR_SHOWN 2000 /* as evidence */
#define RESULT_SPACE 64   /* white space around a result of the full size */
#define MARKER       "!clear!"

/* ---- The last bytes of many -------------------------------------------- */

static void ring_clear(struct ring *r)
{
    r->len = 0;
    r->next = 0;
}

static void ring_add(struct ring *r, const char *data, size_t len)
{
    size_t first;

    if (len == 0)
        return;
    if (!r->data)
        r->data = malloc(r->cap);
    check(r->data); /* a worker out of memory dies; its leases end */
    if (len > r->cap) {
        data += len - r->cap;
        len = r->cap;
    }
    first = len < r->cap - r->next ? len : r->cap - r->next;
    memcpy(r->data + r->next, data, first);
    memcpy(r->data, data + first, len - first);
    r->next = (r->next + len) % r->cap;
    r->len = len < r->cap - r->len ? r->len + len : r->cap;
}

static void text_add(struct buf *to, const char *data, size_t len)
{
    check(buf_add(to, data, len) == 0);
}

static void ring_write(const struct ring *r, struct buf *to)
{
    size_t from, first;

    if (r->len == 0)
        return;
    from = (r->next + r->cap - r->len) % r->cap;
    first = r->len < r->cap - from ? r->len : r->cap - from;
    text_add(to, r->data + from, first);
    text_add(to, r->data, r->len - first);
}

/* ---- What comes in ----------------------------------------------------- */

void capture_init(struct capture *c)
{
    memset(c, 0, sizeof(*c));
    buf_init(&c->head, HALF);
    buf_init(&c->result, RESULT_BYTES_MAX + RESULT_SPACE);
    buf_init(&c->tail, STDERR_SHOWN);
    c->rest.cap = HALF;
    c->errors.cap = STDERR_BYTES;
}

void capture_close(struct capture *c)
{
    buf_close(&c->head);
    buf_close(&c->result);
    buf_close(&c->tail);
    free(c->rest.data);
    free(c->errors.data);
    capture_init(c);
}

/* The end of the last marker in data, 0: none. Remembers a begun one. */
static size_t marker_find(struct stream *s, const char *data, size_t len)
{
    const char *marker = MARKER;
    size_t end = 0;

    for (size_t i = 0; i < len; i++) {
        if (s->match == 0) {
            const char *at = memchr(data + i, marker[0], len - i);

            if (!at)
                break;
            i = (size_t)(at - data);
        }
        if (data[i] == marker[s->match])
            s->match++;
        else
            s->match = data[i] == marker[0];
        if (s->match < sizeof(MARKER) - 1)
            continue;
        end = i + 1;
        s->match = 0;
    }
    return end;
}

static void output_clear(struct capture *c)
{
    buf_clear(&c->head);
    ring_clear(&c->rest);
    c->output_bytes = 0;
    c->is_new = 1;
}

/* Makes it valid, in the empty buffer clean, and adds it to the output. */
static void output_add(struct capture *c, struct buf *clean, const char *data,
                       size_t len)
{
    size_t n = HALF - c->head.len;

    if (len == 0)
        return;
    check(text_clean(clean, data, len) == 0);
    if (n > clean->len)
        n = clean->len;
    text_add(&c->head, clean->data, n);
    ring_add(&c->rest, clean->data + n, clean->len - n);
    c->output_bytes += clean->len;
    c->is_new = 1;
    buf_clear(clean);
}

/* One more byte for a character that was held back. Those that it completes,
 * or spoils, are added; it may itself begin the next. */
static void held_add(struct capture *c, struct stream *s, struct buf *clean,
                     char byte)
{
    size_t open;

    s->held[s->n_held++] = byte;
    open = text_open(s->held, s->n_held);
    output_add(c, clean, s->held, s->n_held - open);
    memmove(s->held, s->held + s->n_held - open, open);
    s->n_held = open;
}

static void slice_add(struct capture *c, struct stream *s, struct buf *clean,
                      const char *data, size_t len)
{
    size_t open;

    for (; s->n_held > 0 && len > 0; data++, len--)
        held_add(c, s, clean, *data);
    if (len == 0)
        return;
    open = text_open(data, len);
    output_add(c, clean, data, len - open);
    memcpy(s->held, data + len - open, open);
    s->n_held = open;
}

static void stream_add(struct capture *c, struct stream *s, const char *data,
                       size_t len)
{
    size_t from = marker_find(s, data, len);
    struct buf clean;

    if (from > 0) {
        s->n_held = 0;
        output_clear(c);
    }
    buf_init(&clean, SLICE * 3);
    while (from < len) {
        size_t n = len - from < SLICE ? len - from : SLICE;

        slice_add(c, s, &clean, data + from, n);
        from += n;
    }
    buf_close(&clean);
}

static void result_add(struct capture *c, const char *data, size_t len)
{
    if (len > c->result.max - c->result.len)
        c->result_cut = 1;
    if (!c->result_cut)
        text_add(&c->result, data, len);
}

void capture_add(struct capture *c, int which, const char *data, size_t len)
{
    check(which >= 0 && which <= PIPE_RESULT);
    if (which == PIPE_RESULT) {
        result_add(c, data, len);
        return;
    }
    stream_add(c, &c->streams[which], data, len);
    if (which == PIPE_ERR)
        ring_add(&c->errors, data, len);
}

void capture_end(struct capture *c)
{
    struct buf clean;

    buf_init(&clean, sizeof(c->streams[0].held) * 3);
    for (int i = 0; i <= PIPE_ERR; i++) {
        output_add(c, &clean, c->streams[i].held, c->streams[i].n_held);
        c->streams[i].n_held = 0;
    }
    buf_close(&clean);
}

/* ---- What comes out ---------------------------------------------------- */

/* Where the first half ends: behind a line, if one ends in its second half. */
static size_t head_end(const struct buf *head)
{
    size_t end = text_cut(head->data, head->len, HALF_SHOWN);

    for (size_t i = end; i > end / 2; i--)
        if (head->data[i - 1] == '\n')
            return i;
    return end;
}

/* Where the last half begins: with a line, if one begins in its first half. */
static size_t tail_begin(const struct buf *tail)
{
    size_t begin = tail->len - HALF_SHOWN;

    while (((unsigned char)tail->data[begin] & 0xC0) == 0x80)
        begin++;
    for (size_t i = begin; i < begin + HALF_SHOWN / 2; i++)
        if (tail->data[i - 1] == '\n')
            return i;
    return begin;
}

/* Both halves are full, so each is longer than what is shown of it. */
static void output_cut(const struct capture *c, struct buf *text)
{
    size_t end = head_end(&c->head), begin;
    struct buf tail;
    uint64_t cut;

    buf_init(&tail, HALF);
    ring_write(&c->rest, &tail);
    begin = tail_begin(&tail);
    cut = c->output_bytes - end - (tail.len - begin);
    text_add(text, c->head.data, end);
    check(buf_printf(text, "%s[... %" PRIu64 " bytes cut ...]\n",
                     c->head.data[end - 1] == '\n' ? "" : "\n", cut) == 0);
    text_add(text, tail.data + begin, tail.len - begin);
    buf_close(&tail);
}

void capture_output(const struct capture *c, struct buf *text)
{
    if (c->output_bytes > OUTPUT_BYTES_MAX) {
        output_cut(c, text);
        return;
    }
    text_add(text, c->head.data, c->head.len);
    ring_write(&c->rest, text);
}

int capture_news(struct capture *c, struct buf *text)
{
    if (!c->is_new)
        return 0;
    c->is_new = 0;
    capture_output(c, text);
    return 1;
}

void capture_stderr(const struct capture *c, size_t max, struct buf *text)
{
    struct buf raw, clean;
    const char *from, *line;

    buf_init(&raw, STDERR_BYTES);
    buf_init(&clean, STDERR_BYTES * 3);
    ring_write(&c->errors, &raw);
    while (raw.len > 0 && strchr("\r\n ", raw.data[raw.len - 1]))
        raw.len--;
    if (raw.len > 0) {
        check(text_clean(&clean, raw.data, raw.len) == 0);
        from = clean.data;
        if (clean.len > max) {
            from += clean.len - max;
            while (((unsigned char)*from & 0xC0) == 0x80)
                from++;
            line = strchr(from, '\n');
            from = line ? line + 1 : from;
        }
        text_add(text, from, strlen(from));
    }
    buf_close(&raw);
    buf_close(&clean);
}

/* ---- What came of it --------------------------------------------------- */

/* Sets the result, if there is one. Why there is none, NULL: it wrote none. */
static const char *result_find(const struct capture *c, struct run_result *r)
{
    const char *at = c->result.data, *space = " \t\r\n", *why;
    size_t n = c->result.len;

    while (n > 0 && memchr(space, at[0], 4))
        at++, n--;
    while (n > 0 && memchr(space, at[n - 1], 4))
        n--;
    if (n == 0 && !c->result_cut)
        return NULL;
    /* What was cut is too large, even if much of it was white space. */
    why = text_result_fault(at, c->result_cut ? RESULT_BYTES_MAX + 1 : n);
    if (why)
        return why;
    r->result = at;
    r->result_len = n;
    return NULL;
}

/* Adds the last lines of stderr to the error, as many as fit. */
static void error_add_stderr(const struct capture *c, char *error)
{
    size_t len = strlen(error), room = ERROR_BYTES_MAX - len;
    struct buf text;

    buf_init(&text, room);
    capture_stderr(c, room - strlen(": "), &text);
    if (text.len > 0)
        snprintf(error + len, room + 1, ": %s", text.data);
    buf_close(&text);
}

void capture_judge(const struct capture *c, int status, struct run_result *r,
                   char error[static ERROR_BYTES_MAX + 1])
{
    /* A run that failed may have written half a result; that it failed says
     * more. */
    const char *why = result_find(c, r), *name;

    r->outcome = RUN_FAILED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        if (why)
            snprintf(error, ERROR_BYTES_MAX + 1, "%s", why);
        else
            r->outcome = RUN_COMPLETED;
        return;
    }
    if (WIFEXITED(status)) {
        snprintf(error, ERROR_BYTES_MAX + 1, "exit status %d",
                 WEXITSTATUS(status));
    } else {
        name = sigabbrev_np(WTERMSIG(status));
        snprintf(error, ERROR_BYTES_MAX + 1, "killed by signal %d (%s%s)",
                 WTERMSIG(status), name ? "SIG" : "", name ? name : "?");
    }
    error_add_stderr(c, error);
}

void capture_add_evidence(struct capture *c, int status,
                          struct run_result *r)
{
    r->has_exit = WIFEXITED(status) ? 1 : 2;
    r->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    buf_clear(&c->tail);
    capture_stderr(c, STDERR_SHOWN, &c->tail);
    r->stderr_tail = c->tail.len > 0 ? c->tail.data : NULL;
}
