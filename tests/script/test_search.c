/* SPDX-License-Identifier: MIT */
/* search: what Redis leaves out and what it does not, and that its cursor stays
 * where it is whatever is taken away. The library decides on the rest: see
 * test_find.c. */
#include "rules.h"

#define ARGS_N 12

struct filter {
    const char *step, *states, *fn, *prefix, *from, *until, *scheduled;
    const char *error, *text, *name;
};

static const char *search(const struct filter *f, const char *cursor)
{
    const struct {
        const char *v, *otherwise;
    } all[] = {{f->step, "100"}, {cursor, ""}, {f->states, ""}, {f->fn, ""},
               {f->prefix, ""}, {f->from, ""}, {f->until, ""},
               {f->scheduled, ""}, {f->error, ""}, {f->text, ""}};
    const char *args[ARGS_N];
    int n = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        args[n++] = all[i].v != NULL ? all[i].v : all[i].otherwise;
    if (f->name != NULL)
        args[n++] = f->name;
    return rules_call("search", n, args);
}

/* The ids it finds in the order in which it does, with blanks; each call from
 * where the last one was. between (may be NULL) is called with each id. */
static const char *walk(const struct filter *f, void (*between)(const char *))
{
    static char found[4096];
    char cursor[300] = "";
    size_t len = 0;
    found[0] = '\0';
    for (int i = 0; i < 1000; i++) {
        char *words = strdup(search(f, cursor)), *at = NULL;
        char *first = strtok_r(words, " ", &at);
        assert_non_null(first);
        if (strchr(first, ',') != NULL)
            snprintf(cursor, sizeof(cursor), "%s", first);
        else
            cursor[0] = '\0';
        /* Behind each task stands the cursor behind it, which ends in its id. */
        for (char *w = cursor[0] ? strtok_r(NULL, " ", &at) : first;
             w != NULL; w = strtok_r(NULL, " ", &at)) {
            char *comma = strrchr(w, ',');
            if (comma == NULL)
                continue;
            len += (size_t)snprintf(found + len, sizeof(found) - len, "%s%s",
                                    len > 0 ? " " : "", comma + 1);
            if (between != NULL)
                between(comma + 1);
        }
        free(words);
        if (cursor[0] == '\0')
            return found;
    }
    fail_msg("search does not end");
    return found;
}

#define FINDS(ids, ...) \
    assert_string_equal(walk(&(struct filter){__VA_ARGS__}, NULL), ids)

static void queue_json(const char *id, const char *json)
{
    EXPECT("", "queue_task", "0", id, "f", "+0", "", "", json);
}

static void test_every_status(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], i % 2 ? "level=2" : "");
        const char *before = rules_digest();
        for (int k = 0; k < RULES_STATES; k++)
            FINDS(i == k ? "a" : "", .states = rules_states[k]);
        FINDS("a", .states = "QUEUED ASSIGNED RUNNING COMPLETED FAILED TIMEOUT "
                             "STOPPED EXPIRED");
        FINDS("a", .fn = "f");
        FINDS("", .fn = "g");
        assert_string_equal(rules_digest(), before);
    }
}

static void test_order(void **state)
{
    (void)state;
    rules_bring("ended1", "COMPLETED", "level=9");
    rules_now += 5;
    rules_bring("ended2", "FAILED", "level=9");
    rules_bring("runs", "RUNNING", "level=9");
    rules_bring("cast", "QUEUED", "cast=1");
    rules_queue("p", "level=-2");
    rules_queue("high", "level=7");
    rules_queue_at("later", "f", "+5000", "", "");
    rules_queue("a", "");
    rules_queue("held", "disabled=1");
    rules_queue("child", "after=p");
    const char *all = "runs high p a later child cast held ended2 ended1";
    FINDS(all, .step = "100");
    FINDS(all, .step = "1");
    FINDS(all, .step = "3");
}

static void test_scheduled_and_times(void **state)
{
    (void)state;
    rules_queue("once", "period=5");
    rules_queue_at("r", "f", "+10", "", "repeats=0");
    rules_queue_at("c", "f", "+20", "", "repeats=0 cron=1");
    rules_queue_at("x", "f", "+30", "", "");
    FINDS("r c", .scheduled = "1");
    const char *t10 = rules_text("%lld", (long long)rules_now + 10);
    const char *t20 = rules_text("%lld", (long long)rules_now + 20);
    FINDS("r c", .from = t10, .until = t20);
    FINDS("r c x", .from = t10, .step = "1");
    FINDS("once r c", .until = t20, .step = "1");
    rules_clean(NULL);
    rules_bring("a", "COMPLETED", "level=9");
    const char *t0 = rules_text("%lld", (long long)rules_now);
    rules_now += 100;
    rules_bring("b", "FAILED", "level=9 ttl=0");
    const char *t100 = rules_text("%lld", (long long)rules_now);
    FINDS("b", .from = t100);
    FINDS("a", .until = t0);
    FINDS("a b", .from = t0, .until = t100); /* b is kept less long */
}

/* Only what is certainly not there is left out. */
static void test_texts(void **state)
{
    (void)state;
    queue_json("a", "{\"task_name\":\"Weekly Report\"}");
    queue_json("b", "{\"args\":[\"\\u00fcber\"]}");
    queue_json("c", "{\"args\":[\"other\"]}");
    FINDS("a b", .text = "weekly rep");
    FINDS("b c", .text = "othe");
    FINDS("b", .text = "nothing of the kind");
    FINDS("b c", .name = "other");
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *id, *outcome;
    } rows[] = {{"a", "{\"error\":\"exit status 3\"}"},
                {"b", "{\"error\":\"No Space\"}"},
                {"c", "{\"error\":\"a\\nb\"}"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_bring(rows[i].id, "RUNNING", "level=9");
        EXPECT("OK", "report", "w1", rows[i].id, rules_ticket(rows[i].id),
               "FAILED", rows[i].outcome);
        rules_now++;
    }
    rules_bring("d", "COMPLETED", "level=9");
    FINDS("c b", .error = "no space");
    FINDS("c a", .error = "status 3");
    FINDS("c b", .text = "no space");
    /* Without being asked for, small ones come along. */
    assert_non_null(strstr(search(&(struct filter){.states = "FAILED"}, ""),
                           "{\"error\":\"exit status 3\"}"));
}

static void test_prefix(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++)
        rules_queue(rules_text("%c%02d", i % 3 ? 'a' : 'b', i), "");
    FINDS("b00 b03 b06 b09 b12 b15 b18 b21 b24 b27", .prefix = "b",
          .step = "7");
    FINDS("b03", .prefix = "b03");
    FINDS("", .prefix = "c");
}

/* ---- The cursor ------------------------------------------------------------ */

static void delete_it(const char *id)
{
    EXPECT("OK", "delete_task", id);
}

static void requeue_it(const char *id)
{
    EXPECT("OK", "requeue_task", id, "0");
}

/* All due at the same time: only the id says what comes next. */
static void test_removal_moves_nothing(void **state)
{
    char all[400] = "";
    (void)state;
    for (int i = 0; i < 40; i++) {
        rules_queue(rules_text("a%02d", i), i % 4 ? "" : "level=3");
        rules_queue_at(rules_text("b%02d", i), "f",
                       rules_text("+%d", 10 + i / 10), "", "");
    }
    for (int i = 0; i < 40; i += 4)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "a%02d ", i);
    for (int i = 0; i < 40; i++)
        if (i % 4)
            snprintf(all + strlen(all), sizeof(all) - strlen(all), "a%02d ", i);
    for (int i = 0; i < 40; i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "b%02d%s", i,
                 i < 39 ? " " : "");
    FINDS(all, .step = "7");
    assert_string_equal(walk(&(struct filter){.step = "7"}, delete_it), all);
    FINDS("", .step = "7");
}

static void test_ended_ones_leave(void **state)
{
    char all[200] = "";
    (void)state;
    for (int i = 0; i < 24; i++) {
        rules_bring(rules_text("a%02d", i), "STOPPED", "level=9");
        rules_now += i % 5 == 0;
    }
    snprintf(all, sizeof(all), "%s",
             walk(&(struct filter){.states = "STOPPED"}, NULL));
    assert_int_equal(strlen(all), 24 * 4 - 1);
    assert_string_equal(walk(&(struct filter){.states = "STOPPED", .step = "5"},
                             requeue_it), all);
    FINDS("", .states = "STOPPED");
}

/* What a worker holds has no order of its own. */
static void test_held_ones(void **state)
{
    char seen[300] = {0};
    (void)state;
    for (int i = 0; i < 40; i++) /* few enough to be read at once */
        rules_queue(rules_text("a%03d", i), "");
    rules_assign("w1", 40, 0, "f");
    const char *all = walk(&(struct filter){.states = "RUNNING", .step = "7"},
                           NULL);
    assert_int_equal(strlen(all), 40 * 5 - 1);
    for (const char *at = all; *at; at += at[4] ? 5 : 4) {
        int n = atoi(at + 1);
        assert_false(seen[n]);
        seen[n] = 1;
    }
}

/* Whoever makes cursors up gets tasks or none, and breaks nothing. */
static void test_odd_cursors(void **state)
{
    static const char *const odd[] = {"x", ",,,", "4,,,", "4,7,1,a", "4,x:y,1,a",
                                      "99,,,", "6,,5,nosuch", "10,,5,a",
                                      "1,nosuch,0,", "1,w1,17,z"};
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "level=3");
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
        assert_int_not_equal(search(&(struct filter){.step = "5"}, odd[i])[0],
                             '-');
}

/* Not more bytes than Redis reads in a moment; always one task, at least. */
static void test_large_ones(void **state)
{
    (void)state;
    char *json = malloc(60100);
    assert_non_null(json);
    memset(json, 'x', 60100);
    memcpy(json, "{\"args\":[\"", 10);
    memcpy(json + 60000, "\"]}", 4);
    for (int i = 0; i < 9; i++)
        queue_json(rules_text("a%d", i), json);
    queue_json("b", "{}");
    free(json);
    int calls = 0;
    char cursor[100] = "";
    do {
        const char *words = search(&(struct filter){.text = "nosuch"}, cursor);
        snprintf(cursor, sizeof(cursor), "%.*s", (int)strcspn(words, " "),
                 words);
        calls++;
    } while (strchr(cursor, ',') != NULL && calls < 20);
    assert_in_range(calls, 3, 6);
}

RULES_MAIN(RULES_TEST(test_every_status), RULES_TEST(test_order),
           RULES_TEST(test_scheduled_and_times), RULES_TEST(test_texts),
           RULES_TEST(test_errors), RULES_TEST(test_prefix),
           RULES_TEST(test_removal_moves_nothing),
           RULES_TEST(test_ended_ones_leave), RULES_TEST(test_held_ones),
           RULES_TEST(test_odd_cursors), RULES_TEST(test_large_ones))
