/* SPDX-License-Identifier: MIT */
/* Tasks go out in batches, many of them in flight, so that a million takes
 * seconds and not a million round trips. A window is a stretch of the tasks,
 * dealt out to the parts of their groups; it has to be in Redis before the
 * next one starts, so memory is bounded. A batch whose answer got lost is sent
 * again and says so: what is there already with equal content is then its own
 * work. A batch that went by a wrong number of parts wrote nothing; its tasks
 * are dealt out anew. */
#include "flight.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "clock.h"
#include "err.h"
#include "parents.h"
#include "part.h"
#include "parts.h"

#define FLIGHT_MAX 4    /* full batches in flight */
#define WINDOW_MAX 8192 /* tasks in flight to several groups or parts */
#define BYTES_MAX  ((size_t)FLIGHT_MAX * BATCH_BYTES_MAX)
#define NEWS_MAX   8 /* new numbers of parts heard before we take a rest */

/* UNKNOWN: was sent, and may be there. */
enum task_state_of_window { TASK_NEW, TASK_UNKNOWN, TASK_DONE };

/* Tasks for one call. */
struct batch {
    const char *group; /* borrowed from the first task */
    int part, parts;   /* where it goes, as far as is known */
    int again;         /* its tasks are UNKNOWN */
    int is_open;       /* it takes more of them */
    size_t n, bytes;
    size_t first, last; /* its tasks are a chain in the window */
    struct client_answer answer;
};

struct window {
    struct queueing *q;
    size_t room, n;       /* tasks, from q->done */
    unsigned char *state; /* of each */
    size_t *next;         /* in the chain of its batch */
    struct batch *batches;
    size_t n_batches, batches_room;
    size_t most;            /* batches in flight: all, or few once a
                               connection was lost under so many */
    size_t heard;           /* that are in Redis since the last sending */
    struct stint_err last;  /* why some have to be sent again */
};

static const struct stint_task *window_task(const struct window *w, size_t i)
{
    return w->q->tasks[w->q->done + i];
}

static size_t task_bytes(const struct stint_task *t)
{
    return t->text_len + sizeof(*t) +
           (t->depends != NULL ? strlen(t->depends) : 0);
}

/* ---- Batches ------------------------------------------------------------ */

/* "rules after=PART/ID after=…", owned by the caller. NULL: out of memory. */
static char *rules_with_parents(struct stint *s, const struct stint_task *t)
{
    size_t n = 1, used;
    for (const char *p = t->depends; *p != '\0'; p++)
        n += *p == ' ';
    size_t cap =
        strlen(t->rules) + strlen(t->depends) + (7 + PARTS_SUFFIX_MAX) * n + 1;
    char *text = malloc(cap);
    if (text == NULL)
        return NULL;
    used = (size_t)snprintf(text, cap, "%s", t->rules);
    for (const char *p = t->depends; *p != '\0';) {
        char ref[STINT_NAME_LEN + STINT_ID_LEN + 2];
        size_t len = strcspn(p, " ");
        snprintf(ref, sizeof(ref), "%.*s", (int)len, p);
        parents_place(s, ref, sizeof(ref));
        used += (size_t)snprintf(text + used, cap - used, " after=%s", ref);
        p += len + (p[len] == ' ');
    }
    return text;
}

static void batch_send(const struct window *w, struct batch *b)
{
    struct args a;
    group_name base;
    char head[16], *rules[BATCH_TASKS_MAX];
    size_t n_rules = 0;
    args_init(&a);
    if (b->parts > 1)
        snprintf(head, sizeof(head), "%d %d", b->again, b->parts);
    else
        snprintf(head, sizeof(head), "%d", b->again);
    args_add_str(&a, head);
    for (size_t k = 0, i = b->first; k < b->n; k++, i = w->next[i]) {
        const struct stint_task *t = window_task(w, i);
        args_add_str(&a, t->id);
        args_add_str(&a, t->function);
        args_add_str(&a, t->start);
        args_add_str(&a, t->stop);
        const char *told = t->rules;
        if (t->depends != NULL)
            told = rules[n_rules++] = rules_with_parents(w->q->s, t);
        if (told != NULL)
            args_add_str(&a, told);
        else
            a.failed = 1;
        args_add(&a, t->text, t->text_len);
    }
    part_name(base, b->group, b->part);
    script_call(&w->q->s->caller, SCRIPT_QUEUE_TASK, base, &a, client_keep,
                &b->answer);
    args_close(&a);
    while (n_rules > 0)
        free(rules[--n_rules]);
}

/* The refused ones of a batch that Redis answered. */
static int batch_judge(const struct window *w, const struct batch *b,
                       struct stint_err *err)
{
    const struct redisReply *r = b->answer.reply;
    struct queueing *q = w->q;
    size_t len, n = reply_n(r), at = b->first;
    if (n < 5)
        return 0;
    for (size_t i = 1; i + 3 < n && q->errors != NULL; i += 4)
        errors_add(q->errors, reply_str(r, i + 2, &len), "%s",
                   reply_str(r, i + 3, &len));
    size_t index = (size_t)reply_i64(r, 1);
    for (size_t k = 0; k < index && k + 1 < b->n; k++)
        at = w->next[at];
    q->bad = q->done + at;
    q->is_refused = 1;
    const char *word = reply_str(r, 2, &len);
    return err_set(err,
                   strcmp(word, "EXISTS") == 0     ? STINT_EXISTS
                   : strcmp(word, "NOTFOUND") == 0 ? STINT_NOT_FOUND
                                                   : STINT_INVALID,
                   "%.90s: %s %.60s", q->tasks[q->bad]->id,
                   reply_str(r, 3, &len), reply_str(r, 4, &len));
}

static void batch_mark(struct window *w, const struct batch *b, int state)
{
    for (size_t k = 0, i = b->first; k < b->n; k++, i = w->next[i])
        w->state[i] = (unsigned char)state;
}

/* It went by a wrong number of parts. */
static int batch_reroute(struct window *w, const struct batch *b,
                         struct stint_err *err)
{
    const char *text = strchr(b->answer.err.text, ' ');
    int n = text != NULL ? (int)strtol(text, NULL, 10) : 0;
    if (n == 0) {
        w->last = (struct stint_err){0};
        err_set(&w->last, STINT_BUSY,
                "the parts of group %.60s are being "
                "changed; if that does not end, run stint group again",
                b->group);
        return parts_refresh(w->q->s, b->group, err) < 0 ? -1 : 0;
    }
    if (parts_learn(w->q->s, b->group, n, 1) < 0)
        return err_set(err, STINT_NOMEM, "out of memory");
    return 0;
}

/* What became of it; its tasks are DONE, or to be sent again. */
static int batch_hear(struct window *w, struct batch *b, struct stint_err *err)
{
    const struct stint_err *why = &b->answer.err;
    if (b->answer.reply != NULL || why->code != STINT_UNREACHABLE)
        w->q->sent = 1;
    if (b->answer.reply != NULL) {
        if (batch_judge(w, b, err))
            return -1;
        batch_mark(w, b, TASK_DONE);
        w->heard++;
        return 0;
    }
    if (why->code == STINT_PARTS)
        return batch_reroute(w, b, err);
    if (!client_may_retry(why->code))
        return err_set(err, why->code, "%s", why->text);
    w->last = *why;
    w->most = FLIGHT_MAX;
    batch_mark(w, b, TASK_UNKNOWN);
    return 0;
}

/* ---- Windows ------------------------------------------------------------ */

/* How many tasks from q->done may be under way at once. One whose parents are
 * elsewhere goes when these are there. */
static size_t window_size(const struct window *w)
{
    const struct queueing *q = w->q;
    size_t bytes = 0, most = (size_t)FLIGHT_MAX * BATCH_TASKS_MAX, i;
    for (i = 0; i < w->room && q->done + i < q->n; i++) {
        const struct stint_task *t = window_task(w, i);
        bytes += task_bytes(t);
        if (most < w->room &&
            (parts_of(q->s, t->group) > 1 ||
             strcmp(t->group, window_task(w, 0)->group) != 0))
            most = w->room;
        if (i > 0 && (i >= most || bytes > BYTES_MAX))
            break;
        if (t->generation > window_task(w, 0)->generation &&
            parents_are_far(q->s, t))
            break;
    }
    return i;
}

static struct batch *batch_new(struct window *w, const struct stint_task *t,
                               int part)
{
    if (w->n_batches == w->batches_room) {
        size_t room = w->batches_room ? 2 * w->batches_room : FLIGHT_MAX;
        struct batch *more = realloc(w->batches, room * sizeof(*more));
        if (more == NULL)
            return NULL;
        w->batches = more;
        w->batches_room = room;
    }
    struct batch *b = &w->batches[w->n_batches++];
    *b = (struct batch){
        .group = t->group, .part = part, .parts = parts_of(w->q->s, t->group),
        .is_open = 1};
    return b;
}

/* The one that takes tasks of that part of the group, or NULL. */
static struct batch *batch_open(struct window *w, const char *group, int part)
{
    for (size_t k = w->n_batches; k-- > 0;) {
        struct batch *b = &w->batches[k];
        if (b->is_open && b->part == part && strcmp(b->group, group) == 0)
            return b;
    }
    return NULL;
}

/* The batch that task i goes with. *found is NULL if there is no room for it in
 * this flight, nor for those behind it that go to the same part. -1: out of
 * memory. */
static int window_batch(struct window *w, size_t i, struct batch **found)
{
    const struct stint_task *t = window_task(w, i);
    int parts = parts_of(w->q->s, t->group);
    int part = part_of_id(t->id, parts);
    struct batch *b = batch_open(w, t->group, part);
    int again = w->state[i] == TASK_UNKNOWN;
    if (b != NULL && b->parts == parts && b->again == again &&
        b->n < BATCH_TASKS_MAX &&
        b->bytes + task_bytes(t) <= BATCH_BYTES_MAX) {
        *found = b;
        return 0;
    }
    *found = NULL;
    if (b != NULL)
        b->is_open = 0; /* none behind it may overtake it */
    if (w->n_batches >= w->most)
        return 0;
    b = batch_new(w, t, part);
    if (b == NULL)
        return -1;
    b->again = again;
    *found = b;
    return 0;
}

/* Deals out what is not in Redis yet. */
static int window_deal(struct window *w, struct stint_err *err)
{
    w->n_batches = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (w->state[i] == TASK_DONE)
            continue;
        if (client_register(w->q->s, window_task(w, i)->group, err))
            return -1;
        struct batch *b;
        if (window_batch(w, i, &b))
            return err_set(err, STINT_NOMEM, "out of memory");
        if (b == NULL)
            continue;
        if (b->n++ == 0)
            b->first = i;
        else
            w->next[b->last] = i;
        b->last = i;
        b->bytes += task_bytes(window_task(w, i));
    }
    return 0;
}

/* Sends what is dealt out and hears the answers. The first fault wins, but all
 * are heard: what is there is counted. */
static int window_send(struct window *w, stint_progress_fn fn, void *arg,
                       struct stint_err *err)
{
    size_t done = w->q->done;
    int rc = 0;
    for (size_t i = 0; i < w->n; i++)
        done += w->state[i] == TASK_DONE;
    for (size_t k = 0; k < w->n_batches; k++)
        batch_send(w, &w->batches[k]);
    w->q->s->store->ops->wait(w->q->s->store);
    w->heard = 0;
    w->last = (struct stint_err){0};
    for (size_t k = 0; k < w->n_batches; k++) {
        struct batch *b = &w->batches[k];
        size_t n = b->n;
        if (rc == 0)
            rc = batch_hear(w, b, err);
        else if (reply_n(b->answer.reply) > 0 && reply_n(b->answer.reply) < 5)
            batch_mark(w, b, TASK_DONE);
        if (rc == 0 && w->state[b->first] == TASK_DONE) {
            done += n;
            if (fn != NULL)
                fn(done, w->q->n, arg);
        }
        client_reply_free(b->answer.reply);
        b->answer.reply = NULL;
    }
    return rc;
}

static int window_is_done(const struct window *w)
{
    return memchr(w->state, TASK_NEW, w->n) == NULL &&
           memchr(w->state, TASK_UNKNOWN, w->n) == NULL;
}

/* Until all of it is in Redis or the time is up. */
static int window_queue(struct window *w, stint_progress_fn fn, void *arg,
                        struct stint_err *err)
{
    int tries = 0, news = 0;
    int64_t until_ms = clock_mono_ms() + w->q->s->timeout_ms;
    memset(w->state, w->q->again ? TASK_UNKNOWN : TASK_NEW, w->n);
    for (;;) {
        if (window_deal(w, err) || window_send(w, fn, arg, err))
            return -1;
        if (window_is_done(w))
            return 0;
        if (w->heard > 0) { /* it goes on */
            until_ms = clock_mono_ms() + w->q->s->timeout_ms;
            tries = news = 0;
        }
        if (w->last.code == STINT_OK && (w->heard > 0 || ++news < NEWS_MAX))
            continue; /* more of it, or another number of parts: at once */
        if (client_pause(w->q->s, ++tries, until_ms))
            return err_set(err, w->last.code ? w->last.code : STINT_BUSY, "%s",
                           w->last.code ? w->last.text
                                        : "the group's parts keep changing");
    }
}

static int window_init(struct window *w, struct queueing *q)
{
    *w = (struct window){.q = q,
                         .room = q->n < WINDOW_MAX ? q->n : WINDOW_MAX,
                         .most = SIZE_MAX};
    w->state = calloc(w->room + 1, sizeof(*w->state));
    w->next = calloc(w->room + 1, sizeof(*w->next));
    return w->state != NULL && w->next != NULL ? 0 : -1;
}

int queueing_run(struct queueing *q, stint_progress_fn fn, void *arg,
                 struct stint_err *err)
{
    struct window w;
    int rc =
        window_init(&w, q) ? err_set(err, STINT_NOMEM, "out of memory") : 0;
    while (rc == 0 && q->done < q->n) {
        w.n = window_size(&w);
        rc = window_queue(&w, fn, arg, err);
        size_t done = 0;
        while (done < w.n && w.state[done] == TASK_DONE)
            done++;
        q->done += done;
    }
    free(w.state);
    free(w.next);
    free(w.batches);
    return rc;
}
