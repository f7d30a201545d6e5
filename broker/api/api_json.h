/* SPDX-License-Identifier: MIT */
/* What the library tells, as JSON. All of these return a new reference and
 * never NULL: without memory the process ends, as daemons of ours do, for an
 * answer with holes in it would lie. */
#ifndef STINT_BROKER_API_JSON_H
#define STINT_BROKER_API_JSON_H

#include "call.h"

json_t *api_object(void);
json_t *api_array(void);
/* Both take the reference of v. */
void api_put(json_t *object, const char *key, json_t *v);
void api_add(json_t *array, json_t *v);

/* What is not UTF-8 becomes U+FFFD; NULL: null. */
json_t *api_text(const char *text);
json_t *api_number(int64_t n);
/* n < 0: null */
json_t *api_known(int64_t n);
json_t *api_real(double d);
json_t *api_flag_value(bool on);
/* RFC 3339 in UTC with milliseconds; NULL: no calendar has it. */
enum { API_TIME_LEN = 48 };
const char *api_time_text(int64_t ms, char text[API_TIME_LEN]);
/* The same; 0: null. */
json_t *api_time(int64_t ms);
/* ms as seconds. */
json_t *api_seconds(int64_t ms);

/* A JSON text of a task's field `name`, read. Of an object at any depth, what
 * call_hides becomes "(hidden)"; so does all of it if that holds for `name`.
 * What is no JSON becomes a string; NULL: null. */
json_t *api_value(const struct call *c, const char *name, const char *json);
/* The same for plain text. */
json_t *api_output(const struct call *c, const char *name, const char *text);

/* Of a list: args and vars of more than 4 KiB each are left out, "cut" names
 * them. */
enum { API_IN_LIST = 1 << 16 };
/* flags: STINT_WITH_OUTPUT, STINT_WITH_RUNS, API_IN_LIST. */
json_t *api_status(const struct call *c, const struct stint_status *t,
                   unsigned flags);
/* A sentence for each field. */
json_t *api_errors(const struct stint_errors *errors);

#endif
