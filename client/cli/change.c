/* SPDX-License-Identifier: MIT */
#include "change.h"

#include <string.h>

enum { ROWS_MAX = 8 };

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

/* Takes the last word. -1: go on. */
static int priority_take(const struct command *c, struct change *change,
                         struct words *words)
{
    int64_t n;
    if (!change->has_priority)
        return -1;
    if (!words->n || !count_parse(words->at[words->n - 1], &n) || n < -100 ||
        n > 100)
        return usage_fail(c, "the last word is the priority, from -100 to 100");
    words->n--;
    change->priority = (int)n;
    return -1;
}

/* -1: go on. */
static int matching_read(const struct command *c, struct matching *m,
                         const struct change *change, const struct words *ids,
                         const char *group)
{
    if (ids->n)
        return usage_fail(c, "--matching takes the place of IDs");
    if (group)
        m->filter.group = group;
    if (!filter_is_given(&m->filter))
        return usage_fail(c, "--matching needs one of its options, at least");
    m->act.action = change->action;
    m->act.priority = change->priority;
    m->act.reset = change->reset;
    m->ended = change->ended;
    return matching_check(c, m);
}

/* -1: go on. */
static int ids_check(const struct command *c, struct matching *m,
                     const struct words *ids, const char **group)
{
    if (!*group)
        *group = m->filter.group;
    m->filter.group = NULL;
    if (filter_is_given(&m->filter) || m->dry_run || m->yes)
        return usage_fail(c, "to choose tasks by options takes --matching");
    return ids->n ? -1 : usage_fail(c, "%s needs an ID", c->name);
}

int change_run(const struct command *c, struct change *change, int argc,
               char **argv)
{
    struct common common = {0};
    struct matching m = {.act = STINT_ACT_OPTIONS_INIT,
                         .filter = STINT_SEARCH_OPTIONS_INIT};
    const char *group = NULL;
    int matches = 0;
    struct option_row rows[ROWS_MAX + FILTER_ROWS] = {
        {"group-name", OPTION_TEXT, &group},
        {"matching", OPTION_FLAG, &matches},
        {"dry-run", OPTION_FLAG, &m.dry_run},
        {"yes", OPTION_FLAG, &m.yes},
    };
    size_t n = 4;
    for (size_t i = 0; i < change->n_rows && n < ROWS_MAX; i++)
        rows[n++] = change->rows[i];
    n += filter_rows(rows + n, &m.filter);
    int status = options_parse(c, rows, n, &common, argc, argv);
    if (status < 0)
        status = priority_take(c, change, &common.words);
    if (status < 0 && matches)
        status = matching_read(c, &m, change, &common.words, group);
    else if (status < 0)
        status = ids_check(c, &m, &common.words, &group);
    if (status < 0)
        status = matches ? matching_run(&common, &m)
                         : change_all(&common, group, change);
    words_free(&common.words);
    return status;
}
