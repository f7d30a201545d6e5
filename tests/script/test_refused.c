/* SPDX-License-Identifier: MIT */
/* A refused call has written nothing: each transition, with a key of another
 * type in its way, and with no memory left. Lua has no roll-back. */
#include "rules.h"

static const char *const calls[] = {
    "queue_task 0 n f +0 _ _ {}", "queue_task 0 n f +0 +9000 level=3 {}",
    "queue_task 0 n f +0 _ after=b {}", "queue_task 0 n f +0 _ cast=1 {}",
    "queue_task 0 n f +0 _ after=other/x {}", "assign w1 t 9 9 f",
    "assign w1 t 9 9 g", "assign w1 t 5 0 f", "heartbeat w1 1000 1",
    "heartbeat w1 1000 0r", "heartbeat w1 0 0", "expire 9", "fire 9",
    "settle 9", "recover 9 0 w1 _", "prune 9 0", "stop_task a", "stop_task b",
    "requeue_task e 1", "enable_task d", "disable_task b", "delete_task b",
    "delete_task e", "wake x", "messages 9", "deliver link b other/z -",
    "deliver ended child main/b FAILED", "report w1 a !a COMPLETED {\"r\":1}",
    "report w1 a !a FAILED {\"r\":1}", "release w1 a !a",
    "progress w1 a !a {}", "start w1 p !p", "repair_parents child main/b"};
/* What there is before: e has failed, a runs, p is prefetched, b is queued and
 * soon too late, d is disabled, child waits for b, cast is a broadcast. */
static const char *const ups[] = {
    "heartbeat w1 100000000 0",
    "queue_task 0 e f +0 _ level=9 {}", "assign w1 t 1 0 f",
    "report w1 e !e FAILED {}", "queue_task 0 a f +0 _ level=8 {}",
    "assign w1 t 1 0 f", "queue_task 0 p f +0 _ level=7 {}",
    "assign w1 t 0 1 f", "queue_task 0 b f +0 +1 level=3 {}",
    "queue_task 0 d f +0 _ disabled=1 {}",
    "queue_task 0 child f +0 _ after=b {}",
    "queue_task 0 cast f +0 _ cast=1 {}"};

static const char *call(const char *line, const char *ticket)
{
    const char *argv[16];
    int n = 0;
    char *text = (char *)(uintptr_t)rules_text("%s", line);

    for (char *p = strtok(text, " "); p; p = strtok(NULL, " ")) {
        argv[n] = strcmp(p, "_") == 0 ? "" : p;
        if (*p == '!')
            argv[n] = ticket != NULL ? ticket
                                     : rules_text("%s", rules_ticket(p + 1));
        n++;
    }
    return rules_raw(argv[0], n - 1, argv + 1);
}

static void set_up(void)
{
    REDIS("OK", "CONFIG SET maxmemory 0");
    REDIS("OK", "FLUSHALL");
    rules_now = RULES_START;
    for (size_t i = 0; i < sizeof(ups) / sizeof(*ups); i++) {
        const char *words = call(ups[i], NULL);
        if (*words == '-')
            fail_msg("%s: %s", ups[i], words);
    }
    rules_now += 10;
}

/* Row 43. */
static void test_other_types(void **state)
{
    static const char *const keys[] = {
        "task", "state", "run", "expiry", "finished", "queued", "held", "ids",
        "waiting", "broadcast", "casting", "suspects", "levels", "workers",
        "resting", "endings", "messages", "wake", "ended", "quarantine",
        "queued:3", "running:w1", "assigned:w1", "cast:w1", "stops:w1",
        "children:b", "parents:child", "run:a", "run:e", "wake:!lost",
        "wake:f", "queued:3:f", "queued:9", "signal:w1", "parents:n",
        "children:n"};
    int n_refused = 0;

    (void)state;
    for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
        for (size_t c = 0; c < sizeof(calls) / sizeof(*calls); c++) {
            set_up();
            const char *id = strstr(calls[c], " p !") ? "p" : "a";
            const char *ticket = rules_text("%s", rules_ticket(id));
            rules_redis("SET {stint:main}:%s foreign", keys[k]);
            const char *before = rules_digest(), *words;
            words = call(calls[c], ticket);
            if (*words != '-')
                continue;
            n_refused++;
            if (strcmp(rules_digest(), before) != 0)
                fail_msg("%s with a foreign :%s: %s, and it has written",
                         calls[c], keys[k], words);
        }
    }
    assert_true(n_refused > 200);
}

/* Row 38. What is not refused is whole: fsck looks at it. */
static void test_no_memory(void **state)
{
    int n_refused = 0;

    (void)state;
    for (size_t c = 0; c < sizeof(calls) / sizeof(*calls); c++) {
        set_up();
        const char *id = strstr(calls[c], " p !") ? "p" : "a";
        const char *ticket = rules_text("%s", rules_ticket(id));
        const char *before = rules_digest(), *words;
        REDIS("OK", "CONFIG SET maxmemory 1");
        words = call(calls[c], ticket);
        if (*words == '-') {
            n_refused++;
            assert_memory_equal(words, "-OOM", 4);
            if (strcmp(rules_digest(), before) != 0)
                fail_msg("%s: %s, and it has written", calls[c], words);
        }
        ASK("heartbeat", "w9", "1000", "0"); /* fsck looks */
    }
    assert_int_equal(n_refused, 8);
}

/* Row 37: what is there drains. */
static void test_drains_without_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        rules_queue(rules_text("t%d", i), i % 2 ? "level=1" : "");
    REDIS("OK", "CONFIG SET maxmemory 1");
    for (int i = 0; i < 10; i++) {
        assert_true(*rules_assign("w1", 1, 1, "f") == 't');
        for (int k = 0; k < 20; k++) {
            const char *one = rules_text("t%d", k);
            if (strcmp(rules_status(one), "ASSIGNED") == 0)
                EXPECT("OK", "start", "w1", one, rules_ticket(one));
            if (strcmp(rules_status(one), "RUNNING") == 0)
                EXPECT("OK", "report", "w1", one, rules_ticket(one),
                       "COMPLETED", "{\"result\":1}");
        }
    }
    REDIS("20", "HGET {stint:main}:ended COMPLETED");
    rules_now += DAY;
    EXPECT("20 0", "prune", "99", "0");
    REDIS("0", "EXISTS {stint:main}:task");
}

RULES_MAIN(RULES_TEST(test_other_types), RULES_TEST(test_no_memory),
           RULES_TEST(test_drains_without_memory))
