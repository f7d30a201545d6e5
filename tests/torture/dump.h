/* SPDX-License-Identifier: MIT */
/* After the drain: all of Redis, written to the history. */
#ifndef STINT_TESTS_DUMP_H
#define STINT_TESTS_DUMP_H

#include "history_file.h"
#include "node.h"

struct dump {
    int64_t n_tasks, n_faults, n_strange; /* strange: keys without an owner */
    int64_t by_status[HS_LOST + 1];
};

/* -1: Redis could not be read to the end; said on stderr. */
int dump_all(struct node *node, const struct history *h, struct dump *d);

#endif
