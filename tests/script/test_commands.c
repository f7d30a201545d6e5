/* SPDX-License-Identifier: MIT */
/* Commands by a seed, on few keys of all kinds, with few members, so that they
 * meet: carried out by a redis-server and, through both.c, by the memory server.
 * Every reply must be the same, errors too, and so must all data, now and then.
 * Long form: SEED=1 STEPS=1000000 build/plain/tests/test_commands_both */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "server.h"

enum { ARGS_MAX = 16, ARG_CAP = 24, ROUND = 400 };

/* Each letter an argument: k key, f field or member, v value, s score, i integer,
 * c a count that is not negative, b an end of a range of scores; anything in
 * capitals up to the blank: itself. */
static const char *const commands[] = {
    "GET k", "SET k v", "SET k v NX", "SET k v XX", "SET k v PX 900000",
    "DEL k", "DEL k k", "UNLINK k", "EXISTS k k k",
    "HSET k f v", "HSET k f v f v", "HSETNX k f v", "HGET k f",
    "HMGET k f f f", "HGETALL k", "HDEL k f", "HDEL k f f", "HLEN k",
    "HSTRLEN k f", "HINCRBY k f i", "HSCAN k 0 COUNT 1000",
    "LPUSH k v", "LPUSH k v v v", "LRANGE k i i", "LTRIM k i i",
    "LINDEX k i", "LLEN k",
    "SADD k f", "SADD k f f f", "SREM k f", "SREM k f f", "SCARD k",
    "SISMEMBER k f", "SSCAN k 0 COUNT 1000",
    "ZADD k s f", "ZADD k s f s f s f", "ZADD k NX s f", "ZADD k XX s f",
    "ZADD k LT s f", "ZADD k GT CH s f", "ZADD k NX XX s f", "ZREM k f",
    "ZREM k f f", "ZCARD k", "ZSCORE k f", "ZRANK k f", "ZCOUNT k b b",
    "ZRANGE k i i", "ZRANGE k i i WITHSCORES", "ZREVRANGE k i i",
    "ZREVRANGE k i i WITHSCORES", "ZRANGEBYSCORE k b b",
    "ZRANGEBYSCORE k b b WITHSCORES LIMIT c i",
    "ZREMRANGEBYRANK k i i", "ZREMRANGEBYSCORE k b b", "ZPOPMIN k",
    "ZPOPMIN k c", "ZSCAN k 0 COUNT 1000", "KEYS k*", "KEYS k?",
    "GET", "HSET k f", "ZADD k s", "ZRANGE k i", "HINCRBY k f f"};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

static uint64_t dice_roll(uint64_t *dice, uint64_t below)
{
    uint64_t z = *dice += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static void arg_draw(uint64_t *dice, char kind, char text[static ARG_CAP])
{
    static const char *const scores[] = {"0", "1", "-1", "2.5", "-0.5", "7",
                                         "1700000000000", "inf", "-inf",
                                         "1e3", "x"};
    static const char *const bounds[] = {"-inf", "+inf", "0", "(0", "1",
                                         "(1", "-1", "2.5", "(7", "y"};
    static const char *const values[] = {"", "v", "12", "-3", "value-of-it",
                                         "9223372036854775807", "a b"};
    int n = (int)dice_roll(dice, 1000);
    switch (kind) {
    case 'k':
        snprintf(text, ARG_CAP, "k%d", n % 9);
        break;
    case 'f':
        snprintf(text, ARG_CAP, "m%d", n % 12);
        break;
    case 'v':
        snprintf(text, ARG_CAP, "%s", values[n % 7]);
        break;
    case 's':
        snprintf(text, ARG_CAP, "%s", scores[n % 11]);
        break;
    case 'b':
        snprintf(text, ARG_CAP, "%s", bounds[n % 10]);
        break;
    case 'c':
        snprintf(text, ARG_CAP, "%d", n % 4);
        break;
    default:
        snprintf(text, ARG_CAP, "%d", n % 9 - 4);
    }
}

static int command_draw(uint64_t *dice, char args[ARGS_MAX][ARG_CAP])
{
    char line[80];
    int n = 0;
    snprintf(line, sizeof(line), "%s", commands[dice_roll(dice, COMMANDS)]);
    for (char *save, *word = strtok_r(line, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        assert_true(n < ARGS_MAX);
        if (word[1] == '\0' && word[0] >= 'a' && word[0] <= 'z')
            arg_draw(dice, word[0], args[n++]);
        else
            snprintf(args[n++], ARG_CAP, "%s", word);
    }
    return n;
}

static void command_send(redisContext *c, int argc,
                         char args[ARGS_MAX][ARG_CAP])
{
    const char *argv[ARGS_MAX];
    void *reply = NULL;
    for (int i = 0; i < argc; i++)
        argv[i] = args[i];
    assert_int_equal(redisAppendCommandArgv(c, argc, argv, NULL), REDIS_OK);
    assert_int_equal(redisGetReply(c, &reply), REDIS_OK); /* compares */
    freeReplyObject(reply);
}

static int64_t number_of(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

/* FLUSHALL makes both.c compare all data first. */
static void test_commands_by_seed(void **state)
{
    struct server *server = *state;
    char args[ARGS_MAX][ARG_CAP];
    char flush[ARGS_MAX][ARG_CAP] = {"FLUSHALL"};
    uint64_t dice = (uint64_t)number_of("SEED", 1);
    int64_t steps = number_of("STEPS", 20000);
    redisContext *c = redisConnectUnix(server->url + strlen("unix://"));
    assert_non_null(c);
    assert_int_equal(c->err, 0);
    print_message("seed %llu\n", (unsigned long long)dice);
    for (int64_t i = 0; i < steps; i++) {
        if (i % ROUND == ROUND - 1)
            command_send(c, 1, flush);
        int argc = command_draw(&dice, args);
        command_send(c, argc, args);
    }
    redisFree(c);
}

static int up(void **state)
{
    static struct server server;
    server_start(&server);
    *state = &server;
    return 0;
}

static int down(void **state)
{
    server_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_by_seed)};
    return cmocka_run_group_tests(tests, up, down);
}
