/* SPDX-License-Identifier: MIT */
/* The first line is an element of exec, the second the task, the third what its
 * parents gave. What program_check takes is filled, or refused with a reason;
 * what has no braces stays as it is. */
#include <jansson.h>

#include "fuzz.h"

#include "executor.h"
#include "template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *element = line_of(&data, &size);
    char *task = line_of(&data, &size);
    char *parents = text_of(data, size);
    char name[] = "x";
    char *argv[] = {name, element, NULL};
    struct program program = {.argv = argv};
    struct run run = {.id = "t", .function = "f", .json = task,
                      .json_len = strlen(task)};
    struct stint_err err = {0};
    json_t *o = json_loads(parents, 0, NULL);
    run.parents = json_is_object(o) ? o : NULL;
    if (program_check(&program, &err)) {
        must(err.code == STINT_INVALID && err.text[0] != '\0');
    } else {
        char **filled = template_fill(&program, &run, &err);
        if (filled == NULL) {
            must(err.code != STINT_OK && err.text[0] != '\0');
        } else {
            must(strcmp(filled[0], "x") == 0);
            if (strpbrk(element, "{}") == NULL)
                must(strcmp(filled[1], element) == 0 && filled[2] == NULL);
        }
        template_free(filled);
    }
    json_decref(run.task);
    json_decref(o);
    free(element);
    free(task);
    free(parents);
    return 0;
}
