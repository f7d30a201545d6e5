/* SPDX-License-Identifier: MIT */
/* The bytes of a spool: what is written is read back; cut off at every byte and
 * with every byte flipped, each call's tasks are there as a whole and as they
 * were, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../client/lib/spool_format.h"
#include "crc32c.h"

#define NOW INT64_C(1795852800000)
#define FRAMES 3

/* Three calls with 1, 2 and 3 tasks. */
struct spooled {
    struct buf b;
    size_t ends[FRAMES]; /* of the frames */
};

static stint_task *task_of(const char *json)
{
    struct stint_errors errors;
    struct stint_err err = {0};
    stint_task *t = stint_task_from_json(json, strlen(json), &errors, &err);
    assert_non_null(t);
    return t;
}

static void spooled_make(struct spooled *s)
{
    buf_init(&s->b, 1 << 20);
    assert_int_equal(spool_write_start(&s->b), 0);
    for (size_t k = 0; k < FRAMES; k++) {
        stint_task *tasks[FRAMES];
        for (size_t i = 0; i <= k; i++) {
            char json[200];
            snprintf(json, sizeof(json),
                     "{\"function\":\"f\",\"id\":\"t%zu-%zu\",\"args\":[%zu,"
                     "\"\\u00ff\\u0001x\"],\"priority\":%zu}",
                     k, i, i, k);
            tasks[i] = task_of(json);
        }
        assert_int_equal(
            spool_write_frame(&s->b, "stint", tasks, k + 1, NOW, 0), 0);
        s->ends[k] = s->b.len;
        for (size_t i = 0; i <= k; i++)
            stint_task_free(tasks[i]);
    }
}

/* The tasks of frame k are what was written; returns k, by the first id. */
static size_t frame_check(const struct spool_frame *f)
{
    struct stint_err err = {0};
    const char *space;
    size_t space_len;
    stint_task **tasks = spool_tasks(f, 0, &space, &space_len, &err);
    assert_non_null(tasks);
    assert_int_equal(space_len, 5);
    assert_memory_equal(space, "stint", 5);
    size_t k = (size_t)(tasks[0]->id[1] - '0');
    assert_int_equal(f->n_tasks, k + 1);
    for (size_t i = 0; i <= k; i++) {
        char id[48], text[80];
        snprintf(id, sizeof(id), "t%zu-%zu", k, i);
        snprintf(text, sizeof(text), "f {\"args\":[%zu,\"\xc3\xbf\\u0001x\"]}",
                 i);
        assert_string_equal(tasks[i]->id, id);
        assert_string_equal(tasks[i]->text, text);
        assert_int_equal(tasks[i]->text_len, strlen(text));
        assert_string_equal(tasks[i]->start, "1795852800000");
        assert_string_equal(tasks[i]->stop, "");
        assert_string_equal(tasks[i]->group, "main");
    }
    spool_tasks_free(tasks, f->n_tasks);
    return k;
}

/* Walks it; a bit for each frame that is there, and what it ended with. */
static unsigned walk(const char *data, size_t len, enum spool_found *last,
                     size_t *damaged, size_t *at)
{
    unsigned seen = 0;
    struct spool_frame f;
    *at = 0;
    *damaged = 0;
    for (int i = 0; i < 100; i++) {
        *last = spool_next(data, len, at, &f);
        if (*last == SPOOL_FRAME)
            seen |= 1u << frame_check(&f);
        else if (*last == SPOOL_DAMAGE)
            *damaged += f.len;
        else
            return seen;
    }
    fail_msg("it does not end");
    return 0;
}

static void reads_what_was_written(void **state)
{
    (void)state;
    struct spooled s;
    enum spool_found last;
    size_t damaged, at;
    spooled_make(&s);
    assert_int_equal(walk(s.b.data, s.b.len, &last, &damaged, &at), 7);
    assert_int_equal(last, SPOOL_END);
    assert_int_equal(damaged, 0);
    assert_int_equal(at, s.b.len);
    buf_close(&s.b);
}

static void cut_at_every_byte(void **state)
{
    (void)state;
    struct spooled s;
    spooled_make(&s);
    for (size_t len = 0; len <= s.b.len; len++) {
        enum spool_found last;
        size_t damaged, at, whole = len < SPOOL_START_BYTES
                                        ? 0
                                        : (size_t)SPOOL_START_BYTES;
        unsigned wanted = 0;
        /* A copy of its own, so that a sanitizer sees what is read behind. */
        char *data = malloc(len + 1);
        memcpy(data, s.b.data, len);
        for (size_t k = 0; k < FRAMES; k++)
            if (s.ends[k] <= len) {
                wanted |= 1u << k;
                whole = s.ends[k];
            }
        assert_int_equal(walk(data, len, &last, &damaged, &at), wanted);
        assert_int_equal(last, whole == len ? SPOOL_END : SPOOL_TORN);
        assert_int_equal(damaged, 0);
        assert_int_equal(at, whole); /* where it is cut off */
        free(data);
    }
    buf_close(&s.b);
}

static void zeros_behind(void **state)
{
    (void)state;
    struct spooled s;
    enum spool_found last;
    size_t damaged, at, end;
    spooled_make(&s);
    end = s.b.len;
    char zeros[4096] = {0};
    assert_int_equal(buf_add(&s.b, zeros, sizeof(zeros)), 0);
    assert_int_equal(walk(s.b.data, s.b.len, &last, &damaged, &at), 7);
    assert_int_equal(last, SPOOL_TORN);
    assert_int_equal(at, end);
    buf_close(&s.b);
}

static void every_bit_flipped(void **state)
{
    (void)state;
    struct spooled s;
    spooled_make(&s);
    for (size_t bit = 0; bit < 8 * s.b.len; bit++) {
        enum spool_found last;
        size_t damaged, at, i = bit / 8;
        unsigned hit = 0;
        s.b.data[i] = (char)(s.b.data[i] ^ 1 << bit % 8);
        for (size_t k = 0; k < FRAMES; k++)
            if (i < s.ends[k] &&
                i >= (k > 0 ? s.ends[k - 1] : (size_t)SPOOL_START_BYTES))
                hit = 1u << k;
        unsigned seen = walk(s.b.data, s.b.len, &last, &damaged, &at);
        assert_int_equal(seen, 7u & ~hit);
        /* It is noticed: kept as damage, or, at the end, as torn. */
        assert_true(damaged > 0 || last == SPOOL_TORN ||
                    i < SPOOL_START_BYTES);
        s.b.data[i] = (char)(s.b.data[i] ^ 1 << bit % 8);
    }
    buf_close(&s.b);
}

/* Whatever two bytes meet: no frame that was not written. */
static void every_two_frames_spliced(void **state)
{
    (void)state;
    struct spooled s;
    spooled_make(&s);
    for (size_t cut = SPOOL_START_BYTES; cut < s.ends[0]; cut++) {
        enum spool_found last;
        size_t damaged, at, n = s.b.len - s.ends[0];
        char *data = malloc(cut + n);
        memcpy(data, s.b.data, cut);
        memcpy(data + cut, s.b.data + s.ends[0], n);
        assert_int_equal(walk(data, cut + n, &last, &damaged, &at), 6);
        assert_int_equal(last, SPOOL_END);
        assert_int_equal(damaged, cut - SPOOL_START_BYTES);
        free(data);
    }
    buf_close(&s.b);
}

static void keeps_all_of_a_task(void **state)
{
    (void)state;
    struct stint_err err = {0};
    struct buf b;
    stint_task *t = task_of(
        "{\"function\":\"f/g\",\"id\":\"a\",\"group_name\":\"other\","
        "\"start_time\":\"+5s\",\"stop_time\":\"-1s\",\"cronline\":\"0 4 * * *"
        "\",\"timezone\":\"Europe/Rome\",\"depends_on\":[\"x\",\"main/y\"],"
        "\"durability\":\"replicas=2\",\"immediate\":true,\"priority\":-4,"
        "\"retry_backoff\":1.5,\"vars\":{\"a\":[]}}");
    stint_task *const one[] = {t};
    buf_init(&b, 4096);
    assert_int_equal(spool_write_frame(&b, "ns", one, 1, NOW, NOW - 7), 0);
    /* Behind a beginning, as in a file. */
    char data[4096 + SPOOL_START_BYTES] = {0};
    memcpy(data + SPOOL_START_BYTES, b.data, b.len);
    size_t at = SPOOL_START_BYTES, space_len;
    struct spool_frame f;
    const char *space;
    assert_int_equal(spool_next(data, SPOOL_START_BYTES + b.len, &at, &f),
                     SPOOL_FRAME);
    assert_int_equal(f.queued_ms, NOW);
    assert_int_equal(f.sent_ms, NOW - 7);
    stint_task **got = spool_tasks(&f, 250, &space, &space_len, &err);
    assert_non_null(got);
    /* Relative times are NOW's, moved by what the clocks differ. */
    assert_string_equal(got[0]->start, "1795852805250");
    assert_string_equal(got[0]->stop, "1795852799250");
    assert_string_equal(got[0]->id, t->id);
    assert_string_equal(got[0]->group, t->group);
    assert_string_equal(got[0]->function, t->function);
    assert_string_equal(got[0]->rules, t->rules);
    assert_string_equal(got[0]->depends, t->depends);
    assert_string_equal(got[0]->cronline, t->cronline);
    assert_string_equal(got[0]->timezone, t->timezone);
    assert_string_equal(got[0]->text, t->text);
    assert_int_equal(got[0]->text_len, t->text_len);
    assert_int_equal(got[0]->durability.level, t->durability.level);
    assert_int_equal(got[0]->durability.replicas, 2);
    spool_tasks_free(got, 1);
    stint_task_free(t);
    buf_close(&b);
}

static void absolute_times_stay(void **state)
{
    (void)state;
    struct stint_err err = {0};
    struct buf b;
    stint_task *t = task_of("{\"function\":\"f\",\"start_time\":1000,"
                            "\"stop_time\":2000}");
    stint_task *const one[] = {t};
    struct spool_frame f;
    const char *space;
    size_t at = 0, space_len;
    buf_init(&b, 4096);
    assert_int_equal(spool_write_start(&b), 0);
    assert_int_equal(spool_write_frame(&b, "ns", one, 1, NOW, 0), 0);
    assert_int_equal(spool_next(b.data, b.len, &at, &f), SPOOL_FRAME);
    stint_task **got = spool_tasks(&f, 250, &space, &space_len, &err);
    assert_non_null(got);
    assert_string_equal(got[0]->start, "1000000");
    assert_string_equal(got[0]->stop, "2000000");
    spool_tasks_free(got, 1);
    stint_task_free(t);
    buf_close(&b);
}

static void a_frame_that_is_too_big_is_none(void **state)
{
    (void)state;
    struct buf b;
    stint_task *t = task_of("{\"function\":\"f\"}");
    stint_task *const two[] = {t, t};
    buf_init(&b, 200);
    assert_int_equal(spool_write_start(&b), 0);
    size_t before = b.len;
    assert_int_equal(spool_write_frame(&b, "ns", two, 2, NOW, 0), -1);
    assert_int_equal(b.len, before);
    stint_task_free(t);
    buf_close(&b);
}

static void newer_versions_are_known(void **state)
{
    (void)state;
    char data[16] = "stintspl\x02";
    uint32_t crc = crc32c(0, data, 12);
    for (int i = 0; i < 4; i++)
        data[12 + i] = (char)(crc >> (8 * i) & 0xff);
    assert_true(spool_is_newer(data, sizeof(data)));
    data[8] = 1; /* the checksum is wrong now: damage, not another version */
    assert_false(spool_is_newer(data, sizeof(data)));
}

static void the_cursor_is_whole_or_damaged(void **state)
{
    (void)state;
    const struct spool_cursor c = {3, 1 << 20, 2 << 20, NOW};
    struct spool_cursor got;
    char data[SPOOL_CURSOR_BYTES];
    spool_cursor_write(&c, data);
    assert_int_equal(spool_cursor_read(&got, data, sizeof(data)), 0);
    assert_memory_equal(&got, &c, sizeof(c));
    for (size_t len = 0; len < sizeof(data); len++)
        assert_int_equal(spool_cursor_read(&got, data, len), -1);
    for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(spool_cursor_read(&got, data, sizeof(data)), -1);
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
    }
}

static void the_checksum_is_crc32c(void **state)
{
    (void)state;
    char zeros[32] = {0}; /* RFC 3720, B.4 */
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aau);
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(zeros_behind),
        cmocka_unit_test(every_bit_flipped),
        cmocka_unit_test(every_two_frames_spliced),
        cmocka_unit_test(keeps_all_of_a_task),
        cmocka_unit_test(absolute_times_stay),
        cmocka_unit_test(a_frame_that_is_too_big_is_none),
        cmocka_unit_test(newer_versions_are_known),
        cmocka_unit_test(the_cursor_is_whole_or_damaged),
        cmocka_unit_test(the_checksum_is_crc32c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
