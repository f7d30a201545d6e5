/* SPDX-License-Identifier: MIT */
/* The functions in Redis, for who may load them: everybody else only calls
 * them. Each primary of a cluster has a library of its own, so each is asked by
 * itself; replicas get theirs from it. A newer library is left alone, as it
 * serves older callers. A server without functions keeps the same rules as
 * scripts, which are loaded again whenever it was started. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "client.h"
#include "err.h"
#include "lua_scripts.h"
#include "memory_link.h"
#include "slots.h"

/* ---- One server ---------------------------------------------------------- */

/* Sends one command and keeps the answer, which client_reply_free ends. NULL:
 * err. Error replies come back as replies. */
static struct redisReply *server_say(struct store *at, int n,
                                     const char *const *argv,
                                     const size_t *len, struct stint_err *err)
{
    struct client_answer a = {0};
    store_call(at, n, argv, len, client_keep, &a);
    at->ops->wait(at);
    if (a.reply == NULL)
        err_set(err, a.err.code, "%s", a.err.text);
    return a.reply;
}

static int is_error(const struct redisReply *r, const char *begins)
{
    return r->type == REDIS_REPLY_ERROR &&
           strncmp(r->str, begins, strlen(begins)) == 0;
}

/* Takes the reply. 0, or -1: it was an error, err. */
static int reply_end(struct redisReply *r, const char *doing,
                     struct stint_err *err)
{
    int rc = r == NULL ? -1 : 0;
    if (r != NULL && r->type == REDIS_REPLY_ERROR) {
        rc = err_from_reply(err, r->str, r->len);
        if (err->code == STINT_AUTH)
            err_wrap(err, "%s needs a user who may (stint-deploy)", doing);
        else
            err_wrap(err, "%s", doing);
    }
    client_reply_free(r);
    return rc;
}

/* "1 SHA1" behind LIBRARY in the text of a library. */
static void row_read(struct stint_library *row, const char *code)
{
    static const char mark[] = "\nlocal LIBRARY = '";
    const char *at = strstr(code, mark);
    if (at == NULL)
        return;
    char *sha1;
    row->version = strtol(at + sizeof(mark) - 1, &sha1, 10);
    if (*sha1 == ' ' && strcspn(sha1 + 1, "'") < sizeof(row->sha1))
        snprintf(row->sha1, sizeof(row->sha1), "%.*s",
                 (int)strcspn(sha1 + 1, "'"), sha1 + 1);
}

/* The text behind "library_code" of the first library of FUNCTION LIST. */
static const char *reply_code(const struct redisReply *r)
{
    const struct redisReply *library = reply_at(r, 0);
    size_t len;
    for (size_t i = 0; i + 1 < reply_n(library); i += 2)
        if (strcmp(reply_str(library, i, &len), "library_code") == 0)
            return reply_str(library, i + 1, &len);
    return "";
}

static void row_judge(struct stint_library *row)
{
    row->state = row->version == 0 && row->sha1[0] == '\0'
                     ? STINT_LIBRARY_MISSING
                 : row->version < SCRIPT_LIBRARY ? STINT_LIBRARY_OLDER
                 : row->version > SCRIPT_LIBRARY ? STINT_LIBRARY_NEWER
                 : strcmp(row->sha1, lua_library_sha1) == 0
                     ? STINT_LIBRARY_SAME
                     : STINT_LIBRARY_OTHER;
}

/* Where there are no functions: all of the scripts, or none. */
static int scripts_look(struct store *at, struct stint_library *row,
                        struct stint_err *err)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, "SCRIPT");
    args_add_str(&a, "EXISTS");
    for (size_t i = 0; i < lua_scripts_n; i++)
        args_add_str(&a, lua_scripts[i].sha1);
    struct redisReply *r =
        a.failed ? NULL : server_say(at, a.n, a.argv, a.len, err);
    args_close(&a);
    if (a.failed)
        return err_set(err, STINT_NOMEM, "out of memory");
    size_t n = 0;
    for (size_t i = 0; i < reply_n(r); i++)
        n += reply_at(r, i)->integer == 1;
    if (n == lua_scripts_n) {
        row->version = SCRIPT_LIBRARY;
        snprintf(row->sha1, sizeof(row->sha1), "%s", lua_library_sha1);
    }
    return reply_end(r, "looking for the scripts", err);
}

static int library_look(struct store *at, struct stint_library *row,
                        int *no_functions, struct stint_err *err)
{
    const char *argv[] = {"FUNCTION", "LIST", "LIBRARYNAME", "stint",
                          "WITHCODE"};
    const size_t len[] = {8, 4, 11, 5, 8};
    struct redisReply *r = server_say(at, 5, argv, len, err);
    row->version = 0;
    row->sha1[0] = '\0';
    *no_functions = r != NULL && is_error(r, "ERR unknown command");
    if (*no_functions) {
        client_reply_free(r);
        r = NULL;
        if (scripts_look(at, row, err))
            return -1;
    } else {
        if (r != NULL)
            row_read(row, reply_code(r));
        if (reply_end(r, "looking at the library", err))
            return -1;
    }
    row_judge(row);
    return 0;
}

static int scripts_load(struct store *at, struct stint_err *err)
{
    for (size_t i = 0; i < lua_scripts_n; i++) {
        const char *argv[] = {"SCRIPT", "LOAD", lua_scripts[i].text};
        const size_t len[] = {6, 4, lua_scripts[i].len};
        struct redisReply *r = server_say(at, 3, argv, len, err);
        if (reply_end(r, "loading the scripts", err))
            return -1;
    }
    return 0;
}

static int library_put(struct store *at, int no_functions,
                       struct stint_err *err)
{
    const char *argv[] = {"FUNCTION", "LOAD", "REPLACE", lua_library};
    const size_t len[] = {8, 4, 7, lua_library_len};
    if (no_functions)
        return scripts_load(at, err);
    struct redisReply *r = server_say(at, 4, argv, len, err);
    return reply_end(r, "loading the library", err);
}

struct library {
    const struct client_settings *to;
    int load;
    stint_library_fn fn;
    void *arg;
};

static int library_at(const struct library *l, const struct conf *conf,
                      struct stint_err *err)
{
    struct stint_library row = {.size = sizeof(row)};
    int no_functions;
    struct store *at = store_sync_open(conf, l->to->deadline_ms, err);
    if (at == NULL)
        return -1;
    row.at = conf->shown;
    row.needed = SCRIPT_LIBRARY;
    row.needed_sha1 = lua_library_sha1;
    int rc = library_look(at, &row, &no_functions, err);
    if (rc == 0 && l->load && row.state != STINT_LIBRARY_SAME &&
        row.state != STINT_LIBRARY_NEWER) {
        rc = library_put(at, no_functions, err);
        if (rc == 0)
            rc = library_look(at, &row, &no_functions, err);
        row.loaded = 1;
    }
    at->ops->close(at);
    if (rc == 0)
        l->fn(&row, l->arg);
    return rc;
}

/* ---- Of a cluster, all primaries ----------------------------------------- */

static int map_from(const struct conf *conf, const struct client_settings *to,
                    struct slots *map, struct stint_err *err)
{
    const char *argv[] = {"CLUSTER", "SLOTS"};
    const size_t len[] = {7, 5};
    struct store *at = store_sync_open(conf, to->deadline_ms, err);
    if (at == NULL)
        return -1;
    struct redisReply *r = server_say(at, 2, argv, len, err);
    int rc = -1;
    if (r != NULL && r->type == REDIS_REPLY_ERROR)
        (void)err_from_reply(err, r->str, r->len);
    else if (r != NULL)
        rc = slots_parse(map, r, conf->host, err);
    client_reply_free(r);
    at->ops->close(at);
    return rc;
}

static int map_ask(const struct client_settings *to, struct slots *map,
                   struct stint_err *err)
{
    struct stint_err first = {0};
    for (int i = 0; i < to->conf.n_nodes; i++) {
        struct stint_err why = {0};
        struct conf node;
        conf_of_node(&node, &to->conf, &to->conf.nodes[i]);
        slots_close(map);
        if (map_from(&node, to, map, &why) == 0)
            return 0;
        err_set(&first, why.code, "%s", why.text);
    }
    return err_set(err, first.code, "%s", first.text);
}

/* One that is away does not keep the others from it; the first error is told.
 * The map is large for a stack. */
static int library_everywhere(const struct library *l, struct stint_err *err)
{
    struct slots *map = malloc(sizeof(*map));
    if (map == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    slots_init(map);
    int map_failed = map_ask(l->to, map, err), rc = map_failed;
    for (int i = 0; !map_failed && i < map->n_nodes; i++) {
        struct stint_err why = {0};
        struct conf node;
        conf_of_node(&node, &l->to->conf, &map->nodes[i]);
        if (library_at(l, &node, &why))
            rc = err_set(err, why.code, "%s", why.text);
    }
    slots_close(map);
    free(map);
    return rc;
}

static int library_walk(const struct stint_options *o, int load,
                        stint_library_fn fn, void *arg, struct stint_err *err)
{
    struct client_settings to;
    struct library l = {&to, load, fn, arg};
    if (o != NULL && memory_is_url(o->url))
        return err_set(err, STINT_INVALID, "memory: has its functions always");
    if (client_settings(&to, o, err))
        return -1;
    return to.conf.n_nodes > 0 ? library_everywhere(&l, err)
                               : library_at(&l, &to.conf, err);
}

int stint_library_status(const struct stint_options *o, stint_library_fn fn,
                         void *arg, struct stint_err *err)
{
    return library_walk(o, 0, fn, arg, err);
}

int stint_library_load(const struct stint_options *o, stint_library_fn fn,
                       void *arg, struct stint_err *err)
{
    return library_walk(o, 1, fn, arg, err);
}
