/* SPDX-License-Identifier: MIT */
/* stint completion zsh: a function for compinit, made of _arguments. */
#include "completion.h"

static const char head[] =
    "#compdef stint\n"
    "# zsh completion of stint %s, as `stint completion zsh` prints it.\n"
    "_stint()\n"
    "{\n"
    "    local curcontext=$curcontext state\n"
    "    typeset -A opt_args\n"
    "    local -a commands line\n"
    "    commands=(\n";

static const char first[] =
    "        'help:show the options of a command'\n"
    "    )\n"
    "    _arguments -C '(- *)--help[list the commands]' \\\n"
    "        '(- *)--version[print the version]' \\\n"
    "        '1:command:->command' '*::argument:->argument' && return\n"
    "    case $state in\n"
    "    command) _describe -t commands command commands ;;\n"
    "    argument)\n"
    "        case $words[1] in\n"
    "        help)\n"
    "            ((CURRENT == 2)) && _describe -t commands command commands\n"
    "            ;;\n";

static const char last[] =
    "        esac\n"
    "        ;;\n"
    "    esac\n"
    "}\n"
    "_stint \"$@\"\n";

/* Within single quotes, and of _arguments within brackets. */
static void text_quote(const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '\'':
            fputs("'\\''", stdout);
            break;
        case '[':
        case ']':
        case '\\':
            printf("\\%c", *text);
            break;
        default:
            putchar(*text);
        }
}

static void option_print(const struct offer *o)
{
    printf(" \\\n            '%s%s%s", o->again ? "*" : "", o->name,
           o->value[0] ? "=" : "");
    if (o->text[0]) {
        putchar('[');
        text_quote(o->text);
        putchar(']');
    }
    if (offer_is_file(o))
        fputs(":file:_files", stdout);
    else if (offer_is_choice(o)) {
        fputs(":word:(", stdout);
        choices_print(o);
        putchar(')');
    } else if (o->value[0])
        printf(":%s: ", o->value);
    putchar('\'');
}

void completion_zsh(const struct completions *all)
{
    printf(head, stint_version());
    for (size_t i = 0; i < all->n; i++) {
        printf("        '%s:", all->at[i].command->name);
        text_quote(all->at[i].command->help);
        puts("'");
    }
    fputs(first, stdout);
    for (size_t i = 0; i < all->n; i++) {
        const struct completion *c = &all->at[i];
        printf("        %s)\n            _arguments", c->command->name);
        for (size_t k = 0; k < c->options.n; k++)
            option_print(&c->options.at[k]);
        if (c->words.n) {
            fputs(" \\\n            '1:word:(", stdout);
            names_print(&c->words);
            fputs(")'", stdout);
        }
        puts(" \\\n            '*:argument: '\n            ;;");
    }
    fputs(last, stdout);
}
