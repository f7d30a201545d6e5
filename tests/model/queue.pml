/* SPDX-License-Identifier: MIT */
/* One task through all its life: a client that repeats what it got no answer to,
 * workers that die or pause at any step, Redis that may lose its last writes.
 *
 * A lease ends at any time (LEASES times while its worker lives): no assumption
 * on clocks, pauses or delays. A reply is lost up to REPLIES times. Redis falls
 * back to what the disk has up to ROLLBACKS times. With BARRIER a reply comes
 * when the disk has it (appendfsync always); otherwise at once (everysec). */
#include "rules.pml"

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef CRASHES
#define CRASHES 1 /* < WORKERS */
#endif
#ifndef REPLIES
#define REPLIES 1
#endif
#ifndef LEASES
#define LEASES 1
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 0
#endif
#ifndef LOST_MAX
#define LOST_MAX 2
#endif
#define NOBODY 7
/* With ONLY_FENCES nothing but the resource's fences is looked at. */
#ifdef ONLY_FENCES
#define promise(x) skip
#else
#define promise(x) assert(x)
#endif

/* Redis: the record of the task, and on the disk. */
typedef record {
    byte status;
    byte fence, token, holder;
    byte lost, results; /* results: counted ends of this life */
    bit stopping
};
record mem, disk;
bit dirty;      /* the disk has not got it all */
byte rollbacks; /* so far */
bit lease[WORKERS];
bit dead[WORKERS];

/* What no roll-back undoes: time, random tokens, and what the world saw. */
byte tokens; /* random ones, and Redis's time in us: it only grows */
byte crashes, replies, leases;
bit acknowledged, client_done, seen_end;
bit late; /* stop_time has passed */
bit left; /* somebody gave back what it held: once */
byte told; /* the token whose result was answered OK in this life */
byte resource_fence, resource_token;
byte lives;
#ifdef EXPLAINED
byte executions, causes; /* begun; what may make another one */
#define CAUSE causes++
#else
#define CAUSE skip
#endif

inline copy(to, from) {
    to.status = from.status; to.fence = from.fence; to.token = from.token;
    to.holder = from.holder; to.lost = from.lost;
    to.stopping = from.stopping; to.results = from.results
}

/* Is the answer there? Waits for the disk if it has to; false if it got lost.
 * `epoch` was noted in the step of the script. */
inline reply(ok) {
    if
    :: replies < REPLIES -> replies++; CAUSE; ok = false
    :: ok = true
    fi;
#ifdef BARRIER
    (!dirty || epoch != rollbacks);
    if
    :: epoch != rollbacks -> ok = false
    :: else
    fi;
    epoch = 0
#endif
}

/* ---- the scripts ---------------------------------------------------------- */

inline queue_task() {
    if
    :: mem.status == NONE || MUTANT(M_no_idempotence) ->
        mem.status = NONE;
        move(T_queue_task, mem.status, QUEUED);
        mem.fence = 0; mem.token = 0; mem.holder = NOBODY; mem.lost = 0;
        mem.stopping = 0
    :: else /* it is there, or was: the same answer */
    fi;
    dirty = 1
}

inline assign(w) {
    tokens++; /* and so much time has gone by */
    if
    :: MUTANT(M_fence_is_a_counter) -> mem.fence = mem.fence + 1
    :: mem.fence >= tokens && !MUTANT(M_fence_is_a_counter) ->
        mem.fence = mem.fence + 1
    :: mem.fence < tokens && !MUTANT(M_fence_is_a_counter) ->
        mem.fence = tokens
    fi;
    mem.token = tokens;
    mem.holder = w;
    dirty = 1
}

#define OWN(w, f, k) (mem.fence == (f) && mem.token == (k))

inline give_back(by) {
    if
    :: mem.stopping -> move(by, mem.status, STOPPED);
        mem.stopping = 0
    :: else -> move(by, mem.status, QUEUED)
    fi;
    mem.token = 0; mem.holder = NOBODY;
    dirty = 1
}

inline heartbeat(w, f, k) {
    /* With its list: what it does not hold is given back. */
    if
    :: is_held(mem.status) && mem.holder == w && !OWN(w, f, k) &&
        !MUTANT(M_heartbeat_without_list) ->
        give_back(T_heartbeat)
    :: else
    fi;
    lease[w] = 1
}

inline recover(w, looks) {
    if
    :: (!lease[w] || !(looks) || MUTANT(M_recover_unchecked)) &&
        mem.holder == w &&
        is_held(mem.status) ->
        assert(!lease[w]); /* only what has ended now */
        CAUSE; /* its lease has ended: it may still be at it */
        if
        :: mem.status == RUNNING && !MUTANT(M_losses_not_counted) -> mem.lost++
        :: else
        fi;
        if
        :: mem.status == RUNNING && mem.lost >= LOST_MAX && !mem.stopping ->
            move(T_recover, mem.status, FAILED);
            mem.token = 0; mem.holder = NOBODY; dirty = 1
        :: else -> give_back(T_recover)
        fi
    :: else
    fi
}

/* The result of whoever shows fence and token. */
inline report(w, f, k, answer) {
    if
    :: mem.status == RUNNING &&
        (OWN(w, f, k) || MUTANT(M_report_without_token)) ->
        promise(OWN(w, f, k)); /* it holds the task now */
        if
        :: mem.stopping -> move(T_report, mem.status, STOPPED);
            mem.stopping = 0
        :: !mem.stopping -> move(T_report, mem.status, COMPLETED)
#ifdef RESULTS
        :: !mem.stopping -> move(T_report, mem.status, FAILED)
        :: !mem.stopping -> move(T_report, mem.status, TIMEOUT)
#endif
        fi;
        mem.results++;
        promise(mem.results <= 1); /* one end a life */
        dirty = 1
    :: else
    fi;
    /* Counted now or before; else STALE. */
    answer = OWN(w, f, k) && is_end(mem.status)
}

/* ---- who calls them -------------------------------------------------------- */

proctype Client() {
    bit ok;
    byte epoch;
    do
    :: atomic { queue_task(); epoch = rollbacks };
        reply(ok);
        if
        :: ok -> break
        :: else
        fi
    od;
    atomic { acknowledged = 1; ok = 0 };
#ifdef STOPS
    if
    :: atomic {
        if
        :: mem.status == QUEUED || mem.status == ASSIGNED ->
            move(T_stop_task, mem.status, STOPPED);
            mem.token = 0; mem.holder = NOBODY
        :: mem.status == RUNNING ->
            move(T_stop_task, mem.status, RUNNING);
            mem.stopping = 1
        :: else
        fi;
        dirty = 1
    }
    :: skip
    fi;
#endif
#ifdef REQUEUES
    if
    :: atomic {
        if
        :: is_end(mem.status) ->
            move(T_requeue_task, mem.status, QUEUED);
            mem.lost = 0; mem.token = 0; mem.holder = NOBODY;
            mem.results = 0; told = 0; lives++; CAUSE; seen_end = 0; dirty = 1
        :: else
        fi
    }
    :: skip
    fi;
#endif
    client_done = 1
}

proctype Worker(byte me) {
    byte fence, token; /* what it knows to hold */
    byte epoch, life;
    bit ok, counted;
end: do
    :: atomic { /* a free slot: RUNNING at once; or prefetched */
        mem.status == QUEUED && lease[me] && fence == 0 ->
        assign(me);
        if
        :: !late -> move(T_assign, mem.status, RUNNING)
#ifdef PREFETCH
        :: !late -> move(T_assign, mem.status, ASSIGNED)
#endif
        :: late -> move(T_assign, mem.status, EXPIRED)
        fi;
        fence = mem.fence; token = mem.token; epoch = rollbacks
        };
        reply(ok);
        if
        :: !ok -> atomic { fence = 0; token = 0 }
        :: else
        fi
    :: atomic { fence != 0 && mem.status == ASSIGNED && OWN(me, fence, token) ->
        if
        :: !late || MUTANT(M_start_after_stop_time) ->
            promise(!late);
            move(T_start, mem.status, RUNNING)
        :: late && !MUTANT(M_start_after_stop_time) ->
            move(T_start, mem.status, EXPIRED); mem.token = 0
        fi;
        dirty = 1 }
    :: atomic { fence != 0 && is_held(mem.status) && OWN(me, fence, token) &&
        !left ->
        left = 1; CAUSE; give_back(T_release); fence = 0; token = 0 }
    :: atomic { fence != 0 && !OWN(me, fence, token) ->
        fence = 0; token = 0 } /* told by a heartbeat, or STALE */
    :: fence != 0 && !(mem.status == ASSIGNED && OWN(me, fence, token)) ->
        /* The task's code, which writes to a resource that checks fences. */
        atomic {
#ifdef EXPLAINED
            executions++;
            promise(executions <= 1 + causes); /* each further one explained */
#endif
            if
            :: fence >= resource_fence ->
                assert(fence > resource_fence || token == resource_token);
                resource_fence = fence; resource_token = token
            :: else
            fi
        };
        do
        :: atomic { report(me, fence, token, counted);
                 epoch = rollbacks; life = lives };
            reply(ok);
            if
            :: atomic { ok ->
                if
                :: counted && life == lives ->
                    promise(told == 0 || told == token); /* one result */
                    told = token
                :: else
                fi;
                break }
            :: else /* unknown: once more, with the same fence and token */
            fi
        od;
        atomic { fence = 0; token = 0; ok = 0; counted = 0; life = 0 }
    :: atomic { !lease[me] || (mem.holder == me && is_held(mem.status) &&
                               !OWN(me, fence, token) &&
                               !MUTANT(M_heartbeat_without_list)) ->
        heartbeat(me, fence, token) }
    :: atomic { crashes < CRASHES -> crashes++; CAUSE; dead[me] = 1;
        fence = 0; token = 0; break }
    od
}

/* Ends leases: of the dead for sure, of others sometimes. */
proctype Clock() {
    byte w;
end: do
    :: atomic { dead[0] && lease[0] -> lease[0] = 0 }
    :: atomic { dead[1] && lease[1] -> lease[1] = 0 }
#if WORKERS > 2
    :: atomic { dead[2] && lease[2] -> lease[2] = 0 }
#endif
    :: atomic { leases < LEASES ->
        select(w : 0 .. WORKERS - 1);
        leases++; lease[w] = 0; w = 0 }
    od
}

proctype Reaper() {
    byte w;
end: do
#ifdef REAP_IN_TWO_STEPS /* look first, and then without looking again */
    :: atomic { mem.holder < WORKERS && !lease[mem.holder] ->
        w = mem.holder };
        atomic { recover(w, false); w = 0 }
#else
    :: atomic { mem.holder < WORKERS && is_held(mem.status) &&
        (!lease[mem.holder] || MUTANT(M_recover_unchecked)) &&
        !MUTANT(M_no_reaper) ->
        recover(mem.holder, true) }
#endif
#ifdef STOP_TIME
    :: atomic { !late -> late = 1 } /* stop_time has passed */
    :: atomic { late && (mem.status == QUEUED || mem.status == ASSIGNED) ->
        move(T_expire, mem.status, EXPIRED); mem.token = 0;
        mem.holder = NOBODY; dirty = 1 }
#endif
#ifdef PRUNES
    :: atomic { is_end(mem.status) ->
        if
        :: MUTANT(M_prune_forgets_the_id) -> mem.status = NONE
        :: else -> move(T_prune, mem.status, PRUNED)
        fi;
        dirty = 1 }
    /* An hour later: whoever asked has heard. */
    :: atomic { mem.status == PRUNED && client_done ->
        move(T_prune, mem.status, NONE); dirty = 1 }
#endif
    od
}

proctype Disk() {
end: do
    :: atomic { dirty -> copy(disk, mem); dirty = 0 }
    :: atomic { dirty && rollbacks < ROLLBACKS ->
        rollbacks++; CAUSE; copy(mem, disk); dirty = 0
#ifdef BARRIER
        /* Nothing anybody was told is gone. */
        promise(!acknowledged || mem.status != NONE)
#endif
    }
    od
}

/* An acknowledged task is there, until it ended and was pruned. */
proctype Watch() {
end: do
    :: atomic { acknowledged && mem.status == NONE && !client_done ->
        promise(false) }
#ifdef STABLE
    :: atomic { is_end(mem.status) && !seen_end -> seen_end = 1 }
    :: atomic { seen_end && !is_end(mem.status) && mem.status != PRUNED &&
        mem.status != NONE -> promise(false) }
#endif
    od
}

init {
    byte i;
    atomic {
        CHOOSE_MUTANT;
        mem.holder = NOBODY;
        copy(disk, mem);
        for (i : 0 .. WORKERS - 1) {
            lease[i] = 1;
            run Worker(i)
        }
        i = 0;
        run Client(); run Clock(); run Reaper(); run Watch();
#if ROLLBACKS > 0
        run Disk()
#endif
    }
}

/* Someone who was told that it is queued sees it end. */
ltl live { [] (acknowledged -> <> (is_end(mem.status) || mem.status == PRUNED ||
                                   mem.status == NONE)) }
