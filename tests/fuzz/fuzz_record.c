/* SPDX-License-Identifier: MIT */
/* What Redis keeps, as C reads it: the first line a state record, the rest a
 * task's text. Both may have been written by anybody. */
#include <jansson.h>

#include "fuzz.h"

#include "task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct task_state st;
    char *record = line_of(&data, &size);
    char *text = text_of(data, size);
    size_t name_len;
    int rc = task_state_decode(&st, record, strlen(record));
    if (rc == 0) {
        must(memchr(st.status, '\0', sizeof(st.status)) != NULL);
        must(memchr(st.ticket, '\0', sizeof(st.ticket)) != NULL);
        must(memchr(st.worker, '\0', sizeof(st.worker)) != NULL);
        json_decref(task_run_json("id", "main", text, size, &st));
    }
    const char *json = task_text_split(text, size, &name_len);
    if (json != NULL)
        must(json >= text && json <= text + size && name_len <= size);
    json_decref(task_text_load(text, size));
    int64_t next;
    struct stint_err why = {0};
    if (task_cron_next_ms(text, size, INT64_C(1700000000000), &next, &why) == 0)
        must(next == -1 || next > INT64_C(1700000000000));
    free(record);
    free(text);
    return 0;
}
