/* SPDX-License-Identifier: MIT */
/* What a search looks for, checked and made ready, and whether a task is that.
 * No I/O. */
#ifndef STINT_LIB_SEARCH_FILTER_H
#define STINT_LIB_SEARCH_FILTER_H

#include <stdint.h>
#include <stint/stint.h>

#include "task.h"

#define SEARCH_TEXT_MAX 200 /* bytes that are looked for: Redis looks, too */

struct search_filter {
    char states[100];      /* words with blanks between them; "": all */
    const char *function;  /* borrowed from the options, as is id; "": any */
    const char *id;        /* how it begins */
    const char *tag;
    /* Lower case; "": any. */
    char name[SEARCH_TEXT_MAX + 1], error[SEARCH_TEXT_MAX + 1];
    char text[SEARCH_TEXT_MAX + 1];
    int64_t from_ms, until_ms; /* -1: any. Relative to Redis's clock, if: */
    int from_is_relative, until_is_relative;
    int scheduled;
};

/* Errors: INVALID (an option). */
int search_filter_read(struct search_filter *f,
                       const struct stint_search_options *o,
                       struct stint_err *err);
/* Are there relative times? They become absolute. */
int search_filter_is_relative(const struct search_filter *f);
void search_filter_settle(struct search_filter *f, int64_t now_ms);

/* 1, 0, or -1: out of memory. t: with the error of its last run, if known. */
int search_fits(const struct search_filter *f, const struct stint_status *t,
                const struct task_state *st);

/* Keeps the states that are among `words` (blanks between them), too; all of
 * them if all are wanted. 0: none is left. */
int search_filter_narrow(struct search_filter *f, const char *words);

#endif
