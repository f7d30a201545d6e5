/* SPDX-License-Identifier: MIT */
/* The stores of a cluster against three primaries that are killed, and whose
 * slots are moved: every callback comes once, nothing is lost in silence, and
 * what is at other nodes goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"
#include "script.h"
#include "slots.h"
#include "store.h"

#define N_NODES 3

struct nodes {
    char dir[64];
    struct conf conf;
    int port[N_NODES];
    char tag[N_NODES][16]; /* a key in a slot of each */
    redisContext *c[N_NODES];
};

/* ---- The cluster -------------------------------------------------------- */

/* deploy/cluster ACTION DIR; what it prints first goes to line. */
static void cluster_run(const char *action, const char *dir, char *line,
                        size_t cap)
{
    int out[2], status;
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        execl(CLUSTER_PROGRAM, CLUSTER_PROGRAM, action, dir, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    ssize_t n = read(out[0], line, cap - 1);
    line[n > 0 ? n : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(out[0]);
}

static redisReply *node_do(struct nodes *n, int i, const char *format, ...)
{
    va_list ap;
    if (n->c[i] == NULL)
        n->c[i] = redisConnect("127.0.0.1", n->port[i]);
    assert_non_null(n->c[i]);
    va_start(ap, format);
    redisReply *r = redisvCommand(n->c[i], format, ap);
    va_end(ap);
    assert_non_null(r);
    return r;
}

static void node_must(struct nodes *n, int i, const char *a, const char *b,
                      const char *c)
{
    redisReply *r = node_do(n, i, "CLUSTER SETSLOT %s %s %s", a, b, c);
    assert_int_equal(r->type, REDIS_REPLY_STATUS);
    freeReplyObject(r);
}

static void node_id(struct nodes *n, int i, char id[64])
{
    redisReply *r = node_do(n, i, "CLUSTER MYID");
    snprintf(id, 64, "%s", r->str);
    freeReplyObject(r);
}

/* A key of each node's: {t0}, {t1}... are tried. */
static void nodes_tag(struct nodes *n)
{
    struct stint_err err = {0};
    struct slots *map = malloc(sizeof(*map));
    redisReply *r = node_do(n, 0, "CLUSTER SLOTS");
    slots_init(map);
    assert_int_equal(slots_parse(map, r, "127.0.0.1", &err), 0);
    freeReplyObject(r);
    for (int i = 0; i < N_NODES; i++)
        for (int k = 0; n->tag[i][0] == '\0'; k++) {
            char tag[16];
            snprintf(tag, sizeof(tag), "{t%d}", k);
            unsigned owner = map->owner[slots_of_key(tag, strlen(tag))];
            if (map->nodes[owner].port == n->port[i])
                memcpy(n->tag[i], tag, sizeof(tag));
        }
    slots_close(map);
    free(map);
}

static int nodes_start(void **state)
{
    struct nodes *n = calloc(1, sizeof(*n));
    struct stint_err err = {0};
    char url[600];
    snprintf(n->dir, sizeof(n->dir), "/tmp/stint-cluster.XXXXXX");
    assert_non_null(mkdtemp(n->dir));
    cluster_run("start", n->dir, url, sizeof(url));
    assert_int_equal(conf_parse_url(&n->conf, url, &err), 0);
    assert_int_equal(n->conf.n_nodes, N_NODES);
    for (int i = 0; i < N_NODES; i++)
        n->port[i] = n->conf.nodes[i].port;
    nodes_tag(n);
    *state = n;
    return 0;
}

static int file_remove(const char *path, const struct stat *st, int flag,
                       struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int nodes_stop(void **state)
{
    struct nodes *n = *state;
    char line[600];
    for (int i = 0; i < N_NODES; i++)
        if (n->c[i] != NULL)
            redisFree(n->c[i]);
    cluster_run("stop", n->dir, line, sizeof(line));
    nftw(n->dir, file_remove, 16, FTW_DEPTH | FTW_PHYS);
    free(n);
    return 0;
}

static void node_kill(struct nodes *n, int i)
{
    char path[128], pid[16] = "";
    snprintf(path, sizeof(path), "%s/%d/pid", n->dir, n->port[i]);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(pid, sizeof(pid), f));
    fclose(f);
    assert_int_equal(kill((pid_t)atol(pid), SIGKILL), 0);
    redisFree(n->c[i]);
    n->c[i] = NULL;
}

static void nodes_restart(struct nodes *n)
{
    char line[600];
    cluster_run("start", n->dir, line, sizeof(line));
}

/* ---- Calls -------------------------------------------------------------- */

struct seen {
    int n, n_ok, n_unknown, n_unreachable, n_error;
    long long last; /* integer */
    int type;
    char text[200]; /* of the last failure, error or string */
    struct event_base *events;
    int n_up, n_part, n_down; /* what on_state heard */
};

static void seen_reply(const redisReply *reply, const struct stint_err *err,
                       void *arg)
{
    struct seen *s = arg;
    s->n++;
    if (reply != NULL) {
        s->n_error += reply->type == REDIS_REPLY_ERROR;
        s->n_ok += reply->type != REDIS_REPLY_ERROR;
        s->type = reply->type;
        s->last = reply->integer;
        if (reply->str != NULL)
            snprintf(s->text, sizeof(s->text), "%s", reply->str);
    } else {
        s->n_unknown += err->code == STINT_UNKNOWN;
        s->n_unreachable += err->code == STINT_UNREACHABLE;
        snprintf(s->text, sizeof(s->text), "%s", err->text);
    }
}

static void call(struct store *s, struct seen *seen, const char *a,
                 const char *b, const char *c, const char *d)
{
    const char *argv[] = {a, b, c, d};
    size_t len[4];
    int argc = 0;
    for (; argc < 4 && argv[argc] != NULL; argc++)
        len[argc] = strlen(argv[argc]);
    store_call(s, argc, argv, len, seen_reply, seen);
}

/* One call of a blocking store, by itself. */
static struct seen ask(struct store *s, const char *a, const char *b,
                       const char *c, const char *d)
{
    struct seen seen = {0};
    call(s, &seen, a, b, c, d);
    assert_int_equal(seen.n, 0); /* never from inside a call */
    s->ops->wait(s);
    assert_int_equal(seen.n, 1);
    return seen;
}

/* Calls may fail for a moment, and are made again then, as clients do. */
static struct seen ask_until_ok(struct store *s, const char *a, const char *b)
{
    struct seen seen = {0};
    for (int i = 0; i < 500 && seen.n_ok == 0; i++) {
        seen = ask(s, a, b, NULL, NULL);
        if (seen.n_ok == 0)
            usleep(20000);
    }
    assert_int_equal(seen.n_ok, 1);
    return seen;
}

static struct store *open_sync(struct nodes *n)
{
    struct stint_err err = {0};
    struct store *s = store_sync_open(&n->conf, 2000, &err);
    assert_non_null(s);
    return s;
}

/* ---- Tests -------------------------------------------------------------- */

static void test_routes(void **state)
{
    struct nodes *n = *state;
    struct store *s = open_sync(n);
    struct seen seen = {0};
    for (int i = 0; i < 999; i++)
        call(s, &seen, "INCR", n->tag[i % N_NODES], NULL, NULL);
    s->ops->wait(s);
    assert_int_equal(seen.n_ok, 999);
    for (int i = 0; i < N_NODES; i++) {
        redisReply *r = node_do(n, i, "GET %s", n->tag[i]);
        assert_string_equal(r->str, "333");
        freeReplyObject(r);
    }
    s->ops->close(s);
}

static void test_all_primaries(void **state)
{
    struct nodes *n = *state;
    struct store *s = open_sync(n);
    assert_int_equal(ask(s, "PING", NULL, NULL, NULL).n_ok, 1);
    freeReplyObject(node_do(n, 1, "DEL %s", n->tag[1]));
    freeReplyObject(node_do(n, 0, "SET %s 1", n->tag[0]));
    struct seen seen = ask(s, "DBSIZE", NULL, NULL, NULL);
    assert_int_equal(seen.type, REDIS_REPLY_INTEGER);
    assert_int_equal(seen.last, 0); /* the smallest */
    seen = ask(s, "WAIT", "0", "10", NULL);
    assert_int_equal(seen.type, REDIS_REPLY_INTEGER);
    assert_int_equal(seen.last, 0);

    seen = ask(s, "INFO", "keyspace", NULL, NULL); /* one behind the other */
    int sections = 0;
    for (const char *at = seen.text; (at = strstr(at, "# Keyspace")); at++)
        sections++;
    assert_int_equal(sections, 3);

    seen = ask(s, "CONFIG", "GET", "appendonly", NULL);
    assert_int_equal(seen.type, REDIS_REPLY_ARRAY);
    freeReplyObject(node_do(n, 2, "CONFIG SET appendonly yes"));
    seen = ask(s, "CONFIG", "GET", "appendonly", NULL);
    assert_int_equal(seen.n_error, 1);
    assert_non_null(strstr(seen.text, "not set up alike"));
    freeReplyObject(node_do(n, 2, "CONFIG SET appendonly no"));

    seen = ask(s, "SCRIPT", "LOAD", "return redis.call(", NULL);
    assert_int_equal(seen.n_error, 1);
    s->ops->close(s);
}

/* The node of the key, and no other. */
static void test_call_at(void **state)
{
    struct nodes *n = *state;
    struct store *s = open_sync(n);
    static const char library[] =
        "#!lua name=at\n"
        "redis.register_function('at', function() return 1 end)";
    const char *argv[] = {"FUNCTION", "LOAD", "REPLACE", library};
    struct seen seen = {0};
    store_call_at(s, n->tag[1], 4, argv, NULL, seen_reply, &seen);
    s->ops->wait(s);
    assert_int_equal(seen.n_ok, 1);
    for (int i = 0; i < N_NODES; i++) {
        redisReply *r = node_do(n, i, "FUNCTION LIST LIBRARYNAME at");
        assert_int_equal(r->elements, i == 1);
        freeReplyObject(r);
    }
    assert_int_equal(ask(s, "FCALL", "at", "1", n->tag[1]).n_ok, 1);
    assert_int_equal(ask(s, "FCALL", "at", "1", n->tag[0]).n_error, 1);
    s->ops->close(s);
}

static void on_script(const struct redisReply *reply,
                      const struct stint_err *err, void *arg)
{
    int *code = arg;
    *code = reply != NULL ? STINT_OK : (int)err->code;
}

/* A group whose node lacks the library loads it there. */
static void test_library(void **state)
{
    struct nodes *n = *state;
    struct store *s = open_sync(n);
    struct script_caller c;
    struct args none;
    int code;
    args_init(&none);
    script_caller_init(&c, s, NULL);
    for (int i = 0; i < 8; i++) { /* some group at each node */
        char group[8];
        snprintf(group, sizeof(group), "g%d", i);
        for (int tries = 0; tries < 2; tries++) {
            script_call(&c, SCRIPT_STATS, group, &none, on_script, &code);
            s->ops->wait(s);
            if (code == STINT_OK)
                break;
            assert_int_equal(code, STINT_NOSCRIPT);
        }
        assert_int_equal(code, STINT_OK);
    }
    for (int i = 0; i < N_NODES; i++) {
        redisReply *r = node_do(n, i, "FUNCTION LIST LIBRARYNAME stint");
        assert_int_equal(r->elements, 1);
        freeReplyObject(r);
    }
    s->ops->close(s);
}

/* From node 0 to node 1, and its keys with it, in the steps of a resharding:
 * `between` sees the middle of it. */
static void slot_move(struct nodes *n, const char *tag, int from, int to,
                      void (*between)(struct nodes *n, void *arg), void *arg)
{
    char slot[16], id[N_NODES][64];
    snprintf(slot, sizeof(slot), "%u", slots_of_key(tag, strlen(tag)));
    for (int i = 0; i < N_NODES; i++)
        node_id(n, i, id[i]);
    node_must(n, to, slot, "IMPORTING", id[from]);
    node_must(n, from, slot, "MIGRATING", id[to]);
    if (between != NULL)
        between(n, arg);
    redisReply *keys = node_do(n, from, "CLUSTER GETKEYSINSLOT %s 100", slot);
    for (size_t i = 0; i < keys->elements; i++)
        freeReplyObject(node_do(n, from, "MIGRATE 127.0.0.1 %d %s 0 5000",
                                n->port[to], keys->element[i]->str));
    freeReplyObject(keys);
    node_must(n, to, slot, "NODE", id[to]);
    for (int i = 0; i < N_NODES; i++)
        node_must(n, i, slot, "NODE", id[to]);
}

struct between {
    struct store *s;
    const char *tag;
};

/* A script that names a key that is not there, as ours do. */
static void moving_is_refused(struct nodes *n, void *arg)
{
    const struct between *b = arg;
    struct seen seen = ask(b->s, "GET", b->tag, NULL, NULL);
    assert_int_equal(seen.n_ok, 1); /* it is here still */
    char key[64];
    snprintf(key, sizeof(key), "%s:x", b->tag);
    seen = ask(b->s, "SET", key, "1", NULL);
    assert_int_equal(seen.n_unreachable, 1);
    assert_non_null(strstr(seen.text, "is being moved"));
    redisReply *r = node_do(n, 1, "DBSIZE");
    long long size = r->integer;
    freeReplyObject(r);
    assert_int_equal(size, 0); /* nothing where it will be */
}

static void test_moved(void **state)
{
    struct nodes *n = *state;
    struct store *s = open_sync(n);
    struct between b = {s, n->tag[0]};
    for (int i = 0; i < N_NODES; i++)
        freeReplyObject(node_do(n, i, "FLUSHALL"));
    assert_int_equal(ask(s, "INCR", n->tag[0], NULL, NULL).last, 1);
    slot_move(n, n->tag[0], 0, 1, moving_is_refused, &b);
    struct seen seen = ask(s, "INCR", n->tag[0], NULL, NULL);
    assert_int_equal(seen.n_unreachable, 1);
    assert_non_null(strstr(seen.text, "has moved"));
    /* Nothing had happened, and now we know where it is. */
    assert_int_equal(ask(s, "INCR", n->tag[0], NULL, NULL).last, 2);
    slot_move(n, n->tag[0], 1, 0, NULL, NULL);
    assert_int_equal(ask_until_ok(s, "INCR", n->tag[0]).last, 3);
    s->ops->close(s);
}

static void test_killed(void **state)
{
    struct nodes *n = *state;
    struct store *s = open_sync(n);
    struct seen seen = {0};
    for (int i = 0; i < N_NODES; i++)
        freeReplyObject(node_do(n, i, "FLUSHALL"));
    assert_int_equal(ask(s, "INCR", n->tag[0], NULL, NULL).last, 1);
    node_kill(n, 2);
    for (int i = 0; i < 30; i++)
        call(s, &seen, "INCR", n->tag[i % N_NODES], NULL, NULL);
    s->ops->wait(s);
    assert_int_equal(seen.n, 30);
    assert_int_equal(seen.n_ok, 20);
    assert_int_equal(seen.n_unreachable + seen.n_unknown, 10);
    seen = ask(s, "PING", NULL, NULL, NULL);
    assert_int_equal(seen.n_unreachable, 1);
    nodes_restart(n);
    assert_int_equal(ask_until_ok(s, "INCR", n->tag[2]).last, 1);
    s->ops->close(s);
}

/* ---- On a loop ---------------------------------------------------------- */

static void seen_state(int connected, const struct stint_err *why, void *arg)
{
    struct seen *s = arg;
    s->n_up += connected && why == NULL;
    s->n_part += connected && why != NULL;
    s->n_down += !connected;
}

static void loop_for(struct seen *seen, int ms)
{
    struct timeval tv = {0, ms * 1000};
    event_base_loopexit(seen->events, &tv);
    event_base_loop(seen->events, 0);
}

static void loop_until(struct seen *seen, const int *value, int at_least)
{
    for (int i = 0; i < 1500 && *value < at_least; i++)
        loop_for(seen, 10);
    assert_true(*value >= at_least);
}

/* The same call until it succeeds. */
static void loop_until_ok(struct store *s, struct seen *seen, const char *a,
                          const char *b, const char *c)
{
    int before = seen->n_ok;
    for (int i = 0; i < 500 && seen->n_ok == before; i++) {
        int n = seen->n + 1;
        call(s, seen, a, b, c, NULL);
        loop_until(seen, &seen->n, n);
        if (seen->n_ok == before)
            loop_for(seen, 20);
    }
    assert_int_equal(seen->n_ok, before + 1);
}

static void test_async(void **state)
{
    struct nodes *n = *state;
    struct stint_err err = {0};
    struct seen seen = {0};
    seen.events = event_base_new();
    for (int i = 0; i < N_NODES; i++)
        freeReplyObject(node_do(n, i, "FLUSHALL"));
    struct store *s = store_async_open(&n->conf, seen.events, 1000, seen_state,
                                       &seen, &err);
    assert_non_null(s);
    call(s, &seen, "INCR", n->tag[0], NULL, NULL);
    assert_int_equal(seen.n, 0);
    loop_until(&seen, &seen.n_unreachable, 1); /* no map yet */
    loop_until(&seen, &seen.n_up, 1);
    loop_for(&seen, 50);
    assert_int_equal(seen.n_up, 1); /* once, not for each */

    for (int i = 0; i < 300; i++)
        call(s, &seen, "INCR", n->tag[i % N_NODES], NULL, NULL);
    loop_until(&seen, &seen.n_ok, 300);
    assert_int_equal(seen.last, 100);

    slot_move(n, n->tag[0], 0, 1, NULL, NULL);
    loop_until_ok(s, &seen, "INCR", n->tag[0], NULL);
    assert_int_equal(seen.last, 101);
    assert_int_equal(seen.n_unreachable, 2); /* MOVED, once */
    slot_move(n, n->tag[0], 1, 0, NULL, NULL);
    loop_until_ok(s, &seen, "INCR", n->tag[0], NULL);
    assert_int_equal(seen.last, 102);

    node_kill(n, 2); /* the others go on, and hear of it */
    loop_until(&seen, &seen.n_part, 1);
    int before = seen.n_unreachable + seen.n_unknown;
    call(s, &seen, "INCR", n->tag[2], NULL, NULL);
    loop_until_ok(s, &seen, "INCR", n->tag[1], NULL);
    loop_until(&seen, &seen.n, 306);
    assert_int_equal(seen.n_unreachable + seen.n_unknown, before + 1);
    assert_int_equal(seen.n_down, 0);
    nodes_restart(n);
    loop_until(&seen, &seen.n_up, 2); /* it is back: all is looked at anew */
    loop_until_ok(s, &seen, "INCR", n->tag[2], NULL);

    int all = seen.n;
    for (int i = 0; i < 9; i++)
        call(s, &seen, "INCR", n->tag[i % N_NODES], NULL, NULL);
    s->ops->close(s); /* outstanding ones fail, each once */
    assert_int_equal(seen.n, all + 9);
    event_base_free(seen.events);
}

/* A connection for one key: it blocks there, and follows it. */
static void test_async_at(void **state)
{
    struct nodes *n = *state;
    struct stint_err err = {0};
    struct seen seen = {0};
    seen.events = event_base_new();
    for (int i = 0; i < N_NODES; i++)
        freeReplyObject(node_do(n, i, "FLUSHALL"));
    struct store *s = store_async_open_at(&n->conf, seen.events, 40000,
                                          n->tag[1], seen_state, &seen, &err);
    assert_non_null(s);
    loop_until(&seen, &seen.n_up, 1);
    call(s, &seen, "BZPOPMIN", n->tag[1], "30", NULL);
    loop_for(&seen, 50);
    freeReplyObject(node_do(n, 1, "ZADD %s 1 w", n->tag[1]));
    loop_until(&seen, &seen.n_ok, 1);

    call(s, &seen, "BZPOPMIN", n->tag[1], "30", NULL);
    loop_for(&seen, 50);
    slot_move(n, n->tag[1], 1, 0, NULL, NULL); /* Redis lets go of it */
    loop_until(&seen, &seen.n_unreachable, 1);
    freeReplyObject(node_do(n, 0, "ZADD %s 1 w", n->tag[1]));
    loop_until_ok(s, &seen, "BZPOPMIN", n->tag[1], "30");
    s->ops->close(s);
    event_base_free(seen.events);
    slot_move(n, n->tag[1], 0, 1, NULL, NULL);
}

static void test_refused(void **state)
{
    struct nodes *n = *state;
    struct stint_err err = {0};
    struct conf conf;
    (void)n;
    assert_int_equal(conf_parse_url(&conf, "redis+cluster://127.0.0.1:1",
                                    &err), 0);
    assert_null(store_sync_open(&conf, 500, &err));
    assert_int_equal(err.code, STINT_UNREACHABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes), cmocka_unit_test(test_all_primaries),
        cmocka_unit_test(test_call_at), cmocka_unit_test(test_library),
        cmocka_unit_test(test_moved), cmocka_unit_test(test_killed),
        cmocka_unit_test(test_async), cmocka_unit_test(test_async_at),
        cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, nodes_start, nodes_stop);
}
