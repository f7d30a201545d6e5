/* SPDX-License-Identifier: MIT */
/* Commands for workers: each that was accepted is carried out once, in the
 * order of their numbers, and a worker that says it is disabled takes nothing
 * (sim_check.c looks at that). */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

static const char *const verbs[] = {"disable", "resume", "terminate", "kill"};

static void fleet_accepted(struct sim *s, const struct sim_call_view *c)
{
    size_t len;
    for (int i = 1; i < c->argc; i++) {
        struct sim_life *life = sim_worker_find(s, c->argv[i]);
        const char *word = reply_str(c->reply, (size_t)i, &len);
        if (life == NULL || strcmp(word, "OK") != 0)
            continue;
        if (s->from_dead && strcmp(c->argv[0], "disable") == 0)
            sim_client_resume(s, life, NULL); /* its client knows not of it */
        for (int v = 0; v < 4; v++)
            if (strcmp(verbs[v], c->argv[0]) == 0 &&
                life->n_commands < SIM_COMMANDS_MAX)
                life->commands[life->n_commands++] = verbs[v];
    }
}

void sim_fleet_check(struct sim *s, const struct sim_call_view *c)
{
    if (reply_n(c->reply) == 0)
        return;
    if (strcmp(c->verb, "fleet_command") == 0)
        fleet_accepted(s, c);
    if (strcmp(c->verb, "fleet_heartbeat") != 0 || s->from_dead)
        return;
    struct sim_life *life = sim_worker_find(s, c->argv[0]);
    if (life != NULL)
        life->says_disabled =
            strstr(c->argv[1], "\"status\":\"DISABLED\"") != NULL;
}

/* A worker does what it was told. */
void sim_fleet_obeyed(struct sim_life *life, const char *verb)
{
    int n = life->n_obeyed++;
    if (strcmp(verb, "resume") == 0)
        life->says_disabled = 0; /* that it says so may get lost */
    if (n >= life->n_commands)
        sim_fail(life->sim, "%s carries out %s, which nobody asked for",
                 life->worker.name, verb);
    if (strcmp(life->commands[n], verb) != 0)
        sim_fail(life->sim, "%s carries out %s, but should %s",
                 life->worker.name, verb, life->commands[n]);
}

int sim_fleet_is_settled(const struct sim *s)
{
    for (int i = 0; i < s->n_workers; i++) {
        const struct sim_life *life = s->workers[i];
        if (life == NULL || life->n_obeyed != life->n_commands)
            return 0;
    }
    return 1;
}
