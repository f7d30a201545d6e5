/* SPDX-License-Identifier: MIT */
/* A look at the head of a request before anybody else reads it. evhttp is
 * lenient where two readers of the same bytes may differ (lines without CR,
 * folded headers, two lengths, bodies of GET): nothing of that comes as far as
 * it. No I/O, no memory of its own. */
#ifndef STINT_BROKER_HEAD_H
#define STINT_BROKER_HEAD_H

#include <stddef.h>
#include <stdint.h>

struct head {
    char method[8];
    const char *target;  /* borrowed, not ended */
    size_t target_len;
    int64_t body_len;    /* Content-Length; 0: there is no body */
};

/* `text` up to its empty line, which it includes. 0; or the status to refuse
 * it with, and in *detail why (constant): 400, 411 (Transfer-Encoding), 414,
 * 417, 501 (method), 505. */
int head_check(struct head *h, const char *text, size_t len,
               const char **detail);

#endif
