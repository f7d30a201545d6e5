/* SPDX-License-Identifier: MIT */
/* Queueing: one task, or lines of them.
 *
 * Both may be repeated with the same ids: a task that is there already with the
 * same content counts as queued. Lines are taken in batches, so that memory is
 * bounded, and a line that is refused does not take others with it: a batch
 * that has a bad one is queued again without it, and one that has many task by
 * task. Parents stand on lines before their children. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_json.h"

enum {
    BATCH_LINES = 500,
    BATCH_BYTES = 1024 * 1024, /* of lines, about; a line more may be in it */
    BATCH_TRIES = 8,      /* with as many bad ones it goes task by task */
    LINES_MAX = 100000,   /* of a request: the answer is held in memory */
    WRONG_TOLD_MAX = 1000 /* bad lines told in full; of more, one field each */
};

/* ---- What Redis refuses ---------------------------------------------------- */

static bool is_refusal(enum stint_code code)
{
    return code == STINT_EXISTS || code == STINT_INVALID ||
           code == STINT_NOT_FOUND;
}

/* "ID: FIELD what is wrong": the field and the sentence. */
static json_t *refusal_errors(const struct stint_err *err, const char *id)
{
    static const char *const fields[] = {
        "id",   "function",   "args",     "start_time", "stop_time",
        "tags", "depends_on", "cronline", "timezone",   "durability"};
    const char *text = err->text[0] ? err->text : stint_code_text(err->code);
    size_t len = strlen(id);
    len = len > 90 ? 90 : len; /* the library cuts it there */
    if (!strncmp(text, id, len) && text[len] == ':')
        text += len + 1 + (text[len + 1] == ' ');
    const char *field = err->code == STINT_EXISTS ? "id" : "task";
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t n = strlen(fields[i]);
        if (!strncmp(text, fields[i], n) && strchr(": ", text[n]) && text[n]) {
            field = fields[i];
            text += n + strspn(text + n, ": ");
            break;
        }
    }
    json_t *errors = api_object();
    api_put(errors, field, api_text(text));
    return errors;
}

/* ---- One task -------------------------------------------------------------- */

static void queued_answer(struct call *c, int status, const stint_task *task)
{
    char at[2 * STINT_NAME_LEN + STINT_ID_LEN + 64];
    snprintf(at, sizeof at, "/api/v1/tasks/%s?group_name=%s",
             stint_task_id(task), stint_task_group(task));
    call_header(c, "Location", at);
    json_t *o = api_object();
    api_put(o, "id", api_text(stint_task_id(task)));
    api_put(o, "errors", api_object());
    call_json(c, status, o);
}

static int task_queue(stint *s, struct call *c, const stint_task *task,
                      stint_task *const *tasks, struct stint_err *err)
{
    if (!stint_queue_tasks(s, tasks, 1, NULL, NULL, NULL, NULL, err)) {
        queued_answer(c, 201, task);
        return 0;
    }
    if (err->code == STINT_EXISTS) { /* perhaps by the same request before */
        *err = (struct stint_err){0};
        if (!stint_queue_tasks_again(s, tasks, 1, NULL, NULL, NULL, NULL,
                                     err)) {
            queued_answer(c, 200, task);
            return 0;
        }
    }
    if (!is_refusal(err->code))
        return -1;
    bool exists = err->code == STINT_EXISTS;
    call_problem(c, exists ? 409 : 400, exists ? "exists" : "invalid",
                 err->text, refusal_errors(err, stint_task_id(task)));
    return 0;
}

int api_queue(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes(c, ""))
        return 0;
    char *json = json_dumps(call_body(c), JSON_COMPACT);
    if (!json) {
        err->code = STINT_NOMEM;
        return -1;
    }
    struct stint_errors errors = {0};
    stint_task *task =
        stint_task_from_json(json, strlen(json), &errors, err);
    free(json);
    if (!task && err->code != STINT_INVALID)
        return -1;
    if (!task) {
        call_problem(c, 400, "invalid", err->text, api_errors(&errors));
        return 0;
    }
    int rc = task_queue(s, c, task, &task, err);
    stint_task_free(task);
    return rc;
}

/* ---- Lines ----------------------------------------------------------------- */

enum line_state { LINE_WAITS, LINE_TWICE, LINE_QUEUED, LINE_BAD };

struct line {
    stint_task *task; /* NULL: it is none */
    enum line_state state;
    char *errors; /* JSON object; NULL: {} */
};

struct bulk {
    stint *s;
    struct call *c;
    size_t n; /* lines of the batch */
    struct line lines[BATCH_LINES];
    size_t n_wrong;
    bool family; /* a task of the batch depends on others, it seems */
    struct stint_err why; /* Redis is lost */
    char *answer;
    size_t len, room;
};

static void line_refuse(struct bulk *b, struct line *line, json_t *errors)
{
    if (b->n_wrong++ >= WRONG_TOLD_MAX) {
        const char *key;
        json_t *v, *first = api_object();
        json_object_foreach(errors, key, v) {
            api_put(first, key, json_incref(v));
            break;
        }
        json_decref(errors);
        errors = first;
    }
    line->state = LINE_BAD;
    line->errors = json_dumps(errors, JSON_COMPACT);
    json_decref(errors);
}

static bool has_word(const char *text, size_t len, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= len; i++)
        if (text[i] == word[0] && !memcmp(text + i, word, n))
            return true;
    return false;
}

/* Takes the next lines; false: there are none. */
static bool batch_take(struct bulk *b)
{
    size_t len, bytes = 0;
    const char *text;
    b->n = 0;
    b->family = false;
    while (b->n < BATCH_LINES && bytes < BATCH_BYTES &&
           (text = call_line(b->c, &len))) {
        struct line *line = &b->lines[b->n++];
        struct stint_errors errors = {0};
        struct stint_err why = {0};
        *line = (struct line){0};
        bytes += len;
        line->task = stint_task_from_json(text, len, &errors, &why);
        if (!line->task)
            line_refuse(b, line, errors.n ? api_errors(&errors)
                                          : refusal_errors(&why, ""));
        b->family |= has_word(text, len, "depends_on");
    }
    return b->n > 0;
}

/* One task, and what became of it; -1: b->why. */
static int line_queue(struct bulk *b, struct line *line)
{
    struct stint_err err = {0};
    if (!stint_queue_tasks_again(b->s, &line->task, 1, NULL, NULL, NULL, NULL,
                                 &err)) {
        line->state = LINE_QUEUED;
        return 0;
    }
    if (is_refusal(err.code)) {
        line_refuse(b, line, refusal_errors(&err, stint_task_id(line->task)));
        return 0;
    }
    b->why = err;
    return -1;
}

static int lines_queue(struct bulk *b, enum line_state state)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->lines[i].state == state && line_queue(b, &b->lines[i]))
            return -1;
    return 0;
}

/* What waits, in one go. 0: all of it is queued, or one more line is settled;
 * -1: b->why. *n: how many waited. */
static int batch_try(struct bulk *b, size_t *n)
{
    stint_task *tasks[BATCH_LINES];
    size_t of[BATCH_LINES], done = 0, bad = 0;
    struct stint_err err = {0};
    *n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->lines[i].state == LINE_WAITS) {
            of[*n] = i;
            tasks[(*n)++] = b->lines[i].task;
        }
    if (*n == 0)
        return 0;
    int rc = stint_queue_tasks_again(b->s, tasks, *n, &done, &bad, NULL, NULL,
                                     &err);
    if (rc && !is_refusal(err.code)) {
        b->why = err;
        return -1;
    }
    if (rc && b->family)
        done = 0; /* parents went first: which are queued the next try tells */
    for (size_t i = 0; i < (rc ? done : *n); i++)
        b->lines[of[i]].state = LINE_QUEUED;
    if (!rc || bad >= *n)
        return 0;
    if (err.code == STINT_EXISTS) /* or it stands in the batch twice */
        b->lines[of[bad]].state = LINE_TWICE;
    else
        line_refuse(b, &b->lines[of[bad]],
                    refusal_errors(&err, stint_task_id(tasks[bad])));
    return 0;
}

static int batch_queue(struct bulk *b)
{
    size_t n = 1;
    int rc = 0;
    for (int tries = 0; tries < BATCH_TRIES && n && !rc; tries++)
        rc = batch_try(b, &n);
    if (!rc)
        rc = lines_queue(b, LINE_WAITS);
    return rc ? rc : lines_queue(b, LINE_TWICE);
}

static void answer_add(struct bulk *b, const char *text)
{
    size_t len = strlen(text);
    if (b->room - b->len < len) {
        b->room = 2 * (b->room + len);
        char *more = realloc(b->answer, b->room);
        if (!more) {
            fputs("stint: out of memory\n", stderr);
            abort();
        }
        b->answer = more;
    }
    memcpy(b->answer + b->len, text, len);
    b->len += len;
}

/* {"id":…,"errors":{…}}: ids need no escapes. */
static void line_answer(struct bulk *b, struct line *line)
{
    char *lost = NULL;
    if (line->state != LINE_QUEUED && !line->errors) {
        json_t *errors = api_object();
        api_put(errors, "redis",
                api_text(b->why.text[0] ? b->why.text
                                        : stint_code_text(b->why.code)));
        lost = json_dumps(errors, JSON_COMPACT);
        json_decref(errors);
    }
    const char *errors = lost           ? lost
                         : line->errors ? line->errors
                                        : "{}";
    answer_add(b, "{\"id\":");
    if (line->task && line->state != LINE_BAD) {
        answer_add(b, "\"");
        answer_add(b, stint_task_id(line->task));
        answer_add(b, "\"");
    } else
        answer_add(b, "null");
    answer_add(b, ",\"errors\":");
    answer_add(b, errors);
    answer_add(b, "}\n");
    free(lost);
}

static void batch_free(struct bulk *b)
{
    for (size_t i = 0; i < b->n; i++) {
        stint_task_free(b->lines[i].task);
        free(b->lines[i].errors);
    }
    b->n = 0;
}

static void batch_answer(struct bulk *b)
{
    for (size_t i = 0; i < b->n; i++)
        line_answer(b, &b->lines[i]);
    batch_free(b);
}

static bool is_untouched(const struct bulk *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->lines[i].state == LINE_QUEUED)
            return false;
    return b->why.code != STINT_UNKNOWN;
}

/* Once Redis is lost, lines are no longer tried, but answered: who sent them
 * has to know which to send again. If nothing was queued before that, the
 * request as a whole has failed: -1. */
static int bulk_run(struct bulk *b, struct stint_err *err)
{
    bool lost = false;
    size_t lines = 0;
    while (lines < LINES_MAX && batch_take(b)) {
        if (!lost && batch_queue(b)) {
            lost = true;
            *err = b->why;
            if (lines == 0 && is_untouched(b))
                return -1;
        }
        lines += b->n;
        batch_answer(b);
    }
    size_t len;
    char text[120];
    snprintf(text, sizeof text,
             "{\"id\":null,\"errors\":{\"task\":\"this and what follows is not "
             "looked at: over %d lines\"}}\n",
             LINES_MAX);
    if (lines >= LINES_MAX && call_line(b->c, &len))
        answer_add(b, text);
    return 0;
}

int api_queue_lines(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes(c, ""))
        return 0;
    struct bulk *b = calloc(1, sizeof *b);
    if (!b) {
        err->code = STINT_NOMEM;
        return -1;
    }
    b->s = s;
    b->c = c;
    int rc = bulk_run(b, err);
    if (rc)
        batch_free(b);
    else
        call_bytes(c, 200, "application/x-ndjson", b->answer ? b->answer : "",
                   b->len);
    free(b->answer);
    free(b);
    return rc;
}
