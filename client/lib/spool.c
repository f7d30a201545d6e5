/* SPDX-License-Identifier: MIT */
/* What goes in, and how it comes out again.
 *
 * In: the tasks of one call are one frame, on the disk before the call returns.
 * Out, by one process at a time, in steps of a few frames: Redis is asked for
 * its time, so that it is there; the cursor notes that the frames may have been
 * sent; they are sent as a repeated call, so that what is there already with
 * the same content is fine; what Redis refuses is written to `refused`; the
 * cursor moves on. Cut off at any point, the next replay does the same again.
 *
 * A task that may have been sent before could have been queued, run and
 * forgotten since: Redis keeps the ids of ended tasks for an hour. So after
 * SURE_MS it is not sent any more, but, unless Redis still knows it, refused.
 * One that was never sent has no such limit. */
#include "spool.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "clock.h"
#include "err.h"

#define PATIENCE_MS   1000 /* for Redis, where there is a spool */
#define REST_MS       1000 /* without asking Redis that was away */
#define LOCK_WAIT_MS  10000 /* for others' changes, which take milliseconds */
#define STEP_TASKS    1000
#define SURE_MS       INT64_C(3000000) /* 50 minutes: ten for the rest of it */
#define SKEW_MS       60000 /* the host's clock may be put back so far */

/* A task of a step. */
struct item {
    stint_task *task;
    int64_t queued_ms;
    int64_t sent_ms; /* 0: never */
};

/* Frames of one segment that go out together. */
struct step {
    struct spool_cursor from;
    struct spool_cursor before; /* what was noted: to be put back */
    uint64_t end;
    int is_last;     /* nothing behind it in its segment */
    int was_damaged; /* there were bytes in the segment that are no frames */
    struct item *items;
    size_t n, room;
};

struct replay {
    struct spool *sp;
    struct stint *s;
    int64_t until_ms; /* monotonic */
    int forced;       /* also what may have been queued long ago */
    int64_t now_ms, redis_ms; /* of this step */
    uint64_t n_queued, n_refused;
    uint64_t total;   /* for fn; 0: nobody counted */
    stint_progress_fn fn;
    void *arg;
};

/* Redis cannot take tasks now, and will some time. */
static int is_away(enum stint_code code)
{
    return code == STINT_UNREACHABLE || code == STINT_UNKNOWN ||
           code == STINT_LOADING || code == STINT_READONLY ||
           code == STINT_BUSY;
}

void spool_rest(struct spool *sp)
{
    sp->next_try_ms = clock_mono_ms() + REST_MS;
}

int spool_of_options(struct spool **to, const struct stint_options *full,
                     struct stint_err *err)
{
    *to = NULL;
    if (full->spool == NULL)
        return 0;
    if (full->spool[0] == '\0')
        return err_set(err, STINT_INVALID, "spool: names no directory");
    if (memory_is_url(full->url))
        return err_set(err, STINT_INVALID,
                       "spool: a server in memory is never away");
    *to = spool_open(full->spool, full->spool_max_bytes, 1, err);
    return *to != NULL ? 0 : -1;
}

/* ---- A step -------------------------------------------------------------- */

static void step_close(struct step *st)
{
    for (size_t i = 0; i < st->n; i++)
        stint_task_free(st->items[i].task);
    free(st->items);
    *st = (struct step){0};
}

static int step_has(const struct step *st, const stint_task *t)
{
    for (size_t i = 0; i < st->n; i++)
        if (strcmp(st->items[i].task->id, t->id) == 0)
            return 1;
    return 0;
}

/* When its tasks may have been sent first. */
static int64_t frame_sent_ms(const struct step *st, const struct spool_frame *f)
{
    int64_t ms = f->sent_ms;
    if (st->from.sent_ms != 0 && f->at < st->from.sent_to &&
        (ms == 0 || st->from.sent_ms < ms))
        ms = st->from.sent_ms;
    return ms;
}

/* 1: taken, 0: it is for the next step. */
static int step_take(struct replay *r, struct step *st,
                     const struct spool_frame *f, struct stint_err *err)
{
    const char *space, *own = r->s->caller.base;
    size_t space_len;
    int64_t shift_ms = r->redis_ms - r->now_ms;
    if (st->n > 0 && st->n + f->n_tasks > STEP_TASKS)
        return 0;
    stint_task **tasks = spool_tasks(f, shift_ms, &space, &space_len, err);
    if (tasks == NULL)
        return -1;
    int rc = 1;
    if (space_len != strlen(own) || memcmp(space, own, space_len) != 0)
        rc = err_set(err, STINT_INVALID, "spool %.80s: has tasks for the "
                     "namespace %.*s: each needs a spool of its own",
                     r->sp->path, (int)(space_len < 60 ? space_len : 60),
                     space);
    for (size_t i = 0; rc == 1 && st->n > 0 && i < f->n_tasks; i++)
        rc = !step_has(st, tasks[i]); /* named twice it would be refused */
    if (rc == 1 && st->n + f->n_tasks > st->room) {
        size_t room = 2 * st->room + f->n_tasks;
        struct item *more = realloc(st->items, room * sizeof(*more));
        if (more == NULL)
            rc = err_set(err, STINT_NOMEM, "out of memory");
        else
            st->items = more, st->room = room;
    }
    for (size_t i = 0; rc == 1 && i < f->n_tasks; i++) {
        st->items[st->n++] = (struct item){tasks[i], f->queued_ms,
                                           frame_sent_ms(st, f)};
        tasks[i] = NULL;
    }
    spool_tasks_free(tasks, f->n_tasks);
    return rc;
}

/* The frames from the cursor on. */
static int step_fill(struct replay *r, struct step *st, const char *data,
                     size_t len, int cursor_is_lost, struct stint_err *err)
{
    size_t at = (size_t)st->from.offset;
    for (;;) {
        struct spool_frame f;
        size_t before = at;
        enum spool_found found = spool_next(data, len, &at, &f);
        if (found == SPOOL_DAMAGE) {
            st->was_damaged = 1;
            continue;
        }
        if (found != SPOOL_FRAME) {
            st->is_last = 1;
            return 0;
        }
        if (cursor_is_lost && f.sent_ms == 0)
            f.sent_ms = f.queued_ms; /* nobody knows */
        int rc = step_take(r, st, &f, err);
        if (rc < 0)
            return -1;
        if (rc == 0) {
            at = before;
            return 0;
        }
        st->end = at;
    }
}

/* Was there damage before `offset`? Only asked at a segment's end. */
static int segment_was_damaged(const char *data, size_t len, uint64_t offset)
{
    struct spool_frame f;
    size_t at = 0;
    while (at < offset)
        switch (spool_next(data, len, &at, &f)) {
        case SPOOL_DAMAGE:
            return 1;
        case SPOOL_FRAME:
            break;
        default:
            return 0;
        }
    return 0;
}

/* Where to go on, by what is there. 0: nothing is left. */
static int step_begin(struct replay *r, struct step *st,
                      struct spool_list *list, int *cursor_is_lost,
                      struct stint_err *err)
{
    int known = spool_cursor_load(r->sp, &st->from, err);
    if (known == -2)
        return -1;
    *cursor_is_lost = known == -1;
    for (size_t i = 0; i < list->n; i++) {
        uint64_t segment = list->segments[i];
        if (segment < st->from.segment) { /* done; the power went */
            if (spool_segment_end(r->sp, segment, 0, err))
                return -1;
            continue;
        }
        if (segment > st->from.segment)
            st->from = (struct spool_cursor){.segment = segment};
        st->before = st->from;
        st->end = st->from.offset;
        return 1;
    }
    return 0;
}

/* Reads the next frames, with `lock` held; what is behind the last of a segment
 * goes with it. 0: nothing is left. */
static int step_read(struct replay *r, struct step *st, struct stint_err *err)
{
    for (;;) {
        struct spool_list list;
        int lost;
        char *data;
        size_t len;
        step_close(st);
        if (spool_list(r->sp, &list, err))
            return -1;
        int rc = step_begin(r, st, &list, &lost, err);
        spool_list_close(&list);
        if (rc <= 0)
            return rc;
        if (spool_segment_read(r->sp, st->from.segment, &data, &len, err))
            return -1;
        rc = step_fill(r, st, data, len, lost, err);
        if (rc == 0 && st->n == 0) {
            int damaged = st->was_damaged ||
                          segment_was_damaged(data, len, st->from.offset);
            struct spool_cursor next = {.segment = st->from.segment + 1};
            /* Renamed first: a power cut must not make it look done. */
            rc = damaged
                     ? spool_segment_end(r->sp, st->from.segment, 1, err) ||
                           spool_cursor_store(r->sp, &next, err)
                     : spool_cursor_store(r->sp, &next, err) ||
                           spool_segment_end(r->sp, st->from.segment, 0, err);
            r->sp->tail = 0;
        }
        free(data);
        if (rc != 0)
            return -1;
        if (st->n > 0)
            return 1;
    }
}

/* ---- Sending ------------------------------------------------------------- */

static int refuse(struct replay *r, struct buf *lines, const struct item *it,
                  const struct stint_err *why, struct stint_err *err)
{
    r->n_refused++;
    if (spool_refused_line(lines, it->task, why, it->queued_ms, r->now_ms))
        return err_set(err, STINT_NOMEM, "out of memory");
    return 0;
}

/* Why a task must not be sent; OK: it may. */
static struct stint_err item_judge(const struct replay *r,
                                   const struct item *it)
{
    struct stint_err why = {0};
    int64_t age_ms = r->now_ms - it->sent_ms;
    const char *stop = it->task->stop;
    if (stop[0] != '\0' && strtoll(stop, NULL, 10) < r->redis_ms)
        err_set(&why, STINT_STATE, "its stop_time has passed");
    else if (it->sent_ms != 0 && !r->forced &&
             (age_ms > SURE_MS || age_ms < -SKEW_MS))
        err_set(&why, STINT_STALE, "it may have been queued %" PRId64
                " minutes ago, and may have run and been forgotten since: it "
                "might run twice", age_ms / 60000);
    return why;
}

/* Takes those out of the step that must not be sent; those of them that Redis
 * knows are queued. */
static int step_sort(struct replay *r, struct step *st, struct buf *lines,
                     struct stint_err *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < st->n; i++) {
        struct item *it = &st->items[i];
        struct stint_err why = item_judge(r, it);
        unsigned char exists = 0;
        const char *id = it->task->id;
        if (why.code != STINT_OK && it->sent_ms != 0 &&
            stint_ids_exist(r->s, it->task->group, &id, 1, &exists, err))
            kept = st->n; /* the array stays whole */
        if (err->code != STINT_OK)
            return -1;
        if (why.code == STINT_OK) {
            struct item keep = *it;
            *it = st->items[kept];
            st->items[kept++] = keep;
        } else if (exists) {
            r->n_queued++;
        } else if (refuse(r, lines, it, &why, err)) {
            return -1;
        }
    }
    while (st->n > kept)
        stint_task_free(st->items[--st->n].task);
    return 0;
}

/* One of a durability that Redis is not set up for; n: it is another fault. */
static size_t durability_bad(const struct step *st, const struct stint_err *why)
{
    size_t i = 0;
    if (why->code != STINT_INVALID || strncmp(why->text, "durability: ", 12))
        return st->n;
    while (i < st->n && st->items[i].task->durability.level < 2)
        i++;
    return i;
}

/* Sends what is left of the step, without those that Redis refuses, until it
 * has all others. *sent: something may have reached it. */
static int step_send(struct replay *r, struct step *st, struct buf *lines,
                     int *sent, struct stint_err *err)
{
    stint_task **tasks = calloc(st->n + 1, sizeof(*tasks));
    int rc = tasks != NULL ? 1 : err_set(err, STINT_NOMEM, "out of memory");
    while (rc == 1 && st->n > 0) {
        struct stint_err why = {0};
        for (size_t i = 0; i < st->n; i++)
            tasks[i] = st->items[i].task;
        struct queueing q = {
            .s = r->s, .tasks = tasks, .n = st->n, .again = 1};
        int failed = queueing_direct(&q, NULL, NULL, &why);
        *sent |= q.sent;
        if (!failed) {
            r->n_queued += st->n;
            break;
        }
        size_t bad = durability_bad(st, &why);
        if (bad == st->n && q.is_refused)
            bad = q.bad;
        if (bad >= st->n) {
            rc = err_set(err, why.code, "%s", why.text);
            break;
        }
        if (refuse(r, lines, &st->items[bad], &why, err))
            rc = -1;
        stint_task_free(st->items[bad].task);
        st->n--;
        memmove(&st->items[bad], &st->items[bad + 1],
                (st->n - bad) * sizeof(*st->items));
    }
    free(tasks);
    return rc == 1 ? 0 : -1;
}

/* ---- The replay ---------------------------------------------------------- */

/* With `lock` held, does one thing. */
typedef int (*locked_fn)(struct replay *r, struct step *st,
                         const struct buf *lines, struct stint_err *err);

static int locked(struct replay *r, struct step *st, const struct buf *lines,
                  locked_fn fn, struct stint_err *err)
{
    int lock = spool_lock(r->sp, r->s, "lock", LOCK_WAIT_MS, err);
    if (lock < 0)
        return -1;
    int rc = fn(r, st, lines, err);
    spool_lock_end(lock);
    return rc;
}

/* 1: a step was read and is noted to be sent; 0: nothing is left. */
static int locked_read(struct replay *r, struct step *st,
                       const struct buf *lines, struct stint_err *err)
{
    (void)lines;
    int rc = step_read(r, st, err);
    if (rc <= 0)
        return rc;
    struct spool_cursor c = st->from;
    if (c.sent_ms == 0 || c.sent_to <= c.offset)
        c.sent_ms = r->now_ms;
    if (st->end > c.sent_to)
        c.sent_to = st->end;
    return spool_cursor_store(r->sp, &c, err) ? -1 : 1;
}

static int locked_undo(struct replay *r, struct step *st,
                       const struct buf *lines, struct stint_err *err)
{
    (void)lines;
    return spool_cursor_store(r->sp, &st->before, err);
}

static int locked_done(struct replay *r, struct step *st,
                       const struct buf *lines, struct stint_err *err)
{
    struct spool_cursor c = {.segment = st->from.segment, .offset = st->end};
    if (st->from.sent_to > c.offset) { /* sent before, and not as one step */
        c.sent_to = st->from.sent_to;
        c.sent_ms = st->from.sent_ms;
    }
    if (lines->len > 0 && spool_refuse(r->sp, lines, err))
        return -1;
    return spool_cursor_store(r->sp, &c, err);
}

/* 1: there may be more, 0: nothing was left. */
static int replay_step(struct replay *r, struct stint_err *err)
{
    struct step st = {0};
    struct buf lines;
    int sent = 0;
    r->redis_ms = client_redis_now_ms(r->s, err);
    r->now_ms = clock_wall_ms();
    if (r->redis_ms < 0)
        return -1;
    buf_init(&lines, SIZE_MAX / 2);
    int rc = locked(r, &st, NULL, locked_read, err);
    if (rc == 1) {
        struct stint_err why = {0};
        rc = step_sort(r, &st, &lines, err) ||
             step_send(r, &st, &lines, &sent, err) ? -1 : 1;
        if (rc < 0 && !sent) /* else an hour of outage would refuse it all */
            (void)locked(r, &st, NULL, locked_undo, &why);
        if (rc == 1 && locked(r, &st, &lines, locked_done, err))
            rc = -1;
    }
    buf_close(&lines);
    step_close(&st);
    if (rc == 1 && r->fn != NULL)
        r->fn((size_t)(r->n_queued + r->n_refused), (size_t)r->total, r->arg);
    return rc;
}

/* 0: nothing is left; 1: another process is at it, or the time is up; -1:
 * err. */
static int replay_run(struct replay *r, int64_t wait_ms, struct stint_err *err)
{
    struct stint_err why = {0};
    int rc, lock = spool_lock(r->sp, r->s, "replay.lock", wait_ms, &why);
    if (lock < 0 && why.code == STINT_BUSY)
        return 1;
    if (lock < 0)
        return err_set(err, why.code, "%s", why.text);
    do
        rc = clock_mono_ms() < r->until_ms ? replay_step(r, err) : 2;
    while (rc == 1);
    spool_lock_end(lock);
    return rc == 2 ? 1 : rc;
}

/* Is something spooled? -1: err. */
static int spool_has(struct spool *sp, struct stint_err *err)
{
    struct spool_list list;
    if (spool_list(sp, &list, err))
        return -1;
    int has = list.n > 0;
    spool_list_close(&list);
    return has;
}

/* ---- Queueing ------------------------------------------------------------ */

/* Into the spool: 1, or -1 with what went wrong. `away`: why not into Redis. */
static int spool_put(struct queueing *q, struct stint_err *away,
                     struct stint_err *err)
{
    struct spool *sp = q->s->spool;
    struct stint_err why = {0};
    struct buf frame;
    int64_t now_ms = clock_wall_ms();
    buf_init(&frame, (size_t)sp->max_bytes + SPOOL_HEAD_BYTES);
    int rc = spool_write_frame(&frame, q->s->caller.base, q->tasks, q->n,
                               now_ms, q->sent ? now_ms : 0);
    if (rc)
        err_set(&why, STINT_TOO_BIG, "spool %.80s: more than the %" PRId64
                " bytes it may have", sp->path, sp->max_bytes);
    int lock = rc ? -1 : spool_lock(sp, q->s, "lock", LOCK_WAIT_MS, &why);
    if (lock >= 0)
        rc = spool_append(sp, &frame, &why);
    if (lock >= 0)
        spool_lock_end(lock);
    buf_close(&frame);
    if (lock >= 0 && rc == 0)
        return 1;
    if (away->code == STINT_OK || why.code == STINT_UNKNOWN)
        return err_set(err, why.code, "%s", why.text);
    return err_set(err, away->code, "%.90s; and %.100s", away->text, why.text);
}

/* What is spooled goes first. 0: nothing is left; 1: these have to go behind
 * it; -1: err. */
static int spool_drain(struct stint *s, struct stint_err *away,
                       struct stint_err *err)
{
    int has = spool_has(s->spool, err);
    if (has <= 0)
        return has;
    struct replay r = {.sp = s->spool, .s = s};
    r.until_ms = clock_mono_ms() + PATIENCE_MS * 5;
    int rc = replay_run(&r, PATIENCE_MS, away);
    return rc < 0 && !is_away(away->code)
               ? err_set(err, away->code, "%s", away->text)
               : rc != 0;
}

int spool_queue(struct queueing *q, stint_progress_fn fn, void *arg,
                struct stint_err *err)
{
    struct stint *s = q->s;
    struct stint_err away = {0};
    int64_t timeout_ms = s->timeout_ms;
    int rc = 1;
    if (q->n == 0)
        return 0;
    if (clock_mono_ms() >= s->spool->next_try_ms) {
        if (s->timeout_ms > PATIENCE_MS)
            s->timeout_ms = PATIENCE_MS;
        rc = spool_drain(s, &away, err);
        if (rc == 0 && queueing_direct(q, fn, arg, &away))
            rc = is_away(away.code) && q->done < q->n
                     ? 1
                     : err_set(err, away.code, "%s", away.text);
        s->timeout_ms = timeout_ms;
        if (is_away(away.code))
            spool_rest(s->spool);
    } else {
        err_set(&away, STINT_UNREACHABLE, "Redis was not reachable just now");
    }
    if (rc != 1)
        return rc;
    q->done = 0;
    if (q->errors != NULL)
        q->errors->n = 0;
    return spool_put(q, &away, err);
}

/* ---- For everybody ------------------------------------------------------- */

static void status_count(struct stint_spool_status *st,
                         const struct spool_cursor *c, uint64_t segment,
                         const char *data, size_t len)
{
    struct spool_frame f;
    size_t at = segment == c->segment ? (size_t)c->offset : 0;
    for (;;)
        switch (spool_next(data, len, &at, &f)) {
        case SPOOL_FRAME:
            st->n_calls++;
            st->n_tasks += f.n_tasks;
            if (f.sent_ms != 0 ||
                (segment == c->segment && f.at < c->sent_to))
                st->n_unsure += f.n_tasks;
            if (st->oldest_ms == 0 || f.queued_ms < st->oldest_ms)
                st->oldest_ms = f.queued_ms;
            break;
        case SPOOL_DAMAGE:
            st->damaged_bytes += f.len;
            break;
        default:
            return;
        }
}

static int status_look(struct spool *sp, struct stint_spool_status *st,
                       struct stint_err *err)
{
    struct spool_list list;
    struct spool_cursor c;
    if (spool_cursor_load(sp, &c, err) == -2 || spool_list(sp, &list, err))
        return -1;
    st->bytes = (uint64_t)list.bytes;
    st->damaged_bytes = (uint64_t)list.damaged_bytes;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        char *data;
        size_t len;
        struct stint_err why = {0};
        if (list.segments[i] < c.segment)
            continue;
        if (spool_segment_read(sp, list.segments[i], &data, &len, &why)) {
            if (why.code != STINT_NOT_FOUND) /* replayed meanwhile */
                rc = err_set(err, why.code, "%s", why.text);
            continue;
        }
        status_count(st, &c, list.segments[i], data, len);
        free(data);
    }
    spool_list_close(&list);
    int64_t refused = rc == 0 ? spool_refused_count(sp, err) : -1;
    st->n_refused = refused >= 0 ? (uint64_t)refused : 0;
    return refused >= 0 ? 0 : -1;
}

int stint_spool_status(const char *dir, struct stint_spool_status *to,
                       struct stint_err *err)
{
    struct stint_spool_status st = {.size = to->size};
    struct spool *sp = spool_open(dir, 0, 0, err);
    if (sp == NULL)
        return -1;
    int rc = status_look(sp, &st, err);
    spool_close(sp);
    if (rc == 0)
        memcpy(to, &st, to->size < sizeof(st) ? to->size : sizeof(st));
    return rc;
}

int stint_spool_replay(stint *s, unsigned flags, stint_progress_fn fn,
                       void *arg, uint64_t *n_queued, uint64_t *n_refused,
                       struct stint_err *err)
{
    struct replay r = {.sp = s->spool, .s = s, .until_ms = INT64_MAX,
                       .forced = (flags & STINT_SPOOL_FORCE) != 0,
                       .fn = fn, .arg = arg};
    if (s->spool == NULL)
        return err_set(err, STINT_INVALID, "the handle has no spool");
    struct stint_spool_status st = {.size = sizeof(st)};
    if (status_look(s->spool, &st, err))
        return -1;
    r.total = st.n_tasks;
    int rc = replay_run(&r, s->timeout_ms, err);
    if (n_queued != NULL)
        *n_queued = r.n_queued;
    if (n_refused != NULL)
        *n_refused = r.n_refused;
    if (rc == 1)
        return err_set(err, STINT_BUSY, "spool %.100s: another process "
                       "replays it", s->spool->path);
    return rc;
}
