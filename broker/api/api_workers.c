/* SPDX-License-Identifier: MIT */
/* The fleet: who is there, and commands for them. */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "api_json.h"

static int worker_add(const struct stint_worker_status *w, void *arg)
{
    json_t *o = api_object();
    api_put(o, "name", api_text(w->name));
    api_put(o, "host", api_text(w->host));
    api_put(o, "pid", api_number(w->pid));
    api_put(o, "groups", api_text(w->groups));
    api_put(o, "status", api_text(w->status));
    api_put(o, "concurrency", api_number(w->concurrency));
    api_put(o, "running", api_number(w->running));
    api_put(o, "version", api_text(w->version));
    api_put(o, "started", api_time(w->started_ms));
    api_put(o, "heartbeat_age_ms", api_number(w->heartbeat_age_ms));
    api_put(o, "shown", api_text(w->shown));
    api_put(o, "functions", api_text(w->functions));
    api_put(o, "load", w->load < 0 ? json_null() : api_real(w->load));
    api_put(o, "skew_ms", api_number(w->skew_ms));
    api_put(o, "reconnects", api_number(w->reconnects));
    api_put(o, "leases_lost", api_number(w->leases_lost));
    api_put(o, "outbox", api_number(w->outbox));
    api_put(o, "calls", api_number(w->calls));
    api_put(o, "calls_us", api_number(w->calls_us));
    api_put(o, "reaped", api_number(w->reaped));
    api_put(o, "reaper_calls", api_number(w->reaper_calls));
    api_put(o, "rss_kb", api_number(w->rss_kb));
    json_t *runs = json_loads(w->runs ? w->runs : "[]", 0, NULL);
    api_put(o, "runs", json_is_array(runs) ? json_incref(runs) : api_array());
    json_decref(runs);
    api_add(arg, o);
    return json_array_size(arg) >= API_WORKERS_MAX;
}

int api_workers(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes(c, ""))
        return 0;
    json_t *workers = api_array();
    if (stint_workers(s, worker_add, workers, err)) {
        json_decref(workers);
        return -1;
    }
    json_t *o = api_object();
    api_put(o, "workers", workers);
    call_json(c, 200, o);
    return 0;
}

/* ---- Commands -------------------------------------------------------------- */

static int name_add(const struct stint_worker_status *w, void *arg)
{
    api_add(arg, api_text(w->name));
    return 0;
}

/* As on the command line, all workers are meant only if that is said. */
static int workers_tell(stint *s, struct call *c, const char *verb,
                        struct stint_err *err)
{
    struct stint_command_options o = STINT_COMMAND_OPTIONS_INIT;
    const json_t *body = call_body(c);
    int64_t limit;
    int all;
    if (!api_takes_body(c, "", "worker group_name limit all") ||
        !api_text_of(c, body, "worker", &o.worker) ||
        !api_text_of(c, body, "group_name", &o.group) ||
        !api_count_of(c, body, "limit", 1, API_WORKERS_MAX, 0, &limit) ||
        !api_flag_of(c, body, "all", &all))
        return 0;
    if (!o.worker && !o.group && !limit && !all) {
        api_refuse(c, "worker", "which workers? worker, group_name, limit, or "
                                "\"all\": true");
        return 0;
    }
    o.limit = (size_t)limit;
    json_t *names = api_array();
    if (stint_command(s, verb, &o, name_add, names, NULL, err)) {
        json_decref(names);
        return -1;
    }
    json_t *answer = api_object();
    api_put(answer, "workers", names);
    call_json(c, 200, answer);
    return 0;
}

int api_workers_disable(stint *s, struct call *c, struct stint_err *err)
{
    return workers_tell(s, c, "disable", err);
}

int api_workers_resume(stint *s, struct call *c, struct stint_err *err)
{
    return workers_tell(s, c, "resume", err);
}

int api_workers_terminate(stint *s, struct call *c, struct stint_err *err)
{
    return workers_tell(s, c, "terminate", err);
}

int api_workers_kill(stint *s, struct call *c, struct stint_err *err)
{
    return workers_tell(s, c, "kill", err);
}
