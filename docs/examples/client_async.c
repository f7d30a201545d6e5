/* SPDX-License-Identifier: MIT */
/* The same as client.c for every file named, all at once on an event loop,
 * which has its own work to do meanwhile.
 *     cc client_async.c -o client_async \
 *         $(pkg-config --cflags --libs stint libevent jansson) */
#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include <stint/stint.h>

/* What is known of one file. */
struct job {
    const char *path;
    char id[STINT_ID_LEN + 1];
    struct stint_status *status;
    int *n_left, *n_failed;
    struct event_base *base;
};

/* Runs beside others on the loop's thread: each call steps aside while it
 * waits. */
static int work(stint *s, void *arg, struct stint_err *err)
{
    struct job *job = arg;
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    const char *ids[] = {job->id};
    size_t n_other;
    json_t *array = json_pack("[s]", job->path);
    char *args = json_dumps(array, 0);
    o.function = "count_words";
    o.args = args;
    int rc = stint_queue_task(s, &o, job->id, &errors, err);
    json_decref(array);
    free(args);
    if (rc == 0)
        rc = stint_wait(s, "main", ids, 1, 30, NULL, NULL, &n_other, err);
    if (rc == 0)
        job->status = stint_task_status(s, "main", job->id, STINT_WITH_OUTPUT,
                                        err);
    return job->status != NULL ? 0 : -1;
}

static void done(int rc, const struct stint_err *err, void *arg)
{
    struct job *job = arg;
    const struct stint_status *t = job->status;
    if (rc < 0)
        printf("%s: %s\n", job->path, err->text);
    else
        printf("%s: %s %s\n", job->path, t->status,
               t->result != NULL ? t->result : t->error);
    *job->n_failed += rc < 0 || t->result == NULL;
    stint_status_free(job->status);
    if (--*job->n_left == 0)
        event_base_loopbreak(job->base);
}

int main(int argc, char **argv)
{
    struct stint_err err = {0};
    struct event_base *base = event_base_new();
    struct job *jobs = calloc((size_t)argc, sizeof(*jobs));
    stint_async *a = base ? stint_async_open(NULL, base, &err) : NULL;
    int n_left = argc - 1, n_failed = 0;
    if (a == NULL || jobs == NULL || argc < 2) {
        fprintf(stderr, "client_async FILE...: %s\n", err.text);
        return 2;
    }
    for (int i = 0; i < argc - 1; i++) {
        jobs[i] = (struct job){.path = argv[i + 1],
                               .n_left = &n_left,
                               .n_failed = &n_failed,
                               .base = base};
        if (stint_async_call(a, work, done, &jobs[i], NULL, &err) < 0) {
            fprintf(stderr, "%s\n", err.text); /* over 1,000 at once */
            return 1;
        }
    }
    event_base_dispatch(base);
    stint_async_close(a);
    event_base_free(base);
    free(jobs);
    return n_failed > 0;
}
