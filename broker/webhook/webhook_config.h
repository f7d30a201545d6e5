/* SPDX-License-Identifier: MIT */
/* The webhooks of a broker's configuration: where ends of which tasks are told.
 *
 *   {"name": "billing", "url": "http://127.0.0.1:8080/stint",
 *    "secret_file": "/etc/stint/billing.secret", "groups": ["main"],
 *    "functions": ["invoice"], "statuses": ["FAILED", "TIMEOUT"],
 *    "timeout_s": 10}
 *
 * Only name and url are needed; a list that is left out fits everything. Unknown
 * keys are errors. No other place can name a URL. */
#ifndef STINT_BROKER_WEBHOOK_CONFIG_H
#define STINT_BROKER_WEBHOOK_CONFIG_H

#include <stddef.h>

#include <jansson.h>
#include <stint/stint.h>

#define WEBHOOKS_MAX         32
#define WEBHOOK_NAMES_MAX    256  /* of one list */
#define WEBHOOK_SECRET_MAX   1024 /* bytes */
#define WEBHOOK_URL_MAX      2000
#define WEBHOOK_NAME_MAX     64

struct webhook_config {
    char name[WEBHOOK_NAME_MAX + 1];
    int is_https;
    char *host;           /* owned, all of these; without brackets */
    int port;
    char *path;           /* with the query, "/" at least */
    char *host_header;
    unsigned char secret[WEBHOOK_SECRET_MAX];
    size_t secret_len;    /* 0: what is sent is not signed */
    json_t *groups, *functions, *statuses; /* arrays of strings, or NULL */
    double timeout_s;     /* of one try */
};

/* Fills a row of the array; webhook_config_close it in any case. -1: err,
 * INVALID with the name or number of the hook. */
int webhook_config_read(struct webhook_config *c, const json_t *object,
                        size_t number, struct stint_err *err);
void webhook_config_close(struct webhook_config *c);
/* 1: it is to be told of. */
int webhook_config_fits(const struct webhook_config *c,
                        const struct stint_event *e);

#endif
