/* SPDX-License-Identifier: MIT */
/* What is defined here replaces libc's for the whole process. Below it stands
 * libc, or a sanitizer, which must see every allocation. Who asks is told by
 * the return address. strdup is among it because libc's calls malloc itself:
 * then it would be libc that asks. */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include "scarce.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static struct scarcity own;
static struct scarcity *shared = &own;
static atomic_long live;

/* ---- Who asks ------------------------------------------------------------ */

/* Code that has to live with a refusal; found once, as dladdr may wait for
 * locks that a fork of a process with threads would wait for in vain. */
struct code {
    uintptr_t from, until, base;
    int is_hiredis;
    char file[32];
};
static struct code codes[64];
static int n_codes;

static int is_ours(const char *file)
{
    return strncmp(file, "lib", 3) != 0 ||
           (strncmp(file, "libstint", 8) == 0 &&
            strncmp(file, "libstint-scarce", 15) != 0) ||
           strncmp(file, "libjansson", 10) == 0 ||
           strncmp(file, "libhiredis", 10) == 0 ||
           strncmp(file, "libevent", 8) == 0;
}

static int code_note(struct dl_phdr_info *info, size_t size, void *arg)
{
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *file = slash != NULL ? slash + 1 : info->dlpi_name;
    (void)size, (void)arg;
    if (!is_ours(file) || strncmp(file, "ld-", 3) == 0 ||
        strncmp(file, "linux-vdso", 10) == 0)
        return 0;
    for (int i = 0; i < info->dlpi_phnum && n_codes < 64; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type != PT_LOAD || !(h->p_flags & PF_X))
            continue;
        struct code *c = &codes[n_codes++];
        c->base = info->dlpi_addr;
        c->from = c->base + h->p_vaddr;
        c->until = c->from + h->p_memsz;
        c->is_hiredis = strncmp(file, "libhiredis", 10) == 0;
        snprintf(c->file, sizeof(c->file), "%s", *file ? file : "program");
    }
    return 0;
}

static const struct code *code_of(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    for (int i = 0; i < n_codes; i++)
        if (at >= codes[i].from && at < codes[i].until)
            return &codes[i];
    return NULL;
}

/* ---- Whether it is refused ----------------------------------------------- */

void scarce_share(struct scarcity *s)
{
    if (n_codes == 0)
        dl_iterate_phdr(code_note, NULL);
    shared = s != NULL ? s : &own;
}

struct scarcity *scarce_now(void)
{
    return shared;
}

void scarce_begin(enum scarce what, long n, int lasts)
{
    scarce_share(shared);
    shared->what = what;
    atomic_store(&shared->left, n);
    shared->lasts = lasts;
    atomic_store(&shared->refused, 0);
    atomic_store(&shared->on, 1);
}

void scarce_begin_call(long n, unsigned errors)
{
    shared->errors = errors;
    scarce_begin(SCARCE_CALLS, n, 0);
}

int scarce_end(void)
{
    atomic_store(&shared->on, 0);
    return atomic_load(&shared->refused);
}

const char *scarce_what(void)
{
    static char text[80];
    snprintf(text, sizeof(text), "%s: %s", shared->call,
             shared->error ? strerror(shared->error) : "in part");
    return text;
}

long scarce_live(void)
{
    return atomic_load(&live);
}

static uint64_t site_key(const struct code *c, const char *call, uint64_t at)
{
    uint64_t h = at * UINT64_C(0x9e3779b97f4a7c15);
    for (const char *s = c->file; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
    for (const char *s = call; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
    h ^= h >> 31;
    return h ? h : 1;
}

/* Notes the place, if there is room. */
static void site_note(uint64_t key, const struct code *c, const char *call,
                      uint64_t at)
{
    for (unsigned i = 0; i < SCARCE_SITES; i++) {
        struct scarce_site *s =
            &shared->sites[(key + i) & (SCARCE_SITES - 1)];
        uint64_t none = 0;
        if (atomic_compare_exchange_strong(&s->key, &none, key)) {
            snprintf(s->call, sizeof(s->call), "%s", call);
            snprintf(s->file, sizeof(s->file), "%s", c->file);
            s->offset = at;
        }
        if (atomic_load(&s->key) == key) {
            atomic_fetch_add(&s->met, 1);
            return;
        }
    }
}

int scarce_refuses(enum scarce what, const char *call, const void *caller)
{
    if (!atomic_load(&shared->on) ||
        (shared->what == SCARCE_MEMORY) != (what == SCARCE_MEMORY) ||
        (shared->what == SCARCE_SOCKETS && what != SCARCE_SOCKETS))
        return 0;
    const struct code *c = code_of(caller);
    if (c == NULL || (what == SCARCE_MEMORY && c->is_hiredis &&
                      HIREDIS_MAJOR < 1))
        return 0;
    uint64_t at = (uintptr_t)caller - c->base;
    uint64_t key = site_key(c, call, at);
    if (shared->notes)
        site_note(key, c, call, at);
    if (shared->site != 0 && shared->site != key)
        return 0;
    long left = atomic_fetch_sub(&shared->left, 1) - 1;
    if (left > 0 || (left < 0 && !shared->lasts))
        return 0;
    atomic_store(&shared->refused, 1);
    snprintf(shared->call, sizeof(shared->call), "%s", call);
    shared->error = what == SCARCE_MEMORY ? ENOMEM : 0;
    shared->failed = key;
    return 1;
}

/* ---- Memory --------------------------------------------------------------- */

static int no_memory(const void *caller)
{
    if (!scarce_refuses(SCARCE_MEMORY, "malloc", caller))
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
