/* SPDX-License-Identifier: MIT */
/* stint completion: what the shells are told of the commands. A shell is a
 * row of a table in cmd_completion.c and a file completion_SHELL.c. */
#ifndef STINT_CLI_COMPLETION_H
#define STINT_CLI_COMPLETION_H

#include "cli.h"

/* An option, or a first word like the drain of bench. */
struct offer {
    char name[32];   /* an option's with its dashes */
    char text[160];  /* what it is; "" : nothing is said */
    char value[120]; /* of an option, as the usage has it: "FILE", "a|b", "N";
                        "" : it takes none */
    bool again;      /* may be given more than once */
};

struct offers {
    struct offer *at;
    size_t n;
};

/* All of one command. */
struct completion {
    const struct command *command;
    struct offers options, words;
};

struct completions {
    struct completion *at;
    size_t n;
};

void completion_bash(const struct completions *all);
void completion_zsh(const struct completions *all);
void completion_fish(const struct completions *all);

/* The value is the name of a file; is one of some words. */
bool offer_is_file(const struct offer *o);
bool offer_is_choice(const struct offer *o);
/* Prints the words of such a value with blanks between; those that are not
 * whole, as replicas=N, are left out. */
void choices_print(const struct offer *o);
/* The names with blanks between. */
void names_print(const struct offers *offers);
void commands_print(const struct completions *all);

#endif
