/* SPDX-License-Identifier: MIT */
/* stint completion bash: one function, with a case for each command. */
#include "completion.h"

static const char head[] =
    "# bash completion of stint %s, as `stint completion bash` prints it.\n"
    "# shellcheck shell=bash\n"
    "_stint()\n"
    "{\n"
    "    local word=${COMP_WORDS[COMP_CWORD]}\n"
    "    local before=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local options='--help --version' words values=\n"
    "    local commands='";

/* bash takes the = of --name=value for a word of its own. */
static const char first[] =
    " help'\n"
    "    words=$commands\n"
    "    COMPREPLY=()\n"
    "    if [[ $word == '=' ]]; then\n"
    "        word=\n"
    "    elif [[ $before == '=' ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    if ((COMP_CWORD > 1)); then\n"
    "        options= words=\n"
    "        case ${COMP_WORDS[1]} in\n"
    "        help) words=$commands ;;\n";

static const char last[] =
    "        esac\n"
    "        ((COMP_CWORD == 2)) || words=\n"
    "    fi\n"
    "    if [[ $values == FILE ]]; then\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
    "        return\n"
    "    fi\n"
    "    if [[ -n $values ]]; then\n"
    "        words=$values\n"
    "    elif [[ $word == -* || -z $words ]]; then\n"
    "        words=$options\n"
    "    fi\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
    "}\n"
    "complete -F _stint stint\n";

/* The options whose value is any text have one row together, as there is
 * nothing to offer for them. */
static void values_print(const struct offers *options)
{
    const char *bar = "";
    for (size_t i = 0; i < options->n; i++) {
        const struct offer *o = &options->at[i];
        if (!offer_is_file(o) && !offer_is_choice(o))
            continue;
        printf("            %s) values='", o->name);
        if (offer_is_file(o))
            fputs("FILE", stdout);
        else
            choices_print(o);
        puts("' ;;");
    }
    fputs("            ", stdout);
    for (size_t i = 0; i < options->n; i++) {
        const struct offer *o = &options->at[i];
        if (!o->value[0] || offer_is_file(o) || offer_is_choice(o))
            continue;
        printf("%s%s", bar, o->name);
        bar = " | ";
    }
    puts(") return ;;");
}

void completion_bash(const struct completions *all)
{
    printf(head, stint_version());
    commands_print(all);
    fputs(first, stdout);
    for (size_t i = 0; i < all->n; i++) {
        const struct completion *c = &all->at[i];
        printf("        %s)\n            words='", c->command->name);
        names_print(&c->words);
        fputs("'\n            options='", stdout);
        names_print(&c->options);
        puts("'\n            case $before in");
        values_print(&c->options);
        puts("            esac\n            ;;");
    }
    fputs(last, stdout);
}
