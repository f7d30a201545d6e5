/* SPDX-License-Identifier: MIT */
#include "change.h"

#include <string.h>

enum { ROWS_MAX = 4 };

static void result_print(bool json, const char *id, const char *word,
                         const char *error)
{
    if (json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_text(&j, "id", id);
        json_text(&j, "status", word);
        json_text(&j, "error", error);
        json_shut(&j, '}');
        putchar('\n');
    } else if (word) {
        cell_print(id, 0);
        printf(" %s\n", word);
    }
}

/* One task; anything but "not this one" ends the command. */
static int change_one(stint *s, const struct common *common, const char *group,
                      const char *id, const struct change *change, bool *go_on)
{
    struct stint_err err = {0};
    const char *word = NULL;
    if (!change->apply(s, group, id, change, &word, &err)) {
        result_print(common->json, id, word, NULL);
        return EXIT_DONE;
    }
    const char *text = err.code == STINT_NOT_FOUND ? "no such task"
                       : err.text[0]               ? err.text
                                                   : stint_code_text(err.code);
    int status = error_status(err.code);
    message("%s: %s", id, text);
    *go_on = status != EXIT_REDIS;
    if (!*go_on)
        return status;
    result_print(common->json, id, NULL, text);
    return err.code == STINT_INVALID ? status : EXIT_FAILED;
}

static int change_all(const struct common *common, const char *group,
                      const struct change *change)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    bool go_on = s;
    for (size_t i = 0; go_on && i < common->words.n; i++) {
        int one =
            change_one(s, common, group, common->words.at[i], change, &go_on);
        if (one > status)
            status = one;
    }
    stint_close(s);
    return status;
}

int change_run(const struct command *c, const struct change *change, int argc,
               char **argv)
{
    struct common common = {0};
    const char *group = NULL;
    struct option_row rows[ROWS_MAX + 1] = {
        {"group-name", OPTION_TEXT, &group}};
    size_t n = 1;
    for (size_t i = 0; i < change->n_rows && n <= ROWS_MAX; i++)
        rows[n++] = change->rows[i];
    int status = options_parse(c, rows, n, &common, argc, argv);
    if (status < 0 && !common.words.n)
        status = usage_fail(c, "%s needs an ID", c->name);
    if (status < 0)
        status = change_all(&common, group, change);
    words_free(&common.words);
    return status;
}
