/* SPDX-License-Identifier: MIT */
/* Idle workers sleep on one marker (BZPOPMIN of :wake). Whoever queues puts it
 * there in the same step; it wakes one worker, whose assign takes what it can
 * (one task here) and puts the marker back while work remains. A worker may die
 * with the marker in its hand: then the reaper's look (wake) puts it back. No
 * task may lie there for ever while a worker sleeps. */
#include "rules.pml"

#ifndef TASKS
#define TASKS 2
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef CRASHES
#define CRASHES 0 /* < WORKERS */
#endif

byte status[TASKS];
byte queued;    /* how many are QUEUED: what assign sees */
bit marker;
byte crashes;
bit asleep[WORKERS];

proctype Client(byte t) {
    if
    :: MUTANT(M_marker_before_task) -> marker = 1;
        atomic { move(T_queue_task, status[t], QUEUED); queued++ }
    :: else ->
        atomic { move(T_queue_task, status[t], QUEUED); queued++; marker = 1 }
    fi
}

proctype Worker(byte me) {
    byte t;
end: do
    :: atomic { marker -> marker = 0; asleep[me] = 0 }; /* BZPOPMIN */
        if
        :: atomic { crashes < CRASHES -> crashes++; break }
        :: skip
        fi;
work:   atomic {
            t = 0;
            do
            :: t < TASKS && status[t] != QUEUED -> t++
            :: else -> break
            od;
            if
            :: t < TASKS -> move(T_assign, status[t], RUNNING); queued--
            :: else
            fi;
            if
            :: queued > 0 && !MUTANT(M_marker_not_passed_on) -> marker = 1
            :: else
            fi
        };
        if
        :: t < TASKS -> atomic { move(T_report, status[t], COMPLETED); t = 0 };
            if
            :: MUTANT(M_marker_not_passed_on) -> skip /* sleeps at once */
            :: else -> goto work /* looks once more before it sleeps */
            fi
        :: else -> atomic { t = 0; asleep[me] = 1 }
        fi
    od
}

/* Looks now and then, while there is something to look for. */
proctype Reaper() {
end: do
    :: atomic { queued > 0 && !marker && CRASHES > 0 && crashes > 0 &&
        !MUTANT(M_no_look) -> marker = 1 }
    od
}

init {
    byte i;
    atomic {
        CHOOSE_MUTANT;
        for (i : 0 .. WORKERS - 1) { run Worker(i) }
        for (i : 0 .. TASKS - 1) { run Client(i) }
        i = 0;
        run Reaper()
    }
}

#if TASKS == 2
#define ALL_ENDED (status[0] == COMPLETED && status[1] == COMPLETED)
#else
#define ALL_ENDED (status[0] == COMPLETED && status[1] == COMPLETED && \
                   status[2] == COMPLETED)
#endif
ltl live { <> ALL_ENDED }
