/* SPDX-License-Identifier: MIT */
#include "missing.h"

#include <stdio.h>
#include <stdlib.h>
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

int missing_each_group(struct stint *s, const char *group,
                       int (*each)(struct stint *s, const char *group,
                                   void *arg, struct stint_err *err),
                       void *arg, struct stint_err *err)
{
    size_t n = 0;
    int rc = 0;
    group_name *groups = client_groups_wanted(s, group, &n, err);
    if (groups == NULL)
        return -1;
    struct missing m;
    missing_init(&m, s, group == NULL);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = missing_note(&m, groups[i], each(s, groups[i], arg, err), err);
    rc = missing_end(&m, rc, err);
    free(groups);
    return rc < 0 ? -1 : 0;
}
