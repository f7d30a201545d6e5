/* SPDX-License-Identifier: MIT */
/* cgroups are directories and small files. Nothing here is kept: a base is
 * found anew from /proc, so that the guard finds what the worker made. */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "err.h"
#include "quantity.h"

#define LEAF           "stint-worker"
#define RUN            "stint-run-"
#define FILE_BYTES_MAX 65536   /* of what is read from one */
#define NAMES_TRIED    1000    /* left by dead workers of the same pid */
#define ANCESTORS_MAX  32
#define PERIOD_US      100000  /* the kernel's own default */
#define CORES_MAX      4096
#define SWEEP_PASSES   50
#define SWEEP_PAUSE_NS 5000000

/* ---- Files -------------------------------------------------------------- */

static int path_make(char path[static CGROUP_PATH_MAX], const char *dir,
                     const char *name)
{
    int n = snprintf(path, CGROUP_PATH_MAX, "%s/%s", dir, name);

    if (n > 0 && n < CGROUP_PATH_MAX)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

static int file_write(const char *dir, const char *name, const char *text)
{
    char path[CGROUP_PATH_MAX];
    size_t len = strlen(text);
    ssize_t n;
    int fd, code;

    if (path_make(path, dir, name) < 0)
        return -1;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = write(fd, text, len);
    code = errno;
    close(fd);
    errno = code;
    return n == (ssize_t)len ? 0 : -1;
}

static int file_write_number(const char *dir, const char *name, uint64_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
    return file_write(dir, name, text);
}

/* The caller frees it; NULL with errno. */
static char *path_read(const char *path)
{
    char *text = malloc(FILE_BYTES_MAX);
    size_t len = 0;
    ssize_t n = -1;
    int fd = text ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    while (fd >= 0 && len < FILE_BYTES_MAX - 1 &&
           (n = read(fd, text + len, FILE_BYTES_MAX - 1 - len)) > 0)
        len += (size_t)n;
    if (fd >= 0)
        close(fd);
    if (fd < 0 || n < 0) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

static char *file_read(const char *dir, const char *name)
{
    char path[CGROUP_PATH_MAX];

    return path_make(path, dir, name) == 0 ? path_read(path) : NULL;
}

/* Whether the words of a file have this one. */
static int file_has_word(const char *dir, const char *name, const char *word)
{
    char *text = file_read(dir, name), *rest = text, *next;
    int found = 0;

    while (text && !found && (next = strtok_r(rest, " \n", &rest)) != NULL)
        found = strcmp(next, word) == 0;
    free(text);
    return found;
}

/* ---- Limits ------------------------------------------------------------- */

static int limit_read(struct cgroup_limits *l, const char *key,
                      const json_t *v, struct stint_err *err)
{
    double cores = json_number_value(v);

    if (strcmp(key, "memory") == 0)
        return quantity_read(v, 1, &l->memory) == 0 && l->memory > 0
                   ? 0 : err_set(err, STINT_INVALID, "cgroup: memory must be "
                                 "bytes, or text like \"512M\"");
    if (strcmp(key, "pids") == 0)
        return quantity_read(v, 0, &l->pids) == 0 && l->pids > 0
                   ? 0 : err_set(err, STINT_INVALID,
                                 "cgroup: pids must be an integer > 0");
    if (strcmp(key, "cpu") == 0) {
        if (!(cores >= 0.01 && cores <= CORES_MAX))
            return err_set(err, STINT_INVALID, "cgroup: cpu must be a number "
                           "of cores from 0.01 to %d", CORES_MAX);
        l->cpu_us = (uint64_t)(cores * PERIOD_US);
        return 0;
    }
    if (strcmp(key, "required") == 0) {
        l->is_optional = json_is_false(v);
        return json_is_boolean(v)
                   ? 0 : err_set(err, STINT_INVALID,
                                 "cgroup: required must be a boolean");
    }
    return err_set(err, STINT_INVALID, "cgroup: unknown key \"%.60s\"", key);
}

int cgroup_limits_read(struct cgroup_limits *l, const json_t *object,
                       struct stint_err *err)
{
    const char *key;
    json_t *v;

    if (!json_is_object(object))
        return err_set(err, STINT_INVALID, "cgroup must be an object");
    json_object_foreach((json_t *)(uintptr_t)object, key, v)
        if (limit_read(l, key, v, err) < 0)
            return -1;
    l->is_set = 1;
    return 0;
}

/* ---- The base ----------------------------------------------------------- */

/* Our path in the hierarchy: the line "0::PATH". NULL: not there. */
static char *own_path(char *text)
{
    char *rest = text, *line;

    while (text && (line = strtok_r(rest, "\n", &rest)) != NULL)
        if (strncmp(line, "0::", 3) == 0)
            return line + 3;
    return NULL;
}

/* Of a line of mountinfo, if it is a cgroup2: what is mounted, and where. */
static int mount_read(char *line, char **root, char **point)
{
    char *words[5], *rest = line;

    if (!strstr(line, " - cgroup2 "))
        return -1;
    for (int i = 0; i < 5; i++)
        if ((words[i] = strtok_r(rest, " ", &rest)) == NULL)
            return -1;
    *root = words[3];
    *point = words[4];
    return 0;
}

/* Where in the file system the path is; the mount may show a part only. */
static int path_find(char base[static CGROUP_PATH_MAX], char *mounts,
                     const char *path)
{
    char *rest = mounts, *line, *root, *point;

    while (mounts && (line = strtok_r(rest, "\n", &rest)) != NULL) {
        size_t len;

        if (mount_read(line, &root, &point) < 0)
            continue;
        len = strcmp(root, "/") == 0 ? 0 : strlen(root);
        if (strncmp(path, root, len) != 0 ||
            (path[len] != '/' && path[len] != '\0'))
            continue;
        path += len;
        if (*path == '/')
            path++;
        if (*path)
            return path_make(base, point, path);
        return snprintf(base, CGROUP_PATH_MAX, "%s", point) < CGROUP_PATH_MAX
                   ? 0 : -1;
    }
    return -1;
}

/* A worker that was made anew by its supervisor starts in the leaf. */
static void leaf_strip(char *base)
{
    char *slash = strrchr(base, '/');

    if (slash && strcmp(slash + 1, LEAF) == 0)
        *slash = '\0';
}

int cgroup_base_find(char base[static CGROUP_PATH_MAX], struct stint_err *err)
{
    char *own = path_read("/proc/self/cgroup");
    char *mounts = path_read("/proc/self/mountinfo");
    const char *path = own_path(own);
    int found = path && path_find(base, mounts, path) == 0;

    free(own);
    free(mounts);
    if (!found)
        return err_set(err, STINT_INVALID, "no cgroup v2 is mounted here");
    leaf_strip(base);
    return 0;
}

/* The parent of a process; 0: not known. */
static pid_t parent_of(pid_t pid)
{
    char path[40], *text, *end;
    long parent = 0;

    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    text = path_read(path);
    end = text ? strrchr(text, ')') : NULL;
    if (!end || sscanf(end, ") %*c %ld", &parent) != 1)
        parent = 0;
    free(text);
    return (pid_t)parent;
}

/* Us, and those above us that are here, too: a supervisor, a shell that waits
 * for us. */
static int base_leave(const char *base)
{
    char leaf[CGROUP_PATH_MAX], word[24];
    pid_t pid = getpid();

    if (path_make(leaf, base, LEAF) < 0 ||
        (mkdir(leaf, 0755) < 0 && errno != EEXIST))
        return -1;
    for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
        snprintf(word, sizeof(word), "%ld", (long)pid);
        if (file_has_word(base, "cgroup.procs", word) &&
            file_write(leaf, "cgroup.procs", word) < 0)
            return -1;
        pid = parent_of(pid);
    }
    return 0;
}

static int controller_enable(const char *base, const char *name,
                             struct stint_err *err)
{
    char word[24];

    if (!file_has_word(base, "cgroup.controllers", name))
        return err_set(err, STINT_INVALID, "cgroup: no %s controller in %.80s "
                       "(systemd: Delegate=yes)", name, base);
    if (file_has_word(base, "cgroup.subtree_control", name))
        return 0;
    snprintf(word, sizeof(word), "+%s", name);
    if (file_write(base, "cgroup.subtree_control", word) == 0)
        return 0;
    if (errno == EBUSY && base_leave(base) == 0 &&
        file_write(base, "cgroup.subtree_control", word) == 0)
        return 0;
    return err_set(err, STINT_INVALID, "cgroup: %.80s cannot limit %s: %s "
                   "(%s)", base, name, strerror(errno), errno == EBUSY
                   ? "other processes are in it" : "systemd: Delegate=yes");
}

int cgroup_base_prepare(const char *base, const struct cgroup_limits *l,
                        struct stint_err *err)
{
    char procs[CGROUP_PATH_MAX];

    if (path_make(procs, base, "cgroup.procs") < 0 ||
        access(base, W_OK) < 0 || access(procs, W_OK) < 0)
        return err_set(err, STINT_INVALID, "cgroup: %.80s is not delegated to "
                       "us: %s (systemd: Delegate=yes)", base,
                       strerror(errno));
    if ((l->memory > 0 && controller_enable(base, "memory", err) < 0) ||
        (l->cpu_us > 0 && controller_enable(base, "cpu", err) < 0) ||
        (l->pids > 0 && controller_enable(base, "pids", err) < 0))
        return -1;
    return 0;
}

void cgroup_base_sweep(const char *base, pid_t worker)
{
    const struct timespec pause = {0, SWEEP_PAUSE_NS};
    DIR *dir = opendir(base);
    struct cgroup g = {.procs_fd = -1};
    char prefix[40];
    struct dirent *d;

    snprintf(prefix, sizeof(prefix), RUN "%ld-", (long)worker);
    while (dir && (d = readdir(dir)) != NULL) {
        if (strncmp(d->d_name, prefix, strlen(prefix)) != 0 ||
            path_make(g.path, base, d->d_name) < 0)
            continue;
        for (int i = 0; i < SWEEP_PASSES && cgroup_remove(&g) < 0; i++) {
            cgroup_kill(&g);
            nanosleep(&pause, NULL);
        }
    }
    if (dir)
        closedir(dir);
}

/* ---- A run's ------------------------------------------------------------ */

static int limits_write(const char *dir, const struct cgroup_limits *l)
{
    char text[64];

    if (l->memory > 0) {
        if (file_write_number(dir, "memory.max", l->memory) < 0 ||
            file_write(dir, "memory.oom.group", "1") < 0)
            return -1;
        (void)file_write(dir, "memory.swap.max", "0"); /* where it is counted */
    }
    if (l->pids > 0 && file_write_number(dir, "pids.max", l->pids) < 0)
        return -1;
    snprintf(text, sizeof(text), "%llu %d", (unsigned long long)l->cpu_us,
             PERIOD_US);
    return l->cpu_us > 0 ? file_write(dir, "cpu.max", text) : 0;
}

static int dir_make(struct cgroup *g, const char *base, unsigned *n)
{
    char name[64];
    int rc = -1;

    for (int i = 0; i < NAMES_TRIED && rc < 0; i++) {
        snprintf(name, sizeof(name), RUN "%ld-%u", (long)getpid(), ++*n);
        if (path_make(g->path, base, name) < 0)
            return -1;
        rc = mkdir(g->path, 0755);
        if (rc < 0 && errno != EEXIST)
            return -1;
    }
    return rc;
}

int cgroup_make(struct cgroup *g, const char *base,
                const struct cgroup_limits *l, unsigned *n,
                struct stint_err *err)
{
    char procs[CGROUP_PATH_MAX];

    g->procs_fd = -1;
    if (dir_make(g, base, n) < 0)
        return err_errno(err, "cgroup %.80s", g->path);
    if (limits_write(g->path, l) == 0 &&
        path_make(procs, g->path, "cgroup.procs") == 0)
        g->procs_fd = open(procs, O_WRONLY | O_CLOEXEC);
    if (g->procs_fd >= 0)
        return 0;
    err_errno(err, "cgroup %.80s", g->path);
    rmdir(g->path);
    return -1;
}

/* Kernels before 5.14 have no cgroup.kill. */
void cgroup_kill(const struct cgroup *g)
{
    char *text, *rest, *word;

    if (file_write(g->path, "cgroup.kill", "1") == 0)
        return;
    text = rest = file_read(g->path, "cgroup.procs");
    while (text && (word = strtok_r(rest, "\n", &rest)) != NULL) {
        pid_t pid = (pid_t)strtol(word, NULL, 10);

        if (pid > 1)
            kill(pid, SIGKILL);
    }
    free(text);
}

int cgroup_was_oom(const struct cgroup *g)
{
    char *text = file_read(g->path, "memory.events");
    const char *line = text ? strstr(text, "oom_kill ") : NULL;
    int was = line && strtol(line + strlen("oom_kill "), NULL, 10) > 0;

    free(text);
    return was;
}

int cgroup_remove(struct cgroup *g)
{
    if (g->procs_fd >= 0)
        close(g->procs_fd);
    g->procs_fd = -1;
    return rmdir(g->path) == 0 || errno == ENOENT ? 0 : -1;
}
