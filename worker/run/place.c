/* SPDX-License-Identifier: MIT */
/* A place of a pool: a process is started, says hello, rests or has a run, is
 * pinged, ends, and is followed by another. One run at most is lost with it.
 * What is due at a place depends on its state, see pools.h. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "err.h"
#include "log.h"
#include "pools.h"

#define HELLO_MS        30000
#define PING_MS         10000
#define PONG_MS         10000
#define BACK_OFF_MS     100
#define BACK_OFF_MAX_MS 30000
#define TAIL_BYTES      300
#define EXIT_MS         5000 /* from exit, or the end of its socket, to
                                SIGKILL */

static void place_set_due(struct place *p, int64_t due_ms)
{
    p->due_ms = due_ms;
    pools_look_at(p->pool->pools, due_ms);
}

/* ---- Places -------------------------------------------------------------- */

static const char *pool_name(const struct pool *pool)
{
    return pool->how->argv != NULL ? pool->how->argv[0] : "C functions";
}

static void idle_remove(struct place *p)
{
    struct place **at = &p->pool->idle;
    while (*at != p)
        at = &(*at)->next_idle;
    *at = p->next_idle;
}

static void idle_add(struct place *p)
{
    p->state = PLACE_IDLE;
    p->is_pinged = 0;
    p->next_idle = p->pool->idle;
    p->pool->idle = p;
    place_set_due(p, clock_mono_ms() + PING_MS);
}

/* It may break on the way, so it is busy first. */
static void place_take(struct place *p, struct errand *e)
{
    int64_t now_ms = clock_mono_ms();
    idle_remove(p);
    p->state = PLACE_BUSY;
    p->errand = e;
    place_set_due(p, now_ms + e->run->timeout_ms);
    if (errand_begin(e, p, now_ms) == 0)
        return;
    p->errand = NULL;
    errand_is_over(e, RUN_FAILED);
    idle_add(p);
}

void pool_feed(struct pool *pool)
{
    while (pool->first != NULL && pool->idle != NULL) {
        struct errand *e = pool->first;
        queue_remove(pool, e);
        place_take(pool->idle, e);
    }
}

static int place_is_needed(const struct place *p)
{
    return !p->pool->pools->is_retiring || p->pool->first != NULL;
}

static void place_rest(struct place *p)
{
    idle_add(p);
    if (place_is_needed(p))
        pool_feed(p->pool);
    else
        place_retire(p);
}

void place_tell(struct place *p, const char *type, int64_t n)
{
    struct buf *frame = &p->pool->pools->frame;
    json_t *o = json_pack("{s:s}", "type", type);
    if (n > 0)
        json_object_set_new(o, "n", json_integer(n));
    check(frame_write(frame, o) == 0);
    resident_send(&p->resident, frame);
}

/* It has no run. */
static void place_dismiss(struct place *p)
{
    p->state = PLACE_LEAVING;
    p->was_told = 1;
    place_tell(p, "exit", 0);
    place_set_due(p, clock_mono_ms() + EXIT_MS);
}

void place_retire(struct place *p)
{
    if (p->state != PLACE_IDLE)
        return;
    idle_remove(p);
    place_dismiss(p);
}

static int place_is_spent(const struct place *p)
{
    const struct child_pool *how = p->pool->how;
    if (how->max_tasks > 0 && p->n_runs >= how->max_tasks)
        return 1;
    return how->max_rss_bytes > 0 &&
           resident_rss(&p->resident) > how->max_rss_bytes;
}

/* Its run has ended with an answer. */
static void place_take_back(struct place *p)
{
    p->errand = NULL;
    p->n_runs++;
    p->n_failures = 0;
    if (p->state != PLACE_BUSY)
        return;
    if (p->resident.kid.pid == 0) /* its last words */
        p->state = PLACE_LEAVING;
    else if (place_is_spent(p))
        place_dismiss(p);
    else
        place_rest(p);
}

static void place_wait(struct place *p, const char *what)
{
    const struct log *log = p->pool->pools->o.log;
    int64_t wait_ms = BACK_OFF_MS;
    for (int i = 0; i < p->n_failures && wait_ms < BACK_OFF_MAX_MS; i++)
        wait_ms *= 2;
    if (wait_ms > BACK_OFF_MAX_MS)
        wait_ms = BACK_OFF_MAX_MS;
    p->n_failures++;
    int is_first = p->n_failures > p->pool->n_warned;
    if (is_first)
        p->pool->n_warned = p->n_failures;
    log_at(log, is_first ? STINT_LOG_WARN : STINT_LOG_DEBUG,
           log_event("child"), log_text("program", pool_name(p->pool)),
           log_text("error", what), log_s("again_s", wait_ms));
    place_set_due(p, clock_mono_ms() + wait_ms);
}

/* Its last words may say why. */
static void tail_add(struct resident *r, char *text, size_t cap)
{
    struct buf tail;
    size_t len = strlen(text);
    buf_init(&tail, cap);
    if (r->has_capture)
        capture_stderr(&r->capture, TAIL_BYTES, &tail);
    if (tail.len > 0)
        snprintf(text + len, cap - len, ": %.*s", (int)tail.len, tail.data);
    buf_close(&tail);
}

static void end_describe(const struct resident *r, char *text, size_t cap)
{
    if (r->fault[0] != '\0')
        snprintf(text, cap, "a child is killed: %s", r->fault);
    else if (r->status == -1)
        snprintf(text, cap, "a child ended");
    else if (WIFEXITED(r->status))
        snprintf(text, cap, "a child ended with exit status %d",
                 WEXITSTATUS(r->status));
    else
        snprintf(text, cap, "a child was killed by signal %d",
                 WTERMSIG(r->status));
}

/* Its process did not get as far as hello: that costs one run, so that people
 * see why there is none; or all, if none can ever be started. */
static void place_fail_start(struct place *p)
{
    struct pool *pool = p->pool;
    char text[300 + TAIL_BYTES];
    p->state = PLACE_EMPTY;
    end_describe(&p->resident, text, sizeof(text));
    if (p->resident.fault[0] != '\0')
        snprintf(text, sizeof(text), "%s", p->resident.fault);
    tail_add(&p->resident, text, sizeof(text));
    place_wait(p, text);
    do {
        struct errand *e = pool->first;
        if (e == NULL)
            return;
        queue_remove(pool, e);
        errand_lose(e, &p->resident, "the child did not start: ");
    } while (pool->pools->nursery.is_lost && pool->how->argv == NULL);
}

void place_start(struct place *p)
{
    p->n_runs = 0;
    p->was_told = 0;
    if (!place_is_needed(p)) {
        p->state = PLACE_EMPTY;
        p->due_ms = INT64_MAX;
        return;
    }
    if (resident_start(&p->resident) < 0) {
        place_fail_start(p);
        return;
    }
    log_debug(p->pool->pools->o.log, log_event("child"),
              log_text("program", pool_name(p->pool)),
              log_n("pid", p->resident.kid.pid));
    p->state = PLACE_STARTING;
    place_set_due(p, clock_mono_ms() + HELLO_MS);
}

/* Nothing of its run can have happened, and it was not its first: then it
 * costs no run that it ended. */
static int errand_is_untouched(const struct place *p)
{
    const struct errand *e = p->errand;
    return p->resident.unread && p->n_runs > 0 && !e->is_heard &&
           e->ending == RUN_COMPLETED && p->resident.fault[0] == '\0';
}

void place_lose_errand(struct place *p)
{
    struct errand *e = p->errand;
    if (e == NULL)
        return;
    if (errand_is_untouched(p)) {
        e->place = NULL;
        queue_put_back(p->pool, e);
    } else {
        errand_lose(e, &p->resident,
                    p->resident.fault[0] != '\0'
                        ? "the child broke the protocol: "
                        : "");
    }
    p->errand = NULL;
}

/* Who had a run is replaced at once: so it is never done without one. */
void place_on_gone(struct resident *r)
{
    struct place *p = (struct place *)r;
    enum place_state state = p->state;
    int had_run = p->errand != NULL || p->n_runs > 0;
    char text[300];
    json_decref(p->functions);
    p->functions = NULL;
    if (state == PLACE_STARTING) {
        place_fail_start(p);
        resident_ignore(r);
        return;
    }
    if (state == PLACE_IDLE)
        idle_remove(p);
    p->state = PLACE_EMPTY;
    place_lose_errand(p);
    resident_ignore(r);
    end_describe(r, text, sizeof(text));
    if (had_run || p->was_told) {
        if (!p->was_told)
            log_info(p->pool->pools->o.log, log_event("child"),
                     log_text("program", pool_name(p->pool)),
                     log_text("error", text));
        p->n_failures = 0;
        place_start(p);
        pool_feed(p->pool);
    } else {
        place_wait(p, text);
    }
}

/* ---- What comes due ------------------------------------------------------ */

static void place_ping(struct place *p, int64_t now_ms)
{
    p->is_pinged = 1;
    place_set_due(p, now_ms + PONG_MS);
    place_tell(p, "ping", ++p->n_pings);
}

void place_cancel(struct place *p, enum run_outcome why, int64_t now_ms)
{
    if (p->state == PLACE_BUSY)
        place_set_due(p, now_ms + p->pool->pools->o.grace_ms);
    errand_cancel(p->errand, why);
}

/* A timeout, or the end of the grace period. */
static void place_end_run(struct place *p, int64_t now_ms)
{
    if (p->errand->ending == RUN_COMPLETED) {
        place_cancel(p, RUN_TIMEOUT, now_ms);
    } else {
        resident_kill(&p->resident);
    }
}

void place_due(struct place *p, int64_t now_ms)
{
    struct resident *r = &p->resident;
    p->due_ms = INT64_MAX;
    switch (p->state) {
    case PLACE_EMPTY:
        place_start(p);
        break;
    case PLACE_STARTING:
        resident_break(r, r->at_eof ? "it closed its socket"
                                    : "no hello within 30 s");
        break;
    case PLACE_IDLE:
        if (p->is_pinged)
            resident_break(r, "no answer to a ping within 10 s");
        else
            place_ping(p, now_ms);
        break;
    case PLACE_BUSY:
        place_end_run(p, now_ms);
        break;
    case PLACE_LEAVING:
        if (r->at_eof && !p->was_told)
            resident_break(r, "it closed its socket");
        else
            resident_kill(r);
        break;
    }
}

/* ---- What residents say -------------------------------------------------- */

void place_on_silent(struct resident *r)
{
    struct place *p = (struct place *)r;
    if (p->state == PLACE_IDLE)
        idle_remove(p);
    if (p->state == PLACE_IDLE || p->state == PLACE_BUSY)
        p->state = PLACE_LEAVING;
    place_set_due(p, clock_mono_ms() + EXIT_MS);
}

static void place_on_hello(struct place *p, const json_t *frame,
                           const char *json)
{
    const json_t *functions = json_object_get(frame, "functions");
    const char *name = json_string_value(json_object_get(frame, "name"));
    (void)json;
    if (p->state != PLACE_STARTING)
        return;
    if (json_number_value(json_object_get(frame, "protocol")) != 1) {
        resident_break(&p->resident, "it does not speak version 1 of the "
                       "protocol");
        return;
    }
    if (json_is_array(functions)) {
        size_t i;
        json_t *v;
        p->functions = json_object();
        json_array_foreach(functions, i, v)
            if (json_is_string(v))
                json_object_set_new(p->functions, json_string_value(v),
                                    json_true());
    }
    if (name != NULL)
        log_debug(p->pool->pools->o.log, log_event("child"),
                  log_n("pid", p->resident.kid.pid), log_text("hello", name));
    p->pool->n_warned = 0;
    resident_ignore(&p->resident);
    place_rest(p);
}

static void place_on_pong(struct place *p, const json_t *frame,
                          const char *json)
{
    (void)frame, (void)json;
    if (p->state != PLACE_IDLE || !p->is_pinged)
        return;
    p->is_pinged = 0;
    place_set_due(p, clock_mono_ms() + PING_MS);
}

static void place_on_progress(struct place *p, const json_t *frame,
                              const char *json)
{
    (void)json;
    errand_on_progress(p->errand, frame);
}

static void place_on_output(struct place *p, const json_t *frame,
                            const char *json)
{
    (void)json;
    errand_on_output(p->errand, frame);
}

static void place_on_done(struct place *p, const json_t *frame,
                          const char *json)
{
    (void)frame;
    errand_on_done(p->errand, json);
    place_take_back(p);
}

static void place_on_failed(struct place *p, const json_t *frame,
                            const char *json)
{
    (void)json;
    errand_on_failed(p->errand, frame);
    place_take_back(p);
}

static const struct heard {
    const char *type;
    int of_run; /* it must name the one that it has */
    void (*hear)(struct place *p, const json_t *frame, const char *json);
} heards[] = {
    {"done", 1, place_on_done},         {"failed", 1, place_on_failed},
    {"progress", 1, place_on_progress}, {"output", 1, place_on_output},
    {"hello", 0, place_on_hello},       {"pong", 0, place_on_pong},
};
enum { HEARDS = sizeof(heards) / sizeof(heards[0]) };

void place_on_frame(struct resident *r, const char *type,
                           struct json_t *frame, const char *json)
{
    struct place *p = (struct place *)r;
    const struct heard *h = heards;
    while (h < heards + HEARDS && strcmp(h->type, type) != 0)
        h++;
    if (h == heards + HEARDS)
        return;
    const char *run = json_string_value(json_object_get(frame, "run"));
    int is_its = p->errand != NULL && run != NULL &&
                 strcmp(run, p->errand->name) == 0;
    if (h->of_run && !is_its) {
        resident_break(r, "it speaks of a run that it does not have");
        return;
    }
    if (h->of_run)
        p->errand->is_heard = 1;
    h->hear(p, frame, json);
}
