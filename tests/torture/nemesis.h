/* SPDX-License-Identifier: MIT */
/* Carries out a plan. */
#ifndef STINT_TESTS_NEMESIS_H
#define STINT_TESTS_NEMESIS_H

#include "fleet.h"
#include "history_file.h"
#include "node.h"
#include "plan.h"

#define ACTIVE_MAX 64

struct nemesis {
    const struct plan *plan;   /* borrowed, as the rest */
    struct control *control;
    struct fleet *fleet;
    struct node *nodes;
    int n_nodes;
    int level, tag;
    struct history history;
    int64_t begun_ms;          /* mono */
    int next;                  /* of the plan's acts */
    struct {
        const struct act *act;
        int64_t end_ms;        /* mono */
        uint32_t actor;        /* whom it met */
        int node;
    } active[ACTIVE_MAX];
    int n_active;
    /* For the summary, by fault. */
    int64_t n_done[HISTORY_FAULTS_N];
    int64_t n_skipped[HISTORY_FAULTS_N];
    int64_t worst_ms[HISTORY_FAULTS_N]; /* from its end to the next report */
    int64_t bytes_cut, n_crashes;
    int64_t n_idle;            /* failovers without a replica to promote */
    pid_t stopped[SLOTS_MAX];  /* by SIGSTOP */
    int is_over;               /* 1: Redis does not come back */
    struct {
        int64_t end_ms;        /* 0: not waited for */
        uint64_t reported;
    } recovering[HISTORY_FAULTS_N];
};

/* The primary, as the proxy sees it. */
struct node *nemesis_primary(const struct nemesis *n);
/* A server has started: its identity goes to the history. */
void nemesis_boot(struct nemesis *n, struct node *node, int rolled_back);
/* Begins and ends what is due. Returns 1 while there is something to do; 0,
 * too, with is_over. */
int nemesis_tick(struct nemesis *n, int64_t now_ms);
/* Ends all faults now. -1: Redis is not well afterwards. */
int nemesis_stop(struct nemesis *n, int64_t now_ms);

#endif
