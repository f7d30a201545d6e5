/* SPDX-License-Identifier: MIT */
/* A request without a server, for handlers and what they share: the test says
 * what came in, and looks at the answer. */
#ifndef STINT_TEST_FAKE_CALL_H
#define STINT_TEST_FAKE_CALL_H

#include "call.h"

struct call {
    const char *query[8][2]; /* name, value */
    json_t *body;
    const char *lines; /* what is left of them */
    char line[256];
    const char *hides; /* one name, or NULL */
    int status;        /* 0: no answer yet */
    json_t *answer;
    char type[40];     /* of a problem */
    char detail[400];
};

/* A request with that body ("": none). */
void fake_call_init(struct call *c, const char *body);
/* The sentence for a wrong field; NULL: there is none. */
const char *fake_call_error(const struct call *c, const char *field);
void fake_call_close(struct call *c);

#endif
