/* SPDX-License-Identifier: MIT */
/* A task's JSON: a line of queue-task --file. What is refused has a wrong field
 * with a text; what is taken is a task that reads back, and its record of a run
 * is JSON again. */
#include <jansson.h>

#include "fuzz.h"

#include "err.h"
#include "task.h"

static void task_look(struct stint_task *t)
{
    struct stint_err err = {0};
    struct task_state st;
    size_t name_len;
    must(task_id_is_valid(t->id, strlen(t->id)));
    must(task_group_is_valid(t->group, strlen(t->group)));
    must(task_name_is_valid(t->function, strlen(t->function)));
    must(strlen(t->text) == t->text_len);
    must(task_text_split(t->text, t->text_len, &name_len) != NULL);
    must(name_len == strlen(t->function));
    json_t *o = task_text_load(t->text, t->text_len);
    must(o != NULL);
    json_decref(o);
    must(task_state_decode(&st, NULL, 0) == 0);
    json_t *run = task_run_json(t->id, t->group, t->text, t->text_len, &st);
    must(run != NULL);
    json_decref(run);
    int64_t next;
    if (t->cronline != NULL &&
        task_cron_start(t, INT64_C(1700000000000), &err) == 0)
        (void)!task_cron_next_ms(t->text, t->text_len,
                                 INT64_C(1700000000000), &next, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    char *text = text_of(data, size);
    struct stint_task *t = stint_task_from_json(text, size, &errors, &err);
    if (t != NULL) {
        task_look(t);
    } else {
        must(err.code == STINT_INVALID || err.code == STINT_TOO_BIG);
        must(err.text[0] != '\0' || errors.n > 0);
        for (size_t i = 0; i < errors.n; i++)
            must(errors.at[i].text[0] != '\0');
    }
    stint_task_free(t);
    free(text);
    return 0;
}
