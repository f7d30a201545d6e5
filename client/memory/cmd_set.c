/* SPDX-License-Identifier: MIT */
#include "command.h"

void cmd_sadd(struct command *c)
{
    struct object *o;
    if (command_open(c, 1, KIND_SET, &o))
        return;
    uint32_t before = o->as.set.n;
    for (int i = 2; i < c->argc; i++)
        (void)dict_add(&o->as.set, c->argv[i].at, c->argv[i].len);
    out_integer(c->out, o->as.set.n - before);
}

void cmd_srem(struct command *c)
{
    struct object *o;
    int64_t n = 0;
    if (command_look(c, 1, KIND_SET, &o))
        return;
    for (int i = 2; o != NULL && i < c->argc; i++) {
        struct dict_entry *e =
            dict_find(&o->as.set, c->argv[i].at, c->argv[i].len);
        if (e == NULL)
            continue;
        dict_remove(&o->as.set, e);
        n++;
    }
    if (o != NULL)
        command_tidy(c, 1, o);
    out_integer(c->out, n);
}

void cmd_scard(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_SET, &o) == 0)
        out_integer(c->out, o != NULL ? o->as.set.n : 0);
}

void cmd_sismember(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_SET, &o) == 0)
        out_integer(c->out, o != NULL && dict_find(&o->as.set, c->argv[2].at,
                                                   c->argv[2].len) != NULL);
}

/* The oldest ones: what is drawn may not depend on chance here. */
void cmd_srandmember(struct command *c)
{
    struct object *o;
    int64_t count = 1;
    uint32_t at = 0;
    if (c->argc > 3) {
        (void)command_refuse_syntax(c);
        return;
    }
    if (c->argc == 3 && command_integer(c, 2, &count))
        return;
    if (count < 0) {
        out_error_text(c->out, "ERR a negative count is not supported here");
        return;
    }
    if (command_look(c, 1, KIND_SET, &o))
        return;
    int64_t there = o != NULL ? o->as.set.n : 0;
    if (c->argc == 2) {
        out_str(c->out, there > 0 ? dict_next(&o->as.set, &at)->key : NULL);
        return;
    }
    count = count < there ? count : there;
    out_array(c->out, (size_t)count);
    for (; count > 0; count--)
        out_str(c->out, dict_next(&o->as.set, &at)->key);
}

static void set_emit(struct out *out, const struct dict_entry *e)
{
    out_str(out, e->key);
}

void cmd_sscan(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_SET, &o) == 0)
        command_scan(c, o != NULL ? &o->as.set : NULL, 1, set_emit);
}
