/* SPDX-License-Identifier: MIT */
/* The handlers of routes.c, by file. */
#ifndef STINT_BROKER_HANDLE_H
#define STINT_BROKER_HANDLE_H

#include "call.h"

#define HANDLER(name)                                                          \
    int handle_##name(stint *s, struct call *c, struct stint_err *err)

/* handle_root.c */
HANDLER(healthz);
HANDLER(root);
/* handle_login.c */
HANDLER(login);
HANDLER(logout);

#endif
