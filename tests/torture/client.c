/* SPDX-License-Identifier: MIT */
/* A client of a campaign: torture_client DIR SLOT URL SEED TASKS RATE LEVEL.
 * Queues the tasks of its slot, in batches, at RATE a second (0: as it can),
 * and writes what it was told. An answer that did not come is asked for again
 * with the same ids until there is one. Killed and started again it goes on
 * where its history ends. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <stint/stint.h>

#include "client.h"
#include "control.h"
#include "history_file.h"
#include "spec.h"

#define BATCH 50

struct queuer {
    const char *dir, *url;
    int slot, level;
    uint64_t seed, dice;
    int64_t total, rate;
    int64_t next;         /* the first never begun */
    unsigned char *known; /* of each: 1: has a clear answer */
    int64_t *now_ms;      /* of each: Redis's clock when it was made up */
    int n_fences;         /* tasks of queuer_confirm */
    struct control *control;
    struct history history;
    int intent_fd;        /* see intent_note */
    stint *s;             /* NULL: to be opened */
};

static void queuer_pause(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static void queuer_open(struct queuer *q)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    o.url = q->url;
    o.timeout_s = 4;
    while (q->s == NULL) {
        q->s = stint_open(&o, &err);
        if (q->s == NULL)
            queuer_pause(50);
    }
}

/* Redis's clock; asked for until it answers. */
static int64_t queuer_now_ms(struct queuer *q)
{
    for (;;) {
        struct stint_err err = {0};
        struct args a;
        args_init(&a);
        args_add_str(&a, "0");
        struct redisReply *r =
            client_call(q->s, SCRIPT_FLEET_LIST, NULL, &a, &err);
        args_close(&a);
        int64_t us = r != NULL ? reply_i64(r, 0) : 0;
        client_reply_free(r);
        if (us > 0)
            return us / 1000;
        queuer_pause(50);
    }
}

/* ---- What became of it ------------------------------------------------------- */

static void queuer_note(struct queuer *q, int64_t n, int outcome)
{
    char id[32];
    spec_id(id, q->slot, n);
    history_add(&q->history, HISTORY_SUBMIT, outcome, id, 0, 0, q->level, 0, 0,
                0);
    if (outcome == OUTCOME_UNKNOWN)
        return;
    q->known[n] = 1;
    atomic_fetch_add(&q->control->queued[q->slot], 1);
}

/* exists[i] of n numbers; asked for until it answers. */
static void queuer_look(struct queuer *q, const int64_t *numbers, int n,
                        unsigned char *exists)
{
    char ids[BATCH][32];
    const char *p[BATCH];
    for (int i = 0; i < n; i++) {
        spec_id(ids[i], q->slot, numbers[i]);
        p[i] = ids[i];
    }
    for (;;) {
        struct stint_err err = {0};
        if (stint_ids_exist(q->s, "main", p, (size_t)n, exists, &err) == 0)
            return;
        queuer_pause(50);
    }
}

/* One call with new tasks. 0: all are queued; -1: try again. *bad: one that is
 * refused for good, or -1. */
static int queuer_call(struct queuer *q, const int64_t *numbers, int n,
                       int *bad)
{
    struct stint_err err = {0};
    stint_task *tasks[BATCH] = {0};
    size_t at = 0;
    int rc = 0;
    *bad = -1;
    for (int i = 0; i < n && rc == 0; i++) {
        struct spec s;
        struct stint_errors errors;
        spec_make(&s, q->seed, q->slot, numbers[i], q->now_ms[numbers[i]],
                  q->level);
        tasks[i] = stint_task_new(&s.o, &errors, &err);
        rc = tasks[i] != NULL ? 0 : -1;
    }
    if (rc < 0) {
        fprintf(stderr, "client: %s\n", err.text);
        exit(70);
    }
    rc = stint_queue_tasks(q->s, tasks, (size_t)n, NULL, &at, NULL, NULL,
                           &err);
    if (rc < 0 && err.code == STINT_NOT_FOUND)
        *bad = (int)at; /* its parent went with a roll-back */
    for (int i = 0; i < n; i++)
        stint_task_free(tasks[i]);
    return rc;
}

/* At level 3 being there is not enough: a replica has to have it. It confirms
 * what was written before with a later write of ours: a task besides. */
static void queuer_confirm(struct queuer *q)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    int rc;
    o.function = "quick";
    o.args = "[0,0]";
    o.durability = "3";
    do {
        char id[32];
        struct stint_err err = {0};
        struct stint_errors errors;
        snprintf(id, sizeof(id), "f%d.%d.%d", q->slot, getpid(), q->n_fences++);
        o.id = id;
        history_add(&q->history, HISTORY_SPEC, OUTCOME_NONE, id, 0, 0, 0, 0, 0,
                    1);
        rc = stint_queue_task(q->s, &o, NULL, &errors, &err);
        history_add(&q->history, HISTORY_SUBMIT,
                    rc == 0 ? OUTCOME_OK : OUTCOME_UNKNOWN, id, 0, 0, q->level,
                    0, 0, 0);
        if (rc < 0)
            queuer_pause(50);
    } while (rc < 0);
}

/* Until each of them has a clear answer. `again`: they were tried before. */
static void queuer_settle(struct queuer *q, int64_t *numbers, int n,
                          int again)
{
    while (n > 0) {
        unsigned char exists[BATCH] = {0};
        int64_t fresh[BATCH];
        int n_fresh = 0, bad;
        if (again)
            queuer_look(q, numbers, n, exists);
        if (q->level == 3 && memchr(exists, 1, sizeof(exists)) != NULL) {
            queuer_confirm(q);
            queuer_look(q, numbers, n, exists);
        }
        for (int i = 0; i < n; i++)
            if (!exists[i])
                fresh[n_fresh++] = numbers[i];
            else
                queuer_note(q, numbers[i], OUTCOME_OK);
        if (n_fresh == 0)
            return;
        int rc = queuer_call(q, fresh, n_fresh, &bad);
        int left = 0;
        for (int i = 0; i < n_fresh; i++)
            if (rc == 0)
                queuer_note(q, fresh[i], OUTCOME_OK);
            else if (i == bad)
                queuer_note(q, fresh[i], OUTCOME_REFUSED);
            else {
                if (bad < 0)
                    queuer_note(q, fresh[i], OUTCOME_UNKNOWN);
                numbers[left++] = fresh[i];
            }
        n = left;
        again = 1;
        if (rc < 0 && bad < 0)
            queuer_pause(50);
    }
}

/* ---- Looking and changing ------------------------------------------------------ */

/* What is about to be changed, in a file: should we be killed before the answer
 * is written down, our successor writes that it is unknown. */
struct intent {
    char id[32];
    int32_t kind; /* enum history_kind; 0: none */
};

static void intent_note(struct queuer *q, const char *id, int kind)
{
    struct intent i = {.kind = kind};
    snprintf(i.id, sizeof(i.id), "%s", id);
    if (pwrite(q->intent_fd, &i, sizeof(i), 0) != (ssize_t)sizeof(i)) {
        perror("client: intent");
        exit(70);
    }
}

static void intent_settle(struct queuer *q)
{
    struct intent i;
    if (pread(q->intent_fd, &i, sizeof(i), 0) == (ssize_t)sizeof(i) && i.kind)
        history_add(&q->history, i.kind, OUTCOME_UNKNOWN, i.id, 0, 0, 1, 0, 0,
                    0);
    intent_note(q, "", 0);
}

static int64_t queuer_pick(struct queuer *q)
{
    return q->next > 0
               ? (int64_t)(spec_random(&q->dice) % (uint64_t)q->next)
               : -1;
}

static int outcome_of(int rc, const struct stint_err *err)
{
    if (rc >= 0)
        return OUTCOME_OK;
    return err->code == STINT_STATE || err->code == STINT_NOT_FOUND
               ? OUTCOME_REFUSED
               : OUTCOME_UNKNOWN;
}

static void queuer_see(struct queuer *q)
{
    char id[32];
    struct stint_err err = {0};
    int64_t n = queuer_pick(q);
    if (n < 0)
        return;
    spec_id(id, q->slot, n);
    struct stint_status *t = stint_task_status(q->s, "main", id, 0, &err);
    if (t == NULL)
        return;
    int status = history_status(t->status, strlen(t->status));
    history_add(&q->history, HISTORY_SEEN, OUTCOME_OK, id, 0, 0, status,
                q->level, 0, 0);
    stint_status_free(t);
    if (status < HS_COMPLETED || spec_random(&q->dice) % 8 != 0)
        return;
    intent_note(q, id, HISTORY_REQUEUE);
    int rc = stint_requeue_task(q->s, "main", id, 1, &err);
    history_add(&q->history, HISTORY_REQUEUE, outcome_of(rc, &err), id, 0, 0,
                1, 0, 0, 0);
    intent_note(q, "", 0);
}

static void queuer_stop(struct queuer *q)
{
    char id[32];
    struct stint_err err = {0};
    if (q->next == 0)
        return;
    spec_id(id, q->slot, q->next - 1 -
            (int64_t)(spec_random(&q->dice) % (q->next < 60 ? 1 : 60)));
    intent_note(q, id, HISTORY_STOP);
    int rc = stint_stop_task(q->s, "main", id, &err);
    history_add(&q->history, HISTORY_STOP, outcome_of(rc, &err), id, 0, 0, 0,
                0, 0, 0);
    intent_note(q, "", 0);
}

/* ---- Its life --------------------------------------------------------------------- */

/* Where an earlier process of this slot was. */
static void queuer_resume(struct queuer *q)
{
    char path[512];
    struct history_record r;
    snprintf(path, sizeof(path), "%s/history/%d.hist", q->dir,
             ACTOR_CLIENTS + q->slot);
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 8, SEEK_SET) < 0)
        return;
    while (fread(&r, sizeof(r), 1, f) == 1) {
        int64_t n = spec_number(r.id, q->slot);
        if (n < 0 || n >= q->total)
            continue;
        if (r.kind == HISTORY_SPEC && n >= q->next) {
            struct spec s;
            q->next = n + 1;
            spec_make(&s, q->seed, q->slot, n, 0, q->level);
            q->now_ms[n] = s.start[0] != '\0'  ? r.value[0] - s.start_ms
                           : s.stop[0] != '\0' ? r.value[1] - s.stop_ms
                                               : 0;
        }
        if (r.kind == HISTORY_SUBMIT && r.outcome != OUTCOME_UNKNOWN)
            q->known[n] = 1;
    }
    fclose(f);
}

static void queuer_rest(struct queuer *q)
{
    int64_t some[BATCH];
    int n = 0;
    for (int64_t i = 0; i < q->next; i++) {
        if (q->known[i])
            continue;
        some[n++] = i;
        if (n == BATCH) {
            queuer_settle(q, some, n, 1);
            n = 0;
        }
    }
    queuer_settle(q, some, n, 1);
}

static void queuer_batch(struct queuer *q, int64_t now_ms)
{
    int64_t some[BATCH];
    int n = 0;
    for (; n < BATCH && q->next < q->total; n++) {
        struct spec s;
        spec_make(&s, q->seed, q->slot, q->next, now_ms, q->level);
        history_add(&q->history, HISTORY_SPEC, OUTCOME_NONE, s.id, 0, 0,
                    s.start_ms, s.stop_ms, s.o.retry_failed,
                    s.o.repeats < 0 ? 1 : s.o.repeats);
        q->now_ms[q->next] = now_ms;
        some[n] = q->next++;
    }
    queuer_settle(q, some, n, 0);
}

static void queuer_run(struct queuer *q)
{
    queuer_open(q);
    queuer_rest(q);
    int64_t begun_us = (int64_t)history_now_us(), first = q->next;
    while (q->next < q->total) {
        queuer_batch(q, queuer_now_ms(q));
        for (int i = 0; i < 2; i++)
            queuer_see(q);
        if (spec_random(&q->dice) % 4 == 0)
            queuer_stop(q);
        int64_t due_us = q->rate > 0 ? begun_us + (q->next - first) *
                                           1000000 / q->rate
                                     : 0;
        int64_t left_us = due_us - (int64_t)history_now_us();
        if (left_us > 0)
            queuer_pause(left_us / 1000);
    }
}

int main(int argc, char **argv)
{
    char path[512];
    struct queuer q = {.history = {.fd = -1}};
    if (argc != 8) {
        fprintf(stderr, "usage: torture_client DIR SLOT URL SEED TASKS RATE "
                        "LEVEL\n");
        return 64;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    q.dir = argv[1];
    q.slot = (int)strtol(argv[2], NULL, 10);
    q.url = argv[3];
    q.seed = strtoull(argv[4], NULL, 10);
    q.total = strtoll(argv[5], NULL, 10);
    q.rate = strtoll(argv[6], NULL, 10);
    q.level = (int)strtol(argv[7], NULL, 10);
    q.known = calloc((size_t)q.total + 1, 1);
    q.now_ms = calloc((size_t)q.total + 1, sizeof(*q.now_ms));
    q.dice = q.seed ^ history_now_us();
    if (q.known == NULL || q.now_ms == NULL || q.slot < 0 || q.slot >= SLOTS_MAX)
        return 70;
    snprintf(path, sizeof(path), "%s/control", q.dir);
    q.control = control_map(path, 0);
    queuer_resume(&q);
    snprintf(path, sizeof(path), "%s/history", q.dir);
    history_open(&q.history, path, (uint32_t)(ACTOR_CLIENTS + q.slot));
    atomic_store(&q.control->actor[q.slot], q.history.actor);
    atomic_store(&q.control->pid[q.slot], getpid());
    history_add(&q.history, HISTORY_BIRTH, OUTCOME_NONE, NULL, 0, 0, getpid(),
                q.slot, 0, 0);
    snprintf(path, sizeof(path), "%s/intent.%d", q.dir, q.slot);
    q.intent_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    intent_settle(&q);
    queuer_run(&q);
    history_add(&q.history, HISTORY_LEAVE, OUTCOME_OK, NULL, 0, 0, 0, 0, 0, 0);
    stint_close(q.s);
    free(q.known);
    free(q.now_ms);
    return 0;
}
