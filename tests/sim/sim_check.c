/* SPDX-License-Identifier: MIT */
/* What must hold after every call. All records of the group are read again and
 * compared with the last look; sim_record.c judges each that changed. Indexes
 * are left to sim_index.c and fsck, which run behind this. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

/* ---- Verbs with consequences for the model ------------------------------ */

static int64_t check_time(const struct sim *s, const char *text)
{
    int64_t ms = strtoll(text, NULL, 10);
    return *text == '+' || *text == '-' ? sim_redis_ms(s) + ms : ms;
}

static void check_queued(struct sim *s, const struct sim_call_view *c)
{
    if (reply_n(c->reply) != 1)
        return; /* refused; the client looks why */
    for (int i = 1; i + 5 < c->argc; i += 6) {
        struct sim_task *t = sim_task_find(s, c->argv[i]);
        check(t != NULL);
        if (t->exists)
            continue;
        t->exists = 1;
        t->deleted = t->pruned = t->is_to_stop = t->is_requeued = 0;
        t->is_early = 0;
        t->ended = NULL;
        t->text[0] = '\0';
        t->n_run = t->n_failed = t->n_lost = t->n_lines = 0;
        t->n_parts = t->n_open = 0;
        t->disabled = t->options.disabled;
        t->made = s->n_calls;
        t->changed_ms = sim_redis_ms(s);
        t->begin_ms = check_time(s, c->argv[i + 2]);
        t->expire_ms = *c->argv[i + 3] ? check_time(s, c->argv[i + 3]) : 0;
        t->rec = (struct task_state){.status = "QUEUED", .ticket = "0 -",
                                     .worker = "-"};
        t->rec.next_ms = t->begin_ms;
        t->rec.disabled = t->disabled;
        t->before = t->rec;
        sim_family_queued(s, t);
        if (t->is_reborn)
            sim_family_again(s, t);
    }
}

static void check_lease(struct sim *s, const struct sim_call_view *c)
{
    struct sim_life *life = sim_worker_find(s, c->argv[0]);
    int64_t lease_ms = strtoll(c->argv[1], NULL, 10);
    check(life != NULL);
    life->lease_ms[c->group] = lease_ms > 0 ? sim_redis_ms(s) + lease_ms : 0;
    int rests = lease_ms > 0 && strchr(c->argv[2], 'r') != NULL;
    /* What it had not begun it has given back by its next heartbeat. */
    for (int i = 0; i < s->n_tasks; i++) {
        const struct sim_task *t = &s->tasks[i];
        if (rests && life->rests[c->group] && s->faults == 0 &&
            t->group == c->group && strcmp(t->rec.status, "ASSIGNED") == 0 &&
            strcmp(t->rec.worker, c->argv[0]) == 0)
            sim_fail(s, "%s is disabled, but keeps %s", c->argv[0], t->id);
    }
    life->rests[c->group] = rests;
}

/* Who was recovered has no lease any more, even if the clock goes back. */
static void check_lapsed(struct sim *s, const struct sim_call_view *c)
{
    for (struct sim_life *l = s->lives; l != NULL; l = l->next)
        if (l->lease_ms[c->group] < sim_redis_ms(s))
            l->lease_ms[c->group] = 0;
}

/* Leases follow Redis's clock back. */
static void check_rewind(struct sim *s, const struct sim_call_view *c)
{
    int64_t back_ms = strtoll(c->argv[1], NULL, 10);
    if (strcmp(c->argv[2], "1") != 0 || strcmp(c->argv[3], "0") != 0)
        return;
    for (struct sim_life *l = s->lives; l != NULL; l = l->next)
        if (l->lease_ms[c->group] > sim_redis_ms(s) + back_ms / 2)
            l->lease_ms[c->group] -= back_ms;
}

static void check_before(struct sim *s, const struct sim_call_view *c)
{
    if (strcmp(c->verb, "queue_task") == 0)
        check_queued(s, c);
    if (strcmp(c->verb, "report") == 0 || strcmp(c->verb, "start") == 0 ||
        strcmp(c->verb, "release") == 0 || strcmp(c->verb, "progress") == 0)
        sim_words_check(s, c);
    sim_words_change(s, c);
    if (strcmp(c->verb, "heartbeat") == 0 && reply_n(c->reply) > 0)
        check_lease(s, c);
    if (strcmp(c->verb, "rewind") == 0 && reply_n(c->reply) > 0)
        check_rewind(s, c);
}

/* What assign hands out is what the records say. */
static void check_assigned(struct sim *s, const struct sim_call_view *c)
{
    size_t len;
    for (size_t i = 3; i + 2 < reply_n(c->reply); i += 3) {
        const char *id = reply_str(c->reply, i, &len);
        const char *record = reply_str(c->reply, i + 1, &len);
        struct sim_task *t = sim_task_find(s, id);
        if (t == NULL || strcmp(t->text, record) != 0)
            sim_fail(s, "assign hands out %s as \"%s\"", id, record);
    }
}

static int is_suspect_of(const struct sim_task *t, const char *worker)
{
    return t->exists && t->is_suspect && sim_is_held(&t->rec) &&
           strcmp(t->rec.worker, worker) == 0;
}

/* Of those that were lost with a worker, one may have been the cause: nobody
 * gets a second one of a group. */
static void check_suspects(struct sim *s, const struct sim_call_view *c)
{
    const struct sim_task *first = NULL;
    for (int i = 0; i < s->n_tasks; i++) {
        const struct sim_task *t = &s->tasks[i];
        if (t->group != c->group || !is_suspect_of(t, c->argv[0]))
            continue;
        if (first != NULL)
            sim_fail(s, "%s and %s were lost before, and %s has both",
                     first->id, t->id, c->argv[0]);
        first = t;
    }
}

/* ---- The look ----------------------------------------------------------- */

/* The task of a record; a part may be new. */
static struct sim_task *check_known(struct sim *s,
                                    const struct sim_call_view *c,
                                    const char *id, const char *text,
                                    size_t len)
{
    struct sim_task *t = sim_task_find(s, id);
    struct task_state rec;
    if (strchr(id, '@') != NULL && (t == NULL || t->pruned)) {
        if (task_state_decode(&rec, text, len) < 0)
            sim_fail(s, "the record of %s cannot be read: %s", id, text);
        return sim_cast_part(s, c, id, &rec);
    }
    if (t == NULL || !t->exists || t->group != c->group)
        sim_fail(s, "there is a record of %s, which nobody queued", id);
    return t;
}

static int check_records(struct sim *s, const struct sim_call_view *c,
                         const struct sim_look *look)
{
    size_t len;
    const char *id, *text;
    int n = 0;
    for (uint32_t at = 0; sim_look_record(look, &at, &id, &text, &len);) {
        struct sim_task *t = check_known(s, c, id, text, len);
        t->seen = s->n_calls;
        if (strcmp(t->text, text) == 0)
            continue;
        sim_record_check(s, c, t, text, len);
        n++;
    }
    return n;
}

/* It was there after the last call. 1: it still is. */
static int check_is_here(struct sim *s, const struct sim_call_view *c,
                         struct sim_task *t)
{
    if (t->seen == s->n_calls)
        return 1;
    if (t->of != NULL)
        sim_cast_gone(s, c, t);
    else if (t->ended == NULL)
        sim_fail(s, "%s is lost after %s; it was %s", t->id, c->verb,
                 t->rec.status);
    t->pruned = 1;
    return 0;
}

/* Nothing that was queued may be gone, unless it had ended. */
static int check_ids(struct sim *s, const struct sim_call_view *c,
                     const struct sim_look *look)
{
    const char *id;
    int n_here = 0, n_gone = 0;
    for (uint32_t at = 0; sim_look_id(look, &at, &id);) {
        struct sim_task *t = sim_task_find(s, id);
        if (t == NULL || !t->exists || t->pruned)
            sim_fail(s, "there is a task %s, which nobody queued", id);
        n_here++;
        if (t->text[0] == '\0')
            t->seen = s->n_calls;
    }
    for (int i = 0; i < s->n_tasks; i++) {
        struct sim_task *t = &s->tasks[i];
        if (t->group != c->group || !t->exists || t->pruned)
            continue;
        int is_here = check_is_here(s, c, t);
        n_here -= is_here;
        n_gone += !is_here;
    }
    for (struct sim_task *t = s->parts; t != NULL; t = t->next_part) {
        if (t->group != c->group || t->pruned)
            continue;
        int is_here = check_is_here(s, c, t);
        n_here -= is_here;
        n_gone += !is_here;
    }
    if (n_here != 0)
        sim_fail(s, "after %s there are %d tasks more than queued", c->verb,
                 n_here);
    return n_gone;
}

static void check_unjudged(struct sim *s)
{
    for (int i = 0; i < s->n_tasks; i++)
        if (s->tasks[i].judged != NULL)
            sim_fail(s, "an accepted report did not change %s",
                     s->tasks[i].id);
    for (const struct sim_task *t = s->parts; t != NULL; t = t->next_part)
        if (t->judged != NULL)
            sim_fail(s, "an accepted report did not change %s", t->id);
}

/* The arguments, up to the first blank of each: without tokens and texts. */
static void check_trace(struct sim *s, const struct sim_call_view *c)
{
    char line[SIM_LINE_MAX];
    int n = 0;
    if (s->is_quiet)
        return;
    int is_assign = strcmp(c->verb, "assign") == 0;
    line[0] = '\0';
    for (int i = 0; i < c->argc && n < 130; i++)
        if (c->argv[i][0] != '{' && !(is_assign && i == 1))
            n += snprintf(line + n, sizeof(line) - (size_t)n, " %.*s",
                          (int)strcspn(c->argv[i], " ") > 20
                              ? 20 : (int)strcspn(c->argv[i], " "),
                          c->argv[i]);
    n += snprintf(line + n, sizeof(line) - (size_t)n, " ->");
    if (c->reply->type == REDIS_REPLY_ERROR)
        snprintf(line + n, sizeof(line) - (size_t)n, " %.50s", c->reply->str);
    for (size_t i = 1; i < reply_n(c->reply) && n < 190; i++) {
        size_t len;
        const char *word = reply_str(c->reply, i, &len);
        if (word[0] != '{')
            n += snprintf(line + n, sizeof(line) - (size_t)n, " %.*s",
                          (int)strcspn(word, " ") > 20
                              ? 20 : (int)strcspn(word, " "), word);
    }
    sim_trace(s, "%s: %s %s%s", c->who, c->verb,
              c->group >= 0 ? sim_groups[c->group] : "-", line);
}

int sim_check_call(struct sim *s, const struct sim_call_view *c,
                   const struct sim_look *look)
{
    check_trace(s, c);
    if (c->reply->type == REDIS_REPLY_ERROR &&
        strncmp(c->reply->str, "ERR", 3) == 0 &&
        strstr(c->reply->str, "Function not found") == NULL)
        sim_fail(s, "%s: %s", c->verb, c->reply->str);
    if (c->group < 0) {
        sim_fleet_check(s, c);
        return 0;
    }
    check_before(s, c);
    int n = check_records(s, c, look);
    n += check_ids(s, c, look);
    check_unjudged(s);
    sim_cast_look(s, c);
    sim_family_look(s, c);
    if (strcmp(c->verb, "recover") == 0 && reply_n(c->reply) > 0)
        check_lapsed(s, c);
    if (strcmp(c->verb, "assign") == 0) {
        check_assigned(s, c);
        check_suspects(s, c);
    }
    return n > 0 || strcmp(c->verb, "queue_task") == 0;
}

/* ---- Runs --------------------------------------------------------------- */

void sim_check_run_start(struct sim *s, struct sim_run *r,
                         struct sim_life *life)
{
    const struct sim_task *t = r->task;
    if (r->life != life)
        sim_fail(s, "%s runs %s under a fence that is not its own",
                 life->worker.name, t->id);
    if (r->start_ms != 0)
        sim_fail(s, "%s runs %s %" PRIu64 " for the second time",
                 life->worker.name, t->id, r->fence);
    if (r->fate != FATE_NONE && r->fate != FATE_RECOVERED &&
        r->fate != FATE_FORGOTTEN)
        sim_fail(s, "%s runs %s %" PRIu64 ", which was taken from it",
                 life->worker.name, t->id, r->fence);
    for (struct sim_run *o = s->runs; o != NULL; o = o->next)
        if (o != r && o->task == t && o->start_ms != 0 && o->end_ms == 0 &&
            o->fate != FATE_RECOVERED && r->fate != FATE_RECOVERED &&
            o->fate != FATE_FORGOTTEN && r->fate != FATE_FORGOTTEN)
            sim_fail(s, "%s runs %s, while it runs at %s", life->worker.name,
                     t->id, o->life->worker.name);
}
