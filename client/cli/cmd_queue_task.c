/* SPDX-License-Identifier: MIT */
/* stint queue-task: one task from options, or a file of tasks. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

const char cmd_queue_task_usage[] =
    "usage: stint queue-task FUNCTION [options]\n"
    "       stint queue-task --file F [options]\n\n"
    "  --args JSON           array of positional arguments ([])\n"
    "  --vars JSON           object of named arguments ({})\n"
    "  --id ID               the task's id (made)\n"
    "  --task-name NAME      a label (the function)\n"
    "  --group-name G        the group (main)\n"
    "  --start-time T        not before: now, +45s, -60s, +2h, RFC 3339 or\n"
    "                        seconds since the epoch (now)\n"
    "  --stop-time T         not after (none)\n"
    "  --timeout S           wall time of a run (60)\n"
    "  --repeats N           successful runs wanted; 0: without end (1)\n"
    "  --period S            from one start to the next (60)\n"
    "  --prevent-drift       keep to the grid of the start time\n"
    "  --retry-failed N      failures in a row tried again; -1: always (0)\n"
    "  --retry-delay S       before a retry (the period)\n"
    "  --retry-backoff X     factor for each further retry (1)\n"
    "  --retry-max-delay S   longest delay (3600)\n"
    "  --immediate           ahead of all due tasks of its priority\n"
    "  --priority N          -100 to 100, higher first (0)\n"
    "  --disabled            do not run until enabled\n"
    "  --result-ttl S        keep the ended task so long (86400)\n"
    "  --discard-results     keep no results\n"
    "  --file F              queue the tasks of this file (-: stdin), one\n"
    "                        JSON object a line; all are checked first\n";

/* ---- One task ---------------------------------------------------------- */

struct queue_options {
    const char *function, *args, *vars, *id, *task_name, *group_name;
    const char *start_time, *stop_time;
    const char *timeout, *repeats, *period, *retry_failed, *retry_delay;
    const char *retry_backoff, *retry_max_delay, *priority, *result_ttl;
    int prevent_drift, immediate, disabled, discard_results;
    const char *file;
};

static void field_fail(struct stint_errors *errors, const char *field,
                       const char *text)
{
    for (size_t i = 0; i < errors->n; i++)
        if (!strcmp(errors->at[i].field, field))
            return;
    if (errors->n == STINT_ERRORS_MAX)
        return;
    snprintf(errors->at[errors->n].field, sizeof errors->at[0].field, "%s",
             field);
    snprintf(errors->at[errors->n].text, sizeof errors->at[0].text, "%s",
             text);
    errors->n++;
}

static void text_set(json_t *o, const char *key, const char *text,
                     struct stint_errors *errors)
{
    if (!text)
        return;
    json_t *value = json_string(text);
    if (value)
        json_object_set_new(o, key, value);
    else
        field_fail(errors, key, "not UTF-8");
}

/* What is no number stays text, which the library refuses by name. */
static void number_set(json_t *o, const char *key, const char *text,
                       struct stint_errors *errors)
{
    int64_t count;
    double number;
    if (!text)
        return;
    if (count_parse(text, &count))
        json_object_set_new(o, key, json_integer(count));
    else if (number_parse(text, &number))
        json_object_set_new(o, key, json_real(number));
    else
        text_set(o, key, text, errors);
}

static void flag_set(json_t *o, const char *key, int on)
{
    if (on)
        json_object_set_new(o, key, json_true());
}

static json_t *options_json(const struct queue_options *q,
                            struct stint_errors *errors)
{
    json_t *o = json_object();
    text_set(o, "function", q->function, errors);
    text_set(o, "id", q->id, errors);
    text_set(o, "task_name", q->task_name, errors);
    text_set(o, "group_name", q->group_name, errors);
    text_set(o, "start_time", q->start_time, errors);
    text_set(o, "stop_time", q->stop_time, errors);
    number_set(o, "timeout", q->timeout, errors);
    number_set(o, "repeats", q->repeats, errors);
    number_set(o, "period", q->period, errors);
    flag_set(o, "prevent_drift", q->prevent_drift);
    number_set(o, "retry_failed", q->retry_failed, errors);
    number_set(o, "retry_delay", q->retry_delay, errors);
    number_set(o, "retry_backoff", q->retry_backoff, errors);
    number_set(o, "retry_max_delay", q->retry_max_delay, errors);
    flag_set(o, "immediate", q->immediate);
    number_set(o, "priority", q->priority, errors);
    flag_set(o, "disabled", q->disabled);
    number_set(o, "result_ttl", q->result_ttl, errors);
    flag_set(o, "discard_results", q->discard_results);
    return o;
}

/* args or vars: the text itself, so that its numbers keep their digits. */
static void value_print(FILE *to, const char *key, const char *text,
                        struct stint_errors *errors)
{
    json_error_t error;
    if (!text)
        return;
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value)
        fprintf(to, ",\"%s\":%s", key, text);
    else
        field_fail(errors, key, "not JSON");
    json_decref(value);
}

/* The task of the options; NULL: *errors or err tell why. */
static stint_task *options_task(const struct queue_options *q,
                                struct stint_errors *errors,
                                struct stint_err *err)
{
    struct stint_errors own = {0};
    char *text = NULL;
    size_t len = 0;
    json_t *o = options_json(q, &own);
    char *dump = json_dumps(o, JSON_COMPACT);
    FILE *to = dump ? open_memstream(&text, &len) : NULL;
    json_decref(o);
    if (!to) {
        free(dump);
        err->code = STINT_NOMEM;
        return NULL;
    }
    bool empty = !strcmp(dump, "{}");
    fprintf(to, "{%.*s", empty ? 0 : (int)strlen(dump) - 2, dump + 1);
    if (empty) /* no function: the library says so */
        fputs("\"disabled\":false", to);
    value_print(to, "args", q->args, &own);
    value_print(to, "vars", q->vars, &own);
    fputc('}', to);
    free(dump);
    if (fclose(to)) {
        free(text);
        err->code = STINT_NOMEM;
        return NULL;
    }
    stint_task *task = stint_task_from_json(text, len, errors, err);
    free(text);
    for (size_t i = 0; i < own.n; i++)
        field_fail(errors, own.at[i].field, own.at[i].text);
    if (task && own.n) {
        err->code = STINT_INVALID;
        stint_task_free(task);
        task = NULL;
    }
    return task;
}

static void answer_json(const char *id, const struct stint_errors *errors)
{
    struct json_out j = {false};
    json_open(&j, NULL, '{');
    json_text(&j, "id", id);
    json_open(&j, "errors", '{');
    for (size_t i = 0; i < errors->n; i++)
        json_text(&j, errors->at[i].field, errors->at[i].text);
    json_shut(&j, '}');
    json_shut(&j, '}');
    putchar('\n');
}

/* Refused, or not possible at all. */
static int task_refused(const struct common *common,
                        const struct stint_errors *errors,
                        const struct stint_err *err)
{
    if (!errors->n && error_status(err->code) != EXIT_USAGE)
        return error_print(err);
    if (common->json)
        answer_json(NULL, errors);
    for (size_t i = 0; !common->json && i < errors->n; i++)
        message("%s: %s", errors->at[i].field, errors->at[i].text);
    return errors->n ? EXIT_USAGE : error_print(err);
}

static int task_queue(const struct common *common, const stint_task *task)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct stint_errors errors = {0};
    stint_task *const one[] = {(stint_task *)(uintptr_t)task};
    size_t done = 0, bad = 0;
    if (!stint_queue_tasks(s, one, 1, &done, &bad, NULL, NULL, &err)) {
        if (common->json)
            answer_json(stint_task_id(task), &errors);
        else
            puts(stint_task_id(task));
    } else {
        if (err.code == STINT_EXISTS)
            field_fail(&errors, "id", err.text[0] ? err.text
                                                  : "already there");
        status = task_refused(common, &errors, &err);
        if (err.code == STINT_UNKNOWN)
            message("to be sure, queue it again with --id %s",
                    stint_task_id(task));
    }
    stint_close(s);
    return status;
}

static int task_run(const struct common *common, struct queue_options *q)
{
    struct stint_err err = {0};
    struct stint_errors errors = {0};
    if (common->words.n)
        q->function = common->words.at[0];
    stint_task *task = options_task(q, &errors, &err);
    if (!task)
        return task_refused(common, &errors, &err);
    int status = task_queue(common, task);
    stint_task_free(task);
    return status;
}

/* ---- A file of tasks --------------------------------------------------- */

enum { CHUNK = 10000, ASKED_AT_ONCE = 500, BAD_SHOWN = 20 };

/* An explicit id met before, by two hashes. */
struct seen {
    uint64_t a, b;
    size_t line; /* 0: free */
};

/* An explicit id that Redis has to be asked about. */
struct asked {
    size_t line;
    char id[STINT_ID_LEN + 1];
    char group[STINT_NAME_LEN + 1];
};

struct bulk {
    const struct common *common;
    const char *name; /* of the file, for messages */
    FILE *file;
    stint *s; /* opened when first needed */
    char *text;
    size_t room;
    size_t line;  /* number of the line in text */
    size_t lines; /* that hold a task */
    size_t bad, last_bad;
    struct seen *seen;
    size_t n_seen, seen_room; /* a power of two */
    struct asked *asked;
    size_t n_asked;
    struct progress progress;
};

static void line_bad(struct bulk *b, size_t line, const char *field,
                     const char *text)
{
    if (b->last_bad != line) {
        b->bad++;
        b->last_bad = line;
    }
    if (b->bad > BAD_SHOWN)
        return;
    if (field)
        message("%s:%zu: %s: %s", b->name, line, field, text);
    else
        message("%s:%zu: %s", b->name, line, text);
}

/* The next line that is not blank, in b->text; its length, or -1 at the end
 * or when reading failed. */
static ssize_t line_next(struct bulk *b)
{
    ssize_t len;
    while ((len = getline(&b->text, &b->room, b->file)) >= 0) {
        b->line++;
        while (len && strchr(" \t\r\n", b->text[len - 1]) && b->text[len - 1])
            len--;
        b->text[len] = 0;
        if (len && strspn(b->text, " \t") != (size_t)len)
            return len;
    }
    return -1;
}

static void seen_put(struct seen *table, size_t room, const struct seen *one)
{
    size_t i = (size_t)one->a & (room - 1);
    while (table[i].line)
        i = (i + 1) & (room - 1);
    table[i] = *one;
}

static void seen_grow(struct bulk *b)
{
    size_t room = b->seen_room ? 2 * b->seen_room : 1024;
    struct seen *table = memory_new(room, sizeof *table);
    for (size_t i = 0; i < b->seen_room; i++)
        if (b->seen[i].line)
            seen_put(table, room, &b->seen[i]);
    free(b->seen);
    b->seen = table;
    b->seen_room = room;
}

static uint64_t text_hash(uint64_t h, const char *text, uint64_t factor)
{
    do {
        h = (h ^ (unsigned char)*text) * factor;
        h ^= h >> 29;
    } while (*text++);
    return h;
}

/* The line where this id of this group was met before; 0: it is new. */
static size_t seen_add(struct bulk *b, const char *group, const char *id)
{
    if (4 * (b->n_seen + 1) > 3 * b->seen_room)
        seen_grow(b);
    struct seen one = {.line = b->line};
    one.a = text_hash(text_hash(0x9e3779b97f4a7c15u, group, 0x100000001b3u),
                      id, 0x100000001b3u);
    one.b = text_hash(text_hash(0xc2b2ae3d27d4eb4fu, group,
                                0xff51afd7ed558ccdu),
                      id, 0xff51afd7ed558ccdu);
    size_t i = (size_t)one.a & (b->seen_room - 1);
    for (; b->seen[i].line; i = (i + 1) & (b->seen_room - 1))
        if (b->seen[i].a == one.a && b->seen[i].b == one.b)
            return b->seen[i].line;
    b->seen[i] = one;
    b->n_seen++;
    return 0;
}

static int bulk_open(struct bulk *b)
{
    int status = EXIT_DONE;
    if (!b->s)
        b->s = common_open(b->common, &status);
    return status;
}

/* Asks for all waiting ids of the group of the `first`. */
static int group_ask(struct bulk *b, size_t first)
{
    struct asked *rows = b->asked;
    const char *ids[ASKED_AT_ONCE] = {0};
    size_t of[ASKED_AT_ONCE] = {0};
    unsigned char exists[ASKED_AT_ONCE] = {0};
    struct stint_err err = {0};
    size_t n = 0;
    for (size_t i = first; i < b->n_asked; i++)
        if (rows[i].line && !strcmp(rows[i].group, rows[first].group)) {
            of[n] = i;
            ids[n++] = rows[i].id;
        }
    if (stint_ids_exist(b->s, rows[first].group, ids, n, exists, &err))
        return error_print(&err);
    for (size_t i = 0; i < n; i++) {
        if (exists[i])
            line_bad(b, rows[of[i]].line, "id", "already there");
        if (of[i] != first)
            rows[of[i]].line = 0;
    }
    return EXIT_DONE;
}

static int ids_ask(struct bulk *b)
{
    int status = b->n_asked ? bulk_open(b) : EXIT_DONE;
    for (size_t i = 0; !status && i < b->n_asked; i++)
        if (b->asked[i].line)
            status = group_ask(b, i);
    b->n_asked = 0;
    return status;
}

/* Has the object of this line the key "id"? */
static bool line_has_id(const char *text, size_t len)
{
    json_error_t error;
    json_t *o = json_loadb(text, len, JSON_ALLOW_NUL, &error);
    json_t *id = json_object_get(o, "id");
    bool has = id && !json_is_null(id);
    json_decref(o);
    return has;
}

static int id_check(struct bulk *b, const stint_task *task)
{
    const char *id = stint_task_id(task), *group = stint_task_group(task);
    size_t before = seen_add(b, group, id);
    if (before) {
        char text[64];
        snprintf(text, sizeof text, "the same as on line %zu", before);
        line_bad(b, b->line, "id", text);
        return EXIT_DONE;
    }
    struct asked *a = &b->asked[b->n_asked++];
    a->line = b->line;
    snprintf(a->id, sizeof a->id, "%s", id);
    snprintf(a->group, sizeof a->group, "%s", group);
    return b->n_asked == ASKED_AT_ONCE ? ids_ask(b) : EXIT_DONE;
}

static stint_task *line_task(struct bulk *b, size_t len)
{
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    stint_task *task = stint_task_from_json(b->text, len, &errors, &err);
    if (task)
        return task;
    for (size_t i = 0; i < errors.n; i++)
        line_bad(b, b->line, errors.at[i].field, errors.at[i].text);
    if (!errors.n)
        line_bad(b, b->line, NULL,
                 err.text[0] ? err.text : stint_code_text(err.code));
    return NULL;
}

/* Pass 1: every line, nothing queued. */
static int file_check(struct bulk *b)
{
    ssize_t len;
    int status = EXIT_DONE;
    while (!status && (len = line_next(b)) >= 0) {
        stint_task *task = line_task(b, (size_t)len);
        b->lines++;
        if (task && line_has_id(b->text, (size_t)len))
            status = id_check(b, task);
        if (task)
            stint_task_free(task);
    }
    if (!status && ferror(b->file)) {
        message("%s: cannot be read", b->name);
        return EXIT_USAGE;
    }
    if (!status)
        status = ids_ask(b);
    if (b->bad > BAD_SHOWN)
        message("%s: %zu more bad lines", b->name, b->bad - BAD_SHOWN);
    if (b->bad)
        message("%s: nothing was queued", b->name);
    return !status && b->bad ? EXIT_USAGE : status;
}

static void id_print(const struct bulk *b, const stint_task *task)
{
    if (b->common->json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_text(&j, "id", stint_task_id(task));
        json_shut(&j, '}');
        putchar('\n');
    } else
        puts(stint_task_id(task));
}

/* Queues a chunk; lines[i] is the line of tasks[i]. */
static int chunk_queue(struct bulk *b, stint_task *const *tasks,
                       const size_t *lines, size_t n)
{
    struct stint_err err = {0};
    size_t done = 0, bad = n;
    int rc = stint_queue_tasks(b->s, tasks, n, &done, &bad, progress_update,
                               &b->progress, &err);
    if (!rc)
        done = n;
    for (size_t i = 0; i < done && i < n; i++)
        id_print(b, tasks[i]);
    b->progress.base += done;
    if (!rc)
        return EXIT_DONE;
    progress_end(&b->progress);
    if (err.code == STINT_EXISTS && bad < n)
        line_bad(b, lines[bad], "id",
                 err.text[0] ? err.text : "already there");
    int status = error_print(&err);
    message("%s: %zu of %zu tasks were queued; exit status %d", b->name,
            b->progress.base, b->lines, status);
    if (err.code == STINT_UNKNOWN)
        message("%s: tasks after these may have been queued too", b->name);
    return status;
}

/* Pass 2: the same lines again, a chunk at a time. */
static int file_queue(struct bulk *b)
{
    stint_task **tasks = memory_new(CHUNK, sizeof *tasks);
    size_t *lines = memory_new(CHUNK, sizeof *lines);
    int status = bulk_open(b);
    bool more = true;
    b->line = 0;
    progress_start(&b->progress, b->lines);
    while (!status && more) {
        size_t n = 0;
        while (n < CHUNK && !status) {
            ssize_t len = line_next(b);
            more = len >= 0;
            if (!more)
                break;
            lines[n] = b->line;
            tasks[n] = line_task(b, (size_t)len);
            if (tasks[n])
                n++;
            else /* the file changed meanwhile */
                status = EXIT_USAGE;
        }
        if (!status && n)
            status = chunk_queue(b, tasks, lines, n);
        else if (status)
            message("%s: %zu of %zu tasks were queued", b->name,
                    b->progress.base, b->lines);
        for (size_t i = 0; i < n; i++)
            stint_task_free(tasks[i]);
    }
    progress_end(&b->progress);
    free(lines);
    free(tasks);
    return status;
}

/* What cannot be read twice is copied. */
static FILE *file_twice(FILE *from)
{
    struct stat st;
    if (from != stdin && !fstat(fileno(from), &st) && S_ISREG(st.st_mode))
        return from;
    FILE *copy = tmpfile();
    char part[65536];
    size_t n = 0;
    while (copy && (n = fread(part, 1, sizeof part, from)) > 0)
        if (fwrite(part, 1, n, copy) != n)
            break;
    bool good = copy && !n && !ferror(from) && !fflush(copy);
    int e = errno;
    if (from != stdin)
        fclose(from);
    if (good) {
        rewind(copy);
        return copy;
    }
    if (copy)
        fclose(copy);
    errno = e;
    return NULL;
}

static int file_run(const struct common *common, const char *path)
{
    bool is_stdin = !strcmp(path, "-");
    struct bulk b = {.common = common, .name = is_stdin ? "stdin" : path};
    FILE *from = is_stdin ? stdin : fopen(path, "re");
    if (from)
        b.file = file_twice(from);
    if (!b.file) {
        message("%s: %s", b.name, strerror(errno));
        return EXIT_USAGE;
    }
    b.asked = memory_new(ASKED_AT_ONCE, sizeof *b.asked);
    int status = file_check(&b);
    free(b.seen);
    free(b.asked);
    b.seen = NULL;
    rewind(b.file);
    if (!status && b.lines)
        status = file_queue(&b);
    stint_close(b.s);
    free(b.text);
    fclose(b.file);
    return status;
}

/* ---- The command ------------------------------------------------------- */

/* With --file the tasks say everything themselves. */
static bool has_task_option(const struct queue_options *q)
{
    struct queue_options none;
    memset(&none, 0, sizeof none);
    none.file = q->file;
    return memcmp(&none, q, sizeof none) != 0;
}

int cmd_queue_task_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    struct queue_options q;
    memset(&q, 0, sizeof q);
    const struct option_row rows[] = {
        {"args", OPTION_TEXT, &q.args},
        {"vars", OPTION_TEXT, &q.vars},
        {"id", OPTION_TEXT, &q.id},
        {"task-name", OPTION_TEXT, &q.task_name},
        {"group-name", OPTION_TEXT, &q.group_name},
        {"start-time", OPTION_TEXT, &q.start_time},
        {"stop-time", OPTION_TEXT, &q.stop_time},
        {"timeout", OPTION_TEXT, &q.timeout},
        {"repeats", OPTION_TEXT, &q.repeats},
        {"period", OPTION_TEXT, &q.period},
        {"prevent-drift", OPTION_FLAG, &q.prevent_drift},
        {"retry-failed", OPTION_TEXT, &q.retry_failed},
        {"retry-delay", OPTION_TEXT, &q.retry_delay},
        {"retry-backoff", OPTION_TEXT, &q.retry_backoff},
        {"retry-max-delay", OPTION_TEXT, &q.retry_max_delay},
        {"immediate", OPTION_FLAG, &q.immediate},
        {"priority", OPTION_TEXT, &q.priority},
        {"disabled", OPTION_FLAG, &q.disabled},
        {"result-ttl", OPTION_TEXT, &q.result_ttl},
        {"discard-results", OPTION_FLAG, &q.discard_results},
        {"file", OPTION_TEXT, &q.file},
    };
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &common,
                               argc, argv);
    if (status < 0 && common.words.n > (q.file ? 0 : 1))
        status = usage_fail(c, "unexpected word %s",
                            common.words.at[q.file ? 0 : 1]);
    if (status < 0 && q.file && has_task_option(&q))
        status = usage_fail(c, "--file goes with no option of a task");
    if (status < 0)
        status = q.file ? file_run(&common, q.file) : task_run(&common, &q);
    words_free(&common.words);
    return status;
}
