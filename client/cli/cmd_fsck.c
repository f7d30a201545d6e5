/* SPDX-License-Identifier: MIT */
/* stint fsck: checks all keys, and with --repair puts right what it finds. */
#include "cli.h"

#include <inttypes.h>

const char cmd_fsck_usage[] =
    "usage: stint fsck [options]\n\n"
    "Walks all keys in bounded steps and prints every fault it finds. Changes\n"
    "nothing unless told to. Exit status 1 if faults are left.\n\n"
    "  --repair          put right what can be; what cannot is set aside, never\n"
    "                    dropped, and named. Workers may go on working\n"
    "  --quarantine      list what repairs have set aside\n";

struct fsck {
    bool json, repair;
    struct json_out j;
    struct progress progress;
    size_t total;
};

/* ---- Faults ------------------------------------------------------------- */

static const char *mend_word(enum stint_mend mend)
{
    static const char *const words[] = {[STINT_LEFT] = "left",
                                        [STINT_MENDED] = "mended",
                                        [STINT_SET_ASIDE] = "set aside"};
    return words[mend];
}

static void fault_print(const char *group, const char *fault,
                        enum stint_mend mend, void *arg)
{
    struct fsck *f = arg;
    if (f->json) {
        json_open(&f->j, NULL, '{');
        json_text(&f->j, "group", group);
        json_text(&f->j, "fault", fault);
        if (f->repair)
            json_text(&f->j, "repair", mend_word(mend));
        json_shut(&f->j, '}');
        return;
    }
    cell_print(group ? group : "-", 0);
    fputs(": ", stdout);
    cell_print(fault, 0);
    if (f->repair)
        printf(": %s", mend_word(mend));
    putchar('\n');
}

static void step_show(uint64_t checked, void *arg)
{
    struct fsck *f = arg;
    progress_update((size_t)checked, f->total, &f->progress);
}

static int stats_add(const struct stint_stats *t, void *arg)
{
    size_t *total = arg;
    *total += (size_t)(t->queued + t->assigned + t->running + t->retained);
    return 0;
}

static void sum_print(struct fsck *f, const struct stint_repaired *sum)
{
    if (f->json) {
        json_shut(&f->j, ']');
        json_count(&f->j, "checked", (int64_t)sum->checked);
        if (f->repair) {
            json_count(&f->j, "mended", (int64_t)sum->mended);
            json_count(&f->j, "set_aside", (int64_t)sum->set_aside);
            json_count(&f->j, "left", (int64_t)sum->left);
        }
        json_shut(&f->j, '}');
        putchar('\n');
        return;
    }
    printf("checked %" PRIu64 " tasks, %" PRIu64 " faults", sum->checked,
           sum->faults);
    if (f->repair)
        printf(": %" PRIu64 " mended, %" PRIu64 " set aside, %" PRIu64 " left",
               sum->mended, sum->set_aside, sum->left);
    putchar('\n');
}

static int faults_show(stint *s, struct fsck *f)
{
    struct stint_err err = {0};
    struct stint_repaired sum = STINT_REPAIRED_INIT;
    struct stint_repair_options o = STINT_REPAIR_OPTIONS_INIT;
    o.is_dry = !f->repair;
    o.on_fault = fault_print;
    o.on_step = step_show;
    o.arg = f;
    progress_start(&f->progress, 0);
    if (f->progress.on && stint_stats(s, NULL, stats_add, &f->total, &err))
        return error_print(&err);
    if (f->json) {
        json_open(&f->j, NULL, '{');
        json_open(&f->j, "faults", '[');
    }
    int rc = stint_repair(s, &o, &sum, &err);
    progress_end(&f->progress);
    if (!rc || f->json)
        sum_print(f, &sum);
    if (rc)
        return error_print(&err);
    return sum.left ? EXIT_FAILED : EXIT_DONE;
}

/* ---- The quarantine ------------------------------------------------------ */

static int entry_print(const char *group, const char *name, const char *what,
                       void *arg)
{
    struct fsck *f = arg;
    if (f->json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_text(&j, "group", group);
        json_text(&j, "name", name);
        json_value(&j, "entry", what);
        json_shut(&j, '}');
    } else {
        cell_print(group ? group : "-", 0);
        fputs(": ", stdout);
        cell_print(name, 0);
        fputs(": ", stdout);
        cell_print(what, 0);
    }
    putchar('\n');
    return ferror(stdout);
}

static int quarantine_show(stint *s, struct fsck *f)
{
    struct stint_err err = {0};
    return stint_quarantine(s, entry_print, f, &err) ? error_print(&err)
                                                     : EXIT_DONE;
}

int cmd_fsck_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    int repair = 0, quarantine = 0;
    const struct option_row rows[] = {
        {"repair", OPTION_FLAG, &repair},
        {"quarantine", OPTION_FLAG, &quarantine},
    };
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &common,
                               argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s", common.words.at[0]);
    if (status < 0 && repair && quarantine)
        status = usage_fail(c, "--repair and --quarantine are two things");
    stint *s = status < 0 ? common_open(&common, &status) : NULL;
    if (s) {
        struct fsck f = {.json = common.json, .repair = repair};
        status = quarantine ? quarantine_show(s, &f) : faults_show(s, &f);
        stint_close(s);
    }
    words_free(&common.words);
    return status;
}
