/* SPDX-License-Identifier: MIT */
/* The work of the examples: counts the words of a file. */
#ifndef EXAMPLES_COUNT_H
#define EXAMPLES_COUNT_H

#include <stint/stint.h>

/* A handler: args[0] is the file, the result their number. */
int count_words(stint_run *run, void *arg);

#endif
