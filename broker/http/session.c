/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int session_is_live(const struct session *s, int64_t now_ms)
{
    return s->id[0] != '\0' && now_ms - s->used_mono_ms < SESSION_IDLE_MS &&
           now_ms - s->made_mono_ms < SESSION_TOTAL_MS;
}

void session_end(struct session *s)
{
    secret_forget(s, sizeof(*s));
}

struct session *session_make(struct sessions *all, const struct auth_row *user,
                             int64_t now_ms)
{
    if (all->at == NULL)
        all->at = calloc(SESSIONS_MAX, sizeof(*all->at));
    if (all->at == NULL)
        return NULL;
    struct session *s = &all->at[0];
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *other = &all->at[i];
        if (!session_is_live(other, now_ms)) {
            s = other;
            break;
        }
        if (other->used_mono_ms < s->used_mono_ms)
            s = other;
    }
    session_end(s);
    if (secret_make(s->csrf) < 0 || secret_make(s->id) < 0) {
        session_end(s);
        return NULL;
    }
    snprintf(s->user, sizeof(s->user), "%s", user->name);
    snprintf(s->hash, sizeof(s->hash), "%s", user->secret);
    s->role = user->role;
    s->made_mono_ms = s->used_mono_ms = now_ms;
    return s;
}

struct session *session_find(struct sessions *all, const char *id,
                             int64_t now_ms)
{
    struct session *found = NULL;
    for (size_t i = 0; all->at != NULL && i < SESSIONS_MAX; i++)
        if (all->at[i].id[0] != '\0' && secret_is(id, all->at[i].id))
            found = &all->at[i];
    if (found == NULL)
        return NULL;
    if (!session_is_live(found, now_ms)) {
        session_end(found);
        return NULL;
    }
    found->used_mono_ms = now_ms;
    return found;
}

void sessions_follow(struct sessions *all, const struct auth *a)
{
    for (size_t i = 0; all->at != NULL && i < SESSIONS_MAX; i++) {
        struct session *s = &all->at[i];
        const struct auth_row *user =
            s->id[0] != '\0' ? auth_user(a, s->user) : NULL;
        if (user != NULL && strcmp(user->secret, s->hash) == 0)
            s->role = user->role;
        else
            session_end(s);
    }
}

void sessions_close(struct sessions *all)
{
    if (all->at != NULL)
        secret_forget(all->at, SESSIONS_MAX * sizeof(*all->at));
    free(all->at);
    all->at = NULL;
}
