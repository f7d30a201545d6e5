/* SPDX-License-Identifier: MIT */
/* What runs were counted and timed, by function: read in bounded steps from
 * each part of a group, and added up. */
#include "measures.h"

#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "err.h"
#include "missing.h"
#include "part.h"
#include "parts.h"

#define STEP_FIELDS   2000
#define STEPS_MAX     1000 /* of a part: more than 201 functions can need */
#define FUNCTIONS_MAX 200  /* told apart, as in each part */
#define OTHER         "(other)"

/* ---- Buckets ------------------------------------------------------------- */

static const double bounds_s[MEASURE_BOUNDS] = {
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
    1,     2,     5,     10,   30,   60,   300, 900, 3600};

const double *stint_measure_bounds(size_t *n)
{
    *n = MEASURE_BOUNDS;
    return bounds_s;
}

int64_t measure_number(const char *text, char end, const char **rest)
{
    int64_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (n > (INT64_MAX - 9) / 10)
            return -1;
        n = n * 10 + (*p - '0');
    }
    if (p == text || (*p != '\0' && *p != end))
        return -1;
    *rest = *p == '\0' ? p : p + 1;
    return n;
}

int measure_index(const char *digits, size_t len)
{
    int n = 0;
    if (len < 1 || len > 2)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return -1;
        n = n * 10 + (digits[i] - '0');
    }
    return n >= 1 && n <= MEASURE_BUCKETS ? n - 1 : -1;
}

void durations_add(struct durations *to, const struct durations *more)
{
    to->sum_ms += more->sum_ms;
    for (int i = 0; i < MEASURE_BUCKETS; i++)
        to->bucket[i] += more->bucket[i];
}

/* The same estimate as Prometheus's: evenly spread within a bucket. */
static double quantile_s(const struct durations *d, int64_t count, double q)
{
    double rank = q * (double)count, below = 0;
    for (int i = 0; i < MEASURE_BOUNDS; i++) {
        double n = (double)d->bucket[i];
        if (n > 0 && below + n >= rank) {
            double low = i > 0 ? bounds_s[i - 1] : 0;
            return low + (bounds_s[i] - low) * (rank - below) / n;
        }
        below += n;
    }
    return bounds_s[MEASURE_BOUNDS - 1];
}

void durations_tell(const struct durations *d, struct stint_quantiles *q)
{
    int64_t count = 0;
    *q = (struct stint_quantiles){0};
    for (int i = 0; i < MEASURE_BUCKETS; i++)
        count += d->bucket[i];
    if (count == 0)
        return;
    q->count = count;
    q->sum_s = (double)d->sum_ms / 1000;
    q->p50_s = quantile_s(d, count, 0.5);
    q->p95_s = quantile_s(d, count, 0.95);
    q->p99_s = quantile_s(d, count, 0.99);
}

/* ---- A group's functions -------------------------------------------------- */

enum end_kind { END_COMPLETED, END_FAILED, END_TIMEOUT, END_STOPPED, END_N };

struct function_measure {
    char name[STINT_NAME_LEN + 1]; /* "": the group's */
    struct durations queue, run;
    int64_t ended[END_N], lost;
};

struct measures {
    struct function_measure *at; /* owned, by name */
    size_t n, cap;
};

/* Where the name is, or belongs. */
static size_t measures_find(const struct measures *m, const char *name)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(m->at[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int measures_grow(struct measures *m)
{
    size_t cap = m->cap > 0 ? 2 * m->cap : 8;
    if (m->n < m->cap)
        return 0;
    struct function_measure *at = realloc(m->at, cap * sizeof(*at));
    if (at == NULL)
        return -1;
    m->at = at;
    m->cap = cap;
    return 0;
}

/* The row of a function; of OTHER where there are too many (parts of a group
 * may know different ones). NULL: out of memory. */
static struct function_measure *measures_row(struct measures *m,
                                             const char *name)
{
    size_t i = measures_find(m, name);
    if (i < m->n && strcmp(m->at[i].name, name) == 0)
        return &m->at[i];
    if (m->n >= FUNCTIONS_MAX + 2 && name[0] != '\0' &&
        strcmp(name, OTHER) != 0)
        return measures_row(m, OTHER);
    if (measures_grow(m))
        return NULL;
    memmove(&m->at[i + 1], &m->at[i], (m->n - i) * sizeof(*m->at));
    m->n++;
    m->at[i] = (struct function_measure){0};
    memcpy(m->at[i].name, name, strlen(name) + 1);
    return &m->at[i];
}

/* One field: KIND or KIND FUNCTION, see prelude_measures.lua. What is not known
 * is of a newer version. */
static void row_add(struct function_measure *f, const char *kind, size_t len,
                    int64_t n)
{
    static const char ends[END_N + 1] = "CFTS";
    const char *end = strchr(ends, kind[0]);
    int i = measure_index(kind + 1, len - 1);
    if (len == 1 && kind[0] == 'L') {
        f->lost += n;
    } else if (len == 2 && kind[1] == 's') {
        if (kind[0] == 'q')
            f->queue.sum_ms += n;
        else if (kind[0] == 'r')
            f->run.sum_ms += n;
    } else if (i >= 0 && kind[0] == 'q') {
        f->queue.bucket[i] += n;
    } else if (i >= 0 && end != NULL) {
        f->run.bucket[i] += n;
        f->ended[end - ends] += n;
    }
}

static int measures_add(struct measures *m, const char *field, size_t len,
                        int64_t n)
{
    char name[STINT_NAME_LEN + 1] = "";
    const char *blank = memchr(field, ' ', len);
    size_t kind_len = blank != NULL ? (size_t)(blank - field) : len;
    if (blank != NULL) {
        size_t name_len = len - kind_len - 1;
        if (name_len == 0 || name_len > STINT_NAME_LEN)
            return 0; /* nobody's */
        memcpy(name, blank + 1, name_len);
        name[name_len] = '\0';
    }
    struct function_measure *f = measures_row(m, name);
    if (f == NULL)
        return -1;
    if (kind_len > 0)
        row_add(f, field, kind_len, n);
    return 0;
}

/* ---- Reading -------------------------------------------------------------- */

/* Of one field in a part: what a scan told last. */
struct field {
    const char *text; /* borrowed from a reply */
    size_t len;
    int64_t n;
    size_t order; /* later is newer */
};

struct fields {
    struct field *at; /* owned */
    size_t n, cap;
    struct redisReply *replies[STEPS_MAX]; /* owned */
    int n_replies;
};

static int field_order(const void *a, const void *b)
{
    const struct field *x = a, *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->text, y->text, len);
    if (order == 0)
        order = x->len < y->len ? -1 : x->len > y->len;
    return order != 0 ? order : x->order < y->order ? -1 : 1;
}

static int fields_keep(struct fields *f, struct redisReply *r)
{
    size_t more = reply_n(r) / 2, len;
    f->replies[f->n_replies++] = r;
    if (f->n + more > f->cap) {
        size_t cap = 2 * f->cap + more;
        struct field *at = realloc(f->at, cap * sizeof(*at));
        if (at == NULL)
            return -1;
        f->at = at;
        f->cap = cap;
    }
    for (size_t i = 2; i + 1 < reply_n(r); i += 2) {
        const char *text = reply_str(r, i, &len);
        f->at[f->n] = (struct field){text, len, reply_i64(r, i + 1), f->n};
        f->n++;
    }
    return 0;
}

static int fields_read(stint *s, const char *base, struct fields *f,
                       struct stint_err *err)
{
    char cursor[32] = "0";
    do {
        struct args a;
        size_t len;
        args_init(&a);
        args_add_str(&a, cursor);
        args_add_i64(&a, STEP_FIELDS);
        struct redisReply *r =
            client_call(s, SCRIPT_MEASURES, base, &a, err);
        args_close(&a);
        if (r == NULL)
            return -1;
        const char *next = reply_str(r, 1, &len);
        memcpy(cursor, next, len < sizeof(cursor) ? len + 1 : 1);
        cursor[sizeof(cursor) - 1] = '\0';
        if (fields_keep(f, r))
            return err_set(err, STINT_NOMEM, "out of memory");
    } while (strcmp(cursor, "0") != 0 && cursor[0] != '\0' &&
             f->n_replies < STEPS_MAX);
    return 0;
}

/* A scan may tell a field twice: only the newer counts. */
static int fields_add_up(struct fields *f, struct measures *m)
{
    if (f->n > 0)
        qsort(f->at, f->n, sizeof(*f->at), field_order);
    for (size_t i = 0; i < f->n; i++) {
        const struct field *one = &f->at[i];
        int is_told_again = i + 1 < f->n && one->len == one[1].len &&
                            memcmp(one->text, one[1].text, one->len) == 0;
        if (!is_told_again && measures_add(m, one->text, one->len, one->n))
            return -1;
    }
    return 0;
}

static int measures_part(stint *s, const char *group, int part,
                         struct measures *m, struct stint_err *err)
{
    group_name base;
    struct fields *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    part_name(base, group, part);
    int rc = fields_read(s, base, f, err);
    if (rc == 0 && fields_add_up(f, m))
        rc = err_set(err, STINT_NOMEM, "out of memory");
    for (int i = 0; i < f->n_replies; i++)
        client_reply_free(f->replies[i]);
    free(f->at);
    free(f);
    return rc;
}

/* ---- Telling -------------------------------------------------------------- */

static int measures_tell(const struct measures *m, const char *group,
                         stint_measure_fn fn, void *arg)
{
    int stop = 0;
    for (size_t i = 0; i < m->n && !stop; i++) {
        const struct function_measure *f = &m->at[i];
        struct stint_measure one = {
            .size = sizeof(one),
            .group_name = group,
            .function = f->name,
            .completed = f->ended[END_COMPLETED],
            .failed = f->ended[END_FAILED],
            .timeout = f->ended[END_TIMEOUT],
            .stopped = f->ended[END_STOPPED],
            .lost = f->lost,
            .queue_buckets = f->queue.bucket,
            .run_buckets = f->run.bucket};
        durations_tell(&f->queue, &one.queue_time);
        durations_tell(&f->run, &one.run_time);
        one.started = one.queue_time.count;
        stop = fn(&one, arg) != 0;
    }
    return stop;
}

/* 1: fn wants no more. */
static int measures_group(stint *s, const char *group, stint_measure_fn fn,
                          void *arg, struct stint_err *err)
{
    struct measures m = {0};
    int rc = measures_row(&m, "") != NULL
                 ? 0
                 : err_set(err, STINT_NOMEM, "out of memory");
    for (int k = 0; k < parts_of(s, group) && rc == 0; k++)
        rc = measures_part(s, group, k, &m, err);
    if (rc == 0)
        rc = measures_tell(&m, group, fn, arg);
    free(m.at);
    return rc;
}

struct measures_teller {
    stint_measure_fn fn;
    void *arg;
};

static int measures_each(struct stint *s, const char *group, void *arg,
                         struct stint_err *err)
{
    const struct measures_teller *to = arg;
    return measures_group(s, group, to->fn, to->arg, err);
}

int stint_measures(stint *s, const char *group, stint_measure_fn fn, void *arg,
                   struct stint_err *err)
{
    struct measures_teller to = {fn, arg};
    return missing_each_group(s, group, measures_each, &to, err);
}
