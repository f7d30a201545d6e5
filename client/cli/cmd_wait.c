/* SPDX-License-Identifier: MIT */
/* stint wait: until all tasks are in an end state. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

const char cmd_wait_usage[] =
    "usage: stint wait ID... [options]\n"
    "       stint wait - [options]\n\n"
    "  -                 read the ids from stdin, one a line\n"
    "  --timeout S       give up after so many seconds (never)\n"
    "  --group-name G    the group of the tasks (looked up in all)\n\n"
    "On a terminal it shows how many have ended; of one task how far it is, if\n"
    "it tells its progress or if its output (see queue-task --sync-output) has\n"
    "a percentage in it. Exit status 0 only if all tasks are COMPLETED.\n";

/* Words of stdin, one a line; each is the list's own copy. */
static int ids_read(struct words *ids)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    while ((len = getline(&line, &room, stdin)) >= 0) {
        while (len && strchr(" \t\r\n", line[len - 1]))
            len--;
        if (len)
            words_add(ids, text_copy(line, (size_t)len));
    }
    free(line);
    if (ferror(stdin)) {
        message("stdin: cannot be read");
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static int wait_end(bool json, size_t n, size_t other)
{
    if (json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_count(&j, "completed", (int64_t)(n - other));
        json_count(&j, "other", (int64_t)other);
        json_shut(&j, '}');
        putchar('\n');
    }
    if (!other)
        return EXIT_DONE;
    message("%zu of %zu ended otherwise than COMPLETED", other, n);
    return EXIT_FAILED;
}

/* ---- One task that says how far it is ------------------------------------ */

/* The last "NN%" or "NN.N %" of a text; -1: there is none. */
static double percent_last(const char *text)
{
    const char *sign = strrchr(text, '%');
    while (sign) {
        const char *end = sign;
        if (end > text && end[-1] == ' ')
            end--;
        const char *from = end;
        while (from > text && end - from < 8 && strchr("0123456789.", from[-1]))
            from--;
        char number[12];
        double percent;
        snprintf(number, sizeof number, "%.*s", (int)(end - from), from);
        if (number_parse(number, &percent) && percent <= 100)
            return percent;
        do
            sign = sign > text ? sign - 1 : NULL;
        while (sign && *sign != '%');
    }
    return -1;
}

static void percent_show(stint *s, const char *group, const char *id,
                         struct progress *p)
{
    struct stint_err ignored = {0}; /* the wait itself will tell */
    struct stint_status *t =
        stint_task_status(s, group, id, STINT_WITH_OUTPUT, &ignored);
    double percent = t ? t->percent : -1;
    if (percent < 0 && t && t->output && !strcmp(t->status, "RUNNING"))
        percent = percent_last(t->output);
    if (percent >= 0)
        progress_percent(p, percent);
    else
        progress_update(0, 1, p);
    stint_status_free(t);
}

/* Like stint_wait for one task, with a look at it every now and then. */
static int wait_watching(stint *s, const char *group, const char *id,
                         double timeout_s, struct progress *p, size_t *other,
                         struct stint_err *err)
{
    const double slice_s = 0.2;
    double left_s = timeout_s;
    for (;;) {
        bool last = timeout_s >= 0 && left_s <= slice_s;
        struct stint_err why = {0};
        if (!stint_wait(s, group, &id, 1, last ? left_s : slice_s, NULL, NULL,
                        other, &why)) {
            progress_update(1, 1, p);
            return 0;
        }
        if (why.code != STINT_TIMEOUT || last) {
            *err = why;
            return -1;
        }
        left_s -= slice_s;
        percent_show(s, group, id, p);
    }
}

/* -------------------------------------------------------------------------- */

static int wait_for(const struct common *common, const struct words *ids,
                    const char *group, double timeout_s)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct progress p;
    size_t other = 0;
    progress_start(&p, 0);
    int rc =
        p.on && ids->n == 1
            ? wait_watching(s, group, ids->at[0], timeout_s, &p, &other, &err)
            : stint_wait(s, group, ids->at, ids->n, timeout_s, progress_update,
                         &p, &other, &err);
    progress_end(&p);
    if (!rc)
        status = wait_end(common->json, ids->n, other);
    else {
        status = error_print(&err);
        if (err.code == STINT_TIMEOUT && timeout_s >= 0)
            status = EXIT_FAILED;
    }
    stint_close(s);
    return status;
}

int cmd_wait_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    const char *group = NULL;
    double timeout_s = -1;
    const struct option_row rows[] = {
        {"group-name", OPTION_TEXT, &group},
        {"timeout", OPTION_NUMBER, &timeout_s},
    };
    struct words read = {0};
    int status =
        options_parse(c, rows, sizeof rows / sizeof *rows, &common, argc, argv);
    struct words *ids = &common.words;
    if (status < 0 && !ids->n)
        status = usage_fail(c, "wait needs an ID");
    if (status < 0 && ids->n == 1 && !strcmp(ids->at[0], "-")) {
        ids = &read;
        if (ids_read(ids))
            status = EXIT_FAILED;
        else if (!ids->n)
            status = wait_end(common.json, 0, 0);
    }
    if (status < 0)
        status = wait_for(&common, ids, group, timeout_s);
    for (size_t i = 0; i < read.n; i++)
        free((void *)(uintptr_t)read.at[i]);
    words_free(&read);
    words_free(&common.words);
    return status;
}
