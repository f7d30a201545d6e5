/* SPDX-License-Identifier: MIT */
/* One run at a time. While a handler is busy nobody reads the socket, but when
 * it asks whether it is cancelled, it is looked at, once in a millisecond. */
#include "executor.h"
#include "serve.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "frame.h"
#include "stint_run.h"

struct server {
    struct stint_run pub;     /* the run; first */
    int fd;
    const struct function *(*find)(const char *name, void *arg);
    void *find_arg;
    struct frames in;
    struct buf out;
    const char *run;          /* as the worker calls it; NULL: none */
    int cancelled;
    int64_t looked_ms;
    int at_end;               /* no run comes any more */
};

/* The handler may have used it all up; a new process has some. */
static _Noreturn void memory_end(void)
{
    static const char text[] = "out of memory\n";
    ssize_t n = write(2, text, sizeof(text) - 1);
    _exit(n < 0 ? 2 : 1);
}

static void frame_send(struct server *s, json_t *frame)
{
    if (frame_write(&s->out, frame) < 0)
        memory_end();
    for (size_t at = 0; at < s->out.len;) {
        ssize_t n = send(s->fd, s->out.data + at, s->out.len - at,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            s->at_end = s->cancelled = 1;
            return;
        }
        at += (size_t)n;
    }
}

/* ---- What comes -------------------------------------------------------- */

/* One read; the end of the socket ends all. */
static void socket_read(struct server *s, int flags)
{
    char data[FRAME_READ];
    ssize_t n = recv(s->fd, data, sizeof(data), flags);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0)
        s->at_end = s->cancelled = 1;
    else if (frames_add(&s->in, data, (size_t)n) < 0)
        memory_end();
}

static const char *word_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

/* A frame that is no run. */
static void frame_heed(struct server *s, const json_t *frame)
{
    const char *type = word_of(frame, "type");
    if (strcmp(type, "exit") == 0)
        s->at_end = 1;
    else if (strcmp(type, "ping") == 0)
        frame_send(s, json_pack("{s:s, s:O*}", "type", "pong", "n",
                                json_object_get(frame, "n")));
    else if (strcmp(type, "cancel") == 0 && s->run != NULL &&
             strcmp(word_of(frame, "run"), s->run) == 0)
        s->cancelled = 1;
}

/* The next run, which the caller decrefs, of what was read. NULL: there is
 * none yet. */
static json_t *frames_heed(struct server *s)
{
    struct stint_err err = {STINT_OK, ""};
    const char *text;
    size_t len;
    int rc;
    while ((rc = frames_next(&s->in, &text, &len, &err)) > 0) {
        json_t *frame = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
        if (frame == NULL)
            memory_end();
        if (strcmp(word_of(frame, "type"), "run") == 0)
            return frame;
        frame_heed(s, frame);
        json_decref(frame);
    }
    s->at_end |= rc < 0;
    return NULL;
}

/* ---- What a handler says ------------------------------------------------ */

static int serve_is_cancelled(struct stint_run *pub)
{
    struct server *s = (struct server *)pub;
    int64_t now_ms = clock_mono_ms();
    if (s->cancelled || now_ms == s->looked_ms)
        return s->cancelled;
    s->looked_ms = now_ms;
    socket_read(s, MSG_DONTWAIT);
    json_t *run = frames_heed(s);
    if (run != NULL) { /* it would be lost: no worker does that */
        json_decref(run);
        s->at_end = s->cancelled = 1;
    }
    return s->cancelled;
}

static void serve_progress(struct stint_run *pub, double percent,
                           const char *text)
{
    struct server *s = (struct server *)pub;
    json_t *frame = json_pack("{s:s, s:s, s:s}", "type", "progress", "run",
                              s->run, "text", text);
    if (percent >= 0)
        json_object_set_new(frame, "percent", json_real(percent));
    frame_send(s, frame);
}

/* Not as a frame: so it stays in order with what the function prints. */
static void serve_log(struct stint_run *pub, const char *text, size_t len)
{
    (void)pub;
    fwrite(text, 1, len, stdout);
    fflush(stdout);
}

static const struct stint_run_ops serve_ops = {serve_is_cancelled,
                                               serve_progress, serve_log, NULL};

/* ---- A run -------------------------------------------------------------- */

static void run_show(struct server *s, const json_t *frame)
{
    struct stint_run *pub = &s->pub;
    json_t *task = json_object_get(frame, "task");
    pub->task = json_incref(task);
    pub->id = word_of(task, "id");
    pub->function = word_of(task, "function");
    pub->fence = (uint64_t)json_integer_value(json_object_get(task, "fence"));
    pub->attempt = (int)json_integer_value(json_object_get(task, "attempt"));
    pub->deadline_wall_ms =
        json_integer_value(json_object_get(frame, "deadline"));
    pub->end_mono_ms =
        clock_mono_ms() +
        (int64_t)(1000 * json_number_value(json_object_get(frame, "timeout")));
}

static json_t *retry_json(const struct run_result *r)
{
    if (r->retry == RETRY_NEVER)
        return json_string("never");
    return r->retry == RETRY_AFTER ? json_real((double)r->retry_ms / 1000)
                                   : NULL;
}

/* The result was found to be JSON: what cannot be read again lacks memory, and
 * must not pass for none. */
static void done_send(struct server *s, const struct run_result *r)
{
    json_t *result = r->result == NULL
                         ? NULL
                         : json_loadb(r->result, r->result_len,
                                      JSON_DECODE_ANY, NULL);
    if (r->result != NULL && result == NULL)
        memory_end();
    frame_send(s, json_pack("{s:s, s:s, s:o*}", "type", "done", "run", s->run,
                            "result", result));
}

static void serve_run(struct server *s, const json_t *frame)
{
    struct run_result r = {0};
    s->run = word_of(frame, "run");
    s->cancelled = 0;
    run_show(s, frame);
    const struct function *f = s->find(s->pub.function, s->find_arg);
    int status = 1;
    if (f != NULL)
        status = f->fn(&s->pub, f->arg);
    else
        stint_run_set_error(&s->pub, "there is no such function");
    fflush(stdout);
    fflush(stderr);
    stint_run_judge(&s->pub, status, &r);
    if (r.outcome == RUN_COMPLETED)
        done_send(s, &r);
    else
        frame_send(s, json_pack("{s:s, s:s, s:s, s:o*}", "type", "failed",
                                "run", s->run, "error", r.error, "retry",
                                retry_json(&r)));
    stint_run_clear(&s->pub);
    s->run = NULL;
}

int serve(int fd, const struct function *(*find)(const char *name, void *arg),
          void *find_arg)
{
    struct server s = {.pub = {.ops = &serve_ops},
                       .fd = fd,
                       .find = find,
                       .find_arg = find_arg};
    frames_init(&s.in);
    buf_init(&s.out, FRAME_HEAD + FRAME_BYTES_MAX);
    frame_send(&s, json_pack("{s:s, s:i, s:s}", "type", "hello", "protocol", 1,
                             "name", "C functions"));
    while (!s.at_end) {
        json_t *run = frames_heed(&s);
        if (run != NULL)
            serve_run(&s, run);
        else if (!s.at_end)
            socket_read(&s, 0);
        json_decref(run);
    }
    frames_close(&s.in);
    buf_close(&s.out);
    return 0;
}
