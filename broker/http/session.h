/* SPDX-License-Identifier: MIT */
/* Sessions of people who logged in; in memory, so that they end with the
 * broker. Time is an argument, monotonic. */
#ifndef STINT_BROKER_SESSION_H
#define STINT_BROKER_SESSION_H

#include <stdint.h>

#include "auth.h"
#include "secret.h"

#define SESSIONS_MAX     1000     /* the one not used for longest goes */
#define SESSION_IDLE_MS  7200000  /* 2 h without a request */
#define SESSION_TOTAL_MS 86400000 /* a day, used or not */

struct session {
    char id[SECRET_TEXT + 1];   /* the cookie; "": it is free */
    char csrf[SECRET_TEXT + 1]; /* to be sent with changes */
    char user[AUTH_NAME_LEN + 1];
    char hash[AUTH_HASH_LEN + 1]; /* that the password had */
    enum role role;
    int64_t made_mono_ms, used_mono_ms;
};

struct sessions {
    struct session *at; /* owned, SESSIONS_MAX; NULL: none was made yet */
};

/* NULL: out of memory, or no randomness. */
struct session *session_make(struct sessions *all, const struct auth_row *user,
                             int64_t now_ms);
/* NULL: no such live session. It is used now. */
struct session *session_find(struct sessions *all, const char *id,
                             int64_t now_ms);
void session_end(struct session *s);
/* Users have changed: ends those of who has gone or has another password,
 * and gives the others their roles. */
void sessions_follow(struct sessions *all, const struct auth *a);
void sessions_close(struct sessions *all);

#endif
