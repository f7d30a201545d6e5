/* SPDX-License-Identifier: MIT */
/* What a process of a campaign saw, in a file of its own: records of one size,
 * appended one write(2) each, so that a kill -9 loses none that was written.
 * Never through Redis. One host has one CLOCK_MONOTONIC, so the records of all
 * files together have one order. */
#ifndef STINT_TESTS_HISTORY_H
#define STINT_TESTS_HISTORY_H

#include <stdint.h>

#define HISTORY_MAGIC "STINTH01" /* first 8 bytes of a file */
#define HISTORY_ID_MAX 32        /* of a task, with its NUL */

/* What is not known to the writer is 0: the checker then works it out (the new
 * status of a report, from the SPEC) or demands less (an order by Redis's us).
 * A record of a call is written when its answer is there, or when none will
 * come (UNKNOWN); REPORT_SENT before the call. Due and limits are in ms. Of an
 * ASSIGN that brought several tasks, one record each, in the order of the
 * reply; due 0: no order is demanded of it. FINAL with status NONE: pruned,
 * only its id is left.
 *
 * name, word, what value[0..3] are. `id`, `fence`, `token` where they are known
 * to whoever writes, else "" and 0. */
#define HISTORY_KINDS(X)                                                       \
    /* Client: what is about to be queued. One for each task, before the first \
     * try. times in ms of Redis's clock, 0: none. */                          \
    X(SPEC, "spec", "start_time, stop_time, retry_failed, repeats")            \
    X(SUBMIT, "submit", "level asked; outcome OK REFUSED UNKNOWN")             \
    X(REQUEUE, "requeue", "1: runs counted anew; outcome OK REFUSED UNKNOWN")  \
    X(STOP, "stop", "outcome OK REFUSED UNKNOWN")                              \
    X(SEEN, "seen", "status (enum history_status), level of the fleet's "      \
                    "Redis, Redis's us")                                       \
    /* Worker: what replies of scripts said, and what became of runs. */       \
    X(BIRTH, "birth", "pid; actor begins")                                     \
    X(LEAVE, "leave", "outcome; actor ends by itself")                         \
    X(ASSIGN, "assign", "Redis's us, status RUNNING or ASSIGNED, priority, due")\
    X(START, "start", "Redis's us; outcome OK STALE UNKNOWN")                  \
    X(REPORT_SENT, "report-sent", "status of the run, sequence")               \
    X(REPORT, "report", "status of the run, new status of the task, sequence; "\
                        "Redis's us; outcome OK AGAIN STALE REFUSED UNKNOWN")  \
    X(PROGRESS, "progress", "outcome OK STALE UNKNOWN")                        \
    X(RELEASE, "release", "Redis's us; outcome OK STALE UNKNOWN")              \
    X(LOST_LEASE, "lost-lease", "worker heard that it does not hold it")       \
    X(HEARTBEAT, "heartbeat", "how many held, lease in ms, Redis's us; "       \
                              "outcome OK STALE UNKNOWN")                      \
    X(USAGE, "usage", "open descriptors, children, zombies, RSS in KiB")       \
    /* The task's own code; resource: the process that checks fences. */       \
    X(EFFECT_BEGIN, "effect", "pid, attempt, try of this code")                \
    X(EFFECT_END, "effect-end", "pid, 1: success 0: failure")                  \
    X(ACCEPTED, "accepted", "resource took the write")                         \
    X(REJECTED, "rejected", "resource refused it; highest fence it knows")     \
    /* Nemesis. target: actor, 0: none. */                                     \
    X(FAULT_BEGIN, "fault", "enum history_fault, target, plan's line, argument")\
    X(FAULT_END, "fault-end", "enum history_fault, target, plan's line")       \
    X(BOOT, "boot", "hash of Redis's run_id, level, 1: a roll-back was possible")\
    X(PHASE, "phase", "0 load, 1 faults stop, 2 drained, 3 dumped")            \
    /* After the drain, from a walk through all of Redis. */                   \
    X(FINAL, "final", "status, times_run, times_failed, times lost")           \
    X(FINAL_RUN, "final-run", "status of the run, start us, stop us, nth")     \
    X(FINAL_FAULT, "final-fault", "something fsck said")                       \
    X(FINAL_KEYS, "final-keys", "keys without an owner, used_memory in bytes")

enum history_kind {
    HISTORY_NONE,
#define X(name, word, text) HISTORY_##name,
    HISTORY_KINDS(X)
#undef X
    HISTORY_KINDS_N
};

enum history_outcome {
    OUTCOME_NONE, OUTCOME_OK, OUTCOME_AGAIN, OUTCOME_STALE, OUTCOME_REFUSED,
    OUTCOME_UNKNOWN
};

/* Statuses of tasks and runs; the order is part of the file format. */
enum history_status {
    HS_NONE, HS_QUEUED, HS_ASSIGNED, HS_RUNNING, HS_COMPLETED, HS_FAILED,
    HS_TIMEOUT, HS_STOPPED, HS_EXPIRED, HS_LOST
};

/* What the nemesis does. MAY says what the checker allows after it: a second
 * run (R), the loss of calls that Redis acknowledged at level 1 (L), only
 * delay (-). */
#define HISTORY_FAULTS(X)                                                      \
    X(KILL_WORKER, "kill-worker", "R")                                         \
    X(STOP_WORKER, "stop-worker", "R")   /* SIGSTOP longer than its lease */   \
    X(KILL_CLIENT, "kill-client", "-")                                         \
    X(KILL_BROKER, "kill-broker", "-")                                         \
    X(CONNECTION_RESET, "reset", "R")                                          \
    X(REPLY_DROPPED, "drop-reply", "R")  /* executed, nobody knows */          \
    X(REQUEST_CUT, "cut-request", "R")                                         \
    X(STALL, "stall", "R")                                                     \
    X(SPLIT, "split", "-")               /* one-byte segments */               \
    X(SLOW_LINK, "slow-link", "R")                                             \
    X(PARTITION, "partition", "R")       /* network namespace */               \
    X(REDIS_KILLED, "redis-kill", "RL")                                        \
    X(REDIS_POWER_CUT, "power-cut", "RL")                                      \
    X(REDIS_FAILOVER, "failover", "RL")                                        \
    X(REDIS_FULL, "disk-full", "RL")                                           \
    X(REDIS_SLOW, "slow", "R")                                                 \
    X(REDIS_READONLY, "read-only", "R")                                        \
    X(REDIS_BUSY, "busy", "R")                                                 \
    X(REDIS_NO_MEMORY, "out-of-memory", "R")                                   \
    X(REDIS_CLOCK, "redis-clock", "R")                                         \
    X(WORKER_CLOCK, "worker-clock", "-")                                       \
    X(FUNCTIONS_FLUSHED, "functions-flushed", "-")                             \
    X(MAX_CLIENTS, "maxclients", "R")                                          \
    X(NO_PERMISSION, "no-permission", "R")                                     \
    X(REWRITE, "rewrite", "-")                                                 \
    X(DISK_ERROR, "disk-error", "RL")

enum history_fault {
    FAULT_NONE,
#define X(name, word, may) FAULT_##name,
    HISTORY_FAULTS(X)
#undef X
    HISTORY_FAULTS_N
};

/* As it lies in the file: host order, no padding (96 bytes). */
struct history_record {
    uint64_t mono_us; /* CLOCK_MONOTONIC */
    uint32_t actor;   /* number of the process, unique in the campaign */
    uint16_t kind, outcome;
    char id[HISTORY_ID_MAX];
    uint64_t fence;
    uint64_t token; /* FNV-1a, 64 bits, of its text */
    int64_t value[4];
};
_Static_assert(sizeof(struct history_record) == 96, "the file format");

#endif
