/* SPDX-License-Identifier: MIT */
#include "command.h"

void cmd_lpush(struct command *c)
{
    struct object *o;
    if (command_open(c, 1, KIND_LIST, &o))
        return;
    for (int i = 2; i < c->argc; i++)
        list_push(&o->as.list, 1, c->argv[i].at, c->argv[i].len);
    out_integer(c->out, (int64_t)o->as.list.n);
}

void cmd_llen(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_LIST, &o) == 0)
        out_integer(c->out, o != NULL ? (int64_t)o->as.list.n : 0);
}

void cmd_lindex(struct command *c)
{
    struct object *o;
    int64_t at;
    if (command_look(c, 1, KIND_LIST, &o) || command_integer(c, 2, &at))
        return;
    int64_t n = o != NULL ? (int64_t)o->as.list.n : 0;
    at = at < 0 ? at + n : at;
    out_str(c->out, at >= 0 && at < n ? list_at(&o->as.list, (size_t)at)
                                      : NULL);
}

void cmd_lrange(struct command *c)
{
    struct object *o;
    size_t first, count;
    if (command_look(c, 1, KIND_LIST, &o) ||
        command_range(c, 2, o != NULL ? o->as.list.n : 0, &first, &count))
        return;
    out_array(c->out, count);
    for (size_t i = 0; i < count; i++)
        out_str(c->out, list_at(&o->as.list, first + i));
}

void cmd_ltrim(struct command *c)
{
    struct object *o;
    size_t first, count;
    if (command_look(c, 1, KIND_LIST, &o) ||
        command_range(c, 2, o != NULL ? o->as.list.n : 0, &first, &count))
        return;
    if (o != NULL) {
        list_trim(&o->as.list, first, count);
        command_tidy(c, 1, o);
    }
    out_status(c->out, "OK", 2);
}
