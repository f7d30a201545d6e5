/* SPDX-License-Identifier: MIT */
#include "shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expo.h"
#include "http_call.h"

/* ---- Answers --------------------------------------------------------------- */

static void bytes_free(struct shared_bytes *b)
{
    if (b != NULL && --b->n_refs == 0)
        free(b);
}

static void bytes_sent(const void *bytes, size_t len, void *arg)
{
    (void)bytes, (void)len;
    bytes_free(arg);
}

static struct shared_bytes *bytes_of(struct evbuffer *from)
{
    size_t len = evbuffer_get_length(from);
    struct shared_bytes *b = malloc(sizeof(*b) + len);
    if (b == NULL)
        return NULL;
    b->n_refs = 1;
    b->len = len;
    evbuffer_copyout(from, b->bytes, len);
    return b;
}

static void answer_with(struct call *c, int status, const char *type,
                        struct shared_bytes *b)
{
    if (b->len > 0 && evbuffer_add_reference(c->answer, b->bytes, b->len,
                                             bytes_sent, b) < 0) {
        call_problem(c, 503, "busy", "out of memory", NULL);
        return;
    }
    b->n_refs += b->len > 0;
    c->status = status;
    snprintf(c->type, sizeof(c->type), "%s", type);
}

/* ---- Slots ----------------------------------------------------------------- */

static void slot_free(struct shared_slot *slot)
{
    bytes_free(slot->answer);
    *slot = (struct shared_slot){0};
}

/* The one of this path: there already, or that which was of no use for longest.
 * NULL: in each of them somebody looks. */
static struct shared_slot *slot_for(struct shared *s, const char *path,
                                    int is_open, int64_t now_ms)
{
    struct shared_slot *oldest = NULL;
    for (size_t i = 0; i < SHARED_SLOTS; i++) {
        struct shared_slot *slot = &s->slots[i];
        if (slot->is_open == is_open && strcmp(slot->path, path) == 0)
            return slot;
        if (slot->looking == NULL &&
            (oldest == NULL || slot->used_ms < oldest->used_ms))
            oldest = slot;
    }
    if (oldest == NULL)
        return NULL;
    slot_free(oldest);
    snprintf(oldest->path, sizeof(oldest->path), "%s", path);
    oldest->is_open = is_open;
    oldest->looks = SHARED_BURST;
    oldest->looks_ms = now_ms;
    return oldest;
}

/* One look more; 0: it is one too many. */
static int slot_may_look(struct shared_slot *slot, int64_t now_ms)
{
    slot->looks += (double)(now_ms - slot->looks_ms) / SHARED_AGE_MS;
    slot->looks_ms = now_ms;
    if (slot->looks > SHARED_BURST)
        slot->looks = SHARED_BURST;
    if (slot->looks < 1)
        return 0;
    slot->looks--;
    return 1;
}

/* What it holds is no older than it may be, and of after the last change. */
static int slot_is_fresh(const struct shared *s, const struct shared_slot *slot,
                         int64_t now_ms)
{
    return slot->answer != NULL && slot->answer_changes == s->changes &&
           now_ms - slot->answer_ms < SHARED_AGE_MS;
}

/* ---- Asking ---------------------------------------------------------------- */

enum shared_way shared_ask(struct shared *s, struct call *c, int64_t now_ms)
{
    const char *path = evhttp_request_get_uri(c->req);
    if (!(c->route->flags & ROUTE_SHARED) || strlen(path) > SHARED_PATH_MAX)
        return SHARED_RUN;
    struct shared_slot *slot =
        slot_for(s, path, expo_wants_open(call_accept(c)) != 0, now_ms);
    if (slot == NULL)
        return SHARED_RUN;
    slot->used_ms = now_ms;
    if (slot->looking != NULL) {
        if (slot->changes != s->changes)
            return SHARED_RUN; /* what is coming may be of before the change */
        c->waits_next = slot->waiting;
        slot->waiting = c;
        return SHARED_WAIT;
    }
    const int may_look = slot_may_look(slot, now_ms);
    if (!may_look && slot_is_fresh(s, slot, now_ms)) {
        call_header(c, "Age", "1");
        answer_with(c, 200, slot->type, slot->answer);
        return SHARED_ANSWER;
    }
    slot->looking = c;
    slot->changes = s->changes;
    slot->began_ms = now_ms;
    return SHARED_RUN;
}

/* Only what is well is given out again: the next one tries anew. */
static void slot_keep(struct shared_slot *slot, const struct call *c,
                      struct shared_bytes *b)
{
    bytes_free(slot->answer);
    slot->answer = NULL;
    if (c->status != 200 || b->len > SHARED_BYTES_MAX)
        return;
    b->n_refs++;
    slot->answer = b;
    slot->answer_changes = slot->changes;
    slot->answer_ms = slot->began_ms;
    snprintf(slot->type, sizeof(slot->type), "%s", c->type);
}

void shared_done(struct shared *s, struct call *c,
                 void (*finish)(struct call *c))
{
    struct shared_slot *slot = NULL;
    for (size_t i = 0; i < SHARED_SLOTS && slot == NULL; i++)
        if (s->slots[i].looking == c)
            slot = &s->slots[i];
    if (slot == NULL)
        return;
    struct call *next = slot->waiting;
    struct shared_bytes *b = bytes_of(c->answer);
    slot->looking = slot->waiting = NULL;
    if (b != NULL)
        slot_keep(slot, c, b);
    while (next != NULL) {
        struct call *waits = next;
        next = waits->waits_next;
        if (b != NULL)
            answer_with(waits, c->status, c->type, b);
        else
            call_problem(waits, 503, "busy", "out of memory", NULL);
        finish(waits);
    }
    bytes_free(b);
}

void shared_change(struct shared *s)
{
    s->changes++;
}

void shared_tick(struct shared *s, int64_t now_ms)
{
    for (size_t i = 0; i < SHARED_SLOTS; i++)
        if (s->slots[i].looking == NULL && s->slots[i].path[0] != '\0' &&
            now_ms - s->slots[i].used_ms > SHARED_FORGET_MS) {
            bytes_free(s->slots[i].answer);
            s->slots[i].answer = NULL;
        }
}

void shared_close(struct shared *s)
{
    for (size_t i = 0; i < SHARED_SLOTS; i++)
        slot_free(&s->slots[i]);
}
