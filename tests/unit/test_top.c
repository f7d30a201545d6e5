/* SPDX-License-Identifier: MIT */
/* stint top without a terminal and without Redis: rates from looks, sparklines,
 * and what a frame shows of them in a small room. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "top.h"

/* What the program has besides. */
void *memory_new(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    assert_non_null(p);
    return p;
}
const char *time_text(int64_t ms, char text[TIME_TEXT_LEN])
{
    (void)ms;
    strcpy(text, "2026-01-02T03:04:05.000Z");
    return text;
}
const char *age_text(int64_t ms, char text[TIME_TEXT_LEN])
{
    snprintf(text, TIME_TEXT_LEN, "%dms", (int)ms);
    return text;
}
enum paint paint_of(const char *word)
{
    return strcmp(word, "DISABLED") ? PAINT_NONE : PAINT_WARN;
}

static struct top_look *look_new(int64_t at_ms)
{
    struct top_look *look = memory_new(1, sizeof *look);
    look->at_mono_ms = at_ms;
    return look;
}

static struct top_group *group_add(struct top_look *look, const char *name,
                                   int64_t live, int64_t done, int64_t failed)
{
    struct top_group *g = &look->groups[look->n_groups++];
    snprintf(g->name, sizeof g->name, "%s", name);
    g->queued = g->live = live;
    g->done = done;
    g->failed = failed;
    g->ended = done + failed;
    g->queued_rate = g->done_rate = g->failed_rate = -1;
    return g;
}

static void near(double wanted, double got)
{
    assert_true(got > wanted - 1e-9 && got < wanted + 1e-9);
}

static void rates_are_differences(void **state)
{
    (void)state;
    struct top_model m = {0};
    struct top_look *look = look_new(1000);
    group_add(look, "a", 10, 100, 0);
    top_model_take(&m, look);
    near(-1, m.done_rate); /* one look says nothing */

    /* 2 s later: 20 done, 4 failed, 6 more are there: 30 were queued. A group
     * that is new and one that came before it in the list. */
    look = look_new(3000);
    group_add(look, "0", 5, 7, 0);
    group_add(look, "a", 16, 120, 4);
    top_model_take(&m, look);
    near(10, m.done_rate);
    near(2, m.failed_rate);
    near(15, m.queued_rate);
    near(-1, m.look->groups[0].done_rate);
    near(10, m.look->groups[1].done_rate);

    /* The group was forgotten and began anew: nothing is less than none. */
    look = look_new(4000);
    group_add(look, "a", 0, 3, 0);
    top_model_take(&m, look);
    near(0, m.done_rate);
    near(0, m.queued_rate);
    top_model_free(&m);
}

static void series_of(struct top_series *s, const float *at, size_t n)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < n; i++)
        s->at[s->n++ % TOP_SAMPLES] = at[i];
}

static void sparks_are_to_scale(void **state)
{
    (void)state;
    struct top_series s;
    char text[64];
    const float up[] = {0, 1, 3, 7};
    series_of(&s, up, 4);
    top_spark(&s, 4, true, text, sizeof text);
    assert_string_equal(text, "_.-#");
    top_spark(&s, 6, true, text, sizeof text);
    assert_string_equal(text, "  _.-#");
    top_spark(&s, 2, false, text, sizeof text);
    assert_string_equal(text, "\u2584\u2588");
    const float gap[] = {4, -1, 0.001f}; /* Redis was away; little */
    series_of(&s, gap, 3);
    top_spark(&s, 3, true, text, sizeof text);
    assert_string_equal(text, "# .");
    float many[TOP_SAMPLES + 2];
    for (size_t i = 0; i < TOP_SAMPLES + 2; i++)
        many[i] = i < 2 ? 1000 : 1; /* the first two are forgotten */
    series_of(&s, many, TOP_SAMPLES + 2);
    top_spark(&s, 3, true, text, sizeof text);
    assert_string_equal(text, "###");
}

static void numbers_are_short(void **state)
{
    (void)state;
    const struct {
        double rate;
        const char *text;
    } rows[] = {{-1, "-"},        {0, "0"},         {0.254, "0.25"},
                {12.34, "12.3"},  {99.96, "100"},   {99999, "99999"},
                {123456, "123k"}, {9999400, "9999k"}, {23456789, "23M"}};
    char text[TIME_TEXT_LEN];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(top_rate_text(rows[i].rate, text), rows[i].text);
}

static void no_line_is_too_wide(void **state)
{
    (void)state;
    struct top_model m = {0};
    struct top_view v = {.interval_s = 2};
    struct top_look *look = look_new(0);
    group_add(look, "a name that is rather long, \xe6\x97\xa5\x1b[31m", 1, 2, 3);
    for (int i = 0; i < 150; i++)
        group_add(look, "g", 99999999, 1, 1);
    top_model_take(&m, look);
    for (size_t cols = 1; cols <= 200; cols++)
        for (size_t rows = 1; rows <= 50; rows += 7) {
            struct frame f;
            frame_init(&f, rows, cols, cols % 2);
            for (v.pane = 0; v.pane < PANES; v.pane++) {
                memset(f.lines, 0, f.rows * sizeof *f.lines);
                top_view_draw(&v, &m, 0, &f);
                for (size_t i = 0; i < rows; i++) {
                    assert_true(f.lines[i].columns <= cols);
                    assert_null(strchr(f.lines[i].text, 0x1b));
                    assert_int_equal(text_columns(f.lines[i].text),
                                     f.lines[i].columns);
                }
            }
            frame_free(&f);
        }
    top_model_free(&m);
}

static void the_selection_stays_with_its_row(void **state)
{
    (void)state;
    struct top_model m = {0};
    struct top_view v = {.interval_s = 2};
    struct top_look *look = look_new(0);
    group_add(look, "b", 1, 0, 0);
    group_add(look, "c", 1, 0, 0);
    top_model_take(&m, look);
    assert_int_equal(top_view_selected(&v, &m), 0);
    top_view_move(&v, &m, 1);
    assert_int_equal(top_view_selected(&v, &m), 1);
    top_view_move(&v, &m, 100);
    assert_int_equal(top_view_selected(&v, &m), 1);
    look = look_new(1000); /* a comes before them */
    group_add(look, "a", 1, 0, 0);
    group_add(look, "b", 1, 0, 0);
    group_add(look, "c", 1, 0, 0);
    top_model_take(&m, look);
    assert_string_equal(m.look->groups[top_view_selected(&v, &m)].name, "c");
    strcpy(v.filter, "B"); /* case does not matter */
    assert_string_equal(m.look->groups[top_view_selected(&v, &m)].name, "b");
    strcpy(v.filter, "nowhere");
    assert_int_equal(top_view_selected(&v, &m), -1);
    top_view_move(&v, &m, 1);
    top_model_free(&m);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_differences),
        cmocka_unit_test(sparks_are_to_scale),
        cmocka_unit_test(numbers_are_short),
        cmocka_unit_test(no_line_is_too_wide),
        cmocka_unit_test(the_selection_stays_with_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
