/* SPDX-License-Identifier: MIT */
/* Streams, as far as events need them. A stream is a list of entries; one is
 * its id (ms, seq), then each field and value behind its length. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

struct stream_id {
    uint64_t ms, seq;
};

static int id_order(struct stream_id a, struct stream_id b)
{
    int order = (a.ms > b.ms) - (a.ms < b.ms);
    return order != 0 ? order : (a.seq > b.seq) - (a.seq < b.seq);
}

static struct stream_id entry_id(const struct str *entry)
{
    struct stream_id id;
    memcpy(&id, entry->bytes, sizeof(id));
    return id;
}

static int number_read(const char *text, size_t len, uint64_t *n)
{
    *n = 0;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (text[i] < '0' || text[i] > '9' || *n > (UINT64_MAX - digit) / 10)
            return -1;
        *n = 10 * *n + digit;
    }
    return len > 0 ? 0 : -1;
}

/* "MS" or "MS-SEQ"; seq: what stands for one that is not there. */
static int id_read(struct command *c, const char *text, size_t len,
                   uint64_t seq, struct stream_id *id)
{
    const char *dash = memchr(text, '-', len);
    size_t ms_len = dash != NULL ? (size_t)(dash - text) : len;
    id->seq = seq;
    if (number_read(text, ms_len, &id->ms) == 0 &&
        (dash == NULL ||
         number_read(dash + 1, len - ms_len - 1, &id->seq) == 0))
        return 0;
    out_error_text(c->out, "ERR Invalid stream ID specified as stream command "
                           "argument");
    return -1;
}

/* An end of a range: "-", "+", an id, or "(" and one that is not in it. */
static int bound_read(struct command *c, int i, int is_first,
                      struct stream_id *id)
{
    const struct arg *a = &c->argv[i];
    int open = a->len > 0 && a->at[0] == '(';
    if (a->len == 1 && (a->at[0] == '-' || a->at[0] == '+')) {
        uint64_t n = a->at[0] == '-' ? 0 : UINT64_MAX;
        *id = (struct stream_id){n, n};
        return 0;
    }
    if (id_read(c, a->at + open, a->len - (size_t)open,
                is_first ? 0 : UINT64_MAX, id))
        return -1;
    if (open && is_first && ++id->seq == 0)
        id->ms++;
    else if (open && !is_first && id->seq-- == 0)
        id->ms--;
    return 0;
}

/* MAXLEN [=|~] n at argument *i; "~" is taken for "=", as Redis may. */
static int maxlen_read(struct command *c, int *i, int64_t *most)
{
    *most = -1;
    if (*i >= c->argc || !arg_is(&c->argv[*i], "MAXLEN"))
        return 0;
    *i += 1;
    if (*i < c->argc &&
        (arg_is(&c->argv[*i], "~") || arg_is(&c->argv[*i], "=")))
        *i += 1;
    if (*i >= c->argc)
        return command_refuse_syntax(c);
    if (command_integer(c, *i, most))
        return -1;
    *i += 1;
    if (*most >= 0)
        return 0;
    out_error_text(c->out, "ERR The MAXLEN argument must be >= 0.");
    return -1;
}

static int64_t stream_trim(struct object *o, int64_t most)
{
    size_t n = o->as.list.n;
    if (most < 0 || n <= (size_t)most)
        return 0;
    list_trim(&o->as.list, n - (size_t)most, (size_t)most);
    return (int64_t)n - most;
}

static struct stream_id id_next(struct command *c, const struct object *o)
{
    struct stream_id id = {(uint64_t)(c->m->now_us / 1000), 0};
    size_t n = o->as.list.n;
    struct stream_id last =
        n > 0 ? entry_id(list_at(&o->as.list, n - 1)) : (struct stream_id){0};
    return id.ms > last.ms ? id : (struct stream_id){last.ms, last.seq + 1};
}

static void id_out(struct out *o, struct stream_id id)
{
    char text[48];
    snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu64, id.ms, id.seq);
    out_text(o, text);
}

/* Only with "*": who gives ids of his own is not among us. */
void cmd_xadd(struct command *c)
{
    struct object *o;
    int64_t most;
    int at = 2;
    if (maxlen_read(c, &at, &most))
        return;
    if (at + 2 >= c->argc || (c->argc - at) % 2 == 0 ||
        !arg_is(&c->argv[at], "*")) {
        (void)command_refuse_syntax(c);
        return;
    }
    if (command_open(c, 1, KIND_STREAM, &o))
        return;
    struct stream_id id = id_next(c, o);
    size_t len = sizeof(id);
    for (int i = at + 1; i < c->argc; i++)
        len += sizeof(size_t) + c->argv[i].len;
    char *bytes = memory_alloc(len), *to = bytes + sizeof(id);
    memcpy(bytes, &id, sizeof(id));
    for (int i = at + 1; i < c->argc; i++) {
        memcpy(to, &c->argv[i].len, sizeof(size_t));
        memcpy(to + sizeof(size_t), c->argv[i].at, c->argv[i].len);
        to += sizeof(size_t) + c->argv[i].len;
    }
    list_push(&o->as.list, 0, bytes, len);
    free(bytes);
    (void)stream_trim(o, most);
    id_out(c->out, id);
}

void cmd_xlen(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_STREAM, &o) == 0)
        out_integer(c->out, o != NULL ? (int64_t)o->as.list.n : 0);
}

void cmd_xtrim(struct command *c)
{
    struct object *o;
    int64_t most;
    int at = 2;
    if (maxlen_read(c, &at, &most))
        return;
    if (most < 0 || at != c->argc) {
        (void)command_refuse_syntax(c);
        return;
    }
    if (command_look(c, 1, KIND_STREAM, &o) == 0)
        out_integer(c->out, o != NULL ? stream_trim(o, most) : 0);
}

static void entry_out(struct out *o, const struct str *entry)
{
    const char *at = entry->bytes + sizeof(struct stream_id);
    const char *end = entry->bytes + entry->len;
    size_t n = 0, len;
    for (const char *p = at; p < end; p += sizeof(len) + len, n++)
        memcpy(&len, p, sizeof(len));
    out_array(o, 2);
    id_out(o, entry_id(entry));
    out_array(o, n);
    for (; at < end; at += sizeof(len) + len) {
        memcpy(&len, at, sizeof(len));
        out_bytes(o, at + sizeof(len), len);
    }
}

/* lowest, highest: of which arguments they are. */
static void stream_range(struct command *c, int lowest, int highest)
{
    struct object *o;
    struct stream_id from, to;
    int64_t most = INT64_MAX;
    if (bound_read(c, lowest, 1, &from) || bound_read(c, highest, 0, &to))
        return;
    if (c->argc != 4 && (c->argc != 6 || !arg_is(&c->argv[4], "COUNT"))) {
        (void)command_refuse_syntax(c);
        return;
    }
    if (c->argc == 6 && command_integer(c, 5, &most))
        return;
    if (command_look(c, 1, KIND_STREAM, &o))
        return;
    size_t first = 0, n = 0, all = o != NULL ? o->as.list.n : 0;
    while (first < all && id_order(entry_id(list_at(&o->as.list, first)),
                                   from) < 0)
        first++;
    while (first + n < all && id_order(entry_id(list_at(&o->as.list,
                                                        first + n)), to) <= 0)
        n++;
    size_t count = most < 0 ? 0 : (uint64_t)most < n ? (size_t)most : n;
    out_array(c->out, count);
    for (size_t i = 0; i < count; i++)
        entry_out(c->out, list_at(&o->as.list, lowest < highest
                                                   ? first + i
                                                   : first + n - 1 - i));
}

void cmd_xrange(struct command *c)
{
    stream_range(c, 2, 3);
}

void cmd_xrevrange(struct command *c)
{
    stream_range(c, 3, 2);
}
