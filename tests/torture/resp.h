/* SPDX-License-Identifier: MIT */
/* Finds where frames of Redis's protocol (requests and replies, versions 2 and
 * 3) end in a stream, without keeping any of it. */
#ifndef STINT_TESTS_RESP_H
#define STINT_TESTS_RESP_H

#include <stddef.h>
#include <stdint.h>

struct resp {
    int64_t open;   /* elements still to come; 0: between frames */
    int64_t skip;   /* bytes of a string still to come */
    char type;      /* of the line being read, 0: none */
    int64_t number; /* of that line */
    int negative;
};

/* Goes over bytes up to the end of a frame or of data. Returns how many;
 * *ended: 1 if a frame ended there. */
size_t resp_scan(struct resp *r, const char *data, size_t len, int *ended);

#endif
