/* SPDX-License-Identifier: MIT */
/* The guard against a jump of Redis's clock. Time goes by in ticks; Redis's clock
 * is true time plus an offset, which jumps once. A worker renews its lease of
 * LEASE ticks each tick, unless it has died. The reaper looks (wake), compares
 * Redis's clock with its own, which does not jump, and calls recover in a later
 * step. Whatever jumps when: no lease is ended before it was not renewed for a
 * whole one; and of a worker that died it does end.
 *
 * Assumed: the reaper has seen the clock before it jumped, as each process does
 * with its first heartbeats. One that is born after a jump cannot know of it. */
#include "rules.pml"

#define LEASE 3
#define JUMP  6 /* > LEASE */
#define END   12
#ifndef WORKERS
#define WORKERS 2
#endif

byte true_time = 1;
byte offset = JUMP; /* JUMP: none; 0 and 2 * JUMP: it jumped */
byte jumps;
#define REDIS (true_time + offset)

byte status[WORKERS]; /* of a task that each holds */
byte lease_end[WORKERS], renewed[WORKERS];
bit dead[WORKERS];
byte deaths;
bit looked; /* in this tick */

proctype Time() {
    byte i;
    do
    :: atomic { true_time < END && looked ->
        /* All that live have renewed by the end of a tick. */
        for (i : 0 .. WORKERS - 1) {
            if
            :: !dead[i] && true_time != renewed[i] ->
                lease_end[i] = REDIS + LEASE; renewed[i] = true_time
            :: else
            fi
        }
        i = 0;
        true_time++; looked = 0 }
    :: atomic { jumps < 1 -> jumps++;
        if
        :: offset = 2 * JUMP
        :: offset = 0
        fi }
    :: atomic { deaths < 1 -> deaths++; dead[0] = 1 }
    :: atomic { true_time == END ->
        /* Jump or not: who died long enough ago was found. */
        assert(!dead[0] || status[0] == QUEUED || offset < JUMP ||
               END - renewed[0] <= 3 * LEASE);
        break }
    od
}

proctype Reaper() {
    byte seen_redis = 1 + JUMP, seen_true = 1; /* its first look */
    byte hold, before, i;
    short jump;
    do
    :: true_time == END -> break
    :: atomic { !looked -> /* wake */
        if
        :: !MUTANT(M_jump_not_seen) ->
            jump = (REDIS - seen_redis) - (true_time - seen_true);
            if
            :: 2 * jump > LEASE || 2 * jump < -LEASE ->
                hold = true_time + LEASE
            :: else
            fi
        :: else
        fi;
        seen_redis = REDIS; seen_true = true_time; jump = 0;
        /* Whose lease had ended by what it saw, not by what is meanwhile. */
        before = seen_redis;
        looked = 1 };
        if
        :: true_time < hold -> skip
        :: else ->
            atomic { /* recover */
                if
                :: before > REDIS || MUTANT(M_recover_by_its_own_now) ->
                    before = REDIS
                :: else
                fi;
                for (i : 0 .. WORKERS - 1) {
                    if
                    :: lease_end[i] < before && status[i] == RUNNING ->
                        assert(true_time - renewed[i] >= LEASE);
                        move(T_recover, status[i], QUEUED)
                    :: else
                    fi
                }
                i = 0; before = 0 }
        fi
    od
}

init {
    byte i;
    atomic {
        CHOOSE_MUTANT;
        for (i : 0 .. WORKERS - 1) {
            move(T_queue_task, status[i], QUEUED);
            move(T_assign, status[i], RUNNING);
            lease_end[i] = REDIS + LEASE; renewed[i] = true_time
        }
        i = 0;
        run Time(); run Reaper()
    }
}
