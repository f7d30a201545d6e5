/* SPDX-License-Identifier: MIT */
/* Queues the functions named, and prints the ids. */
#include <stdio.h>

#include <stint/stint.h>

int main(int argc, char **argv)
{
    struct stint_err err = {0};
    stint *s = stint_open(NULL, &err);
    int failed = s == NULL;
    for (int i = 1; i < argc && !failed; i++) {
        struct stint_errors errors = {0};
        struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
        char id[STINT_ID_LEN + 1];
        o.function = argv[i];
        failed = stint_queue_task(s, &o, id, &errors, &err) < 0;
        if (!failed)
            puts(id);
    }
    if (failed)
        fprintf(stderr, "%s\n", err.text);
    stint_close(s);
    return failed;
}
