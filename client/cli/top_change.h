/* SPDX-License-Identifier: MIT */
/* What a key of stint top changes: asked first, then done, one at a time. */
#ifndef STINT_TOP_CHANGE_H
#define STINT_TOP_CHANGE_H

#include "top.h"

enum top_verb { TOP_STOP, TOP_REQUEUE, TOP_PAUSE, TOP_RESUME, TOP_DISABLE,
                TOP_ENABLE };

struct top_change {
    enum top_verb verb;
    char group[STINT_NAME_LEN + 1];
    char name[2 * STINT_NAME_LEN]; /* of a task its id, of a worker its name */
    /* How it went. */
    int rc;
    struct stint_err err;
};

/* What `key` would change of the selected row. False: nothing, and `note` says
 * why; else `question` asks. */
bool top_change_ask(const struct top_view *v, const struct top_model *m,
                    int key, struct top_change *c, char question[400],
                    char note[400]);
/* Does it; waits for Redis. */
int top_change_work(stint *s, const struct top_change *c, struct stint_err *err);
/* What became of it. */
void top_change_tell(const struct top_change *c, char note[400]);

#endif
