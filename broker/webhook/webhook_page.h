/* SPDX-License-Identifier: MIT */
/* What a hook's call brings from Redis: whether it goes on, how far, and the
 * bodies to be sent. */
#ifndef STINT_BROKER_WEBHOOK_PAGE_H
#define STINT_BROKER_WEBHOOK_PAGE_H

#include "webhook_config.h"

#define WEBHOOK_PAGE 100 /* events of a page, at most */

struct webhook_item {
    char *id;   /* GROUP/CURSOR; owned */
    char *body; /* owned; NULL: it was handed on */
};

struct webhook_page {
    int is_held;  /* the lease is ours */
    char cursor[STINT_CURSOR_LEN + 1]; /* behind the page */
    struct webhook_item items[WEBHOOK_PAGE];
    size_t n;
};

void webhook_page_close(struct webhook_page *p);
/* Renews the lease, says how far we have come (at; NULL: as before) and, if
 * `more`, reads on. In a call of stint_async. */
int webhook_page_read(struct webhook_page *p, stint *s,
                      const struct webhook_config *c, const char *who,
                      const char *at, int more, struct stint_err *err);

#endif
