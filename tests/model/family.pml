/* SPDX-License-Identifier: MIT */
/* A child of two parents: one of its own group, which tells it in the step that
 * ends the parent, and one of another group, which hears of the child by a
 * message ("link") and tells it by one ("ended"). Messages may come twice and
 * late. The child is released once, when both have COMPLETED, or failed once,
 * when one has not; it never waits for ever, and never runs too early. */
#include "rules.pml"

#ifndef TWICE
#define TWICE 2 /* messages that come once more */
#endif
#define NEAR 0
#define FAR  1
#define CHILD 2

byte status[3];
bit waits[2];       /* :parents of the child: whom it still waits for */
byte wait;          /* of its record: how many */
bit kids[2];        /* the parent knows that it has a child */
bit link_sent, ended_sent; /* messages on their way */
byte twice;
byte released, failed_by; /* how often */

/* One parent has ended: prelude_families.lua, parent_ended. */
inline parent_ended(p) {
    if
    :: status[CHILD] == QUEUED && wait > 0 &&
        (waits[p] || MUTANT(M_membership_not_looked_at)) ->
        if
        :: status[p] != COMPLETED ->
            move(T_settle, status[CHILD], FAILED); failed_by++;
            waits[NEAR] = 0; waits[FAR] = 0; wait = 0
        :: else ->
            waits[p] = 0; wait--;
            move(T_settle, status[CHILD], QUEUED);
            if
            :: wait == 0 -> released++
            :: else
            fi
        fi
    :: else
    fi
}

/* The child comes at any time: before its parents end, between, or after. */
proctype Client() {
    bit doomed;
    atomic {
        move(T_queue_task, status[NEAR], QUEUED);
        move(T_queue_task, status[FAR], QUEUED)
    };
    atomic {
        if
        :: is_end(status[NEAR]) && !MUTANT(M_queue_does_not_look) ->
            doomed = status[NEAR] != COMPLETED
        :: else -> waits[NEAR] = 1; wait++; kids[NEAR] = 1
        fi;
        if
        :: doomed -> move(T_queue_task, status[CHILD], FAILED); failed_by++;
            waits[NEAR] = 0; wait = 0
        :: else ->
            /* Of another group: the answer to the link tells. */
            waits[FAR] = 1; wait++; link_sent = 1;
            move(T_queue_task, status[CHILD], QUEUED)
        fi
    }
}

proctype Worker() {
    byte t;
end: do
    :: atomic { status[NEAR] == QUEUED -> t = NEAR; goto take }
    :: atomic { status[FAR] == QUEUED -> t = FAR; goto take }
    :: atomic { status[CHILD] == QUEUED && wait == 0 -> t = CHILD;
take:   move(T_assign, status[t], RUNNING);
        if
        :: t == CHILD ->
            assert(status[NEAR] == COMPLETED && status[FAR] == COMPLETED)
        :: else
        fi };
        atomic {
            if
            :: move(T_report, status[t], COMPLETED)
            :: t != CHILD -> move(T_report, status[t], FAILED)
            fi;
            if
            :: t == NEAR && kids[NEAR] -> parent_ended(NEAR)
            :: t == FAR && kids[FAR] -> ended_sent = 1
            :: else
            fi;
            t = 0
        }
    od
}

/* Takes messages where they go; one is forgotten only when it has arrived. */
proctype Reaper() {
end: do
    :: atomic { link_sent -> /* deliver: link */
        if
        :: is_end(status[FAR]) ->
            if
            :: MUTANT(M_link_to_ended_is_dropped) -> skip
            :: else -> ended_sent = 1
            fi
        :: else -> kids[FAR] = 1
        fi;
        if
        :: link_sent = 0
        :: twice < TWICE -> twice++ /* its receipt got lost: once more */
        fi }
    :: atomic { ended_sent -> /* deliver: ended */
        parent_ended(FAR);
        if
        :: ended_sent = 0
        :: twice < TWICE -> twice++
        fi }
    od
}

proctype Watch() {
end: do
    :: atomic { released > 1 || failed_by > 1 ||
        (released == 1 && failed_by == 1) -> assert(false) }
    od
}

init {
    atomic {
        CHOOSE_MUTANT;
        run Client(); run Worker(); run Reaper(); run Watch()
    }
}

ltl live { <> is_end(status[CHILD]) }
