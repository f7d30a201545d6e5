/* SPDX-License-Identifier: MIT */
#include "routes.h"

#include <stdio.h>
#include <string.h>

#include "api.h"
#include "handle.h"
#include "metrics.h"
#include "target.h"

static const struct route routes[] = {
    {"GET", "/healthz", ROLE_NONE, ROUTE_OPEN | ROUTE_INLINE, handle_healthz},
    {"GET", "/readyz", ROLE_NONE, ROUTE_OPEN | ROUTE_SHARED, health_ready},
    {"GET", "/metrics", ROLE_READ, ROUTE_SHARED, metrics_get},
    {"POST", "/login", ROLE_NONE, ROUTE_OPEN | ROUTE_BODY | ROUTE_INLINE,
     handle_login},
    {"POST", "/logout", ROLE_READ, ROUTE_BODY | ROUTE_INLINE, handle_logout},

    {"GET", "/api/v1", ROLE_READ, 0, handle_root},
    {"GET", "/api/v1/autoscale", ROLE_READ, ROUTE_SHARED, autoscale_get},
    {"GET", "/api/v1/openapi.json", ROLE_READ, 0, api_openapi},
    {"GET", "/api/v1/overview", ROLE_READ, ROUTE_SHARED, api_overview},
    {"GET", "/api/v1/doctor", ROLE_ADMIN, 0, api_doctor},
    {"GET", "/api/v1/fsck", ROLE_ADMIN, ROUTE_LONG, api_fsck},
    {"GET", "/api/v1/quarantine", ROLE_ADMIN, 0, api_quarantine},

    {"GET", "/api/v1/groups", ROLE_READ, ROUTE_SHARED, api_groups},
    {"GET", "/api/v1/groups/{group}", ROLE_READ, ROUTE_SHARED,
     api_group},
    {"GET", "/api/v1/groups/{group}/history", ROLE_READ, ROUTE_SHARED,
     api_group_history},
    {"GET", "/api/v1/groups/{group}/functions", ROLE_READ, ROUTE_SHARED,
     api_group_functions},
    {"POST", "/api/v1/groups/{group}/pause", ROLE_ADMIN, ROUTE_BODY,
     api_group_pause},
    {"POST", "/api/v1/groups/{group}/resume", ROLE_ADMIN, ROUTE_BODY,
     api_group_resume},
    {"POST", "/api/v1/groups/{group}/purge", ROLE_ADMIN, ROUTE_BODY,
     api_group_purge},
    {"POST", "/api/v1/groups/{group}/events", ROLE_ADMIN, ROUTE_BODY,
     api_group_events},
    {"POST", "/api/v1/groups/{group}/parts", ROLE_ADMIN, ROUTE_BODY,
     api_group_parts},

    {"GET", "/api/v1/tasks", ROLE_READ, ROUTE_SHARED, api_list},
    {"POST", "/api/v1/tasks", ROLE_QUEUE, ROUTE_BODY, api_queue},
    {"POST", "/api/v1/tasks/bulk", ROLE_QUEUE, ROUTE_LINES, api_queue_lines},
    {"POST", "/api/v1/tasks/actions", ROLE_ADMIN, ROUTE_BODY, api_actions},
    {"GET", "/api/v1/tasks/{id}", ROLE_READ, 0, api_task},
    {"DELETE", "/api/v1/tasks/{id}", ROLE_ADMIN, 0, api_task_delete},
    {"GET", "/api/v1/tasks/{id}/wait", ROLE_READ, ROUTE_LONG, api_task_wait},
    {"GET", "/api/v1/tasks/{id}/why", ROLE_READ, 0, api_task_why},
    {"GET", "/api/v1/tasks/{id}/graph", ROLE_READ, 0, api_task_graph},
    {"GET", "/api/v1/tasks/{id}/timeline", ROLE_READ, 0, api_task_timeline},
    {"POST", "/api/v1/tasks/{id}/stop", ROLE_ADMIN, ROUTE_BODY, api_task_stop},
    {"POST", "/api/v1/tasks/{id}/requeue", ROLE_ADMIN, ROUTE_BODY,
     api_task_requeue},
    {"POST", "/api/v1/tasks/{id}/enable", ROLE_ADMIN, ROUTE_BODY,
     api_task_enable},
    {"POST", "/api/v1/tasks/{id}/disable", ROLE_ADMIN, ROUTE_BODY,
     api_task_disable},
    {"POST", "/api/v1/tasks/{id}/priority", ROLE_ADMIN, ROUTE_BODY,
     api_task_priority},
    {"POST", "/api/v1/tasks/{id}/run-now", ROLE_ADMIN, ROUTE_BODY,
     api_task_run_now},

    {"GET", "/api/v1/workers", ROLE_READ, ROUTE_SHARED, api_workers},
    {"POST", "/api/v1/workers/disable", ROLE_ADMIN, ROUTE_BODY,
     api_workers_disable},
    {"POST", "/api/v1/workers/resume", ROLE_ADMIN, ROUTE_BODY,
     api_workers_resume},
    {"POST", "/api/v1/workers/terminate", ROLE_ADMIN, ROUTE_BODY,
     api_workers_terminate},
    {"POST", "/api/v1/workers/kill", ROLE_ADMIN, ROUTE_BODY, api_workers_kill},

    {"GET", "/api/v1/cron/next", ROLE_READ, 0, api_cron_next},
    {"GET", "/api/v1/events", ROLE_READ, 0, api_events},
    {"GET", "/api/v1/events/stream", ROLE_READ, ROUTE_STREAM, NULL},
};
#define ROUTES (sizeof(routes) / sizeof(*routes))

const struct route *route_at(size_t i)
{
    return i < ROUTES ? &routes[i] : NULL;
}

static void allow_add(char allow[static 64], const char *method)
{
    size_t n = strlen(allow);
    snprintf(allow + n, 64 - n, "%s%s", n > 0 ? ", " : "", method);
}

const struct route *route_find(const char *method, const struct target *t,
                               char allow[static 64])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    allow[0] = '\0';
    for (size_t i = 0; i < ROUTES; i++) {
        if (!target_fits(t, routes[i].path))
            continue;
        if (strcmp(routes[i].method, wanted) == 0)
            return &routes[i];
        if (strcmp(routes[i].method, "GET") == 0)
            allow_add(allow, "GET, HEAD");
        else
            allow_add(allow, routes[i].method);
    }
    if (allow[0] != '\0')
        allow_add(allow, "OPTIONS");
    return NULL;
}
