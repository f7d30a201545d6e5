/* SPDX-License-Identifier: MIT */
/* What concerns all tasks of a campaign: faults, deaths, leases, stops of Redis,
 * phases, progress, use of resources. Its size depends on faults and heartbeats,
 * not on tasks. */
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define PROGRESS_CELLS (8 << 20) /* of the whole campaign */
#define CELL_US_MIN    10000
#define DISORDERS_KEPT 3

/* An array that grows; elements of one size. */
struct rows {
    void *at;
    size_t n, n_room, size;
};

struct beat { /* of a lease */
    uint32_t actor;
    int64_t redis_us, lease_us;
};

struct death {
    uint32_t actor;
    bool killed;
    int64_t us;
};

struct interval {
    int64_t from, to;
};

struct boot {
    int64_t us;
    bool may_lose;
};

struct world {
    struct check_options o;
    bool no_memory;
    uint64_t counts[HISTORY_KINDS_N];
    uint64_t n_faults[HISTORY_FAULTS_N];
    int64_t first_us, last_us;
    int64_t phases[4]; /* when; 0: never */
    struct rows faults, beats, deaths, boots, losses, usages, progress;
    bool clock_jumped;
    int64_t keys_without_owner;
    uint64_t final_faults;
    /* The longest duration of a fault of one target, so that a search may stop
     * early. */
    int64_t fault_us_max;
    /* Order within the replies of the file that is read. */
    struct history_record before;
    uint64_t n_orders, n_disorders;
    struct disorder disorders[DISORDERS_KEPT];
    /* After world_ready. */
    int64_t cell_us;
    size_t n_cells;
    int32_t *open; /* change of the number of open tasks, by cell */
};

static void *rows_add(struct rows *r, size_t size)
{
    r->size = size;
    if (r->n == r->n_room) {
        size_t n = r->n_room == 0 ? 64 : 2 * r->n_room;
        void *more = realloc(r->at, n * size);
        if (more == NULL)
            return NULL;
        r->at = more;
        r->n_room = n;
    }
    void *row = (char *)r->at + r->n++ * size;
    memset(row, 0, size);
    return row;
}

#define ROWS(r, type) ((type *)(r)->at)

struct world *world_new(const struct check_options *o)
{
    struct world *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->o = *o;
    w->first_us = INT64_MAX;
    w->last_us = INT64_MIN;
    return w;
}

void world_free(struct world *w)
{
    if (w == NULL)
        return;
    struct rows *const all[] = {&w->faults, &w->beats,  &w->deaths,  &w->boots,
                                &w->losses, &w->usages, &w->progress};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        free(all[i]->at);
    free(w->open);
    free(w);
}

const struct check_options *world_options(const struct world *w)
{
    return &w->o;
}

/* ---- noting -----------------------------------------------------------------*/

static void note_fault(struct world *w, const struct history_record *r)
{
    uint32_t kind = (uint32_t)r->value[0];
    if (kind >= HISTORY_FAULTS_N)
        return;
    w->n_faults[kind]++;
    if (kind == FAULT_REDIS_CLOCK)
        w->clock_jumped = true;
    struct fault *f = rows_add(&w->faults, sizeof(*f));
    if (f == NULL) {
        w->no_memory = true;
        return;
    }
    *f = (struct fault){.target = (uint32_t)r->value[1],
                        .kind = kind,
                        .line = r->value[2],
                        .begin_us = (int64_t)r->mono_us,
                        .end_us = (int64_t)r->mono_us};
}

/* The latest begin of the same line, kind and target has ended. */
static void note_fault_end(struct world *w, const struct history_record *r)
{
    struct fault *all = ROWS(&w->faults, struct fault);
    size_t steps = 0;
    for (size_t i = w->faults.n; i > 0 && steps < 10000; i--, steps++) {
        struct fault *f = &all[i - 1];
        if (f->kind == (uint32_t)r->value[0] &&
            f->target == (uint32_t)r->value[1] && f->line == r->value[2]) {
            f->end_us = (int64_t)r->mono_us;
            return;
        }
    }
}

static void note_death(struct world *w, uint32_t actor, bool killed, int64_t us)
{
    struct death *d = rows_add(&w->deaths, sizeof(*d));
    if (d == NULL)
        w->no_memory = true;
    else
        *d = (struct death){.actor = actor, .killed = killed, .us = us};
}

static void note_beat(struct world *w, uint32_t actor, int64_t us, int64_t ms)
{
    if (us == 0 || ms == 0)
        return;
    struct beat *b = rows_add(&w->beats, sizeof(*b));
    if (b == NULL)
        w->no_memory = true;
    else
        *b = (struct beat){
            .actor = actor, .redis_us = us, .lease_us = ms * 1000};
}

static void note_boot(struct world *w, const struct history_record *r)
{
    struct boot *b = rows_add(&w->boots, sizeof(*b));
    if (b == NULL)
        w->no_memory = true;
    else
        *b = (struct boot){.us = (int64_t)r->mono_us,
                           .may_lose = r->value[2] != 0};
}

static void note_progress(struct world *w, const struct history_record *r)
{
    /* A burst is one interval: a steady worker costs nothing. */
    int64_t us = (int64_t)r->mono_us;
    struct interval *last = ROWS(&w->progress, struct interval);
    if (w->progress.n > 0) {
        last += w->progress.n - 1;
        if (us >= last->to && us - last->to <= CELL_US_MIN) {
            last->to = us;
            return;
        }
    }
    struct interval *one = rows_add(&w->progress, sizeof(*one));
    if (one == NULL)
        w->no_memory = true;
    else
        *one = (struct interval){us, us};
}

/* Tasks of one reply stand in the order in which they were handed out. The
 * first may be one that was lost with a worker: those come before all. */
static void note_order(struct world *w, const struct history_record *r)
{
    const struct history_record *b = &w->before;
    bool same = b->kind == HISTORY_ASSIGN && b->actor == r->actor &&
                b->value[0] == r->value[0] && r->value[0] != 0;
    struct history_record now = *r;
    if (!same)
        now.outcome = 0; /* the first of its reply */
    else
        now.outcome = (uint16_t)(b->outcome < 2 ? b->outcome + 1 : 2);
    if (same && b->outcome >= 1 && r->value[3] != 0 && b->value[3] != 0) {
        w->n_orders++;
        bool wrong = b->value[2] < r->value[2] ||
                     (b->value[2] == r->value[2] && b->value[3] > r->value[3]);
        if (wrong && w->n_disorders < DISORDERS_KEPT)
            w->disorders[w->n_disorders] =
                (struct disorder){.actor = r->actor,
                                  .us = r->value[0],
                                  .priority = {b->value[2], r->value[2]},
                                  .due = {b->value[3], r->value[3]}};
        w->n_disorders += wrong;
    }
    w->before = now;
}

/* All records of an actor are in one file, and mostly the last one used is
 * meant. */
static void note_usage(struct world *w, const struct history_record *r)
{
    struct usage *all = ROWS(&w->usages, struct usage), *u = NULL;
    for (size_t i = w->usages.n; i > 0 && i + 64 > w->usages.n; i--)
        if (all[i - 1].actor == r->actor) {
            u = &all[i - 1];
            break;
        }
    if (u == NULL) {
        u = rows_add(&w->usages, sizeof(*u));
        if (u == NULL) {
            w->no_memory = true;
            return;
        }
        u->actor = r->actor;
        memcpy(u->first, r->value, sizeof(u->first));
    }
    u->n++;
    memcpy(u->last, r->value, sizeof(u->last));
    /* Doubling: what was seen so far is the first half of what will be. */
    if ((u->n & (u->n - 1)) == 0) {
        if (u->rss_max[1] > u->rss_max[0])
            u->rss_max[0] = u->rss_max[1];
        u->rss_max[1] = 0;
    }
    if (r->value[3] > u->rss_max[1])
        u->rss_max[1] = r->value[3];
    u->last_us = (int64_t)r->mono_us;
}

void world_note(const struct history_record *r, void *world)
{
    struct world *w = world;
    if (r->kind >= HISTORY_KINDS_N)
        return;
    w->counts[r->kind]++;
    int64_t us = (int64_t)r->mono_us;
    if (us < w->first_us)
        w->first_us = us;
    if (us > w->last_us)
        w->last_us = us;
    switch (r->kind) {
    case HISTORY_FAULT_BEGIN:
        note_fault(w, r);
        if (r->value[0] == FAULT_KILL_WORKER && r->value[1] != 0)
            note_death(w, (uint32_t)r->value[1], true, us);
        break;
    case HISTORY_FAULT_END:
        note_fault_end(w, r);
        break;
    case HISTORY_LEAVE:
        note_death(w, r->actor, false, us);
        break;
    case HISTORY_HEARTBEAT:
        if (r->outcome == OUTCOME_OK)
            note_beat(w, r->actor, r->value[2], r->value[1]);
        break;
    case HISTORY_BOOT:
        note_boot(w, r);
        break;
    case HISTORY_PHASE:
        if (r->value[0] >= 0 && r->value[0] < 4)
            w->phases[r->value[0]] = us;
        break;
    case HISTORY_REPORT:
        if (r->outcome == OUTCOME_OK)
            note_progress(w, r);
        break;
    case HISTORY_ASSIGN:
        note_order(w, r);
        break;
    case HISTORY_USAGE:
        note_usage(w, r);
        break;
    case HISTORY_FINAL_FAULT:
        w->final_faults += r->id[0] == '\0';
        break;
    case HISTORY_FINAL_KEYS:
        w->keys_without_owner += r->value[0];
        break;
    default:
        break;
    }
    if (r->kind != HISTORY_ASSIGN)
        w->before.kind = HISTORY_NONE;
}

/* ---- ready ------------------------------------------------------------------*/

static int fault_order(const void *va, const void *vb)
{
    const struct fault *a = va, *b = vb;
    if (a->target != b->target)
        return a->target < b->target ? -1 : 1;
    return a->begin_us < b->begin_us ? -1 : a->begin_us > b->begin_us;
}

static int beat_order(const void *va, const void *vb)
{
    const struct beat *a = va, *b = vb;
    if (a->actor != b->actor)
        return a->actor < b->actor ? -1 : 1;
    return a->redis_us < b->redis_us ? -1 : a->redis_us > b->redis_us;
}

static int death_order(const void *va, const void *vb)
{
    const struct death *a = va, *b = vb;
    if (a->actor != b->actor)
        return a->actor < b->actor ? -1 : 1;
    return a->us < b->us ? -1 : a->us > b->us;
}

static int boot_order(const void *va, const void *vb)
{
    const struct boot *a = va, *b = vb;
    return a->us < b->us ? -1 : a->us > b->us;
}

static int interval_order(const void *va, const void *vb)
{
    const struct interval *a = va, *b = vb;
    return a->from < b->from ? -1 : a->from > b->from;
}

static void rows_sort(struct rows *r, int (*order)(const void *, const void *))
{
    if (r->n > 1)
        qsort(r->at, r->n, r->size, order);
}

/* Sorts, and makes one of those that touch. */
static void intervals_join(struct rows *r)
{
    rows_sort(r, interval_order);
    struct interval *all = ROWS(r, struct interval);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (n > 0 && all[i].from <= all[n - 1].to) {
            if (all[i].to > all[n - 1].to)
                all[n - 1].to = all[i].to;
        } else {
            all[n++] = all[i];
        }
    }
    r->n = n;
}

static void add_loss(struct world *w, int64_t from, int64_t to)
{
    struct interval *i = rows_add(&w->losses, sizeof(*i));
    if (i == NULL)
        w->no_memory = true;
    else
        *i = (struct interval){from - w->o.loss_us, to};
}

/* Windows in which calls may have been acknowledged and lost: before a stop of
 * Redis and until it is there again, and while its disk took nothing. */
static void losses_find(struct world *w)
{
    const struct boot *boots = ROWS(&w->boots, struct boot);
    for (size_t i = 0; i < w->boots.n; i++)
        if (boots[i].may_lose && w->o.level < 2)
            add_loss(w, boots[i].us, boots[i].us);
    const struct fault *all = ROWS(&w->faults, struct fault);
    for (size_t i = 0; i < w->faults.n; i++) {
        const struct fault *f = &all[i];
        if (strchr(history_fault_may(f->kind), 'L') == NULL ||
            (w->o.level >= 2 && f->kind != FAULT_REDIS_FAILOVER))
            continue;
        int64_t to = f->end_us;
        for (size_t j = 0; j < w->boots.n; j++)
            if (boots[j].us >= f->begin_us) {
                if (boots[j].us > to &&
                    boots[j].us < f->begin_us + w->o.budget_us)
                    to = boots[j].us;
                break;
            }
        add_loss(w, f->begin_us, to);
    }
    intervals_join(&w->losses);
}

bool world_ready(struct world *w)
{
    rows_sort(&w->faults, fault_order);
    rows_sort(&w->beats, beat_order);
    rows_sort(&w->deaths, death_order);
    rows_sort(&w->boots, boot_order);
    intervals_join(&w->progress);
    struct usage *u = ROWS(&w->usages, struct usage);
    for (size_t i = 0; i < w->usages.n; i++)
        u[i].drained = w->phases[2] != 0 && u[i].last_us > w->phases[2];
    const struct fault *all = ROWS(&w->faults, struct fault);
    for (size_t i = 0; i < w->faults.n; i++)
        if (all[i].end_us - all[i].begin_us > w->fault_us_max)
            w->fault_us_max = all[i].end_us - all[i].begin_us;
    losses_find(w);
    int64_t span = w->last_us > w->first_us ? w->last_us - w->first_us : 0;
    w->cell_us = span / PROGRESS_CELLS + 1;
    if (w->cell_us < CELL_US_MIN)
        w->cell_us = CELL_US_MIN;
    w->n_cells = (size_t)(span / w->cell_us) + 2;
    w->open = calloc(w->n_cells, sizeof(*w->open));
    return w->open != NULL && !w->no_memory;
}

/* ---- questions ---------------------------------------------------------------*/

/* The first fault of this target or of a greater one. */
static size_t faults_of(const struct world *w, uint32_t target, int64_t us)
{
    const struct fault *all = ROWS(&w->faults, struct fault);
    struct fault key = {.target = target, .begin_us = us};
    size_t low = 0, high = w->faults.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (fault_order(&all[mid], &key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static const struct fault *fault_between(const struct world *w, uint32_t target,
                                         int64_t from, int64_t to)
{
    const struct fault *all = ROWS(&w->faults, struct fault);
    int64_t earliest = from - w->o.budget_us - w->fault_us_max;
    /* Backwards: what caused it was mostly the last one. */
    for (size_t i = faults_of(w, target, to + 1);
         i > 0 && all[i - 1].target == target &&
         all[i - 1].begin_us >= earliest;
         i--)
        if (all[i - 1].end_us + w->o.budget_us >= from &&
            strchr(history_fault_may(all[i - 1].kind), 'R') != NULL)
            return &all[i - 1];
    return NULL;
}

const struct fault *world_explains(const struct world *w, uint32_t actor,
                                   int64_t from_us, int64_t to_us)
{
    const struct fault *f = NULL;
    if (actor != 0)
        f = fault_between(w, actor, from_us, to_us);
    return f != NULL ? f : fault_between(w, 0, from_us, to_us);
}

bool world_may_lose(const struct world *w, int64_t us)
{
    const struct interval *all = ROWS(&w->losses, struct interval);
    size_t low = 0, high = w->losses.n;
    while (low < high) { /* the first that begins after it */
        size_t mid = low + (high - low) / 2;
        if (all[mid].from <= us)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 && all[low - 1].to >= us;
}

static const struct death *death_of(const struct world *w, uint32_t actor)
{
    const struct death *all = ROWS(&w->deaths, struct death);
    size_t low = 0, high = w->deaths.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (all[mid].actor < actor)
            low = mid + 1;
        else
            high = mid;
    }
    return low < w->deaths.n && all[low].actor == actor ? &all[low] : NULL;
}

int64_t world_death(const struct world *w, uint32_t actor)
{
    const struct death *d = death_of(w, actor);
    return d != NULL ? d->us : INT64_MAX;
}

bool world_was_killed(const struct world *w, uint32_t actor, int64_t *at_us)
{
    const struct death *d = death_of(w, actor);
    if (d == NULL || !d->killed)
        return false;
    *at_us = d->us;
    return true;
}

int64_t world_lease_end(const struct world *w, uint32_t actor, int64_t us)
{
    const struct beat *all = ROWS(&w->beats, struct beat);
    struct beat key = {.actor = actor, .redis_us = us};
    size_t low = 0, high = w->beats.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (beat_order(&all[mid], &key) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0 || all[low - 1].actor != actor)
        return 0;
    return all[low - 1].redis_us + all[low - 1].lease_us;
}

bool world_clock_jumped(const struct world *w)
{
    return w->clock_jumped;
}

bool world_has(const struct world *w, enum history_kind kind)
{
    return w->counts[kind] > 0;
}

uint64_t world_count(const struct world *w, enum history_kind kind)
{
    return w->counts[kind];
}

uint64_t world_n_faults(const struct world *w, uint32_t kind)
{
    return kind < HISTORY_FAULTS_N ? w->n_faults[kind] : 0;
}

uint64_t world_begin(const struct world *w)
{
    return w->first_us == INT64_MAX ? 0 : (uint64_t)w->first_us;
}

int64_t world_keys_without_owner(const struct world *w)
{
    return w->keys_without_owner;
}

uint64_t world_final_faults(const struct world *w)
{
    return w->final_faults;
}

uint64_t world_n_orders(const struct world *w)
{
    return w->n_orders;
}

uint64_t world_n_disorders(const struct world *w)
{
    return w->n_disorders;
}

const struct disorder *world_disorder(const struct world *w, size_t i)
{
    return i < DISORDERS_KEPT && i < w->n_disorders ? &w->disorders[i] : NULL;
}

size_t world_n_usages(const struct world *w)
{
    return w->usages.n;
}

const struct usage *world_usage(const struct world *w, size_t i)
{
    return &ROWS(&w->usages, struct usage)[i];
}

/* ---- progress ---------------------------------------------------------------*/

void world_open(struct world *w, int64_t us, int n)
{
    if (us < w->first_us)
        us = w->first_us;
    size_t cell = (size_t)((us - w->first_us) / w->cell_us);
    if (cell < w->n_cells)
        w->open[cell] += n;
}

/* Part of [from, to] that no fault, with its budget, covers: the longest one.
 * `covered` are joined intervals. */
static struct gap longest_free(const struct interval *covered, size_t n,
                               size_t *at, int64_t from, int64_t to)
{
    struct gap best = {from, from};
    while (*at < n && covered[*at].to < from)
        (*at)++;
    int64_t begin = from;
    for (size_t i = *at; begin < to; i++) {
        int64_t end = i < n && covered[i].from < to ? covered[i].from : to;
        if (end - begin > best.to_us - best.from_us)
            best = (struct gap){begin, end};
        if (i >= n || covered[i].from >= to)
            break;
        if (covered[i].to > begin)
            begin = covered[i].to;
    }
    return best;
}

/* Faults of everybody, and stops of Redis, each with its time to recover. */
static struct rows covered_by_faults(const struct world *w)
{
    struct rows out = {0};
    const struct fault *all = ROWS(&w->faults, struct fault);
    for (size_t i = 0; i < w->faults.n && all[i].target == 0; i++) {
        struct interval *one = rows_add(&out, sizeof(*one));
        if (one != NULL)
            *one = (struct interval){all[i].begin_us,
                                     all[i].end_us + w->o.recovery_us};
    }
    const struct boot *boots = ROWS(&w->boots, struct boot);
    for (size_t i = 0; i < w->boots.n; i++) {
        struct interval *one = rows_add(&out, sizeof(*one));
        if (one != NULL)
            *one =
                (struct interval){boots[i].us, boots[i].us + w->o.recovery_us};
    }
    intervals_join(&out);
    return out;
}

static int64_t cell_begin(const struct world *w, size_t cell)
{
    return w->first_us + (int64_t)cell * w->cell_us;
}

size_t world_gaps(const struct world *w, struct gap *gaps, size_t n_max,
                  int64_t *seconds, int64_t *seconds_of_faults)
{
    int64_t begin = w->phases[0] != 0 ? w->phases[0] : w->first_us;
    int64_t end = w->phases[2] != 0 ? w->phases[2] : w->last_us;
    *seconds = end > begin ? (end - begin) / US_PER_S : 0;
    *seconds_of_faults = 0;
    struct rows covered = covered_by_faults(w);
    const struct interval *in = ROWS(&covered, struct interval);
    for (size_t i = 0; i < covered.n; i++) {
        int64_t from = in[i].from > begin ? in[i].from : begin;
        int64_t to = in[i].to < end ? in[i].to : end;
        if (to > from)
            *seconds_of_faults += (to - from) / US_PER_S;
    }
    const struct interval *progress = ROWS(&w->progress, struct interval);
    size_t found = 0, at = 0, cell = 0;
    int64_t open = 0, last = begin;
    for (size_t i = 0; i <= w->progress.n; i++) {
        int64_t us = i < w->progress.n ? progress[i].from : end;
        /* Open at its begin, or when the next task came. */
        for (; cell < w->n_cells && cell_begin(w, cell) <= last; cell++)
            open += w->open[cell];
        int64_t from = last;
        for (; open <= 0 && cell < w->n_cells && cell_begin(w, cell) < us;
             cell++) {
            open += w->open[cell];
            from = cell_begin(w, cell + 1);
        }
        if (us - from > w->o.gap_us && open > 0) {
            struct gap g = longest_free(in, covered.n, &at, from, us);
            if (g.to_us - g.from_us > w->o.gap_us) {
                if (found < n_max)
                    gaps[found] = g;
                found++;
            }
        }
        if (i < w->progress.n && progress[i].to > last)
            last = progress[i].to;
    }
    free(covered.at);
    return found;
}

void world_resumes(const struct world *w, struct histogram *to)
{
    const struct fault *all = ROWS(&w->faults, struct fault);
    const struct interval *progress = ROWS(&w->progress, struct interval);
    int64_t end = w->phases[2] != 0 ? w->phases[2] : w->last_us;
    for (size_t i = 0; i < w->faults.n && all[i].target == 0; i++) {
        int64_t over = all[i].end_us;
        /* A worse one may have begun meanwhile; then it tells. */
        if (over > end || (i + 1 < w->faults.n && all[i + 1].target == 0 &&
                           all[i + 1].begin_us < over))
            continue;
        size_t low = 0, high = w->progress.n;
        while (low < high) {
            size_t mid = low + (high - low) / 2;
            if (progress[mid].to < over)
                low = mid + 1;
            else
                high = mid;
        }
        if (low < w->progress.n)
            histogram_record(to, progress[low].from - over);
    }
}
