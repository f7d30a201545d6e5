/* SPDX-License-Identifier: MIT */
/* What a seed holds: tasks of all kinds over its first part, and what clients
 * do to them and to the workers. Everything is drawn before the seed begins. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "part.h"
#include "sim.h"

/* ---- What is queued ----------------------------------------------------- */

/* Texts that an options structure points to. */
struct draw_texts {
    char start[24], stop[24], parents[96];
};

static const char *draw_time(char text[static 24], int64_t ms)
{
    snprintf(text, 24, "%s%" PRId64 ".%03ds", ms < 0 ? "-" : "+",
             (ms < 0 ? -ms : ms) / 1000, (int)((ms < 0 ? -ms : ms) % 1000));
    return text;
}

static void draw_rules(struct sim *s, struct stint_task_options *o)
{
    if (sim_chance(s, 400))
        o->repeats = sim_between(s, 0, 5);
    if (sim_chance(s, 500))
        o->retry_failed = sim_between(s, -1, 3);
    if (o->repeats != 1 || o->retry_failed != 0 || sim_chance(s, 500))
        o->period_s = (double)sim_between(s, 0, 40) / 10;
    o->prevent_drift = sim_chance(s, 250);
    if (sim_chance(s, 300))
        o->retry_delay_s = (double)sim_between(s, 0, 30) / 10;
    if (sim_chance(s, 200))
        o->retry_backoff = (double)sim_between(s, 10, 30) / 10;
    if (sim_chance(s, 300))
        o->retry_max_delay_s = (double)sim_between(s, 1, 50) / 10;
    if (sim_chance(s, 300))
        o->priority = (int)sim_between(s, -2, 2);
    o->immediate = sim_chance(s, 100);
    o->disabled = sim_chance(s, 40);
    o->discard_results = sim_chance(s, 100);
    if (sim_chance(s, 200))
        o->result_ttl_s = (double)sim_between(s, 0, 20);
    if (sim_chance(s, 150))
        o->timeout_s = (double)sim_between(s, 1, 20) / 10;
}

/* Tasks planned shortly before it, in its own group or in the other. */
static void draw_parents(struct sim *s, struct sim_task *t,
                         struct stint_task_options *o, struct draw_texts *text)
{
    uint64_t *dice = sim_dice(s, FEATURE_PARENTS_AT);
    int n = 0, at = (int)(t - s->tasks);
    if (dice == NULL || at == 0 || !dice_chance(dice, 300))
        return;
    for (int want = (int)dice_between(dice, 1, SIM_PARENTS_MAX); want > 0;
         want--) {
        struct sim_task *p =
            t - dice_between(dice, 1, at < 8 ? at : 8);
        int i = 0;
        while (i < t->n_parents && t->parents[i] != p)
            i++;
        if (i < t->n_parents)
            continue;
        t->parents[t->n_parents++] = p;
        t->is_foreign |= p->group != t->group;
        n += snprintf(text->parents + n, sizeof(text->parents) - (size_t)n,
                      "%s\"%s/%s\"", n > 0 ? "," : "[",
                      sim_group_shown(p->group), p->id);
    }
    snprintf(text->parents + n, sizeof(text->parents) - (size_t)n, "]");
    o->depends_on = text->parents;
    t->anyway = dice_chance(dice, 250);
    if (t->anyway)
        o->on_dependency = "run";
}

static void draw_cron(struct sim *s, struct sim_task *t,
                      struct stint_task_options *o, int per_mille)
{
    static const char *const lines[] = {
        "* * * * *", "* * * * *", "*/2 * * * *", "@hourly",
        "14-16,0,1,30 * * * *", "15 1-3 * * sun", "0 0 L * *"};
    static const char *const zones[] = {
        "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
        "Asia/Kathmandu"};
    uint64_t *dice = sim_dice(s, FEATURE_CRON_AT);
    if (dice == NULL || !dice_chance(dice, per_mille))
        return;
    t->cronline = lines[dice_random(dice, 7)];
    t->timezone = dice_chance(dice, 500) ? zones[dice_random(dice, 4)] : NULL;
    o->cronline = t->cronline;
    o->timezone = t->timezone;
    o->repeats = dice_chance(dice, 300) ? -1 : dice_between(dice, 1, 2);
    o->prevent_drift = 0;
}

/* What is special about some. */
static void draw_features(struct sim *s, struct sim_task *t,
                          struct stint_task_options *o,
                          struct draw_texts *text)
{
    uint64_t *dice = sim_dice(s, FEATURE_CAST_AT);
    draw_parents(s, t, o, text);
    if (dice != NULL && dice_chance(dice, 80)) {
        o->broadcast = 1;
        o->retry_failed = dice_between(dice, 0, 2);
        o->repeats = dice_chance(dice, 200) ? 0 : dice_between(dice, 1, 3);
        o->period_s = (double)dice_between(dice, 0, 40) / 10;
    }
    draw_cron(s, t, o, o->broadcast ? 300 : 100);
    dice = sim_dice(s, FEATURE_OUTPUT_AT);
    if (dice != NULL && dice_chance(dice, 200))
        o->sync_output_s = (double)dice_between(dice, 1, 10) / 10;
    dice = sim_dice(s, FEATURE_CRASHES_AT);
    if (dice != NULL && dice_chance(dice, 300))
        o->max_crashes = dice_chance(dice, 500) ? dice_between(dice, 1, 2)
                                                : -1;
}

static void draw_task(struct sim *s, struct sim_task *t)
{
    static const char *const functions[] = {"alpha", "alpha", "beta", "gamma",
                                            "nobody"};
    struct draw_texts text;
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors;
    struct stint_err err = {0};
    t->function = functions[sim_chance(s, 30) ? 4 : sim_random(s, 4)];
    o.id = t->id;
    o.function = t->function;
    o.group_name = sim_group_shown(t->group);
    int64_t start_ms = 0;
    if (sim_chance(s, 500)) {
        start_ms = sim_chance(s, 30) ? 3600000
                                     : sim_between(s, -20000, 15000);
        o.start_time = draw_time(text.start, start_ms);
    }
    if (sim_chance(s, 150))
        o.stop_time = draw_time(text.stop, start_ms + sim_between(s, 0, 30000));
    if (sim_chance(s, 650))
        draw_rules(s, &o);
    draw_features(s, t, &o, &text);
    t->queue = stint_task_new(&o, &errors, &err);
    if (t->queue == NULL)
        sim_fail(s, "a task that cannot be queued: %s", err.text);
    o.id = o.function = o.group_name = o.start_time = o.stop_time = NULL;
    o.depends_on = o.on_dependency = o.cronline = o.timezone = NULL;
    t->options = o;
    t->repeats = o.repeats >= 0 ? o.repeats : t->cronline != NULL ? 0 : 1;
}

/* ---- What is done to tasks ---------------------------------------------- */

static void draw_requeue(struct sim *s, struct sim_task *t, int64_t at_ms)
{
    uint64_t *dice = sim_dice(s, FEATURE_REQUEUE_AT);
    if (dice == NULL || !dice_chance(dice, 250))
        return;
    struct sim_order *o = sim_client_order(s, ORDER_REQUEUE, t, dice);
    o->tries = 6;
    o->reset = dice_chance(dice, 500);
    sim_client_push(o, at_ms + dice_between(dice, 0, 10000));
}

static void draw_disable(struct sim *s, struct sim_task *t, int64_t at_ms)
{
    uint64_t *dice = sim_dice(s, FEATURE_DISABLE_AT);
    if (dice == NULL || !dice_chance(dice, 200))
        return;
    at_ms += dice_between(dice, 0, 6000);
    sim_client_push(sim_client_order(s, ORDER_DISABLE, t, dice), at_ms);
    if (dice_chance(dice, 800))
        sim_client_push(sim_client_order(s, ORDER_ENABLE, t, dice),
                        at_ms + dice_between(dice, 0, 8000));
}

static void draw_delete(struct sim *s, struct sim_task *t, int64_t at_ms)
{
    uint64_t *dice = sim_dice(s, FEATURE_DELETE_AT);
    if (dice == NULL || !dice_chance(dice, 150))
        return;
    struct sim_order *o = sim_client_order(s, ORDER_DELETE, t, dice);
    o->tries = 4;
    o->is_back = dice_chance(dice, 600);
    sim_client_push(o, at_ms + dice_between(dice, 0, 8000));
}

static void draw_prefer(struct sim *s, struct sim_task *t, int64_t at_ms)
{
    uint64_t *dice = sim_dice(s, FEATURE_PREFER_AT);
    if (dice == NULL)
        return;
    if (dice_chance(dice, 250))
        sim_client_push(sim_client_order(s, ORDER_RUN_NOW, t, dice),
                        at_ms + dice_between(dice, 0, 6000));
    for (int n = dice_chance(dice, 250) ? 2 : 0; n > 0; n--) {
        struct sim_order *o = sim_client_order(s, ORDER_PRIORITY, t, dice);
        o->priority = (int)dice_between(dice, -3, 3);
        sim_client_push(o, at_ms + dice_between(dice, 0, 6000));
    }
}

static void draw_commands(struct sim *s)
{
    static const char *const verbs[] = {"disable", "disable", "disable",
                                        "resume", "terminate", "kill"};
    uint64_t *dice = sim_dice(s, FEATURE_FLEET_AT);
    for (int n = dice != NULL ? (int)dice_between(dice, 1, 6) : 0; n > 0;
         n--) {
        struct sim_order *o = sim_client_order(s, ORDER_COMMAND, NULL, dice);
        o->verb = verbs[dice_random(dice, 6)];
        o->slot = (int)dice_random(dice, (uint64_t)s->n_workers);
        sim_client_push(o, dice_between(dice, s->now_ms + 500, s->end_ms));
    }
}

/* ---- The plan ----------------------------------------------------------- */

/* A broadcast must not be under way when all leave, also if it began another
 * life since. */
static void draw_on_casts(struct sim *s, void *arg)
{
    for (int i = 0; i < s->n_tasks; i++) {
        struct sim_task *t = &s->tasks[i];
        int endless = t->repeats == 0 || t->options.retry_failed < 0;
        if (endless && t->options.broadcast && t->acked && t->ended == NULL &&
            !t->is_to_stop)
            sim_client_push(sim_client_order(s, ORDER_STOP, t, NULL),
                            s->now_ms);
    }
    if (!s->is_leaving)
        sim_push(s, s->now_ms + 3000, draw_on_casts, arg);
}

/* At the end, what would repeat for ever is stopped, or left so. */
static void draw_on_end(struct sim *s, void *arg)
{
    (void)arg;
    for (int i = 0; i < s->n_tasks; i++) {
        struct sim_task *t = &s->tasks[i];
        int endless = t->repeats == 0 || t->options.retry_failed < 0;
        if (!endless || !sim_chance(s, 500))
            continue;
        sim_client_push(sim_client_order(s, ORDER_STOP, t, NULL),
                        s->now_ms + sim_between(s, 0, 2000));
    }
}

/* A third of the tasks of main are for its other part. */
static int draw_group(struct sim *s)
{
    if (s->groups == 2 || (s->groups == 3 && sim_chance(s, 300)))
        return 1;
    return sim_chance(s, 333) ? SIM_NAMED : 0;
}

/* t00, t01…; with a letter behind it if it would live in the other part. */
static void draw_id(struct sim *s, struct sim_task *t)
{
    int part = t->group == SIM_NAMED, n = s->n_tasks++;
    snprintf(t->id, sizeof(t->id), "t%02d", n);
    for (char c = 'a'; t->group != 1 && part_of_id(t->id, SIM_PARTS) != part;
         c++)
        snprintf(t->id, sizeof(t->id), "t%02d%c", n, c);
}

void sim_draw_plan(struct sim *s)
{
    int64_t span_ms = (s->end_ms - s->now_ms) * 2 / 3;
    int n = s->is_large ? (int)sim_between(s, 20, 50)
                        : (int)sim_between(s, 2, 8);
    while (s->n_tasks < n) {
        struct sim_order *o = sim_client_order(s, ORDER_QUEUE, NULL, NULL);
        int group = draw_group(s);
        int size = (int)sim_between(s, 1, BATCH_MAX);
        int64_t at_ms = s->now_ms + sim_between(s, 0, span_ms);
        for (o->n = 0; o->n < size && s->n_tasks < n; o->n++) {
            struct sim_task *t = &s->tasks[s->n_tasks];
            t->group = group;
            draw_id(s, t);
            draw_task(s, t);
            o->tasks[o->n] = t;
            draw_requeue(s, t, at_ms);
            draw_disable(s, t, at_ms);
            draw_delete(s, t, at_ms);
            draw_prefer(s, t, at_ms);
        }
        sim_client_push(o, at_ms);
        if (sim_chance(s, 200))
            sim_client_push(
                sim_client_order(s, ORDER_STOP, o->tasks[0], NULL),
                at_ms + sim_between(s, 0, 8000));
    }
    draw_commands(s);
    sim_push(s, s->end_ms, draw_on_end, NULL);
    if (sim_dice(s, FEATURE_CAST_AT) != NULL)
        sim_push(s, s->end_ms + 100, draw_on_casts, NULL);
}
