/* SPDX-License-Identifier: MIT */
/* Templates: an element is a row of literals and placeholders. The same walk
 * checks a configuration and fills a run's argv, so that what was accepted
 * can be filled. No shell is anywhere near, so nothing is quoted. */
#define _GNU_SOURCE /* environ */
#include "template.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounds.h"
#include "buf.h"
#include "err.h"
#include "executor.h"
#include "task.h"
#include "time_text.h"

#define NAME_BYTES_MAX 1600 /* of a variable or a parent in a template */
#define ENV_OWN        8    /* variables of ours */

enum token_kind { TOKEN_END, TOKEN_LITERAL, TOKEN_ARGS, TOKEN_ARG, TOKEN_VAR,
                  TOKEN_RESULT, TOKEN_STATUS, TOKEN_BAD };

struct token {
    enum token_kind kind;
    const char *text; /* the literal, or what is between the braces */
    size_t len;
    size_t index;     /* of {args.N} */
    const char *name; /* of a variable, or a parent's ID */
    size_t name_len;
};

struct argv {
    char **at;
    size_t n, cap;
};

static enum token_kind token_index_read(struct token *t)
{
    const char *digits = t->text + 5;
    size_t n = t->len - 5;

    if (n == 0 || n > 6)
        return TOKEN_BAD;
    t->index = 0;
    for (size_t i = 0; i < n; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return TOKEN_BAD;
        t->index = t->index * 10 + (size_t)(digits[i] - '0');
    }
    return TOKEN_ARG;
}

/* parents.ID.result or parents.ID.status; an ID may contain dots, also these
 * words. */
static enum token_kind token_parent_read(struct token *t)
{
    static const char result[] = ".result", status[] = ".status";
    const size_t prefix = strlen("parents."), suffix = strlen(result);
    const char *end = t->text + t->len - suffix;

    if (t->len <= prefix + suffix)
        return TOKEN_BAD;
    t->name = t->text + prefix;
    t->name_len = t->len - prefix - suffix;
    if (!task_ref_is_valid(t->name, t->name_len))
        return TOKEN_BAD;
    if (memcmp(end, result, suffix) == 0)
        return TOKEN_RESULT;
    return memcmp(end, status, suffix) == 0 ? TOKEN_STATUS : TOKEN_BAD;
}

static enum token_kind token_var_read(struct token *t)
{
    t->name = t->text + 5;
    t->name_len = t->len - 5;
    return t->name_len < NAME_BYTES_MAX ? TOKEN_VAR : TOKEN_BAD;
}

static int token_begins(const struct token *t, const char *word)
{
    size_t len = strlen(word);

    return t->len > len && memcmp(t->text, word, len) == 0;
}

/* Reads the token at *p and moves on. */
static enum token_kind token_read(const char **p, struct token *t)
{
    const char *s = *p;

    t->text = s;
    if (*s == '\0')
        return t->kind = TOKEN_END;
    if (*s != '{') {
        t->len = strcspn(s, "{}");
        *p = s + t->len;
        return t->kind = *s == '}' ? TOKEN_BAD : TOKEN_LITERAL;
    }
    t->text = s + 1;
    t->len = strcspn(s + 1, "{}");
    if (s[1 + t->len] != '}')
        return t->kind = TOKEN_BAD;
    *p = s + t->len + 2;
    if (t->len == 4 && memcmp(t->text, "args", 4) == 0)
        return t->kind = TOKEN_ARGS;
    if (token_begins(t, "args."))
        return t->kind = token_index_read(t);
    if (token_begins(t, "vars."))
        return t->kind = token_var_read(t);
    if (token_begins(t, "parents."))
        return t->kind = token_parent_read(t);
    return t->kind = TOKEN_BAD;
}

static int element_check(const char *element, struct stint_err *err)
{
    const char *p = element;
    struct token t;

    while (token_read(&p, &t) != TOKEN_END)
        if (t.kind == TOKEN_BAD)
            return err_set(err, STINT_INVALID,
                           "exec: \"%.50s\": only {args}, {args.N}, "
                           "{vars.NAME}, {parents.ID.result} and "
                           "{parents.ID.status} may stand in braces",
                           element);
    return 0;
}

int program_check(const struct program *p, struct stint_err *err)
{
    if (!p->argv || !p->argv[0] || !p->argv[0][0])
        return err_set(err, STINT_INVALID, "exec: no program");
    for (size_t i = 0; p->argv[i]; i++)
        if (element_check(p->argv[i], err) < 0)
            return -1;
    return 0;
}

static int nomem(struct stint_err *err)
{
    return err_set(err, STINT_NOMEM, "out of memory, or arguments too big");
}

static int value_add(struct buf *b, const json_t *value,
                     const struct token *t, struct stint_err *err)
{
    char *text;
    int rc;

    if (!value)
        return err_set(err, STINT_INVALID, "%.*s is missing",
                       (int)(t->len < 150 ? t->len : 150), t->text);
    if (json_is_string(value)) {
        const char *s = json_string_value(value);
        size_t len = json_string_length(value);

        if (memchr(s, '\0', len))
            return err_set(err, STINT_INVALID, "%.*s contains a NUL byte",
                           (int)(t->len < 150 ? t->len : 150), t->text);
        return buf_add(b, s, len) < 0 ? nomem(err) : 0;
    }
    text = json_write(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return nomem(err);
    rc = buf_add_str(b, text);
    free(text);
    return rc < 0 ? nomem(err) : 0;
}

/* The token's name as a key; NULL: nothing has it. */
static const json_t *token_find(const struct token *t, const json_t *object)
{
    char name[NAME_BYTES_MAX];

    check(t->name_len < sizeof(name));
    memcpy(name, t->name, t->name_len);
    name[t->name_len] = '\0';
    return json_object_get(object, name);
}

static int parent_add(struct buf *b, const struct token *t,
                      const struct run *run, struct stint_err *err)
{
    const json_t *parent = token_find(t, run->parents);
    const json_t *value;

    if (t->kind == TOKEN_STATUS)
        return value_add(b, json_object_get(parent, "status"), t, err);
    value = json_object_get(parent, "result");
    return value_add(b, parent && !value ? json_null() : value, t, err);
}

static int args_add(struct buf *b, const struct token *t, const json_t *args,
                    struct stint_err *err)
{
    for (size_t i = 0; i < json_array_size(args); i++) {
        if (i > 0 && buf_add(b, " ", 1) < 0)
            return nomem(err);
        if (value_add(b, json_array_get(args, i), t, err) < 0)
            return -1;
    }
    return 0;
}

static int token_add(struct buf *b, const struct token *t,
                     const struct run *run, struct stint_err *err)
{
    const json_t *args = json_object_get(run->task, "args");

    switch (t->kind) {
    case TOKEN_LITERAL:
        return buf_add(b, t->text, t->len) < 0 ? nomem(err) : 0;
    case TOKEN_ARG:
        return value_add(b, json_array_get(args, t->index), t, err);
    case TOKEN_VAR:
        return value_add(b, token_find(t, json_object_get(run->task, "vars")),
                         t, err);
    case TOKEN_RESULT:
    case TOKEN_STATUS:
        return parent_add(b, t, run, err);
    case TOKEN_ARGS:
        return args_add(b, t, args, err);
    case TOKEN_END:
    case TOKEN_BAD:
        break;
    }
    return err_set(err, STINT_INVALID, "exec: a wrong template");
}

/* Adds what the buffer holds as one element; the buffer is empty after. */
static int argv_add(struct argv *a, struct buf *b, struct stint_err *err)
{
    char *text;

    if (a->n + 2 > a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 16;
        char **at = realloc(a->at, cap * sizeof(*at));

        if (!at)
            return nomem(err);
        a->at = at;
        a->cap = cap;
    }
    text = b->len > 0 ? buf_take(b) : calloc(1, 1);
    if (!text)
        return nomem(err);
    a->at[a->n++] = text;
    a->at[a->n] = NULL;
    return 0;
}

static int args_expand(struct argv *a, struct buf *b, const struct run *run,
                       const struct token *t, struct stint_err *err)
{
    const json_t *args = json_object_get(run->task, "args");

    for (size_t i = 0; i < json_array_size(args); i++)
        if (value_add(b, json_array_get(args, i), t, err) < 0 ||
            argv_add(a, b, err) < 0)
            return -1;
    return 0;
}

static int element_fill(struct argv *a, struct buf *b, const char *element,
                        const struct run *run, struct stint_err *err)
{
    const char *p = element;
    struct token t;

    token_read(&p, &t);
    if (t.kind == TOKEN_ARGS && *p == '\0')
        return args_expand(a, b, run, &t, err);
    for (; t.kind != TOKEN_END; token_read(&p, &t))
        if (token_add(b, &t, run, err) < 0)
            return -1;
    return argv_add(a, b, err);
}

static int task_parse(const struct program *p, struct run *run,
                      struct stint_err *err)
{
    int needed = 0;

    for (size_t i = 0; p->argv[i]; i++)
        needed |= strchr(p->argv[i], '{') != NULL;
    if (!needed || run->task)
        return 0;
    run->task = json_loadb(run->json, run->json_len, 0, NULL);
    return run->task ? 0 : err_set(err, STINT_INVALID, "the task is no JSON");
}

char **template_fill(const struct program *p, struct run *run,
                     struct stint_err *err)
{
    struct argv a = {NULL, 0, 0};
    struct buf b;
    int rc = task_parse(p, run, err);

    buf_init(&b, PAYLOAD_BYTES_MAX * 2);
    for (size_t i = 0; rc == 0 && p->argv[i]; i++)
        rc = element_fill(&a, &b, p->argv[i], run, err);
    buf_close(&b);
    if (rc == 0 && (a.n == 0 || a.at[0][0] == '\0'))
        rc = err_set(err, STINT_INVALID, "exec: no program");
    if (rc == 0)
        return a.at;
    template_free(a.at);
    return NULL;
}

void template_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}

/* ---- The environment --------------------------------------------------- */

/* Children must not reach Redis by accident, nor be taken for children of a
 * worker above us, nor speak for us to the service manager, nor think that what
 * started us has started them. */
static int env_is_hidden(const char *entry)
{
    static const char *const names[] = {
        "STINT_URL=", "STINT_RUN_ID=", "STINT_WORKER=", "STINT_TASK_ID=",
        "STINT_FENCE=", "STINT_ATTEMPT=", "STINT_FUNCTION=",
        "STINT_DEADLINE=", "STINT_RESULT_FD=", "NOTIFY_SOCKET=",
        "WATCHDOG_USEC=", "WATCHDOG_PID=", "TRACEPARENT=", "TRACESTATE="};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return 1;
    return 0;
}

static size_t env_count(char *const *env)
{
    size_t n = 0;

    while (env && env[n])
        n++;
    return n;
}

char **env_inherit(void)
{
    size_t n = env_count(environ), to = 0;
    char **env = calloc(n + 1, sizeof(*env));

    for (size_t i = 0; env && i < n; i++) {
        if (env_is_hidden(environ[i]))
            continue;
        env[to] = strdup(environ[i]);
        if (!env[to++]) {
            template_free(env);
            return NULL;
        }
    }
    return env;
}

static char *env_entry(const char *name, const char *value)
{
    size_t len = strlen(name) + strlen(value) + 2;
    char *s = malloc(len);

    if (s)
        snprintf(s, len, "%s=%s", name, value);
    return s;
}

/* The last of our own; behind it, in the same piece of memory, the one that is
 * not always there, or "". */
static char *env_entry_last(const char *traceparent)
{
    static const char last[] = "STINT_RESULT_FD=3", name[] = "TRACEPARENT=";
    size_t len = traceparent != NULL ? strlen(traceparent) : 0;
    char *s = calloc(1, sizeof(last) + sizeof(name) + len);

    if (s)
        memcpy(s, last, sizeof(last));
    if (s && traceparent)
        snprintf(s + sizeof(last), sizeof(name) + len, "%s%s", name,
                 traceparent);
    return s;
}

/* Ours first, so that a look into /proc finds them early. */
char **env_fill(char *const *inherited, const char *worker,
                const char *run_entry, const struct run *run,
                const struct confine *confine)
{
    size_t n = confine_env_max(confine, inherited);
    char **env = calloc(ENV_OWN + n + 2, sizeof(*env));
    size_t own = ENV_OWN;
    char fence[24], attempt[16], deadline[TIME_TEXT_LEN];
    int ok = 1;

    if (!env)
        return NULL;
    snprintf(fence, sizeof(fence), "%" PRIu64, run->fence);
    snprintf(attempt, sizeof(attempt), "%d", run->attempt);
    time_text_write(run->deadline_wall_ms, deadline);
    env[0] = strdup(run_entry);
    env[1] = env_entry("STINT_WORKER", worker);
    env[2] = env_entry("STINT_TASK_ID", run->id);
    env[3] = env_entry("STINT_FENCE", fence);
    env[4] = env_entry("STINT_ATTEMPT", attempt);
    env[5] = env_entry("STINT_FUNCTION", run->function);
    env[6] = env_entry("STINT_DEADLINE", deadline);
    env[7] = env_entry_last(run->traceparent);
    if (env[7] && run->traceparent)
        env[own++] = env[7] + strlen(env[7]) + 1;
    for (size_t i = 0; i < ENV_OWN; i++)
        ok &= env[i] != NULL;
    confine_env(confine, inherited, env + own);
    if (ok)
        return env;
    env_free(env);
    return NULL;
}

void env_free(char **env)
{
    for (size_t i = 0; env && i < ENV_OWN; i++)
        free(env[i]);
    free(env);
}
