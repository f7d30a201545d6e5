/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#define REQUESTS_PER_S 200
#define REQUESTS_BURST 400

/* One key of the file. */
struct setting {
    const char *name;
    /* NULL: fine; else what it must be. */
    const char *(*take)(struct settings *s, const json_t *value, void *to);
    size_t to; /* offset in struct settings */
};

static const char *take_all(struct settings *s, const json_t *o,
                            const struct setting *rows, size_t n,
                            const char **name);

static const char *take_words(struct settings *s, const json_t *value,
                              void *to)
{
    struct settings_words *words = to;
    (void)s;
    if (!json_is_array(value))
        return "must be an array of texts";
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *text = json_string_value(json_array_get(value, i));
        if (text == NULL || *text == '\0')
            return "must be an array of texts";
        if (words->n == SETTINGS_WORDS_MAX)
            return "has too many";
        words->at[words->n++] = text;
    }
    return NULL;
}

/* The command line goes before the file. */
static const char *take_text(struct settings *s, const json_t *value, void *to)
{
    const char **text = to;
    (void)s;
    if (!json_is_string(value) || *json_string_value(value) == '\0')
        return "must be a text";
    if (*text == NULL)
        *text = json_string_value(value);
    return NULL;
}

static const char *take_number(struct settings *s, const json_t *value,
                               void *to)
{
    (void)s;
    double x = json_number_value(value);
    if (!json_is_number(value) || !(x >= 0 && x <= 1e6))
        return "must be a number from 0 to 1000000";
    *(double *)to = x;
    return NULL;
}

static const char *take_json(struct settings *s, const json_t *value, void *to)
{
    (void)s;
    *(const json_t **)to = value;
    return NULL;
}

#define AT(field) offsetof(struct settings, field)
#define N(rows)   (sizeof(rows) / sizeof(*(rows)))

static const struct setting tls_rows[] = {
    {"certificate", take_text, AT(certificate_path)},
    {"key", take_text, AT(key_path)},
};

static const struct setting limit_rows[] = {
    {"requests_per_s", take_number, AT(requests_per_s)},
    {"burst", take_number, AT(burst)},
};

static const char *take_tls(struct settings *s, const json_t *value, void *to)
{
    const char *name;
    (void)to;
    return take_all(s, value, tls_rows, N(tls_rows), &name) != NULL
               ? "must be {\"certificate\": FILE, \"key\": FILE}" : NULL;
}

static const char *take_limits(struct settings *s, const json_t *value,
                               void *to)
{
    const char *name;
    (void)to;
    return take_all(s, value, limit_rows, N(limit_rows), &name) != NULL
               ? "must be {\"requests_per_s\": number, \"burst\": number}"
               : NULL;
}

static const struct setting rows[] = {
    {"listen", take_words, AT(listen)},
    {"allowed_hosts", take_words, AT(hosts)},
    {"users_file", take_text, AT(users_path)},
    {"token_file", take_text, AT(tokens_path)},
    {"tls", take_tls, 0},
    {"hide", take_words, AT(hide)},
    {"limits", take_limits, 0},
    {"webhooks", take_json, AT(webhooks)},
};

static const char *take_all(struct settings *s, const json_t *o,
                            const struct setting *table, size_t n,
                            const char **name)
{
    const json_t *value;
    *name = "it";
    if (!json_is_object(o))
        return "must be an object";
    json_object_foreach((json_t *)(uintptr_t)o, *name, value) {
        size_t i = 0;
        while (i < n && strcmp(table[i].name, *name) != 0)
            i++;
        if (i == n)
            return "is no setting";
        const char *why =
            table[i].take(s, value, (char *)s + table[i].to);
        if (why != NULL)
            return why;
    }
    return NULL;
}

static void words_copy(struct settings_words *to, const char *const *from,
                       size_t n)
{
    for (size_t i = 0; i < n && to->n < SETTINGS_WORDS_MAX; i++)
        to->at[to->n++] = from[i];
}

static int settings_fail(struct stint_err *err, const char *format,
                         const char *a, const char *b, const char *c)
{
    err->code = STINT_INVALID;
    snprintf(err->text, sizeof(err->text), format, a, b, c);
    return -1;
}

static int settings_file(struct settings *s, const char *path,
                         struct stint_err *err)
{
    json_error_t why;
    const char *name = NULL;
    struct settings_words listen = s->listen;
    s->root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (s->root == NULL) {
        char line[16];
        snprintf(line, sizeof(line), "%d", why.line);
        return settings_fail(err, "%.80s: line %s: %.80s", path, line,
                             why.text);
    }
    const char *wrong = take_all(s, s->root, rows, N(rows), &name);
    if (wrong != NULL)
        return settings_fail(err, "%.80s: %.40s %s", path, name, wrong);
    if (listen.n > 0)
        s->listen = listen;
    return 0;
}

int settings_read(struct settings *s, const struct broker_options *o,
                  struct stint_err *err)
{
    *s = (struct settings){.users_path = o->users_path,
                           .tokens_path = o->tokens_path,
                           .certificate_path = o->certificate_path,
                           .key_path = o->key_path,
                           .requests_per_s = REQUESTS_PER_S,
                           .burst = REQUESTS_BURST};
    if (o->n_listen > SETTINGS_WORDS_MAX ||
        o->n_allow_hosts > SETTINGS_WORDS_MAX ||
        o->n_hide > SETTINGS_WORDS_MAX)
        return settings_fail(err, "%s%s%s", "an option stands there too often",
                             "", "");
    words_copy(&s->listen, o->listen, o->n_listen);
    words_copy(&s->hosts, o->allow_hosts, o->n_allow_hosts);
    words_copy(&s->hide, o->hide, o->n_hide);
    if (o->config_path != NULL && settings_file(s, o->config_path, err) < 0)
        return -1;
    if ((s->certificate_path == NULL) != (s->key_path == NULL))
        return settings_fail(err, "%s%s%s", "TLS takes a certificate and a "
                             "key", "", "");
    return 0;
}

void settings_close(struct settings *s)
{
    json_decref(s->root);
    s->root = NULL;
}
