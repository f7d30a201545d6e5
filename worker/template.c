/* SPDX-License-Identifier: MIT */
/* Templates: an element is a row of literals and placeholders. The same walk
 * checks a configuration and fills a run's argv, so that what was accepted
 * can be filled. No shell is anywhere near, so nothing is quoted. */
#include "template.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "executor.h"
#include "limits.h"

enum token_kind { TOKEN_END, TOKEN_LITERAL, TOKEN_ARGS, TOKEN_ARG, TOKEN_VAR,
                  TOKEN_BAD };

struct token {
    enum token_kind kind;
    const char *text; /* the literal, or what is between the braces */
    size_t len;
    size_t index;     /* of {args.N} */
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
    if (t->len > 5 && memcmp(t->text, "args.", 5) == 0)
        return t->kind = token_index_read(t);
    if (t->len > 5 && memcmp(t->text, "vars.", 5) == 0)
        return t->kind = TOKEN_VAR;
    return t->kind = TOKEN_BAD;
}

static int element_check(const char *element, struct stint_err *err)
{
    const char *p = element;
    struct token t;

    while (token_read(&p, &t) != TOKEN_END)
        if (t.kind == TOKEN_BAD)
            return err_set(err, STINT_INVALID,
                           "exec: \"%.100s\": only {args}, {args.N} and "
                           "{vars.NAME} may stand in braces", element);
    return 0;
}

int program_check(const struct program *p, struct stint_err *err)
{
    if (!p->argv || !p->argv[0] || !p->argv[0][0])
        return err_set(err, STINT_INVALID, "exec: no program");
    if (p->nice < -20 || p->nice > 19)
        return err_set(err, STINT_INVALID, "nice: not from -20 to 19");
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
    text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return nomem(err);
    rc = buf_add_str(b, text);
    free(text);
    return rc < 0 ? nomem(err) : 0;
}

static int token_add(struct buf *b, const struct token *t, const json_t *task,
                     struct stint_err *err)
{
    const json_t *args = json_object_get(task, "args");
    char name[STINT_ERROR_LEN * 8];

    switch (t->kind) {
    case TOKEN_LITERAL:
        return buf_add(b, t->text, t->len) < 0 ? nomem(err) : 0;
    case TOKEN_ARG:
        return value_add(b, json_array_get(args, t->index), t, err);
    case TOKEN_VAR:
        if (t->len - 5 >= sizeof(name))
            return err_set(err, STINT_INVALID, "a name in vars is too long");
        memcpy(name, t->text + 5, t->len - 5);
        name[t->len - 5] = '\0';
        return value_add(b, json_object_get(json_object_get(task, "vars"),
                                            name), t, err);
    case TOKEN_ARGS:
        for (size_t i = 0; i < json_array_size(args); i++) {
            if (i > 0 && buf_add(b, " ", 1) < 0)
                return nomem(err);
            if (value_add(b, json_array_get(args, i), t, err) < 0)
                return -1;
        }
        return 0;
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

static int args_expand(struct argv *a, struct buf *b, const json_t *task,
                       const struct token *t, struct stint_err *err)
{
    const json_t *args = json_object_get(task, "args");

    for (size_t i = 0; i < json_array_size(args); i++)
        if (value_add(b, json_array_get(args, i), t, err) < 0 ||
            argv_add(a, b, err) < 0)
            return -1;
    return 0;
}

static int element_fill(struct argv *a, struct buf *b, const char *element,
                        const json_t *task, struct stint_err *err)
{
    const char *p = element;
    struct token t;

    token_read(&p, &t);
    if (t.kind == TOKEN_ARGS && *p == '\0')
        return args_expand(a, b, task, &t, err);
    for (; t.kind != TOKEN_END; token_read(&p, &t))
        if (token_add(b, &t, task, err) < 0)
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
        rc = element_fill(&a, &b, p->argv[i], run->task, err);
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
