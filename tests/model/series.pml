/* SPDX-License-Identifier: MIT */
/* A task that runs several times: REPEATS successes, RETRY failures in a row.
 * The next run comes only after the record of the one before; the same report
 * twice is counted once; a lost worker's run is LOST and no failure. Counters of
 * Redis are compared with those of the world. */
#include "rules.pml"

#ifndef REPEATS
#define REPEATS 2
#endif
#ifndef RETRY
#define RETRY 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef REPLIES
#define REPLIES 2
#endif
#define LOST_MAX 3
#define NOBODY 7

byte status, token, holder, run_n, failed, lost;
bit stopping, late; /* late: the next run would be after stop_time */
byte records;       /* in the history, the last result with them */
byte tokens, crashes, replies, pauses;
bit dead[2];
byte begun;         /* assignments that are RUNNING, all in all */
byte really_ran, really_failed; /* as the workers know it */

inline judge(success) {
    records++;
    if
    :: success ->
        run_n++; failed = 0;
        if
        :: MUTANT(M_failures_not_reset) -> failed = really_failed
        :: else
        fi;
        if
        :: run_n >= REPEATS -> move(T_report, status, COMPLETED)
        :: run_n < REPEATS && stopping -> move(T_report, status, STOPPED)
        :: run_n < REPEATS && !stopping && late ->
            move(T_report, status, EXPIRED)
        :: run_n < REPEATS && !stopping && !late ->
            move(T_report, status, QUEUED)
        fi
    :: !success && stopping -> move(T_report, status, STOPPED)
    :: !success && !stopping ->
        failed++;
        if
        :: failed <= RETRY || MUTANT(M_retries_for_ever) ->
            move(T_report, status, QUEUED)
        :: failed > RETRY && !MUTANT(M_retries_for_ever) ->
            move(T_report, status, FAILED)
        fi
    fi;
    stopping = 0
}

proctype Worker(byte me) {
    byte mine;
    bit ok, success, counted;
end: do
    :: atomic { status == QUEUED && mine == 0 && begun < 9 ->
        /* The run before has its record. */
        assert(records == begun);
        tokens++; token = tokens; holder = me; mine = token;
        move(T_assign, status, RUNNING); begun++ };
        if
        :: success = 1
        :: success = 0
        :: atomic { crashes < CRASHES -> crashes++; dead[me] = 1; mine = 0;
            goto gone }
        fi;
        do
        :: atomic {
            if
            :: status == RUNNING && (token == mine ||
                                     MUTANT(M_token_not_looked_at)) ->
                assert(token == mine);
                judge(success);
                if
                :: success -> really_ran++; really_failed = 0
                :: else -> really_failed++
                fi
            :: status == QUEUED && token == mine &&
                MUTANT(M_again_is_counted) ->
                records++;
                if
                :: success -> run_n++
                :: else -> failed++
                fi
            :: else /* AGAIN or STALE */
            fi;
            if
            :: replies < REPLIES -> replies++
            :: break
            fi }
        od;
        atomic { mine = 0; success = 0 }
    od;
gone: skip
}

proctype Reaper() {
end: do
    :: atomic { status == RUNNING && holder < 2 &&
        (dead[holder] || pauses < 1) ->
        if
        :: dead[holder]
        :: !dead[holder] -> pauses++ /* longer than its lease: it goes on */
        fi;
        lost++;
        if
        :: MUTANT(M_lost_without_record) -> skip
        :: else -> records++
        fi;
        token = 0;
        if
        :: lost >= LOST_MAX && !stopping -> move(T_recover, status, FAILED)
        :: stopping -> move(T_recover, status, STOPPED); stopping = 0
        :: else -> move(T_recover, status, QUEUED)
        fi;
        holder = NOBODY }
#ifdef STOP_TIME
    :: atomic { !late -> late = 1 }
    :: atomic { late && status == QUEUED -> move(T_expire, status, EXPIRED) }
#endif
    od
}

proctype Client() {
#ifdef STOPS
    if
    :: atomic {
        if
        :: status == QUEUED -> move(T_stop_task, status, STOPPED); token = 0
        :: status == RUNNING -> move(T_stop_task, status, RUNNING);
            stopping = 1
        :: status == QUEUED -> move(T_run_now, status, QUEUED)
        :: else
        fi }
    :: skip
    fi
#else
    skip
#endif
}

proctype Watch() {
end: do
    :: atomic { run_n != really_ran -> assert(false) }
    :: atomic { failed > RETRY + 1 || run_n > REPEATS -> assert(false) }
    :: atomic { status == COMPLETED && (run_n != REPEATS || failed != 0) ->
        assert(false) }
    :: atomic { status == FAILED && failed != RETRY + 1 && lost < LOST_MAX ->
        assert(false) }
    od
}

init {
    atomic {
        CHOOSE_MUTANT;
        holder = NOBODY;
        move(T_queue_task, status, QUEUED);
        run Worker(0); run Worker(1); run Reaper(); run Client(); run Watch()
    }
}

ltl live { <> is_end(status) }
