/* SPDX-License-Identifier: MIT */
/* Its end and what it leaves behind are children.c's. */
#define _GNU_SOURCE /* pipe2, SOCK_CLOEXEC, wait4 */
#include "resident.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "executor.h"
#include "err.h"
#include "log.h"
#include "nursery.h"
#include "watch.h"
#include "template.h"
#include "text.h"

#define DRAIN_READS   32   /* of what is left at the end, at most */
#define SHOWN_BYTES   400  /* of a piece of output that is of no run */

extern char **environ;

/* ---- Its environment ----------------------------------------------------- */

char **resident_env(const char *worker)
{
    const char *own[RESIDENT_ENV_OWN][2] = {{"STINT_CHILD_ID", ""},
                                   {"STINT_WORKER", worker},
                                   {"STINT_CHILD_FD", "3"},
                                   {"STINT_PROTOCOL", "1"}};
    char **inherited = env_inherit();
    size_t n = 0, to = 0;
    while (inherited != NULL && inherited[n] != NULL)
        n++;
    char **env = inherited ? calloc(RESIDENT_ENV_OWN + n + 1, sizeof(*env)) : NULL;
    for (int i = 0; env != NULL && i < RESIDENT_ENV_OWN; i++) {
        size_t len = strlen(own[i][0]) + strlen(own[i][1]) + 2;
        env[to] = malloc(len);
        check(env[to] != NULL); /* some bytes, at the start */
        snprintf(env[to++], len, "%s=%s", own[i][0], own[i][1]);
    }
    for (size_t i = 0; env != NULL && i < n; i++) {
        if (strncmp(inherited[i], "STINT_CHILD_", 12) != 0 &&
            strncmp(inherited[i], "STINT_PROTOCOL=", 15) != 0)
            env[to++] = inherited[i];
        else
            free(inherited[i]);
    }
    if (env == NULL)
        template_free(inherited);
    else
        free(inherited);
    return env;
}

/* ---- What it writes ------------------------------------------------------ */

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void resident_listen(struct resident *r)
{
    resident_ignore(r);
    r->listens = 1;
}

void resident_ignore(struct resident *r)
{
    if (r->has_capture)
        capture_close(&r->capture);
    r->has_capture = r->listens = 0;
}

struct capture *resident_capture(struct resident *r)
{
    if (!r->has_capture)
        capture_init(&r->capture);
    r->has_capture = 1;
    return &r->capture;
}

/* Nobody's run: for who looks for its author. */
static void output_log(struct resident *r, const char *data, size_t len)
{
    struct buf text;
    buf_init(&text, SHOWN_BYTES * 3);
    if (text_clean(&text, data, len < SHOWN_BYTES ? len : SHOWN_BYTES) == 0) {
        while (text.len > 0 && strchr("\r\n ", text.data[text.len - 1]))
            text.data[--text.len] = '\0';
        if (text.len > 0)
            log_debug(r->home->log, log_event("child"),
                      log_n("pid", r->kid.pid), log_text("wrote", text.data));
    }
    buf_close(&text);
}

/* One bounded read. 0: nothing more for now, or the end. */
static int output_read(struct resident *r, int which)
{
    char *data = r->home->scratch;
    if (r->out_fd[which] < 0)
        return 0;
    ssize_t n = read(r->out_fd[which], data, FRAME_READ);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        event_del(&r->on_out[which]);
        fd_close(&r->out_fd[which]);
        return 0;
    }
    if (r->listens)
        capture_add(resident_capture(r), which, data, (size_t)n);
    else
        output_log(r, data, (size_t)n);
    return n == FRAME_READ;
}

static void output_drain(struct resident *r, int which)
{
    for (int n = 0; n < DRAIN_READS && output_read(r, which); n++)
        continue;
}

void resident_drain(struct resident *r)
{
    output_drain(r, PIPE_OUT);
    output_drain(r, PIPE_ERR);
}

static void resident_on_out(evutil_socket_t fd, short what, void *arg)
{
    struct resident *r = arg;
    (void)what;
    output_read(r, fd == r->out_fd[PIPE_OUT] ? PIPE_OUT : PIPE_ERR);
}

/* ---- What it says -------------------------------------------------------- */

static void frames_take(struct resident *r)
{
    struct stint_err err = {STINT_OK, ""};
    const char *text, *type;
    size_t len;
    int rc = 0;
    while (r->fault[0] == '\0') {
        rc = frames_next(&r->frames, &text, &len, &err);
        struct json_t *frame =
            rc > 0 ? frame_parse(text, len, &type, &err) : NULL;
        if (frame == NULL)
            break;
        r->home->on_frame(r, type, frame, text);
        json_decref(frame);
    }
    if (err.code != STINT_OK)
        resident_break(r, err.text);
}

static void socket_end(struct resident *r)
{
    r->at_eof = 1;
    event_del(&r->on_socket);
    r->home->on_silent(r);
}

/* 0: nothing more for now, or the end. */
static int socket_read(struct resident *r)
{
    if (r->at_eof || r->fault[0] != '\0')
        return 0;
    ssize_t n = recv(r->fd, r->home->scratch, FRAME_READ, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        r->unread |= n < 0 && errno == ECONNRESET;
        socket_end(r);
        return 0;
    }
    check(frames_add(&r->frames, r->home->scratch, (size_t)n) == 0);
    frames_take(r);
    return 1;
}

static void resident_on_socket(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    socket_read(arg);
}

/* ---- What it is told ----------------------------------------------------- */

/* How much of it went; an error other than "no room" will be seen as the end
 * of the socket. */
static size_t socket_write(struct resident *r, const char *data, size_t len)
{
    ssize_t n = send(r->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0)
        return (size_t)n;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    r->unread = 1;
    return len;
}

static void resident_on_room(evutil_socket_t fd, short what, void *arg)
{
    struct resident *r = arg;
    (void)fd, (void)what;
    size_t n = socket_write(r, r->unsent.data, r->unsent.len);
    r->unsent.len -= n;
    memmove(r->unsent.data, r->unsent.data + n, r->unsent.len);
    if (r->unsent.len > 0)
        return;
    buf_close(&r->unsent);
    event_del(&r->on_room);
}

void resident_send(struct resident *r, const struct buf *frame)
{
    size_t n = 0;
    if (r->fd < 0)
        return;
    if (r->unsent.len == 0)
        n = socket_write(r, frame->data, frame->len);
    if (n == frame->len)
        return;
    if (buf_add(&r->unsent, frame->data + n, frame->len - n) < 0)
        resident_break(r, "it does not read its frames");
    else
        watch_add(&r->on_room);
}

int64_t resident_rss(const struct resident *r)
{
    char path[40];
    long size, pages = 0;
    snprintf(path, sizeof(path), "/proc/%ld/statm", (long)r->kid.pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%ld %ld", &size, &pages) != 2)
        pages = 0;
    fclose(f);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

/* ---- Its end ------------------------------------------------------------- */

void resident_kill(struct resident *r)
{
    children_kill(r->home->children, &r->kid);
}

void resident_break(struct resident *r, const char *why)
{
    if (r->fault[0] == '\0')
        snprintf(r->fault, sizeof(r->fault), "%s", why);
    if (r->has_events)
        event_del(&r->on_socket); /* nothing is taken from it any more */
    resident_kill(r);
    r->home->on_silent(r);
}

static void resident_on_exit(struct kid *kid)
{
    struct resident *r = (struct resident *)kid;
    if (wait4(kid->pid, &r->status, 0, &r->usage) != kid->pid)
        r->status = -1;
    kid->pid = 0; /* may be anybody's from now on */
    for (int n = 0; n < DRAIN_READS && socket_read(r); n++)
        continue;
    resident_drain(r);
    if (r->fault[0] == '\0' && kid->was_oom)
        snprintf(r->fault, sizeof(r->fault), "killed by the memory limit of "
                 "its cgroup");
    if (r->fault[0] == '\0' && frames_left(&r->frames) > 0)
        snprintf(r->fault, sizeof(r->fault), "it ended within a frame");
    if (r->has_capture)
        capture_end(&r->capture);
}

/* Closes what is open. */
static void resident_release(struct resident *r)
{
    if (r->has_events) {
        event_del(&r->on_socket);
        event_del(&r->on_room);
        for (int i = 0; i <= PIPE_ERR; i++)
            if (r->out_fd[i] >= 0)
                event_del(&r->on_out[i]);
    }
    r->has_events = 0;
    fd_close(&r->fd);
    for (int i = 0; i <= PIPE_ERR; i++)
        fd_close(&r->out_fd[i]);
    frames_close(&r->frames);
    buf_close(&r->unsent);
}

static void resident_on_gone(struct kid *kid)
{
    struct resident *r = (struct resident *)kid;
    resident_release(r);
    r->is_up = 0;
    r->home->on_gone(r);
}

static int has_exited(pid_t pid)
{
    siginfo_t si;
    memset(&si, 0, sizeof(si));
    return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
           si.si_pid == pid;
}

int resident_close(struct resident *r, int must)
{
    if (!r->is_up)
        return 1;
    resident_drain(r);
    if (r->kid.pid > 0 && !must && !has_exited(r->kid.pid))
        return 0;
    children_finish(r->home->children, &r->kid);
    resident_release(r);
    r->is_up = 0;
    return 1;
}

/* ---- Its start ----------------------------------------------------------- */

static void events_add(struct resident *r)
{
    struct event_base *base = r->home->base;
    event_assign(&r->on_socket, base, r->fd, EV_READ | EV_PERSIST,
                 resident_on_socket, r);
    event_assign(&r->on_room, base, r->fd, EV_WRITE | EV_PERSIST,
                 resident_on_room, r);
    for (int i = 0; i <= PIPE_ERR; i++) {
        event_assign(&r->on_out[i], base, r->out_fd[i], EV_READ | EV_PERSIST,
                     resident_on_out, r);
        watch_add(&r->on_out[i]);
    }
    watch_add(&r->on_socket);
    r->has_events = 1;
}

/* Ours stay here, theirs are to be closed in any case. */
static int ends_make(struct resident *r, int theirs[N_PIPES])
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    r->fd = ends[0];
    theirs[PIPE_RESULT] = ends[1];
    for (int i = 0; i <= PIPE_ERR; i++) {
        if (pipe2(ends, O_CLOEXEC) < 0)
            return -1;
        r->out_fd[i] = ends[0];
        theirs[i] = ends[1];
        if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
            return -1;
    }
    if (r->how->argv == NULL)
        return 0;
    theirs[PIPE_IN] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return theirs[PIPE_IN] < 0 ? -1 : 0;
}

/* The child's socket is the descriptor 3, where programs write results. */
static pid_t program_start(struct resident *r, const int theirs[N_PIPES],
                           const char **step)
{
    const struct confine *confine = &r->how->confine;
    char *const *home = r->home->env;
    char **env = calloc(confine_env_max(confine, home) + RESIDENT_ENV_OWN + 1,
                        sizeof(*env));
    char *path = child_path_find(r->how->argv[0]);
    struct child c = {.argv = r->how->argv,
                      .env = env,
                      .path = path,
                      .cgroup_fd = r->kid.cgroup.procs_fd,
                      .mark = r->kid.mark,
                      .confine = confine};
    pid_t pid = -1;
    memcpy(c.fds, theirs, sizeof(c.fds));
    if (env != NULL) { /* its own, and what it may inherit */
        env[0] = r->entry;
        memcpy(env + 1, home + 1, (RESIDENT_ENV_OWN - 1) * sizeof(*env));
        confine_env(confine, home + RESIDENT_ENV_OWN, env + RESIDENT_ENV_OWN);
    }
    if (env != NULL && path != NULL)
        pid = child_start(&c, step);
    int code = errno;
    free(env);
    free(path);
    errno = code;
    return pid;
}

static pid_t resident_fork(struct resident *r, const char **step)
{
    int theirs[N_PIPES] = {-1, -1, -1, -1}, code;
    pid_t pid = -1;
    if (ends_make(r, theirs) == 0)
        pid = r->how->argv != NULL
                  ? program_start(r, theirs, step)
                  : nursery_fork(r->home->nursery, &r->kid, r->entry,
                                 &r->how->confine, theirs);
    code = errno;
    for (int i = 0; i < N_PIPES; i++)
        fd_close(&theirs[i]);
    errno = code;
    return pid;
}

static void start_explain(struct resident *r, const char *step,
                          const char *why)
{
    const char *name = r->how->argv != NULL ? r->how->argv[0] : "C functions";
    if (r->how->argv == NULL && r->home->nursery->is_lost)
        snprintf(r->fault, sizeof(r->fault), "the process that forks for C "
                 "functions is gone: the worker is to be restarted");
    else
        snprintf(r->fault, sizeof(r->fault), "cannot run %.70s: %.60s%s%.60s",
                 name, step != NULL ? step : "", step != NULL ? ": " : "",
                 why);
}

static void resident_init(struct resident *r)
{
    struct resident_home *home = r->home;
    r->kid.entry = r->entry;
    r->kid.on_exit = resident_on_exit;
    r->kid.on_gone = resident_on_gone;
    r->fd = -1;
    r->out_fd[PIPE_OUT] = r->out_fd[PIPE_ERR] = -1;
    r->fault[0] = '\0';
    r->status = -1;
    r->at_eof = r->unread = 0;
    frames_init(&r->frames);
    buf_init(&r->unsent, 2 * (FRAME_HEAD + FRAME_BYTES_MAX));
    snprintf(r->entry, sizeof(r->entry), "STINT_CHILD_ID=%s.%ju", home->worker,
             (uintmax_t)++home->n_started);
}

int resident_start(struct resident *r)
{
    struct children *children = r->home->children;
    struct stint_err err = {STINT_OK, ""};
    const char *step = NULL;
    pid_t pid = -1;
    resident_init(r);
    if (children_prepare(children, &r->kid, &r->how->confine.cgroup, &err) < 0)
        snprintf(r->fault, sizeof(r->fault), "%.190s", err.text);
    else
        pid = resident_fork(r, &step);
    if (pid < 0) {
        if (r->fault[0] == '\0')
            start_explain(r, step, strerror(errno));
        children_finish(children, &r->kid);
        resident_release(r);
        return -1;
    }
    r->kid.pid = pid;
    r->is_up = 1;
    resident_listen(r);
    events_add(r);
    children_add(children, &r->kid);
    return 0;
}
