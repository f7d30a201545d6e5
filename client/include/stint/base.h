/* SPDX-License-Identifier: MIT */
/* What all of the library shares: version, errors. */
#ifndef STINT_BASE_H
#define STINT_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STINT_VERSION_MAJOR 0
#define STINT_VERSION_MINOR 1
#define STINT_VERSION_PATCH 0

#define STINT_API __attribute__((visibility("default")))
#define STINT_CHECKED __attribute__((warn_unused_result))

#define STINT_ID_LEN    128 /* bytes of a task id, most */
#define STINT_NAME_LEN  128 /* bytes of a group, function or worker name */
#define STINT_ERROR_LEN 200

/* Every error there is: name, word in scripts' replies, text. */
#define STINT_CODES(X)                                                         \
    X(STINT_OK, "OK", "no error")                                              \
    X(STINT_INVALID, "INVALID", "refused input")                               \
    X(STINT_EXISTS, "EXISTS", "already there")                                 \
    X(STINT_NOT_FOUND, "NOTFOUND", "does not exist")                           \
    X(STINT_STATE, "STATE", "not possible in this state")                      \
    X(STINT_STALE, "STALE", "not the owner any more")                          \
    X(STINT_LEASE, "LEASE", "the worker has no lease")                         \
    X(STINT_PROTOCOL, "PROTOCOL", "versions do not fit together")              \
    X(STINT_TOO_BIG, "TOOBIG", "larger than allowed")                          \
    X(STINT_NOMEM, "NOMEM", "out of memory")                                   \
    X(STINT_UNREACHABLE, "UNREACHABLE", "Redis cannot be reached")             \
    X(STINT_UNKNOWN, "UNKNOWN", "the reply did not come: outcome unknown")     \
    X(STINT_LOADING, "LOADING", "Redis is loading its data")                   \
    X(STINT_READONLY, "READONLY", "Redis is a read-only replica")              \
    X(STINT_OOM, "OOM", "Redis is above maxmemory")                            \
    X(STINT_MISCONF, "MISCONF", "Redis cannot write to its disk")              \
    X(STINT_BUSY, "BUSY", "Redis is busy with a script")                       \
    X(STINT_AUTH, "NOAUTH", "Redis refused the user or password")              \
    X(STINT_NOSCRIPT, "NOSCRIPT", "Redis does not have our functions")         \
    X(STINT_REDIS, "ERR", "Redis answered with an error")                      \
    X(STINT_SYSTEM, "SYSTEM", "the operating system refused")                  \
    X(STINT_TIMEOUT, "TIMEOUT", "took too long")                               \
    X(STINT_CLOSED, "CLOSED", "closed")                                        \
    X(STINT_PARTS, "PARTS", "the group has another number of parts")

enum stint_code {
#define STINT_CODE_ENUM(name, word, text) name,
    STINT_CODES(STINT_CODE_ENUM)
#undef STINT_CODE_ENUM
};

/* An error; the caller's, on the stack, zeroed before the first use. */
struct stint_err {
    enum stint_code code;
    char text[STINT_ERROR_LEN];
};

/* What is wrong with a task's fields, all of it at once. */
#define STINT_ERRORS_MAX 32
struct stint_errors {
    size_t n;
    struct {
        char field[32];
        char text[120];
    } at[STINT_ERRORS_MAX];
};

/* The text of a code, never NULL; constant. */
STINT_API const char *stint_code_text(enum stint_code code);
/* "0.1.0"; constant. */
STINT_API const char *stint_version(void);

#ifdef __cplusplus
}
#endif
#endif
