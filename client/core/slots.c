/* SPDX-License-Identifier: MIT */
/* The map is rebuilt from each answer to CLUSTER SLOTS and mended by each
 * MOVED. It comes over a wire, so all of it is checked and bounded. */
#include "slots.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

#define NODES_STEP 8 /* room grows by so many */

/* CRC-16/XMODEM, as the cluster specification has it. Bit by bit: hash tags
 * are short. */
static unsigned crc16(const char *at, size_t len)
{
    unsigned crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned)(unsigned char)at[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0);
        crc &= 0xffff;
    }
    return crc;
}

unsigned slots_of_key(const char *key, size_t len)
{
    const char *open = memchr(key, '{', len);
    if (open != NULL) {
        size_t rest = len - (size_t)(open + 1 - key);
        const char *close = memchr(open + 1, '}', rest);
        if (close != NULL && close > open + 1)
            return crc16(open + 1, (size_t)(close - open - 1)) % SLOTS_N;
    }
    return crc16(key, len) % SLOTS_N;
}

void slots_init(struct slots *s)
{
    s->n_nodes = 0;
    s->nodes = NULL;
    for (int i = 0; i < SLOTS_N; i++)
        s->owner[i] = SLOTS_NOBODY;
}

void slots_close(struct slots *s)
{
    free(s->nodes);
    slots_init(s);
}

int slots_find(const struct slots *s, const char *host, int port)
{
    for (int i = 0; i < s->n_nodes; i++)
        if (s->nodes[i].port == port && strcmp(s->nodes[i].host, host) == 0)
            return i;
    return -1;
}

/* Its index, new or not; -1: there is no room, or no memory. */
static int slots_add(struct slots *s, const struct conf_node *node)
{
    int i = slots_find(s, node->host, node->port);
    if (i >= 0 || s->n_nodes == SLOTS_NODES_MAX)
        return i;
    if (s->n_nodes % NODES_STEP == 0) {
        size_t n = (size_t)s->n_nodes + NODES_STEP;
        struct conf_node *more = realloc(s->nodes, n * sizeof(*more));
        if (more == NULL)
            return -1;
        s->nodes = more;
    }
    s->nodes[s->n_nodes] = *node;
    return s->n_nodes++;
}

static int slots_is(const struct redisReply *r, int type)
{
    return r != NULL && r->type == type;
}

/* [host, port, ...]; the host may be nil or empty: where we asked. */
static int slots_read_node(const struct redisReply *r, const char *asked_host,
                           struct conf_node *node)
{
    if (!slots_is(r, REDIS_REPLY_ARRAY) || r->elements < 2 ||
        !slots_is(r->element[1], REDIS_REPLY_INTEGER))
        return -1;
    const struct redisReply *host = r->element[0];
    long long port = r->element[1]->integer;
    if (slots_is(host, REDIS_REPLY_STRING) && host->len > 0 &&
        strcmp(host->str, "?") != 0)
        asked_host = host->str;
    if (port < 1 || port > 65535 || strlen(asked_host) >= sizeof(node->host))
        return -1;
    snprintf(node->host, sizeof(node->host), "%s", asked_host);
    node->port = (int)port;
    return 0;
}

/* [first slot, last slot, primary, replicas...] */
static int slots_read_range(struct slots *s, const struct redisReply *r,
                            const char *asked_host, struct stint_err *err)
{
    struct conf_node node;
    if (!slots_is(r, REDIS_REPLY_ARRAY) || r->elements < 3 ||
        !slots_is(r->element[0], REDIS_REPLY_INTEGER) ||
        !slots_is(r->element[1], REDIS_REPLY_INTEGER) ||
        slots_read_node(r->element[2], asked_host, &node) < 0)
        return err_set(err, STINT_PROTOCOL,
                       "a map of the cluster that makes no sense");
    long long first = r->element[0]->integer, last = r->element[1]->integer;
    if (first < 0 || last < first || last >= SLOTS_N)
        return err_set(err, STINT_PROTOCOL,
                       "a map of the cluster with slots that do not exist");
    int owner = slots_add(s, &node);
    if (owner < 0 && s->n_nodes < SLOTS_NODES_MAX)
        return err_set(err, STINT_NOMEM, "out of memory");
    if (owner < 0)
        return err_set(err, STINT_TOO_BIG,
                       "the cluster has more than %d primaries",
                       SLOTS_NODES_MAX);
    for (long long i = first; i <= last; i++)
        s->owner[i] = (uint16_t)owner;
    return 0;
}

int slots_parse(struct slots *s, const struct redisReply *reply,
                const char *asked_host, struct stint_err *err)
{
    if (!slots_is(reply, REDIS_REPLY_ARRAY) || reply->elements > SLOTS_N)
        return err_set(err, STINT_PROTOCOL,
                       "a map of the cluster that makes no sense");
    for (size_t i = 0; i < reply->elements; i++)
        if (slots_read_range(s, reply->element[i], asked_host, err) < 0)
            return -1;
    return 0;
}

/* The digits from *at to the end or to a blank; -1: there are none, or the
 * number is above max. Moves *at behind them. */
static long slots_read_number(const char **at, const char *end, long max)
{
    const char *p = *at;
    long n = 0;
    for (; p < end && *p >= '0' && *p <= '9' && n <= max; p++)
        n = n * 10 + (*p - '0');
    if (p == *at || n > max || (p < end && *p != ' '))
        return -1;
    *at = p;
    return n;
}

int slots_read_redirect(const char *text, size_t len, unsigned *slot,
                        struct conf_node *to)
{
    const char *at = text, *end = text + len, *colon = NULL;
    if (len > 6 && memcmp(text, "MOVED ", 6) == 0)
        at += 6;
    else if (len > 4 && memcmp(text, "ASK ", 4) == 0)
        at += 4;
    else
        return -1;
    long n = slots_read_number(&at, end, SLOTS_N - 1);
    if (n < 0 || at == end)
        return -1;
    at++;
    for (const char *p = at; p < end; p++)
        colon = *p == ':' ? p : colon; /* the last: IPv6 has more */
    if (colon == NULL || (size_t)(colon - at) >= sizeof(to->host))
        return -1;
    memcpy(to->host, at, (size_t)(colon - at));
    to->host[colon - at] = '\0';
    at = colon + 1;
    long port = slots_read_number(&at, end, 65535);
    if (port < 1)
        return -1;
    to->port = (int)port;
    *slot = (unsigned)n;
    return 0;
}

int slots_move(struct slots *s, unsigned slot, const struct conf_node *to)
{
    int owner = slots_add(s, to);
    if (owner < 0 || slot >= SLOTS_N)
        return -1;
    s->owner[slot] = (uint16_t)owner;
    return 0;
}
