/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <stdlib.h>

#include "command.h"
#include "err.h"
#include "library.h"
#include "store_memory.h"

struct memory *memory_new(void)
{
    struct memory *m = memory_calloc(1, sizeof(*m));
    m->calls = memory_calloc(COMMAND_N, sizeof(*m->calls));
    m->now_us = MEMORY_START_MS * 1000;
    m->n_refs = 1;
    m->conns_end = &m->conns;
    m->library = library_new(m);
    if (m->library != NULL)
        return m;
    memory_unref(m);
    return NULL;
}

void memory_ref(struct memory *m)
{
    m->n_refs++;
}

void memory_unref(struct memory *m)
{
    if (--m->n_refs > 0)
        return;
    check(m->conns == NULL);
    library_free(m->library);
    keyspace_close(&m->keys);
    free(m->calls);
    free(m);
}

void memory_call(struct memory *m, int argc, const struct arg *argv,
                 struct out *out)
{
    const struct command_type *type =
        argc > 0 ? command_find(&argv[0]) : NULL;
    if (type == NULL) {
        out_error_text(out, "ERR unknown command '%.*s'",
                       argc > 0 ? (int)argv[0].len : 0,
                       argc > 0 ? argv[0].at : "");
        return;
    }
    if (!command_arity_fits(type, argc)) {
        char name[24];
        size_t len = 0;
        for (; type->name[len] != '\0'; len++)
            name[len] = (char)(type->name[len] + ('a' - 'A'));
        name[len] = '\0';
        out_error_text(out, "ERR wrong number of arguments for '%s' command",
                       name);
        return;
    }
    struct command c = {m, argc, argv, out,
                        (type->flags & COMMAND_WRITES) != 0};
    m->calls[type - command_types]++;
    type->fn(&c);
}

void memory_set_now_us(struct memory *m, int64_t now_us)
{
    if (now_us <= m->now_us)
        return;
    m->now_us = now_us;
    conns_time_out(m);
}

int64_t memory_next_us(const struct memory *m)
{
    return conns_next_us(m);
}
