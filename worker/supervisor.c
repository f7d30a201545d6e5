/* SPDX-License-Identifier: MIT */
/* A worker in a child process, and another one when it dies: a C function that
 * crashes takes one worker with it and not the service. How it died (signal or
 * exit status, most memory, the last lines on stderr) goes to Redis at once,
 * with its tasks, which need not wait for the lease to end. */
#define _GNU_SOURCE /* pipe2, wait4, sigabbrev_np */
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bounds.h"
#include "buf.h"
#include "clock.h"
#include "conf.h"
#include "err.h"
#include "log.h"
#include "part.h"
#include "script.h"
#include "store.h"
#include "text.h"
#include "worker.h"

#define TAIL_BYTES     2000  /* of stderr, kept as evidence */
#define HELLO_BYTES    16384 /* name and groups of a worker */
#define BACK_OFF_MIN_MS 200
#define BACK_OFF_MAX_MS 30000
#define WAS_WELL_MS    60000 /* after so long the next death is a first one */
#define RECOVER_CALLS  100   /* for a group; the reaper does the rest */

struct stint_supervisor {
    struct stint_worker_options o; /* what it points to is the caller's */
    struct log log;
    volatile pid_t pid;            /* of the worker's process; 0: none */
    stint_worker *volatile worker; /* in that process */
    volatile sig_atomic_t stops;
};

/* What is known of one worker's life. */
struct life {
    int64_t started_ms;
    int hello_fd, stderr_fd, pid_fd;
    char hello[HELLO_BYTES + 1];
    size_t hello_len;
    char tail[TAIL_BYTES];
    size_t tail_len;
    int status;
    struct rusage usage;
};

stint_supervisor *stint_supervisor_new(const struct stint_worker_options *o,
                                       struct stint_err *err)
{
    stint_supervisor *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    s->o = (struct stint_worker_options)STINT_WORKER_OPTIONS_INIT;
    memcpy(&s->o, o, o->size < sizeof(s->o) ? o->size : sizeof(s->o));
    s->o.size = sizeof(s->o);
    s->log = (struct log){s->o.log, s->o.log_arg, NULL};
    return s;
}

void stint_supervisor_free(stint_supervisor *s)
{
    free(s);
}

void stint_supervisor_stop(stint_supervisor *s)
{
    int saved = errno;
    s->stops++;
    if (s->worker != NULL)
        stint_worker_stop(s->worker);
    else if (s->pid > 0)
        kill(s->pid, SIGTERM);
    errno = saved;
}

void stint_supervisor_reload(stint_supervisor *s)
{
    int saved = errno;
    if (s->worker != NULL)
        stint_worker_reload(s->worker);
    else if (s->pid > 0)
        kill(s->pid, SIGHUP);
    errno = saved;
}

/* ---- In the child --------------------------------------------------------- */

static void hello_say(int fd, const char *what, const char *text)
{
    dprintf(fd, "%s %s\n", what, text);
}

static void hello_fail(int fd, const struct stint_err *err)
{
    dprintf(fd, "E %d %s\n", (int)err->code, err->text);
}

static int life_child(stint_supervisor *s, int hello_fd)
{
    struct stint_err err = {0};
    stint_worker *w = stint_worker_new(&s->o, &err);
    if (w == NULL) {
        hello_fail(hello_fd, &err);
        return 1;
    }
    hello_say(hello_fd, "W", worker_name_of(w));
    for (int i = 0; worker_group_of(w, i) != NULL; i++)
        hello_say(hello_fd, "G", worker_group_of(w, i));
    worker_hello_to(w, hello_fd);
    s->worker = w;
    for (int i = 0; i < s->stops; i++)
        stint_worker_stop(w); /* asked for while we were being made */
    int rc = stint_worker_run(w, &err);
    if (rc != 0)
        hello_fail(hello_fd, &err);
    s->worker = NULL;
    stint_worker_free(w);
    return rc != 0;
}

static void life_become(stint_supervisor *s, int hello_fd, int stderr_fd,
                        pid_t parent)
{
    /* In a group of its own: Ctrl-C comes through the supervisor, once. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    dup2(stderr_fd, STDERR_FILENO);
    s->pid = 0;
    int status = life_child(s, hello_fd);
    fflush(stderr);
    _exit(status);
}

/* ---- Watching -------------------------------------------------------------- */

static int life_begin(stint_supervisor *s, struct life *l,
                      struct stint_err *err)
{
    int hello[2], errors[2];
    pid_t parent = getpid();
    *l = (struct life){.started_ms = clock_mono_ms(), .pid_fd = -1};
    if (pipe2(hello, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    if (pipe2(errors, O_CLOEXEC) < 0) {
        close(hello[0]);
        close(hello[1]);
        return err_errno(err, "pipe");
    }
    s->pid = fork();
    if (s->pid == 0) {
        close(hello[0]);
        close(errors[0]);
        life_become(s, hello[1], errors[1], parent);
    }
    close(hello[1]);
    close(errors[1]);
    l->hello_fd = hello[0];
    l->stderr_fd = errors[0];
    if (s->pid < 0) {
        close(hello[0]);
        close(errors[0]);
        return err_errno(err, "fork");
    }
    for (int i = 0; i < s->stops; i++)
        kill(s->pid, SIGTERM); /* came while there was no process */
    l->pid_fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
    return 0;
}

static void tail_keep(struct life *l, const char *data, size_t len)
{
    if (len > TAIL_BYTES) {
        data += len - TAIL_BYTES;
        len = TAIL_BYTES;
    }
    size_t keep = TAIL_BYTES - len;
    if (l->tail_len > keep) {
        memmove(l->tail, l->tail + l->tail_len - keep, keep);
        l->tail_len = keep;
    }
    memcpy(l->tail + l->tail_len, data, len);
    l->tail_len += len;
}

/* One read of each; what it writes on stderr goes on to ours. -1: both have
 * ended. */
static int life_read(struct life *l, int timeout_ms)
{
    char data[4096];
    struct pollfd fds[3] = {{l->pid_fd, POLLIN, 0},
                            {l->hello_fd, POLLIN, 0},
                            {l->stderr_fd, POLLIN, 0}};
    if (poll(fds, 3, timeout_ms) < 0)
        return 0; /* a signal */
    if (fds[1].revents != 0) {
        ssize_t n = read(l->hello_fd, l->hello + l->hello_len,
                         HELLO_BYTES - l->hello_len);
        if (n > 0)
            l->hello_len += (size_t)n;
        else if (n == 0 || errno != EINTR)
            l->hello_fd = (close(l->hello_fd), -1);
    }
    if (fds[2].revents != 0) {
        ssize_t n = read(l->stderr_fd, data, sizeof(data));
        if (n > 0) {
            ssize_t gone = write(STDERR_FILENO, data, (size_t)n);
            (void)gone;
            tail_keep(l, data, (size_t)n);
        } else if (n == 0 || errno != EINTR) {
            l->stderr_fd = (close(l->stderr_fd), -1);
        }
    }
    return fds[0].revents != 0;
}

/* Until it has died; then what is left in the pipes. */
static void life_watch(stint_supervisor *s, struct life *l)
{
    pid_t dead = 0;
    while (dead == 0) {
        int maybe = life_read(l, l->pid_fd >= 0 ? 1000 : 100);
        if (maybe || l->pid_fd < 0)
            dead = wait4(s->pid, &l->status, WNOHANG, &l->usage);
    }
    s->pid = 0;
    for (int i = 0; i < 64 && (l->hello_fd >= 0 || l->stderr_fd >= 0); i++)
        life_read(l, 5);
    l->hello[l->hello_len] = '\0';
    if (l->pid_fd >= 0)
        close(l->pid_fd);
    if (l->hello_fd >= 0)
        close(l->hello_fd);
    if (l->stderr_fd >= 0)
        close(l->stderr_fd);
}

/* The n-th line of what the child said of itself that begins with `what`. */
static int hello_line(const struct life *l, char what, int n, char *text,
                      size_t cap)
{
    for (const char *p = l->hello; *p != '\0';) {
        size_t len = strcspn(p, "\n");
        if (p[0] == what && len > 2 && n-- == 0) {
            snprintf(text, cap, "%.*s", (int)(len - 2), p + 2);
            return 1;
        }
        p += len + (p[len] == '\n');
    }
    return 0;
}

/* ---- Telling Redis --------------------------------------------------------- */

static void life_describe(const struct life *l, char text[static 80])
{
    if (WIFEXITED(l->status)) {
        snprintf(text, 80, "exit status %d", WEXITSTATUS(l->status));
    } else {
        const char *name = sigabbrev_np(WTERMSIG(l->status));
        snprintf(text, 80, "killed by signal %d (%s%s)", WTERMSIG(l->status),
                 name != NULL ? "SIG" : "", name != NULL ? name : "?");
    }
}

/* {"how":"…", …}: recover.lua relies on "how" being the first. */
static char *life_evidence(const struct life *l, const char *how)
{
    struct buf text;
    json_t *o = json_object();
    json_object_set_new(o, "how", json_string(how));
    if (WIFEXITED(l->status))
        json_object_set_new(o, "exit_status",
                            json_integer(WEXITSTATUS(l->status)));
    else
        json_object_set_new(o, "signal", json_integer(WTERMSIG(l->status)));
    json_object_set_new(o, "max_rss_kb", json_integer(l->usage.ru_maxrss));
    buf_init(&text, 3 * TAIL_BYTES + 1);
    if (l->tail_len > 0 && text_clean(&text, l->tail, l->tail_len) == 0)
        json_object_set_new(o, "stderr", json_stringn(text.data, text.len));
    char *json = json_write(o, JSON_COMPACT);
    buf_close(&text);
    json_decref(o);
    return json;
}

struct recovery {
    int64_t moved;
    int more, failed;
};

static void on_recovered(const struct redisReply *reply,
                         const struct stint_err *err, void *arg)
{
    struct recovery *r = arg;
    (void)err;
    r->failed = reply == NULL;
    r->more = reply_i64(reply, 2) == 1;
    r->moved += reply_i64(reply, 1);
}

static void part_recover(stint_supervisor *s, struct script_caller *caller,
                         const char *group, const char *worker,
                         const char *evidence)
{
    struct recovery r = {.more = 1};
    int tries = 0;
    for (int i = 0; i < RECOVER_CALLS && r.more; i++) {
        struct args a;
        args_init(&a);
        args_add_i64(&a, REAP_TASKS_MAX);
        args_add_i64(&a, 0);
        args_add_str(&a, worker);
        args_add_str(&a, evidence);
        script_call(caller, SCRIPT_RECOVER, group, &a, on_recovered, &r);
        caller->store->ops->wait(caller->store);
        args_close(&a);
        if (r.failed && ++tries < 3)
            r.more = 1; /* functions were missing, or the like */
    }
    if (r.moved > 0)
        log_info(&s->log, log_event("recover"), log_text("group", group),
                 log_n("tasks", r.moved), log_text("worker", worker));
    if (r.failed)
        log_warn(&s->log, log_event("recover"), log_text("group", group),
                 log_text("worker", worker),
                 log_text("error", "its tasks wait for its lease to end"));
}

static void on_parts(const struct redisReply *reply,
                     const struct stint_err *err, void *arg)
{
    int *parts = arg;
    (void)err; /* the reaper does what is missed here */
    *parts = reply_i64(reply, 2) > 0 ? (int)reply_i64(reply, 2) : 1;
}

static void group_recover(stint_supervisor *s, struct script_caller *caller,
                          const char *group, const char *worker,
                          const char *evidence)
{
    int parts = 1;
    struct args a;
    args_init(&a);
    args_add_str(&a, "see");
    args_add_str(&a, "-");
    script_call(caller, SCRIPT_SET_PARTS, group, &a, on_parts, &parts);
    caller->store->ops->wait(caller->store);
    args_close(&a);
    for (int k = 0; k < parts && k < PARTS_MAX; k++) {
        char name[STINT_NAME_LEN + 1];
        part_name(name, group, k);
        part_recover(s, caller, name, worker, evidence);
    }
}

/* The dead worker leaves the fleet's registry; if it led, another may. */
static void worker_forget(struct script_caller *caller, const char *worker)
{
    struct recovery r = {0};
    struct args a;
    args_init(&a);
    args_add_str(&a, worker);
    args_add_str(&a, "{}");
    args_add_str(&a, "0");
    script_call(caller, SCRIPT_FLEET_HEARTBEAT, NULL, &a, on_recovered, &r);
    caller->store->ops->wait(caller->store);
    args_close(&a);
}

static void life_recover(stint_supervisor *s, const struct life *l,
                         const char *how)
{
    struct stint_err err = {0};
    struct conf conf;
    char worker[STINT_NAME_LEN + 1], group[STINT_NAME_LEN + 1];
    if (!hello_line(l, 'W', 0, worker, sizeof(worker)))
        return; /* it never was one */
    struct store *store = conf_resolve(&conf, s->o.url, &err) == 0
                              ? store_sync_open(&conf, CALL_DEADLINE_MS, &err)
                              : NULL;
    char *evidence = life_evidence(l, how);
    if (store == NULL || evidence == NULL) {
        log_warn(&s->log, log_event("recover"), log_text("worker", worker),
                 log_text("error", err.text),
                 log_text("text", "its tasks wait for its lease to end"));
    } else {
        struct script_caller caller;
        script_caller_init(&caller, store, s->o.name_space);
        for (int i = 0; hello_line(l, 'G', i, group, sizeof(group)); i++)
            group_recover(s, &caller, group, worker, evidence);
        worker_forget(&caller, worker);
    }
    if (store != NULL)
        store->ops->close(store);
    free(evidence);
}

/* ---- Life after life -------------------------------------------------------- */

/* What the child could not do, if it said so. */
static int life_error(const struct life *l, struct stint_err *err)
{
    char text[STINT_ERROR_LEN + 24], *why;
    if (!hello_line(l, 'E', 0, text, sizeof(text)))
        return 0;
    enum stint_code code = (enum stint_code)strtol(text, &why, 10);
    err_set(err, code, "%s", *why == ' ' ? why + 1 : why);
    return -1;
}

static void pause_ms(const stint_supervisor *s, int64_t ms)
{
    int64_t until_ms = clock_mono_ms() + ms;
    while (s->stops == 0 && clock_mono_ms() < until_ms)
        poll(NULL, 0, 50);
}

int stint_supervisor_run(stint_supervisor *s, struct stint_err *err)
{
    int64_t back_off_ms = BACK_OFF_MIN_MS;
    for (int lives = 0;; lives++) {
        struct life l;
        char how[80];
        if (life_begin(s, &l, err) < 0)
            return -1;
        life_watch(s, &l);
        int clean = WIFEXITED(l.status) && WEXITSTATUS(l.status) == 0;
        struct stint_err why = {0};
        int told = life_error(&l, &why);
        if (clean)
            return 0;
        if (told < 0 && (lives == 0 || why.code == STINT_INVALID))
            return err_set(err, why.code, "%s", why.text);
        life_describe(&l, how);
        log_error(&s->log, log_event("worker"), log_text("status", "DEAD"),
                  log_text("error", told < 0 ? why.text : how));
        if (told == 0)
            life_recover(s, &l, how);
        if (s->stops > 0)
            return err_set(err, STINT_SYSTEM, "the worker died while it was "
                           "stopping: %s", how);
        if (clock_mono_ms() - l.started_ms > WAS_WELL_MS)
            back_off_ms = BACK_OFF_MIN_MS;
        pause_ms(s, back_off_ms);
        if (s->stops > 0)
            return 0;
        back_off_ms = back_off_ms * 2 > BACK_OFF_MAX_MS ? BACK_OFF_MAX_MS
                                                        : back_off_ms * 2;
    }
}
