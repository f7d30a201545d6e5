/* SPDX-License-Identifier: MIT */
/* stint completion fish: a line for each command, word and option. */
#include "completion.h"

static const char head[] =
    "# fish completion of stint %s, as `stint completion fish` prints it.\n"
    "function __stint_command --description 'Is the command the given one?'\n"
    "    set -l words (commandline -opc)\n"
    "    if test (count $words) -lt 2\n"
    "        test -z \"$argv\"\n"
    "    else\n"
    "        test \"$argv\" = $words[2]\n"
    "    end\n"
    "end\n"
    "complete -c stint -f\n"
    "complete -c stint -n __stint_command -l help -d 'list the commands'\n"
    "complete -c stint -n __stint_command -l version -d 'print the version'\n"
    "complete -c stint -n __stint_command -a help \\\n"
    "    -d 'show the options of a command'\n";

static void text_print_quoted(const char *text)
{
    if (!*text)
        return;
    fputs(" -d '", stdout);
    for (; *text; text++)
        printf(*text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('\'');
}

static void option_print(const char *command, const struct offer *o)
{
    printf("complete -c stint -n '__stint_command %s' -l %s", command,
           o->name + 2);
    if (offer_is_file(o))
        fputs(" -rF", stdout);
    else if (o->value[0])
        fputs(" -x", stdout);
    if (offer_is_choice(o)) {
        fputs(" -a '", stdout);
        choices_print(o);
        putchar('\'');
    }
    text_print_quoted(o->text);
    putchar('\n');
}

void completion_fish(const struct completions *all)
{
    printf(head, stint_version());
    fputs("complete -c stint -n '__stint_command help' -a '", stdout);
    commands_print(all);
    puts("'");
    for (size_t i = 0; i < all->n; i++) {
        const struct completion *c = &all->at[i];
        const char *name = c->command->name;
        printf("complete -c stint -n __stint_command -a %s", name);
        text_print_quoted(c->command->help);
        putchar('\n');
        for (size_t k = 0; k < c->words.n; k++) {
            printf("complete -c stint -n '__stint_command %s' -a %s", name,
                   c->words.at[k].name);
            text_print_quoted(c->words.at[k].text);
            putchar('\n');
        }
        for (size_t k = 0; k < c->options.n; k++)
            option_print(name, &c->options.at[k]);
    }
}
