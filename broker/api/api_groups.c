/* SPDX-License-Identifier: MIT */
/* Groups: what they hold, and what may be changed of them as a whole. */
#include "api_groups.h"

#include <string.h>

#include "api.h"
#include "api_json.h"

enum { PARTS_MOST = 256, EVENTS_MOST = 1000000 };

/* ---- Looking --------------------------------------------------------------- */

/* Every count of a group: the member of stint_stats and its name. */
static const struct {
    const char *name;
    size_t at;
} counts[] = {
#define COUNT(member) {#member, offsetof(struct stint_stats, member)}
    COUNT(queued),    COUNT(due),        COUNT(unknown),  COUNT(disabled),
    COUNT(waiting),   COUNT(broadcasts), COUNT(assigned), COUNT(running),
    COUNT(completed), COUNT(failed),     COUNT(timeout),  COUNT(stopped),
    COUNT(expired),   COUNT(retained),   COUNT(workers),
#undef COUNT
};
#define COUNTS (sizeof counts / sizeof *counts)

static int64_t count_of(const struct stint_stats *t, size_t i)
{
    return *(const int64_t *)(const void *)((const char *)t + counts[i].at);
}

json_t *api_totals(void)
{
    json_t *o = api_object();
    for (size_t i = 0; i < COUNTS; i++)
        if (strcmp(counts[i].name, "workers"))
            api_put(o, counts[i].name, api_number(0));
    api_put(o, "scheduled", api_number(0));
    return o;
}

static void total_add(json_t *totals, const char *name, int64_t n)
{
    json_t *v = json_object_get(totals, name);
    if (v)
        json_integer_set(v, json_integer_value(v) + n);
}

static int stats_add(const struct stint_stats *t, void *arg)
{
    struct api_groups *to = arg;
    json_t *o = api_object();
    api_put(o, "group_name", api_text(t->group));
    for (size_t i = 0; i < COUNTS; i++) {
        api_put(o, counts[i].name, api_number(count_of(t, i)));
        total_add(to->totals, counts[i].name, count_of(t, i));
    }
    int64_t later = t->queued > t->due ? t->queued - t->due : 0;
    api_put(o, "scheduled", api_number(later));
    total_add(to->totals, "scheduled", later);
    api_put(o, "oldest_due_s", api_seconds(t->oldest_due_ms));
    api_put(o, "paused", api_flag_value(t->paused != 0));
    api_put(o, "paused_since", api_time(t->paused));
    api_put(o, "events", api_number(t->events < 0 ? 0 : t->events));
    api_add(to->groups, o);
    to->n_known += t->queued || t->assigned || t->running || t->retained ||
                   t->workers || t->unknown || t->disabled || t->waiting ||
                   t->paused;
    return json_array_size(to->groups) >= API_GROUPS_MAX;
}

static int part_count(int part, int parts, const struct stint_stats *t,
                      void *arg)
{
    (void)part, (void)t;
    *(int *)arg = parts;
    return 1; /* that was it */
}

/* What the counts do not say: over how many parts it is spread, and how fast it
 * is. */
static int groups_complete(stint *s, const char *group, json_t *groups,
                           struct stint_err *err)
{
    size_t i;
    json_t *o, *rates;
    int rc = api_rates(s, group, &rates, err);
    json_array_foreach(groups, i, o) {
        const char *name = json_string_value(json_object_get(o, "group_name"));
        int parts = 1;
        if (!rc && stint_parts(s, name, part_count, &parts, err))
            rc = -1;
        api_put(o, "parts", api_number(parts));
        json_object_update_missing(o, json_object_get(rates, name));
    }
    json_decref(rates);
    return rc;
}

int api_groups_look(stint *s, const char *group, struct api_groups *to,
                    struct stint_err *err)
{
    *to = (struct api_groups){.groups = api_array(), .totals = api_totals()};
    if (stint_stats(s, group, stats_add, to, err) ||
        groups_complete(s, group, to->groups, err)) {
        api_groups_free(to);
        return -1;
    }
    return 0;
}

void api_groups_free(struct api_groups *g)
{
    json_decref(g->groups);
    json_decref(g->totals);
    *g = (struct api_groups){0};
}

int api_groups(stint *s, struct call *c, struct stint_err *err)
{
    struct api_groups g;
    if (!api_takes(c, ""))
        return 0;
    if (api_groups_look(s, NULL, &g, err))
        return -1;
    json_t *o = api_object();
    api_put(o, "groups", json_incref(g.groups));
    api_groups_free(&g);
    call_json(c, 200, o);
    return 0;
}

struct finding_group {
    const char *name;
    bool found;
};

static int group_is(const struct stint_stats *t, void *arg)
{
    struct finding_group *f = arg;
    f->found |= !strcmp(t->group, f->name);
    return f->found;
}

/* Of a group that holds nothing the fleet is asked whether it knows it. */
static int group_known(stint *s, const char *name, const struct api_groups *g,
                       struct stint_err *err)
{
    struct finding_group f = {name, g->n_known > 0};
    if (!f.found && stint_stats(s, NULL, group_is, &f, err))
        return -1;
    if (f.found)
        return 0;
    err->code = STINT_NOT_FOUND;
    snprintf(err->text, sizeof err->text, "there is no group %.100s", name);
    return -1;
}

int api_group(stint *s, struct call *c, struct stint_err *err)
{
    struct api_groups g;
    const char *name = call_segment(c, "group");
    if (!api_takes(c, ""))
        return 0;
    if (api_groups_look(s, name, &g, err))
        return -1;
    int rc = group_known(s, name, &g, err);
    if (!rc)
        call_json(c, 200, json_incref(json_array_get(g.groups, 0)));
    api_groups_free(&g);
    return rc;
}

/* ---- Changing -------------------------------------------------------------- */

static int group_answer(struct call *c, const char *key, json_t *v)
{
    json_t *o = api_object();
    api_put(o, "group_name", api_text(call_segment(c, "group")));
    api_put(o, key, v);
    call_json(c, 200, o);
    return 0;
}

int api_group_pause(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes_body(c, "", ""))
        return 0;
    if (stint_pause_group(s, call_segment(c, "group"), err))
        return -1;
    return group_answer(c, "paused", api_flag_value(true));
}

int api_group_resume(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes_body(c, "", ""))
        return 0;
    if (stint_resume_group(s, call_segment(c, "group"), err))
        return -1;
    return group_answer(c, "paused", api_flag_value(false));
}

int api_group_events(stint *s, struct call *c, struct stint_err *err)
{
    int64_t keep;
    if (!api_takes_body(c, "", "keep") ||
        !api_count_of(c, call_body(c), "keep", 0, EVENTS_MOST, -1, &keep))
        return 0;
    if (keep < 0) {
        api_refuse(c, "keep", "is required");
        return 0;
    }
    if (stint_keep_events(s, call_segment(c, "group"), keep, err))
        return -1;
    return group_answer(c, "events", api_number(keep));
}

int api_group_parts(stint *s, struct call *c, struct stint_err *err)
{
    int64_t parts;
    if (!api_takes_body(c, "", "parts") ||
        !api_count_of(c, call_body(c), "parts", 1, PARTS_MOST, 0, &parts))
        return 0;
    if (parts == 0) {
        api_refuse(c, "parts", "is required");
        return 0;
    }
    if (stint_set_parts(s, call_segment(c, "group"), (int)parts, err))
        return -1;
    return group_answer(c, "parts", api_number(parts));
}
