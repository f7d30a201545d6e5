/* SPDX-License-Identifier: MIT */
/* stint completion: scripts that complete commands and options in a shell.
 * Which options there are is what the commands tell their parser; the texts
 * are those of --help. */
#include "completion.h"

#include <stdlib.h>
#include <string.h>

const char cmd_completion_usage[] =
    "usage: stint completion bash|zsh|fish [options]\n\n"
    "Prints a script for the shell that completes commands, options and what\n"
    "is known of their values. An installation has them where the shells look\n"
    "by themselves. By hand:\n\n"
    "  bash              source <(stint completion bash)\n"
    "  zsh               stint completion zsh >_stint, in a directory of\n"
    "                    $fpath, before compinit\n"
    "  fish              stint completion fish | source\n";

static const struct shell {
    const char *name;
    void (*print)(const struct completions *all);
} shells[] = {
    {"bash", completion_bash},
    {"zsh", completion_zsh},
    {"fish", completion_fish},
};

/* ---- What a usage says ------------------------------------------------- */

enum { TEXT_COLUMN = 10 }; /* lines with so many blanks go on with a text */

/* Appends text[0..len) after a blank, as far as it fits. */
static void text_append(char *to, size_t size, const char *text, size_t len)
{
    size_t n = strlen(to);
    snprintf(to + n, size - n, "%s%.*s", n ? " " : "", (int)len, text);
}

/* What is said after a name: "VALUE  text", the text perhaps in more lines.
 * Of the text the first sentence is enough. */
static void offer_describe(struct offer *o, bool takes_value, const char *p)
{
    if (takes_value && *p == ' ') {
        size_t len = strcspn(++p, " \n");
        snprintf(o->value, sizeof o->value, "%.*s", (int)len, p);
        p += len;
    }
    size_t blanks;
    do {
        p += strspn(p, " ");
        size_t len = strcspn(p, "\n");
        if (len)
            text_append(o->text, sizeof o->text, p, len);
        p += len + (p[len] == '\n');
        blanks = strspn(p, " ");
    } while (blanks >= TEXT_COLUMN);
    static const char *const ends[] = {"; ", ". "};
    for (size_t i = 0; i < 2; i++) {
        char *end = strstr(o->text, ends[i]);
        if (end)
            *end = '\0';
    }
}

/* By the line "  NAME …" or "  -h, NAME …" of a usage; false: there is none. */
static bool offer_look_up(struct offer *o, bool takes_value, const char *usage)
{
    size_t len = strlen(o->name);
    for (const char *p = usage; p; p = strchr(p, '\n')) {
        p += *p == '\n';
        if (strncmp(p, "  ", 2))
            continue;
        const char *name = p + (strncmp(p, "  -h, ", 6) ? 2 : 6);
        if (strncmp(name, o->name, len) || !strchr(" \n", name[len]))
            continue;
        offer_describe(o, takes_value, name + len);
        return true;
    }
    return false;
}

static struct offer *offer_add(struct offers *offers, const char *dashes,
                               const char *name, size_t len)
{
    offers->at = memory_grow(offers->at, offers->n + 1, sizeof *offers->at);
    struct offer *o = &offers->at[offers->n++];
    memset(o, 0, sizeof *o);
    snprintf(o->name, sizeof o->name, "%s%.*s", dashes, (int)len, name);
    return o;
}

/* The words a|b in "usage: stint NAME a|b …". */
static void words_offer(struct completion *to)
{
    const char *p = to->command->usage + strlen("usage: stint ") +
                    strlen(to->command->name) + 1;
    size_t len = strcspn(p, " \n");
    if (strspn(p, "abcdefghijklmnopqrstuvwxyz|") != len)
        return;
    for (const char *end = p + len; p < end; p++) {
        size_t one = strcspn(p, "| \n");
        struct offer *o = offer_add(&to->words, "", p, one);
        offer_look_up(o, false, to->command->usage);
        p += one;
    }
}

static void option_offer(const struct option_row *row, void *arg)
{
    struct completion *to = arg;
    bool takes_value = row->kind != OPTION_FLAG;
    struct offer *o =
        offer_add(&to->options, "--", row->name, strlen(row->name));
    o->again = row->kind == OPTION_WORDS;
    if (!offer_look_up(o, takes_value, to->command->usage))
        offer_look_up(o, takes_value, common_usage);
    if (takes_value && !o->value[0])
        snprintf(o->value, sizeof o->value, "VALUE");
}

static void completion_make(struct completion *to, const struct command *c)
{
    struct option_visit visit = {option_offer, to};
    struct command asked = *c;
    asked.visit = &visit;
    to->command = c;
    asked.run(&asked, 0, NULL);
    words_offer(to);
}

/* ---- For the shells ---------------------------------------------------- */

bool offer_is_file(const struct offer *o)
{
    return !strcmp(o->value, "FILE");
}

bool offer_is_choice(const struct offer *o)
{
    return strchr(o->value, '|') != NULL;
}

void choices_print(const struct offer *o)
{
    const char *blank = "";
    for (const char *p = o->value; *p;) {
        size_t len = strcspn(p, "|");
        if (!memchr(p, '=', len)) {
            printf("%s%.*s", blank, (int)len, p);
            blank = " ";
        }
        p += len + (p[len] == '|');
    }
}

void names_print(const struct offers *offers)
{
    for (size_t i = 0; i < offers->n; i++)
        printf("%s%s", i ? " " : "", offers->at[i].name);
}

void commands_print(const struct completions *all)
{
    for (size_t i = 0; i < all->n; i++)
        printf("%s%s", i ? " " : "", all->at[i].command->name);
}

static int completion_print(const struct shell *shell)
{
    struct completions all = {0};
    while (command_at(all.n))
        all.n++;
    all.at = memory_new(all.n, sizeof *all.at);
    for (size_t i = 0; i < all.n; i++)
        completion_make(&all.at[i], command_at(i));
    shell->print(&all);
    for (size_t i = 0; i < all.n; i++) {
        free(all.at[i].options.at);
        free(all.at[i].words.at);
    }
    free(all.at);
    return EXIT_DONE;
}

static const struct shell *shell_find(const struct words *words)
{
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (words->n == 1 && !strcmp(words->at[0], shells[i].name))
            return &shells[i];
    return NULL;
}

int cmd_completion_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    int status = options_parse(c, NULL, 0, &common, argc, argv);
    if (status < 0) {
        const struct shell *shell = shell_find(&common.words);
        status = shell ? completion_print(shell)
                       : usage_fail(c, "completion needs one of bash, zsh, "
                                       "fish");
    }
    words_free(&common.words);
    return status;
}
