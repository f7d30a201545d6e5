/* SPDX-License-Identifier: MIT */
#include "children_fixture.h"

#include <dirent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "children.h"
#include "clock.h"

static int fds_count(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static char *copy(const char *s, size_t len)
{
    return s != NULL ? strndup(s, len) : NULL;
}

static void on_done(struct run *run, const struct run_result *r, void *arg)
{
    struct job *j = (struct job *)run;
    struct fixture *f = arg;
    assert_null(run->slot);
    assert_false(j->is_done);
    assert_true(r->outcome == RUN_COMPLETED || r->error != NULL);
    j->is_done = 1;
    j->end_ms = clock_mono_ms();
    j->r = *r;
    j->result = copy(r->result, r->result_len);
    j->output = copy(r->output, r->output_len);
    j->error = copy(r->error, ERROR_BYTES_MAX);
    j->tail = copy(r->stderr_tail, 4000);
    if (--f->n_open == 0)
        event_base_loopbreak(f->base);
}

static void on_progress(struct run *run, void *arg)
{
    (void)run;
    ((struct fixture *)arg)->n_progress++;
}

static void on_log(enum stint_log_level level, const char *line, void *arg)
{
    struct fixture *f = arg;
    buf_printf(&f->log, "%d %s\n", (int)level, line);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    event_base_loopbreak(((struct fixture *)arg)->base);
}

/* A pool of the helper, or of C functions (mode NULL). */
struct child_pool *pool_add(struct fixture *f, const char *mode,
                                   const char *note, int processes)
{
    struct child_pool *p = &f->pools[f->n_pools];
    char **argv = f->argv[f->n_pools];
    memset(p, 0, sizeof(*p));
    argv[0] = (char *)(uintptr_t)CHILD_HELPER;
    argv[1] = (char *)(uintptr_t)mode;
    argv[2] = (char *)(uintptr_t)note;
    argv[3] = NULL;
    p->argv = mode != NULL ? argv : NULL;
    p->processes = processes;
    f->list[f->n_pools++] = p;
    return p;
}

void begin(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    buf_init(&f->log, 1 << 20);
    f->to_log = (struct log){on_log, f, NULL};
    f->n_fds = fds_count();
}

void go(struct fixture *f)
{
    struct stint_err err = {STINT_OK, ""};
    f->base = event_base_new();
    struct executor_options o = {.base = f->base,
                                 .grace_ms = GRACE_MS,
                                 .worker = "w1.test",
                                 .children = children_new(f->base, "w1.test",
                                                          &err),
                                 .on_done = on_done,
                                 .on_progress = on_progress,
                                 .arg = f,
                                 .n_threads = 3,
                                 .log = &f->to_log,
                                 .pools = f->list,
                                 .n_pools = f->n_pools,
                                 .find = function_find};
    f->children = o.children;
    f->timer = evtimer_new(f->base, on_timer, f);
    f->e = children_executor_new(&o, &err);
    if (f->e == NULL)
        fail_msg("%s", err.text);
}

/* One pool of the helper. */
void setup(struct fixture *f, const char *mode, int processes)
{
    begin(f);
    pool_add(f, mode, NULL, processes);
    go(f);
}

static int has_children(void)
{
    siginfo_t si;
    memset(&si, 0, sizeof(si));
    return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void teardown(struct fixture *f)
{
    f->e->ops->close(f->e);
    children_free(f->children);
    event_free(f->timer);
    event_base_free(f->base);
    buf_close(&f->log);
    assert_int_equal(fds_count(), f->n_fds);
    assert_false(has_children());
}

void job_start(struct fixture *f, struct job *j, int pool,
                      const char *function, const char *args,
                      int64_t timeout_ms)
{
    static uint64_t fence;
    struct buf text;
    memset(j, 0, sizeof(*j));
    buf_init(&text, PAYLOAD_BYTES_MAX);
    buf_printf(&text,
               "{\"id\":\"t\",\"function\":\"%s\",\"args\":%s,\"fence\":%d,"
               "\"attempt\":2,\"vars\":{}}",
               function, args, (int)++fence);
    j->json = buf_take(&text);
    j->run.id = "t";
    j->run.function = function;
    j->run.fence = fence;
    j->run.attempt = 2;
    j->run.timeout_ms = timeout_ms;
    j->run.deadline_wall_ms = 1000000 + timeout_ms;
    j->run.json = j->json;
    j->run.json_len = strlen(j->json);
    j->run.how = f->list[pool];
    j->start_ms = clock_mono_ms();
    f->n_open++;
    f->e->ops->start(f->e, &j->run);
    assert_false(j->is_done);
}

void job_free(struct job *j)
{
    assert_true(j->is_done);
    free(j->json);
    free(j->result);
    free(j->output);
    free(j->error);
    free(j->tail);
}

/* Until all runs have ended, ms at most; a test that waits longer fails. */
void loop(struct fixture *f, int ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    evtimer_add(f->timer, &tv);
    event_base_dispatch(f->base);
    evtimer_del(f->timer);
}

void loop_all(struct fixture *f)
{
    loop(f, 20000);
    assert_int_equal(f->n_open, 0);
}

void loop_until(struct fixture *f, const int *flag)
{
    for (int i = 0; i < 1000 && !*flag; i++)
        loop(f, 10);
    assert_true(*flag);
}

void loop_until_logged(struct fixture *f, const char *text)
{
    int is_there = 0;
    for (int i = 0; i < 1000 && !is_there; i++) {
        loop(f, 10);
        is_there = f->log.len > 0 && strstr(f->log.data, text) != NULL;
    }
    assert_true(is_there);
}

void job_run(struct fixture *f, struct job *j, const char *function,
                    const char *args)
{
    job_start(f, j, 0, function, args, 60000);
    loop_all(f);
}

/* It works as if nothing had been. */
void works(struct fixture *f, int pool)
{
    struct job j;
    job_start(f, &j, pool, "pid", "[]", 60000);
    loop_all(f);
    assert_int_equal(j.r.outcome, RUN_COMPLETED);
    assert_non_null(j.result);
    job_free(&j);
}

/* How many processes have answered these. */
int pids_count(struct job *jobs, int n)
{
    int found = 0;
    for (int i = 0; i < n; i++) {
        int is_new = 1;
        for (int k = 0; k < i; k++)
            is_new &= strcmp(jobs[i].result, jobs[k].result) != 0;
        found += is_new;
    }
    return found;
}

int runs_count_pids(struct fixture *f, struct job *jobs, int n)
{
    for (int i = 0; i < n; i++)
        job_start(f, &jobs[i], 0, "pid", "[]", 60000);
    loop_all(f);
    int found = pids_count(jobs, n);
    for (int i = 0; i < n; i++)
        job_free(&jobs[i]);
    return found;
}
