/* SPDX-License-Identifier: MIT */
/* Fibers by ucontext. A fiber goes round in a loop, one function after the
 * other, so that its stack is made and made known once. Sanitizers must be told
 * of every switch. */
#define _GNU_SOURCE /* MAP_STACK, MAP_NORESERVE */
#include "fiber.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "bounds.h"
#include "err.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#elif __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#if defined(FIBER_ASAN) || defined(FIBER_TSAN)
#define STACK_BYTES (4 * (size_t)FIBER_STACK_BYTES) /* frames are larger */
#else
#define STACK_BYTES ((size_t)FIBER_STACK_BYTES)
#endif

struct fiber {
    ucontext_t own, resumer; /* each as it was when it was left */
    void *map;               /* the guard page, and the stack above it */
    size_t map_bytes;
    fiber_fn fn; /* NULL: at rest */
    void *arg;
#ifdef FIBER_ASAN
    void *own_fake, *resumer_fake; /* of detect_stack_use_after_return */
    const void *resumer_stack;     /* where it is, and how large */
    size_t resumer_bytes;
#endif
#ifdef FIBER_TSAN
    void *own_tsan, *resumer_tsan;
#endif
};

/* ---- What sanitizers are told ------------------------------------------- */

#ifdef FIBER_ASAN
static void switch_begin(struct fiber *f, int inward)
{
    if (inward)
        __sanitizer_start_switch_fiber(
            &f->resumer_fake, (char *)f->map + f->map_bytes - STACK_BYTES,
            STACK_BYTES);
    else
        __sanitizer_start_switch_fiber(&f->own_fake, f->resumer_stack,
                                       f->resumer_bytes);
}

static void switch_end(struct fiber *f, int inward)
{
    if (inward)
        __sanitizer_finish_switch_fiber(f->own_fake, &f->resumer_stack,
                                        &f->resumer_bytes);
    else
        __sanitizer_finish_switch_fiber(f->resumer_fake, NULL, NULL);
}
#else
#define switch_end(f, inward) ((void)0)
#endif

#ifdef FIBER_TSAN
static void switch_begin(struct fiber *f, int inward)
{
    if (inward)
        f->resumer_tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(inward ? f->own_tsan : f->resumer_tsan, 0);
}
#elif !defined(FIBER_ASAN)
#define switch_begin(f, inward) ((void)0)
#endif

/* ---- Switching ---------------------------------------------------------- */

int fiber_resume(struct fiber *f)
{
    check(f->fn != NULL);
    /* What is blocked now stays blocked, not what was when it yielded. */
    check(pthread_sigmask(SIG_SETMASK, NULL, &f->own.uc_sigmask) == 0);
    switch_begin(f, 1);
    check(swapcontext(&f->resumer, &f->own) == 0);
    switch_end(f, 0);
    return f->fn == NULL;
}

void fiber_yield(struct fiber *f)
{
    switch_begin(f, 0);
    check(swapcontext(&f->own, &f->resumer) == 0);
    switch_end(f, 1);
}

/* makecontext hands over ints only. */
static void fiber_main(unsigned high, unsigned low)
{
    struct fiber *f =
        (struct fiber *)(uintptr_t)((uint64_t)high << 32 | (uint64_t)low);
    switch_end(f, 1);
    for (;;) {
        f->fn(f->arg);
        f->fn = NULL;
        fiber_yield(f);
    }
}

void fiber_start(struct fiber *f, fiber_fn fn, void *arg)
{
    check(f->fn == NULL);
    f->fn = fn;
    f->arg = arg;
}

/* ---- Stacks ------------------------------------------------------------- */

static int stack_map(struct fiber *f)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    f->map_bytes = page + STACK_BYTES;
    f->map = mmap(NULL, f->map_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1,
                  0);
    if (f->map == MAP_FAILED) {
        f->map = NULL;
        return -1;
    }
    return mprotect(f->map, page, PROT_NONE); /* an overflow ends here */
}

static void stack_enter(struct fiber *f)
{
    uint64_t at = (uint64_t)(uintptr_t)f;
    check(getcontext(&f->own) == 0);
    f->own.uc_stack.ss_sp = (char *)f->map + f->map_bytes - STACK_BYTES;
    f->own.uc_stack.ss_size = STACK_BYTES;
    f->own.uc_link = NULL; /* it never ends */
    makecontext(&f->own, (void (*)(void))fiber_main, 2, (unsigned)(at >> 32),
                (unsigned)at);
}

struct fiber *fiber_new(void)
{
    struct fiber *f = calloc(1, sizeof(*f));
    if (f == NULL || stack_map(f)) {
        fiber_free(f);
        return NULL;
    }
    stack_enter(f);
#ifdef FIBER_TSAN
    f->own_tsan = __tsan_create_fiber(0);
#endif
    return f;
}

void fiber_free(struct fiber *f)
{
    if (f == NULL)
        return;
#ifdef FIBER_TSAN
    if (f->own_tsan != NULL)
        __tsan_destroy_fiber(f->own_tsan);
#endif
#ifdef FIBER_ASAN
    if (f->map != NULL) /* its frames are left behind, others may come there */
        __asan_unpoison_memory_region(f->map, f->map_bytes);
#endif
    if (f->map != NULL)
        munmap(f->map, f->map_bytes);
    free(f);
}
