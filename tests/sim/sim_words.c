/* SPDX-License-Identifier: MIT */
/* What the answers must say: OK, AGAIN or STALE for each task a worker speaks
 * of; and what it means for the model when a client's change was accepted. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

/* ---- report ------------------------------------------------------------- */

static const char *const outcomes[] = {"COMPLETED", "FAILED", "TIMEOUT",
                                       "STOPPED"};

/* What it reports is what the run was. Behind the status of a task with a
 * cronline stands the next match, and last, behind an @, the function. */
static void report_note(struct sim *s, struct sim_task *t,
                        const struct sim_run *r, const char *worker,
                        const char *status)
{
    size_t len = strcspn(status, " ");
    for (int i = 0; i < 4; i++)
        if (strlen(outcomes[i]) == len &&
            strncmp(outcomes[i], status, len) == 0)
            t->judged = outcomes[i];
    const char *fn = strstr(status, " @");
    int has_match = status[len] == ' ' && status[len + 1] != '@';
    if (t->judged == NULL || has_match != (t->cronline != NULL) ||
        fn == NULL || strcmp(fn + 2, t->function) != 0)
        sim_fail(s, "%s reports %s \"%s\"", worker, t->id, status);
    int is_stopped = t->judged == outcomes[RUN_STOPPED];
    /* Redis may have forgotten who wanted it. */
    if (is_stopped && strstr(t->text, " stopping=") == NULL &&
        s->back_at_ms == 0)
        sim_fail(s, "%s reports that %s is STOPPED, which nobody wanted",
                 worker, t->id);
    /* What is to be stopped before it has begun does not begin. */
    if (is_stopped && r != NULL && r->start_ms == 0)
        return;
    if (r == NULL || r->start_ms == 0 || r->end_ms == 0)
        sim_fail(s, "%s reports a run of %s that was not", worker, t->id);
    if (t->judged != outcomes[r->outcome])
        sim_fail(s, "%s reports that %s is %s, but it was %s", worker, t->id,
                 status, outcomes[r->outcome]);
}

static void check_report(struct sim *s, struct sim_task *t,
                         const char *worker, const char *const *a,
                         const char *word)
{
    const char *ticket = a[1];
    struct sim_run *r = sim_run_find(s, t->id, ticket);
    int is_same = strcmp(t->rec.ticket, ticket) == 0;
    int is_live = is_same && strcmp(t->rec.status, "RUNNING") == 0 &&
                  strcmp(t->rec.worker, worker) == 0 && t->judged == NULL &&
                  !t->pruned;
    int is_counted = r != NULL &&
                     (r->fate == FATE_REPORTED || t->judged != NULL);
    if (is_live != (strcmp(word, "OK") == 0))
        sim_fail(s, "the report of %s %s is answered %s", t->id, ticket, word);
    if (strcmp(word, "AGAIN") == 0 && !is_counted)
        sim_fail(s, "a report of %s that was never counted is answered AGAIN",
                 t->id);
    /* Of a part, and of what was deleted, nothing is kept that could tell. */
    if (strcmp(word, "STALE") == 0 && is_counted && is_same &&
        !sim_is_held(&t->rec) && t->of == NULL && t->exists)
        sim_fail(s, "a report of %s that was counted is answered STALE",
                 t->id);
    if (is_live)
        report_note(s, t, r, worker, a[2]);
}

/* ---- start, release, progress ------------------------------------------- */

/* Behind the ticket of a start stands the function. */
static int is_ticket_of(const struct sim_task *t, const char *said)
{
    size_t len = strlen(t->rec.ticket);
    return strncmp(said, t->rec.ticket, len) == 0 &&
           (said[len] == '\0' || (strncmp(said + len, " @", 2) == 0 &&
                                  strcmp(said + len + 2, t->function) == 0));
}

/* A start that happened, but was not heard of, is asked again. */
static void check_held(struct sim *s, const struct sim_call_view *c,
                       const struct sim_task *t, const char *const *a,
                       const char *word)
{
    int is_live = is_ticket_of(t, a[1]) && sim_is_held(&t->rec) && !t->pruned;
    if (is_live == (strcmp(word, "STALE") == 0))
        sim_fail(s, "%s of %s, which is %s, is answered %s", c->verb, t->id,
                 t->rec.status, word);
}

/* What is refused must not have been written; each output is another one. */
static void check_progress(struct sim *s, const struct sim_call_view *c,
                           const struct sim_task *t, const char *const *a,
                           const char *word)
{
    int is_live = strcmp(t->rec.ticket, a[1]) == 0 &&
                  strcmp(t->rec.status, "RUNNING") == 0 &&
                  strcmp(t->rec.worker, c->argv[0]) == 0 && !t->pruned;
    if (is_live != (strcmp(word, "OK") == 0))
        sim_fail(s, "progress of %s, which is %s, is answered %s", t->id,
                 t->rec.status, word);
    redisReply *r = sim_redis_ask(s, "HGET %s:run %s", c->key, a[0]);
    int is_there = r->type == REDIS_REPLY_STRING && strcmp(r->str, a[2]) == 0;
    if (is_there != is_live)
        sim_fail(s, "progress of %s is answered %s, but %s", t->id, word,
                 is_there ? "is written" : "is not there");
    sim_redis_free(s, r);
}

void sim_words_check(struct sim *s, const struct sim_call_view *c)
{
    size_t len, n = reply_n(c->reply);
    int is_report = strcmp(c->verb, "report") == 0;
    int is_progress = strcmp(c->verb, "progress") == 0;
    int stride = is_report ? 4 : is_progress ? 3 : 2;
    int n_tasks = (c->argc - 1) / stride;
    if (n == 0)
        return;
    if (n < (size_t)n_tasks + 1)
        sim_fail(s, "%s answers %zu words too few", c->verb,
                 (size_t)n_tasks + 1 - n);
    for (size_t i = 0; i < (size_t)n_tasks; i++) {
        const char *const *a = c->argv + 1 + (int)i * stride;
        const char *word = reply_str(c->reply, i + 1, &len);
        struct sim_task *t = sim_task_find(s, a[0]);
        if (t == NULL)
            sim_fail(s, "%s of %s, which is not there", c->verb, a[0]);
        if (is_report)
            check_report(s, t, c->argv[0], a, word);
        else if (is_progress)
            check_progress(s, c, t, a, word);
        else
            check_held(s, c, t, a, word);
    }
}

/* ---- Changes by clients ------------------------------------------------- */

static void change_requeued(struct sim *s, const struct sim_call_view *c,
                            struct sim_task *t)
{
    if (t->ended == NULL)
        sim_fail(s, "%s was requeued, but is %s", t->id, t->rec.status);
    t->ended = NULL;
    t->is_to_stop = 0;
    t->is_requeued = 1;
    t->n_failed = t->n_lost = 0;
    if (strcmp(c->argv[1], "1") == 0)
        t->n_run = 0;
    if (t->expire_ms != 0 && t->expire_ms < sim_redis_ms(s))
        t->expire_ms = 0;
    t->n_parts = t->n_open = 0;
    sim_family_again(s, t);
    t->met = (1u << t->n_parents) - 1; /* they are not asked again */
}

static void change_deleted(struct sim *s, struct sim_task *t)
{
    if (sim_is_held(&t->rec))
        sim_fail(s, "%s was deleted, but is %s", t->id, t->rec.status);
    t->exists = t->acked = 0;
    t->deleted = t->is_reborn = 1;
    if (t->ended != NULL)
        sim_family_ended(s, t, t->ended);
    /* A child in the other group that Redis has not linked yet finds nothing,
     * however it had ended. */
    sim_family_ended(s, t, "DELETED");
}

void sim_words_change(struct sim *s, const struct sim_call_view *c)
{
    struct sim_task *t = c->argc > 0 ? sim_task_find(s, c->argv[0]) : NULL;
    if (reply_n(c->reply) == 0 || t == NULL)
        return;
    if (strcmp(c->verb, "stop_task") == 0)
        t->is_to_stop = 1;
    else if (strcmp(c->verb, "requeue_task") == 0)
        change_requeued(s, c, t);
    else if (strcmp(c->verb, "run_now") == 0)
        t->is_early = 1;
    else if (strcmp(c->verb, "disable_task") == 0)
        t->disabled = 1;
    else if (strcmp(c->verb, "enable_task") == 0)
        t->disabled = 0;
    else if (strcmp(c->verb, "delete_task") == 0)
        change_deleted(s, t);
}
