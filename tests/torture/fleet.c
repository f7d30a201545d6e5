/* SPDX-License-Identifier: MIT */
#include "fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "history_file.h"
#include "netns.h"

#define LOG_BYTES_MAX (4 << 20) /* of a member; then it starts anew */
#define ARGS_MAX      (SLOTS_MAX + 8)

static int64_t mono_ms(void)
{
    return (int64_t)(history_now_us() / 1000);
}

static void pause_ms(long ms)
{
    struct timespec t = {0, ms * 1000000};
    nanosleep(&t, NULL);
}

static int is_worker(const struct fleet *f, int slot)
{
    return slot < f->o.workers;
}

int fleet_is_supervised(const struct fleet *f, int slot)
{
    return is_worker(f, slot) && slot % 2 == 1;
}

/* ---- Starting ------------------------------------------------------------------ */

static void member_log(const struct fleet *f, const char *name)
{
    char path[400];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s.log", f->o.dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > LOG_BYTES_MAX &&
        ftruncate(fd, 0) == 0)
        dprintf(fd, "(what was here was over %d bytes)\n", LOG_BYTES_MAX);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    dup2(fd >= 0 ? fd : null, 1);
    dup2(fd >= 0 ? fd : null, 2);
}

static void member_start(const struct fleet *f, struct member *m, int slot,
                         const char *name, const char *const *argv)
{
    char path[400];
    snprintf(path, sizeof(path), "%s/%s", f->o.bin, argv[0]);
    m->is_expected = 0;
    m->pid = fork();
    if (m->pid != 0)
        return;
    member_log(f, name);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (slot >= 0 && slot < f->o.far && netns_enter(f->o.tag, slot) < 0)
        _exit(71);
    if (slot >= 0 && is_worker(f, slot)) {
        char control[400], shim[400], who[32];
        snprintf(control, sizeof(control), "%s/control", f->o.dir);
        snprintf(shim, sizeof(shim), "%s/torture_shim.so", f->o.bin);
        snprintf(who, sizeof(who), "worker %d", slot);
        setenv("TORTURE_CONTROL", control, 1);
        setenv("TORTURE_SHIM", who, 1);
        setenv("LD_PRELOAD", shim, 1);
    }
    execv(path, (char *const *)argv);
    _exit(127);
}

static void slot_start(struct fleet *f, int slot)
{
    char n[16], url[64], name[16], heartbeat[32], prefetch[16], seed[32];
    char tasks[32], rate[32], level[8], log[32];
    char host[32] = "127.0.0.1";
    if (slot < f->o.far)
        snprintf(host, sizeof(host), "10.77.%d.1", slot);
    snprintf(n, sizeof(n), "%d", slot);
    snprintf(url, sizeof(url), "redis://%s:%u", host,
             atomic_load(&f->control->links[slot].port));
    if (is_worker(f, slot)) {
        snprintf(name, sizeof(name), "w%d", slot);
        snprintf(heartbeat, sizeof(heartbeat), "%g", f->o.heartbeat_s);
        snprintf(prefetch, sizeof(prefetch), "%d",
                 slot % 3 == 2 ? f->o.prefetch : 0);
        const char *argv[] = {"torture_worker", f->o.dir, n, url, name,
                        heartbeat, prefetch,
                        fleet_is_supervised(f, slot) ? "supervised" : "alone",
                        NULL};
        snprintf(log, sizeof(log), "worker%d", slot);
        member_start(f, &f->members[slot], slot, log, argv);
        return;
    }
    snprintf(seed, sizeof(seed), "%" PRIu64, f->o.seed);
    snprintf(tasks, sizeof(tasks), "%" PRId64,
             (f->o.tasks + f->o.clients - 1) / f->o.clients);
    snprintf(rate, sizeof(rate), "%" PRId64, f->o.rate);
    snprintf(level, sizeof(level), "%d", f->o.level);
    const char *argv[] = {"torture_client", f->o.dir, n, url, seed, tasks,
                    rate, level, NULL};
    snprintf(log, sizeof(log), "client%d", slot);
    member_start(f, &f->members[slot], slot, log, argv);
}

static int worker_configure(const struct fleet *f, int slot)
{
    char path[400];
    snprintf(path, sizeof(path), "%s/worker.%d.json", f->o.dir, slot);
    FILE *out = fopen(path, "w");
    if (out == NULL)
        return -1;
    fprintf(out,
            "{\"groups\": [\"main\"], \"concurrency\": %d, \"tasks\": {\n"
            "\"quick\": {\"module\": \"%s/torture_module.so\"},\n"
            "\"guarded\": {\"module\": \"%s/torture_module.so\", "
            "\"isolation\": \"process\", \"processes\": 2},\n"
            "\"script\": {\"exec\": [\"%s/torture_task\", \"%s\", \"%d\", "
            "\"[{args.0},{args.1}]\"]}}}\n",
            f->o.concurrency, f->o.bin, f->o.bin, f->o.bin, f->o.dir, slot);
    return fclose(out);
}

static int64_t wait_for_ports(struct fleet *f)
{
    int n = f->o.workers + f->o.clients;
    char path[400];
    snprintf(path, sizeof(path), "%s/resource.sock", f->o.dir);
    for (int tries = 0; tries < 500; tries++, pause_ms(10))
        if (atomic_load(&f->control->links[n - 1].port) != 0 &&
            access(path, F_OK) == 0)
            return 0;
    return -1;
}

int fleet_open(struct fleet *f)
{
    char n[16], hosts[SLOTS_MAX][32];
    const char *resource[] = {"torture_resource", f->o.dir, NULL};
    const char *proxy[ARGS_MAX] = {"torture_proxy", f->o.dir, n};
    snprintf(n, sizeof(n), "%d", f->o.workers + f->o.clients);
    for (int i = 0; i < f->o.far; i++) {
        snprintf(hosts[i], sizeof(hosts[i]), "10.77.%d.1", i);
        proxy[3 + i] = hosts[i];
    }
    for (int i = 0; i < f->o.workers; i++)
        if (worker_configure(f, i) < 0)
            return -1;
    member_start(f, &f->resource, -1, "resource", resource);
    member_start(f, &f->proxy, -1, "proxy", proxy);
    return wait_for_ports(f) < 0 ? -1 : 0;
}

/* ---- Dying ---------------------------------------------------------------------- */

static void member_died(struct fleet *f, int slot, int status, int64_t now_ms)
{
    struct member *m = &f->members[slot];
    m->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !is_worker(f, slot))
        m->has_ended = 1;
    if (m->is_expected)
        return;
    m->again_ms = now_ms + 100;
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 3 || f->is_leaving)) {
        f->n_refused += !f->is_leaving;
    } else if (!m->has_ended) {
        f->n_crashes++;
        fprintf(stderr, "torture: %s %d (pid noted in its log) died by %s %d\n",
                is_worker(f, slot) ? "worker" : "client", slot,
                WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
}

static void fleet_reap(struct fleet *f, int64_t now_ms)
{
    int n = f->o.workers + f->o.clients, status;
    for (int i = 0; i < n; i++)
        if (f->members[i].pid > 0 &&
            waitpid(f->members[i].pid, &status, WNOHANG) > 0)
            member_died(f, i, status, now_ms);
    struct member *others[] = {&f->proxy, &f->resource};
    for (int i = 0; i < 2; i++)
        if (others[i]->pid > 0 &&
            waitpid(others[i]->pid, &status, WNOHANG) > 0) {
            fprintf(stderr, "torture: the %s has died (%d)\n",
                    i == 0 ? "proxy" : "resource", status);
            others[i]->pid = 0;
            f->n_crashes++;
        }
}

void fleet_tick(struct fleet *f, int64_t now_ms)
{
    fleet_reap(f, now_ms);
    for (int i = 0; i < f->o.workers + f->o.clients; i++) {
        const struct member *m = &f->members[i];
        if (m->pid == 0 && !m->has_ended && !f->is_leaving &&
            now_ms >= m->again_ms)
            slot_start(f, i);
    }
}

void fleet_kill(struct fleet *f, int slot, int with_supervisor,
                int64_t now_ms, int64_t for_ms)
{
    struct member *m = &f->members[slot];
    pid_t worker = atomic_load(&f->control->pid[slot]);
    if (m->pid <= 0)
        return;
    if (fleet_is_supervised(f, slot) && !with_supervisor) {
        if (worker > 0 && worker != m->pid)
            kill(worker, SIGKILL); /* its supervisor makes another one */
        return;
    }
    m->is_expected = 1;
    m->again_ms = now_ms + for_ms;
    kill(m->pid, SIGKILL);
}

pid_t fleet_signal(struct fleet *f, int slot, int number)
{
    pid_t pid = f->members[slot].pid;
    if (fleet_is_supervised(f, slot))
        pid = atomic_load(&f->control->pid[slot]);
    if (pid <= 0 || f->members[slot].pid <= 0 || kill(pid, number) < 0)
        return 0;
    return pid;
}

int fleet_clients_left(const struct fleet *f)
{
    int n = 0;
    for (int i = f->o.workers; i < f->o.workers + f->o.clients; i++)
        n += !f->members[i].has_ended;
    return n;
}

int fleet_leave(struct fleet *f, int64_t ms)
{
    int left = 1, rc = 0;
    f->is_leaving = 1;
    for (int i = 0; i < f->o.workers; i++)
        if (f->members[i].pid > 0)
            kill(f->members[i].pid, SIGTERM);
    for (int64_t end = mono_ms() + ms; left > 0 && mono_ms() < end;
         pause_ms(10)) {
        fleet_reap(f, mono_ms());
        left = 0;
        for (int i = 0; i < f->o.workers; i++)
            left += f->members[i].pid > 0;
    }
    for (int i = 0; i < f->o.workers + f->o.clients; i++)
        if (f->members[i].pid > 0) {
            if (is_worker(f, i)) {
                fprintf(stderr, "torture: worker %d did not leave\n", i);
                rc = -1;
            }
            kill(f->members[i].pid, SIGKILL);
            waitpid(f->members[i].pid, NULL, 0);
            f->members[i].pid = 0;
        }
    return rc;
}

void fleet_close(struct fleet *f)
{
    struct member *others[] = {&f->proxy, &f->resource};
    fleet_leave(f, 0);
    for (int i = 0; i < 2; i++)
        if (others[i]->pid > 0) {
            kill(others[i]->pid, SIGKILL);
            waitpid(others[i]->pid, NULL, 0);
            others[i]->pid = 0;
        }
}
