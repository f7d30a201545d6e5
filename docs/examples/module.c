/* SPDX-License-Identifier: MIT */
/* The same handler as a module, for `stint worker --config module.json`.
 *     cc -shared -fPIC module.c count.c -o libcount.so \
 *         $(pkg-config --cflags --libs stint jansson) */
#include <stint/stint.h>

#include "count.h"

extern STINT_API const struct stint_module stint_module;

static const struct stint_function functions[] = {
    {"count_words", count_words, NULL},
};

const struct stint_module stint_module = {
    STINT_MODULE_ABI, sizeof(functions) / sizeof(functions[0]), functions};
