/* SPDX-License-Identifier: MIT */
/* A request before the gate: asks it with what the request has, and answers
 * whom it refuses. */
#ifndef STINT_BROKER_ADMIT_H
#define STINT_BROKER_ADMIT_H

struct call;

/* So many requests of one address, and no more. */
void admit_rate(struct call *c);
/* Sets c's role and user, or answers. `is_open`: for everybody. */
void admit_gate(struct call *c, int is_open);
/* Whom the request is from, as text; borrowed. */
const char *admit_address(const struct call *c);

#endif
