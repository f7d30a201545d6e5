/* SPDX-License-Identifier: MIT */
/* Calls the rules by FCALL with a time of the test's own, and has fsck look at
 * everything after every call. */
#include "rules.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>

#include "lua_scripts.h"
#include "server.h"

enum { WORDS_MAX = 1 << 17, ARGS_MAX = 8192, RING = 256 };

int64_t rules_now;
const char *const rules_states[RULES_STATES] = {
    "QUEUED", "ASSIGNED", "RUNNING", "COMPLETED",
    "FAILED", "TIMEOUT", "STOPPED", "EXPIRED"};

static struct server rules_server;
static redisContext *rules_redis_context;
static char rules_ring[RING][WORDS_MAX];
static int rules_ring_next;

static char *ring_text(void)
{
    char *text = rules_ring[rules_ring_next++ % RING];

    *text = '\0';
    return text;
}

const char *rules_text(const char *format, ...)
{
    char *text = ring_text();
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, WORDS_MAX, format, ap);
    va_end(ap);
    return text;
}

static void words_add(char *text, const redisReply *r)
{
    size_t used = strlen(text);
    const char *blank = used ? " " : "";

    assert_true(used + 64 < WORDS_MAX);
    if (r->type == REDIS_REPLY_INTEGER)
        snprintf(text + used, WORDS_MAX - used, "%s%lld", blank, r->integer);
    else if (r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS)
        snprintf(text + used, WORDS_MAX - used, "%s%s", blank, r->str);
}

/* Frees the reply. */
static const char *reply_words(redisReply *r, size_t from)
{
    char *text = ring_text();

    assert_non_null(r);
    if (r->type == REDIS_REPLY_ERROR) {
        snprintf(text, WORDS_MAX, "-%s", r->str);
    } else if (r->type == REDIS_REPLY_ARRAY) {
        for (size_t i = from; i < r->elements; i++)
            words_add(text, r->element[i]);
    } else {
        words_add(text, r);
    }
    freeReplyObject(r);
    return text;
}

/* ---- Calls ------------------------------------------------------------- */

static redisReply *rules_fcall(const char *verb, int n,
                               const char *const *args)
{
    static const char *argv[ARGS_MAX];
    char name[64], now[24];
    redisReply *r;

    assert_true(n + 6 <= ARGS_MAX);
    snprintf(name, sizeof(name), "stint_%s", verb);
    snprintf(now, sizeof(now), "%" PRId64, rules_now);
    argv[0] = "FCALL";
    argv[1] = name;
    argv[2] = "1";
    argv[3] = "{stint:main}";
    argv[4] = "1";
    argv[5] = now;
    for (int i = 0; i < n; i++)
        argv[6 + i] = args[i];
    r = redisCommandArgv(rules_redis_context, n + 6, argv, NULL);
    assert_non_null(r);
    return r;
}

static void rules_fsck(const char *after)
{
    char key[24] = "1", cursor[24] = "0";
    int bad = 0;

    while (strcmp(key, "0") != 0) {
        const char *args[] = {key, cursor, "1000"};
        redisReply *r = rules_fcall("fsck", 3, args);
        assert_int_equal(r->type, REDIS_REPLY_ARRAY);
        for (size_t i = 4; i < r->elements; i++, bad++)
            print_error("fsck after %s: %s\n", after, r->element[i]->str);
        snprintf(key, sizeof(key), "%s", r->element[1]->str);
        snprintf(cursor, sizeof(cursor), "%s", r->element[2]->str);
        freeReplyObject(r);
    }
    assert_int_equal(bad, 0);
}

const char *rules_call(const char *verb, int n, const char *const *args)
{
    const char *words = reply_words(rules_fcall(verb, n, args), 1);

    rules_fsck(verb);
    return words;
}

const char *rules_ask(const char *verb, ...)
{
    const char *args[64], *arg;
    int n = 0;
    va_list ap;

    va_start(ap, verb);
    while ((arg = va_arg(ap, const char *)) != NULL) {
        assert_true(n < 64);
        args[n++] = arg;
    }
    va_end(ap);
    return rules_call(verb, n, args);
}

const char *rules_redis(const char *format, ...)
{
    va_list ap;
    redisReply *r;

    va_start(ap, format);
    r = redisvCommand(rules_redis_context, format, ap);
    va_end(ap);
    return reply_words(r, 0);
}

/* ---- What a program and a test begin with ------------------------------ */

int rules_up(void **state)
{
    (void)state;
    server_start(&rules_server);
    rules_redis_context =
        redisConnectUnix(rules_server.url + strlen("unix://"));
    if (rules_redis_context == NULL || rules_redis_context->err)
        return -1;
    REDIS("stint", "FUNCTION LOAD %b", lua_library, lua_library_len);
    return 0;
}

int rules_down(void **state)
{
    (void)state;
    redisFree(rules_redis_context);
    server_stop(&rules_server);
    return 0;
}

int rules_clean(void **state)
{
    (void)state;
    REDIS("OK", "CONFIG SET maxmemory 0");
    REDIS("OK", "FLUSHALL");
    rules_now = RULES_START;
    EXPECT("NEW 0", "heartbeat", "w1", "1000000000000", "0");
    EXPECT("NEW 0", "heartbeat", "w2", "1000000000000", "0");
    return 0;
}

/* ---- What is in Redis -------------------------------------------------- */

const char *rules_digest(void)
{
    return rules_redis("DEBUG DIGEST");
}

const char *rules_record(const char *id)
{
    return rules_redis("HGET {stint:main}:state %s", id);
}

const char *rules_field(const char *id, const char *name)
{
    static const char *const heads[] = {"status", "fence", "token", "worker",
                                        "next", "start", "stop"};
    const char *at = rules_record(id);
    char *text = ring_text();

    for (size_t i = 0; *at; i++) {
        size_t len = strcspn(at, " "), name_len = strlen(name);
        if (i < 7 && strcmp(name, heads[i]) == 0) {
            snprintf(text, len + 1, "%s", at);
        } else if (i >= 7 && len > name_len && at[name_len] == '=' &&
                   memcmp(at, name, name_len) == 0) {
            snprintf(text, len - name_len, "%s", at + name_len + 1);
        }
        at += len;
        at += *at == ' ';
    }
    return text;
}

int64_t rules_number(const char *id, const char *name)
{
    return strtoll(rules_field(id, name), NULL, 10);
}

const char *rules_ticket(const char *id)
{
    return rules_text("%s %s", rules_field(id, "fence"),
                      rules_field(id, "token"));
}

const char *rules_status(const char *id)
{
    if (*rules_record(id))
        return rules_field(id, "status");
    return *rules_redis("HGET {stint:main}:task %s", id) ? "QUEUED" : "";
}

/* ---- Moves ------------------------------------------------------------- */

void rules_queue_at(const char *id, const char *fn, const char *start,
                    const char *stop, const char *rules)
{
    EXPECT("", "queue_task", "0", id, fn, start, stop, rules, "{}");
}

void rules_queue(const char *id, const char *rules)
{
    rules_queue_at(id, "f", "+0", "", rules);
}

const char *rules_assign(const char *worker, int run, int prefetch,
                         const char *functions)
{
    const char *args[32];
    char *names = ring_text(), *ids = ring_text();
    int n = 4;
    redisReply *r;

    args[0] = worker;
    args[1] = rules_text("token-of-%s", worker);
    args[2] = rules_text("%d", run);
    args[3] = rules_text("%d", prefetch);
    strcpy(names, functions);
    for (char *f = strtok(names, " "); f; f = strtok(NULL, " "))
        args[n++] = f;
    r = rules_fcall("assign", n, args);
    if (r->type == REDIS_REPLY_ERROR) {
        snprintf(ids, WORDS_MAX, "-%s", r->str);
    } else {
        assert_int_equal(r->elements % 3, 0);
        for (size_t i = 3; i < r->elements; i += 3) {
            words_add(ids, r->element[i]);
            assert_string_equal(r->element[i + 1]->str,
                                rules_record(r->element[i]->str));
        }
    }
    freeReplyObject(r);
    rules_fsck("assign");
    return ids;
}

const char *rules_report(const char *id, const char *status)
{
    return ASK("report", "w1", id, rules_ticket(id), status, "{\"r\":1}");
}

const char *rules_run_once(const char *id, const char *status)
{
    assert_string_equal(rules_assign("w1", 1, 0, "f"), id);
    return rules_report(id, status);
}

const char *rules_bring(const char *id, const char *status, const char *rules)
{
    int queued = strcmp(status, "QUEUED") == 0;
    int assigned = strcmp(status, "ASSIGNED") == 0;
    int running = strcmp(status, "RUNNING") == 0;
    int expired = strcmp(status, "EXPIRED") == 0;
    const char *ticket = "1 nobody";

    rules_queue_at(id, "f", "+0", expired ? "+1000" : "", rules);
    if (!queued) {
        int prefetched = assigned || expired;
        assert_string_equal(rules_assign("w1", !prefetched, prefetched, "f"),
                            id);
        ticket = rules_text("%s", rules_ticket(id));
    }
    rules_now += 2000;
    if (expired)
        EXPECT("1 0", "expire", "100");
    else if (!queued && !assigned && !running)
        EXPECT("OK", "report", "w1", id, ticket, status, "{\"r\":1}");
    assert_string_equal(rules_status(id), status);
    return ticket;
}
