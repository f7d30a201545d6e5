/* SPDX-License-Identifier: MIT */
/* Reads the records of a campaign, DIR/NAME.hist, however many there are: first
 * all of them once, a file at a time and in its order; then task by task.
 *
 * For the second pass the first one writes each record into one of many bucket
 * files, chosen by a hash of its id, so that all records of a task are in one
 * and each fits into memory. If all of them fit, there are no files. */
#ifndef STINT_TORTURE_HISTORY_READ_H
#define STINT_TORTURE_HISTORY_READ_H

#include <stddef.h>
#include <stdint.h>

#include "history.h"

#define HISTORY_MEMORY_MIN (1 << 20) /* bytes */

/* A record and its place in the reading order, which tells two records of one
 * file and one microsecond apart. */
struct history_entry {
    struct history_record record;
    uint64_t seq;
};

struct history_reader;

/* The record and, where fit, the file it came from. */
typedef void (*history_record_fn)(const struct history_record *r, void *arg);
/* All records of one id (never ""), in the order of CLOCK_MONOTONIC; borrowed.
 * Ids come in no order. */
typedef void (*history_task_fn)(const struct history_entry *entries, size_t n,
                                void *arg);

/* Reads all files of `dir` once, in the order of their names, and calls `each`.
 * At most about `memory` bytes are used; bucket files lie in `dir` meanwhile.
 * A last record that is not whole is left out and counted. Returns NULL on an
 * error: `why` says which. */
struct history_reader *history_reader_open(const char *dir, size_t memory,
                                           history_record_fn each, void *arg,
                                           char why[200]);
/* Once. 0, or -1 and `why`. */
int history_reader_each_task(struct history_reader *h, history_task_fn each,
                             void *arg, char why[200]);
uint64_t history_reader_n_records(const struct history_reader *h);
uint64_t history_reader_n_files(const struct history_reader *h);
uint64_t history_reader_n_torn(const struct history_reader *h);
/* Takes the bucket files away. Accepts NULL. */
void history_reader_close(struct history_reader *h);

const char *history_kind_word(unsigned kind);
const char *history_status_word(int64_t status);
const char *history_outcome_word(unsigned outcome);
const char *history_fault_word(int64_t fault);
/* "R", "RL", "L" or "-": what it may cause. */
const char *history_fault_may(int64_t fault);

#endif
