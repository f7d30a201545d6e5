/* SPDX-License-Identifier: MIT */
/* A function is called, and what it returns or raises becomes the reply. */
#include "command.h"
#include "library.h"

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

/* The table that script_on_error made is on top of the stack. */
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
    c->m->script.n_calls = c->m->script.n_writes = 0;
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
    lua_pushcfunction(lua, script_on_error);
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
