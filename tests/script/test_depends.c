/* SPDX-License-Identifier: MIT */
/* Tasks that wait for others: released, or failed, in the step that ends the
 * last of them; across groups by messages. */
#include "rules.h"

enum { STEP = 250 }; /* children told in passing */

static void queue_after(const char *id, const char *after, const char *rules)
{
    char *text = (char *)rules_text("%s", rules);
    char *copy = (char *)rules_text("%s", after);

    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "))
        sprintf(text + strlen(text), "%safter=%s", *text ? " " : "", p);
    rules_queue(id, text);
}

static void assert_waits(const char *id, const char *n)
{
    assert_string_equal(rules_status(id), "QUEUED");
    assert_string_equal(rules_field(id, "wait"), n);
    REDIS(n, "SCARD {stint:%s}:parents:%s", rules_group, id);
}

static void assert_released(const char *id)
{
    assert_string_equal(rules_status(id), "QUEUED");
    assert_string_equal(rules_field(id, "wait"), "");
    REDIS("0", "EXISTS {stint:%s}:parents:%s", rules_group, id);
}

static void assert_failed(const char *id, const char *parent, const char *how)
{
    assert_string_equal(rules_status(id), "FAILED");
    REDIS(rules_text("{\"error\":\"it depends on %s, which ended %s\"}", parent,
                     how),
          "HGET {stint:%s}:run %s", rules_group, id);
    REDIS("0", "EXISTS {stint:%s}:parents:%s", rules_group, id);
}

/* Brings a task that is queued already into an end state. */
static void end_as(const char *id, const char *status)
{
    if (strcmp(status, "EXPIRED") == 0) {
        rules_now += 100000;
        ASK("expire", "100");
    } else if (strcmp(status, "STOPPED") == 0) {
        EXPECT("STOPPED", "stop_task", id);
    } else {
        assert_memory_equal(rules_run_once(id, status), "OK", 2);
    }
    assert_string_equal(rules_status(id), status);
}

static const char *const ends[] = {"COMPLETED", "FAILED", "TIMEOUT", "STOPPED",
                                   "EXPIRED"};

/* The parent ends while the child waits; fresh or with a record, named with
 * its group or without. */
static void test_every_end(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        for (int anyway = 0; anyway < 2; anyway++) {
            rules_clean(NULL);
            rules_queue_at("p", "f", "+0", i == 4 ? "+99000" : "", "");
            queue_after("c", i % 2 ? "p" : "main/p",
                        anyway ? "anyway=1" : "");
            assert_waits("c", "1");
            assert_string_equal(rules_assign("w1", 9, 9, "g"), "");
            end_as("p", ends[i]);
            if (i == 0 || anyway) {
                assert_released("c");
                assert_string_equal(rules_assign("w1", 9, 9, "f"), "c");
            } else {
                assert_failed("c", "main/p", ends[i]);
            }
        }
    }
}

/* It had ended when the child was queued. */
static void test_ended_before(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        for (int anyway = 0; anyway < 2; anyway++) {
            rules_clean(NULL);
            rules_bring("p", ends[i], "");
            queue_after("c", "p", anyway ? "anyway=1" : "");
            if (i == 0 || anyway)
                assert_released("c");
            else
                assert_failed("c", "main/p", ends[i]);
        }
    }
}

static void test_many_parents(void **state)
{
    (void)state;
    rules_bring("done", "COMPLETED", "");
    rules_queue("a", "");
    rules_queue("b", "level=3");
    queue_after("c", "a b done a main/a", "");
    assert_waits("c", "2");
    assert_string_equal(rules_field("c", "parents"), "5");
    assert_string_equal(rules_run_once("b", "COMPLETED"), "OK");
    assert_waits("c", "1");
    assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
    assert_released("c");
}

/* Both parents end in one call; a third fails: once, and by it. */
static void test_parents_end_together(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        rules_clean(NULL);
        rules_queue("a", "");
        rules_queue("b", "");
        queue_after("c", "a b", "");
        assert_string_equal(rules_assign("w1", 2, 0, "f"), "a b");
        EXPECT("OK OK", "report", "w1", "a", rules_ticket("a"), "COMPLETED",
               "", "b", rules_ticket("b"), fails ? "FAILED" : "COMPLETED", "");
        if (fails)
            assert_failed("c", "main/b", "FAILED");
        else
            assert_released("c");
        REDIS(fails ? "2" : "", "HGET {stint:main}:ended FAILED");
    }
}

static void test_parent_in_the_same_call(void **state)
{
    (void)state;
    EXPECT("", "queue_task", "0", "p", "f", "+0", "", "", "{}", "c", "f", "+0",
           "", "after=p after=main/p", "{}", "d", "f", "+0", "",
           "level=2 after=c", "{}");
    assert_waits("c", "1");
    assert_waits("d", "1");
    assert_string_equal(rules_run_once("p", "COMPLETED"), "OK");
    assert_string_equal(rules_run_once("c", "COMPLETED"), "OK");
    assert_released("d");
}

/* One of them fails at once, and with it what waits for it. */
static void test_stillborn_in_the_same_call(void **state)
{
    (void)state;
    rules_bring("p", "FAILED", "");
    EXPECT("", "queue_task", "0", "a", "f", "+0", "", "", "{}", "b", "f", "+0",
           "", "after=a after=p", "{}", "c", "f", "+0", "", "after=b", "{}",
           "d", "f", "+0", "", "anyway=1 after=c", "{}");
    assert_failed("b", "main/p", "FAILED");
    assert_failed("c", "main/b", "FAILED");
    assert_released("d");
    assert_string_equal(rules_status("a"), "QUEUED");
}

static void test_refused(void **state)
{
    static const struct {
        const char *rules, *text;
    } rows[] = {
        {"after=nobody", "1 NOTFOUND depends_on there is no task main/nobody"},
        {"after=main/x after=p",
         "1 NOTFOUND depends_on there is no task main/x"},
        {"after=self", "1 NOTFOUND depends_on names the task itself"},
        {"after=later", "1 NOTFOUND depends_on there is no task main/later"},
        {"after=a/b/c", "1 INVALID depends_on is not an id: a/b/c"},
        {"after=p,q", "1 INVALID depends_on is not an id: p,q"},
    };

    (void)state;
    rules_queue("p", "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *before = rules_digest();
        EXPECT(rows[i].text, "queue_task", "0", "fine", "f", "+0", "", "",
               "{}", "self", "f", "+0", "", rows[i].rules, "{}", "later", "f",
               "+0", "", "", "{}");
        assert_string_equal(rules_digest(), before);
    }
}

static void test_1000_parents(void **state)
{
    static char rules[16 * 1001];
    const char *args[1 + 6 * 500];
    int n;

    (void)state;
    for (int i = 0; i < 1002;) {
        args[0] = "0";
        for (n = 1; n < 1 + 6 * 200 && i < 1002; i++) {
            args[n++] = rules_text("p%04d", i);
            args[n++] = "f";
            args[n++] = "+0";
            args[n++] = "";
            args[n++] = "";
            args[n++] = "{}";
        }
        assert_string_equal(rules_call("queue_task", n, args), "");
    }
    for (int i = 0; i < 1001; i++)
        sprintf(rules + strlen(rules), "after=p%04d ", i);
    const char *before = rules_digest();
    EXPECT("0 INVALID depends_on names too many tasks", "queue_task", "0", "c",
           "f", "+0", "", rules, "{}");
    assert_string_equal(rules_digest(), before);
    rules[12 * 1000] = '\0';
    EXPECT("", "queue_task", "0", "c", "f", "+0", "", rules, "{}");
    assert_waits("c", "1000");
    EXPECT("STOPPED", "stop_task", "p0999");
    assert_failed("c", "main/p0999", "STOPPED");
}

/* The same call again, when the parent has gone: the first one counts. */
static void test_queued_again(void **state)
{
    static const char *const args[] = {
        "1", "c", "f", "+0", "", "after=p", "{}", "d", "f", "+0", "",
        "after=c", "{}"};

    (void)state;
    rules_queue("p", "");
    assert_string_equal(rules_call("queue_task", 13, args), "");
    const char *before = rules_digest();
    assert_string_equal(rules_call("queue_task", 13, args), "");
    assert_string_equal(rules_digest(), before);
    rules_run_once("p", "COMPLETED");
    rules_run_once("c", "COMPLETED");
    EXPECT("OK", "delete_task", "p");
    before = rules_digest();
    assert_string_equal(rules_call("queue_task", 13, args), "");
    assert_string_equal(rules_digest(), before);
    /* One of them has gone since, its parent is there and has ended. */
    EXPECT("OK", "delete_task", "d");
    assert_string_equal(rules_call("queue_task", 13, args), "");
    assert_released("d");
    /* ... or has not. */
    EXPECT("OK", "requeue_task", "c", "0");
    EXPECT("OK", "delete_task", "d");
    assert_string_equal(rules_call("queue_task", 13, args), "");
    assert_waits("d", "1");
    rules_run_once("c", "COMPLETED");
    assert_released("d");
}

/* ---- The ways in which a parent ends ----------------------------------- */

static void test_chain_of_failures(void **state)
{
    (void)state;
    rules_queue("a", "");
    queue_after("b", "a", "");
    queue_after("c", "b", "level=1");
    queue_after("d", "c", "anyway=1");
    rules_run_once("a", "TIMEOUT");
    assert_failed("b", "main/a", "TIMEOUT");
    assert_failed("c", "main/b", "FAILED");
    assert_released("d");
}

static void test_expired_by_assign(void **state)
{
    (void)state;
    rules_queue_at("p", "f", "+0", "+1000", "");
    queue_after("c", "p", "");
    queue_after("d", "p", "anyway=1");
    rules_now += 1001;
    assert_string_equal(rules_assign("w1", 1, 0, "g"), "");
    assert_failed("c", "main/p", "EXPIRED");
    assert_released("d");
}

static void test_lost_too_often(void **state)
{
    (void)state;
    rules_queue("p", "crashes=1");
    queue_after("c", "p", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "p");
    EXPECT("1 0", "recover", "9", "0", "w1", "");
    assert_failed("c", "main/p", "FAILED");
}

static void test_expired_at_start(void **state)
{
    (void)state;
    rules_queue_at("p", "f", "+0", "+1000", "");
    queue_after("c", "p", "");
    assert_string_equal(rules_assign("w1", 0, 1, "f"), "p");
    rules_now += 1001;
    EXPECT("EXPIRED", "start", "w1", "p", rules_ticket("p"));
    assert_failed("c", "main/p", "EXPIRED");
}

/* Retries and repeats are not its end. */
static void test_end_state_only(void **state)
{
    (void)state;
    rules_queue("p", "repeats=2 period=0 retry=1");
    queue_after("c", "p", "");
    rules_run_once("p", "FAILED");
    assert_waits("c", "1");
    rules_run_once("p", "COMPLETED");
    assert_waits("c", "1");
    rules_run_once("p", "COMPLETED");
    assert_released("c");
}

static void test_same_report_twice(void **state)
{
    (void)state;
    const char *ticket = rules_bring("p", "RUNNING", "");
    queue_after("c", "p", "");
    EXPECT("OK AGAIN", "report", "w1", "p", ticket, "COMPLETED", "", "p",
           ticket, "COMPLETED", "");
    const char *before = rules_digest();
    EXPECT("AGAIN", "report", "w1", "p", ticket, "FAILED", "");
    assert_string_equal(rules_digest(), before);
    assert_released("c");
}

static void test_requeued_parent(void **state)
{
    (void)state;
    rules_queue("p", "");
    queue_after("c", "p", "");
    rules_run_once("p", "COMPLETED");
    rules_run_once("c", "COMPLETED");
    EXPECT("OK", "requeue_task", "p", "0");
    queue_after("d", "p", "");
    assert_waits("d", "1");
    rules_run_once("p", "FAILED");
    assert_failed("d", "main/p", "FAILED");
    assert_string_equal(rules_status("c"), "COMPLETED");
    /* A child that its parent failed runs when it is queued again. */
    EXPECT("OK", "requeue_task", "d", "0");
    assert_released("d");
}

/* Retention of 0: gone at the next report, and with it what it knew. */
static void test_pruned_parent(void **state)
{
    (void)state;
    rules_queue("p", "ttl=0");
    queue_after("c", "p", "");
    rules_run_once("p", "COMPLETED");
    rules_now += 1;
    rules_run_once("c", "COMPLETED");
    REDIS("0", "EXISTS {stint:main}:children:p");
    queue_after("d", "p", ""); /* its end is known for an hour */
    assert_released("d");
    rules_now += HOUR;
    ASK("prune", "9", "9");
    EXPECT_START("0 NOTFOUND depends_on", "queue_task", "0", "e", "f", "+0",
                 "", "after=p", "{}");
}

/* ---- What a child is besides ------------------------------------------- */

static void test_start_time(void **state)
{
    (void)state;
    rules_queue("p", "");
    rules_queue_at("c", "f", "+5000", "", "after=p");
    rules_run_once("p", "COMPLETED");
    assert_released("c");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    rules_now += 5000;
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "c");
}

static void test_priority(void **state)
{
    (void)state;
    rules_queue("p", "level=9");
    queue_after("low", "p", "level=-1");
    queue_after("mid", "p", "");
    queue_after("high", "p", "level=7.5");
    rules_run_once("p", "COMPLETED");
    assert_string_equal(rules_assign("w1", 9, 0, "f"), "high mid low");
}

/* The wake-up marker is there for whoever sleeps. */
static void test_wakes(void **state)
{
    (void)state;
    rules_queue("p", "");
    queue_after("c", "p", "");
    rules_assign("w1", 1, 0, "f");
    rules_redis("DEL {stint:main}:wake");
    rules_report("p", "COMPLETED");
    REDIS("1000000000000", "ZSCORE {stint:main}:wake w");
}

static void test_disabled(void **state)
{
    (void)state;
    rules_queue("p", "");
    queue_after("c", "p", "");
    EXPECT("OK", "disable_task", "c");
    REDIS("c", "ZRANGE {stint:main}:held 0 -1");
    EXPECT("OK", "enable_task", "c");
    REDIS("c", "ZRANGE {stint:main}:waiting 0 -1");
    EXPECT("OK", "disable_task", "c");
    rules_run_once("p", "COMPLETED");
    assert_released("c");
    REDIS("c", "ZRANGE {stint:main}:held 0 -1");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    EXPECT("OK", "enable_task", "c");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "c");
}

static void test_stop_time(void **state)
{
    (void)state;
    rules_queue("p", "");
    rules_queue_at("c", "f", "+0", "+1000", "after=p");
    queue_after("d", "c", "");
    rules_now += 1001;
    EXPECT("1 0", "expire", "9");
    assert_string_equal(rules_status("c"), "EXPIRED");
    REDIS("0", "EXISTS {stint:main}:parents:c");
    assert_failed("d", "main/c", "EXPIRED");
    rules_run_once("p", "COMPLETED");
    assert_string_equal(rules_status("c"), "EXPIRED");
}

/* Parent and child pass their stop_time in one step. */
static void test_stop_time_of_both(void **state)
{
    (void)state;
    rules_queue_at("p", "f", "+0", "+1000", "");
    rules_queue_at("c", "f", "+0", "+1000", "after=p");
    rules_now += 1001;
    EXPECT("2 0", "expire", "9");
    assert_string_equal(rules_status("c"), "EXPIRED");
    REDIS("2", "HGET {stint:main}:ended EXPIRED");
    REDIS("", "HGET {stint:main}:ended FAILED");
}

static void test_stopped_child(void **state)
{
    (void)state;
    rules_queue("p", "");
    queue_after("c", "p", "");
    EXPECT("STOPPED", "stop_task", "c");
    REDIS("0", "EXISTS {stint:main}:parents:c");
    rules_run_once("p", "COMPLETED");
    assert_string_equal(rules_status("c"), "STOPPED");
}

/* ---- Many children ----------------------------------------------------- */

static void queue_children(int n, const char *rules)
{
    for (int i = 0; i < n; i++)
        queue_after(rules_text("c%03d", i), "p", rules);
}

static void test_more_children_than_a_step(void **state)
{
    (void)state;
    rules_queue("p", "level=1");
    queue_children(2 * STEP + 1, "");
    rules_assign("w1", 1, 0, "f");
    EXPECT("OK MORE", "report", "w1", "p", rules_ticket("p"), "COMPLETED", "");
    REDIS("251", "ZCARD {stint:main}:waiting");
    EXPECT("1 1", "settle", "9");
    REDIS("1", "ZCARD {stint:main}:waiting");
    EXPECT("1 0", "settle", "9");
    REDIS("0", "ZCARD {stint:main}:waiting");
    EXPECT("0 0", "settle", "9");
}

/* A step that is exactly full, and children of several that end at once. */
static void test_full_step(void **state)
{
    (void)state;
    rules_queue("p", "level=1");
    queue_children(STEP, "");
    rules_queue("q", "level=1");
    queue_after("d", "q", "");
    assert_string_equal(rules_assign("w1", 2, 0, "f"), "p q");
    EXPECT("OK OK MORE", "report", "w1", "p", rules_ticket("p"), "COMPLETED",
           "", "q", rules_ticket("q"), "COMPLETED", "");
    assert_waits("d", "1");
    EXPECT("2 0", "settle", "9");
    assert_released("d");
    REDIS("0", "ZCARD {stint:main}:waiting");
}

/* Retention ends before all are told: they are told all the same. */
static void test_pruned_before_settled(void **state)
{
    (void)state;
    rules_queue("p", "ttl=0 level=1");
    queue_children(STEP + 1, "");
    rules_run_once("p", "FAILED");
    rules_now += 1;
    ASK("prune", "9", "0");
    ASK("settle", "9");
    REDIS("0", "ZCARD {stint:main}:waiting");
    rules_now += 2 * HOUR;
    ASK("prune", "1000", "1000");
    assert_string_equal(rules_status("p"), "");
}

static void test_deleted_before_settled(void **state)
{
    (void)state;
    rules_queue("p", "level=1");
    queue_children(STEP + 1, "");
    rules_run_once("p", "COMPLETED");
    EXPECT("OK", "delete_task", "p");
    REDIS("0", "ZCARD {stint:main}:waiting");
    EXPECT("0 0", "settle", "9");
}

static void test_requeued_before_settled(void **state)
{
    (void)state;
    rules_queue("p", "level=1");
    queue_children(STEP + 1, "");
    rules_run_once("p", "FAILED");
    EXPECT("OK", "requeue_task", "p", "0");
    EXPECT("1 0", "settle", "9");
    REDIS("1", "ZCARD {stint:main}:waiting");
    rules_run_once("p", "COMPLETED");
    REDIS("0", "ZCARD {stint:main}:waiting");
    REDIS("251", "HGET {stint:main}:ended FAILED"); /* with its own */
}

/* ---- Across groups ----------------------------------------------------- */

static void in_group(const char *name)
{
    rules_group = name;
}

/* In the other group a worker too, and task p there; c here waits for it. */
static void two_groups(const char *rules_of_c)
{
    rules_clean(NULL);
    in_group("other");
    ASK("heartbeat", "w1", "1000000000000", "0");
    rules_queue("p", "");
    in_group("main");
    queue_after("c", "other/p", rules_of_c);
    assert_waits("c", "1");
    EXPECT("link other p main/c -", "messages", "9");
}

static void end_other(const char *status)
{
    in_group("other");
    end_as("p", status);
    in_group("main");
}

static void deliver_link(void)
{
    in_group("other");
    EXPECT("1", "deliver", "link", "p", "main/c", "-");
    in_group("main");
    EXPECT("", "messages", "9", "link other p main/c -");
}

static void deliver_ended(const char *word)
{
    const char *text = rules_text("ended main c other/p %s", word);

    in_group("other");
    EXPECT(text, "messages", "9");
    in_group("main");
    EXPECT("1", "deliver", "ended", "c", "other/p", word);
    in_group("other");
    EXPECT("", "messages", "9", text);
    in_group("main");
}

static void test_other_group(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        two_groups("");
        deliver_link();
        end_other(ends[i]);
        assert_waits("c", "1");
        deliver_ended(ends[i]);
        if (i == 0)
            assert_released("c");
        else
            assert_failed("c", "other/p", ends[i]);
    }
}

static void test_ended_before_the_link(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        two_groups(i == 2 ? "anyway=1" : "");
        end_other(ends[i]);
        deliver_link();
        deliver_ended(ends[i]);
        if (i == 0 || i == 2)
            assert_released("c");
        else
            assert_failed("c", "other/p", ends[i]);
    }
}

static void test_messages_twice(void **state)
{
    (void)state;
    two_groups("");
    deliver_link();
    in_group("other");
    const char *before = rules_digest();
    EXPECT("2", "deliver", "link", "p", "main/c", "-", "link", "p", "main/c",
           "-");
    assert_string_equal(rules_digest(), before);
    end_other("COMPLETED");
    EXPECT("2", "deliver", "ended", "c", "other/p", "COMPLETED", "ended", "c",
           "other/p", "COMPLETED");
    assert_released("c");
    before = rules_digest();
    EXPECT("1", "deliver", "ended", "c", "other/p", "FAILED");
    assert_string_equal(rules_digest(), before);
    in_group("other"); /* after its end: word is sent once more */
    EXPECT("1", "deliver", "link", "p", "main/c", "-");
    EXPECT("ended main c other/p COMPLETED", "messages", "9");
}

static void test_pruned_in_the_other_group(void **state)
{
    (void)state;
    two_groups("");
    end_other("COMPLETED");
    rules_now += 10;
    in_group("other");
    EXPECT("1 0", "prune", "9", "0");
    assert_string_equal(rules_redis("HGET {stint:other}:task p"), "-");
    deliver_link();
    deliver_ended("COMPLETED"); /* known within the hour */
    assert_released("c");
    two_groups("");
    end_other("COMPLETED");
    rules_now += DAY + HOUR;
    in_group("other");
    EXPECT("1 0", "prune", "9", "9");
    in_group("main");
    deliver_link();
    deliver_ended("GONE");
    assert_failed("c", "other/p", "GONE");
}

static void test_deleted_in_the_other_group(void **state)
{
    (void)state;
    two_groups("");
    deliver_link();
    in_group("other");
    EXPECT("OK", "delete_task", "p");
    deliver_ended("DELETED");
    assert_failed("c", "other/p", "DELETED");
}

/* In the group that is linked to, the task waits itself, and what ends it is
 * in the same call as the link. */
static void test_link_and_end_in_one_call(void **state)
{
    static const struct {
        const char *word, *told;
    } rows[] = {{"COMPLETED", ""},
                {"FAILED", "ended other x main/c FAILED"}};

    (void)state;
    for (int i = 0; i < 4; i++) {
        rules_clean(NULL);
        queue_after("c", "other/p", "");
        if (i < 2)
            EXPECT("2", "deliver", "link", "c", "other/x", "-", "ended", "c",
                   "other/p", rows[i % 2].word);
        else
            EXPECT("2", "deliver", "ended", "c", "other/p", rows[i % 2].word,
                   "link", "c", "other/x", "-");
        rules_redis("ZREM {stint:main}:messages %s", "link other p main/c -");
        EXPECT(rows[i % 2].told, "messages", "9");
        if (i % 2)
            continue;
        assert_string_equal(rules_run_once("c", "COMPLETED"), "OK MORE");
        EXPECT("ended other x main/c COMPLETED", "messages", "9");
    }
}

/* The report says that there is something to carry. */
static void test_report_says_more(void **state)
{
    (void)state;
    two_groups("");
    deliver_link();
    in_group("other");
    assert_string_equal(rules_run_once("p", "COMPLETED"), "OK MORE");
}

static void test_messages(void **state)
{
    (void)state;
    rules_queue("p", "");
    queue_after("a", "other/x", "");
    rules_now += 1;
    queue_after("b", "other/y p third/z", "");
    EXPECT("link other x main/a -", "messages", "1");
    EXPECT("link other x main/a - link other y main/b - "
           "link third z main/b -", "messages", "9");
    EXPECT("link third z main/b -", "messages", "9", "link other x main/a -",
           "link other y main/b -", "link nobody x main/a -");
    EXPECT("link third z main/b -", "messages", "9", "link other x main/a -");
    assert_waits("b", "3");
}

RULES_MAIN(
    RULES_TEST(test_every_end), RULES_TEST(test_ended_before),
    RULES_TEST(test_many_parents), RULES_TEST(test_parents_end_together),
    RULES_TEST(test_parent_in_the_same_call),
    RULES_TEST(test_stillborn_in_the_same_call), RULES_TEST(test_refused),
    RULES_TEST(test_1000_parents), RULES_TEST(test_queued_again),
    RULES_TEST(test_chain_of_failures), RULES_TEST(test_expired_by_assign),
    RULES_TEST(test_lost_too_often), RULES_TEST(test_expired_at_start),
    RULES_TEST(test_end_state_only), RULES_TEST(test_same_report_twice),
    RULES_TEST(test_requeued_parent), RULES_TEST(test_pruned_parent),
    RULES_TEST(test_start_time), RULES_TEST(test_priority),
    RULES_TEST(test_wakes), RULES_TEST(test_disabled),
    RULES_TEST(test_stop_time), RULES_TEST(test_stop_time_of_both),
    RULES_TEST(test_stopped_child),
    RULES_TEST(test_more_children_than_a_step), RULES_TEST(test_full_step),
    RULES_TEST(test_pruned_before_settled),
    RULES_TEST(test_deleted_before_settled),
    RULES_TEST(test_requeued_before_settled), RULES_TEST(test_other_group),
    RULES_TEST(test_ended_before_the_link), RULES_TEST(test_messages_twice),
    RULES_TEST(test_pruned_in_the_other_group),
    RULES_TEST(test_deleted_in_the_other_group),
    RULES_TEST(test_link_and_end_in_one_call),
    RULES_TEST(test_report_says_more), RULES_TEST(test_messages))
