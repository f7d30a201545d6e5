/* SPDX-License-Identifier: MIT */
#include "missing.h"

#include <stdio.h>
#include <string.h>

#include "err.h"

/* For the first that does not answer: a replica that takes over needs about as
 * long. And for a group once another one was found missing. */
#define MISSING_MS     3000
#define MISSING_TRY_MS 500

void missing_init(struct missing *m, struct stint *s, int all)
{
    *m = (struct missing){.s = s, .timeout_ms = s->timeout_ms};
    if (all && store_is_cluster(s->store) && s->timeout_ms > MISSING_MS)
        s->timeout_ms = MISSING_MS;
}

int missing_note(struct missing *m, const char *group, int rc,
                 struct stint_err *err)
{
    if (rc >= 0 || !store_is_cluster(m->s->store) ||
        (err->code != STINT_UNREACHABLE && err->code != STINT_UNKNOWN))
        return rc;
    size_t len = strlen(m->names);
    if (m->n++ == 0)
        m->first = *err;
    if (len + strlen(group) + 2 < sizeof(m->names))
        snprintf(m->names + len, sizeof(m->names) - len, "%s%s",
                 len > 0 ? " " : "", group);
    if (m->s->timeout_ms > MISSING_TRY_MS)
        m->s->timeout_ms = MISSING_TRY_MS;
    *err = (struct stint_err){0};
    return 0;
}

int missing_end(struct missing *m, int rc, struct stint_err *err)
{
    m->s->timeout_ms = m->timeout_ms;
    if (rc < 0 || m->n == 0)
        return rc;
    return err_set(err, m->first.code, "%d group%s of the cluster %s missing "
                   "here: %s: %.80s", m->n, m->n > 1 ? "s" : "",
                   m->n > 1 ? "are" : "is", m->names, m->first.text);
}
