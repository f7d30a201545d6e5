/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* explicit_bzero, O_CLOEXEC */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_GROUPS_MAX 256 /* with more it goes by the first alone */

int secret_make(char text[static SECRET_TEXT + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[SECRET_BYTES];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -1;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[SECRET_TEXT] = '\0';
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

int secret_is(const char *given, const char *wanted)
{
    size_t n = strlen(given), m = strlen(wanted);
    volatile unsigned char differs = n != m || m == 0;
    for (size_t i = 0; i < n; i++)
        differs |= (unsigned char)(given[i] ^ wanted[m > 0 ? i % m : 0]);
    return !differs;
}

void secret_forget(void *bytes, size_t len)
{
    explicit_bzero(bytes, len);
}

/* Of root, and readable by a group of ours: so a secret comes to a process that
 * is not root, as in Kubernetes (fsGroup). */
static int is_of_our_group(const struct stat *st)
{
    gid_t groups[SECRET_GROUPS_MAX];
    if (st->st_uid != 0 || (st->st_mode & 0037) != 0)
        return 0;
    if (st->st_gid == getegid())
        return 1;
    int n = getgroups(SECRET_GROUPS_MAX, groups);
    for (int i = 0; i < n; i++)
        if (groups[i] == st->st_gid)
            return 1;
    return 0;
}

static int secret_may_read(int fd, size_t most, size_t *len, char *why,
                           size_t cap)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        snprintf(why, cap, "it is no file");
    else if (st.st_uid != geteuid() && st.st_uid != 0)
        snprintf(why, cap, "it belongs to somebody else");
    else if ((st.st_mode & 0077) != 0 && !is_of_our_group(&st))
        snprintf(why, cap, "others may read or change it: chmod 600");
    else if ((uintmax_t)st.st_size > most)
        snprintf(why, cap, "it has over %zu bytes", most);
    else {
        *len = (size_t)st.st_size;
        return 0;
    }
    return -1;
}

char *secret_read(const char *path, size_t most, char *why, size_t cap)
{
    size_t len = 0, n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        snprintf(why, cap, "%s", strerror(errno));
        return NULL;
    }
    char *text = NULL;
    if (secret_may_read(fd, most, &len, why, cap) == 0) {
        text = calloc(1, len + 1);
        if (text == NULL)
            snprintf(why, cap, "out of memory");
    }
    while (text != NULL && n < len) {
        ssize_t got = read(fd, text + n, len - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    if (text != NULL && (n < len || strlen(text) != len)) {
        snprintf(why, cap, "it cannot be read, or is no text");
        secret_forget(text, len);
        free(text);
        return NULL;
    }
    return text;
}
