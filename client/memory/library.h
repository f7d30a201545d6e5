/* SPDX-License-Identifier: MIT */
/* Lua 5.1, and in it the function library that a client loads with FUNCTION
 * LOAD, as Redis 7.0 runs it: the same conversions of values, the same texts of
 * errors, no roll-back after one. Globals can be neither made nor read unless
 * they are there. library.c makes and loads it, script.c is what its functions
 * find, fcall.c calls one. */
#ifndef STINT_MEMORY_LIBRARY_H
#define STINT_MEMORY_LIBRARY_H

#include <lua.h>

#include "memory.h"

#define NUMBER_CAP    32
#define LIBRARY_NAMES 64

struct command_type;
struct pool;

struct function {
    int ref;       /* in Lua's registry */
    int read_only;
};

struct library {
    struct memory *m;
    struct pool *pool;      /* of lua */
    lua_State *lua;
    char name[64];          /* "": none is loaded */
    struct dict functions;  /* value: a struct function, owned */
    struct str *text;       /* what they were loaded from; NULL: failed */
    struct dict kept;       /* those of `text`, after FUNCTION FLUSH */
    int env;                /* in Lua's registry: what its chunk sees */
    /* Arguments of the command a script calls. */
    struct arg *argv;
    char (*numbers)[NUMBER_CAP];
    int argv_cap;
    /* Names of commands by where Lua keeps them, to find them sooner. */
    struct {
        const char *at;
        const struct command_type *type;
    } names[LIBRARY_NAMES];
};

/* NULL: Lua got no memory. */
struct library *library_new(struct memory *m);
void library_free(struct library *l);

/* script.c. Makes the globals and l->env. May raise errors. */
void script_open(struct library *l);
/* A lua_CFunction for lua_pcall: makes a table of what was raised, and fills in
 * where, as Redis's own handler does. */
int script_on_error(lua_State *lua);

#endif
