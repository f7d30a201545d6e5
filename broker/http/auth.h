/* SPDX-License-Identifier: MIT */
/* Who may do what: users with hashed passwords, tokens for programs. Files of
 * lines, read as a whole or not at all:
 *
 *     NAME:HASH:ROLE        HASH as crypt(3) makes it: yescrypt, bcrypt,
 *                           SHA-512, SHA-256, scrypt
 *     TOKEN ROLE [NAME]     TOKEN of 20 to 200 letters, digits and - . _ ~ + /
 *
 * ROLE is read, queue or admin; lines may be empty or begin with "#". */
#ifndef STINT_BROKER_AUTH_H
#define STINT_BROKER_AUTH_H

#include <stddef.h>
#include <stint/base.h>

#include "call.h"

#define AUTH_NAME_LEN   63
#define AUTH_HASH_LEN   255
#define AUTH_TOKEN_MIN  20
#define AUTH_TOKEN_LEN  200
#define AUTH_ROWS_MAX   1000
#define AUTH_FILE_MAX   1048576

struct auth_row {
    char name[AUTH_NAME_LEN + 1]; /* of a token, too; "token" if not given */
    char secret[AUTH_HASH_LEN + 1]; /* the hash, or the token */
    enum role role;
};

struct auth {
    struct auth_row *users, *tokens; /* owned */
    size_t n_users, n_tokens;
};

/* Reads what there is to read; a path may be NULL. *a is zeroed or as it was
 * read before; on an error it stays as it was. Errors: INVALID, NOMEM. */
int auth_load(struct auth *a, const char *users_path, const char *tokens_path,
              struct stint_err *err);
void auth_close(struct auth *a);
/* Nobody is known: nobody is asked who he is. */
int auth_is_open(const struct auth *a);
/* NULL: there is none. The time it takes tells nothing of tokens. */
const struct auth_row *auth_token(const struct auth *a, const char *token);
const struct auth_row *auth_user(const struct auth *a, const char *name);
/* "Bearer TOKEN": where the token begins; NULL: it is something else. */
const char *auth_bearer(const char *authorization);
/* The value of a cookie of that name in a Cookie header, into `value`. 0: it is
 * not there, or there twice, or longer than that. */
int auth_cookie(const char *header, const char *name, char *value, size_t cap);

#endif
