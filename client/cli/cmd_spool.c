/* SPDX-License-Identifier: MIT */
/* stint spool: what waits in a directory for Redis. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char cmd_spool_usage[] =
    "usage: stint spool status|replay [options]\n\n"
    "Tasks that were queued while Redis was away (queue-task --spool).\n"
    "status tells what waits there; replay brings it to Redis, in order and\n"
    "with the same ids, as queue-task with that spool does, too. What Redis\n"
    "refuses is kept in the file `refused` there, a JSON object a line.\n\n"
    "  --spool DIR           the directory; else STINT_SPOOL\n"
    "  --force               replay: also tasks that may have been sent more\n"
    "                        than 50 minutes ago and that Redis does not know:\n"
    "                        they might run twice\n";

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void count_field(const char *key, uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, n);
    field_print(key, text);
}

static void status_text(const struct stint_spool_status *st)
{
    char age[TIME_TEXT_LEN];
    count_field("tasks", st->n_tasks);
    count_field("calls", st->n_calls);
    count_field("unsure", st->n_unsure);
    count_field("bytes", st->bytes);
    field_print("oldest", st->oldest_ms
                              ? age_text(now_ms() - st->oldest_ms, age)
                              : "-");
    count_field("refused", st->n_refused);
    if (st->damaged_bytes)
        count_field("damaged", st->damaged_bytes);
}

static void status_json_print(const struct stint_spool_status *st)
{
    struct json_out j = {false};
    json_open(&j, NULL, '{');
    json_count(&j, "tasks", (int64_t)st->n_tasks);
    json_count(&j, "calls", (int64_t)st->n_calls);
    json_count(&j, "unsure", (int64_t)st->n_unsure);
    json_count(&j, "bytes", (int64_t)st->bytes);
    json_time(&j, "oldest", st->oldest_ms);
    json_count(&j, "refused", (int64_t)st->n_refused);
    json_count(&j, "damaged_bytes", (int64_t)st->damaged_bytes);
    json_shut(&j, '}');
    putchar('\n');
}

static int spool_status(const struct common *common)
{
    struct stint_spool_status st = STINT_SPOOL_STATUS_INIT;
    struct stint_err err = {0};
    if (stint_spool_status(common->spool, &st, &err))
        return error_print(&err);
    if (common->json)
        status_json_print(&st);
    else
        status_text(&st);
    return EXIT_DONE;
}

static int spool_replay(const struct common *common, int force)
{
    struct stint_spool_status st = STINT_SPOOL_STATUS_INIT;
    struct stint_err err = {0};
    struct progress progress;
    uint64_t queued = 0, refused = 0;
    int status = EXIT_DONE;
    if (stint_spool_status(common->spool, &st, &err)) /* it makes none */
        return error_print(&err);
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    progress_start(&progress, st.n_tasks);
    if (stint_spool_replay(s, force ? STINT_SPOOL_FORCE : 0, progress_update,
                           &progress, &queued, &refused, &err))
        status = EXIT_FAILED;
    progress_end(&progress);
    if (common->json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_count(&j, "queued", (int64_t)queued);
        json_count(&j, "refused", (int64_t)refused);
        json_shut(&j, '}');
        putchar('\n');
    } else {
        printf("%" PRIu64 " queued, %" PRIu64 " refused\n", queued, refused);
    }
    if (status)
        status = error_print(&err);
    else if (refused) {
        message("what was refused is in %s/refused", common->spool);
        status = EXIT_FAILED;
    }
    stint_close(s);
    return status;
}

int cmd_spool_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    int force = 0;
    const struct option_row rows[] = {
        {"spool", OPTION_TEXT, &common.spool},
        {"force", OPTION_FLAG, &force},
    };
    int status =
        options_parse(c, rows, sizeof rows / sizeof *rows, &common, argc, argv);
    if (status >= 0) {
        words_free(&common.words);
        return status;
    }
    common_spool(&common);
    const char *verb = common.words.n == 1 ? common.words.at[0] : "";
    if (strcmp(verb, "status") && strcmp(verb, "replay"))
        status = usage_fail(c, "say status or replay");
    else if (!common.spool)
        status = usage_fail(c, "which spool? --spool DIR or STINT_SPOOL");
    else if (force && strcmp(verb, "replay"))
        status = usage_fail(c, "--force is for replay");
    else
        status = strcmp(verb, "status") ? spool_replay(&common, force)
                                        : spool_status(&common);
    words_free(&common.words);
    return status;
}
