/* SPDX-License-Identifier: MIT */
#include "tape.h"

#include <dirent.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "history_file.h"
#include "script.h"
#include "store.h"
#include "task.h"
#include "tickets.h"

#define USAGE_MS 1000

/* One worker a process: what the decorator cannot be handed. */
static struct tape {
    const char *dir;
    int slot;
    struct control *control;
    struct tickets *tickets;
    struct history history;
    pid_t pid;             /* whose history it is */
    int64_t sequence;      /* of reports */
    int64_t usage_mono_ms; /* when the next is due */
} tape = {.history = {.fd = -1}};

struct tape_store {
    struct store store; /* first */
    struct store *inner;
};

enum tape_kind { TAPE_NONE, TAPE_ASSIGN, TAPE_START, TAPE_REPORT,
                 TAPE_PROGRESS, TAPE_RELEASE, TAPE_HEARTBEAT, TAPE_KINDS };

static const struct {
    const char *name;
    int stride; /* arguments a task: id, ticket… */
    int first;  /* of them, in argv */
} tape_calls[TAPE_KINDS] = {
    [TAPE_ASSIGN] = {"stint_assign", 0, 0},
    [TAPE_START] = {"stint_start", 2, 7},
    [TAPE_REPORT] = {"stint_report", 4, 7},
    [TAPE_PROGRESS] = {"stint_progress", 3, 7},
    [TAPE_RELEASE] = {"stint_release", 2, 7},
    [TAPE_HEARTBEAT] = {"stint_heartbeat", 2, 9},
};

struct tape_task {
    char id[HISTORY_ID_MAX];
    uint64_t fence, token;
    int status;
};

struct tape_call {
    enum tape_kind kind;
    store_reply_fn fn;
    void *arg;
    int64_t sequence; /* of a report */
    int64_t lease_ms; /* of a heartbeat */
    int n;
    struct tape_task tasks[];
};

/* ---- Who we are ----------------------------------------------------------- */

static void tape_begin(void)
{
    char path[512];
    if (tape.pid == getpid())
        return;
    history_close(&tape.history);
    snprintf(path, sizeof(path), "%s/history", tape.dir);
    tape.pid = getpid();
    history_open(&tape.history, path,
                 atomic_fetch_add(&tape.control->next_actor, 1));
    atomic_store(&tape.control->actor[tape.slot], tape.history.actor);
    atomic_store(&tape.control->pid[tape.slot], tape.pid);
    history_add(&tape.history, HISTORY_BIRTH, OUTCOME_NONE, NULL, 0, 0,
                tape.pid, tape.slot, 0, 0);
}

void tape_init(const char *dir, int slot)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/control", dir);
    tape.dir = dir;
    tape.slot = slot;
    tape.control = control_map(path, 0);
    tape.tickets = tickets_map(dir, slot);
    if (tape.tickets == NULL) {
        perror("tickets");
        _exit(70);
    }
}

void tape_leave(int outcome)
{
    if (tape.pid == getpid())
        history_add(&tape.history, HISTORY_LEAVE, outcome, NULL, 0, 0, 0, 0, 0,
                    0);
}

/* ---- What we use ------------------------------------------------------------ */

static int64_t usage_entries(const char *path)
{
    int64_t n = -3; /* . .. and the directory itself */
    DIR *d = opendir(path);
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        closedir(d);
    return n;
}

static size_t usage_read(const char *path, char *text, size_t cap)
{
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, cap - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    text[n] = '\0';
    return n;
}

/* Children of the main thread, which is the one that forks; and how many of
 * them are dead and not waited for. */
static void usage_children(int64_t *n, int64_t *zombies)
{
    char text[8192], path[64], stat[512];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    usage_read(path, text, sizeof(text));
    for (char *p = text, *end; *p != '\0'; p = end) {
        long pid = strtol(p, &end, 10);
        if (end == p)
            break;
        ++*n;
        snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
        usage_read(path, stat, sizeof(stat));
        const char *state = strrchr(stat, ')');
        *zombies += state != NULL && state[1] == ' ' && state[2] == 'Z';
    }
}

static void tape_usage(void)
{
    char text[128];
    int64_t children = 0, zombies = 0;
    if (clock_mono_ms() < tape.usage_mono_ms)
        return;
    tape.usage_mono_ms = clock_mono_ms() + USAGE_MS;
    usage_children(&children, &zombies);
    usage_read("/proc/self/statm", text, sizeof(text));
    char *rss = strchr(text, ' ');
    int64_t pages = rss != NULL ? strtoll(rss, NULL, 10) : 0;
    history_add(&tape.history, HISTORY_USAGE, OUTCOME_NONE, NULL, 0, 0,
                usage_entries("/proc/self/fd"), children, zombies,
                pages * (sysconf(_SC_PAGESIZE) / 1024));
}

/* ---- Calls -------------------------------------------------------------------- */

/* "fence token" of the length given; behind it may be a blank and the name of a
 * function. */
static void ticket_parse(const char *text, size_t len, uint64_t *fence,
                         uint64_t *token)
{
    char copy[64], *end;
    snprintf(copy, sizeof(copy), "%.*s", (int)(len < 63 ? len : 63), text);
    *fence = strtoull(copy, &end, 10);
    *token = *end == ' ' ? history_hash(end + 1, strcspn(end + 1, " ")) : 0;
}

static enum tape_kind tape_kind(int argc, const char *const *argv,
                                const size_t *len)
{
    if (argc < 7 || len[0] != 5 || memcmp(argv[0], "FCALL", 5) != 0)
        return TAPE_NONE;
    for (int k = 1; k < TAPE_KINDS; k++)
        if (strlen(tape_calls[k].name) == len[1] &&
            memcmp(tape_calls[k].name, argv[1], len[1]) == 0)
            return k;
    return TAPE_NONE;
}

static struct tape_call *tape_call_new(enum tape_kind kind, int argc,
                                       const char *const *argv,
                                       const size_t *len)
{
    int stride = tape_calls[kind].stride, first = tape_calls[kind].first;
    int n = stride > 0 && argc > first ? (argc - first) / stride : 0;
    struct tape_call *c =
        calloc(1, sizeof(*c) + (size_t)n * sizeof(c->tasks[0]));
    if (c == NULL)
        abort();
    c->kind = kind;
    c->n = n;
    if (kind == TAPE_HEARTBEAT && argc > 7)
        c->lease_ms = strtoll(argv[7], NULL, 10);
    for (int i = 0; i < n; i++) {
        int at = first + stride * i;
        struct tape_task *t = &c->tasks[i];
        snprintf(t->id, sizeof(t->id), "%.*s", (int)len[at], argv[at]);
        ticket_parse(argv[at + 1], len[at + 1], &t->fence, &t->token);
        if (kind == TAPE_REPORT) {
            const char *blank = memchr(argv[at + 2], ' ', len[at + 2]);
            t->status = history_status(
                argv[at + 2], blank != NULL ? (size_t)(blank - argv[at + 2])
                                            : len[at + 2]);
        }
    }
    return c;
}

static void tape_add(const struct tape_task *t, int kind, int outcome,
                     int64_t v0, int64_t v1, int64_t v2, int64_t v3)
{
    history_add(&tape.history, kind, outcome, t->id, t->fence, t->token, v0,
                v1, v2, v3);
}

/* ---- Replies -------------------------------------------------------------------- */

static void tape_on_assign(const struct redisReply *r)
{
    int64_t now_us = reply_i64(r, 0);
    for (size_t i = 3; i + 2 < reply_n(r); i += 3) {
        struct tape_task t = {{0}, 0, 0, 0};
        struct task_state st;
        size_t len;
        snprintf(t.id, sizeof(t.id), "%s", reply_str(r, i, &len));
        const char *record = reply_str(r, i + 1, &len);
        if (task_state_decode(&st, record, len) < 0)
            continue; /* the worker will say so */
        const char *level = strstr(record, " level=");
        ticket_parse(st.ticket, strlen(st.ticket), &t.fence, &t.token);
        tickets_put(tape.tickets, t.id, t.fence,
                    (struct ticket){t.token, tape.history.actor});
        history_add(&tape.history, HISTORY_ASSIGN, OUTCOME_OK, t.id, t.fence,
                    t.token, now_us,
                    history_status(st.status, strlen(st.status)),
                    level != NULL ? strtoll(level + 7, NULL, 10) : 0,
                    st.next_ms);
    }
}

static int outcome_of(const char *word)
{
    return strcmp(word, "OK") == 0      ? OUTCOME_OK
           : strcmp(word, "AGAIN") == 0 ? OUTCOME_AGAIN
                                        : OUTCOME_STALE;
}

/* What became of each task of a call; failed: OUTCOME_REFUSED or UNKNOWN, for
 * all of them, or OUTCOME_NONE. */
static void tape_on_tasks(const struct tape_call *c, const struct redisReply *r,
                          int failed)
{
    int64_t now_us = reply_i64(r, 0);
    uint64_t n_ok = 0;
    for (int i = 0; i < c->n; i++) {
        const struct tape_task *t = &c->tasks[i];
        size_t len;
        int outcome = failed ? failed
                             : outcome_of(reply_str(r, (size_t)i + 1, &len));
        if (c->kind == TAPE_START)
            tape_add(t, HISTORY_START, outcome, now_us, 0, 0, 0);
        else if (c->kind == TAPE_REPORT)
            tape_add(t, HISTORY_REPORT, outcome, t->status, HS_NONE,
                     c->sequence, now_us);
        else if (c->kind == TAPE_PROGRESS)
            tape_add(t, HISTORY_PROGRESS, outcome, 0, 0, 0, 0);
        else
            tape_add(t, HISTORY_RELEASE, outcome, now_us, 0, 0, 0);
        n_ok += c->kind == TAPE_REPORT && outcome == OUTCOME_OK;
    }
    atomic_fetch_add(&tape.control->reported, n_ok);
}

static void tape_on_heartbeat(const struct tape_call *c,
                              const struct redisReply *r, int failed)
{
    history_add(&tape.history, HISTORY_HEARTBEAT,
                failed ? failed : OUTCOME_OK, NULL, 0, 0, reply_i64(r, 4),
                c->lease_ms, reply_i64(r, 0), 0);
    int64_t lost = reply_i64(r, 5);
    for (size_t i = 6; i + 1 < 6 + 2 * (size_t)lost && i + 1 < reply_n(r);
         i += 2) {
        struct tape_task t = {{0}, 0, 0, 0};
        size_t len;
        snprintf(t.id, sizeof(t.id), "%s", reply_str(r, i, &len));
        const char *ticket = reply_str(r, i + 1, &len);
        ticket_parse(ticket, len, &t.fence, &t.token);
        tape_add(&t, HISTORY_LOST_LEASE, OUTCOME_NONE, 0, 0, 0, 0);
    }
    tape_usage();
}

static void tape_on_reply(const struct redisReply *r,
                          const struct stint_err *err, void *arg)
{
    struct tape_call *c = arg;
    int failed = OUTCOME_NONE;
    if (r == NULL)
        failed = err->code == STINT_UNKNOWN ? OUTCOME_UNKNOWN
                                            : OUTCOME_REFUSED;
    else if (r->type != REDIS_REPLY_ARRAY)
        failed = OUTCOME_REFUSED;
    if (c->kind == TAPE_ASSIGN && !failed)
        tape_on_assign(r);
    else if (c->kind == TAPE_HEARTBEAT)
        tape_on_heartbeat(c, r, failed);
    else if (c->kind != TAPE_ASSIGN)
        tape_on_tasks(c, r, failed);
    store_reply_fn fn = c->fn;
    void *fn_arg = c->arg;
    free(c);
    fn(r, err, fn_arg);
}

/* ---- The store -------------------------------------------------------------------- */

static void tape_store_call(struct store *s, int argc, const char *const *argv,
                            const size_t *len, store_reply_fn fn, void *arg)
{
    struct store *inner = ((struct tape_store *)s)->inner;
    enum tape_kind kind = tape_kind(argc, argv, len);
    if (kind == TAPE_NONE) {
        store_call(inner, argc, argv, len, fn, arg);
        return;
    }
    struct tape_call *c = tape_call_new(kind, argc, argv, len);
    c->fn = fn;
    c->arg = arg;
    if (kind == TAPE_REPORT) {
        c->sequence = ++tape.sequence;
        for (int i = 0; i < c->n; i++)
            tape_add(&c->tasks[i], HISTORY_REPORT_SENT, OUTCOME_NONE,
                     c->tasks[i].status, c->sequence, 0, 0);
    }
    store_call(inner, argc, argv, len, tape_on_reply, c);
}

static void tape_store_close(struct store *s)
{
    struct tape_store *t = (struct tape_store *)s;
    t->inner->ops->close(t->inner);
    free(t);
}

static void tape_store_call_at(struct store *s, const char *key, int argc,
                               const char *const *argv, const size_t *len,
                               store_reply_fn fn, void *arg)
{
    store_call_at(((struct tape_store *)s)->inner, key, argc, argv, len, fn,
                  arg);
}

static void tape_store_reset(struct store *s)
{
    store_async_reset(((struct tape_store *)s)->inner);
}

static const struct store_ops tape_ops = {.call = tape_store_call,
                                          .close = tape_store_close,
                                          .call_at = tape_store_call_at,
                                          .reset = tape_store_reset};

struct store *__real_store_async_open(const struct conf *conf,
                                      struct event_base *base,
                                      int64_t deadline_ms,
                                      store_state_fn on_state, void *arg,
                                      struct stint_err *err);
struct store *__wrap_store_async_open(const struct conf *conf,
                                      struct event_base *base,
                                      int64_t deadline_ms,
                                      store_state_fn on_state, void *arg,
                                      struct stint_err *err);

struct store *__wrap_store_async_open(const struct conf *conf,
                                      struct event_base *base,
                                      int64_t deadline_ms,
                                      store_state_fn on_state, void *arg,
                                      struct stint_err *err)
{
    struct tape_store *t = calloc(1, sizeof(*t));
    if (t == NULL)
        abort();
    tape_begin();
    t->store.ops = &tape_ops;
    t->inner = __real_store_async_open(conf, base, deadline_ms, on_state, arg,
                                       err);
    if (t->inner == NULL) {
        free(t);
        return NULL;
    }
    return &t->store;
}
