/* SPDX-License-Identifier: MIT */
/* Redis refuses for a while: each refusal with the calls that it lets pass. */
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "lua_scripts.h"
#include "sim.h"

enum { PASS_LOOK = 1, PASS_OOM = 2, PASS_OTHER = 4 /* but FUNCTION LOAD */ };

static const struct {
    const char *text;
    int pass;
} refusals[] = {
    {"READONLY You can't write against a read only replica.", PASS_LOOK},
    {"OOM command not allowed when used memory > 'maxmemory'.",
     PASS_LOOK | PASS_OOM | PASS_OTHER},
    {"BUSY Redis is busy running a script. You can only call FUNCTION KILL or "
     "SHUTDOWN NOSAVE.", 0},
    {"LOADING Redis is loading the dataset in memory", 0},
    {"MISCONF Redis is configured to save RDB snapshots, but it's currently "
     "unable to persist to disk.", PASS_LOOK},
    {"NOREPLICAS Not enough good replicas to write.", PASS_LOOK},
};
#define REFUSALS (sizeof(refusals) / sizeof(*refusals))

/* What the library says of the function: its flags. */
static int refuse_flags(const char *function)
{
    char name[64], flags[64];
    snprintf(name, sizeof(name), "'%s'", function);
    const char *at = strstr(lua_library, name);
    at = at != NULL ? strstr(at, "flags={") : NULL;
    if (at == NULL)
        return 0;
    snprintf(flags, sizeof(flags), "%.*s", (int)strcspn(at, "}"), at);
    return (strstr(flags, "no-writes") != NULL ? PASS_LOOK : 0) |
           (strstr(flags, "allow-oom") != NULL ? PASS_OOM : 0);
}

void sim_refuse_begin(struct sim *s, int kind, int64_t for_ms)
{
    s->refusal = kind >= 0 ? kind : (int)sim_random(s, REFUSALS);
    s->refuse_until_ms = s->now_ms + for_ms;
    sim_trace(s, "Redis refuses for %d ms: %.20s", (int)for_ms,
              refusals[s->refusal].text);
}

const char *sim_refuse(const struct sim *s, const char *command,
                       const char *function)
{
    int pass = refusals[s->refusal].pass;
    if (s->now_ms >= s->refuse_until_ms)
        return NULL;
    int is_rule = strcmp(command, "FCALL") == 0;
    if (is_rule ? pass & refuse_flags(function)
                : (pass & PASS_OTHER) && strcmp(command, "FUNCTION") != 0)
        return NULL;
    return refusals[s->refusal].text;
}
