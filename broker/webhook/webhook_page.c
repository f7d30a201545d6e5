/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* asprintf */
#include "webhook_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "webhook.h"

struct found {
    struct webhook_page *page;
    const struct webhook_config *c;
    json_t *bodies[WEBHOOK_PAGE]; /* without what the task says */
    int failed;
};

void webhook_page_close(struct webhook_page *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].id);
        free(p->items[i].body);
    }
    p->n = 0;
}

static json_t *time_json(int64_t ms)
{
    char text[40];
    struct tm t;
    time_t s = (time_t)(ms / 1000);
    gmtime_r(&s, &t);
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(ms % 1000));
    return json_string(text);
}

static int page_add(const struct stint_event *e, void *arg)
{
    struct found *f = arg;
    struct webhook_page *p = f->page;
    if (!webhook_config_fits(f->c, e))
        return 0;
    json_t *o = json_pack(
        "{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:I}", "cursor", e->cursor,
        "group_name", e->group_name, "at", time_json(e->at_ms), "verb",
        e->verb, "id", e->task_id, "function", e->function, "status",
        e->status, "worker", e->worker, "fence", (json_int_t)e->fence);
    char *id = NULL;
    if (o == NULL ||
        asprintf(&id, "%s/%s", e->group_name, e->cursor) < 0) {
        json_decref(o);
        f->failed = 1;
        return 1;
    }
    f->bodies[p->n] = o;
    p->items[p->n++] = (struct webhook_item){.id = id};
    return p->n == WEBHOOK_PAGE;
}

/* What the task itself says, if it still is what the event told. */
static int body_complete(json_t *o, stint *s, struct stint_err *err)
{
    struct stint_err why = {0};
    struct stint_status *t = stint_task_status(
        s, json_string_value(json_object_get(o, "group_name")),
        json_string_value(json_object_get(o, "id")), STINT_WITH_OUTPUT, &why);
    if (t == NULL && why.code == STINT_NOT_FOUND)
        return 0;
    if (t == NULL) {
        *err = why;
        return -1;
    }
    if (strcmp(t->status, json_string_value(json_object_get(o, "status"))) ==
        0) {
        json_object_set_new(o, "task_name", json_string(t->task_name));
        json_object_set_new(o, "times_run", json_integer(t->times_run));
        json_object_set_new(o, "times_failed", json_integer(t->times_failed));
        if (t->traceparent != NULL)
            json_object_set_new(o, "traceparent",
                                json_string(t->traceparent));
        if (t->error != NULL)
            json_object_set_new(o, "error", json_string(t->error));
    }
    stint_status_free(t);
    return 0;
}

static int bodies_write(struct found *f, stint *s, struct stint_err *err)
{
    for (size_t i = 0; i < f->page->n; i++) {
        if (body_complete(f->bodies[i], s, err))
            return -1;
        f->page->items[i].body = json_dumps(f->bodies[i], JSON_COMPACT);
        f->failed |= f->page->items[i].body == NULL;
    }
    return 0;
}

static int page_fill(struct webhook_page *p, stint *s,
                     const struct webhook_config *c, struct stint_err *err)
{
    struct found f = {.page = p, .c = c};
    struct stint_events_options o = STINT_EVENTS_OPTIONS_INIT;
    char after[STINT_CURSOR_LEN + 1];
    memcpy(after, p->cursor, sizeof(after));
    o.after = *after ? after : "$";
    o.limit = 10 * WEBHOOK_PAGE;
    o.ended = 1;
    if (json_array_size(c->groups) == 1)
        o.group = json_string_value(json_array_get(c->groups, 0));
    int rc = stint_events(s, &o, page_add, &f, p->cursor, err);
    if (rc == 0)
        rc = bodies_write(&f, s, err);
    for (size_t i = 0; i < p->n; i++)
        json_decref(f.bodies[i]);
    if (rc == 0 && f.failed) {
        err->code = STINT_NOMEM;
        snprintf(err->text, sizeof(err->text), "out of memory");
        rc = -1;
    }
    return rc;
}

int webhook_page_read(struct webhook_page *p, stint *s,
                      const struct webhook_config *c, const char *who,
                      const char *at, int more, struct stint_err *err)
{
    char name[WEBHOOK_NAME_MAX + 16];
    snprintf(name, sizeof(name), "webhook:%s", c->name);
    p->n = 0;
    int held = stint_event_reader(s, name, who, WEBHOOK_LEASE_MS, at,
                                  p->cursor, err);
    if (held < 0)
        return -1;
    p->is_held = held;
    return held && more ? page_fill(p, s, c, err) : 0;
}
