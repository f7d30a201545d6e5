/* SPDX-License-Identifier: MIT */
/* A search in the making; shared by what looks for tasks and what then does
 * something about them. */
#ifndef STINT_LIB_SEARCH_H
#define STINT_LIB_SEARCH_H

#include "client.h"
#include "search_filter.h"

/* PART,KIND,SUB,AT,ID: see lua/search.lua. */
#define SEARCH_CURSOR_CAP (4 * STINT_NAME_LEN + 64)

struct search {
    stint *s;
    struct stint_search_options o; /* as they are meant */
    struct search_filter f;
    stint_list_fn fn;
    void *arg;
    size_t n;         /* were told of */
    uint64_t scanned;
    char cursor[SEARCH_CURSOR_CAP]; /* "": at the end */
    int stopped;      /* enough, and cursor says where */
};

/* Reads the options. Errors: INVALID. */
int search_open(struct search *q, stint *s,
                const struct stint_search_options *o, stint_list_fn fn,
                void *arg, struct stint_err *err);
/* One page. -1: err; a cursor is there all the same if only groups of a cluster
 * are missing. */
int search_page(struct search *q, struct stint_err *err);

#endif
