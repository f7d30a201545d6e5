/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_LEN 20

const struct command_type command_types[COMMAND_N] = {
#define COMMAND_ROW(name, fn, arity, flags) {#name, cmd_##fn, arity, flags},
    COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

int arg_is(const struct arg *a, const char *word)
{
    return strncasecmp(a->at, word, a->len) == 0 && word[a->len] == '\0';
}

/* The table is sorted. */
const struct command_type *command_find(const struct arg *name)
{
    char text[NAME_MAX_LEN + 1];
    int low = 0, high = COMMAND_N;
    if (name->len > NAME_MAX_LEN)
        return NULL;
    memcpy(text, name->at, name->len);
    text[name->len] = '\0';
    while (low < high) {
        int middle = (low + high) / 2;
        int order = strcasecmp(text, command_types[middle].name);
        if (order == 0)
            return &command_types[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

int command_arity_fits(const struct command_type *type, int argc)
{
    return type->arity >= 0 ? argc == type->arity : argc >= -type->arity;
}

/* ---- Keys ---------------------------------------------------------------- */

int command_look(struct command *c, int i, enum kind kind, struct object **o)
{
    *o = (c->writes ? keyspace_own : keyspace_find)(
        &c->m->keys, c->m->now_us / 1000, c->argv[i].at, c->argv[i].len);
    if (*o == NULL || (*o)->kind == kind)
        return 0;
    out_error_text(c->out, "WRONGTYPE Operation against a key holding the "
                           "wrong kind of value");
    return -1;
}

int command_open(struct command *c, int i, enum kind kind, struct object **o)
{
    if (command_look(c, i, kind, o))
        return -1;
    if (*o == NULL)
        *o = keyspace_put(&c->m->keys, kind, c->argv[i].at, c->argv[i].len);
    return 0;
}

void command_tidy(struct command *c, int i, const struct object *o)
{
    keyspace_tidy(&c->m->keys, c->argv[i].at, c->argv[i].len, o);
}

/* ---- Arguments ----------------------------------------------------------- */

int command_refuse_syntax(struct command *c)
{
    out_error_text(c->out, "ERR syntax error");
    return -1;
}

int integer_read(const char *text, size_t len, int64_t *n)
{
    size_t at = len > 0 && text[0] == '-';
    uint64_t value = 0, most = (uint64_t)INT64_MAX + at;
    if (len == at || len - at > 19 || (text[at] == '0' && len > 1))
        return -1;
    int minus = at == 1;
    for (; at < len; at++) {
        if (text[at] < '0' || text[at] > '9')
            return -1;
        value = 10 * value + (uint64_t)(text[at] - '0');
    }
    if (value > most)
        return -1;
    *n = minus ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

int command_integer(struct command *c, int i, int64_t *n)
{
    if (integer_read(c->argv[i].at, c->argv[i].len, n) == 0)
        return 0;
    out_error_text(c->out, "ERR value is not an integer or out of range");
    return -1;
}

int command_score(struct command *c, int i, double *score,
                  const char *refusal)
{
    char text[128], *end;
    const struct arg *a = &c->argv[i];
    int64_t n;
    if (a->len <= 15 && integer_read(a->at, a->len, &n) == 0) {
        *score = (double)n;
        return 0;
    }
    size_t len = a->len < sizeof(text) ? a->len : 0;
    memcpy(text, a->at, len);
    text[len] = '\0';
    *score = strtod(text, &end);
    if (len > 0 && end == text + len && !isnan(*score) &&
        strchr(" \t\n\v\f\r", text[0]) == NULL)
        return 0;
    out_error_text(c->out, "ERR %s", refusal);
    return -1;
}

int command_range(struct command *c, int i, size_t n, size_t *first,
                  size_t *count)
{
    int64_t from, to, size = (int64_t)n;
    if (command_integer(c, i, &from) || command_integer(c, i + 1, &to))
        return -1;
    from = from < 0 ? from + size : from;
    to = to < 0 ? to + size : to;
    from = from < 0 ? 0 : from;
    to = to >= size ? size - 1 : to;
    *first = from <= to ? (size_t)from : 0;
    *count = from <= to ? (size_t)(to - from) + 1 : 0;
    return 0;
}

/* ---- The SCAN family ----------------------------------------------------- */

static int scan_cursor(struct command *c, uint64_t *cursor)
{
    const struct arg *a = &c->argv[2];
    uint64_t n = 0;
    int good = a->len > 0 && a->len < 20;
    for (size_t i = 0; good && i < a->len; i++) {
        good = a->at[i] >= '0' && a->at[i] <= '9';
        n = 10 * n + (uint64_t)(a->at[i] - '0');
    }
    if (!good) {
        out_error_text(c->out, "ERR invalid cursor");
        return -1;
    }
    *cursor = n;
    return 0;
}

static int scan_read(struct command *c, uint64_t *cursor, int64_t *count)
{
    *count = 10;
    if (scan_cursor(c, cursor))
        return -1;
    for (int i = 3; i < c->argc; i += 2) {
        if (i + 1 == c->argc || !arg_is(&c->argv[i], "COUNT"))
            return command_refuse_syntax(c);
        if (command_integer(c, i + 1, count))
            return -1;
        if (*count < 1)
            return command_refuse_syntax(c);
    }
    return 0;
}

void command_scan(struct command *c, const struct dict *d, size_t per,
                  void (*emit)(struct out *o, const struct dict_entry *e))
{
    const struct dict none = {0};
    uint64_t cursor;
    int64_t count, n = 0;
    char next[24] = "0";
    const struct dict_entry *e = NULL;
    if (scan_read(c, &cursor, &count))
        return;
    d = d != NULL ? d : &none;
    uint32_t begin = dict_seek(d, cursor), at = begin;
    while (n < count && (e = dict_next(d, &at)) != NULL)
        n++;
    e = n == count ? dict_next(d, &at) : NULL;
    if (e != NULL)
        snprintf(next, sizeof(next), "%" PRIu64, e->seq);
    out_array(c->out, 2);
    out_text(c->out, next);
    out_array(c->out, (size_t)n * per);
    for (at = begin; n > 0; n--)
        emit(c->out, dict_next(d, &at));
}
