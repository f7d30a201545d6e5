/* SPDX-License-Identifier: MIT */
/* Writes a process's own file of history.h. */
#ifndef STINT_TESTS_HISTORY_FILE_H
#define STINT_TESTS_HISTORY_FILE_H

#include <stddef.h>

#include "history.h"

struct history {
    int fd; /* O_APPEND; -1: closed */
    uint32_t actor;
};

/* Opens DIR/ACTOR.hist, made if it is not there. A failure ends the program:
 * what a process saw and could not write would make the verdict a lie. */
void history_open(struct history *h, const char *dir, uint32_t actor);
/* Writes a record with the time and the actor put in. */
void history_write(const struct history *h, struct history_record *r);
/* The common case: kind, outcome, id (NULL: none), fence, token, values. */
void history_add(const struct history *h, int kind, int outcome,
                 const char *id, uint64_t fence, uint64_t token,
                 int64_t v0, int64_t v1, int64_t v2, int64_t v3);
void history_close(struct history *h);

uint64_t history_now_us(void); /* CLOCK_MONOTONIC */
/* FNV-1a, 64 bits. */
uint64_t history_hash(const char *text, size_t len);
/* COMPLETED -> HS_COMPLETED; what is none: HS_NONE. */
int history_status(const char *word, size_t len);
/* "kill-worker" -> FAULT_KILL_WORKER; -1: none. And the other way round. */
int history_fault(const char *word);
const char *history_fault_word(int fault);

#endif
