/* SPDX-License-Identifier: MIT */
/* The memory server's commands, each against answers worked out by hand; that
 * Redis gives the same ones is what script/…_both look at. A line of blank-
 * separated words is a command. Replies in words: text as it is, (1) an
 * integer, nil, +status, -error, [a b] an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "command.h"
#include "lua_scripts.h"
#include "memory.h"
#include "store_memory.h"

enum { ARGS = 64, TEXT = 4096 };

static struct memory *m;

/* ---- Help ---------------------------------------------------------------- */

static void words_add(char *text, const redisReply *r)
{
    char *end = text + strlen(text);
    size_t room = TEXT - (size_t)(end - text);
    switch (r->type) {
    case REDIS_REPLY_INTEGER:
        snprintf(end, room, "(%lld)", r->integer);
        break;
    case REDIS_REPLY_NIL:
        snprintf(end, room, "nil");
        break;
    case REDIS_REPLY_STATUS:
        snprintf(end, room, "+%s", r->str);
        break;
    case REDIS_REPLY_ERROR:
        snprintf(end, room, "-%s", r->str);
        break;
    case REDIS_REPLY_ARRAY:
        snprintf(end, room, "[");
        for (size_t i = 0; i < r->elements; i++) {
            if (i > 0)
                snprintf(text + strlen(text), room, " ");
            words_add(text, r->element[i]);
        }
        snprintf(text + strlen(text), room, "]");
        break;
    default:
        snprintf(end, room, "%s", r->str);
    }
}

static int args_split(char *line, struct arg *args)
{
    int n = 0;
    for (char *save, *word = strtok_r(line, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        assert_true(n < ARGS);
        args[n++] = (struct arg){word, strlen(word)};
    }
    return n;
}

static const char *ask(const char *line)
{
    static char text[TEXT];
    char copy[TEXT];
    struct arg args[ARGS];
    struct reply reply;
    struct out out;
    snprintf(copy, sizeof(copy), "%s", line);
    out_to_reply(&out, &reply);
    memory_call(m, args_split(copy, args), args, &out);
    *text = '\0';
    words_add(text, reply.root);
    reply_free(&reply);
    return text;
}

#define EXPECT(line, words) assert_string_equal(ask(line), words)

/* Loads a library with one function, `f`, of this body. */
static void load(const char *body, const char *flags)
{
    static char text[TEXT];
    struct arg args[] = {{"FUNCTION", 8}, {"LOAD", 4}, {"REPLACE", 7},
                         {text, 0}};
    struct reply reply;
    struct out out;
    args[3].len = (size_t)snprintf(
        text, sizeof(text), "#!lua name=test\nredis.register_function{"
        "function_name='f', callback=function(KEYS, ARGV) %s\nend, "
        "flags={%s}}", body, flags);
    out_to_reply(&out, &reply);
    memory_call(m, 4, args, &out);
    if (reply.root->type == REDIS_REPLY_ERROR)
        print_error("%s\n", reply.root->str);
    assert_string_equal(reply.root->str, "test");
    reply_free(&reply);
}

static const char *run(const char *body)
{
    load(body, "");
    return ask("FCALL f 1 k a b");
}

#define EXPECT_RUN(body, words) assert_string_equal(run(body), words)

static int up(void **state)
{
    (void)state;
    m = memory_new();
    return m != NULL ? 0 : -1;
}

static int down(void **state)
{
    (void)state;
    memory_unref(m);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)

/* ---- Commands ------------------------------------------------------------ */

static void test_strings(void **state)
{
    (void)state;
    EXPECT("GET k", "nil");
    EXPECT("SET k v", "+OK");
    EXPECT("get k", "v");
    EXPECT("SET k w NX", "nil");
    EXPECT("SET other w XX", "nil");
    EXPECT("SET k w XX", "+OK");
    EXPECT("GET k", "w");
    EXPECT("SET k v NX XX", "-ERR syntax error");
    EXPECT("SET k v PX", "-ERR syntax error");
    EXPECT("SET k v PX x", "-ERR value is not an integer or out of range");
    EXPECT("SET k v PX 0", "-ERR invalid expire time in 'set' command");
    EXPECT("GET", "-ERR wrong number of arguments for 'get' command");
    EXPECT("NOSUCH k", "-ERR unknown command 'NOSUCH'");
    EXPECT("EXISTS k k none", "(2)");
    EXPECT("DEL k none", "(1)");
    EXPECT("UNLINK k", "(0)");
}

static void test_expiry(void **state)
{
    (void)state;
    EXPECT("SET k v PX 1000", "+OK");
    EXPECT("SET s v EX 2", "+OK");
    memory_set_now_us(m, (MEMORY_START_MS + 1000) * 1000);
    EXPECT("GET k", "v"); /* gone only past its time */
    memory_set_now_us(m, (MEMORY_START_MS + 1001) * 1000);
    EXPECT("GET k", "nil");
    EXPECT("DEL k", "(0)");
    EXPECT("EXISTS s", "(1)");
    EXPECT("SET s v", "+OK"); /* lives for ever now */
    memory_set_now_us(m, (MEMORY_START_MS + 9000) * 1000);
    EXPECT("GET s", "v");
}

static void test_hashes(void **state)
{
    (void)state;
    EXPECT("HSET h b 1 a 2 b 3", "(2)");
    EXPECT("HGETALL h", "[b 3 a 2]"); /* as they were added */
    EXPECT("HGET h b", "3");
    EXPECT("HGET h c", "nil");
    EXPECT("HGET none c", "nil");
    EXPECT("HMGET h a c b", "[2 nil 3]");
    EXPECT("HMGET none a", "[nil]");
    EXPECT("HLEN h", "(2)");
    EXPECT("HSTRLEN h a", "(1)");
    EXPECT("HSTRLEN h c", "(0)");
    EXPECT("HSETNX h a 9", "(0)");
    EXPECT("HSETNX h c 9", "(1)");
    EXPECT("HINCRBY h c -11", "(-2)");
    EXPECT("HINCRBY h d 9223372036854775807", "(9223372036854775807)");
    EXPECT("HINCRBY h d 1", "-ERR increment or decrement would overflow");
    EXPECT("HSET h t text", "(1)");
    EXPECT("HINCRBY h t 1", "-ERR hash value is not an integer");
    EXPECT("HDEL h a b c d t none", "(5)");
    EXPECT("EXISTS h", "(0)"); /* an empty one is none */
    EXPECT("HGETALL h", "[]");
    EXPECT("HSET h a", "-ERR wrong number of arguments for 'hset' command");
    EXPECT("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' "
                           "command");
}

static void test_kinds_do_not_mix(void **state)
{
    static const char wrong[] = "-WRONGTYPE Operation against a key holding "
                                "the wrong kind of value";
    (void)state;
    EXPECT("SET s v", "+OK");
    EXPECT("HGET s f", wrong);
    EXPECT("HSET s f v", wrong);
    EXPECT("ZADD s 1 a", wrong);
    EXPECT("SADD s a", wrong);
    EXPECT("LPUSH s a", wrong);
    EXPECT("HSET h f v", "(1)");
    EXPECT("GET h", wrong);
    EXPECT("SET h v", "+OK"); /* takes its place */
    EXPECT("GET h", "v");
}

static void test_lists(void **state)
{
    (void)state;
    EXPECT("LPUSH l a b", "(2)");
    EXPECT("LPUSH l c d e", "(5)");
    EXPECT("LRANGE l 0 -1", "[e d c b a]");
    EXPECT("LRANGE l -2 9", "[b a]");
    EXPECT("LRANGE l 3 1", "[]");
    EXPECT("LRANGE none 0 -1", "[]");
    EXPECT("LINDEX l 0", "e");
    EXPECT("LINDEX l -1", "a");
    EXPECT("LINDEX l 5", "nil");
    EXPECT("LTRIM l 1 2", "+OK");
    EXPECT("LRANGE l 0 -1", "[d c]");
    EXPECT("LPUSH l 1 2 3 4", "(6)");
    EXPECT("LRANGE l 0 -1", "[4 3 2 1 d c]");
    EXPECT("LTRIM l 1 0", "+OK");
    EXPECT("EXISTS l", "(0)");
    EXPECT("LTRIM none 0 1", "+OK");
}

static void test_sets(void **state)
{
    (void)state;
    EXPECT("SADD s b a b", "(2)");
    EXPECT("SADD s a", "(0)");
    EXPECT("SCARD s", "(2)");
    EXPECT("SISMEMBER s a", "(1)");
    EXPECT("SISMEMBER s c", "(0)");
    EXPECT("SISMEMBER none c", "(0)");
    EXPECT("SRANDMEMBER s 5", "[b a]");
    EXPECT("SRANDMEMBER s", "b");
    EXPECT("SRANDMEMBER none", "nil");
    EXPECT("SRANDMEMBER none 1", "[]");
    EXPECT("SSCAN s 0", "[0 [b a]]");
    EXPECT("SREM s b none a", "(2)");
    EXPECT("EXISTS s", "(0)");
    EXPECT("SCARD s", "(0)");
}

static void test_scan_misses_nothing_and_repeats_nothing(void **state)
{
    (void)state;
    EXPECT("SADD s a b c d e", "(5)");
    EXPECT("SSCAN s 0 COUNT 2", "[3 [a b]]");
    EXPECT("SREM s a c", "(2)");
    EXPECT("SADD s f", "(1)");
    EXPECT("SSCAN s 3 COUNT 2", "[6 [d e]]");
    EXPECT("SADD s 1 2 3 4 5 6 7 8 9", "(9)"); /* the table is made anew */
    EXPECT("SSCAN s 6 COUNT 100", "[0 [f 1 2 3 4 5 6 7 8 9]]");
    EXPECT("SSCAN s 99", "[0 []]");
    EXPECT("SSCAN s x", "-ERR invalid cursor");
    EXPECT("SSCAN s 0 COUNT 0", "-ERR syntax error");
    EXPECT("HSET h a 1 b 2", "(2)");
    EXPECT("HSCAN h 0 COUNT 1", "[2 [a 1]]");
    EXPECT("ZADD z 2 a 1 b", "(2)");
    EXPECT("ZSCAN z 0", "[0 [a 2 b 1]]");
    EXPECT("ZSCAN none 0", "[0 []]");
}

static void test_sorted_sets(void **state)
{
    (void)state;
    EXPECT("ZADD z 3 c 1 b 1 a", "(3)");
    EXPECT("ZRANGE z 0 -1 WITHSCORES", "[a 1 b 1 c 3]");
    EXPECT("ZRANGE z 1 1", "[b]");
    EXPECT("ZREVRANGE z 0 1 WITHSCORES", "[c 3 b 1]");
    EXPECT("ZREVRANGE z -1 -1", "[a]");
    EXPECT("ZRANGE z 0 -1 REV", "-ERR syntax error");
    EXPECT("ZSCORE z c", "3");
    EXPECT("ZSCORE z none", "nil");
    EXPECT("ZCARD z", "(3)");
    EXPECT("ZRANK z c", "(2)");
    EXPECT("ZRANK z none", "nil");
    EXPECT("ZADD z 0.5 c", "(0)"); /* moves */
    EXPECT("ZRANGE z 0 -1 WITHSCORES", "[c 0.5 a 1 b 1]");
    EXPECT("ZADD z LT 2 a", "(0)");
    EXPECT("ZSCORE z a", "1");
    EXPECT("ZADD z LT CH 0.25 a", "(1)");
    EXPECT("ZADD z GT 0.5 a", "(0)");
    EXPECT("ZSCORE z a", "0.5");
    EXPECT("ZADD z NX 9 a 9 d", "(1)");
    EXPECT("ZADD none XX 9 a", "(0)");
    EXPECT("EXISTS none", "(0)");
    EXPECT("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are "
                               "not compatible");
    EXPECT("ZADD z LT GT 1 a", "-ERR GT, LT, and/or NX options at the same "
                               "time are not compatible");
    EXPECT("ZADD z 5 e x f", "-ERR value is not a valid float");
    EXPECT("ZSCORE z e", "nil"); /* all or none */
    EXPECT("ZADD z 1", "-ERR wrong number of arguments for 'zadd' command");
    EXPECT("ZADD z 1 a 2", "-ERR syntax error");
    EXPECT("ZADD z 9007199254740991 max -inf low", "(2)");
    EXPECT("ZSCORE z max", "9007199254740991");
    EXPECT("ZSCORE z low", "-inf");
    EXPECT("ZREM z a b c none", "(3)");
    EXPECT("ZREM z d low max", "(3)");
    EXPECT("EXISTS z", "(0)");
}

static void test_ranges_of_scores(void **state)
{
    (void)state;
    EXPECT("ZADD z 1 a 2 b 2 c 3 d 4 e", "(5)");
    EXPECT("ZRANGEBYSCORE z 2 3", "[b c d]");
    EXPECT("ZRANGEBYSCORE z (2 +inf WITHSCORES", "[d 3 e 4]");
    EXPECT("ZRANGEBYSCORE z -inf (2", "[a]");
    EXPECT("ZRANGEBYSCORE z -inf inf LIMIT 1 2", "[b c]");
    EXPECT("ZRANGEBYSCORE z -inf inf LIMIT 3 -1 WITHSCORES", "[d 3 e 4]");
    EXPECT("ZRANGEBYSCORE z -inf inf LIMIT 9 1", "[]");
    EXPECT("ZRANGEBYSCORE z 3 2", "[]");
    EXPECT("ZRANGEBYSCORE none 0 1", "[]");
    EXPECT("ZRANGEBYSCORE z x 1", "-ERR min or max is not a float");
    EXPECT("ZRANGEBYSCORE z 0 1 LIMIT 1", "-ERR syntax error");
    EXPECT("ZCOUNT z (1 (4", "(3)");
    EXPECT("ZCOUNT z 5 9", "(0)");
    EXPECT("ZREMRANGEBYSCORE z (2 3", "(1)");
    EXPECT("ZREMRANGEBYRANK z 0 1", "(2)");
    EXPECT("ZRANGE z 0 -1", "[c e]");
    EXPECT("ZREMRANGEBYRANK z -9 9", "(2)");
    EXPECT("EXISTS z", "(0)");
    EXPECT("ZREMRANGEBYRANK z 0 -1", "(0)");
}

static void test_popping(void **state)
{
    (void)state;
    EXPECT("BZPOPMIN z y 1", "nil"); /* nobody can wait here */
    EXPECT("ZADD y 2 b 1 a", "(2)");
    EXPECT("BZPOPMIN z y 1", "[y a 1]");
    EXPECT("ZPOPMIN y 5", "[b 2]");
    EXPECT("ZPOPMIN y", "[]");
    EXPECT("EXISTS y", "(0)");
    EXPECT("BZPOPMIN z x", "-ERR timeout is not a float or out of range");
    EXPECT("BZPOPMIN z -1", "-ERR timeout is negative");
}

static void test_server(void **state)
{
    (void)state;
    EXPECT("PING", "+PONG");
    EXPECT("TIME", "[946684800 0]");
    memory_set_now_us(m, INT64_C(1234567890123456));
    EXPECT("TIME", "[1234567890 123456]");
    memory_set_now_us(m, INT64_C(1234567890000000)); /* not backwards */
    EXPECT("TIME", "[1234567890 123456]");
    EXPECT("WAIT 2 100", "(2)");
    EXPECT("CONFIG GET appendfsync", "[appendfsync always]");
    EXPECT("CONFIG GET maxmemory", "[]");
    EXPECT("SET k v", "+OK");
    assert_non_null(strstr(ask("INFO commandstats"), "cmdstat_set:calls=1"));
    EXPECT("PTTL k", "(-1)");
    EXPECT("PTTL none", "(-2)");
    EXPECT("SET k v PX 1500", "+OK");
    EXPECT("PTTL k", "(1500)");
    EXPECT("SET other x", "+OK");
    EXPECT("RENAME k other", "+OK");
    EXPECT("GET other", "v");
    EXPECT("PTTL other", "(1500)");
    EXPECT("RENAME k other", "-ERR no such key");
    EXPECT("RENAME other k", "+OK");
    EXPECT("FLUSHALL", "+OK");
    EXPECT("EXISTS k", "(0)");
}

/* A big sorted set against one that is searched from end to end. */
static void test_sorted_set_of_many(void **state)
{
    enum { N = 700 };
    struct zset z = {0};
    double scores[N];
    int there[N] = {0};
    uint32_t dice = 1, n = 0;
    (void)state;
    for (int step = 0; step < 20000; step++) {
        char name[16];
        dice = dice * 1664525 + 1013904223;
        int i = (int)(dice >> 8) % N, put = (dice >> 28) % 3 != 0;
        int len = snprintf(name, sizeof(name), "m%04d", i);
        struct zset_node *node = zset_find(&z, name, (size_t)len);
        assert_int_equal(node != NULL, there[i]);
        if (put) {
            scores[i] = (double)(dice >> 20 & 63);
            n += !there[i];
            there[i] = 1;
            zset_put(&z, name, (size_t)len, scores[i]);
        } else if (node != NULL) {
            zset_remove(&z, node);
            there[i] = 0;
            n--;
        }
        assert_int_equal(z.members.n, n);
        if (!there[i])
            continue;
        uint32_t rank = 0, below = 0, upto = 0;
        for (int k = 0; k < N; k++) {
            if (!there[k])
                continue;
            rank += scores[k] < scores[i] || (scores[k] == scores[i] && k < i);
            below += scores[k] < scores[i];
            upto += scores[k] <= scores[i];
        }
        node = zset_find(&z, name, (size_t)len);
        assert_int_equal(zset_rank(&z, node), rank);
        assert_ptr_equal(zset_at(&z, rank), node);
        assert_null(zset_at(&z, n));
        const struct zset_bound with = {scores[i], 0}, without = {scores[i], 1};
        assert_int_equal(zset_below(&z, &with), below);
        assert_int_equal(zset_below(&z, &without), upto);
        assert_int_equal(zset_upto(&z, &with), upto);
        assert_int_equal(zset_upto(&z, &without), below);
        assert_ptr_equal(node->before,
                         rank > 0 ? zset_at(&z, rank - 1) : NULL);
    }
    zset_close(&z);
}

/* ---- Lua ----------------------------------------------------------------- */

static void test_values_of_lua(void **state)
{
    (void)state;
    EXPECT_RUN("return 'text'", "text");
    EXPECT_RUN("return 3.99", "(3)");
    EXPECT_RUN("return -3.99", "(-3)");
    EXPECT_RUN("return true", "(1)");
    EXPECT_RUN("return false", "nil");
    EXPECT_RUN("return nil", "nil");
    EXPECT_RUN("return {1, 'a', {true, false}, nil, 2}", "[(1) a [(1) nil]]");
    EXPECT_RUN("return {}", "[]");
    EXPECT_RUN("return {ok = 'fine'}", "+fine");
    EXPECT_RUN("return redis.status_reply('fine')", "+fine");
    EXPECT_RUN("return redis.error_reply('CODE text')", "-CODE text");
    EXPECT_RUN("return {err = 'CODE text'}", "-CODE text");
    EXPECT_RUN("return {KEYS[1], ARGV[1], ARGV[2], #ARGV}", "[k a b (2)]");
}

static void test_replies_in_lua(void **state)
{
    (void)state;
    EXPECT_RUN("return type(redis.call('GET', 'none'))", "boolean");
    EXPECT_RUN("return redis.call('SET', 'k', 1).ok", "OK");
    EXPECT_RUN("redis.call('HSET', 'h', 'a', 1) "
               "local v = redis.call('HMGET', 'h', 'x', 'a') "
               "return {tostring(v[1]), v[2], #v}", "[false 1 (2)]");
    EXPECT_RUN("return redis.call('HLEN', 'h') + 1", "(2)");
    /* All 17 digits, where Lua's own conversion has 14. */
    EXPECT_RUN("redis.call('SET', 'n', 1234567890123456) "
               "return redis.call('GET', 'n')", "1234567890123456");
    EXPECT_RUN("redis.call('SET', 'n', 0.1) return redis.call('GET', 'n')",
               "0.10000000000000001");
    EXPECT_RUN("redis.call('ZADD', 'z', 1.5, 'm') "
               "return redis.call('ZSCORE', 'z', 'm')", "1.5");
    EXPECT_RUN("return redis.call('SSCAN', 'none', 0)", "[0 []]");
    EXPECT_RUN("return {bit.bxor(5, 1), bit.band(6, 3), bit.bor(1, 8), "
               "bit.bxor(4294967295, 0)}", "[(4) (2) (9) (-1)]");
}

static void test_errors_in_lua(void **state)
{
    (void)state;
    EXPECT("SET s v", "+OK");
    EXPECT_RUN("redis.call('HGET', 's', 'f')",
               "-WRONGTYPE Operation against a key holding the wrong kind of "
               "value script: f, on @user_function:2.");
    EXPECT_RUN("return redis.pcall('HGET', 's', 'f').err",
               "WRONGTYPE Operation against a key holding the wrong kind of "
               "value");
    EXPECT_RUN("local ok, e = pcall(redis.call, 'NOSUCH') return e.err",
               "ERR Unknown Redis command called from script");
    EXPECT_RUN("return redis.pcall('GET').err", "ERR Wrong number of args "
               "calling Redis command from script");
    EXPECT_RUN("return redis.pcall('FCALL', 'f', '0').err",
               "ERR This Redis command is not allowed from script");
    EXPECT_RUN("return redis.pcall('GET', {}).err", "ERR Lua redis lib command "
               "arguments must be strings or integers");
    EXPECT_RUN("error({err = 'CODE text'})",
               "-CODE text script: f, on @user_function:2.");
    EXPECT_RUN("error('text')", "-ERR user_function:2: text script: f, on "
                                "@user_function:2.");
    EXPECT_RUN("x = 1", "-ERR user_function:2: Attempt to modify a readonly "
                        "table script: f, on @user_function:2.");
    EXPECT_RUN("return x", "-ERR user_function:2: Script attempted to access "
                           "nonexistent global variable 'x' script: f, on "
                           "@user_function:2.");
    EXPECT_RUN("local t = {} for i = 1, 9000 do t[i] = i end "
               "return #{unpack(t)}", "-ERR user_function:2: too many results "
               "to unpack script: f, on @user_function:2.");
    EXPECT("GET s", "v");
}

static void test_what_was_written_before_an_error_stays(void **state)
{
    (void)state;
    run("redis.call('SET', 'k', 'v') error('no')");
    EXPECT("GET k", "v");
}

static void test_functions(void **state)
{
    (void)state;
    EXPECT("FCALL f 0", "-ERR Function not found");
    load("return redis.call('SET', KEYS[1], 'v')", "'no-writes'");
    EXPECT("FCALL f 1 k", "-ERR Write commands are not allowed from read-only "
                          "scripts. script: f, on @user_function:2.");
    EXPECT("FCALL f x", "-ERR Bad number of keys provided");
    EXPECT("FCALL f 1", "-ERR Number of keys can't be greater than number of "
                        "args");
    EXPECT("FUNCTION FLUSH", "+OK");
    EXPECT("FCALL f 0", "-ERR Function not found");
    EXPECT("FUNCTION LOAD return", "-ERR Missing library metadata");
}

/* Whatever a rule calls is known: a command that lua/ begins to use is asked
 * for here first. */
static void test_all_commands_of_the_rules_are_known(void **state)
{
    static const char *const marks[] = {"redis.call('", "redis.pcall('",
                                        "put(w, '"};
    (void)state;
    for (int i = 0; i < COMMAND_N; i++) {
        const struct arg name = {command_types[i].name,
                                 strlen(command_types[i].name)};
        assert_ptr_equal(command_find(&name), &command_types[i]);
    }
    int n = 0;
    for (size_t k = 0; k < sizeof(marks) / sizeof(*marks); k++)
        for (const char *at = lua_library;
             (at = strstr(at, marks[k])) != NULL; n++) {
            at += strlen(marks[k]);
            const struct arg name = {at, strcspn(at, "'")};
            if (command_find(&name) == NULL)
                fail_msg("%.*s is not known", (int)name.len, at);
        }
    assert_true(n > 100);
}

/* ---- Connections --------------------------------------------------------- */

static char heard[256];

static void hear(const redisReply *r, const struct stint_err *err, void *arg)
{
    char text[TEXT] = "";
    if (r != NULL)
        words_add(text, r);
    else
        snprintf(text, sizeof(text), "!%s", err->text);
    snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%s=%.60s ",
             (const char *)arg, text);
}

static void send_line(struct store *s, const char *line, const char *name)
{
    char copy[TEXT];
    struct arg args[ARGS];
    const char *argv[ARGS];
    size_t len[ARGS];
    snprintf(copy, sizeof(copy), "%s", line);
    int n = args_split(copy, args);
    for (int i = 0; i < n; i++) {
        argv[i] = args[i].at;
        len[i] = args[i].len;
    }
    store_call(s, n, argv, len, hear, (void *)(size_t)name);
}

#define EXPECT_HEARD(text)                                                     \
    do {                                                                       \
        assert_string_equal(heard, text);                                      \
        *heard = '\0';                                                         \
    } while (0)

static void test_replies_come_when_asked_for(void **state)
{
    struct store *s = store_memory_open(m);
    (void)state;
    send_line(s, "SET k v", "a");
    send_line(s, "GET k", "b");
    EXPECT_HEARD("");
    assert_int_equal(store_memory_step(s), 2);
    EXPECT_HEARD("a=+OK b=v ");
    assert_int_equal(store_memory_step(s), 0);
    send_line(s, "GET k", "c");
    s->ops->wait(s);
    EXPECT_HEARD("c=v ");
    send_line(s, "BZPOPMIN z 5", "d");
    send_line(s, "GET k", "e");
    s->ops->close(s);
    EXPECT_HEARD("d=!closed e=!closed ");
}

static void test_blocked_calls(void **state)
{
    struct store *a = store_memory_open(m), *b = store_memory_open(m),
                 *c = store_memory_open(m);
    (void)state;
    send_line(a, "BZPOPMIN x z 5", "a");
    send_line(a, "GET k", "a2"); /* waits behind it */
    send_line(b, "BZPOPMIN z 0", "b");
    assert_int_equal(store_memory_step(a) + store_memory_step(b), 0);
    send_line(c, "SET k v", "c");
    send_line(c, "ZADD z 7 m", "c2"); /* who waits for longest gets it */
    store_memory_step(c);
    store_memory_step(b);
    store_memory_step(a);
    EXPECT_HEARD("c=+OK c2=(1) a=[z m 7] a2=v ");
    send_line(a, "BZPOPMIN x 5", "a");
    assert_int_equal(memory_next_us(m), (MEMORY_START_MS + 5000) * 1000);
    memory_set_now_us(m, (MEMORY_START_MS + 4999) * 1000);
    assert_int_equal(store_memory_step(a), 0);
    memory_set_now_us(m, (MEMORY_START_MS + 5000) * 1000);
    store_memory_step(a);
    store_memory_step(b); /* for ever */
    EXPECT_HEARD("a=nil ");
    assert_int_equal(memory_next_us(m), INT64_MAX);
    send_line(c, "ZADD z 1 m 2 n", "c");
    a->ops->wait(c);
    store_memory_step(b);
    EXPECT_HEARD("c=(2) b=[z m 1] ");
    send_line(b, "BZPOPMIN y 0", "b");
    b->ops->wait(b); /* nothing can come while it waits */
    EXPECT_HEARD("b=nil ");
    c->ops->close(c);
    a->ops->close(a);
    b->ops->close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_strings),
        TEST(test_expiry),
        TEST(test_hashes),
        TEST(test_kinds_do_not_mix),
        TEST(test_lists),
        TEST(test_sets),
        TEST(test_scan_misses_nothing_and_repeats_nothing),
        TEST(test_sorted_sets),
        TEST(test_ranges_of_scores),
        TEST(test_popping),
        TEST(test_server),
        TEST(test_sorted_set_of_many),
        TEST(test_values_of_lua),
        TEST(test_replies_in_lua),
        TEST(test_errors_in_lua),
        TEST(test_what_was_written_before_an_error_stays),
        TEST(test_functions),
        TEST(test_all_commands_of_the_rules_are_known),
        TEST(test_replies_come_when_asked_for),
        TEST(test_blocked_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
