/* SPDX-License-Identifier: MIT */
/* A handler as it should be: it checks what it is given, looks whether it is
 * cancelled, tells how far it is, and says which failures are worth another
 * try. */
#include "count.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static long words_of(FILE *f, long size, stint_run *run)
{
    long n = 0, at = 0;
    int c, inside = 0;
    while ((c = getc(f)) != EOF) {
        n += !isspace(c) && !inside;
        inside = !isspace(c);
        if (++at % 65536 != 0)
            continue;
        if (stint_run_is_cancelled(run))
            return -1;
        stint_run_progress(run, size > 0 ? 100.0 * at / size : -1, "reading");
    }
    return n;
}

static int refuse(stint_run *run, const char *why, double retry_s)
{
    stint_run_set_error(run, why);
    stint_run_set_retry(run, retry_s);
    return 1;
}

int count_words(stint_run *run, void *arg)
{
    (void)arg;
    const char *path = json_string_value(stint_run_arg(run, 0));
    if (path == NULL)
        return refuse(run, "args[0] must be a file", STINT_RETRY_NEVER);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return refuse(run, strerror(errno),
                      errno == ENOENT ? STINT_RETRY_NEVER : 5);
    stint_run_log(run, "counting %s, attempt %d", path,
                  stint_run_attempt(run));
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    long n = words_of(f, size, run);
    fclose(f);
    if (n < 0)
        return 1; /* cancelled: what is said here does not matter */
    json_t *result = json_integer(n);
    int rc = stint_run_set_result_json(run, result);
    json_decref(result);
    return rc;
}
