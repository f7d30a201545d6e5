/* SPDX-License-Identifier: MIT */
/* Passwords against their hashes, which is meant to take long: one after the
 * other in a thread, so that the loop goes on. Answers come from the loop. */
#ifndef STINT_BROKER_VERIFY_H
#define STINT_BROKER_VERIFY_H

#include <stint/base.h>

struct event_base;
struct verify;

#define VERIFY_PENDING_MAX 8    /* more are refused */
#define VERIFY_PASSWORD_LEN 255 /* bytes */

/* 1: it fits. */
typedef void (*verify_done_fn)(int fits, void *arg);

/* The thread takes no signals. NULL: err (NOMEM, SYSTEM). */
struct verify *verify_start(struct event_base *base, struct stint_err *err);
/* -1: too many wait, or out of memory; fn is not called then. Copied. */
int verify_ask(struct verify *v, const char *password, const char *hash,
               verify_done_fn fn, void *arg);
/* Waits for the one under way; all that wait are told 0. NULL is fine. */
void verify_stop(struct verify *v);

#endif
