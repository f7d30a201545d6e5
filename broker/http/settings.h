/* SPDX-License-Identifier: MIT */
/* What the broker is told to do: options of the command line, and a JSON file
 * behind them. An unknown key is an error.
 *
 *     {"listen": ["0.0.0.0:7420"], "allowed_hosts": ["stint.example.org"],
 *      "users_file": "…", "token_file": "…",
 *      "tls": {"certificate": "…", "key": "…"}, "hide": ["password"],
 *      "limits": {"requests_per_s": 200, "burst": 400}, "webhooks": …} */
#ifndef STINT_BROKER_SETTINGS_H
#define STINT_BROKER_SETTINGS_H

#include <jansson.h>

#include "broker.h"

#define SETTINGS_WORDS_MAX 64

struct settings_words {
    const char *at[SETTINGS_WORDS_MAX];
    size_t n;
};

/* Strings are borrowed from the options and from `root`. */
struct settings {
    json_t *root;              /* the file; owned, NULL: none */
    struct settings_words listen, hosts, hide;
    const char *users_path, *tokens_path, *certificate_path, *key_path;
    double requests_per_s, burst; /* of an address that is not loopback; burst
                                     0: no limit */
    const json_t *webhooks;    /* NULL: none */
};

/* Errors: INVALID, NOMEM. settings_close in any case. */
int settings_read(struct settings *s, const struct broker_options *o,
                  struct stint_err *err);
void settings_close(struct settings *s);

#endif
