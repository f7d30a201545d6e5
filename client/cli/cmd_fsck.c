/* SPDX-License-Identifier: MIT */
/* stint fsck: checks all keys, changing nothing. */
#include "cli.h"

#include <inttypes.h>

const char cmd_fsck_usage[] =
    "usage: stint fsck [options]\n\n"
    "Walks all keys in bounded steps and prints every fault it finds. Changes\n"
    "nothing. Exit status 1 if there are faults.\n";

struct fsck {
    bool json;
    struct json_out j;
};

static void fault_print(const char *group, const char *fault, void *arg)
{
    struct fsck *f = arg;
    if (f->json) {
        json_open(&f->j, NULL, '{');
        json_text(&f->j, "group", group);
        json_text(&f->j, "fault", fault);
        json_shut(&f->j, '}');
        return;
    }
    cell_print(group ? group : "-", 0);
    fputs(": ", stdout);
    cell_print(fault, 0);
    putchar('\n');
}

static int fsck_show(const struct common *common)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct fsck f = {.json = common->json};
    uint64_t checked = 0, faults = 0;
    if (f.json) {
        json_open(&f.j, NULL, '{');
        json_open(&f.j, "faults", '[');
    }
    int rc = stint_fsck(s, fault_print, &f, &checked, &faults, &err);
    if (f.json) {
        json_shut(&f.j, ']');
        json_count(&f.j, "checked", (int64_t)checked);
        json_shut(&f.j, '}');
        putchar('\n');
    } else if (!rc)
        printf("checked %" PRIu64 " tasks, %" PRIu64 " faults\n", checked,
               faults);
    if (rc)
        status = error_print(&err);
    else if (faults)
        status = EXIT_FAILED;
    stint_close(s);
    return status;
}

int cmd_fsck_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    int status = options_parse(c, NULL, 0, &common, argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s", common.words.at[0]);
    if (status < 0)
        status = fsck_show(&common);
    words_free(&common.words);
    return status;
}
