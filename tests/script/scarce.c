/* SPDX-License-Identifier: MIT */
/* What is defined here replaces libc's for the whole process. Below it stands
 * libc, or a sanitizer, which must see every allocation. Who asks is told by
 * the return address. strdup is among it because libc's calls malloc itself:
 * then it would be libc that asks. */
#define _GNU_SOURCE /* dladdr, RTLD_NEXT */
#include "scarce.h"

#include <dlfcn.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#ifdef IS_SANITIZED
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
#define OURS __attribute__((visibility("default"), noinline))

void *REAL(malloc)(size_t n);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *p, size_t n);
void *REAL(memalign)(size_t align, size_t n);
void REAL(free)(void *p);

static struct {
    int on, lasts, refused;
    enum scarce what;
    long left; /* to the one that is refused */
} scarcity;
static atomic_long live;

void scarce_begin(enum scarce what, long n, int lasts)
{
    scarcity.what = what;
    scarcity.left = n;
    scarcity.lasts = lasts;
    scarcity.refused = 0;
    scarcity.on = 1;
}

int scarce_end(void)
{
    scarcity.on = 0;
    return scarcity.refused;
}

long scarce_live(void)
{
    return atomic_load(&live);
}

/* Counts a request; 1: it is the one, or one behind it. */
static int refuse(void)
{
    if (--scarcity.left > 0 || (scarcity.left < 0 && !scarcity.lasts))
        return 0;
    scarcity.refused = 1;
    return 1;
}

/* Is it one who has to live with it? */
static int is_meant(const void *caller)
{
    static int meanwhile; /* should dladdr allocate */
    Dl_info in;
    if (!scarcity.on || scarcity.what != SCARCE_MEMORY || meanwhile)
        return 0;
    meanwhile = 1;
    int found = dladdr(caller, &in) != 0 && in.dli_fname != NULL;
    meanwhile = 0;
    if (!found)
        return 0;
    const char *slash = strrchr(in.dli_fname, '/');
    const char *file = slash != NULL ? slash + 1 : in.dli_fname;
    if (strncmp(file, "libhiredis", 10) == 0)
        return HIREDIS_MAJOR >= 1;
    return strncmp(file, "lib", 3) != 0 ||
           strncmp(file, "libjansson", 10) == 0 ||
           strncmp(file, "libevent", 8) == 0;
}

static int no_memory(const void *caller)
{
    if (!is_meant(caller) || !refuse())
        return 0;
    errno = ENOMEM;
    return 1;
}

static void *counted(void *p)
{
    if (p != NULL)
        atomic_fetch_add(&live, 1);
    return p;
}

#define CALLER __builtin_return_address(0)

OURS void *malloc(size_t n)
{
    return no_memory(CALLER) ? NULL : counted(REAL(malloc)(n));
}

OURS void *calloc(size_t n, size_t size)
{
    return no_memory(CALLER) ? NULL : counted(REAL(calloc)(n, size));
}

OURS void *realloc(void *p, size_t n)
{
    if (no_memory(CALLER))
        return NULL;
    void *more = REAL(realloc)(p, n);
    if (p == NULL)
        counted(more);
    else if (more == NULL && n == 0)
        atomic_fetch_sub(&live, 1);
    return more;
}

OURS void free(void *p)
{
    if (p != NULL)
        atomic_fetch_sub(&live, 1);
    REAL(free)(p);
}

OURS void *memalign(size_t align, size_t n)
{
    return no_memory(CALLER) ? NULL : counted(REAL(memalign)(align, n));
}

OURS void *aligned_alloc(size_t align, size_t n)
{
    return no_memory(CALLER) ? NULL : counted(REAL(memalign)(align, n));
}

OURS int posix_memalign(void **p, size_t align, size_t n)
{
    void *at = no_memory(CALLER) ? NULL : counted(REAL(memalign)(align, n));
    if (at == NULL)
        return ENOMEM;
    *p = at;
    return 0;
}

static char *copied(const char *s, size_t len)
{
    char *copy = counted(REAL(malloc)(len + 1));
    if (copy != NULL) {
        memcpy(copy, s, len);
        copy[len] = '\0';
    }
    return copy;
}

OURS char *strdup(const char *s)
{
    return no_memory(CALLER) ? NULL : copied(s, strlen(s));
}

OURS char *strndup(const char *s, size_t n)
{
    return no_memory(CALLER) ? NULL : copied(s, strnlen(s, n));
}

/* ---- System calls ------------------------------------------------------- */

static int no_socket(int code)
{
    if (!scarcity.on || scarcity.what != SCARCE_SOCKETS || !refuse())
        return 0;
    errno = code;
    return 1;
}

/* The next definition of a function, as a pointer of that type. */
#define NEXT(type, name)                                                       \
    (*(type *)(void *)&(void *[]){dlsym(RTLD_NEXT, name)}[0])

OURS int socket(int domain, int type, int protocol)
{
    typedef int (*socket_fn)(int, int, int);
    if (no_socket(EMFILE))
        return -1;
    return NEXT(socket_fn, "socket")(domain, type, protocol);
}

OURS int connect(int fd, const struct sockaddr *to, socklen_t len)
{
    typedef int (*connect_fn)(int, const struct sockaddr *, socklen_t);
    if (no_socket(ECONNREFUSED))
        return -1;
    return NEXT(connect_fn, "connect")(fd, to, len);
}

OURS int nanosleep(const struct timespec *pause, struct timespec *left)
{
    typedef int (*nanosleep_fn)(const struct timespec *, struct timespec *);
    if (scarcity.on)
        return 0;
    return NEXT(nanosleep_fn, "nanosleep")(pause, left);
}
