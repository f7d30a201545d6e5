/* SPDX-License-Identifier: MIT */
/* What a script finds: redis.call and its like, and no more of Lua's own than
 * Redis gives. */
#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "library.h"

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

static size_t number_read(char text[static NUMBER_CAP], double n)
{
    if (n >= 0 && n < 1e15 && n == (double)(int64_t)n && !signbit(n))
        return number_write(text, (int64_t)n);
    return (size_t)snprintf(text, NUMBER_CAP, "%.17g", n);
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
            *a = (struct arg){l->numbers[i],
                              number_read(l->numbers[i],
                                          lua_tonumber(lua, i + 1))};
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

/* Another name may have come to stand there since. */
static const struct command_type *name_find(struct library *l,
                                            const struct arg *name)
{
    size_t i = ((uintptr_t)name->at >> 4) % LIBRARY_NAMES;
    if (l->names[i].at == name->at && arg_is(name, l->names[i].type->name))
        return l->names[i].type;
    const struct command_type *type = command_find(name);
    if (type != NULL) {
        l->names[i].at = name->at;
        l->names[i].type = type;
    }
    return type;
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
    const struct command_type *type = name_find(l, &l->argv[0]);
    const char *refusal = call_refusal(m, type, argc);
    if (refusal != NULL)
        return push_error(lua, refusal);
    struct out out;
    out_to_lua(&out, lua);
    struct command c = {m, argc, l->argv, &out,
                        (type->flags & COMMAND_WRITES) != 0};
    m->script.n_calls++;
    if (m->script.n_calls == m->script.fail_at)
        return push_error(lua, m->script.fail_text);
    m->script.n_writes += c.writes;
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
    struct library *l = lua_touserdata(lua, lua_upvalueindex(1));
    struct memory *m = l->m;
    int k = m->script.n_calls;
    (void)script_call_command(lua);
    if (k < m->script.fail_at && m->script.n_calls == m->script.fail_at)
        m->script.is_caught = 1;
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

int script_on_error(lua_State *lua)
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

/* ---- Globals ------------------------------------------------------------- */

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

void script_open(struct library *l)
{
    static const luaL_Reg libraries[] = {{"", luaopen_base},
                                         {LUA_TABLIBNAME, luaopen_table},
                                         {LUA_STRLIBNAME, luaopen_string},
                                         {LUA_MATHLIBNAME, luaopen_math}};
    static const char *const forbidden[] = {"dofile", "loadfile", "print"};
    lua_State *lua = l->lua;
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
    lua_pop(lua, 1);
}
