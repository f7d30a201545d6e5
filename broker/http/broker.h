/* SPDX-License-Identifier: MIT */
/* The HTTP face of Stint, as the program runs it. */
#ifndef STINT_BROKER_BROKER_H
#define STINT_BROKER_BROKER_H

#include <stddef.h>
#include <stint/stint.h>

struct broker_options {
    const char *url;        /* as in stint_options */
    const char *name_space;
    const char *config_path; /* JSON; NULL: none. What follows goes before it */
    const char *const *listen; /* "127.0.0.1:7420", "[::1]:0"; none: the
                                  file's, else the first of these */
    size_t n_listen;
    const char *users_path;
    const char *tokens_path;
    const char *certificate_path;
    const char *key_path;
    const char *const *allow_hosts; /* besides those of listen */
    size_t n_allow_hosts;
    const char *const *hide;  /* names of fields; besides the file's */
    size_t n_hide;
    stint_log_fn log;         /* NULL: no log */
    void *log_arg;
    /* Told of each address it listens on, "http://127.0.0.1:7420". */
    void (*listening)(const char *url, void *arg);
    void *listening_arg;
};

/* Runs until SIGTERM or SIGINT, which it handles meanwhile, and SIGHUP, which
 * reads users and tokens again. Redis need not be there. Errors: INVALID (the
 * configuration; it listens beyond loopback without authentication), SYSTEM
 * (it cannot listen), NOMEM. */
int broker_run(const struct broker_options *o, struct stint_err *err);

#endif
