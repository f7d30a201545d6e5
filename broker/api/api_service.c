/* SPDX-License-Identifier: MIT */
/* The whole at a glance, and how it is doing. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "api_groups.h"
#include "api_json.h"
#include "assets.h"

enum { FAULTS_TOLD_MAX = 1000 };

/* ---- The document ---------------------------------------------------------- */

int api_openapi(stint *s, struct call *c, struct stint_err *err)
{
    (void)s, (void)err;
    const struct asset *a = &openapi[0];
    if (api_takes(c, ""))
        call_bytes(c, 200, a->type, (const char *)a->bytes, a->len);
    return 0;
}

/* ---- Overview -------------------------------------------------------------- */

struct fleet {
    int64_t live, dead, running, concurrency;
};

static int fleet_add(const struct stint_worker_status *w, void *arg)
{
    struct fleet *f = arg;
    if (!strcmp(w->status, "DEAD") || !strcmp(w->status, "KILLED")) {
        f->dead++;
        return 0;
    }
    f->live++;
    f->running += w->running;
    f->concurrency += w->concurrency;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int api_overview(stint *s, struct call *c, struct stint_err *err)
{
    struct fleet f = {0};
    struct api_groups g;
    if (!api_takes(c, ""))
        return 0;
    if (stint_workers(s, fleet_add, &f, err) ||
        api_groups_look(s, NULL, &g, err))
        return -1;
    json_t *o = api_object(), *workers = api_object();
    api_put(workers, "live", api_number(f.live));
    api_put(workers, "dead", api_number(f.dead));
    api_put(workers, "running", api_number(f.running));
    api_put(workers, "concurrency", api_number(f.concurrency));
    api_put(o, "now", api_time(now_ms()));
    api_put(o, "totals", json_incref(g.totals));
    api_put(o, "workers", workers);
    api_put(o, "groups", json_incref(g.groups));
    api_groups_free(&g);
    call_json(c, 200, o);
    return 0;
}

/* ---- Doctor ---------------------------------------------------------------- */

static int finding_add(const struct stint_finding *f, void *arg)
{
    static const char *const states[] = {"ok", "warning", "fault", "unknown"};
    json_t *o = api_object();
    api_put(o, "name", api_text(f->name));
    api_put(o, "state", api_text(states[f->state]));
    api_put(o, "text", api_text(f->text));
    api_put(o, "advice", api_text(f->advice));
    api_add(arg, o);
    return 0;
}

int api_doctor(stint *s, struct call *c, struct stint_err *err)
{
    int64_t durability;
    int level = 0;
    size_t faults = 0;
    if (!api_takes(c, "durability") ||
        !api_count(c, "durability", 0, 3, 0, &durability))
        return 0;
    json_t *findings = api_array();
    if (stint_doctor(s, (int)durability, finding_add, findings, &level, &faults,
                     err)) {
        json_decref(findings);
        return -1;
    }
    json_t *o = api_object();
    api_put(o, "findings", findings);
    api_put(o, "level", api_number(level));
    api_put(o, "faults", api_number((int64_t)faults));
    call_json(c, 200, o);
    return 0;
}

/* ---- Fsck ------------------------------------------------------------------ */

struct fsck {
    json_t *faults;
    uint64_t left_out;
};

static void fault_add(const char *group, const char *fault, void *arg)
{
    struct fsck *f = arg;
    if (json_array_size(f->faults) >= FAULTS_TOLD_MAX) {
        f->left_out++;
        return;
    }
    json_t *o = api_object();
    api_put(o, "group_name", api_text(group));
    api_put(o, "fault", api_text(fault));
    api_add(f->faults, o);
}

/* The walk is bounded in each of its steps, and others go on between them; all
 * of it takes as long as there are keys. */
int api_fsck(stint *s, struct call *c, struct stint_err *err)
{
    struct fsck f = {0};
    uint64_t checked = 0, faults = 0;
    if (!api_takes(c, ""))
        return 0;
    f.faults = api_array();
    if (stint_fsck(s, fault_add, &f, &checked, &faults, err)) {
        json_decref(f.faults);
        return -1;
    }
    json_t *o = api_object();
    api_put(o, "faults", f.faults);
    api_put(o, "checked", api_number((int64_t)checked));
    api_put(o, "left_out", api_number((int64_t)f.left_out));
    call_json(c, 200, o);
    return 0;
}

/* When and why; what was there is a record in the raw, with payloads in it: for
 * stint fsck --quarantine, on a terminal. */
static int entry_add(const char *group, const char *name, const char *what,
                     void *arg)
{
    json_t *o = api_object();
    json_t *entry = json_loads(what, JSON_ALLOW_NUL, NULL);
    json_t *at = json_object_get(entry, "at");
    api_put(o, "group_name", api_text(group));
    api_put(o, "name", api_text(name));
    api_put(o, "at", api_time((int64_t)json_number_value(at)));
    api_put(o, "why",
            api_text(json_string_value(json_object_get(entry, "why"))));
    json_decref(entry);
    api_add(arg, o);
    return json_array_size(arg) >= API_LIMIT_MAX;
}

int api_quarantine(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes(c, ""))
        return 0;
    json_t *entries = api_array();
    if (stint_quarantine(s, entry_add, entries, err)) {
        json_decref(entries);
        return -1;
    }
    json_t *o = api_object();
    api_put(o, "entries", entries);
    call_json(c, 200, o);
    return 0;
}
