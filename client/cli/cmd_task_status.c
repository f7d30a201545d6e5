/* SPDX-License-Identifier: MIT */
/* stint task-status: one task. */
#include "cli.h"

#include <inttypes.h>

const char cmd_task_status_usage[] =
    "usage: stint task-status ID [options]\n\n"
    "  --output          with result, output and error of the last run\n"
    "  --runs            with all runs kept, newest first\n"
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
    }
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
    time_field("start_time", t->start_time_ms);
    time_field("stop_time", t->stop_time_ms);
    time_field("next_run_time", t->next_run_time_ms);
    time_field("last_run_time", t->last_run_time_ms);
    count_field("times_run", t->times_run);
    count_field("times_failed", t->times_failed);
    field_print("worker", t->worker);
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

int cmd_task_status_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    const char *group = NULL;
    int output = 0, runs = 0;
    const struct option_row rows[] = {
        {"group-name", OPTION_TEXT, &group},
        {"output", OPTION_FLAG, &output},
        {"runs", OPTION_FLAG, &runs},
    };
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &common,
                               argc, argv);
    if (status < 0 && common.words.n != 1)
        status = usage_fail(c, "task-status needs one ID");
    if (status < 0)
        status = status_show(&common, group,
                             (output ? STINT_WITH_OUTPUT : 0u) |
                                 (runs ? STINT_WITH_RUNS : 0u));
    words_free(&common.words);
    return status;
}
