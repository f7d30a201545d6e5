/* SPDX-License-Identifier: MIT */
/* A blocking store on a Redis that could not be reached at first: each flight
 * of calls tries to open the real one, and once that succeeds all go there. */
#ifndef STINT_LIB_STORE_LATE_H
#define STINT_LIB_STORE_LATE_H

#include "conf.h"
#include "store.h"

/* NULL: err is NOMEM. */
struct store *store_late_open(const struct conf *conf, int64_t timeout_ms,
                              struct stint_err *err);

#endif
