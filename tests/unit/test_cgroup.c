/* SPDX-License-Identifier: MIT */
/* Runs in cgroups of their own. The files are looked at in a directory made up
 * for that; where a cgroup v2 may be written, real processes live and die in
 * real ones, of as many limits as its controllers allow. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"

static void put(const char *dir, const char *name, const char *text)
{
    char path[CGROUP_PATH_MAX + 40];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *get(const char *dir, const char *name)
{
    static char text[200];
    char path[CGROUP_PATH_MAX + 40];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "r");
    if (!f)
        return NULL;
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    return text;
}

static int tree_visit(const char *path, const struct stat *st, int kind,
                      struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int limits_make(struct cgroup_limits *l, const char *text,
                       struct stint_err *err)
{
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);
    int rc;

    memset(l, 0, sizeof(*l));
    memset(err, 0, sizeof(*err));
    rc = cgroup_limits_read(l, object, err);
    json_decref(object);
    return rc;
}

static void test_limits_read(void **state)
{
    static const char *const bad[] = {
        "1", "{\"memory\": 0}", "{\"memory\": \"x\"}", "{\"pids\": 0}",
        "{\"pids\": \"1K\"}", "{\"cpu\": 0}", "{\"cpu\": \"1\"}",
        "{\"required\": 1}", "{\"io\": 1}"};
    struct cgroup_limits l;
    struct stint_err err;

    (void)state;
    assert_int_equal(limits_make(&l, "{\"memory\": \"64M\", \"cpu\": 1.5, "
                                 "\"pids\": 9}", &err), 0);
    assert_true(l.is_set && !l.is_optional);
    assert_int_equal(l.memory, 67108864);
    assert_int_equal(l.cpu_us, 150000);
    assert_int_equal(l.pids, 9);
    assert_int_equal(limits_make(&l, "{\"required\": false}", &err), 0);
    assert_true(l.is_set && l.is_optional && l.memory == 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(limits_make(&l, bad[i], &err), -1);
        assert_int_equal(strncmp(err.text, "cgroup", 6), 0);
    }
}

/* A directory with files of the kernel's names. Writing to one replaces what
 * was in it, where the kernel would add. */
static void test_files(void **state)
{
    char base[] = "/tmp/stint-cgroup-XXXXXX", dir[CGROUP_PATH_MAX];
    struct cgroup_limits l;
    struct cgroup g;
    struct stint_err err;
    unsigned n = 0;

    (void)state;
    assert_non_null(mkdtemp(base));
    put(base, "cgroup.controllers", "cpu io memory\n");
    put(base, "cgroup.subtree_control", "cpu\n");
    put(base, "cgroup.procs", "1\n");
    limits_make(&l, "{\"memory\": 1048576}", &err);
    assert_int_equal(cgroup_base_prepare(base, &l, &err), 0);
    assert_string_equal(get(base, "cgroup.subtree_control"), "+memory");
    limits_make(&l, "{\"pids\": 1}", &err);
    assert_int_equal(cgroup_base_prepare(base, &l, &err), -1);
    assert_non_null(strstr(err.text, "no pids controller in /tmp/stint-"));
    assert_non_null(strstr(err.text, "systemd: Delegate=yes"));

    /* The directory is new and so without files: it is removed again. */
    limits_make(&l, "{\"cpu\": 0.5}", &err);
    assert_int_equal(cgroup_make(&g, base, &l, &n, &err), -1);
    assert_int_equal(access(g.path, F_OK), -1);
    assert_int_equal(n, 1);

    /* An older worker of our pid left one: it is not taken. */
    snprintf(dir, sizeof(dir), "%s/stint-run-%ld-2", base, (long)getpid());
    assert_int_equal(mkdir(dir, 0755), 0);
    memset(&err, 0, sizeof(err));
    assert_int_equal(cgroup_make(&g, base, &l, &n, &err), -1);
    assert_int_equal(n, 3);

    put(dir, "memory.events", "low 0\nmax 7\noom 1\noom_kill 0\n");
    snprintf(g.path, sizeof(g.path), "%s", dir);
    assert_int_equal(cgroup_was_oom(&g), 0);
    put(dir, "memory.events", "low 0\nmax 7\noom 1\noom_kill 2\n");
    assert_int_equal(cgroup_was_oom(&g), 1);
    put(dir, "cgroup.kill", "");
    cgroup_kill(&g);
    assert_string_equal(get(dir, "cgroup.kill"), "1");
    nftw(base, tree_visit, 8, FTW_DEPTH | FTW_PHYS);
}

/* Where a cgroup of ours may be made: its base. 0: nowhere. */
static int base_is_writable(char base[static CGROUP_PATH_MAX],
                            const char *limits)
{
    struct cgroup_limits l;
    struct stint_err err;

    if (limits_make(&l, limits, &err) == 0 &&
        cgroup_base_find(base, &err) == 0 &&
        cgroup_base_prepare(base, &l, &err) == 0)
        return 1;
    print_message("%s: not for real: %s\n", limits, err.text);
    return 0;
}

/* A child in it that runs the script. */
static pid_t spawn_in(const struct cgroup *g, const char *script)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    if (write(g->procs_fd, "0", 1) != 1)
        _exit(120);
    execl("/bin/sh", "sh", "-c", script, (char *)NULL);
    _exit(121);
}

static void remove_soon(struct cgroup *g)
{
    for (int i = 0; i < 500 && cgroup_remove(g) < 0; i++)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    assert_int_equal(access(g->path, F_OK), -1);
}

static void test_kill(void **state)
{
    char base[CGROUP_PATH_MAX];
    struct cgroup_limits l;
    struct cgroup g, other;
    struct stint_err err;
    unsigned n = 0;
    int status;
    pid_t pid;

    (void)state;
    if (!base_is_writable(base, "{}"))
        skip();
    limits_make(&l, "{}", &err);
    assert_int_equal(cgroup_make(&g, base, &l, &n, &err), 0);
    assert_int_equal(cgroup_make(&other, base, &l, &n, &err), 0);
    assert_string_not_equal(g.path, other.path);
    pid = spawn_in(&g, "(setsid sh -c 'env -i sleep 100 & exit' &) ; "
                   "exec sleep 100");
    for (int i = 0; i < 500 && !strchr(get(g.path, "cgroup.procs"), '\n'); i++)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    assert_int_equal(cgroup_remove(&g), -1);
    assert_int_equal(errno, EBUSY);
    cgroup_kill(&g);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    remove_soon(&g);
    assert_int_equal(cgroup_remove(&g), 0); /* it is gone already */

    /* The other one is what a worker leaves that dies. */
    pid = spawn_in(&other, "exec sleep 100");
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    cgroup_base_sweep(base, getpid() + 1);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    cgroup_base_sweep(base, getpid());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    remove_soon(&other);
}

static void test_memory(void **state)
{
    char base[CGROUP_PATH_MAX];
    struct cgroup_limits l;
    struct cgroup g;
    struct stint_err err;
    unsigned n = 0;
    int status;
    pid_t pid;

    (void)state;
    if (!base_is_writable(base, "{\"memory\": \"16M\"}"))
        skip();
    limits_make(&l, "{\"memory\": \"16M\"}", &err);
    assert_int_equal(cgroup_make(&g, base, &l, &n, &err), 0);
    pid = spawn_in(&g, "exec dd if=/dev/zero of=/dev/null bs=64M count=1");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(cgroup_was_oom(&g));
    remove_soon(&g);
}

static void test_pids(void **state)
{
    char base[CGROUP_PATH_MAX];
    struct cgroup_limits l;
    struct cgroup g;
    struct stint_err err;
    unsigned n = 0;
    int status;
    pid_t pid;

    (void)state;
    if (!base_is_writable(base, "{\"pids\": 2}"))
        skip();
    limits_make(&l, "{\"pids\": 2}", &err);
    assert_int_equal(cgroup_make(&g, base, &l, &n, &err), 0);
    pid = spawn_in(&g, "sleep 0.1 & sleep 0.1 & wait; exit 0");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cgroup_kill(&g);
    remove_soon(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_read),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_pids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
