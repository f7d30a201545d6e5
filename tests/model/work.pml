/* SPDX-License-Identifier: MIT */
/* What a worker and Redis believe of each other: batches, prefetch, lost
 * replies. One assign brings both tasks: the first RUNNING, the second ASSIGNED
 * for later. Finished results wait in the outbox until Redis has answered; a
 * batch of reports is judged one by one. After a lost reply a heartbeat carries
 * the list of what the worker holds, outbox included. Nobody dies here and no
 * lease ends, so every task must run exactly once, lost replies or not. */
#include "rules.pml"

#define TASKS 2
#ifndef REPLIES
#define REPLIES 2
#endif

typedef task_record {
    byte status, token, holder;
    bit stopping
};
task_record mem[TASKS];
byte tokens, replies;
byte executions[TASKS], counted[TASKS];
bit began_stopped; /* a run began after its stop was answered */
bit stopped[TASKS];
bit left; /* worker 0 has shut down */

#define OWN(t) (mem[t].token == token[t] && token[t] != 0)

inline reply(ok) {
    if
    :: replies < REPLIES -> replies++; ok = false
    :: ok = true
    fi
}

inline give_back(by, t) {
    if
    :: mem[t].stopping -> move(by, mem[t].status, STOPPED); mem[t].stopping = 0
    :: else -> move(by, mem[t].status, QUEUED)
    fi;
    mem[t].token = 0
}

proctype Worker(byte me) {
    byte token[TASKS];          /* what it knows to hold; 0: not */
    bit running[TASKS], done[TASKS]; /* done: it is in the outbox */
    byte t;
    bit ok, unsure; /* unsure: a reply got lost, so the list goes out */
    byte fresh[TASKS];
end: do
    /* assign: all that is due, in one call */
    :: atomic { (mem[0].status == QUEUED || mem[1].status == QUEUED) &&
        !unsure && !(left && me == 0) && token[0] == 0 && token[1] == 0 ->
        ok = 0; /* the first is RUNNING */
        for (t : 0 .. TASKS - 1) {
            if
            :: mem[t].status == QUEUED ->
                tokens++;
                mem[t].token = tokens; mem[t].holder = me; fresh[t] = tokens;
                if
                :: !ok -> move(T_assign, mem[t].status, RUNNING); ok = 1
                :: else -> move(T_assign, mem[t].status, ASSIGNED)
                fi
            :: else
            fi
        }
        t = 0; ok = 0 };
        atomic {
            reply(ok);
            for (t : 0 .. TASKS - 1) {
                if
                :: ok && fresh[t] != 0 -> token[t] = fresh[t]
                :: else
                fi;
                fresh[t] = 0
            }
            unsure = !ok; ok = 0; t = 0
        }
    /* heartbeat with the list */
    :: atomic { unsure && !MUTANT(M_heartbeat_has_no_list) ->
        for (t : 0 .. TASKS - 1) {
            if
            :: is_held(mem[t].status) && mem[t].holder == me && !OWN(t) ->
                give_back(T_heartbeat, t)
            :: is_held(mem[t].status) && mem[t].holder == me && OWN(t) &&
                done[t] && MUTANT(M_list_without_outbox) ->
                give_back(T_heartbeat, t)
            :: else
            fi;
            /* what it holds, but does not own, is named: it lets go of it */
            if
            :: token[t] != 0 && !(is_held(mem[t].status) && OWN(t)) ->
                token[t] = 0; running[t] = 0; done[t] = 0
            :: else
            fi
        }
        t = 0; reply(ok); unsure = !ok; ok = 0 }
    /* start: of one that was prefetched, when a slot is free */
    :: atomic { token[0] != 0 && !running[0] && !done[0] -> t = 0; goto begin }
    :: atomic { token[1] != 0 && !running[1] && !done[1] -> t = 1;
begin:
        if
        :: OWN(t) && mem[t].status == RUNNING -> running[t] = 1
        :: OWN(t) && mem[t].status == ASSIGNED ->
            move(T_start, mem[t].status, RUNNING); running[t] = 1
        :: !OWN(t) && MUTANT(M_start_unchecked) -> running[t] = 1
        :: else -> token[t] = 0 /* STALE */
        fi;
        if
        :: running[t] ->
            executions[t]++;
            if
            :: stopped[t] -> began_stopped = 1
            :: else
            fi
        :: else
        fi;
        t = 0 }
    :: atomic { running[0] && !done[0] -> running[0] = 0; done[0] = 1 }
    :: atomic { running[1] && !done[1] -> running[1] = 0; done[1] = 1 }
    /* report: the outbox in one call */
    :: atomic { done[0] || done[1] ->
        if
        :: replies < REPLIES -> replies++; goto sent /* it never got there */
        :: skip
        fi;
        for (t : 0 .. TASKS - 1) {
            if
            :: done[t] && OWN(t) && mem[t].status == RUNNING ->
                if
                :: mem[t].stopping -> move(T_report, mem[t].status, STOPPED)
                :: else -> move(T_report, mem[t].status, COMPLETED)
                fi;
                mem[t].stopping = 0;
                counted[t]++
            :: done[t] && !(OWN(t) && mem[t].status == RUNNING) ->
                /* AGAIN or STALE; no concern of the others of the batch */
                if
                :: MUTANT(M_one_stale_fails_all) -> goto judged
                :: else
                fi
            :: else
            fi
        }
judged: t = 0;
        reply(ok);
sent:
        if
        :: ok || MUTANT(M_outbox_cleared_before) ->
            for (t : 0 .. TASKS - 1) {
                if
                :: done[t] -> done[t] = 0; token[t] = 0
                :: else
                fi
            }
            t = 0
        :: else -> unsure = 1
        fi;
        ok = 0 }
    /* release at shutdown, of what has not begun */
    :: atomic { token[1] != 0 && !running[1] && !done[1] &&
        me == 0 && !left ->
        if
        :: OWN(1) && is_held(mem[1].status) ->
            give_back(T_release, 1)
        :: else
        fi;
        token[1] = 0; left = 1 }
    od
}

proctype Client() {
    byte t;
#ifdef STOPS
    if
    :: atomic { t = 1;
        if
        :: mem[t].status == QUEUED || mem[t].status == ASSIGNED ->
            move(T_stop_task, mem[t].status, STOPPED); mem[t].token = 0;
            stopped[t] = 1
        :: mem[t].status == RUNNING ->
            move(T_stop_task, mem[t].status, RUNNING); mem[t].stopping = 1
        :: else
        fi; t = 0 }
    :: skip
    fi
#else
    skip
#endif
}

#define ALL_ENDED (is_end(mem[0].status) && is_end(mem[1].status))

proctype Watch() {
end: do
    :: atomic { executions[0] > 1 || executions[1] > 1 -> assert(false) }
    :: atomic { counted[0] > 1 || counted[1] > 1 -> assert(false) }
    :: atomic { mem[0].status == COMPLETED && executions[0] == 0 ->
        assert(false) }
    :: atomic { began_stopped -> assert(false) }
    od
}

init {
    atomic {
        CHOOSE_MUTANT;
        move(T_queue_task, mem[0].status, QUEUED);
        move(T_queue_task, mem[1].status, QUEUED);
        run Worker(0); run Worker(1); run Client(); run Watch()
    }
}

ltl live { <> ALL_ENDED }
