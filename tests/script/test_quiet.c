/* SPDX-License-Identifier: MIT */
/* The library is a guest: it prints nothing, never ends the program, leaves
 * signals as they are, and its client part starts no threads. Calls of all
 * kinds, good and bad, with Redis there and gone, are looked at one by one. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <stint/stint.h>

#include "server.h"

static struct server server;

/* ---- What a guest leaves alone ------------------------------------------ */

struct house {
    struct sigaction actions[NSIG]; /* zero where there is no such signal */
    sigset_t mask;
    int threads;
};

static int threads_count(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void house_look(struct house *h)
{
    memset(h, 0, sizeof(*h));
    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, NULL, &h->actions[i]);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &h->mask), 0);
    h->threads = threads_count();
}

static void house_is(const struct house *h, const char *after)
{
    struct house now;
    house_look(&now);
    for (int i = 1; i < NSIG; i++) {
        const struct sigaction *a = &h->actions[i], *b = &now.actions[i];
        int same = a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags;
        same = same && sigismember(&h->mask, i) == sigismember(&now.mask, i);
        if (!same)
            print_error("signal %d after %s\n", i, after);
        assert_true(same);
    }
    if (now.threads != h->threads)
        print_error("%d threads after %s\n", now.threads, after);
    assert_int_equal(now.threads, h->threads);
}

/* What goes to stdout and stderr meanwhile goes to a file. */
static int kept[2], paper = -1;

static void output_catch(void)
{
    char path[] = "/tmp/stint.quiet.XXXXXX";
    fflush(NULL);
    paper = mkstemp(path);
    assert_true(paper >= 0);
    unlink(path);
    for (int fd = 0; fd < 2; fd++) {
        kept[fd] = dup(fd + 1);
        assert_true(kept[fd] >= 0 && dup2(paper, fd + 1) >= 0);
    }
}

/* What was printed; then it is printed again. */
static void output_release(char text[static 2000])
{
    fflush(NULL);
    ssize_t n = pread(paper, text, 1999, 0);
    text[n > 0 ? n : 0] = '\0';
    for (int fd = 0; fd < 2; fd++) {
        dup2(kept[fd], fd + 1);
        close(kept[fd]);
    }
    close(paper);
    paper = -1;
}

/* After a test that failed: what it had to say of that. */
static int output_show(void **state)
{
    char text[2000] = "";
    (void)state;
    if (paper >= 0)
        output_release(text);
    print_error("%s", text);
    return 0;
}

/* ---- Calls -------------------------------------------------------------- */

/* A call is to end so; then the house is as it was. */
#define CALL(house, wanted, x)                                                 \
    do {                                                                       \
        struct stint_err err = {0};                                            \
        (void)!(x);                                                            \
        if (err.code != (wanted))                                              \
            print_error("%s: %s\n", #x, err.text);                             \
        assert_int_equal(err.code, wanted);                                    \
        house_is(house, #x);                                                   \
    } while (0)

static stint *open_at(const char *url, struct stint_err *err)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    o.url = url;
    o.timeout_s = 0.3;
    return stint_open(&o, err);
}

static int queue(stint *s, const char *function, const char *id,
                 const char *depends, struct stint_err *err)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    o.function = function;
    o.id = id;
    o.depends_on = depends;
    return stint_queue_task(s, &o, NULL, NULL, err);
}

static int ignore_status(const struct stint_status *t, void *arg)
{
    (void)t, (void)arg;
    return 0;
}

static int ignore_node(const struct stint_graph_node *node, void *arg)
{
    (void)node, (void)arg;
    return 0;
}

static int ignore_stats(const struct stint_stats *t, void *arg)
{
    (void)t, (void)arg;
    return 0;
}

static int ignore_worker(const struct stint_worker_status *w, void *arg)
{
    (void)w, (void)arg;
    return 0;
}

static void opens(const struct house *h)
{
    char wrong[160];
    snprintf(wrong, sizeof(wrong), "unix://u:wrong@%s",
             server.url + strlen("unix://"));
    CALL(h, STINT_INVALID, open_at("http://nowhere", &err));
    CALL(h, STINT_INVALID, open_at("redis://:no@port:x", &err));
    CALL(h, STINT_UNREACHABLE, open_at("redis://127.0.0.1:1", &err));
    CALL(h, STINT_UNREACHABLE, open_at("unix:///nowhere", &err));
    CALL(h, STINT_UNREACHABLE, open_at("redis+cluster://127.0.0.1:1", &err));
    CALL(h, STINT_AUTH, open_at(wrong, &err));
}

static void changes(const struct house *h, stint *s)
{
    CALL(h, STINT_OK, queue(s, "f", "a", NULL, &err));
    CALL(h, STINT_OK, queue(s, "f", "b", "[\"a\"]", &err));
    CALL(h, STINT_EXISTS, queue(s, "f", "a", NULL, &err));
    CALL(h, STINT_INVALID, queue(s, "no blanks", "c", NULL, &err));
    CALL(h, STINT_INVALID, queue(s, "f", "c", "[\"", &err));
    CALL(h, STINT_NOT_FOUND, queue(s, "f", "c", "[\"nobody\"]", &err));
    CALL(h, STINT_OK, stint_disable_task(s, NULL, "a", &err));
    CALL(h, STINT_OK, stint_enable_task(s, "main", "a", &err));
    CALL(h, STINT_OK, stint_stop_task(s, NULL, "a", &err));
    CALL(h, STINT_STATE, stint_stop_task(s, NULL, "a", &err));
    CALL(h, STINT_OK, stint_requeue_task(s, NULL, "a", 0, &err));
    CALL(h, STINT_NOT_FOUND, stint_delete_task(s, NULL, "nobody", &err));
    CALL(h, STINT_INVALID, stint_set_parts(s, "main", 0, &err));
    CALL(h, STINT_STATE, stint_set_parts(s, "main", 2, &err));
    CALL(h, STINT_INVALID, stint_command(s, "sing", NULL, NULL, NULL, NULL,
                                         &err));
    CALL(h, STINT_NOT_FOUND, stint_command(s, "kill", NULL, NULL, NULL, NULL,
                                           &err));
    CALL(h, STINT_OK, stint_forget_group(s, "main", NULL, &err));
}

static void status_look(stint *s, const char *id, struct stint_err *err)
{
    stint_status_free(stint_task_status(s, NULL, id, STINT_WITH_RUNS, err));
}

static void looks(const struct house *h, stint *s)
{
    const char *ids[] = {"a"}, *nobody[] = {"nobody"};
    struct stint_server_usage u = STINT_SERVER_USAGE_INIT;
    struct stint_why why;
    size_t n;
    CALL(h, STINT_OK, (status_look(s, "a", &err), 0));
    CALL(h, STINT_NOT_FOUND, (status_look(s, "nobody", &err), 0));
    CALL(h, STINT_OK, stint_list(s, NULL, ignore_status, NULL, &err));
    CALL(h, STINT_OK, stint_why(s, NULL, "a", &why, &err));
    CALL(h, STINT_OK, stint_graph(s, NULL, "a", 0, ignore_node, NULL, &err));
    CALL(h, STINT_OK, stint_workers(s, ignore_worker, NULL, &err));
    CALL(h, STINT_OK, stint_stats(s, NULL, ignore_stats, NULL, &err));
    CALL(h, STINT_OK, stint_fsck(s, NULL, NULL, NULL, NULL, &err));
    CALL(h, STINT_OK, stint_server_usage(s, &u, &err));
    CALL(h, STINT_TIMEOUT, stint_wait(s, NULL, ids, 1, 0.01, NULL, NULL, &n,
                                      &err));
    CALL(h, STINT_NOT_FOUND, stint_wait(s, NULL, nobody, 1, 1, NULL, NULL, &n,
                                        &err));
}

static void gone(const struct house *h, stint *s)
{
    server_kill(&server);
    CALL(h, STINT_UNREACHABLE, queue(s, "f", "d", NULL, &err));
    CALL(h, STINT_UNREACHABLE, (status_look(s, "a", &err), 0));
    CALL(h, STINT_UNREACHABLE, stint_list(s, NULL, ignore_status, NULL, &err));
    server_restart(&server);
    CALL(h, STINT_OK, queue(s, "f", "d", NULL, &err));
}

static void cron(const char *expression, struct stint_err *err)
{
    struct stint_cron_options o = STINT_CRON_OPTIONS_INIT;
    struct stint_cron_time t;
    o.expression = expression;
    (void)!stint_cron_next(&o, &t, 1, err);
}

static void worker(const char *url, const char *config, const char *function,
                   struct stint_err *err)
{
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    o.url = url;
    o.config_path = config;
    stint_worker *w = stint_worker_new(&o, err);
    if (w != NULL)
        (void)!stint_worker_register(w, function, NULL, NULL, NULL, err);
    stint_worker_free(w);
}

static void without_redis(const struct house *h)
{
    CALL(h, STINT_OK, (cron("@hourly", &err), 0));
    CALL(h, STINT_INVALID, (cron("61 * * * *", &err), 0));
    CALL(h, STINT_INVALID, (cron("0 0 30 2 *", &err), 0));
    CALL(h, STINT_INVALID, (worker(NULL, "/nowhere", "f", &err), 0));
    CALL(h, STINT_INVALID, (worker(server.url, NULL, "f", &err), 0));
}

static void embedded(const struct house *h)
{
    struct stint_embedded_status st;
    CALL(h, STINT_OK, stint_embedded_stop(&err));
    CALL(h, STINT_OK, (stint_close(open_at(NULL, &err)), 0));
    CALL(h, STINT_OK, stint_embedded_status(&st, &err));
    CALL(h, STINT_OK, stint_embedded_stop(&err));
}

/* Signals are at their defaults, so a SIGPIPE would end it. */
static void a_guest_leaves_everything_alone(void **state)
{
    struct house house;
    char printed[2000];
    (void)state;
    house_look(&house);
    output_catch();
    opens(&house);
    stint *s;
    CALL(&house, STINT_OK, s = open_at(server.url, &err));
    changes(&house, s);
    looks(&house, s);
    gone(&house, s);
    stint_close(s);
    without_redis(&house);
    embedded(&house);
    house_is(&house, "all of it");
    output_release(printed);
    assert_string_equal(printed, "");
}

static int setup(void **state)
{
    char home[100];
    (void)state;
    server_start(&server);
    snprintf(home, sizeof(home), "%s/home", server.dir);
    setenv("STINT_HOME", home, 1);
    unsetenv("STINT_URL");
    return 0;
}

static int teardown(void **state)
{
    struct stint_err err = {0};
    (void)state;
    int rc = stint_embedded_stop(&err);
    server_stop(&server);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_guest_leaves_everything_alone, output_show),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
