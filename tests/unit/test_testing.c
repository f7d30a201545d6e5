/* SPDX-License-Identifier: MIT */
/* <stint/testing.h>: an application's tasks on a server in memory, run by the
 * worker of production on a clock of the test's. What runs writes its name and
 * the second into `ran`; the clock begins at second 0 here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <stint/testing.h>

#define START_MS INT64_C(946684800000) /* 2000-01-01T00:00:00Z */

static stint *s;
static stint_worker *worker;
static char ran[4096];
static struct stint_err err;

#define OK(call) assert_true_text((call) == 0, #call)
#define EXPECT_RAN(text)                                                       \
    do {                                                                       \
        assert_string_equal(ran, text);                                        \
        *ran = '\0';                                                           \
    } while (0)

static void assert_true_text(int ok, const char *what)
{
    if (!ok)
        fail_msg("%s: %s", what, err.text);
}

static double now_s(void)
{
    return (double)(stint_testing_now_ms(s) - START_MS) / 1000;
}

static void note(const char *text)
{
    size_t len = strlen(ran);
    snprintf(ran + len, sizeof(ran) - len, "%s ", text);
}

static void note_at(const char *text)
{
    char line[200];
    snprintf(line, sizeof(line), "%s@%g", text, now_s());
    note(line);
}

/* ---- Functions ----------------------------------------------------------- */

static int run_note(stint_run *r, void *arg)
{
    (void)arg;
    note_at(stint_run_id(r));
    return stint_run_set_result(r, "{\"fine\":true}");
}

static int run_fail(stint_run *r, void *arg)
{
    (void)arg;
    note_at(stint_run_id(r));
    stint_run_set_error(r, "it had to be");
    return 1;
}

static int run_queue(stint_run *r, void *arg)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    (void)arg;
    note_at(stint_run_id(r));
    o.function = "note";
    o.id = "child";
    OK(stint_queue_task(s, &o, NULL, &errors, &err));
    return 0;
}

static char zone_dir[] = "/tmp/stint-testing-XXXXXX", zone_path[64];

/* One hour east of Greenwich, always. */
static void zone_write(void)
{
    static const char head[] = "TZif2";
    char file[300];
    size_t n = 0;
    for (int part = 0; part < 2; part++) {
        memset(file + n, 0, 44);
        memcpy(file + n, head, 5);
        file[n + 39] = 1; /* typecnt */
        file[n + 43] = 4; /* charcnt */
        n += 44;
        memcpy(file + n, "\0\0\x0e\x10\0\0XXX\0", 10);
        n += 10;
    }
    memcpy(file + n, "\nXXX-1\n", 8);
    n += 8;
    FILE *f = fopen(zone_path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(file, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int run_lose_zone(stint_run *r, void *arg)
{
    (void)arg;
    note_at(stint_run_id(r));
    if (now_s() < 10000)
        assert_int_equal(unlink(zone_path), 0);
    return 0;
}

static int run_stop_itself(stint_run *r, void *arg)
{
    (void)arg;
    assert_false(stint_run_is_cancelled(r));
    assert_int_equal(stint_stop_task(s, "main", stint_run_id(r), &err), 1);
    note(stint_run_is_cancelled(r) ? "cancelled" : "not cancelled");
    return 1;
}

/* Takes as many seconds as its first argument says. */
static int run_take(stint_run *r, void *arg)
{
    double seconds = strtod(stint_run_args(r) + 1, NULL);
    (void)arg;
    note_at("begin");
    OK(stint_testing_advance(s, seconds, &err));
    char text[80];
    snprintf(text, sizeof(text), "%s:left=%g", stint_run_is_cancelled(r)
                                                   ? "late" : "in-time",
             stint_run_left_s(r));
    note(text);
    note_at("end");
    return 0;
}

static int run_speak(stint_run *r, void *arg)
{
    struct stint_status *t;
    (void)arg;
    stint_run_log(r, "line %d", 1);
    stint_run_progress(r, 50, "half");
    t = stint_task_status(s, "main", stint_run_id(r), STINT_WITH_OUTPUT, &err);
    assert_non_null(t);
    note(t->status);
    note(t->output != NULL ? t->output : "nothing");
    stint_status_free(t);
    return 0;
}

static int run_run(stint_run *r, void *arg)
{
    struct stint_err why = {0};
    (void)r, (void)arg;
    assert_int_equal(stint_testing_run(s, worker, NULL, &why), -1);
    assert_int_equal(why.code, STINT_STATE);
    note("refused");
    return 0;
}

static int run_leave(stint_run *r, void *arg)
{
    (void)arg;
    note(stint_run_id(r));
    stint_worker_stop(worker);
    return 0;
}

/* ---- Help ---------------------------------------------------------------- */

static stint_worker *worker_make(const char *name, const char *group)
{
    static const struct {
        const char *name;
        stint_handler_fn fn;
    } functions[] = {{"note", run_note},   {"fail", run_fail},
                     {"queue", run_queue}, {"stop", run_stop_itself},
                     {"lose_zone", run_lose_zone},
                     {"take", run_take},   {"speak", run_speak},
                     {"run", run_run},     {"leave", run_leave}};
    const char *groups[] = {group, NULL};
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    o.name = name;
    o.groups = groups;
    stint_worker *w = stint_worker_new(&o, &err);
    assert_non_null(w);
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
        OK(stint_worker_register(w, functions[i].name, functions[i].fn, NULL,
                                 NULL, &err));
    return w;
}

static stint *handle_make(void)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    o.url = "memory:";
    stint *made = stint_open(&o, &err);
    assert_true_text(made != NULL, "stint_open");
    return made;
}

static int up(void **state)
{
    (void)state;
    memset(&err, 0, sizeof(err));
    *ran = '\0';
    s = handle_make();
    worker = worker_make("w1", "main");
    return 0;
}

static int down(void **state)
{
    (void)state;
    stint_worker_free(worker);
    stint_close(s);
    return 0;
}

static void queue(const char *json)
{
    struct stint_errors errors = {0};
    stint_task *t = stint_task_from_json(json, strlen(json), &errors, &err);
    if (t == NULL)
        fail_msg("%s: %s %s", json, err.text,
                 errors.n > 0 ? errors.at[0].text : "");
    OK(stint_queue_tasks(s, &t, 1, NULL, NULL, NULL, NULL, &err));
    stint_task_free(t);
}

static uint64_t run_due(void)
{
    uint64_t n;
    OK(stint_testing_run(s, worker, &n, &err));
    return n;
}

static uint64_t run_until_s(int64_t second)
{
    uint64_t n;
    OK(stint_testing_run_until(s, worker, START_MS + 1000 * second, &n, &err));
    return n;
}

static const char *status_of(const char *id)
{
    static char text[16];
    struct stint_status *t = stint_task_status(s, NULL, id, 0, &err);
    assert_true_text(t != NULL, id);
    snprintf(text, sizeof(text), "%s", t->status);
    stint_status_free(t);
    return text;
}

#define EXPECT_STATUS(id, text) assert_string_equal(status_of(id), text)

/* ---- Tests --------------------------------------------------------------- */

static void test_due_tasks_run(void **state)
{
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"a\"}");
    EXPECT_STATUS("a", "QUEUED");
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("a@0 ");
    assert_int_equal(run_due(), 0);
    struct stint_status *t = stint_task_status(s, "main", "a",
                                               STINT_WITH_OUTPUT, &err);
    assert_string_equal(t->status, "COMPLETED");
    assert_string_equal(t->result, "{\"fine\":true}");
    assert_int_equal(t->times_run, 1);
    assert_int_equal(t->last_run_time_ms, START_MS);
    stint_status_free(t);
}

static void test_the_clock_moves_only_when_told(void **state)
{
    struct stint_err why = {0};
    (void)state;
    assert_int_equal(stint_testing_now_ms(s), START_MS);
    queue("{\"function\":\"note\",\"id\":\"a\",\"start_time\":\"+60s\"}");
    assert_int_equal(run_due(), 0);
    OK(stint_testing_advance(s, 59.999, &err));
    assert_int_equal(run_due(), 0);
    OK(stint_testing_advance(s, 0.001, &err));
    assert_int_equal(stint_testing_now_ms(s), START_MS + 60000);
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("a@60 ");
    OK(stint_testing_set_now(s, START_MS + 60000, &err)); /* it is so */
    assert_int_equal(stint_testing_set_now(s, START_MS, &why), -1);
    assert_int_equal(why.code, STINT_INVALID);
    why = (struct stint_err){0};
    assert_int_equal(stint_testing_advance(s, -1, &why), -1);
    assert_int_equal(stint_testing_now_ms(s), START_MS + 60000);
}

static void test_order_of_priority_and_time(void **state)
{
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"low\",\"priority\":-1}");
    queue("{\"function\":\"note\",\"id\":\"b\"}");
    queue("{\"function\":\"note\",\"id\":\"c\"}");
    queue("{\"function\":\"note\",\"id\":\"d\",\"start_time\":\"-1s\"}");
    queue("{\"function\":\"note\",\"id\":\"high\",\"priority\":5}");
    queue("{\"function\":\"queue\",\"id\":\"q\",\"priority\":1}");
    assert_int_equal(run_due(), 7);
    /* Of the same time by id: child, which q queues, comes behind c. */
    EXPECT_RAN("high@0 q@0 d@0 b@0 c@0 child@0 low@0 ");
}

static void test_ids_that_are_made_keep_the_order(void **state)
{
    char ids[20][STINT_ID_LEN + 1], want[4096] = "";
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
        o.function = "note";
        OK(stint_queue_task(s, &o, ids[i], NULL, &err));
        snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s@0 ",
                 ids[i]);
    }
    assert_int_equal(run_due(), 20);
    EXPECT_RAN(want);
}

static void test_repeats(void **state)
{
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"a\",\"repeats\":3,\"period\":10}");
    assert_int_equal(run_due(), 1);
    assert_int_equal(run_until_s(15), 1);
    assert_int_equal(stint_testing_now_ms(s), START_MS + 15000);
    EXPECT_RAN("a@0 a@10 ");
    assert_int_equal(run_until_s(3600), 1);
    EXPECT_RAN("a@20 ");
    EXPECT_STATUS("a", "COMPLETED");
}

static void test_retries_back_off(void **state)
{
    (void)state;
    queue("{\"function\":\"fail\",\"id\":\"a\",\"retry_failed\":2,"
          "\"retry_delay\":5}");
    assert_int_equal(run_until_s(3600), 3);
    EXPECT_RAN("a@0 a@5 a@10 ");
    EXPECT_STATUS("a", "FAILED");
    struct stint_status *t = stint_task_status(
        s, "main", "a", STINT_WITH_OUTPUT | STINT_WITH_RUNS, &err);
    assert_string_equal(t->error, "it had to be");
    assert_int_equal(t->n_runs, 3);
    stint_status_free(t);
    /* With a factor there is a jitter of a quarter at most: 10, then 20 s. */
    queue("{\"function\":\"fail\",\"id\":\"b\",\"retry_failed\":2,"
          "\"retry_delay\":10,\"retry_backoff\":2}");
    double begin, second, third;
    assert_int_equal(run_until_s(7200), 3);
    assert_int_equal(sscanf(ran, "b@%lf b@%lf b@%lf", &begin, &second, &third),
                     3);
    assert_true(begin == 3600);
    assert_true(second - begin >= 7.5 && second - begin <= 12.5);
    assert_true(third - second >= 15 && third - second <= 25);
}

static void test_cron(void **state)
{
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"a\",\"cronline\":\"30 * * * *\"}");
    assert_int_equal(run_until_s(3 * 3600), 3);
    EXPECT_RAN("a@1800 a@5400 a@9000 ");
    OK(stint_stop_task(s, NULL, "a", &err));
    EXPECT_STATUS("a", "STOPPED");
}

/* Without the zone nobody can tell when it runs next: the report waits for it,
 * and the run after it comes when the cronline says, not a minute later. */
static void test_cron_of_a_zone_that_is_away(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(zone_dir));
    snprintf(zone_path, sizeof(zone_path), "%s/Made", zone_dir);
    assert_int_equal(setenv("TZDIR", zone_dir, 1), 0);
    zone_write();
    queue("{\"function\":\"lose_zone\",\"id\":\"a\",\"repeats\":0,"
          "\"cronline\":\"30 */3 * * *\",\"timezone\":\"Made\"}");
    assert_int_equal(run_until_s(3 * 3600), 1);
    EXPECT_RAN("a@9000 "); /* 03:30 there */
    EXPECT_STATUS("a", "RUNNING");
    zone_write();
    assert_int_equal(run_until_s(3 * 3600 + 5), 0);
    EXPECT_STATUS("a", "QUEUED");
    assert_int_equal(run_until_s(6 * 3600), 1);
    EXPECT_RAN("a@19800 "); /* 06:30 there */
    OK(stint_stop_task(s, NULL, "a", &err));
    unlink(zone_path);
    unsetenv("TZDIR");
    assert_int_equal(rmdir(zone_dir), 0);
}

static void test_what_depends_on_others(void **state)
{
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"p\",\"start_time\":\"+5s\"}");
    queue("{\"function\":\"fail\",\"id\":\"bad\"}");
    queue("{\"function\":\"note\",\"id\":\"c\",\"depends_on\":[\"p\"]}");
    queue("{\"function\":\"note\",\"id\":\"never\",\"depends_on\":[\"bad\"]}");
    assert_int_equal(run_due(), 1);
    EXPECT_STATUS("never", "FAILED");
    EXPECT_STATUS("c", "QUEUED");
    assert_int_equal(run_until_s(5), 2);
    EXPECT_RAN("bad@0 p@5 c@5 ");
    EXPECT_STATUS("c", "COMPLETED");
}

static void test_parents_of_another_group(void **state)
{
    stint_worker *other = worker_make("w2", "other");
    uint64_t n;
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"p\",\"group_name\":\"other\"}");
    queue("{\"function\":\"note\",\"id\":\"c\",\"depends_on\":"
          "[\"other/p\"]}");
    assert_int_equal(run_due(), 0);
    OK(stint_testing_run(s, other, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("p@0 c@0 ");
    stint_worker_free(other);
}

static void test_stop_time(void **state)
{
    (void)state;
    queue("{\"function\":\"none\",\"id\":\"a\",\"stop_time\":\"+10s\"}");
    queue("{\"function\":\"note\",\"id\":\"b\",\"stop_time\":\"+10s\","
          "\"start_time\":\"+5s\"}");
    assert_int_equal(run_due(), 0);
    OK(stint_testing_advance(s, 11, &err));
    assert_int_equal(run_due(), 0);
    EXPECT_STATUS("a", "EXPIRED");
    EXPECT_STATUS("b", "EXPIRED");
}

static void test_ended_tasks_go_when_their_retention_ends(void **state)
{
    struct stint_err why = {0};
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"a\",\"result_ttl\":7200}");
    assert_int_equal(run_until_s(7200), 1);
    EXPECT_STATUS("a", "COMPLETED");
    assert_int_equal(run_until_s(7202), 0);
    assert_null(stint_task_status(s, "main", "a", 0, &why));
    assert_int_equal(why.code, STINT_NOT_FOUND);
}

static void test_timeout_passes_only_by_the_clock(void **state)
{
    (void)state;
    queue("{\"function\":\"take\",\"id\":\"a\",\"args\":[5],\"timeout\":10}");
    queue("{\"function\":\"take\",\"id\":\"b\",\"args\":[25],\"timeout\":10}");
    assert_int_equal(run_due(), 2);
    EXPECT_RAN("begin@0 in-time:left=5 end@5 begin@5 late:left=-15 end@30 ");
    EXPECT_STATUS("a", "COMPLETED");
    struct stint_status *t = stint_task_status(s, "main", "b",
                                               STINT_WITH_OUTPUT, &err);
    assert_string_equal(t->status, "TIMEOUT");
    assert_string_equal(t->error, "timeout after 10 s");
    stint_status_free(t);
}

/* Hours in which its worker goes on: nobody takes it for dead. */
static void test_a_long_run_keeps_its_lease(void **state)
{
    (void)state;
    queue("{\"function\":\"take\",\"id\":\"a\",\"args\":[10000],"
          "\"timeout\":20000}");
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("begin@0 in-time:left=10000 end@10000 ");
    EXPECT_STATUS("a", "COMPLETED");
}

static void test_a_stopped_run_is_cancelled(void **state)
{
    (void)state;
    queue("{\"function\":\"stop\",\"id\":\"a\",\"retry_failed\":5}");
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("cancelled ");
    EXPECT_STATUS("a", "STOPPED");
}

static void test_output_and_progress_are_seen_meanwhile(void **state)
{
    (void)state;
    queue("{\"function\":\"speak\",\"id\":\"a\"}");
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("RUNNING line 1\n ");
}

static void test_a_handler_cannot_run_a_worker(void **state)
{
    (void)state;
    queue("{\"function\":\"run\",\"id\":\"a\"}");
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("refused ");
}

static void test_stop_ends_the_call(void **state)
{
    (void)state;
    queue("{\"function\":\"leave\",\"id\":\"a\"}");
    queue("{\"function\":\"note\",\"id\":\"b\"}");
    assert_int_equal(run_due(), 1);
    EXPECT_STATUS("a", "COMPLETED");
    EXPECT_STATUS("b", "QUEUED");
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("a b@0 ");
}

static void test_two_workers(void **state)
{
    stint_worker *second = worker_make("w2", "main");
    uint64_t n;
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"a\"}");
    OK(stint_testing_run(s, second, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(run_due(), 0);
    /* A broadcast runs once on each of them. */
    queue("{\"function\":\"note\",\"id\":\"all\",\"broadcast\":true}");
    assert_int_equal(run_due(), 1);
    EXPECT_STATUS("all", "RUNNING");
    OK(stint_testing_run(s, second, &n, &err));
    assert_int_equal(n, 1);
    EXPECT_STATUS("all", "COMPLETED");
    stint_worker_free(second);
}

static int count_worker(const struct stint_worker_status *w, void *arg)
{
    assert_string_equal(w->status, "ACTIVE");
    ++*(int *)arg;
    return 0;
}

static void test_handles_beside_each_other(void **state)
{
    struct stint_errors errors = {0};
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    stint *beside = stint_testing_open_beside(s, NULL, &err);
    stint *apart = handle_make();
    int n_workers = 0;
    (void)state;
    assert_non_null(beside);
    o.function = "note";
    o.id = "a";
    o.durability = "2";
    OK(stint_queue_task(beside, &o, NULL, &errors, &err));
    o.id = "b";
    OK(stint_queue_task(apart, &o, NULL, &errors, &err));
    stint *first = s;
    s = beside;
    OK(stint_testing_advance(beside, 3, &err));
    stint_close(first); /* the others go on */
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("a@3 ");
    assert_int_equal(stint_testing_now_ms(apart), START_MS);
    OK(stint_workers(s, count_worker, &n_workers, &err));
    assert_int_equal(n_workers, 1);
    struct stint_err why = {0};
    assert_int_equal(stint_testing_run(apart, worker, NULL, &why), -1);
    assert_int_equal(why.code, STINT_INVALID);
    stint_close(apart);
}

static void test_what_is_refused(void **state)
{
    struct stint_err why = {0};
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    stint_worker *empty = stint_worker_new(&o, &err);
    (void)state;
    assert_int_equal(stint_testing_run(s, empty, NULL, &why), -1);
    assert_int_equal(why.code, STINT_INVALID);
    stint_worker_free(empty);
    o.url = "memory:";
    empty = stint_worker_new(&o, &err);
    OK(stint_worker_register(empty, "note", run_note, NULL, NULL, &err));
    why = (struct stint_err){0};
    assert_int_equal(stint_worker_run(empty, &why), -1);
    assert_non_null(strstr(why.text, "stint/testing.h"));
    stint_worker_free(empty);
    queue("{\"function\":\"note\",\"id\":\"a\"}");
    assert_int_equal(run_due(), 1);
    why = (struct stint_err){0};
    assert_int_equal(stint_worker_run(worker, &why), -1);
    assert_int_equal(why.code, STINT_STATE);
}

static void test_functions_of_processes_run_here_and_programs_do_not(
    void **state)
{
    struct stint_err why = {0};
    struct stint_function_options f = STINT_FUNCTION_OPTIONS_INIT;
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    stint_worker *w = stint_worker_new(&o, &err);
    uint64_t n;
    char path[] = "/tmp/test_testing.XXXXXX";
    (void)state;
    f.isolation = STINT_PROCESS;
    OK(stint_worker_register(w, "far", run_note, NULL, &f, &err));
    queue("{\"function\":\"far\",\"id\":\"a\"}");
    OK(stint_testing_run(s, w, &n, &err));
    assert_int_equal(n, 1);
    EXPECT_RAN("a@0 ");
    stint_worker_free(w);
    int fd = mkstemp(path);
    static const char config[] =
        "{\"tasks\":{\"say\":{\"exec\":[\"true\"]}}}";
    assert_int_equal(write(fd, config, sizeof(config) - 1),
                     sizeof(config) - 1);
    close(fd);
    o.config_path = path;
    w = stint_worker_new(&o, &err);
    unlink(path);
    assert_non_null(w);
    assert_int_equal(stint_testing_run(s, w, NULL, &why), -1);
    assert_int_equal(why.code, STINT_INVALID);
    assert_non_null(strstr(why.text, "say is a program"));
    stint_worker_free(w);
}

static void test_commands_reach_the_worker(void **state)
{
    struct stint_command_options o = STINT_COMMAND_OPTIONS_INIT;
    struct stint_err why = {0};
    size_t n;
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"a\"}");
    assert_int_equal(run_due(), 1);
    OK(stint_command(s, "disable", &o, NULL, NULL, &n, &err));
    queue("{\"function\":\"note\",\"id\":\"b\"}");
    assert_int_equal(run_until_s(60), 0);
    OK(stint_command(s, "resume", &o, NULL, NULL, &n, &err));
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("a@0 b@60 ");
    OK(stint_command(s, "terminate", &o, NULL, NULL, &n, &err));
    queue("{\"function\":\"note\",\"id\":\"c\"}");
    assert_int_equal(run_until_s(120), 0);
    assert_int_equal(stint_testing_run(s, worker, NULL, &why), -1);
    assert_int_equal(why.code, STINT_STATE);
    EXPECT_STATUS("c", "QUEUED");
}

static jmp_buf out_of_here;

static int run_jump(stint_run *r, void *arg)
{
    (void)r, (void)arg;
    longjmp(out_of_here, 1);
}

static void test_after_a_jump_another_worker_works(void **state)
{
    (void)state;
    stint_worker *w = worker_make("w2", "main");
    OK(stint_worker_register(w, "jump", run_jump, NULL, NULL, &err));
    queue("{\"function\":\"jump\",\"id\":\"a\",\"timeout\":5}");
    if (setjmp(out_of_here) == 0) {
        OK(stint_testing_run(s, w, NULL, &err));
        fail();
    }
    stint_worker_free(w);
    queue("{\"function\":\"note\",\"id\":\"b\"}");
    assert_int_equal(run_due(), 1);
    EXPECT_RAN("b@0 ");
}

static void test_an_endless_series_at_one_instant_is_an_error(void **state)
{
    struct stint_err why = {0};
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"a\",\"repeats\":0,\"period\":0}");
    assert_int_equal(stint_testing_run(s, worker, NULL, &why), -1);
    assert_int_equal(why.code, STINT_TOO_BIG);
}

static void ignore_fault(const char *group, const char *fault, void *arg)
{
    (void)arg;
    fail_msg("%s: %s", group, fault);
}

static void test_a_month_passes_quickly_and_leaves_no_faults(void **state)
{
    uint64_t n_checked, n_faults;
    (void)state;
    queue("{\"function\":\"note\",\"id\":\"a\",\"cronline\":\"0 6 * * *\"}");
    queue("{\"function\":\"fail\",\"id\":\"b\",\"cronline\":\"0 7 * * 1\","
          "\"retry_failed\":1,\"retry_delay\":60,\"result_ttl\":2592000}");
    /* 30 days with a 6 o'clock; the Mondays are the 3rd, 10th, 17th, 24th. The
     * first of them ends b, as its retry fails, too. */
    assert_int_equal(run_until_s(30 * 86400), 32);
    EXPECT_STATUS("b", "FAILED");
    OK(stint_fsck(s, ignore_fault, NULL, &n_checked, &n_faults, &err));
    assert_int_equal(n_faults, 0);
}

/* The same program twice: all it has seen, to the byte. */
static void a_course(char *text, size_t cap)
{
    static const char *const ids[] = {"r", "f", "c", "t"};
    queue("{\"function\":\"note\",\"id\":\"r\",\"repeats\":5,\"period\":7}");
    queue("{\"function\":\"fail\",\"id\":\"f\",\"retry_failed\":4,"
          "\"retry_backoff\":2,\"retry_delay\":1}");
    queue("{\"function\":\"note\",\"id\":\"c\",\"depends_on\":[\"r\"]}");
    queue("{\"function\":\"take\",\"id\":\"t\",\"args\":[12],\"repeats\":2}");
    run_until_s(500);
    snprintf(text, cap, "%s", ran);
    *ran = '\0';
    for (int i = 0; i < 4; i++) {
        struct stint_status *t =
            stint_task_status(s, "main", ids[i], STINT_WITH_RUNS, &err);
        for (size_t k = 0; k < t->n_runs; k++)
            snprintf(text + strlen(text), cap - strlen(text), "%s %s %lld\n",
                     t->runs[k].run_id, t->runs[k].status,
                     (long long)t->runs[k].stop_time_ms);
        stint_status_free(t);
    }
}

static void test_the_same_course_twice(void **state)
{
    static char first[8192], second[8192];
    a_course(first, sizeof(first));
    down(state);
    up(state);
    a_course(second, sizeof(second));
    assert_true(strlen(first) > 400);
    assert_string_equal(first, second);
}

/* For ever, it says; but nobody else is there to end it. */
static void test_wait_only_looks(void **state)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    char id[STINT_ID_LEN + 1];
    const char *ids[] = {id};
    size_t n_other;
    (void)state;
    o.function = "note";
    assert_int_equal(stint_queue_task(s, &o, id, &errors, &err), 0);
    assert_int_equal(
        stint_wait(s, "main", ids, 1, -1, NULL, NULL, &n_other, &err), -1);
    assert_int_equal(err.code, STINT_TIMEOUT);
    err = (struct stint_err){0};
    assert_int_equal(stint_testing_run(s, worker, NULL, &err), 0);
    assert_int_equal(
        stint_wait(s, "main", ids, 1, -1, NULL, NULL, &n_other, &err), 0);
    assert_int_equal(n_other, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_due_tasks_run),
        TEST(test_wait_only_looks),
        TEST(test_the_clock_moves_only_when_told),
        TEST(test_order_of_priority_and_time),
        TEST(test_ids_that_are_made_keep_the_order),
        TEST(test_repeats),
        TEST(test_retries_back_off),
        TEST(test_cron),
        TEST(test_cron_of_a_zone_that_is_away),
        TEST(test_what_depends_on_others),
        TEST(test_parents_of_another_group),
        TEST(test_stop_time),
        TEST(test_ended_tasks_go_when_their_retention_ends),
        TEST(test_timeout_passes_only_by_the_clock),
        TEST(test_a_long_run_keeps_its_lease),
        TEST(test_a_stopped_run_is_cancelled),
        TEST(test_output_and_progress_are_seen_meanwhile),
        TEST(test_a_handler_cannot_run_a_worker),
        TEST(test_stop_ends_the_call),
        TEST(test_two_workers),
        TEST(test_handles_beside_each_other),
        TEST(test_what_is_refused),
        TEST(test_a_month_passes_quickly_and_leaves_no_faults),
        TEST(test_the_same_course_twice),
        TEST(test_functions_of_processes_run_here_and_programs_do_not),
        TEST(test_commands_reach_the_worker),
        TEST(test_after_a_jump_another_worker_works),
        TEST(test_an_endless_series_at_one_instant_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
