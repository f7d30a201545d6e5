/* SPDX-License-Identifier: MIT */
/* Changes by keys: a table of who changes what, where. The row is remembered by
 * its name when the question is asked: what comes and goes meanwhile does not
 * make it another one. */
#include "top_change.h"

#include <string.h>

static const struct {
    int key;
    enum top_pane pane;
    enum top_verb verb;
    const char *question; /* with the name */
    const char *done;
    const char *needs;    /* when it is another pane, or nothing is there */
} rows[] = {
    {'s', PANE_RUNNING, TOP_STOP, "stop the task %s?", "%s is told to stop",
     "s stops a running task: go to Running"},
    {'r', PANE_FAILED, TOP_REQUEUE, "queue the task %s again?",
     "%s is queued again", "r queues a failed task again: go to Failed"},
#ifdef STINT_SEARCH_OPTIONS_INIT
    {'p', PANE_GROUPS, TOP_PAUSE, "pause the group %s?", "%s is paused",
     "p pauses or resumes a group: go to Groups"},
    {'p', PANE_GROUPS, TOP_RESUME, "resume the group %s?", "%s goes on", NULL},
#endif
    {'d', PANE_WORKERS, TOP_DISABLE, "have the worker %s take nothing new?",
     "%s takes nothing new",
     "d disables or resumes a worker: go to Workers"},
    {'d', PANE_WORKERS, TOP_ENABLE, "have the worker %s take tasks again?",
     "%s takes tasks again", NULL},
};
enum { ROWS = sizeof rows / sizeof *rows };

static size_t row_of(enum top_verb verb)
{
    size_t i = 0;
    while (i < ROWS - 1 && rows[i].verb != verb)
        i++;
    return i;
}

static void target_set(struct top_change *c, const struct top_look *look,
                       long row)
{
    const struct top_task *t = NULL;
    switch (c->verb) {
    case TOP_STOP: t = &look->running[row]; break;
    case TOP_REQUEUE: t = &look->failed[row]; break;
    case TOP_PAUSE:
    case TOP_RESUME:
        if (look->groups[row].paused)
            c->verb = TOP_RESUME;
        snprintf(c->name, sizeof c->name, "%s", look->groups[row].name);
        break;
    case TOP_DISABLE:
    case TOP_ENABLE:
        if (!strcmp(look->workers[row].status, "DISABLED"))
            c->verb = TOP_ENABLE;
        snprintf(c->name, sizeof c->name, "%s", look->workers[row].name);
        break;
    }
    if (t) {
        snprintf(c->group, sizeof c->group, "%s", t->group);
        snprintf(c->name, sizeof c->name, "%s", t->id);
    }
}

/* The format is one of the table's. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void say(char text[400], const char *format, const char *name)
{
    snprintf(text, 400, format, name);
}
#pragma GCC diagnostic pop

bool top_change_ask(const struct top_view *v, const struct top_model *m,
                    int key, struct top_change *c, char question[400],
                    char note[400])
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].key != key)
            continue;
        long row = top_view_selected(v, m);
        if (v->pane != rows[i].pane || row < 0 || v->is_help) {
            say(note, "%s", rows[i].needs);
            return false;
        }
        memset(c, 0, sizeof *c);
        c->verb = rows[i].verb;
        target_set(c, m->look, row);
        say(question, rows[row_of(c->verb)].question, c->name);
        return true;
    }
    return false;
}

int top_change_work(stint *s, const struct top_change *c, struct stint_err *err)
{
    struct stint_command_options o = STINT_COMMAND_OPTIONS_INIT;
    o.worker = c->name;
    switch (c->verb) {
    case TOP_STOP: return stint_stop_task(s, c->group, c->name, err) < 0 ? -1 : 0;
    case TOP_REQUEUE: return stint_requeue_task(s, c->group, c->name, 0, err);
#ifdef STINT_SEARCH_OPTIONS_INIT
    case TOP_PAUSE: return stint_pause_group(s, c->name, err);
    case TOP_RESUME: return stint_resume_group(s, c->name, err);
#else
    case TOP_PAUSE:
    case TOP_RESUME: return -1;
#endif
    case TOP_DISABLE:
        return stint_command(s, "disable", &o, NULL, NULL, NULL, err);
    case TOP_ENABLE:
        return stint_command(s, "resume", &o, NULL, NULL, NULL, err);
    }
    return -1;
}

void top_change_tell(const struct top_change *c, char note[400])
{
    if (c->rc >= 0)
        say(note, rows[row_of(c->verb)].done, c->name);
    else
        snprintf(note, 400, "%.150s: %s", c->name,
                 *c->err.text ? c->err.text : stint_code_text(c->err.code));
}
