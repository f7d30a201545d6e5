/* SPDX-License-Identifier: MIT */
/* The files of broker/web, embedded by cmake/embed_web.cmake. */
#ifndef STINT_BROKER_ASSETS_H
#define STINT_BROKER_ASSETS_H

#include <stddef.h>

struct asset {
    const char *path; /* "/app.js" */
    const char *type;
    const char *etag; /* with its quotes */
    const unsigned char *bytes;
    size_t len;
};
extern const struct asset assets[];
extern const size_t assets_n;

/* broker/api/openapi.json, with the version in it: one row. */
extern const struct asset openapi[];

#endif
