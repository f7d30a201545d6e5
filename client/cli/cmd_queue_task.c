/* SPDX-License-Identifier: MIT */
/* stint queue-task: one task from options. queue_file.c does the files. */
#include "queue_file.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

const char cmd_queue_task_usage[] =
    "usage: stint queue-task FUNCTION [options]\n"
    "       stint queue-task --file FILE [options]\n\n"
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
    "  --cronline EXPR       when to run, instead of the period; see stint\n"
    "                        cron --help. Repeats without end then\n"
    "  --timezone Z          of the cronline, an IANA name (UTC)\n"
    "  --retry-failed N      failures in a row tried again; -1: always (0)\n"
    "  --retry-delay S       before a retry (the period)\n"
    "  --retry-backoff X     factor for each further retry (1)\n"
    "  --retry-max-delay S   longest delay (3600)\n"
    "  --max-crashes N       runs lost with their worker, then it has FAILED;\n"
    "                        -1: tried always (3)\n"
    "  --depends-on ID,...   run after these tasks; again for more. GROUP/ID\n"
    "                        for one of another group\n"
    "  --on-dependency fail|run\n"
    "                        what if one of them is not COMPLETED: fail, or\n"
    "                        run all the same (fail)\n"
    "  --broadcast           a run on every live worker of the group\n"
    "  --immediate           ahead of all due tasks of its priority\n"
    "  --priority N          -100 to 100, higher first (0)\n"
    "  --disabled            do not run until enabled\n"
    "  --result-ttl S        keep the ended task so long (86400)\n"
    "  --discard-results     keep no results\n"
    "  --traceparent T       W3C Trace Context of who queues it (TRACEPARENT)\n"
    "  --durability 1|2|3|replicas=N\n"
    "                        answer when it is as safe as that: 1, 2 (on\n"
    "                        Redis's disk), 3 (and on a replica) or\n"
    "                        replicas=N; refused where Redis cannot (1)\n"
    "  --sync-output S       show the output every S seconds while it runs;\n"
    "                        0: at the end only (0)\n"
    "  --tag T               a word to find it by; again for more\n"
    "  --spool DIR           where tasks go, on disk, while Redis is away; see\n"
    "                        stint spool --help. Else STINT_SPOOL (none)\n"
    "  --spool-max BYTES     how large it may grow (67108864)\n"
    "  --file FILE           queue the tasks of this file (-: stdin), one\n"
    "                        JSON object a line; all are checked first. Tasks\n"
    "                        may depend on those of later lines\n";

/* ---- One task ---------------------------------------------------------- */

struct queue_options {
    const char *function, *args, *vars, *id, *task_name, *group_name;
    const char *start_time, *stop_time;
    const char *timeout, *repeats, *period, *retry_failed, *retry_delay;
    const char *retry_backoff, *retry_max_delay, *priority, *result_ttl;
    const char *cronline, *timezone, *max_crashes, *on_dependency;
    const char *sync_output, *durability, *traceparent;
    struct words depends_on, tags;
    int prevent_drift, immediate, disabled, discard_results, broadcast;
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
    snprintf(errors->at[errors->n].text, sizeof errors->at[0].text, "%s", text);
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

/* "a,b" and "c" become ["a", "b", "c"]. */
static void list_set(json_t *o, const char *key, const struct words *words,
                     struct stint_errors *errors)
{
    if (!words->n)
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < words->n; i++)
        for (const char *p = words->at[i];; p++) {
            size_t len = strcspn(p, ",");
            json_t *word = json_stringn(p, len);
            if (word)
                json_array_append_new(list, word);
            else
                field_fail(errors, key, "not UTF-8");
            p += len;
            if (!*p)
                break;
        }
    json_object_set_new(o, key, list);
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
    text_set(o, "cronline", q->cronline, errors);
    text_set(o, "timezone", q->timezone, errors);
    number_set(o, "max_crashes", q->max_crashes, errors);
    list_set(o, "depends_on", &q->depends_on, errors);
    list_set(o, "tags", &q->tags, errors);
    text_set(o, "on_dependency", q->on_dependency, errors);
    flag_set(o, "broadcast", q->broadcast);
    number_set(o, "sync_output", q->sync_output, errors);
    text_set(o, "durability", q->durability, errors);
    text_set(o, "traceparent", q->traceparent, errors);
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

static void answer_json(const char *id, const char *durability, int spooled,
                        const struct stint_errors *errors)
{
    struct json_out j = {false};
    json_open(&j, NULL, '{');
    json_text(&j, "id", id);
    json_open(&j, "errors", '{');
    for (size_t i = 0; i < errors->n; i++)
        json_text(&j, errors->at[i].field, errors->at[i].text);
    json_shut(&j, '}');
    if (spooled)
        json_bool(&j, "spooled", true);
    else if (durability) /* that was asked for, and is reached */
        json_text(&j, "durability", durability);
    json_shut(&j, '}');
    putchar('\n');
}

/* The field that Redis refused, if err tells: an id that is there, or what a
 * task depends on ("depends_on: …", also behind the task's id). */
static void error_field(struct stint_errors *errors,
                        const struct stint_err *err)
{
    const char *at = depends_on_find(err);
    if (err->code == STINT_EXISTS)
        field_fail(errors, "id", err->text[0] ? err->text : "already there");
    else if (at)
        field_fail(errors, "depends_on", at);
    else if (err->code == STINT_INVALID &&
             !strncmp(err->text, "durability: ", 12))
        field_fail(errors, "durability", err->text + 12);
}

/* Refused, or not possible at all. */
static int task_refused(const struct common *common,
                        const struct stint_errors *errors,
                        const struct stint_err *err)
{
    if (!errors->n && error_status(err->code) != EXIT_USAGE)
        return error_print(err);
    if (common->json)
        answer_json(NULL, NULL, 0, errors);
    for (size_t i = 0; !common->json && i < errors->n; i++)
        message("%s: %s", errors->at[i].field, errors->at[i].text);
    return errors->n ? EXIT_USAGE : error_print(err);
}

static int task_queue(const struct common *common, const stint_task *task,
                      const char *durability)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct stint_errors errors = {0};
    stint_task *const one[] = {(stint_task *)(uintptr_t)task};
    size_t done = 0, bad = 0;
    int rc = stint_queue_tasks(s, one, 1, &done, &bad, NULL, NULL, &err);
    if (rc >= 0) {
        if (common->json)
            answer_json(stint_task_id(task), durability, rc, &errors);
        else
            puts(stint_task_id(task));
        if (rc)
            message("Redis is away: the task waits in %s", common->spool);
    } else {
        error_field(&errors, &err);
        status = task_refused(common, &errors, &err);
        if (err.code == STINT_UNKNOWN && strncmp(err.text, "queued", 6))
            message("to be sure, queue it again with --id %s",
                    stint_task_id(task));
    }
    stint_close(s);
    return status;
}

/* The caller's trace, if it is one: what is in the environment by chance must
 * not get a task refused. */
static const char *trace_default(void)
{
    const char *text = getenv("TRACEPARENT");
    if (text == NULL || strlen(text) != 55 || strncmp(text, "00-", 3) != 0 ||
        text[35] != '-' || text[52] != '-' ||
        strspn(text, "0123456789abcdef-") != 55 ||
        strspn(text + 3, "0") >= 32 || strspn(text + 36, "0") >= 16)
        return NULL;
    return strspn(text + 3, "0123456789abcdef") == 32 &&
                   strspn(text + 36, "0123456789abcdef") == 16 ? text : NULL;
}

static int task_run(const struct common *common, struct queue_options *q)
{
    struct stint_err err = {0};
    struct stint_errors errors = {0};
    if (common->words.n)
        q->function = common->words.at[0];
    if (!q->traceparent)
        q->traceparent = trace_default();
    stint_task *task = options_task(q, &errors, &err);
    if (!task)
        return task_refused(common, &errors, &err);
    int status = task_queue(common, task, q->durability);
    stint_task_free(task);
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
        {"cronline", OPTION_TEXT, &q.cronline},
        {"timezone", OPTION_TEXT, &q.timezone},
        {"max-crashes", OPTION_TEXT, &q.max_crashes},
        {"depends-on", OPTION_WORDS, &q.depends_on},
        {"tag", OPTION_WORDS, &q.tags},
        {"on-dependency", OPTION_TEXT, &q.on_dependency},
        {"broadcast", OPTION_FLAG, &q.broadcast},
        {"sync-output", OPTION_TEXT, &q.sync_output},
        {"durability", OPTION_TEXT, &q.durability},
        {"traceparent", OPTION_TEXT, &q.traceparent},
        {"spool", OPTION_TEXT, &common.spool},
        {"spool-max", OPTION_COUNT, &common.spool_max},
        {"file", OPTION_TEXT, &q.file},
    };
    int status =
        options_parse(c, rows, sizeof rows / sizeof *rows, &common, argc, argv);
    if (status < 0 && common.words.n > (q.file ? 0 : 1))
        status = usage_fail(c, "unexpected word %s",
                            common.words.at[q.file ? 0 : 1]);
    if (status < 0 && q.file && has_task_option(&q))
        status = usage_fail(c, "--file goes with no option of a task");
    if (status < 0 && common.spool_max < 0)
        status = usage_fail(c, "--spool-max must not be negative");
    common_spool(&common);
    if (status < 0)
        status =
            q.file ? queue_file_run(&common, q.file) : task_run(&common, &q);
    words_free(&q.depends_on);
    words_free(&q.tags);
    words_free(&common.words);
    return status;
}
