/* SPDX-License-Identifier: MIT */
/* queue_task: - -> QUEUED. All or none, everything refused is named, repeated
 * calls are harmless. */
#include "rules.h"

#define F(id) id, "f", "+0", "", "", "{}"

static void test_every_state_keeps_its_id(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        for (int ruled = 0; ruled < 2; ruled++) {
            rules_clean(NULL);
            rules_bring("a", rules_states[i], ruled ? "level=5" : "");
            const char *before = rules_digest();
            EXPECT_START("0 EXISTS id ", "queue_task", "0", F("a"));
            EXPECT("", "queue_task", "1", F("a"));
            EXPECT_START("0 EXISTS id ", "queue_task", "1", "a", "f", "+0", "",
                         "", "{\"args\":[1]}");
            EXPECT_START("0 EXISTS id ", "queue_task", "1", "a", "g", "+0", "",
                         "", "{}");
            assert_string_equal(rules_digest(), before);
        }
    }
}

static void test_all_or_nothing(void **state)
{
    (void)state;
    rules_queue("old", "");
    const char *before = rules_digest();
    const char *words =
        ASK("queue_task", "0", F("good"), F("not good"), "c", "f g", "+0", "",
            "", "{}", "d", "f", "soon", "never", "a b", "[]", F("old"),
            F("good"), F("last"));
    const char *const wanted[] = {
        "1 INVALID id ", " 2 INVALID function ", " 3 INVALID args ",
        " 3 INVALID start_time ", " 3 INVALID stop_time ", " 4 EXISTS id ",
        " 5 EXISTS id "};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        assert_non_null(strstr(words, wanted[i]));
    assert_null(strstr(words, " 0 "));
    assert_null(strstr(words, " 6 "));
    assert_string_equal(rules_digest(), before);
    assert_string_equal(rules_status("good"), "");
}

static void test_refused(void **state)
{
    static const char *const rows[][6] = {
        {"", "f", "+0", "", "", "{}"},    {"a b", "f", "+0", "", "", "{}"},
        {"a\n", "f", "+0", "", "", "{}"}, {"a", "", "+0", "", "", "{}"},
        {"a", "\"", "+0", "", "", "{}"},  {"a", "f", "", "", "", "{}"},
        {"a", "f", "1e3", "", "", "{}"},  {"a", "f", "1.5", "", "", "{}"},
        {"a", "f", "9999999999999999", "", "", "{}"},
        {"a", "f", "-2000000000000", "", "", "{}"},
        {"a", "f", "+0", "x", "", "{}"},  {"a", "f", "+0", "", "a;b", "{}"},
        {"a", "f", "+0", "", "", ""},     {"a", "f", "+0", "", "", "{"},
        {"a", "f", "+0", "", "", "[]"}};

    (void)state;
    const char *before = rules_digest();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *const *r = rows[i];
        EXPECT_START("0 INVALID ", "queue_task", "0", r[0], r[1], r[2], r[3],
                     r[4], r[5]);
    }
    EXPECT_START("-INVALID", "queue_task", "0");
    EXPECT_START("-INVALID", "queue_task", "0", "a", "f", "+0", "", "");
    assert_string_equal(rules_digest(), before);
}

/* Rules that are no numbers are refused before anything is written. */
static void test_rules_that_are_no_numbers(void **state)
{
    static const char *const rules[] = {"level=x", "ttl=x", "retry=x",
                                        "repeats=1.2.3", "period=-"};

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        const char *before = rules_digest();
        const char *words =
            ASK("queue_task", "0", "a", "f", "+0", "", rules[i], "{}");
        if (strncmp(words, "0 INVALID rules", 15) != 0)
            print_error("%s: %s\n", rules[i], *words ? words : "taken");
        assert_string_equal(rules_digest(), before);
    }
}

static void test_lengths(void **state)
{
    char id[130];

    (void)state;
    memset(id, 'x', sizeof(id));
    id[129] = '\0';
    EXPECT_START("0 INVALID id ", "queue_task", "0", F(id));
    id[128] = '\0';
    EXPECT("", "queue_task", "0", F(id));
    size_t big = 1 << 20;
    char *rest = malloc(big + 2);
    assert_non_null(rest);
    memset(rest, ' ', big + 1);
    rest[0] = '{';
    rest[big] = '}';
    rest[big + 1] = '\0';
    EXPECT_START("0 INVALID args ", "queue_task", "0", "a", "f", "+0", "", "",
                 rest);
    rest[big - 1] = '}';
    rest[big] = '\0';
    EXPECT("", "queue_task", "0", "a", "f", "+0", "", "", rest);
    free(rest);
}

static void queue_many(int n, const char *again, const char *rules)
{
    static char ids[1000][16];
    static const char *args[6001];

    args[0] = again;
    for (int i = 0; i < n; i++) {
        const char **a = args + 1 + 6 * i;
        snprintf(ids[i], sizeof(ids[i]), "t%d", i);
        a[0] = ids[i];
        a[1] = "f";
        a[2] = "+0";
        a[3] = "";
        a[4] = rules;
        a[5] = "{\"args\":[1]}";
    }
    assert_string_equal(rules_call("queue_task", 1 + 6 * n, args), "");
}

static void test_many(void **state)
{
    static const int sizes[] = {1, 250, 251, 1000};
    static const char *const rules[] = {"", "repeats=2", "level=3"};

    (void)state;
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++) {
            rules_clean(NULL);
            queue_many(sizes[i], "0", rules[k]);
            REDIS(rules_text("%d", sizes[i]), "HLEN {stint:main}:task");
            REDIS(rules_text("%d", sizes[i]), "ZCARD {stint:main}:queued%s",
                  k == 2 ? ":3" : "");
            REDIS(rules_text("%d", k ? sizes[i] : 0),
                  "HLEN {stint:main}:state");
            const char *before = rules_digest();
            queue_many(sizes[i], "1", rules[k]);
            assert_string_equal(rules_digest(), before);
        }
    }
    /* Half of them were there. */
    rules_clean(NULL);
    queue_many(500, "0", "");
    queue_many(1000, "1", "");
    REDIS("1000", "ZCARD {stint:main}:queued");
}

static void test_times_and_records(void **state)
{
    (void)state;
    rules_queue_at("now", "f", "+0", "", "");
    rules_queue_at("later", "f", "+5000", "", "level=1");
    rules_queue_at("earlier", "f", "-5000", "+9000", "");
    rules_queue_at("fixed", "f", "1700000000000", "", "");
    rules_queue_at("off", "f", "+0", "", "disabled=1");
    assert_string_equal(rules_record("now"), "");
    assert_int_equal(rules_number("later", "next"), rules_now + 5000);
    assert_int_equal(rules_number("earlier", "next"), rules_now - 5000);
    assert_int_equal(rules_number("earlier", "begin"), rules_now - 5000);
    assert_int_equal(rules_number("earlier", "expire"), rules_now + 9000);
    REDIS("1700000000000", "ZSCORE {stint:main}:queued fixed");
    REDIS("1000000000000", "ZSCORE {stint:main}:held off");
    REDIS("f {}", "HGET {stint:main}:task now");
    EXPECT("", "queue_task", "0", "x", "f", "+0", "", "", "{\"args\":[1]}");
    REDIS("f {\"args\":[1]}", "HGET {stint:main}:task x");
    /* The same, as it is kept; with the name of another it is nothing. */
    EXPECT("", "queue_task", "1", "x", "f", "+0", "", "", "f {\"args\":[1]}");
    EXPECT("", "queue_task", "0", "y", "f", "+0", "", "", "f {\"args\":[2]}");
    REDIS("f {\"args\":[2]}", "HGET {stint:main}:task y");
    EXPECT_START("0 INVALID args ", "queue_task", "0", "z", "f", "+0", "", "",
                 "g {}");
    EXPECT_START("0 INVALID args ", "queue_task", "0", "z", "f", "+0", "", "",
                 "f f {}");
}

static void test_wake_markers(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+5000", "", "");
    REDIS("1000000005000", "ZSCORE {stint:main}:wake w");
    rules_queue_at("b", "f", "+9000", "", "level=3");
    REDIS("1000000005000", "ZSCORE {stint:main}:wake w");
    rules_queue_at("c", "f", "+3000", "", "level=3");
    REDIS("1000000003000", "ZSCORE {stint:main}:wake w");
    rules_clean(NULL);
    rules_queue_at("d", "f", "+0", "", "disabled=1");
    REDIS("0", "EXISTS {stint:main}:wake");
    rules_queue_at("e", "f", "+0", "+7000", "disabled=1");
    /* the first moment that is too late */
    REDIS("1000000007001", "ZSCORE {stint:main}:wake w");
}

static void test_above_maxmemory(void **state)
{
    (void)state;
    const char *before = rules_digest();
    REDIS("OK", "CONFIG SET maxmemory 1");
    EXPECT_START("-OOM", "queue_task", "0", F("a"));
    assert_string_equal(rules_digest(), before);
}

static void test_protocol(void **state)
{
    (void)state;
    const char *before = rules_digest();
    const char *words = rules_redis("FCALL stint_queue_task 1 {stint:main} 2 0 "
                                    "0 a f +0 %s %s {}", "", "");
    assert_memory_equal(words, "-PROTOCOL", 9);
    assert_string_equal(rules_digest(), before);
}

RULES_MAIN(RULES_TEST(test_every_state_keeps_its_id),
           RULES_TEST(test_all_or_nothing), RULES_TEST(test_refused),
           RULES_TEST(test_rules_that_are_no_numbers),
           RULES_TEST(test_lengths), RULES_TEST(test_many),
           RULES_TEST(test_times_and_records), RULES_TEST(test_wake_markers),
           RULES_TEST(test_above_maxmemory), RULES_TEST(test_protocol))
