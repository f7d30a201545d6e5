/* SPDX-License-Identifier: MIT */
/* stint workers: the fleet. */
#include "cli.h"

#include <inttypes.h>

const char cmd_workers_usage[] =
    "usage: stint workers [options]\n\n"
    "Shows every worker as its last heartbeat left it. LOAD is that of its\n"
    "host, averaged over a minute; SKEW is its host's clock less Redis's.\n"
    "--json shows the functions it can run, what it runs and what it has\n"
    "counted, too.\n";

static const char *load_text(double load, char text[TIME_TEXT_LEN])
{
    snprintf(text, TIME_TEXT_LEN, "%.2f", load);
    return text;
}

static void worker_json(const struct stint_worker_status *w)
{
    struct json_out j = {false};
    char text[TIME_TEXT_LEN];
    json_open(&j, NULL, '{');
    json_text(&j, "name", w->name);
    json_text(&j, "host", w->host);
    json_count(&j, "pid", w->pid);
    json_text(&j, "groups", w->groups);
    json_text(&j, "status", w->status);
    json_count(&j, "concurrency", w->concurrency);
    json_count(&j, "running", w->running);
    json_text(&j, "version", w->version);
    json_time(&j, "started", w->started_ms);
    json_count(&j, "heartbeat_age_ms", w->heartbeat_age_ms);
    json_text(&j, "shown", w->shown);
    json_text(&j, "functions", w->functions);
    json_value(&j, "load", w->load >= 0 ? load_text(w->load, text) : NULL);
    json_count(&j, "skew_ms", w->skew_ms);
    json_count(&j, "reconnects", w->reconnects);
    json_count(&j, "leases_lost", w->leases_lost);
    json_count(&j, "outbox", w->outbox);
    json_count(&j, "calls", w->calls);
    json_count(&j, "calls_us", w->calls_us);
    json_count(&j, "reaped", w->reaped);
    json_count(&j, "reaper_calls", w->reaper_calls);
    json_count(&j, "rss_kb", w->rss_kb);
    json_value(&j, "runs", w->runs);
    json_shut(&j, '}');
    putchar('\n');
}

static int row_json(const struct stint_worker_status *w, void *arg)
{
    (void)arg;
    worker_json(w);
    return ferror(stdout);
}

static int row_add(const struct stint_worker_status *w, void *arg)
{
    struct table *t = arg;
    char text[TIME_TEXT_LEN];
    table_add(t, w->name);
    table_add_word(t, w->status);
    table_add_count(t, w->running, PAINT_BUSY);
    table_add_count(t, w->concurrency, PAINT_NONE);
    table_add_right(t, w->load >= 0 ? load_text(w->load, text) : NULL,
                    PAINT_NONE);
    snprintf(text, sizeof text, "%+" PRId64 " ms", w->skew_ms);
    table_add_right(t, text, PAINT_NONE);
    table_add(t, w->groups);
    table_add(t, w->host);
    table_add_count(t, w->pid, PAINT_NONE);
    table_add(t, w->version);
    table_add(t, w->started_ms ? time_text(w->started_ms, text) : NULL);
    table_add_right(t, age_text(w->heartbeat_age_ms, text), PAINT_NONE);
    return 0;
}

static int workers_show(const struct common *common)
{
    static const char *const heads[] = {
        "NAME",   "STATUS", "RUNNING", "OF",      "LOAD",    "SKEW",
        "GROUPS", "HOST",   "PID",     "VERSION", "STARTED", "HEARTBEAT",
    };
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct table t = {.colour = colour_on(common)};
    table_heads(&t, heads, sizeof heads / sizeof *heads);
    if (stint_workers(s, common->json ? row_json : row_add, &t, &err))
        status = ferror(stdout) ? EXIT_FAILED : error_print(&err);
    else if (!common->json)
        table_print(&t);
    table_free(&t);
    stint_close(s);
    return status;
}

int cmd_workers_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    int status = options_parse(c, NULL, 0, &common, argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s", common.words.at[0]);
    if (status < 0)
        status = workers_show(&common);
    words_free(&common.words);
    return status;
}
