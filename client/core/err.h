/* SPDX-License-Identifier: MIT */
/* Errors (for the world) and check() (for us). */
#ifndef STINT_CORE_ERR_H
#define STINT_CORE_ERR_H

#include <stint/stint.h>

/* Sets *err unless it is set already: the first error wins. Returns -1. */
int err_set(struct stint_err *err, enum stint_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " before the text. Returns -1. */
int err_wrap(struct stint_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Sets SYSTEM with strerror(errno). Returns -1. */
int err_errno(struct stint_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* From an error reply of Redis: its first word is looked up in STINT_CODES
 * (WRONGPASS and NOPERM are AUTH). Returns -1. */
int err_from_reply(struct stint_err *err, const char *text, size_t len);
/* Adds a wrong field to the list; beyond STINT_ERRORS_MAX it is dropped. */
void errors_add(struct stint_errors *errors, const char *field,
                const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Never compiled out: file, line, condition, abort. */
#define check(x) ((x) ? (void)0 : check_failed(__FILE__, __LINE__, #x))
_Noreturn void check_failed(const char *file, int line, const char *what);

#endif
