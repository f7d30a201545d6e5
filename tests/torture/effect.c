/* SPDX-License-Identifier: MIT */
#include "effect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "history_file.h"
#include "tickets.h"

static void effect_pause(const struct effect *e, long ms)
{
    while (ms > 0 && (e->is_cancelled == NULL || !e->is_cancelled(e->arg))) {
        long step = ms < 20 ? ms : 20;
        struct timespec t = {0, step * 1000000};
        nanosleep(&t, NULL);
        ms -= step;
    }
}

/* 'y': taken, 'n': refused, 0: nobody answered. */
static char effect_write(const struct effect *e, struct ticket ticket)
{
    struct resource_request r = {.fence = e->fence, .token = ticket.token,
                                 .actor = ticket.actor};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char answer = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    snprintf(r.id, sizeof(r.id), "%s", e->id);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/resource.sock", e->dir);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
        send(fd, &r, sizeof(r), MSG_NOSIGNAL) == (ssize_t)sizeof(r) &&
        recv(fd, &answer, 1, 0) != 1)
        answer = 0;
    close(fd);
    return answer;
}

int effect_run(const struct effect *e)
{
    struct history h;
    char path[512];
    char *rest = NULL;
    const char *p = strpbrk(e->args, "0123456789");
    long ms = p != NULL ? strtol(p, &rest, 10) : 0;
    p = rest != NULL ? strpbrk(rest, "0123456789") : NULL;
    long failures = p != NULL ? strtol(p, NULL, 10) : 0;
    struct tickets *tickets = tickets_map(e->dir, e->slot);
    struct ticket ticket = {0, 0};
    if (tickets != NULL) {
        ticket = tickets_get(tickets, e->id, e->fence);
        tickets_unmap(tickets);
    }
    snprintf(path, sizeof(path), "%s/history", e->dir);
    history_open(&h, path, ticket.actor);
    history_add(&h, HISTORY_EFFECT_BEGIN, OUTCOME_NONE, e->id, e->fence,
                ticket.token, getpid(), e->attempt, 0, 0);
    effect_pause(e, ms / 2);
    int rc = effect_write(e, ticket) == 'y' ? 0 : 2;
    effect_pause(e, ms - ms / 2);
    if (rc == 0 && e->attempt <= failures)
        rc = 1;
    history_add(&h, HISTORY_EFFECT_END, OUTCOME_NONE, e->id, e->fence,
                ticket.token, getpid(), rc == 0, 0, 0);
    history_close(&h);
    return rc;
}
