/* SPDX-License-Identifier: MIT */
/* Memory and system calls that fail when a test says so. The program's own
 * malloc and its like (scarce.c) and its own read, write, fork... (
 * scarce_calls.c) stand before those of libc, so that every library of the
 * process comes by here; libc itself does not, nor what is not ours. The same
 * can be preloaded into a program (scarce_preload.c): then the test and all
 * processes of that program share the page below. */
#ifndef STINT_TESTS_SCARCE_H
#define STINT_TESTS_SCARCE_H

#include <stdatomic.h>
#include <stdint.h>

enum scarce { SCARCE_MEMORY, SCARCE_SOCKETS, SCARCE_CALLS };

#define SCARCE_SITES 2048 /* places in the code that ask; a power of two */

/* One place: a call and where it is made. */
struct scarce_site {
    atomic_uint_least64_t key; /* of both, the same in each process; 0: free */
    atomic_long met;           /* so often */
    char call[16];
    char file[32];             /* whose code it is */
    uint64_t offset;           /* in it, for addr2line */
};

/* What is to fail. All zero: nothing does, and places are not noted. */
struct scarcity {
    atomic_int on;
    enum scarce what;
    int lasts;       /* all behind it fail, too */
    unsigned errors; /* a call's error is this one of its row, in turn */
    uint64_t site;   /* only those of this place are counted; 0: all */
    int notes;       /* places are noted */
    atomic_long left; /* to the one that fails */
    atomic_int refused;
    char call[16];   /* the one that failed, its error (0: done in part) and */
    int error;       /* its place */
    uint64_t failed;
    char program[32]; /* preloaded: only in that program, and its forks */
    struct scarce_site sites[SCARCE_SITES];
};

/* The page to go by; NULL: none. */
void scarce_share(struct scarcity *s);

/* From now on the n-th request (1: the next) is refused, and if it lasts, all
 * behind it. Memory is refused to Stint, jansson and libevent; to hiredis only
 * from its version 1 on, as it aborts before. Meanwhile nanosleep does not
 * sleep. For one thread. */
void scarce_begin(enum scarce what, long n, int lasts);
/* The n-th system call fails, with one of the errors it may have. */
void scarce_begin_call(long n, unsigned errors);
/* No more. 1: something was refused. */
int scarce_end(void);
/* What that was: "read: Connection reset by peer". */
const char *scarce_what(void);

/* Allocations of the whole process that have not been freed. */
long scarce_live(void);

/* For scarce_calls.c. Has this request to fail? `caller` made it. */
int scarce_refuses(enum scarce what, const char *call, const void *caller);
struct scarcity *scarce_now(void);

#endif
