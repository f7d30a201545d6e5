/* SPDX-License-Identifier: MIT */
/* What every answer has: the strict headers, and errors as RFC 9457. */
#ifndef STINT_BROKER_ANSWER_H
#define STINT_BROKER_ANSWER_H

#include <jansson.h>
#include <stddef.h>
#include <stint/base.h>

struct evbuffer;
struct evkeyvalq;

#define ANSWER_PROBLEM "application/problem+json"

/* "Not Found"; never NULL. */
const char *answer_phrase(int status);
/* The word of a status that nobody gave another one. */
const char *answer_word(int status);
/* The status and word of an error of the library. */
int answer_status(enum stint_code code, const char **word);
/* A new reference; takes `errors`, which may be NULL. NULL: out of memory. */
json_t *answer_problem(int status, const char *word, const char *detail,
                       json_t *errors);
/* The headers that every answer has. */
void answer_headers(struct evkeyvalq *to);
/* A whole answer, for a request that is not understood: a problem, and the
 * end of the connection. */
void answer_refusal(struct evbuffer *to, int status, const char *detail);

#endif
