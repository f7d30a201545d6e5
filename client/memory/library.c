/* SPDX-License-Identifier: MIT */
#include "library.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "pool.h"

#define CHUNK "@user_function" /* as errors name it */

/* Runs inside of lua_cpcall, which catches that there is no memory. */
static int library_open(lua_State *lua)
{
    script_open(lua_touserdata(lua, 1));
    return 0;
}

struct library *library_new(struct memory *m)
{
    struct library *l = memory_calloc(1, sizeof(*l));
    l->m = m;
    l->pool = pool_new();
    l->lua = lua_newstate(pool_alloc, l->pool);
    if (l->lua != NULL && lua_cpcall(l->lua, library_open, l) == 0) {
        /* Calls leave little behind: collect seldom, in few steps. */
        (void)lua_gc(l->lua, LUA_GCSETPAUSE, 400);
        return l;
    }
    library_free(l);
    return NULL;
}

static void functions_drop(struct library *l, struct dict *functions)
{
    uint32_t at = 0;
    for (struct dict_entry *e; (e = dict_next(functions, &at)) != NULL;) {
        struct function *f = e->value;
        luaL_unref(l->lua, LUA_REGISTRYINDEX, f->ref);
        free(f);
    }
    dict_close(functions);
}

static void library_clear(struct library *l)
{
    functions_drop(l, &l->functions);
    functions_drop(l, &l->kept);
    free(l->text);
    l->text = NULL;
    l->name[0] = '\0';
}

/* Gone for all who call; but whoever loads the same text again, as clients do,
 * gets the same functions without the time that compiling takes. */
static void library_flush(struct library *l)
{
    if (l->functions.n > 0) {
        functions_drop(l, &l->kept);
        l->kept = l->functions;
        l->functions = (struct dict){0};
    }
    l->name[0] = '\0';
}

/* 1: it is loaded, as it was before. */
static int library_load_kept(struct library *l, const struct arg *text)
{
    if (l->text == NULL || l->text->len != text->len ||
        memcmp(l->text->bytes, text->at, text->len) != 0)
        return 0;
    if (l->functions.n == 0) {
        l->functions = l->kept;
        l->kept = (struct dict){0};
    }
    return 1;
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
    if (library_load_kept(l, &c->argv[c->argc - 1])) {
        snprintf(l->name, sizeof(l->name), "%s", name);
        out_text(c->out, l->name);
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
        l->text = str_new(c->argv[c->argc - 1].at, c->argv[c->argc - 1].len);
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
        library_flush(l);
        out_status(c->out, "OK", 2);
    } else {
        out_error_text(c->out, "ERR only FUNCTION LOAD [REPLACE] TEXT and "
                               "FUNCTION FLUSH are known here");
    }
}
