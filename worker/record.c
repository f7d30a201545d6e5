/* SPDX-License-Identifier: MIT */
/* What a worker says about itself with each heartbeat of the fleet: its record
 * in {stint}:workers, see docs/keys.md. It costs nothing between heartbeats:
 * all of it is read off here. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "time_text.h"
#include "worker.h"

#define RUNS_SHOWN_MAX   20
#define RECORD_BYTES_MAX 8192 /* runs that do not fit are left out */

int64_t record_rss_kb(void)
{
    char text[64];
    char *p;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    p = strchr(text, ' '); /* behind the size of its address space */
    return p != NULL ? strtoll(p, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024)
                     : 0;
}

static json_t *record_run(const struct held *h)
{
    char since[TIME_TEXT_LEN];
    time_text_write(h->run.deadline_wall_ms - h->run.timeout_ms, since);
    return json_pack("{s:s, s:s, s:s}", "id", h->run.id, "function",
                     h->run.function, "since", since);
}

/* Those that run longest, as many as there is room for. */
static json_t *record_runs(const struct worker *w, size_t room)
{
    json_t *runs = json_array();
    const struct held *h = w->held[HELD_RUNNING].first;
    for (int i = 0; i < RUNS_SHOWN_MAX && h != NULL; i++, h = h->next) {
        json_t *run = record_run(h);
        size_t len = json_dumpb(run, NULL, 0, JSON_COMPACT) + 1;
        if (len > room) {
            json_decref(run);
            break;
        }
        room -= len;
        json_array_append_new(runs, run);
    }
    return runs;
}

static json_t *record_names(const struct worker *w)
{
    json_t *groups = json_array(), *functions = json_array();
    for (int i = 0; i < w->config->n_groups; i++)
        json_array_append_new(groups, json_string(w->config->groups[i]));
    for (int i = 0; i < w->config->n_types; i++)
        json_array_append_new(functions,
                              json_string(w->config->types[i].name));
    return json_pack("{s:s, s:s, s:I, s:o, s:o}", "name", w->shown, "host",
                     w->host, "pid", (json_int_t)w->pid, "groups", groups,
                     "functions", functions);
}

static void record_add(json_t *o, const char *key, int64_t n)
{
    json_object_set_new(o, key, json_integer(n));
}

/* Since it began, but for the outbox and its memory, which are as of now. */
static void record_counts(const struct worker *w, json_t *o)
{
    record_add(o, "reconnects", w->reconnects);
    record_add(o, "leases_lost", w->leases_lost);
    record_add(o, "outbox", w->held[HELD_DONE].n + w->held[HELD_SENT].n);
    record_add(o, "calls", w->meter.calls);
    record_add(o, "calls_us", w->meter.us);
    record_add(o, "reaped", w->reaper.n_reaped);
    record_add(o, "reaper_calls", w->reaper.n_calls);
    record_add(o, "rss_kb", w->rss_kb != NULL ? w->rss_kb() : 0);
}

char *record_write(const struct worker *w)
{
    json_t *o = record_names(w);
    json_object_set_new(o, "status", json_string(worker_status(w)));
    record_add(o, "concurrency", w->config->concurrency);
    record_add(o, "running", w->held[HELD_RUNNING].n);
    json_object_set_new(o, "version", json_string(stint_version()));
    record_add(o, "started_ms", w->started_wall_ms);
    record_add(o, "lease_ms", w->lease_ms);
    record_add(o, "heartbeat_ms", w->heartbeat_ms);
    if (w->redis_off_us != 0)
        record_add(o, "skew_ms", w->wall() - exchange_redis_ms(w));
    if (w->load != NULL && w->load() >= 0)
        json_object_set_new(o, "load", json_real(w->load()));
    record_counts(w, o);
    size_t len = json_dumpb(o, NULL, 0, JSON_COMPACT) + sizeof(",'runs':[]");
    json_object_set_new(o, "runs",
                        record_runs(w, len < RECORD_BYTES_MAX
                                           ? RECORD_BYTES_MAX - len : 0));
    char *text = json_write(o, JSON_COMPACT);
    check(text != NULL);
    json_decref(o);
    return text;
}
