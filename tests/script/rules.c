/* SPDX-License-Identifier: MIT */
/* Calls the rules by FCALL with a time of the test's own, and has fsck look at
 * everything after every call. */
#include "rules.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>

#include "lua_scripts.h"
#include "server.h"

enum { WORDS_MAX = 1 << 17, ARGS_MAX = 8192, RING = 256,
       RULES_ARGS = 64 };

int64_t rules_now;
const char *rules_group = "main";
const char *const rules_states[RULES_STATES] = {
    "QUEUED", "ASSIGNED", "RUNNING", "COMPLETED",
    "FAILED", "TIMEOUT", "STOPPED", "EXPIRED"};

static struct server rules_server;
static redisContext *rules_redis_context;
static int rules_other; /* the second group has been called */
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

/* With the lists in it, each in brackets. */
static void words_add_all(char *text, const redisReply *r)
{
    const char *blank = *text ? " " : "";
    char *end = text + strlen(text);

    if (r->type != REDIS_REPLY_ARRAY) {
        words_add(text, r);
        return;
    }
    snprintf(end, WORDS_MAX - (size_t)(end - text), "%s[", blank);
    for (size_t i = 0; i < r->elements; i++) {
        assert_true(strlen(text) + r->element[i]->len + 64 < WORDS_MAX);
        snprintf(text + strlen(text), WORDS_MAX - strlen(text), "%s%s",
                 i ? "," : "", r->element[i]->str);
    }
    strcat(text, "]");
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

static void rules_append(const char *verb, const char *group, int n,
                         const char *const *args)
{
    static const char *argv[ARGS_MAX];
    char name[64], base[64], now[24];
    int fleet = strncmp(verb, "fleet_", 6) == 0;

    assert_true(n + 6 <= ARGS_MAX);
    snprintf(name, sizeof(name), "stint_%s", verb);
    snprintf(base, sizeof(base), fleet ? "{stint}" : "{stint:%s}", group);
    snprintf(now, sizeof(now), "%" PRId64, rules_now);
    argv[0] = "FCALL";
    argv[1] = name;
    argv[2] = "1";
    argv[3] = base;
    argv[4] = "1";
    argv[5] = now;
    for (int i = 0; i < n; i++)
        argv[6 + i] = args[i];
    redisAppendCommandArgv(rules_redis_context, n + 6, argv, NULL);
}

static redisReply *rules_reply(void)
{
    void *r = NULL;

    assert_int_equal(redisGetReply(rules_redis_context, &r), REDIS_OK);
    return r;
}

static redisReply *rules_fcall(const char *verb, int n,
                               const char *const *args)
{
    rules_other |= strcmp(rules_group, "main") != 0;
    rules_append(verb, rules_group, n, args);
    return rules_reply();
}

/* One look at one key, until its cursor is through; 1: it was the last key. */
static int rules_fsck_reply(const char *after, const char *group, int at)
{
    redisReply *r = rules_reply();
    int bad = 0, last, more;

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    last = strcmp(r->element[1]->str, "0") == 0;
    for (size_t i = 4; i < r->elements; i++, bad++)
        print_error("fsck after %s: %s\n", after, r->element[i]->str);
    assert_int_equal(bad, 0);
    more = !last && atoi(r->element[1]->str) == at;
    if (more) {
        const char *args[] = {rules_text("%d", at),
                              rules_text("%s", r->element[2]->str), "1000"};
        rules_append("fsck", group, 3, args);
    }
    freeReplyObject(r);
    return more ? rules_fsck_reply(after, group, at) : last;
}

/* Looks at many keys in one exchange: it is done after every call. */
static void rules_fsck_group(const char *after, const char *group)
{
    enum { AT_ONCE = 24 };
    char numbers[AT_ONCE][16];
    int done = 0;

    for (int at = 1; !done; at += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; i++) {
            const char *args[] = {numbers[i], "0", "1000"};
            snprintf(numbers[i], sizeof(numbers[i]), "%d", at + i);
            rules_append("fsck", group, 3, args);
        }
        for (int i = 0; i < AT_ONCE; i++)
            done |= rules_fsck_reply(after, group, at + i);
    }
}

static void rules_fsck(const char *after)
{
    if (strstr(after, "_keys") != NULL) /* there is a fault on purpose */
        return;
    rules_fsck_group(after, "main");
    if (rules_other)
        rules_fsck_group(after, "other");
}

const char *rules_call(const char *verb, int n, const char *const *args)
{
    const char *words = reply_words(rules_fcall(verb, n, args), 1);

    rules_fsck(verb);
    return words;
}

const char *rules_raw(const char *verb, int n, const char *const *args)
{
    return reply_words(rules_fcall(verb, n, args), 1);
}

/* The arguments up to NULL. */
static int rules_gather(const char **args, va_list ap)
{
    const char *arg;
    int n = 0;

    while ((arg = va_arg(ap, const char *)) != NULL) {
        assert_true(n < RULES_ARGS);
        args[n++] = arg;
    }
    return n;
}

const char *rules_ask(const char *verb, ...)
{
    const char *args[RULES_ARGS];
    int n;
    va_list ap;

    va_start(ap, verb);
    n = rules_gather(args, ap);
    va_end(ap);
    return rules_call(verb, n, args);
}

const char *rules_ask_all(const char *verb, ...)
{
    const char *args[RULES_ARGS];
    char *text = ring_text();
    redisReply *r;
    int n;
    va_list ap;

    va_start(ap, verb);
    n = rules_gather(args, ap);
    va_end(ap);
    r = rules_fcall(verb, n, args);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    for (size_t i = 1; i < r->elements; i++)
        words_add_all(text, r->element[i]);
    freeReplyObject(r);
    rules_fsck(verb);
    return text;
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
    rules_group = "main";
    rules_other = 0;
    EXPECT("NEW 0 0 0 0", "heartbeat", "w1", "1000000000000", "0");
    EXPECT("NEW 0 0 0 0", "heartbeat", "w2", "1000000000000", "0");
    return 0;
}

/* ---- What is in Redis -------------------------------------------------- */

const char *rules_digest(void)
{
    return rules_redis("DEBUG DIGEST");
}

const char *rules_record(const char *id)
{
    return rules_redis("HGET {stint:%s}:state %s", rules_group, id);
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
    return *rules_redis("HGET {stint:%s}:task %s", rules_group, id) ? "QUEUED"
                                                                    : "";
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
