/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* dladdr */
#include "memory_link.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"

int memory_is_url(const char *url)
{
    if (url == NULL || *url == '\0')
        url = getenv("STINT_URL");
    return url != NULL && strcmp(url, MEMORY_URL) == 0;
}

/* Where we have been loaded from, with the module's name. 0: not known, or it
 * is not there. */
static int module_beside(char *path, size_t cap)
{
    static const char here;
    Dl_info info;
    if (dladdr(&here, &info) == 0 || info.dli_fname == NULL)
        return 0;
    const char *slash = strrchr(info.dli_fname, '/');
    int dir_len = slash != NULL ? (int)(slash + 1 - info.dli_fname) : 0;
    int n = snprintf(path, cap, "%.*s%s", dir_len, info.dli_fname,
                     MEMORY_FILE);
    return slash != NULL && n > 0 && (size_t)n < cap &&
           access(path, R_OK) == 0;
}

/* Each hold has its own, which the loader counts. */
static int module_load(struct memory_link *l, struct stint_err *err)
{
    const struct memory_api *(*entry)(uint32_t abi);
    char path[4096];
    int flags = RTLD_NOW | RTLD_LOCAL;
    l->module = dlopen(module_beside(path, sizeof(path)) ? path : MEMORY_FILE,
                       flags);
    if (l->module == NULL)
        return err_set(err, STINT_INVALID, MEMORY_URL " needs " MEMORY_FILE
                       " (%.140s)", dlerror());
    /* What dlsym finds is a function, which C cannot say. */
    void *symbol = dlsym(l->module, MEMORY_ENTRY);
    memcpy(&entry, &symbol, sizeof(entry));
    l->api = symbol != NULL ? entry(MEMORY_ABI) : NULL;
    if (l->api != NULL && strcmp(l->api->version, stint_version()) == 0)
        return 0;
    return err_set(err, STINT_INVALID, MEMORY_URL " needs " MEMORY_FILE " of "
                   "this version, %s (found is %.20s)", stint_version(),
                   l->api != NULL ? l->api->version : "another");
}

int memory_link_open(struct memory_link *l, struct stint_err *err)
{
    int rc = module_load(l, err);
    if (rc == 0) {
        l->server = l->api->server_new(err);
        rc = l->server != NULL ? 0 : -1;
    }
    if (rc != 0)
        memory_link_close(l);
    return rc;
}

int memory_link_share(struct memory_link *l, const struct memory_link *of,
                      struct stint_err *err)
{
    if (module_load(l, err) != 0) {
        memory_link_close(l);
        return -1;
    }
    l->server = of->server;
    l->api->server_ref(l->server);
    return 0;
}

void memory_link_close(struct memory_link *l)
{
    if (l->server != NULL)
        l->api->server_unref(l->server);
    if (l->module != NULL)
        (void)dlclose(l->module);
    *l = (struct memory_link){0};
}
