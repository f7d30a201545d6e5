/* SPDX-License-Identifier: MIT */
/* Groups in parts: no task ever comes into two of them, whatever clients
 * believe and however often the number is changed meanwhile. */
#include "rules.h"

#include <hiredis/hiredis.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stint/stint.h>

#include "part.h"
#include "server.h"

#define F(id) id, "f", "+0", "", "", "{}"

/* Calls to one part; then it is main again. */
#define AT(group, ...)                                                         \
    do {                                                                       \
        rules_group = group;                                                   \
        __VA_ARGS__;                                                           \
        rules_group = "main";                                                  \
    } while (0)

/* ---- Names and numbers --------------------------------------------------- */

static void test_slot(void **state)
{
    (void)state;
    /* What CLUSTER KEYSLOT says of these, and the check value of the CRC. */
    assert_int_equal(part_slot("foo"), 12182);
    assert_int_equal(part_slot("somekey"), 11058);
    assert_int_equal(part_slot("123456789"), 0x31c3);
    assert_int_equal(part_slot(""), 0);
    assert_int_equal(part_slot("foo@17"), part_slot("foo"));
    assert_int_equal(part_of_id("foo", 1), 0);
    assert_int_equal(part_of_id("foo", 8), 12182 % 8);
    assert_int_equal(part_of_id("foo", 256), 12182 % 256);
}

static void test_names(void **state)
{
    char name[STINT_NAME_LEN + 1], ref[] = "main~12/a/b", plain[] = "main/a";
    char alone[] = "a";

    (void)state;
    part_name(name, "main", 0);
    assert_string_equal(name, "main");
    part_name(name, name, 255);
    assert_string_equal(name, "main~255");
    assert_int_equal(part_group_len(name), 4);
    part_ref_fold(ref);
    assert_string_equal(ref, "main/a/b");
    part_ref_fold(plain);
    assert_string_equal(plain, "main/a");
    part_ref_fold(alone);
    assert_string_equal(alone, "a");
    assert_int_equal(part_read("main", 4, name), 1);
    assert_int_equal(part_read("main 8", 6, name), 8);
    assert_string_equal(name, "main");
    assert_int_equal(part_read("main 257", 8, name), 0);
    assert_int_equal(part_read("main x", 6, name), 0);
}

/* ---- The guard ---------------------------------------------------------- */

static void test_guard(void **state)
{
    (void)state;
    const char *before = rules_digest();
    EXPECT("-PARTS 1", "queue_task", "0 8", F("a"));
    assert_string_equal(rules_digest(), before);
    EXPECT("", "queue_task", "0 1", F("a"));
    EXPECT("", "queue_task", "1", F("a"));
    REDIS("OK", "SET {stint:main}:parts 8");
    EXPECT("-PARTS 8", "queue_task", "0", F("b"));
    EXPECT("-PARTS 8", "queue_task", "1", F("a"));
    EXPECT("-PARTS 8", "queue_task", "0 80", F("b"));
    assert_string_equal(rules_status("b"), "");
    EXPECT("", "queue_task", "0 8", F("b"));
    EXPECT("", "queue_task", "1 8", F("b"));
    REDIS("OK", "SET {stint:main}:parts %s", "0 t1 8 8");
    EXPECT("-PARTS 0", "queue_task", "0 8", F("c"));
    EXPECT("-PARTS 0", "queue_task", "0 0", F("c"));
}

/* ---- Closing and opening ------------------------------------------------ */

static void test_close_and_open(void **state)
{
    (void)state;
    EXPECT("OK 1 0 1 0 0 0", "set_parts", "see", "-");
    EXPECT("OK 1 0 1 0 0 0", "set_parts", "close", "t1", "4", "4");
    EXPECT("OK 1 1 4 0 0 0", "set_parts", "see", "-");
    EXPECT("-PARTS 0", "queue_task", "0", F("a"));
    EXPECT("-PARTS 0", "queue_task", "0 4", F("a"));
    EXPECT("TAKEN 1 1 4 0 0 0", "set_parts", "open", "t2", "4");
    EXPECT("OK 1 1 4 0 0 0", "set_parts", "open", "t1", "4");
    EXPECT("OK 4 0 4 0 0 0", "set_parts", "open", "t1", "4"); /* a repeat */
    EXPECT("", "queue_task", "0 4", F("a"));
    EXPECT("HELD 4 0 4 1 0 0", "set_parts", "close", "t3", "5", "5");
    EXPECT("OK 4 0 4 1 0 0", "set_parts", "close", "t3", "4", "4");
    EXPECT("HELD 4 1 4 1 0 0", "set_parts", "close", "t4", "5", "5");
    EXPECT("OK 4 1 4 1 0 0", "set_parts", "open", "t3", "4");
    EXPECT("OK", "delete_task", "a");
    EXPECT("OK 4 0 4 0 0 0", "set_parts", "close", "t5", "1", "4");
    EXPECT("OK 4 1 4 0 0 0", "set_parts", "open", "t5", "1");
    REDIS("0", "EXISTS {stint:main}:parts");
}

static void test_every_state_holds(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "");
        EXPECT_START("HELD 1 ", "set_parts", "close", "t", "2", "2");
        REDIS("0", "EXISTS {stint:main}:parts");
    }
}

/* The id is kept for an hour: a client's retry must find it. */
static void test_kept_ids_hold(void **state)
{
    (void)state;
    rules_queue("a", "ttl=1000");
    rules_run_once("a", "COMPLETED");
    rules_now += 2000;
    EXPECT_START("1 ", "prune", "10", "100");
    EXPECT("HELD 1 0 1 1 0 1", "set_parts", "close", "t", "2", "2");
    rules_now += HOUR;
    EXPECT_START("1 ", "prune", "10", "100");
    EXPECT_START("OK ", "set_parts", "close", "t", "2", "2");
}

/* What another group still has to be told, a part serves to its end. */
static void test_messages_hold(void **state)
{
    (void)state;
    rules_queue("a", "after=other/p");
    EXPECT("OK", "delete_task", "a");
    EXPECT("HELD 1 0 1 0 0 0", "set_parts", "close", "t", "2", "2");
    EXPECT("", "messages", "0", "link other p main/a -");
    EXPECT_START("OK ", "set_parts", "close", "t", "2", "2");
}

static void test_taken_over(void **state)
{
    (void)state;
    EXPECT("OK 1 0 1 0 0 0", "set_parts", "close", "t1", "16", "16");
    EXPECT("OK 1 1 16 0 0 0", "set_parts", "close", "t2", "3", "3");
    EXPECT("OK 1 1 16 0 0 0", "set_parts", "see", "-"); /* reach is kept */
    EXPECT("TAKEN 1 1 16 0 0 0", "set_parts", "open", "t1", "16");
    EXPECT("OK 1 1 16 0 0 0", "set_parts", "open", "t2", "3");
    EXPECT("TAKEN 3 0 3 0 0 0", "set_parts", "open", "t1", "16");
    EXPECT("", "queue_task", "0 3", F("a"));
}

/* ---- The fleet's copy --------------------------------------------------- */

#define FLEET(text) ASK("fleet_heartbeat", "", "{}", "0", text)

static void test_fleet(void **state)
{
    (void)state;
    assert_string_equal(FLEET("main"), "0 main");
    assert_string_equal(FLEET("main 8 t1"), "0 main 8");
    assert_string_equal(FLEET("main 4"), "0 main 8");
    assert_string_equal(FLEET("main =4 t1"), "0 main 4");
    assert_string_equal(FLEET("main =2 t1"), "0 main 4"); /* t1 is done */
    assert_string_equal(FLEET("main 6 t2"), "0 main 6");
    assert_string_equal(FLEET("main 2 t3"), "0 main 6");
    assert_string_equal(FLEET("main =2 t2"), "0 main 6"); /* t3 has come */
    assert_string_equal(FLEET("main =2 t3"), "0 main 2");
    assert_string_equal(FLEET("main 5"), "0 main 5");     /* it was lost */
    assert_string_equal(FLEET("main 5 t4"), "0 main 5");
    assert_string_equal(FLEET("main =1 t4"), "0 main");
}

/* ---- Families, and fsck ------------------------------------------------- */

static void test_families(void **state)
{
    (void)state;
    AT("main~1", REDIS("OK", "SET {stint:main~1}:parts 2");
       EXPECT("", "queue_task", "0 2", "p", "f", "+0", "", "", "{}"));
    rules_queue("kid", "after=main~1/p");
    EXPECT("link main~1 p main/kid -", "messages", "10");
    AT("main~1", EXPECT("1", "deliver", "link", "p", "main/kid", "-");
       EXPECT("STOPPED", "stop_task", "p");
       EXPECT("ended main kid main~1/p STOPPED", "messages", "10"));
    EXPECT("1", "deliver", "ended", "kid", "main~1/p", "STOPPED");
    assert_string_equal(rules_status("kid"), "FAILED");
    const char *why = rules_redis("HGET {stint:main}:run kid");
    assert_non_null(strstr(why, "depends on main/p,"));
    AT("main~1",
       const char *words = ASK("queue_task", "0 2", "x", "f", "+0", "",
                               "after=main~1/no", "{}");
       assert_non_null(strstr(words, "no task main/no")));
}

static void test_fsck(void **state)
{
    (void)state;
    rules_queue("foo", ""); /* 12182: part 2 of 4 */
    EXPECT("2 0:state 1", "fsck", "1", "0", "100", "2", "4");
    EXPECT("2 0:state 1 foo: is in part 3, but belongs into part 2", "fsck", "1",
           "0", "100", "3", "4");
}

/* ---- Everybody at once -------------------------------------------------- */

enum { SECONDS = 3, IDS = 3, MOST = 6, QUEUERS = 3, CHANGERS = 2 };

static stint *open_at(const char *url)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    o.url = url;
    stint *s = stint_open(&o, &err);
    if (s == NULL)
        _exit(90);
    return s;
}

static int is_over(time_t until)
{
    return time(NULL) >= until;
}

/* In how many parts is the id? Seen at one moment. */
static int parts_with(redisContext *c, const char *id)
{
    redisReply *r = redisCommand(
        c, "EVAL %s 0 %s %d",
        "local n = redis.call('HEXISTS', '{stint:main}:task', ARGV[1]) "
        "for k = 1, tonumber(ARGV[2]) - 1 do "
        "n = n + redis.call('HEXISTS', '{stint:main~' .. k .. '}:task', "
        "ARGV[1]) end return n",
        id, MOST);
    int n = r != NULL && r->type == REDIS_REPLY_INTEGER ? (int)r->integer : 99;
    freeReplyObject(r);
    return n;
}

/* Queues ids that the others queue, too, looks where they are, and deletes
 * them, so that the group is empty now and then. Status 1: one was in two
 * parts; 2: an error that is none. */
static void queuer(const char *url, unsigned seed)
{
    time_t until = time(NULL) + SECONDS;
    stint *s = open_at(url);
    redisContext *c = redisConnectUnix(url + strlen("unix://"));
    long n = 0;
    while (!is_over(until)) {
        struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
        struct stint_errors errors = {0};
        struct stint_err err = {0};
        char id[16];
        snprintf(id, sizeof(id), "x%d", rand_r(&seed) % IDS);
        o.function = "f";
        o.id = id;
        int rc = stint_queue_task(s, &o, NULL, &errors, &err);
        if (rc && err.code != STINT_EXISTS && err.code != STINT_BUSY)
            _exit(2);
        n += rc == 0;
        const struct timespec nap = {0, rand_r(&seed) % 3000000};
        nanosleep(&nap, NULL);
        if (parts_with(c, id) > 1)
            _exit(1);
        err = (struct stint_err){0};
        if (stint_delete_task(s, "main", id, &err) &&
            err.code != STINT_NOT_FOUND)
            _exit(3);
        nanosleep(&nap, NULL);
    }
    _exit(n > 0 ? 0 : 4);
}

/* Changes the number all the time. Now and then it dies on the way. */
static void changer(const char *url, unsigned seed)
{
    time_t until = time(NULL) + SECONDS;
    long n = 0;
    stint *s = open_at(url);
    while (!is_over(until)) {
        struct stint_err err = {0};
        int parts = 1 + (int)(rand_r(&seed) % MOST);
        n += stint_set_parts(s, "main", parts, &err) == 0;
        if (err.code && err.code != STINT_STATE && err.code != STINT_BUSY)
            _exit(5);
        const struct timespec nap = {0, rand_r(&seed) % 5000000};
        nanosleep(&nap, NULL);
    }
    _exit(n > 0 ? 0 : 6);
}

/* The same, killed again and again. */
static void changer_killed(const char *url, unsigned seed)
{
    time_t until = time(NULL) + SECONDS;
    while (!is_over(until)) {
        pid_t pid = fork();
        if (pid == 0)
            changer(url, seed);
        seed++;
        const struct timespec nap = {0, rand_r(&seed) % 30000000};
        nanosleep(&nap, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    _exit(0);
}

static void test_everybody(void **state)
{
    struct server server;
    pid_t pids[QUEUERS + CHANGERS + 1];
    int n = 0;

    (void)state;
    server_start(&server);
    for (unsigned i = 0; i <= QUEUERS + CHANGERS; i++) {
        pids[n] = fork();
        assert_true(pids[n] >= 0);
        if (pids[n] == 0 && i < QUEUERS)
            queuer(server.url, i);
        if (pids[n] == 0 && i < QUEUERS + CHANGERS)
            changer(server.url, i);
        if (pids[n] == 0)
            changer_killed(server.url, i);
        n++;
    }
    for (int i = 0; i < n; i++) {
        int status = -1;
        waitpid(pids[i], &status, 0);
        assert_int_equal(status, 0);
    }
    /* Whatever was left behind is repaired by one more call. */
    struct stint_err err = {0};
    uint64_t checked, faults;
    stint *s = open_at(server.url);
    assert_int_equal(stint_set_parts(s, "main", 5, &err), 0);
    assert_int_equal(stint_fsck(s, NULL, NULL, &checked, &faults, &err), 0);
    assert_int_equal(faults, 0);
    stint_close(s);
    server_stop(&server);
}

RULES_MAIN(cmocka_unit_test(test_slot), cmocka_unit_test(test_names),
           RULES_TEST(test_guard), RULES_TEST(test_close_and_open),
           RULES_TEST(test_every_state_holds), RULES_TEST(test_kept_ids_hold),
           RULES_TEST(test_messages_hold), RULES_TEST(test_taken_over),
           RULES_TEST(test_fleet), RULES_TEST(test_families),
           RULES_TEST(test_fsck), cmocka_unit_test(test_everybody))
