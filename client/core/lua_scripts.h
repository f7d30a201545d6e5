/* SPDX-License-Identifier: MIT */
/* The rules of lua/ as bytes in the program. The tables are made at build time
 * by cmake/embed_lua.cmake; build/lua/ has the same texts for reading.
 * Everything here is constant and valid for ever. */
#ifndef STINT_CORE_LUA_SCRIPTS_H
#define STINT_CORE_LUA_SCRIPTS_H

#include <stddef.h>

/* prelude.lua and one verb, for EVALSHA. */
struct lua_script {
    const char *name; /* the verb: "queue_task" */
    const char *sha1; /* of the text, 40 lower-case hex digits */
    const char *text; /* ends with 0, which does not count */
    size_t len;       /* bytes of the text */
};

/* In the order of the enum in script.h. */
extern const struct lua_script lua_scripts[];
extern const size_t lua_scripts_n;

/* The function library `stint`, for FUNCTION LOAD; ends with 0. */
extern const char lua_library[];
extern const size_t lua_library_len; /* bytes of the text */
/* SHA1 of the library's text with its token @LIBRARY_SHA1@ not yet replaced:
 * what the library in Redis says when it is asked which one it is. */
extern const char lua_library_sha1[];

#endif
