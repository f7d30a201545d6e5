/* SPDX-License-Identifier: MIT */
/* The checks, one row each, and how they are run over a campaign. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* clang-format off */
const struct check_row check_rows[] = {
    {"C1",  "lost: each acknowledged task is in one end state",
     check_lost, NULL, true},
    {"C2",  "invented: whatever is there was queued",
     check_invented, NULL, false},
    {"C3",  "recovered: of unknown outcome, there at most once",
     check_recovered, NULL, true},
    {"C4",  "one result: at most one end a life, and that is kept",
     check_one_result, NULL, true},
    {"C5",  "holder: only the latest assignment is heard",
     check_holder, NULL, true},
    {"C6",  "no overlap: unless the earlier lease had ended",
     check_overlap, NULL, true},
    {"C7",  "explained: each repeated run by a fault",
     check_explained, NULL, true},
    {"C8",  "fences: grow, are given once, not below Redis's time",
     check_fences, NULL, false},
    {"C9",  "resource: no write of an older fence was taken",
     check_resource, NULL, false},
    {"C10", "counters: as the results make them, runs kept",
     check_counters, NULL, true},
    {"C11", "limits: of times, runs and tries",
     check_limits, NULL, true},
    {"C12", "stable: an end that was seen stays",
     check_terminal, NULL, true},
    {"C13", "one place: records and indexes agree",
     check_place, check_keys, false},
    {"C14", "liveness: no pause without a fault",
     NULL, check_liveness, false},
    {"C15", "resources: descriptors, children, zombies, memory",
     NULL, check_resources, false},
    {"C16", "order: priority, then when due, in each reply",
     NULL, check_order, false},
    {"RP",  "replay: a path through the model's transitions",
     check_replay, NULL, true},
};
/* clang-format on */
const int n_check_rows = (int)(sizeof(check_rows) / sizeof(check_rows[0]));

/* ---- verdicts ---------------------------------------------------------------*/

static char *timeline_of(const struct task *t, const struct world *w)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    if (to == NULL)
        return NULL;
    for (size_t i = 0; i < t->n_entries; i++) {
        if (i == TIMELINE_MAX) {
            fprintf(to, "      … %zu more\n", t->n_entries - i);
            break;
        }
        record_print(&t->entries[i].record, world_begin(w), to);
    }
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

void verdict_add(struct verdict *v, const struct world *w, const struct task *t,
                 const char *format, ...)
{
    bool excused = v->may_be_excused && t != NULL && t->may_be_rolled_back;
    if (excused) {
        v->excused++;
        return;
    }
    v->violations++;
    if (v->n_examples == EXAMPLES_MAX)
        return;
    struct example *e = &v->examples[v->n_examples++];
    size_t len = 0;
    if (t != NULL)
        len = (size_t)snprintf(e->text, sizeof(e->text), "%s: ", t->id);
    va_list args;
    va_start(args, format);
    vsnprintf(e->text + len, sizeof(e->text) - len, format, args);
    va_end(args);
    e->timeline = t != NULL ? timeline_of(t, w) : NULL;
}

/* ---- a run ------------------------------------------------------------------*/

struct pass {
    struct checked *c;
    struct world *w;
    struct task task;
    bool no_memory;
};

/* When it could run, and when it was done, as far as that is sure: a plain task
 * from its queueing, others while somebody held them. */
static void note_open(const struct task *t, struct world *w)
{
    const struct history_record *s = t->spec;
    bool is_plain = t->submit != NULL && t->n_requeues == 0 &&
                    t->n_stops == 0 && s != NULL && s->value[0] == 0 &&
                    s->value[1] == 0 && s->value[2] == 0 && s->value[3] == 1;
    if (is_plain) {
        const struct history_record *done = NULL;
        for (size_t i = 0; i < t->n_holdings && done == NULL; i++)
            done = t->holdings[i].report;
        if (done == NULL || done->mono_us <= t->submit->mono_us)
            return;
        world_open(w, (int64_t)t->submit->mono_us, 1);
        world_open(w, (int64_t)done->mono_us, -1);
    }
}

static void pass_task(const struct history_entry *entries, size_t n, void *arg)
{
    struct pass *p = arg;
    if (!task_read(&p->task, entries, n, p->w)) {
        p->no_memory = true;
        return;
    }
    p->c->n_tasks++;
    note_open(&p->task, p->w);
    for (int i = 0; i < n_check_rows; i++)
        if (check_rows[i].each != NULL)
            check_rows[i].each(&p->task, p->w, &p->c->verdicts[i],
                               &p->c->measures);
}

struct checked *check_campaign(const char *dir, const struct check_options *o,
                               char why[200])
{
    struct history_reader *h = NULL;
    struct checked *c = calloc(1, sizeof(*c));
    struct pass p = {.c = c, .w = world_new(o)};
    bool done = false;
    snprintf(why, 200, "out of memory");
    if (c == NULL || p.w == NULL)
        goto out;
    c->verdicts = calloc((size_t)n_check_rows, sizeof(*c->verdicts));
    if (c->verdicts == NULL)
        goto out;
    for (int i = 0; i < n_check_rows; i++)
        c->verdicts[i].may_be_excused =
            check_rows[i].may_be_excused &&
            (o->level < 2 || (o->level == 3 && check_rows[i].each != check_lost));
    h = history_reader_open(dir, o->memory, world_note, p.w, why);
    if (h == NULL)
        goto out;
    snprintf(why, 200, "out of memory");
    if (!world_ready(p.w) ||
        history_reader_each_task(h, pass_task, &p, why) != 0 || p.no_memory)
        goto out;
    for (int i = 0; i < n_check_rows; i++)
        if (check_rows[i].all != NULL)
            check_rows[i].all(p.w, &c->verdicts[i], &c->measures);
    c->n_records = history_reader_n_records(h);
    c->n_files = history_reader_n_files(h);
    c->n_torn = history_reader_n_torn(h);
    done = true;
out:
    history_reader_close(h);
    free(p.task.holdings);
    world_free(p.w);
    if (done)
        return c;
    checked_free(c);
    return NULL;
}

void checked_free(struct checked *c)
{
    if (c == NULL)
        return;
    for (int i = 0; c->verdicts != NULL && i < n_check_rows; i++)
        for (int j = 0; j < c->verdicts[i].n_examples; j++)
            free(c->verdicts[i].examples[j].timeline);
    free(c->verdicts);
    free(c);
}

uint64_t checked_violations(const struct checked *c)
{
    uint64_t sum = 0;
    for (int i = 0; i < n_check_rows; i++)
        sum += c->verdicts[i].violations;
    return sum;
}
