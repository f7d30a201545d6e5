/* SPDX-License-Identifier: MIT */
/* What a child may do and use: every limit is met by a real process, which
 * shows it or dies of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "confine.h"
#include "orphan.h"

#define OUT_MAX 8192

/* What came of a child. */
struct end {
    int status;
    char out[OUT_MAX];    /* its stdout and stderr */
    char error[300];      /* "STEP: errno" if it could not be started */
};

static char *environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                              NULL};

/* {"key": value, …} in C's quotes. Returns 1 if all keys were taken. */
static int confine_make(struct confine *c, const char *text,
                        struct stint_err *err)
{
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL), *v;
    const char *key;
    int rc = 1;

    memset(c, 0, sizeof(*c));
    memset(err, 0, sizeof(*err));
    assert_non_null(object);
    json_object_foreach(object, key, v)
        if (rc == 1)
            rc = confine_read(c, key, v, err);
    json_decref(object);
    return rc;
}

static void refused(const char *text, const char *why)
{
    struct confine c;
    struct stint_err err;

    assert_int_equal(confine_make(&c, text, &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
    assert_non_null(strstr(err.text, why));
    confine_close(&c);
}

/* Both ends of a pipe for each of the child's four. */
static void pipes_make(int ours[N_PIPES], int theirs[N_PIPES])
{
    int ends[2];

    for (int i = 0; i < N_PIPES; i++) {
        assert_int_equal(pipe(ends), 0);
        ours[i] = ends[i == PIPE_IN];
        theirs[i] = ends[i != PIPE_IN];
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    }
}

static void out_read(int fd, char *out)
{
    size_t len = 0;
    ssize_t n;

    while (len < OUT_MAX - 1 &&
           (n = read(fd, out + len, OUT_MAX - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
}

static void run_as(const struct confine *confine, const char *path,
                   char *const *argv, struct end *end)
{
    int ours[N_PIPES], theirs[N_PIPES];
    struct child c = {.argv = argv, .env = environment, .path = path,
                      .cgroup_fd = -1, .confine = confine,
                      .mark = orphan_mark_of("confine.test") | 7};
    const char *step;
    pid_t pid;

    memset(end, 0, sizeof(*end));
    pipes_make(ours, theirs);
    memcpy(c.fds, theirs, sizeof(c.fds));
    c.fds[PIPE_ERR] = theirs[PIPE_OUT];
    pid = child_start(&c, &step);
    if (pid < 0)
        snprintf(end->error, sizeof(end->error), "%s: %s",
                 step ? step : "execve", strerror(errno));
    for (int i = 0; i < N_PIPES; i++)
        close(theirs[i]);
    if (pid > 0) {
        out_read(ours[PIPE_OUT], end->out);
        assert_int_equal(waitpid(pid, &end->status, 0), pid);
    } else {
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* reaped */
        assert_int_equal(errno, ECHILD);
    }
    for (int i = 0; i < N_PIPES; i++)
        close(ours[i]);
}

static void run_sh(const char *keys, const char *script, struct end *end)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)(uintptr_t)script,
                    NULL};
    struct confine c;
    struct stint_err err;

    if (confine_make(&c, keys, &err) != 1)
        fail_msg("%s: %s", keys, err.text);
    run_as(&c, "/bin/sh", argv, end);
    confine_close(&c);
}

static void prints(const char *keys, const char *script, const char *wanted)
{
    struct end end;

    run_sh(keys, script, &end);
    assert_string_equal(end.error, "");
    assert_string_equal(end.out, wanted);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0);
}

/* ---- Reading ------------------------------------------------------------ */

static void test_refused(void **state)
{
    (void)state;
    refused("{\"nice\": 20}", "nice must be");
    refused("{\"nice\": 1.5}", "nice must be");
    refused("{\"rlimits\": 1}", "rlimits must be an object");
    refused("{\"rlimits\": {\"memory\": \"12X\"}}", "rlimits: memory must");
    refused("{\"rlimits\": {\"memory\": \"12MB\"}}", "rlimits: memory must");
    refused("{\"rlimits\": {\"memory\": \"9999999999T\"}}", "memory must");
    refused("{\"rlimits\": {\"memory\": -1}}", "rlimits: memory must");
    refused("{\"rlimits\": {\"cpu\": 0}}", "rlimits: cpu must");
    refused("{\"rlimits\": {\"files\": 4}}", "at least 5");
    refused("{\"rlimits\": {\"files\": \"5K\"}}", "rlimits: files must");
    refused("{\"rlimits\": {\"disk\": 4}}", "rlimits: unknown key \"disk\"");
    refused("{\"cwd\": \"tmp\"}", "cwd must be an absolute path");
    refused("{\"umask\": 18}", "umask must be");
    refused("{\"umask\": \"0028\"}", "umask must be");
    refused("{\"umask\": \"1777\"}", "umask must be");
    refused("{\"umask\": \"\"}", "umask must be");
    refused("{\"env\": \"PATH\"}", "env must be a list");
    refused("{\"env\": [\"A=1\"]}", "env must hold");
    refused("{\"env\": [\"A*B\"]}", "env must hold");
    refused("{\"env\": [1]}", "env must hold");
    refused("{\"setenv\": {\"A\": 1}}", "setenv: A must be text");
    refused("{\"setenv\": {\"A=B\": \"1\"}}", "cannot be set");
    refused("{\"setenv\": {\"STINT_RUN_ID\": \"1\"}}", "cannot be set");
    refused("{\"no_new_privs\": 1}", "no_new_privs must be a boolean");
    refused("{\"user\": \"nobody-of-that-name\"}", "no user \"nobody-of-");
    refused("{\"user\": \"root:nobody-of-that-name\"}", "no group \"nobody-");
    refused("{\"user\": \":root\"}", "user: no user");
    refused("{\"user\": \"123456789\"}", "a number needs a group");
    refused("{\"user\": 0}", "user must be");
}

static void test_amounts(void **state)
{
    struct confine c;
    struct stint_err err;

    (void)state;
    assert_int_equal(confine_make(&c, "{\"rlimits\": {\"memory\": \"3G\", "
                                  "\"core\": \"2K\", \"files\": 64}}", &err),
                     1);
    assert_int_equal(c.limits[CONFINE_MEMORY], INT64_C(3221225472));
    assert_int_equal(c.limits[CONFINE_CORE], 2048);
    assert_int_equal(c.limits[CONFINE_FILES], 64);
    confine_close(&c);
    assert_int_equal(confine_make(&c, "{\"timeout\": 1}", &err), 0);
    assert_int_equal(err.code, STINT_OK);
}

/* ---- Limits, by those who meet them ------------------------------------- */

static void test_memory(void **state)
{
    struct end end;

    (void)state;
    /* dd takes its block of 256 MiB at once. */
    prints("{\"rlimits\": {\"memory\": \"512M\"}}",
           "dd if=/dev/zero of=/dev/null bs=256M count=1 2>/dev/null; echo $?",
           "0\n");
    run_sh("{\"rlimits\": {\"memory\": \"128M\"}}",
           "LC_ALL=C exec dd if=/dev/zero of=/dev/null bs=256M count=1", &end);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 1);
    assert_non_null(strstr(end.out, "memory exhausted"));
}

static void test_cpu(void **state)
{
    struct end end;

    (void)state;
    run_sh("{\"rlimits\": {\"cpu\": 1}}", "while :; do :; done", &end);
    assert_true(WIFSIGNALED(end.status));
    assert_int_equal(WTERMSIG(end.status), SIGXCPU);
    run_sh("{\"rlimits\": {\"cpu\": 1}}",
           "trap '' XCPU; while :; do :; done", &end);
    assert_true(WIFSIGNALED(end.status));
    assert_int_equal(WTERMSIG(end.status), SIGKILL);
}

static void test_files(void **state)
{
    struct end end;

    (void)state;
    prints("{\"rlimits\": {\"files\": 5}}",
           "exec 4</dev/null; ulimit -n; ulimit -Hn", "5\n5\n");
    run_sh("{\"rlimits\": {\"files\": 5}}",
           "exec 4</dev/null 5</dev/null; echo reached", &end);
    assert_null(strstr(end.out, "reached"));
    assert_false(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0);
}

static void test_core(void **state)
{
    char dir[] = "/tmp/stint-confine-XXXXXX", keys[100];
    struct end end;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(keys, sizeof(keys), "{\"cwd\": \"%s\", \"rlimits\": "
             "{\"core\": 0}}", dir);
    run_sh(keys, "ulimit -c; kill -SEGV $$", &end);
    assert_string_equal(end.out, "0\n");
    assert_true(WIFSIGNALED(end.status) && !WCOREDUMP(end.status));
    assert_int_equal(rmdir(dir), 0); /* nothing is in it */
}

/* Root has no such limit, so it is met as somebody else. */
static void test_processes(void **state)
{
    struct end end;

    (void)state;
    if (geteuid() != 0) {
        prints("{\"rlimits\": {\"processes\": 500}}",
               "cat /proc/self/limits | grep -c '^Max processes *500 '",
               "1\n");
        return;
    }
    run_sh("{\"user\": \"54321:54321\", \"rlimits\": {\"processes\": 2}}",
           "sleep 0.2 & sleep 0.2 & sleep 0.2 & wait; echo reached", &end);
    assert_null(strstr(end.out, "reached"));
    assert_false(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0);
}

/* ---- What a child sees of itself ---------------------------------------- */

static void test_cwd_and_umask(void **state)
{
    char dir[] = "/tmp/stint-confine-XXXXXX", keys[100], path[64];
    struct stat st;
    struct end end;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(keys, sizeof(keys), "{\"cwd\": \"%s\", \"umask\": \"0027\"}",
             dir);
    prints(keys, "umask; : >file; mkdir sub", "0027\n");
    snprintf(path, sizeof(path), "%s/file", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    unlink(path);
    snprintf(path, sizeof(path), "%s/sub", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    rmdir(path);
    rmdir(dir);
    run_sh("{\"cwd\": \"/nope\"}", "echo no", &end);
    assert_string_equal(end.error, "cwd /nope: No such file or directory");
}

static void test_nice(void **state)
{
    char wanted[16];

    (void)state;
    snprintf(wanted, sizeof(wanted), "%d\n",
             getpriority(PRIO_PROCESS, 0) + 7);
    prints("{\"nice\": 7}", "nice", wanted);
}

static void test_no_new_privs(void **state)
{
    (void)state;
    prints("{}", "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n");
    prints("{\"no_new_privs\": true}", "grep NoNewPrivs /proc/self/status",
           "NoNewPrivs:\t1\n");
    prints("{\"no_new_privs\": false}", "grep NoNewPrivs /proc/self/status",
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) ? "NoNewPrivs:\t1\n"
                                                  : "NoNewPrivs:\t0\n");
}

/* Groups 54322 alone: none of ours is left. */
static void test_user(void **state)
{
    struct passwd *nobody = getpwnam("nobody");
    char wanted[100];

    (void)state;
    if (geteuid() != 0) {
        print_message("test_user: not root, so only what is refused\n");
        refused("{\"user\": \"root\"}", "only root can run tasks as root");
        return;
    }
    assert_non_null(nobody);
    prints("{\"user\": \"54321:54322\"}", "id -u; id -g; id -G; "
           "grep -E '^(Uid|Gid)' /proc/self/status",
           "54321\n54322\n54322\nUid:\t54321\t54321\t54321\t54321\n"
           "Gid:\t54322\t54322\t54322\t54322\n");
    snprintf(wanted, sizeof(wanted), "%u\n%u\nnobody\n",
             (unsigned)nobody->pw_uid, (unsigned)nobody->pw_gid);
    prints("{\"user\": \"nobody\"}", "id -u; id -g; id -un", wanted);
    prints("{\"user\": \"nobody\"}", "cat /etc/shadow 2>/dev/null; "
           "grep CapEff /proc/self/status", "CapEff:\t0000000000000000\n");
    /* The path is looked up as the user. */
    {
        char dir[] = "/tmp/stint-confine-XXXXXX", keys[100];
        struct end end;

        assert_non_null(mkdtemp(dir)); /* ours alone */
        snprintf(keys, sizeof(keys), "{\"user\": \"nobody\", \"cwd\": "
                 "\"%s\"}", dir);
        run_sh(keys, "echo no", &end);
        rmdir(dir);
        assert_non_null(strstr(end.error, ": Permission denied"));
        assert_int_equal(strncmp(end.error, "cwd /tmp/stint-", 15), 0);
    }
    /* And the worker stays who it was. */
    assert_int_equal(geteuid(), 0);
}

/* ---- The environment ---------------------------------------------------- */

static void env_is(const char *keys, char **inherited, const char *wanted)
{
    struct confine c;
    struct stint_err err;
    char got[500] = "", *to[20];
    size_t n;

    assert_int_equal(confine_make(&c, keys, &err), 1);
    assert_true(confine_env_max(&c, inherited) < 20);
    n = confine_env(&c, inherited, to);
    assert_true(n <= confine_env_max(&c, inherited));
    for (size_t i = 0, len = 0; i < n; i++)
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s;", to[i]);
    assert_string_equal(got, wanted);
    confine_close(&c);
}

static void test_env(void **state)
{
    char *inherited[] = {(char *)"PATH=/bin", (char *)"LC_ALL=C",
                         (char *)"LC_TIME=de", (char *)"LCX=1",
                         (char *)"HOME=/root", (char *)"PATHS=2", NULL};

    (void)state;
    env_is("{\"env\": [\"PATH\", \"LC_*\"]}", inherited,
           "PATH=/bin;LC_ALL=C;LC_TIME=de;");
    env_is("{\"env\": []}", inherited, "");
    env_is("{\"env\": [\"*\"]}", inherited,
           "PATH=/bin;LC_ALL=C;LC_TIME=de;LCX=1;HOME=/root;PATHS=2;");
    env_is("{\"env\": [\"HOME\"], \"setenv\": {\"PATH\": \"/opt\", "
           "\"STINT_URL\": \"redis://a\"}}", inherited,
           "HOME=/root;PATH=/opt;STINT_URL=redis://a;");
    env_is("{\"setenv\": {\"HOME\": \"\"}, \"env\": [\"HOME\", \"LCX\"]}",
           inherited, "LCX=1;HOME=;");
    if (geteuid() == 0)
        env_is("{\"user\": \"root\", \"env\": [\"HOME\", \"LCX\"], "
               "\"setenv\": {\"USER\": \"x\"}}", inherited,
               "LCX=1;HOME=/root;LOGNAME=root;USER=x;");
}

/* ---- The start itself --------------------------------------------------- */

static void test_not_run(void **state)
{
    char *argv[] = {(char *)"x", NULL};
    struct end end;

    (void)state;
    run_as(NULL, "/nope/x", argv, &end);
    assert_string_equal(end.error, "execve: No such file or directory");
    run_as(NULL, "/etc/passwd", argv, &end);
    assert_string_equal(end.error, "execve: Permission denied");
}

static volatile sig_atomic_t n_signals;

static void on_signal(int signal_number)
{
    (void)signal_number;
    n_signals++;
}

/* No handler of ours runs in it, nothing is ignored or blocked in it, and our
 * own mask and handlers stay. */
static void test_signals(void **state)
{
    struct sigaction sa = {.sa_handler = on_signal}, old, now;
    sigset_t usr2, mask;

    (void)state;
    sigaction(SIGUSR1, &sa, &old);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &usr2, NULL);
    prints("{}", "grep -E '^Sig(Blk|Ign)' /proc/self/status | "
           "tr -d '\\n\\t'; echo", "SigBlk:0000000000000000"
           "SigIgn:0000000000000000\n");
    sigaction(SIGUSR1, NULL, &now);
    assert_true(now.sa_handler == on_signal);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_true(sigismember(&mask, SIGUSR2) && !sigismember(&mask, SIGUSR1));
    raise(SIGUSR1);
    assert_int_equal(n_signals, 1);
    pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
    sigaction(SIGUSR1, &old, NULL);
}

static void test_mark(void **state)
{
    char *argv[] = {(char *)"sleep", (char *)"100", NULL};
    const uint64_t mark = orphan_mark_of("a.b") | 5;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct child c = {.argv = argv, .env = environment, .path = "/bin/sleep",
                      .fds = {fd, fd, fd, fd}, .cgroup_fd = -1, .mark = mark};
    const char *step;
    pid_t pid = child_start(&c, &step);

    (void)state;
    assert_true(pid > 0);
    assert_int_equal(orphan_mark(pid), mark);
    assert_int_equal(getpgid(pid), pid);
    assert_int_equal(orphan_mark(getpid()) & ~ORPHAN_RUN_MASK, 0);
    kill(pid, SIGKILL);
    siginfo_t si;
    waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
    assert_int_equal(orphan_mark(pid), mark); /* a zombie's, too */
    waitpid(pid, NULL, 0);
    assert_int_equal(orphan_mark(pid), 0);
    close(fd);
    if (geteuid() == 0) { /* another user's, read by root */
        struct confine other;
        struct stint_err err;

        assert_int_equal(confine_make(&other,
                         "{\"user\": \"54321:54321\"}", &err), 1);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int i = 0; i < N_PIPES; i++)
            c.fds[i] = fd;
        c.confine = &other;
        pid = child_start(&c, &step);
        assert_true(pid > 0);
        assert_int_equal(orphan_mark(pid), mark);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(fd);
        confine_close(&other);
    }
    assert_int_equal(orphan_mark(1) & ~ORPHAN_RUN_MASK, 0);
    assert_int_not_equal(orphan_mark_of("a.b"), orphan_mark_of("a.c"));
}

/* Others start and end, take and free memory, while children borrow it. */
static void *busy(void *arg)
{
    volatile int *stop = arg;

    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
        char *p = malloc(3000);

        memset(p, 1, 3000);
        free(p);
    }
    return NULL;
}

static void *starts(void *arg)
{
    char *argv[] = {(char *)"true", NULL};
    int *failed = arg;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int i = 0; i < 50; i++) {
        struct child c = {.argv = argv, .env = environment,
                          .path = i % 5 ? "/bin/true" : "/nope",
                          .fds = {fd, fd, fd, fd}, .cgroup_fd = -1};
        const char *step;
        int status = 0;
        pid_t pid = child_start(&c, &step);

        if (i % 5 == 0)
            *failed += pid != -1 || errno != ENOENT;
        else
            *failed += pid < 0 || waitpid(pid, &status, 0) != pid || status;
    }
    close(fd);
    return NULL;
}

static void test_threads(void **state)
{
    enum { N = 3 };
    pthread_t threads[N], other;
    int failed[N] = {0}, stop = 0;

    (void)state;
    assert_int_equal(pthread_create(&other, NULL, busy, &stop), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, starts,
                                        &failed[i]), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failed[i], 0);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(other, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_amounts),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_core),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_cwd_and_umask),
        cmocka_unit_test(test_nice),
        cmocka_unit_test(test_no_new_privs),
        cmocka_unit_test(test_user),
        cmocka_unit_test(test_env),
        cmocka_unit_test(test_not_run),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_mark),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
