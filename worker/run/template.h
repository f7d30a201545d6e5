/* SPDX-License-Identifier: MIT */
/* From a program's template and a task to the argv of one run, and from our
 * environment to its environment. */
#ifndef STINT_WORKER_TEMPLATE_H
#define STINT_WORKER_TEMPLATE_H

#include <stint/stint.h>

struct confine;
struct run;
struct program;

/* A NULL-terminated argv, or NULL with the reason. Parses run->json into
 * run->task if a placeholder needs it. Free with template_free. What may
 * stand in braces:
 *
 *     {args}               all arguments; alone, each an element of its own
 *     {args.N}             one of them, counted from 0
 *     {vars.NAME}
 *     {parents.ID.result}  of a task this one depends on, from run->parents;
 *     {parents.ID.status}  ID as in depends_on: ID or GROUP/ID
 *
 * Strings as they are, other values as JSON (a parent without a result:
 * null). What is missing is an error. */
char **template_fill(const struct program *p, struct run *run,
                     struct stint_err *err);
void template_free(char **argv);

/* A copy of our environment without what children must not see, or NULL: out
 * of memory. Free with template_free. */
char **env_inherit(void);
/* One run's environment: its own variables, then those that confine leaves of
 * the inherited ones and sets, which are borrowed. run_entry is
 * "STINT_RUN_ID=…". NULL: out of memory. */
char **env_fill(char *const *inherited, const char *worker,
                const char *run_entry, const struct run *run,
                const struct confine *confine);
void env_free(char **env); /* what env_fill made */

#endif
