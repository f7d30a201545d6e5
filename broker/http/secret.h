/* SPDX-License-Identifier: MIT */
/* Secrets: made, compared, forgotten. */
#ifndef STINT_BROKER_SECRET_H
#define STINT_BROKER_SECRET_H

#include <stddef.h>

#define SECRET_BYTES 32
#define SECRET_TEXT  (2 * SECRET_BYTES) /* in hexadecimal digits */

/* 256 random bits as text. -1: the system has none. */
int secret_make(char text[static SECRET_TEXT + 1]);
/* In a time that tells nothing but the length of `given`. */
int secret_is(const char *given, const char *wanted);
void secret_forget(void *bytes, size_t len);
/* The lines of a file that only its owner may read (mode & 0077 is 0), owned by
 * us or root; one of root's may also be readable (never more) by a group that
 * is one of ours. A text, at most `most` bytes, that the caller forgets and
 * frees. NULL: *why (of `cap` bytes) says what is wrong. */
char *secret_read(const char *path, size_t most, char *why, size_t cap);

#endif
