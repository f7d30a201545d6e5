/* SPDX-License-Identifier: MIT */
/* The guard against jumps of Redis's clock: what the reaper asks for, by what it
 * has seen. The store notes the call and answers by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "reaper.h"
#include "script.h"
#include "store.h"

#define EPOCH_MS INT64_C(1700000000000)
#define LEASE_MS 9000

struct noting {
    struct store store; /* first */
    char name[40], before[40]; /* of the last call */
    store_reply_fn fn;
    void *arg;
};

static int64_t now_mono_ms;

static int64_t clock_of_test(void)
{
    return now_mono_ms;
}

static void noting_call(struct store *s, int argc, const char *const *argv,
                        const size_t *len, store_reply_fn fn, void *arg)
{
    struct noting *n = (struct noting *)s;
    assert_true(argc > 4);
    snprintf(n->name, sizeof(n->name), "%.*s", (int)len[1], argv[1]);
    n->before[0] = '\0';
    if (argc > 7)
        snprintf(n->before, sizeof(n->before), "%.*s", (int)len[7], argv[7]);
    n->fn = fn;
    n->arg = arg;
}

static const struct store_ops noting_ops = {.call = noting_call};

struct setting {
    struct noting noting;
    struct script_caller caller;
    struct log log;
    struct reaper reaper;
};

static void set_up(struct setting *s)
{
    *s = (struct setting){.noting.store.ops = &noting_ops};
    now_mono_ms = 50000;
    script_caller_init(&s->caller, &s->noting.store, NULL);
    reaper_init(&s->reaper, &s->caller, &s->log, "me", 1000, LEASE_MS,
                clock_of_test);
    reaper_add_group(&s->reaper, "main", 4);
}

/* Answers the call that is outstanding with these words. */
static void answer(struct setting *s, const char *const *words, size_t n)
{
    redisReply reply = {.type = REDIS_REPLY_ARRAY, .elements = n};
    redisReply parts[8], *at[8];
    assert_true(n <= 8);
    for (size_t i = 0; i < n; i++) {
        parts[i] = (redisReply){.type = REDIS_REPLY_STRING,
                                .str = (char *)(uintptr_t)words[i],
                                .len = strlen(words[i])};
        at[i] = &parts[i];
    }
    reply.element = at;
    store_reply_fn fn = s->noting.fn;
    s->noting.fn = NULL;
    assert_non_null(fn);
    fn(&reply, NULL, s->noting.arg);
}

/* It looks, and hears Redis's time and when the next lease ends. */
static void look(struct setting *s, int64_t redis_ms, int64_t lease_ms)
{
    char us[32], lease[32];
    snprintf(us, sizeof(us), "%lld000", (long long)redis_ms);
    snprintf(lease, sizeof(lease), "%lld", (long long)lease_ms);
    reaper_look(&s->reaper, "main");
    assert_string_equal(s->noting.name, "stint_wake");
    const char *const words[] = {us, "", lease, "", "", "0", "0", "0"};
    answer(s, words, 8);
}

static void close_down(struct setting *s)
{
    const char *const none[] = {"1", "0", "0"};
    if (s->noting.fn != NULL)
        answer(s, none, 3);
    reaper_close(&s->reaper);
}

static void recover_goes_by_the_time_that_was_seen(void **state)
{
    (void)state;
    struct setting s;
    set_up(&s);
    look(&s, EPOCH_MS, EPOCH_MS - 1);
    assert_string_equal(s.noting.name, "stint_recover");
    /* Not 0, which is Redis's own time when the call arrives. */
    char seen[32];
    snprintf(seen, sizeof(seen), "%lld", (long long)EPOCH_MS);
    assert_string_equal(s.noting.before, seen);
    /* There is more, and our own clock has gone on by 7 ms. */
    now_mono_ms += 7;
    const char *const more[] = {"1", "100", "1"};
    answer(&s, more, 3);
    assert_string_equal(s.noting.name, "stint_recover");
    snprintf(seen, sizeof(seen), "%lld", (long long)EPOCH_MS + 7);
    assert_string_equal(s.noting.before, seen);
    close_down(&s);
}

static void nobody_is_lost_right_after_a_jump(void **state)
{
    (void)state;
    struct setting s;
    set_up(&s);
    look(&s, EPOCH_MS, EPOCH_MS + LEASE_MS);
    now_mono_ms += 1000;
    look(&s, EPOCH_MS + 3600000, EPOCH_MS + LEASE_MS);
    assert_string_equal(s.noting.name, "stint_wake");
    now_mono_ms += LEASE_MS - 1;
    look(&s, EPOCH_MS + 3600000 + LEASE_MS - 1, EPOCH_MS + LEASE_MS);
    assert_string_equal(s.noting.name, "stint_wake");
    now_mono_ms += 1;
    look(&s, EPOCH_MS + 3600000 + LEASE_MS, EPOCH_MS + LEASE_MS);
    assert_string_equal(s.noting.name, "stint_recover");
    close_down(&s);
}

/* Sends what is due; the name of the last call, "" if there was none. */
static const char *tick(struct setting *s)
{
    s->noting.name[0] = '\0';
    (void)reaper_tick(&s->reaper, now_mono_ms);
    return s->noting.name;
}

static void a_rewind_that_fails_is_not_hurried(void **state)
{
    (void)state;
    struct setting s;
    const struct stint_err err = {STINT_REDIS, "no"};
    set_up(&s);
    s.reaper.apart = 1; /* no call for the fleet beside it */
    look(&s, EPOCH_MS, EPOCH_MS + LEASE_MS);
    now_mono_ms += 100;
    look(&s, EPOCH_MS - 3600000, EPOCH_MS + LEASE_MS);
    assert_string_equal(tick(&s), "stint_rewind");
    s.noting.fn(NULL, &err, s.noting.arg);
    s.noting.fn = NULL;
    for (int i = 0; i < 199; i++) {
        now_mono_ms++;
        assert_string_not_equal(tick(&s), "stint_rewind");
        if (s.noting.fn != NULL) {
            s.noting.fn(NULL, &err, s.noting.arg);
            s.noting.fn = NULL;
        }
    }
    now_mono_ms++;
    assert_string_equal(tick(&s), "stint_rewind");
    close_down(&s);
}

static void small_steps_are_waited_for(void **state)
{
    (void)state;
    struct setting s;
    set_up(&s);
    look(&s, EPOCH_MS, EPOCH_MS + LEASE_MS);
    now_mono_ms += 100;
    look(&s, EPOCH_MS - 3 * LEASE_MS, EPOCH_MS + LEASE_MS);
    assert_string_not_equal(tick(&s), "stint_rewind");
    close_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recover_goes_by_the_time_that_was_seen),
        cmocka_unit_test(nobody_is_lost_right_after_a_jump),
        cmocka_unit_test(a_rewind_that_fails_is_not_hurried),
        cmocka_unit_test(small_steps_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
