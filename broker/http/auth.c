/* SPDX-License-Identifier: MIT */
#include "auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "secret.h"

#define TOKEN_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
                    "0123456789-._~+/="
#define NAME_BYTES  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
                    "0123456789-._@+"

/* ---- A line -------------------------------------------------------------- */

static enum role role_find(const char *word)
{
    return strcmp(word, "read") == 0    ? ROLE_READ
           : strcmp(word, "queue") == 0 ? ROLE_QUEUE
           : strcmp(word, "admin") == 0 ? ROLE_ADMIN
                                        : ROLE_NONE;
}

static int name_is_valid(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= AUTH_NAME_LEN && strspn(name, NAME_BYTES) == n;
}

/* What takes long to be guessed. */
static int hash_is_known(const char *hash)
{
    static const char *const known[] = {"$y$", "$gy$", "$7$", "$2a$", "$2b$",
                                        "$2y$", "$6$", "$5$"};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strncmp(hash, known[i], strlen(known[i])) == 0)
            return strlen(hash) <= AUTH_HASH_LEN;
    return 0;
}

/* NULL: fine; else what is wrong. */
static const char *user_parse(char *line, struct auth_row *row)
{
    char *hash = strchr(line, ':');
    char *role = hash != NULL ? strchr(hash + 1, ':') : NULL;
    if (role == NULL)
        return "must be NAME:HASH:ROLE";
    *hash++ = '\0';
    *role++ = '\0';
    if (!name_is_valid(line))
        return "the name must be 1 to 63 of A-Za-z0-9-._@+";
    if (!hash_is_known(hash))
        return "the hash must be yescrypt, scrypt, bcrypt, SHA-512 or SHA-256 "
               "as crypt(3) makes it";
    row->role = role_find(role);
    snprintf(row->name, sizeof(row->name), "%s", line);
    snprintf(row->secret, sizeof(row->secret), "%s", hash);
    return row->role == ROLE_NONE ? "the role must be read, queue or admin"
                                  : NULL;
}

/* The next word, ended; NULL: no more. */
static char *word_next(char **line)
{
    char *word = *line + strspn(*line, " \t");
    size_t len = strcspn(word, " \t");
    *line = word + len + (word[len] != '\0');
    word[len] = '\0';
    return len > 0 ? word : NULL;
}

static const char *token_parse(char *line, struct auth_row *row)
{
    const char *token = word_next(&line), *role = word_next(&line);
    const char *name = word_next(&line);
    if (role == NULL || word_next(&line) != NULL)
        return "must be TOKEN ROLE [NAME]";
    size_t n = strlen(token);
    if (n < AUTH_TOKEN_MIN || n > AUTH_TOKEN_LEN ||
        strspn(token, TOKEN_BYTES) != n)
        return "the token must be 20 to 200 of A-Za-z0-9-._~+/=";
    if (name != NULL && !name_is_valid(name))
        return "the name must be 1 to 63 of A-Za-z0-9-._@+";
    row->role = role_find(role);
    snprintf(row->name, sizeof(row->name), "%s", name != NULL ? name : "token");
    snprintf(row->secret, sizeof(row->secret), "%s", token);
    return row->role == ROLE_NONE ? "the role must be read, queue or admin"
                                  : NULL;
}

/* ---- A file -------------------------------------------------------------- */

struct rows {
    struct auth_row *at;
    size_t n;
};

static void rows_free(struct rows *rows)
{
    if (rows->at != NULL)
        secret_forget(rows->at, AUTH_ROWS_MAX * sizeof(*rows->at));
    free(rows->at);
    rows->at = NULL;
    rows->n = 0;
}

static int rows_fail(struct stint_err *err, const char *path, size_t line,
                     const char *why)
{
    err->code = STINT_INVALID;
    if (line > 0)
        snprintf(err->text, sizeof(err->text), "%.80s: line %zu: %s", path,
                 line, why);
    else
        snprintf(err->text, sizeof(err->text), "%.80s: %s", path, why);
    return -1;
}

static int rows_have(const struct rows *rows, const struct auth_row *row,
                     int by_name)
{
    for (size_t i = 0; i < rows->n; i++)
        if (strcmp(by_name ? rows->at[i].name : rows->at[i].secret,
                   by_name ? row->name : row->secret) == 0)
            return 1;
    return 0;
}

static int rows_parse(struct rows *rows, char *text, const char *path,
                      int is_users, struct stint_err *err)
{
    size_t number = 0;
    for (char *next = text; next != NULL && *next != '\0';) {
        char *line = next;
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        number++;
        line[strcspn(line, "\r")] = '\0';
        if (line[strspn(line, " \t")] == '\0' || line[0] == '#')
            continue;
        if (rows->n == AUTH_ROWS_MAX)
            return rows_fail(err, path, number, "there are too many");
        struct auth_row *row = &rows->at[rows->n];
        const char *why = is_users ? user_parse(line, row)
                                   : token_parse(line, row);
        if (why == NULL && rows_have(rows, row, is_users))
            why = "that stands there twice";
        if (why != NULL)
            return rows_fail(err, path, number, why);
        rows->n++;
    }
    return rows->n > 0 ? 0 : rows_fail(err, path, 0, "nobody is in it");
}

static int rows_load(struct rows *rows, const char *path, int is_users,
                     struct stint_err *err)
{
    char why[100] = "";
    if (path == NULL)
        return 0;
    char *text = secret_read(path, AUTH_FILE_MAX, why, sizeof(why));
    if (text == NULL)
        return rows_fail(err, path, 0, why);
    size_t len = strlen(text);
    rows->at = calloc(AUTH_ROWS_MAX, sizeof(*rows->at));
    int rc = rows->at != NULL ? rows_parse(rows, text, path, is_users, err)
                              : rows_fail(err, path, 0, "out of memory");
    secret_forget(text, len);
    free(text);
    return rc;
}

int auth_load(struct auth *a, const char *users_path, const char *tokens_path,
              struct stint_err *err)
{
    struct rows users = {0}, tokens = {0};
    if (rows_load(&users, users_path, 1, err) < 0 ||
        rows_load(&tokens, tokens_path, 0, err) < 0) {
        rows_free(&users);
        rows_free(&tokens);
        return -1;
    }
    auth_close(a);
    *a = (struct auth){users.at, tokens.at, users.n, tokens.n};
    return 0;
}

void auth_close(struct auth *a)
{
    struct rows users = {a->users, a->n_users}, tokens = {a->tokens,
                                                          a->n_tokens};
    rows_free(&users);
    rows_free(&tokens);
    *a = (struct auth){0};
}

/* ---- Looking up ---------------------------------------------------------- */

int auth_is_open(const struct auth *a)
{
    return a->n_users == 0 && a->n_tokens == 0;
}

const struct auth_row *auth_token(const struct auth *a, const char *token)
{
    const struct auth_row *found = NULL;
    for (size_t i = 0; i < a->n_tokens; i++)
        if (secret_is(token, a->tokens[i].secret))
            found = &a->tokens[i];
    return found;
}

const struct auth_row *auth_user(const struct auth *a, const char *name)
{
    for (size_t i = 0; i < a->n_users; i++)
        if (strcmp(a->users[i].name, name) == 0)
            return &a->users[i];
    return NULL;
}

/* ---- Headers ------------------------------------------------------------- */

const char *auth_bearer(const char *authorization)
{
    if (strncasecmp(authorization, "Bearer ", 7) != 0)
        return NULL;
    const char *token = authorization + 7;
    while (*token == ' ')
        token++;
    return *token != '\0' && token[strspn(token, TOKEN_BYTES)] == '\0' ? token
                                                                     : NULL;
}

int auth_cookie(const char *header, const char *name, char *value, size_t cap)
{
    size_t name_len = strlen(name), found = 0;
    for (const char *p = header; *p != '\0';) {
        p += strspn(p, "; \t");
        size_t len = strcspn(p, ";");
        if (len > name_len && strncmp(p, name, name_len) == 0 &&
            p[name_len] == '=') {
            size_t n = len - name_len - 1;
            if (n == 0 || n >= cap || ++found > 1)
                return 0;
            memcpy(value, p + name_len + 1, n);
            value[n] = '\0';
        }
        p += len;
    }
    return found == 1;
}
