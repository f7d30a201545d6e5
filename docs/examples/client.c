/* SPDX-License-Identifier: MIT */
/* Queues a task, waits for it and prints its result. Usage: client FILE
 *     cc client.c $(pkg-config --cflags --libs stint jansson) -o client */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include <stint/stint.h>

static int queue(stint *s, const char *args, char id[STINT_ID_LEN + 1],
                 struct stint_err *err)
{
    struct stint_errors errors = {0};
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    o.function = "count_words";
    o.args = args;
    o.timeout_s = 10;
    o.retry_failed = 2;
    int rc = stint_queue_task(s, &o, id, &errors, err);
    for (size_t i = 0; i < errors.n; i++) /* all that is wrong, at once */
        fprintf(stderr, "%s %s\n", errors.at[i].field, errors.at[i].text);
    return rc;
}

int main(int argc, char **argv)
{
    struct stint_err err = {0};
    char id[STINT_ID_LEN + 1];
    size_t n_other = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: client FILE\n");
        return 2;
    }
    stint *s = stint_open(NULL, &err); /* STINT_URL, or the embedded Redis */
    if (s == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return 3;
    }
    json_t *array = json_pack("[s]", argv[1]);
    char *args = json_dumps(array, 0);
    json_decref(array);
    const char *ids[] = {id};
    if (queue(s, args, id, &err) < 0 ||
        stint_wait(s, "main", ids, 1, 30, NULL, NULL, &n_other, &err) < 0)
        goto failed;
    struct stint_status *t =
        stint_task_status(s, "main", id, STINT_WITH_OUTPUT, &err);
    if (t == NULL)
        goto failed;
    printf("%s %s\n", t->status, t->result ? t->result : t->error);
    stint_status_free(t);
    stint_close(s);
    free(args);
    return n_other > 0;
failed:
    fprintf(stderr, "%s\n", err.text);
    stint_close(s);
    free(args);
    return 1;
}
