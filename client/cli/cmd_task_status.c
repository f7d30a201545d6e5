/* SPDX-License-Identifier: MIT */
/* stint task-status: one task. */
#include "follow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

const char cmd_task_status_usage[] =
    "usage: stint task-status ID [options]\n\n"
    "  --output          with result, output and error of the last run\n"
    "  --runs            with all runs kept, newest first\n"
    "  --follow          until it ends: a line for each change of state; with\n"
    "                    --output its output as it grows. Exit status 0 only\n"
    "                    if it is COMPLETED in the end\n"
    "  --group-name G    the group of the task (looked up in all)\n";

static void time_field(const char *key, int64_t ms)
{
    char text[TIME_TEXT_LEN];
    if (ms)
        field_print(key, time_text(ms, text));
}

static void count_field(const char *key, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, n);
    field_print(key, text);
}

/* "exit status 3, 12 MB" */
static void evidence_print(const char *evidence)
{
    json_error_t error;
    json_t *o = evidence ? json_loads(evidence, JSON_ALLOW_NUL, &error) : NULL;
    const json_t *exit_status = json_object_get(o, "exit_status");
    const json_t *number = json_object_get(o, "signal");
    const json_t *rss = json_object_get(o, "max_rss_kb");
    char how[40] = "", memory[40] = "", text[96];
    if (exit_status)
        snprintf(how, sizeof how, "exit status %" PRId64,
                 (int64_t)json_integer_value(exit_status));
    else if (number)
        snprintf(how, sizeof how, "signal %" PRId64,
                 (int64_t)json_integer_value(number));
    if (rss)
        snprintf(memory, sizeof memory, "%s%.0f MB", *how ? ", " : "",
                 (double)json_integer_value(rss) / 1024);
    snprintf(text, sizeof text, "%s%s", how, memory);
    field_print("evidence", text);
    const json_t *end = json_object_get(o, "worker_end");
    char *dump = end ? json_dumps(end, JSON_ENCODE_ANY) : NULL;
    field_print("worker_end", dump);
    field_print("stderr", json_string_value(json_object_get(o, "stderr")));
    free(dump);
    json_decref(o);
}

static void runs_print(const struct stint_status *t)
{
    for (size_t i = 0; i < t->n_runs; i++) {
        const struct stint_run_status *r = &t->runs[i];
        putchar('\n');
        field_print("run_id", r->run_id);
        field_print("status", r->status);
        field_print("worker", r->worker);
        time_field("start_time", r->start_time_ms);
        time_field("stop_time", r->stop_time_ms);
        field_print("result", r->result);
        field_print("output", r->output);
        field_print("error", r->error);
        evidence_print(r->evidence);
    }
}

static void progress_print(const struct stint_status *t)
{
    char percent[16] = "", text[256];
    if (t->percent >= 0)
        snprintf(percent, sizeof percent, "%.4g %%", t->percent);
    snprintf(text, sizeof text, "%s%s%s", percent,
             *percent && t->progress ? ", " : "",
             t->progress ? t->progress : "");
    field_print("progress", text);
}

static void status_print(const struct stint_status *t, unsigned flags)
{
    field_print("id", t->id);
    field_print("function", t->function);
    field_print("task_name", t->task_name);
    field_print("group_name", t->group_name);
    field_print("status", t->status);
    field_print("reason", t->reason);
    field_print("args", t->args);
    field_print("vars", t->vars);
    if (strcmp(t->tags, "[]"))
        field_print("tags", t->tags);
    if (t->priority)
        count_field("priority", t->priority);
    field_print("cronline", t->cronline);
    field_print("timezone", t->timezone);
    time_field("start_time", t->start_time_ms);
    time_field("stop_time", t->stop_time_ms);
    time_field("next_run_time", t->next_run_time_ms);
    time_field("last_run_time", t->last_run_time_ms);
    count_field("times_run", t->times_run);
    count_field("times_failed", t->times_failed);
    field_print("worker", t->worker);
    progress_print(t);
    if (flags & STINT_WITH_OUTPUT) {
        field_print("result", t->result);
        field_print("output", t->output);
        field_print("error", t->error);
    }
    if (flags & STINT_WITH_RUNS)
        runs_print(t);
}

static int status_show(const struct common *common, const char *group,
                       unsigned flags)
{
    int status = EXIT_DONE;
    const char *id = common->words.at[0];
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct stint_status *t = stint_task_status(s, group, id, flags, &err);
    if (t && common->json)
        status_json(t, flags);
    else if (t)
        status_print(t, flags);
    else if (err.code == STINT_NOT_FOUND) {
        message("%s: no such task", id);
        status = EXIT_FAILED;
    } else
        status = error_print(&err);
    if (t)
        stint_status_free(t);
    stint_close(s);
    return status;
}

static int status_follow(const struct common *common, const char *group,
                         unsigned flags)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (s)
        status =
            follow_task(s, group, common->words.at[0], flags, common->json);
    stint_close(s);
    return status;
}

int cmd_task_status_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    const char *group = NULL;
    int output = 0, runs = 0, follow = 0;
    const struct option_row rows[] = {
        {"group-name", OPTION_TEXT, &group},
        {"output", OPTION_FLAG, &output},
        {"runs", OPTION_FLAG, &runs},
        {"follow", OPTION_FLAG, &follow},
    };
    int status =
        options_parse(c, rows, sizeof rows / sizeof *rows, &common, argc, argv);
    if (status < 0 && common.words.n != 1)
        status = usage_fail(c, "task-status needs one ID");
    unsigned flags =
        (output ? STINT_WITH_OUTPUT : 0u) | (runs ? STINT_WITH_RUNS : 0u);
    if (status < 0)
        status = follow ? status_follow(&common, group, flags)
                        : status_show(&common, group, flags);
    words_free(&common.words);
    return status;
}
