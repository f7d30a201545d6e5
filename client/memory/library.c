/* SPDX-License-Identifier: MIT */
#include "library.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command.h"
#include "err.h"
#include "pool.h"

#define NUMBER_CAP 32
#define CHUNK      "@user_function" /* as errors name it */

struct function {
    int ref;       /* in the registry */
    int read_only;
};

struct library {
    struct memory *m;
    struct pool *pool;      /* of lua */
    lua_State *lua;
    char name[64];          /* "": none is loaded */
    struct dict functions;  /* value: a struct function, owned */
    int env;                /* in the registry: what its chunk sees */
    /* Arguments of the command a script calls. */
    struct arg *argv;
    char (*numbers)[NUMBER_CAP];
    int argv_cap;
};

/* ---- redis.call ---------------------------------------------------------- */

/* An error as scripts see one: a table. "-WORD text", or just the text. */
static int push_error(lua_State *lua, const char *text)
{
    lua_createtable(lua, 0, 1);
    if (*text == '-')
        lua_pushstring(lua, text + 1);
    else
        lua_pushfstring(lua, "ERR %s", text);
    lua_setfield(lua, -2, "err");
    return 1;
}

static void argv_reserve(struct library *l, int n)
{
    if (n <= l->argv_cap)
        return;
    l->argv_cap = n + 64;
    l->argv = memory_realloc(l->argv,
                             (size_t)l->argv_cap * sizeof(*l->argv));
    l->numbers = memory_realloc(l->numbers,
                                (size_t)l->argv_cap * sizeof(*l->numbers));
}

/* -1: one is neither text nor number. */
static int argv_read(struct library *l, int argc)
{
    lua_State *lua = l->lua;
    argv_reserve(l, argc);
    for (int i = 0; i < argc; i++) {
        struct arg *a = &l->argv[i];
        int type = lua_type(lua, i + 1);
        if (type == LUA_TNUMBER) {
            int n = snprintf(l->numbers[i], NUMBER_CAP, "%.17g",
                             lua_tonumber(lua, i + 1));
            *a = (struct arg){l->numbers[i], (size_t)n};
        } else if (type == LUA_TSTRING) {
            a->at = lua_tolstring(lua, i + 1, &a->len);
        } else {
            return -1;
        }
    }
    return 0;
}

/* Why the command may not be called by this script; NULL: it may. */
static const char *call_refusal(const struct memory *m,
                                const struct command_type *type, int argc)
{
    if (type == NULL)
        return "-ERR Unknown Redis command called from script";
    if (!command_arity_fits(type, argc))
        return "-ERR Wrong number of args calling Redis command from script";
    if (type->flags & COMMAND_OUTSIDE)
        return "-ERR This Redis command is not allowed from script";
    if (m->read_only && (type->flags & COMMAND_WRITES))
        return "-ERR Write commands are not allowed from read-only scripts.";
    return NULL;
}

/* Leaves the reply on the stack. 1: it is an error. */
static int script_call_command(lua_State *lua)
{
    struct library *l = lua_touserdata(lua, lua_upvalueindex(1));
    struct memory *m = l->m;
    int argc = lua_gettop(lua);
    if (argc == 0)
        return push_error(lua, "Please specify at least one argument for this "
                               "redis.call() call");
    if (!m->in_script)
        return push_error(lua, "redis.call can only be called inside a "
                               "script invocation");
    if (argv_read(l, argc) != 0)
        return push_error(lua, "Lua redis lib command arguments must be "
                               "strings or integers");
    const struct command_type *type = command_find(&l->argv[0]);
    const char *refusal = call_refusal(m, type, argc);
    if (refusal != NULL)
        return push_error(lua, refusal);
    struct out out;
    out_to_lua(&out, lua);
    struct command c = {m, argc, l->argv, &out};
    m->calls[type - command_types]++;
    luaL_checkstack(lua, 2 * REPLY_DEPTH_MAX, "a reply");
    type->fn(&c);
    return out.failed;
}

static int redis_call(lua_State *lua)
{
    return script_call_command(lua) ? lua_error(lua) : 1;
}

static int redis_pcall(lua_State *lua)
{
    (void)script_call_command(lua);
    return 1;
}

/* ---- The rest of what a script finds ------------------------------------- */

static int redis_error_reply(lua_State *lua)
{
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING)
        return push_error(lua, "wrong number or type of arguments");
    const char *text = lua_tostring(lua, 1);
    lua_createtable(lua, 0, 1);
    lua_pushstring(lua, *text == '-' ? text + 1 : text);
    lua_setfield(lua, -2, "err");
    return 1;
}

static int redis_status_reply(lua_State *lua)
{
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING)
        return push_error(lua, "wrong number or type of arguments");
    lua_createtable(lua, 0, 1);
    lua_pushvalue(lua, 1);
    lua_setfield(lua, -2, "ok");
    return 1;
}

static int flags_read(lua_State *lua, struct function *f)
{
    static const char *const known[] = {"no-writes", "allow-oom",
                                        "allow-stale", "no-cluster",
                                        "allow-cross-slot-keys"};
    const size_t n = sizeof(known) / sizeof(*known);
    for (int i = 1;; i++) {
        lua_rawgeti(lua, -1, i);
        const char *word = lua_tostring(lua, -1);
        lua_pop(lua, 1);
        if (word == NULL)
            return 0;
        size_t k = 0;
        while (k < n && strcmp(word, known[k]) != 0)
            k++;
        if (k == n)
            return -1;
        f->read_only |= k == 0;
    }
}

/* redis.register_function{function_name=…, callback=…, flags={…}} */
static int redis_register_function(lua_State *lua)
{
    struct library *l = lua_touserdata(lua, lua_upvalueindex(1));
    struct function f = {0};
    size_t len;
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_getfield(lua, 1, "flags");
    if (lua_istable(lua, -1) && flags_read(lua, &f) != 0)
        return luaL_error(lua, "unknown flag given");
    lua_getfield(lua, 1, "function_name");
    const char *name = lua_tolstring(lua, -1, &len);
    lua_getfield(lua, 1, "callback");
    if (name == NULL || !lua_isfunction(lua, -1))
        return luaL_error(lua, "redis.register_function must get a function "
                               "name argument and a callback");
    struct dict_entry *e = dict_add(&l->functions, name, len);
    if (e->value != NULL)
        return luaL_error(lua, "Function already exists in the library");
    f.ref = luaL_ref(lua, LUA_REGISTRYINDEX);
    e->value = memory_alloc(sizeof(f));
    memcpy(e->value, &f, sizeof(f));
    return 0;
}

static uint32_t bits_of(lua_State *lua, int i)
{
    return (uint32_t)(int64_t)luaL_checknumber(lua, i);
}

static int bit_band(lua_State *lua)
{
    uint32_t bits = bits_of(lua, 1);
    for (int i = 2; i <= lua_gettop(lua); i++)
        bits &= bits_of(lua, i);
    lua_pushnumber(lua, (int32_t)bits);
    return 1;
}

static int bit_bor(lua_State *lua)
{
    uint32_t bits = bits_of(lua, 1);
    for (int i = 2; i <= lua_gettop(lua); i++)
        bits |= bits_of(lua, i);
    lua_pushnumber(lua, (int32_t)bits);
    return 1;
}

static int bit_bxor(lua_State *lua)
{
    uint32_t bits = bits_of(lua, 1);
    for (int i = 2; i <= lua_gettop(lua); i++)
        bits ^= bits_of(lua, i);
    lua_pushnumber(lua, (int32_t)bits);
    return 1;
}

static int global_read(lua_State *lua)
{
    return luaL_error(lua, "Script attempted to access nonexistent global "
                           "variable '%s'", lua_tostring(lua, 2));
}

static int global_write(lua_State *lua)
{
    return luaL_error(lua, "Attempt to modify a readonly table");
}

/* Fills in where an error was raised, as Redis's own handler does. */
static int error_locate(lua_State *lua)
{
    lua_Debug at = {0};
    lua_settop(lua, 1);
    if (!lua_istable(lua, 1)) {
        const char *text = lua_tostring(lua, 1);
        lua_createtable(lua, 0, 3);
        lua_pushfstring(lua, "ERR %s", text != NULL ? text : "unknown");
        lua_setfield(lua, -2, "err");
    }
    int found = lua_getstack(lua, 1, &at) && lua_getinfo(lua, "nSl", &at);
    if (found && strcmp(at.what, "C") == 0)
        found = lua_getstack(lua, 2, &at) && lua_getinfo(lua, "nSl", &at);
    if (found) {
        lua_pushstring(lua, at.source);
        lua_setfield(lua, -2, "source");
        lua_pushnumber(lua, at.currentline);
        lua_setfield(lua, -2, "line");
    }
    return 1;
}

/* ---- Making the state ---------------------------------------------------- */

static const luaL_Reg redis_functions[] = {
    {"call", redis_call},
    {"pcall", redis_pcall},
    {"error_reply", redis_error_reply},
    {"status_reply", redis_status_reply},
    {"register_function", redis_register_function},
    {NULL, NULL},
};
static const luaL_Reg bit_functions[] = {
    {"band", bit_band},
    {"bor", bit_bor},
    {"bxor", bit_bxor},
    {NULL, NULL},
};
static const luaL_Reg env_guard[] = {{"__newindex", global_write},
                                     {NULL, NULL}};
static const luaL_Reg globals_guard[] = {{"__index", global_read},
                                         {NULL, NULL}};

/* Into a new table on the stack, each with the library as its upvalue. */
static void push_functions(struct library *l, const luaL_Reg *f)
{
    lua_newtable(l->lua);
    for (; f->name != NULL; f++) {
        lua_pushlightuserdata(l->lua, l);
        lua_pushcclosure(l->lua, f->func, 1);
        lua_setfield(l->lua, -2, f->name);
    }
}

/* Runs inside of lua_cpcall, which catches that there is no memory. */
static int library_open(lua_State *lua)
{
    static const luaL_Reg libraries[] = {{"", luaopen_base},
                                         {LUA_TABLIBNAME, luaopen_table},
                                         {LUA_STRLIBNAME, luaopen_string},
                                         {LUA_MATHLIBNAME, luaopen_math}};
    static const char *const forbidden[] = {"dofile", "loadfile", "print"};
    struct library *l = lua_touserdata(lua, 1);
    for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
        lua_pushcfunction(lua, libraries[i].func);
        lua_pushstring(lua, libraries[i].name);
        lua_call(lua, 1, 0);
    }
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
        lua_pushnil(lua);
        lua_setglobal(lua, forbidden[i]);
    }
    push_functions(l, redis_functions);
    lua_setglobal(lua, "redis");
    push_functions(l, bit_functions);
    lua_setglobal(lua, "bit");
    /* The chunk sees the globals through an empty table that stays empty. */
    lua_newtable(lua);
    push_functions(l, env_guard);
    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    l->env = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    push_functions(l, globals_guard);
    lua_setmetatable(lua, -2);
    return 0;
}

struct library *library_new(struct memory *m)
{
    struct library *l = memory_calloc(1, sizeof(*l));
    l->m = m;
    l->pool = pool_new();
    l->lua = lua_newstate(pool_alloc, l->pool);
    if (l->lua != NULL && lua_cpcall(l->lua, library_open, l) == 0)
        return l;
    library_free(l);
    return NULL;
}

static void library_clear(struct library *l)
{
    uint32_t at = 0;
    for (struct dict_entry *e; (e = dict_next(&l->functions, &at)) != NULL;) {
        struct function *f = e->value;
        luaL_unref(l->lua, LUA_REGISTRYINDEX, f->ref);
        free(f);
    }
    dict_close(&l->functions);
    l->name[0] = '\0';
}

void library_free(struct library *l)
{
    if (l == NULL)
        return;
    if (l->lua != NULL) {
        library_clear(l);
        lua_close(l->lua);
    }
    pool_free(l->pool);
    free(l->argv);
    free(l->numbers);
    free(l);
}

/* ---- FUNCTION ------------------------------------------------------------ */

/* "#!lua name=NAME": the name, and what follows the line. -1: it is not. */
static int shebang_read(const struct arg *text, char name[64],
                        struct arg *code)
{
    static const char begin[] = "#!lua name=";
    const size_t len = sizeof(begin) - 1;
    const char *end = memchr(text->at, '\n', text->len);
    if (end == NULL || text->len < len || memcmp(text->at, begin, len) != 0)
        return -1;
    int n = (int)(end - text->at - (ptrdiff_t)len);
    if (n < 1 || n > 63)
        return -1;
    snprintf(name, 64, "%.*s", n, text->at + len);
    code->at = end; /* with the line's end, so that lines keep their numbers */
    code->len = text->len - (size_t)(end - text->at);
    return 0;
}

static void library_load(struct library *l, struct command *c, int replace)
{
    char name[64];
    struct arg code;
    lua_State *lua = l->lua;
    if (shebang_read(&c->argv[c->argc - 1], name, &code) != 0) {
        out_error_text(c->out, "ERR Missing library metadata");
        return;
    }
    if (*l->name != '\0' && !replace) {
        out_error_text(c->out, "ERR Library '%s' already exists", l->name);
        return;
    }
    library_clear(l);
    int failed = luaL_loadbuffer(lua, code.at, code.len, CHUNK);
    if (failed == 0) {
        lua_rawgeti(lua, LUA_REGISTRYINDEX, l->env);
        lua_setfenv(lua, -2);
        failed = lua_pcall(lua, 0, 0, 0);
    }
    if (failed != 0) {
        out_error_text(c->out, "ERR Error registering functions: %.400s",
                       lua_tostring(lua, -1));
        library_clear(l);
    } else {
        snprintf(l->name, sizeof(l->name), "%s", name);
        out_text(c->out, l->name);
    }
    lua_settop(lua, 0);
}

void cmd_function(struct command *c)
{
    struct library *l = c->m->library;
    int replace = c->argc == 4 && arg_is(&c->argv[2], "REPLACE");
    if (arg_is(&c->argv[1], "LOAD") && c->argc == 3 + replace) {
        library_load(l, c, replace);
    } else if (arg_is(&c->argv[1], "FLUSH") && c->argc == 2) {
        library_clear(l);
        out_status(c->out, "OK", 2);
    } else {
        out_error_text(c->out, "ERR only FUNCTION LOAD [REPLACE] TEXT and "
                               "FUNCTION FLUSH are known here");
    }
}

/* ---- FCALL --------------------------------------------------------------- */

static void out_value(struct out *out, lua_State *lua);

/* A list: up to the first nil, as everywhere in Redis. */
static void out_list(struct out *out, lua_State *lua)
{
    size_t n = 0;
    for (;; n++) {
        lua_rawgeti(lua, -1, (int)n + 1);
        int ends = lua_isnil(lua, -1);
        lua_pop(lua, 1);
        if (ends)
            break;
    }
    if (out->depth + 1 >= REPLY_DEPTH_MAX ||
        !lua_checkstack(lua, 4 * REPLY_DEPTH_MAX)) {
        out_error_text(out, "ERR reached lua stack limit");
        return;
    }
    out_array(out, n);
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(lua, -1, (int)i);
        out_value(out, lua);
        lua_pop(lua, 1);
    }
}

/* 1: the table on top of the stack has the field, a text, and it is written. */
static int out_field(struct out *out, lua_State *lua, const char *field,
                     void (*write)(struct out *out, const char *text,
                                   size_t len))
{
    size_t len;
    lua_pushstring(lua, field);
    lua_rawget(lua, -2);
    int is_there = lua_type(lua, -1) == LUA_TSTRING;
    if (is_there) {
        const char *text = lua_tolstring(lua, -1, &len);
        write(out, text, len);
    }
    lua_pop(lua, 1);
    return is_there;
}

static void out_value(struct out *out, lua_State *lua)
{
    size_t len;
    const char *text;
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
        text = lua_tolstring(lua, -1, &len);
        out_bytes(out, text, len);
        break;
    case LUA_TNUMBER:
        out_integer(out, (int64_t)lua_tonumber(lua, -1));
        break;
    case LUA_TBOOLEAN:
        if (lua_toboolean(lua, -1))
            out_integer(out, 1);
        else
            out_nil(out);
        break;
    case LUA_TTABLE:
        if (!out_field(out, lua, "err", out_error) &&
            !out_field(out, lua, "ok", out_status))
            out_list(out, lua);
        break;
    default:
        out_nil(out);
    }
}

static void push_args(lua_State *lua, const struct arg *argv, int n)
{
    lua_createtable(lua, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushlstring(lua, argv[i].at, argv[i].len);
        lua_rawseti(lua, -2, i + 1);
    }
}

/* The table that error_locate made is on top of the stack. */
static void out_raised(struct out *out, lua_State *lua, const struct arg *name)
{
    if (!lua_istable(lua, -1)) {
        out_error_text(out, "ERR Error running script %.*s, %.100s",
                       (int)name->len, name->at, lua_tostring(lua, -1));
        return;
    }
    lua_getfield(lua, -1, "err");
    lua_getfield(lua, -2, "source");
    lua_getfield(lua, -3, "line");
    const char *text = lua_tostring(lua, -3), *source = lua_tostring(lua, -2),
               *line = lua_tostring(lua, -1);
    text = text != NULL ? text : "ERR unknown error";
    if (source != NULL && line != NULL)
        out_error_text(out, "%.380s script: %.*s, on %.30s:%s.", text,
                       (int)name->len, name->at, source, line);
    else
        out_error_text(out, "%.480s", text);
}

void cmd_fcall(struct command *c)
{
    struct library *l = c->m->library;
    lua_State *lua = l->lua;
    int64_t n_keys;
    const struct dict_entry *e =
        dict_find(&l->functions, c->argv[1].at, c->argv[1].len);
    if (e == NULL) {
        out_error_text(c->out, "ERR Function not found");
        return;
    }
    if (integer_read(c->argv[2].at, c->argv[2].len, &n_keys) != 0) {
        out_error_text(c->out, "ERR Bad number of keys provided");
        return;
    }
    if (n_keys > c->argc - 3 || n_keys < 0) {
        out_error_text(c->out,
                       n_keys < 0 ? "ERR Number of keys can't be negative"
                                  : "ERR Number of keys can't be greater "
                                    "than number of args");
        return;
    }
    const struct function *f = e->value;
    lua_pushcfunction(lua, error_locate);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, f->ref);
    push_args(lua, c->argv + 3, (int)n_keys);
    push_args(lua, c->argv + 3 + n_keys, c->argc - 3 - (int)n_keys);
    c->m->in_script = 1;
    c->m->read_only = f->read_only;
    if (lua_pcall(lua, 2, 1, 1) == 0)
        out_value(c->out, lua);
    else
        out_raised(c->out, lua, &c->argv[1]);
    c->m->in_script = c->m->read_only = 0;
    lua_settop(lua, 0);
}
