/* SPDX-License-Identifier: MIT */
#include "event_page.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "err.h"

static void row_close(struct event_row *row)
{
    if (--row->text->n_refs == 0)
        free(row->text);
}

void event_page_close(struct event_page *p)
{
    for (size_t i = 0; i < p->n; i++)
        row_close(&p->rows[i]);
    for (size_t i = 0; i < p->n_names; i++)
        client_reply_free(p->names[i]);
    free(p->names);
    free(p->rows);
    *p = (struct event_page){0};
}

/* ---- From entries to events ---------------------------------------------- */

static int row_is_wanted(const struct event_page *p, const char *status,
                         const char *id)
{
    static const char *const ends[] = {"COMPLETED", "FAILED", "TIMEOUT",
                                       "STOPPED", "EXPIRED"};
    int ended = 0;
    if (p->task_id != NULL) {
        size_t len = strlen(p->task_id);
        if (strncmp(id, p->task_id, len) != 0 ||
            (id[len] != '\0' && id[len] != '@'))
            return 0;
    }
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && p->ended; i++)
        ended |= strcmp(status, ends[i]) == 0;
    return !p->ended || (ended && strchr(id, '@') == NULL);
}

static int row_put(struct event_page *p, const struct event_row *row)
{
    if (p->n == p->cap) {
        size_t cap = p->cap > 0 ? 2 * p->cap : 64;
        struct event_row *rows = realloc(p->rows, cap * sizeof(*rows));
        if (rows == NULL)
            return -1;
        p->rows = rows;
        p->cap = cap;
    }
    p->rows[p->n++] = *row;
    row->text->n_refs++;
    return 0;
}

/* The next word of a line, which is cut off there; NULL: the line has none. */
static char *word_take(char **at)
{
    char *word = *at;
    if (word == NULL || *word == '\0')
        return NULL;
    *at = strchr(word, ' ');
    if (*at != NULL)
        *(*at)++ = '\0';
    return word;
}

/* One line: those that are alike. */
static int line_add(struct event_page *p, struct event_row *row, char *line,
                    int64_t behind)
{
    char *at = line, *id;
    row->status = word_take(&at);
    row->worker = word_take(&at);
    const char *fence = word_take(&at);
    row->function = word_take(&at);
    if (row->function == NULL)
        return 0; /* not of our making */
    row->fence = strtoll(fence, NULL, 10);
    row->worker = strcmp(row->worker, "-") == 0 ? "" : row->worker;
    row->function = strcmp(row->function, "*") == 0 ? NULL : row->function;
    while ((id = word_take(&at)) != NULL) {
        row->id = id;
        if ((int64_t)row->at.n > behind &&
            row_is_wanted(p, row->status, id) && row_put(p, row))
            return -1;
        row->at.n++;
    }
    return 0;
}

int event_page_add(struct event_page *p, const struct event_place *entry,
                   const char *verb, const char *tasks, int64_t behind,
                   uint32_t *last)
{
    size_t verb_len = strlen(verb) + 1, len = strlen(tasks) + 1;
    struct event_text *text = malloc(sizeof(*text) + verb_len + len);
    if (text == NULL)
        return -1;
    text->n_refs = 1;
    memcpy(text->bytes, verb, verb_len);
    memcpy(text->bytes + verb_len, tasks, len);
    struct event_row row = {.at = *entry, .verb = text->bytes, .text = text};
    row.at.n = 0;
    int rc = 0;
    for (char *line = text->bytes + verb_len, *next; line != NULL && rc == 0;
         line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        rc = line_add(p, &row, line, behind);
    }
    *last = row.at.n > 0 ? row.at.n - 1 : 0;
    row_close(&row);
    return rc;
}

static int row_order(const void *a, const void *b)
{
    const struct event_row *x = a, *y = b;
    return event_place_order(&x->at, &y->at);
}

void event_page_sort(struct event_page *p)
{
    if (p->n > 1)
        qsort(p->rows, p->n, sizeof(*p->rows), row_order);
    while (p->n > p->want)
        row_close(&p->rows[--p->n]);
}

/* ---- Functions ----------------------------------------------------------- */

/* By task; of one task, those that know its function first. A part of a
 * broadcast is of the broadcast's function. */
static int task_order(const struct event_row *x, const struct event_row *y)
{
    size_t x_len = strcspn(x->id, "@"), y_len = strcspn(y->id, "@");
    int order = strcmp(x->at.base, y->at.base);
    if (order == 0)
        order = memcmp(x->id, y->id, x_len < y_len ? x_len : y_len);
    return order != 0 ? order : (x_len > y_len) - (x_len < y_len);
}

static int knowing_order(const void *a, const void *b)
{
    const struct event_row *x = *(struct event_row *const *)a;
    const struct event_row *y = *(struct event_row *const *)b;
    int order = task_order(x, y);
    return order != 0 ? order
                      : (x->function == NULL) - (y->function == NULL);
}

/* Rows of one task stand together: what the first knows, all get to know. */
static void functions_spread(struct event_row **rows, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (rows[i]->function == NULL &&
            task_order(rows[i - 1], rows[i]) == 0)
            rows[i]->function = rows[i - 1]->function;
}

static int names_keep(struct event_page *p, struct redisReply *r,
                      struct stint_err *err)
{
    struct redisReply **names =
        realloc(p->names, (p->n_names + 1) * sizeof(struct redisReply *));
    if (names == NULL) {
        client_reply_free(r);
        return err_set(err, STINT_NOMEM, "out of memory");
    }
    p->names = names;
    p->names[p->n_names++] = r;
    return 0;
}

/* Asks for those of n rows, all of one base. *done: how many were answered, at
 * least one. */
static int functions_ask(struct event_page *p, struct stint *s,
                         struct event_row **rows, size_t n, size_t *done,
                         struct stint_err *err)
{
    struct args a;
    size_t len;
    args_init(&a);
    for (size_t i = 0; i < n; i++)
        args_add(&a, rows[i]->id, strcspn(rows[i]->id, "@"));
    struct redisReply *r =
        client_call(s, SCRIPT_EVENT_FUNCTIONS, rows[0]->at.base, &a, err);
    args_close(&a);
    if (r == NULL || names_keep(p, r, err))
        return -1;
    *done = reply_n(r) > 1 ? reply_n(r) - 1 : n; /* never none */
    *done = *done < n ? *done : n;
    for (size_t i = 0; i < *done; i++)
        rows[i]->function = reply_str(r, i + 1, &len);
    return 0;
}

/* first: the first row of each task that is not known; borrowed by ask. */
static int functions_look_up(struct event_page *p, struct stint *s,
                             struct event_row **rows, size_t n,
                             struct event_row **first, struct stint_err *err)
{
    size_t m = 0, done = 0;
    for (size_t i = 0; i < n; i++)
        if (rows[i]->function == NULL &&
            (i == 0 || task_order(rows[i - 1], rows[i]) != 0))
            first[m++] = rows[i];
    for (size_t i = 0; i < m; i += done) {
        size_t k = 1;
        while (i + k < m && k < BATCH_TASKS_MAX &&
               strcmp(first[i]->at.base, first[i + k]->at.base) == 0)
            k++;
        if (functions_ask(p, s, first + i, k, &done, err))
            return -1;
    }
    return 0;
}

int event_page_functions(struct event_page *p, struct stint *s,
                         struct stint_err *err)
{
    if (p->n == 0)
        return 0;
    struct event_row **rows = calloc(2 * p->n, sizeof(*rows));
    if (rows == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    for (size_t i = 0; i < p->n; i++)
        rows[i] = &p->rows[i];
    qsort(rows, p->n, sizeof(struct event_row *), knowing_order);
    functions_spread(rows, p->n);
    int rc = functions_look_up(p, s, rows, p->n, rows + p->n, err);
    functions_spread(rows, p->n);
    free(rows);
    return rc;
}
