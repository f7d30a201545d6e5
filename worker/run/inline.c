/* SPDX-License-Identifier: MIT */
#include "inline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "capture.h"
#include "ending.h"
#include "err.h"
#include "stint_run.h"

struct inline_slot {
    struct stint_run pub;       /* what the handler sees; first */
    struct inline_slot *next;   /* started later */
    struct inline_executor *executor;
    struct run *run;
    int64_t due_ms;             /* when its timeout passes */
    enum run_outcome ending;    /* RUN_COMPLETED: nobody ended it */
    struct capture capture;     /* its log */
    int has_progress, is_new;
    double percent;
    char text[PROGRESS_BYTES_MAX + 1];
};

struct inline_executor {
    struct executor base; /* first */
    struct inline_options o;
    struct inline_slot *first, **end; /* started; the first one may run */
};

/* ---- What a handler says ------------------------------------------------- */

static int slot_is_cancelled(struct stint_run *pub)
{
    struct inline_slot *r = (struct inline_slot *)pub;
    struct inline_executor *e = r->executor;
    e->o.pump(e->o.pump_arg);
    return r->ending != RUN_COMPLETED;
}

static void slot_progress(struct stint_run *pub, double percent,
                          const char *text)
{
    struct inline_slot *r = (struct inline_slot *)pub;
    struct inline_executor *e = r->executor;
    r->has_progress = r->is_new = 1;
    r->percent = percent;
    snprintf(r->text, sizeof(r->text), "%s", text);
    e->o.on_progress(r->run, e->o.arg);
    e->o.pump(e->o.pump_arg);
}

static void slot_log(struct stint_run *pub, const char *text, size_t len)
{
    struct inline_slot *r = (struct inline_slot *)pub;
    capture_add(&r->capture, PIPE_OUT, text, len);
}

static int64_t slot_mono_ms(struct stint_run *pub)
{
    return ((struct inline_slot *)pub)->executor->o.clock();
}

static const struct stint_run_ops slot_ops = {
    .is_cancelled = slot_is_cancelled,
    .progress = slot_progress,
    .log = slot_log,
    .mono_ms = slot_mono_ms,
};

/* ---- Running ------------------------------------------------------------- */

static void inline_start(struct executor *base, struct run *run)
{
    struct inline_executor *e = (struct inline_executor *)base;
    struct inline_slot *r = calloc(1, sizeof(*r));
    check(r != NULL);
    r->executor = e;
    r->run = run;
    run->slot = r;
    r->due_ms = e->o.clock() + run->timeout_ms;
    r->pub.ops = &slot_ops;
    r->pub.id = run->id;
    r->pub.function = run->function;
    r->pub.json = run->json;
    r->pub.json_len = run->json_len;
    r->pub.fence = run->fence;
    r->pub.attempt = run->attempt;
    r->pub.deadline_wall_ms = run->deadline_wall_ms;
    r->pub.end_mono_ms = r->due_ms;
    capture_init(&r->capture);
    *e->end = r;
    e->end = &r->next;
}

static void slot_end(struct inline_slot *r, enum run_outcome ending)
{
    if (r->ending == RUN_COMPLETED)
        r->ending = ending;
}

static void inline_stop(struct executor *base, struct run *run, int at_once)
{
    (void)base, (void)at_once;
    if (run->slot != NULL)
        slot_end(run->slot, RUN_STOPPED);
}

static int64_t inline_tick(struct executor *base, int64_t now_ms)
{
    struct inline_executor *e = (struct inline_executor *)base;
    int64_t next = INT64_MAX;
    for (struct inline_slot *r = e->first; r != NULL; r = r->next) {
        if (r->ending != RUN_COMPLETED)
            continue;
        if (r->due_ms <= now_ms)
            slot_end(r, RUN_TIMEOUT);
        else if (r->due_ms < next)
            next = r->due_ms;
    }
    return next;
}

static int inline_news(struct executor *base, struct run *run,
                       struct run_news *news)
{
    struct inline_slot *r = run->slot;
    int is_new = capture_news(&r->capture, news->output);
    (void)base;
    if (r->is_new && !is_new)
        capture_output(&r->capture, news->output);
    is_new |= r->is_new;
    r->is_new = 0;
    news->has_progress = r->has_progress;
    news->percent = r->percent;
    snprintf(news->text, sizeof(news->text), "%s", r->text);
    return is_new;
}

/* What the function's end means, as thread.c sees it. */
static void slot_judge(struct inline_slot *r, int status,
                       struct run_result *result)
{
    stint_run_judge(&r->pub, status, result);
    if (r->ending == RUN_COMPLETED)
        return;
    result->outcome = r->ending;
    result->error = r->pub.error;
    ending_describe(r->run, r->ending, r->pub.error);
}

static void slot_free(struct inline_slot *r)
{
    struct inline_executor *e = r->executor;
    e->first = r->next;
    if (e->first == NULL)
        e->end = &e->first;
    stint_run_clear(&r->pub);
    capture_close(&r->capture);
    free(r);
}

static void slot_deliver(struct inline_slot *r, int status)
{
    struct inline_executor *e = r->executor;
    struct run_result result = {0};
    struct buf output;
    slot_judge(r, status, &result);
    buf_init(&output, OUTPUT_BYTES_MAX);
    capture_output(&r->capture, &output);
    result.output = output.len > 0 ? output.data : NULL;
    result.output_len = output.len;
    r->run->slot = NULL;
    e->o.on_done(r->run, &result, e->o.arg);
    buf_close(&output);
    slot_free(r);
}

int inline_executor_run(struct executor *base)
{
    struct inline_executor *e = (struct inline_executor *)base;
    struct inline_slot *r = e->first;
    int status = 0;
    if (r == NULL)
        return 0;
    if (r->ending == RUN_COMPLETED) {
        const char *name = r->run->function;
        const struct function *f =
            &config_find(e->o.config, name, strlen(name))->function;
        status = f->fn(&r->pub, f->arg);
        if (e->o.clock() >= r->due_ms)
            slot_end(r, RUN_TIMEOUT);
    }
    slot_deliver(r, status);
    return 1;
}

static void inline_close(struct executor *base)
{
    struct inline_executor *e = (struct inline_executor *)base;
    while (e->first != NULL) {
        slot_end(e->first, RUN_STOPPED);
        slot_deliver(e->first, 0);
    }
    free(e);
}

struct executor *inline_executor_new(const struct inline_options *o)
{
    static const struct executor_ops ops = {
        "inline", inline_start, inline_stop, inline_tick, inline_close,
        inline_news};
    struct inline_executor *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return NULL;
    e->base.ops = &ops;
    e->o = *o;
    e->end = &e->first;
    return &e->base;
}
