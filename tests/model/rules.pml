/* SPDX-License-Identifier: MIT */
/* Shared by the models: statuses, moves, mutants. A script of lua/ is one atomic
 * step here and has its name. ./run makes of `transitions` numbers for here (rows.pml)
 * and a table for C (rows.h). */
#include "rows.pml"

#define NONE      0
#define QUEUED    1
#define ASSIGNED  2
#define RUNNING   3
#define COMPLETED 4
#define FAILED    5
#define TIMEOUT   6
#define STOPPED   7
#define EXPIRED   8
#define PRUNED    9

#define is_end(s)  ((s) >= COMPLETED && (s) <= EXPIRED)
#define is_held(s) ((s) == ASSIGNED || (s) == RUNNING)

c_decl {
    \#include "rows.h"
}

/* The environment says which mutant this run is; it is no part of the state. */
hidden byte mutant;
#define MUTANT(n)        (mutant == (n))
#define CHOOSE_MUTANT    c_code { mutant = mutant_asked; }

byte moved_by, moved_from, moved_to; /* 0 but within a move */
bit no_row;

/* Every change of a status goes through here. */
inline move(transition, status_, to) {
    moved_by = transition;
    moved_from = status_;
    moved_to = to;
    c_code { now.no_row = !row_take(now.moved_by, now.moved_from,
                                    now.moved_to); };
    assert(!no_row); /* a row of `transitions` */
    status_ = to;
    moved_by = 0;
    moved_from = 0;
    moved_to = 0
}
