/* SPDX-License-Identifier: MIT */
/* stint doctor: is everything here set up for what Stint promises? */
#include "cli.h"

const char cmd_doctor_usage[] =
    "usage: stint doctor [options]\n\n"
    "Looks at how Redis is set up and doing, at the clocks and the workers,\n"
    "and says what to do about it. Changes nothing. Exit status 1 if there is\n"
    "a fault.\n\n"
    "  --durability N    the level that is needed (1, 2, 3): less is a fault\n";

struct doctor_out {
    bool json;
    struct json_out j;
};

static const char *const states[] = {"ok", "warning", "fault", "unknown"};

static int finding_print(const struct stint_finding *f, void *arg)
{
    struct doctor_out *o = arg;
    if (o->json) {
        json_open(&o->j, NULL, '{');
        json_text(&o->j, "name", f->name);
        json_text(&o->j, "state", states[f->state]);
        json_text(&o->j, "text", f->text);
        json_text(&o->j, "advice", f->advice);
        json_shut(&o->j, '}');
        return ferror(stdout);
    }
    cell_print(states[f->state], 9);
    cell_print(f->name, 13);
    cell_print(f->text, 0);
    putchar('\n');
    if (f->advice) {
        cell_print("", 22);
        cell_print(f->advice, 0);
        putchar('\n');
    }
    return ferror(stdout);
}

static int doctor_show(const struct common *common, int64_t durability)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct doctor_out o = {.json = common->json};
    int level = 0;
    size_t faults = 0;
    if (o.json) {
        json_open(&o.j, NULL, '{');
        json_open(&o.j, "findings", '[');
    }
    int rc = stint_doctor(s, (int)durability, finding_print, &o, &level,
                          &faults, &err);
    if (o.json) {
        json_shut(&o.j, ']');
        json_count(&o.j, "durability", level);
        json_count(&o.j, "faults", (int64_t)faults);
        json_shut(&o.j, '}');
        putchar('\n');
    }
    if (rc)
        status = error_print(&err);
    else if (faults)
        status = EXIT_FAILED;
    stint_close(s);
    return status;
}

int cmd_doctor_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    int64_t durability = 0;
    const struct option_row rows[] = {
        {"durability", OPTION_COUNT, &durability}};
    int status = options_parse(c, rows, 1, &common, argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s", common.words.at[0]);
    if (status < 0 && (durability < 0 || durability > 3))
        status = usage_fail(c, "--durability is 1, 2 or 3");
    if (status < 0)
        status = doctor_show(&common, durability);
    words_free(&common.words);
    return status;
}
