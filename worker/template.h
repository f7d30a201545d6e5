/* SPDX-License-Identifier: MIT */
/* From a program's template and a task to the argv of one run. */
#ifndef STINT_WORKER_TEMPLATE_H
#define STINT_WORKER_TEMPLATE_H

#include <stint/stint.h>

struct run;
struct program;

/* A NULL-terminated argv, or NULL with the reason. Parses run->json into
 * run->task if a placeholder needs it. Free with template_free. */
char **template_fill(const struct program *p, struct run *run,
                     struct stint_err *err);
void template_free(char **argv);

#endif
