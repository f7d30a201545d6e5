/* SPDX-License-Identifier: MIT */
/* What must hold after every call. All records of the group are read again and
 * compared with the last look; each change must be one that this verb may
 * make, by whom it may be made, when it may be made. Indexes are left to fsck,
 * which runs behind this. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

#define LATE_MS_MAX 500

/* ---- What a verb may do ------------------------------------------------- */

enum { S_QUEUED = 1, S_ASSIGNED = 2, S_RUNNING = 4, S_COMPLETED = 8,
       S_FAILED = 16, S_TIMEOUT = 32, S_STOPPED = 64, S_EXPIRED = 128 };
#define S_HELD  (S_ASSIGNED | S_RUNNING)
#define S_ENDED (S_COMPLETED | S_FAILED | S_TIMEOUT | S_STOPPED | S_EXPIRED)

static const char *const status_words[] = {
    "QUEUED", "ASSIGNED", "RUNNING", "COMPLETED",
    "FAILED", "TIMEOUT", "STOPPED", "EXPIRED"};

static const struct {
    const char *verb;
    int from, to; /* sets */
} moves[] = {
    {"queue_task", S_QUEUED, S_QUEUED},
    {"assign", S_QUEUED, S_QUEUED | S_HELD | S_EXPIRED},
    {"assign", S_ASSIGNED, S_EXPIRED},
    {"start", S_ASSIGNED, S_RUNNING | S_EXPIRED},
    {"report", S_RUNNING, S_QUEUED | S_ENDED},
    {"release", S_HELD, S_QUEUED | S_STOPPED},
    {"heartbeat", S_HELD, S_QUEUED | S_STOPPED},
    {"expire", S_QUEUED | S_ASSIGNED, S_EXPIRED},
    {"recover", S_HELD, S_QUEUED | S_FAILED | S_STOPPED},
    {"stop_task", S_QUEUED | S_ASSIGNED, S_STOPPED},
    {"stop_task", S_RUNNING, S_RUNNING}, /* marked */
    {"wake", 0, 0}, {"prune", 0, 0}, {"stats", 0, 0}, {"list", 0, 0},
    {"task_status", 0, 0}, {"fsck", 0, 0}, {"progress", S_RUNNING, S_RUNNING},
};

static int status_bit(const char *word)
{
    for (int i = 0; i < 8; i++)
        if (strcmp(word, status_words[i]) == 0)
            return 1 << i;
    return 0;
}

static void check_move(struct sim *s, const struct sim_call_view *c,
                       const struct sim_task *t, const char *from,
                       const char *to)
{
    int is_known = 0;
    for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
        if (strcmp(moves[i].verb, c->verb) != 0)
            continue;
        is_known = 1;
        if ((moves[i].from & status_bit(from)) &&
            (moves[i].to & status_bit(to)))
            return;
    }
    if (is_known)
        sim_fail(s, "%s took %s from %s to %s", c->verb, t->id, from, to);
}

/* ---- One record that changed -------------------------------------------- */

static int is_held(const struct task_state *st)
{
    return (status_bit(st->status) & S_HELD) != 0;
}

static int is_excused(const struct sim *s, const struct sim_life *life)
{
    return life->dead || s->now_ms <= life->excuse_ms ||
           s->now_ms <= s->excuse_ms;
}

/* Without faults, nothing that is due waits while a worker that could run it
 * waits, too: a lost marker shows here, long before the reaper mends it. */
static void check_late(struct sim *s, const struct sim_task *t,
                       int64_t due_ms)
{
    int64_t late_ms = sim_redis_ms(s) - due_ms;
    if (s->faults != 0 || s->is_leaving || late_ms < LATE_MS_MAX)
        return;
    for (int i = 0; i < s->n_workers; i++) {
        const struct sim_life *life = s->workers[i];
        if (life == NULL || life->idle_ms == 0 ||
            s->now_ms - life->idle_ms < LATE_MS_MAX ||
            life->lease_ms[t->group] == 0 ||
            !config_find(&life->config, t->function, strlen(t->function)))
            continue;
        sim_fail(s, "%s is %" PRId64 " ms late, but %s was idle", t->id,
                 late_ms, life->worker.name);
    }
}

/* A new fence: was it time, and the worker's to take? */
static void check_taken(struct sim *s, const struct sim_call_view *c,
                        struct sim_task *t, const struct task_state *before)
{
    struct sim_life *life = sim_worker_find(s, t->rec.worker);
    int64_t now_ms = sim_redis_ms(s);
    struct sim_run *last = sim_run_find(s, t, t->fence);
    if (strcmp(c->verb, "assign") != 0)
        sim_fail(s, "%s gave %s a new fence", c->verb, t->id);
    if (t->rec.fence <= t->fence)
        sim_fail(s, "the fence of %s went from %" PRIu64 " to %" PRIu64,
                 t->id, t->fence, t->rec.fence);
    if (is_held(before) || (last != NULL && last->fate == FATE_NONE))
        sim_fail(s, "%s has a second live fence", t->id);
    if (life == NULL || strcmp(c->argv[0], t->rec.worker) != 0)
        sim_fail(s, "%s was given to %s, which did not ask", t->id,
                 t->rec.worker);
    /* After its first run the clock may have jumped back before its begin. */
    int64_t due_ms = t->fence == 0 && t->begin_ms > before->next_ms
                         ? t->begin_ms : before->next_ms;
    if (due_ms > now_ms)
        sim_fail(s, "%s was taken %" PRId64 " ms before it is due", t->id,
                 due_ms - now_ms);
    check_late(s, t, t->changed_ms > due_ms ? t->changed_ms : due_ms);
    if (t->expire_ms != 0 && t->expire_ms < now_ms)
        sim_fail(s, "%s was taken after its stop_time", t->id);
    if (before->disabled)
        sim_fail(s, "%s was taken, but is disabled", t->id);
    if (!config_find(&life->config, t->function, strlen(t->function)) &&
        !life->dead)
        sim_fail(s, "%s was given to a worker that does not know %s", t->id,
                 t->function);
    if (life->lease_ms[t->group] < now_ms)
        sim_fail(s, "%s was given to %s, which has no lease", t->id,
                 life->worker.name);
    t->fence = t->rec.fence;
    sim_run_note(s, t, t->fence, life);
}

/* The fence is not live any more: who took it, and why. */
static void check_fate(struct sim *s, const struct sim_call_view *c,
                       struct sim_task *t, const struct task_state *before)
{
    struct sim_run *r = sim_run_find(s, t, before->fence);
    check(r != NULL);
    struct sim_life *life = r->life;
    if (strcmp(c->verb, "report") == 0) {
        r->fate = FATE_REPORTED;
    } else if (strcmp(c->verb, "recover") == 0) {
        r->fate = FATE_RECOVERED;
        s->n_recovered++;
        if (life->lease_ms[t->group] >= sim_redis_ms(s))
            sim_fail(s, "%s was taken from %s, whose lease has not ended",
                     t->id, life->worker.name);
        if (!is_excused(s, life))
            sim_fail(s, "%s was taken from %s, which did nothing wrong",
                     t->id, life->worker.name);
    } else if (strcmp(c->verb, "release") == 0) {
        r->fate = FATE_RELEASED;
        if (life->worker.stops == 0)
            sim_fail(s, "%s released %s, but stays", life->worker.name,
                     t->id);
    } else if (strcmp(c->verb, "heartbeat") == 0) {
        r->fate = FATE_GIVEN_BACK;
        if (r->start_ms != 0 && !(s->faults & FAULT_LATE))
            sim_fail(s, "%s was given back, but %s ran it", t->id,
                     life->worker.name);
        if (!is_excused(s, life))
            sim_fail(s, "%s was given back by %s, which did nothing wrong",
                     t->id, life->worker.name);
    } else {
        r->fate = FATE_OTHER;
    }
}

static void check_counters(struct sim *s, const struct sim_call_view *c,
                           const struct sim_task *t)
{
    if (t->rec.times_run != t->n_run || t->rec.times_failed != t->n_failed)
        sim_fail(s, "after %s %s has run=%" PRId64 " failed=%" PRId64
                 ", its reports say %" PRId64 " and %" PRId64, c->verb, t->id,
                 t->rec.times_run, t->rec.times_failed, t->n_run,
                 t->n_failed);
    if (t->options.repeats > 0 && t->rec.times_run > t->options.repeats)
        sim_fail(s, "%s ran more often than wanted", t->id);
}

static void check_record(struct sim *s, const struct sim_call_view *c,
                         struct sim_task *t, const char *text, size_t len)
{
    struct task_state before = t->rec;
    if (len >= sizeof(t->text) || task_state_decode(&t->rec, text, len) < 0)
        sim_fail(s, "the record of %s cannot be read: %s", t->id, text);
    t->was_stopping = strstr(t->text, " stopping=") != NULL;
    memcpy(t->text, text, len + 1);
    check_move(s, c, t, before.status, t->rec.status);
    if (is_held(&t->rec) && t->rec.fence != before.fence)
        check_taken(s, c, t, &before);
    else if (t->rec.fence != before.fence)
        sim_fail(s, "%s changed the fence of %s", c->verb, t->id);
    if (is_held(&before) && !is_held(&t->rec))
        check_fate(s, c, t, &before);
    if (strcmp(before.status, "ASSIGNED") == 0 &&
        strcmp(t->rec.status, "RUNNING") == 0 && t->expire_ms != 0 &&
        t->expire_ms < sim_redis_ms(s))
        sim_fail(s, "%s was started after its stop_time", t->id);
    if (strcmp(c->verb, "report") == 0 && t->judged == NULL)
        sim_fail(s, "a report that was refused changed %s", t->id);
    if (t->judged != NULL)
        sim_judge_report(s, t, &before, t->judged);
    t->judged = NULL;
    t->changed_ms = sim_redis_ms(s);
    check_counters(s, c, t);
    int bit = status_bit(t->rec.status);
    for (int i = 0; i < 8 && (bit & S_ENDED); i++)
        if (bit == 1 << i)
            t->ended = status_words[i];
}

/* ---- Words: OK, AGAIN, STALE -------------------------------------------- */

static void check_report_word(struct sim *s, struct sim_task *t,
                              const char *worker, const char *ticket,
                              const char *status, const char *word)
{
    uint64_t fence = strtoull(ticket, NULL, 10);
    struct sim_run *r = sim_run_find(s, t, fence);
    int is_same = strcmp(t->rec.ticket, ticket) == 0;
    int is_live = is_same && strcmp(t->rec.status, "RUNNING") == 0 &&
                  strcmp(t->rec.worker, worker) == 0 && t->judged == NULL;
    int is_counted = r != NULL &&
                     (r->fate == FATE_REPORTED || t->judged != NULL);
    if (is_live != (strcmp(word, "OK") == 0))
        sim_fail(s, "the report of %s %" PRIu64 " is answered %s", t->id,
                 fence, word);
    if (strcmp(word, "AGAIN") == 0 && !is_counted)
        sim_fail(s, "a report of %s that was never counted is answered AGAIN",
                 t->id);
    if (strcmp(word, "STALE") == 0 && is_counted && is_same &&
        !is_held(&t->rec))
        sim_fail(s, "a report of %s that was counted is answered STALE",
                 t->id);
    if (!is_live)
        return;
    static const char *const outcomes[] = {"COMPLETED", "FAILED", "TIMEOUT",
                                           "STOPPED"};
    for (int i = 0; i < 4; i++)
        if (strcmp(outcomes[i], status) == 0)
            t->judged = outcomes[i];
    /* What is to be stopped before it has begun does not begin. */
    if (r != NULL && r->start_ms == 0 && t->judged == outcomes[RUN_STOPPED] &&
        strstr(t->text, " stopping=") != NULL)
        return;
    if (r == NULL || r->start_ms == 0 || r->end_ms == 0)
        sim_fail(s, "%s reports a run of %s that was not", worker, t->id);
    if (t->judged != outcomes[r->outcome])
        sim_fail(s, "%s reports that %s is %s, but it was %s", worker, t->id,
                 status, outcomes[r->outcome]);
}

static void check_words(struct sim *s, const struct sim_call_view *c)
{
    size_t len, n = reply_n(c->reply);
    int is_report = strcmp(c->verb, "report") == 0;
    int stride = is_report ? 4 : 2, n_tasks = (c->argc - 1) / stride;
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
        if (is_report) {
            check_report_word(s, t, c->argv[0], a[1], a[2], word);
            continue;
        }
        /* A start that happened, but was not heard of, is asked again. */
        int is_live = strcmp(t->rec.ticket, a[1]) == 0 && is_held(&t->rec);
        if (is_live == (strcmp(word, "STALE") == 0))
            sim_fail(s, "%s of %s, which is %s, is answered %s", c->verb,
                     t->id, t->rec.status, word);
    }
}

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
        t->changed_ms = sim_redis_ms(s);
        t->begin_ms = check_time(s, c->argv[i + 2]);
        t->expire_ms = *c->argv[i + 3] ? check_time(s, c->argv[i + 3]) : 0;
        t->rec = (struct task_state){.status = "QUEUED", .ticket = "0 -",
                                     .worker = "-"};
        t->rec.next_ms = t->begin_ms;
    }
}

static void check_before(struct sim *s, const struct sim_call_view *c)
{
    if (strcmp(c->verb, "queue_task") == 0)
        check_queued(s, c);
    if (strcmp(c->verb, "report") == 0 || strcmp(c->verb, "start") == 0 ||
        strcmp(c->verb, "release") == 0)
        check_words(s, c);
    if (strcmp(c->verb, "stop_task") == 0 && reply_n(c->reply) > 0)
        sim_task_find(s, c->argv[0])->is_to_stop = 1;
    if (strcmp(c->verb, "heartbeat") == 0 && reply_n(c->reply) > 0) {
        struct sim_life *life = sim_worker_find(s, c->argv[0]);
        int64_t lease_ms = strtoll(c->argv[1], NULL, 10);
        check(life != NULL);
        life->lease_ms[c->group] =
            lease_ms > 0 ? sim_redis_ms(s) + lease_ms : 0;
    }
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

/* ---- The look ----------------------------------------------------------- */

static int check_records(struct sim *s, const struct sim_call_view *c,
                         const redisReply *state)
{
    size_t len;
    int n = 0;
    for (size_t i = 0; i + 1 < reply_n(state); i += 2) {
        const char *id = reply_str(state, i, &len);
        struct sim_task *t = sim_task_find(s, id);
        if (t == NULL || !t->exists || t->group != c->group)
            sim_fail(s, "there is a record of %s, which nobody queued", id);
        const char *text = reply_str(state, i + 1, &len);
        t->seen = s->n_calls;
        if (strcmp(t->text, text) == 0)
            continue;
        check_record(s, c, t, text, len);
        n++;
    }
    return n;
}

/* Nothing that was queued may be gone, unless it had ended. */
static int check_ids(struct sim *s, const struct sim_call_view *c,
                     const redisReply *ids)
{
    size_t len;
    int n_here = 0, n_gone = 0;
    for (size_t i = 0; i < reply_n(ids); i++) {
        struct sim_task *t = sim_task_find(s, reply_str(ids, i, &len));
        if (t == NULL || !t->exists || t->pruned)
            sim_fail(s, "there is a task %s, which nobody queued",
                     reply_str(ids, i, &len));
        n_here++;
        if (t->text[0] == '\0')
            t->seen = s->n_calls;
    }
    for (int i = 0; i < s->n_tasks; i++) {
        struct sim_task *t = &s->tasks[i];
        if (t->group != c->group || !t->exists || t->pruned)
            continue;
        if (t->seen == s->n_calls) {
            n_here--;
            continue;
        }
        if (t->ended == NULL)
            sim_fail(s, "%s is lost after %s; it was %s", t->id, c->verb,
                     t->rec.status);
        t->pruned = 1;
        n_gone++;
    }
    if (n_here != 0)
        sim_fail(s, "after %s there are %d tasks more than queued", c->verb,
                 n_here);
    return n_gone;
}

/* The arguments, up to the first blank of each: without tokens and texts. */
static void check_trace(struct sim *s, const struct sim_call_view *c)
{
    char line[SIM_LINE_MAX];
    int n = 0;
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
                   const redisReply *state, const redisReply *ids)
{
    check_trace(s, c);
    if (c->reply->type == REDIS_REPLY_ERROR &&
        strncmp(c->reply->str, "ERR", 3) == 0 &&
        strstr(c->reply->str, "Function not found") == NULL)
        sim_fail(s, "%s: %s", c->verb, c->reply->str);
    if (c->group < 0)
        return 0;
    check_before(s, c);
    int n = check_records(s, c, state);
    for (int i = 0; i < s->n_tasks; i++)
        if (s->tasks[i].judged != NULL)
            sim_fail(s, "an accepted report did not change %s",
                     s->tasks[i].id);
    n += check_ids(s, c, ids);
    if (strcmp(c->verb, "assign") == 0)
        check_assigned(s, c);
    return n > 0 || strcmp(c->verb, "queue_task") == 0;
}

/* ---- Runs --------------------------------------------------------------- */

void sim_check_run_start(struct sim *s, struct sim_task *t, uint64_t fence,
                         struct sim_life *life)
{
    struct sim_run *r = sim_run_find(s, t, fence);
    if (r == NULL || r->life != life)
        sim_fail(s, "%s runs %s under a fence that is not its own",
                 life->worker.name, t->id);
    if (r->start_ms != 0)
        sim_fail(s, "%s runs %s %" PRIu64 " for the second time",
                 life->worker.name, t->id, fence);
    int is_late = r->fate == FATE_GIVEN_BACK && (s->faults & FAULT_LATE);
    if (r->fate != FATE_NONE && r->fate != FATE_RECOVERED && !is_late)
        sim_fail(s, "%s runs %s %" PRIu64 ", which was taken from it",
                 life->worker.name, t->id, fence);
    for (struct sim_run *o = s->runs; o != NULL; o = o->next)
        if (o != r && o->task == t && o->start_ms != 0 && o->end_ms == 0 &&
            o->fate != FATE_RECOVERED && r->fate != FATE_RECOVERED)
            sim_fail(s, "%s runs %s, while it runs at %s", life->worker.name,
                     t->id, o->life->worker.name);
}
