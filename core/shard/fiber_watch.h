/* core/shard/fiber_watch.h: tells those who watch memory and threads (ASan, TSan, valgrind) about stacks and switches.
 * For fiber.c alone. In a build without them all of this is nothing, but for valgrind's: a few instructions a mapping,
 * which do nothing outside of it. */
#ifndef CORE_SHARD_FIBER_WATCH_H
#define CORE_SHARD_FIBER_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FIBER_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define FIBER_TSAN 1
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define FIBER_VALGRIND 1
#endif

/* Frames are a few times larger where every variable has red zones or is reported on. */
#if defined FIBER_ASAN || defined FIBER_TSAN
#define FIBER_STACK_FACTOR 4u
#else
#define FIBER_STACK_FACTOR 1u
#endif
/* TSan takes a fiber for a thread, of which it knows 8,128, and dies when there are more. */
#ifdef FIBER_TSAN
#define FIBER_WATCHED_MAX 1000u
#else
#define FIBER_WATCHED_MAX ((size_t)-1)
#endif

/* Inlined at every level of optimisation: TSan notes each function's entry and exit on the stack it thinks it is on, so
 * a function can't be entered on one and left on the other. */
#define FIBER_WATCH __attribute__((always_inline)) static inline

/** What the watchers want to know of a fiber. */
struct fiber_watch {
    char *stack; /* its lowest byte */
    size_t size;
    unsigned valgrind_id;
#ifdef FIBER_ASAN
    void *fake_stack; /* of the fiber while it waits */
    void *runner_fake_stack;
    const void *runner_stack;
    size_t runner_size;
#endif
#ifdef FIBER_TSAN
    void *context, *runner_context;
#endif
};

/* A stack comes and goes. */

FIBER_WATCH void watch_mapped(struct fiber_watch *watch, char *stack, size_t size)
{
    watch->stack = stack;
    watch->size = size;
#ifdef FIBER_VALGRIND
    watch->valgrind_id = VALGRIND_STACK_REGISTER(stack, stack + size);
#endif
#ifdef FIBER_ASAN
    __lsan_register_root_region(stack, size); /* what a waiting fiber alone points to has not leaked */
#endif
}

FIBER_WATCH void watch_unmapping(struct fiber_watch *watch)
{
#ifdef FIBER_VALGRIND
    VALGRIND_STACK_DEREGISTER(watch->valgrind_id);
#endif
#ifdef FIBER_ASAN
    __lsan_unregister_root_region(watch->stack, watch->size);
    __asan_unpoison_memory_region(watch->stack, watch->size);
#endif
}

/* A fiber on it begins, or is given up while it waits. */

FIBER_WATCH void watch_begin(struct fiber_watch *watch)
{
#ifdef FIBER_ASAN
    watch->fake_stack = NULL;
    __asan_unpoison_memory_region(watch->stack, watch->size); /* frames that never returned left red zones */
#endif
#ifdef FIBER_TSAN
    watch->context = __tsan_create_fiber(0);
#endif
}

FIBER_WATCH void watch_abandoned(struct fiber_watch *watch)
{
#ifdef FIBER_ASAN
    /* ASan frees a fake stack only for who leaves it forever; so enter that of an abandoned fiber, by word alone. */
    if (watch->fake_stack != NULL) {
        void *fake_stack = NULL;
        const void *stack = NULL;
        size_t size = 0;
        __sanitizer_start_switch_fiber(&fake_stack, watch->stack, watch->size);
        __sanitizer_finish_switch_fiber(watch->fake_stack, &stack, &size);
        __sanitizer_start_switch_fiber(NULL, stack, size);
        __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
        watch->fake_stack = NULL;
    }
#endif
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(watch->context);
#endif
}

/* Switches: *_leaving just before, *_arrived just after, on the other stack. */

FIBER_WATCH void watch_runner_leaving(struct fiber_watch *watch)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&watch->runner_fake_stack, watch->stack, watch->size);
#endif
#ifdef FIBER_TSAN
    watch->runner_context = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(watch->context, 0);
#endif
}

FIBER_WATCH void watch_fiber_arrived(struct fiber_watch *watch)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(watch->fake_stack, &watch->runner_stack, &watch->runner_size);
#endif
}

FIBER_WATCH void watch_fiber_leaving(struct fiber_watch *watch, bool forever)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(forever ? NULL : &watch->fake_stack, watch->runner_stack, watch->runner_size);
    if (forever) {
        watch->fake_stack = NULL;
    }
#endif
#ifdef FIBER_TSAN
    __tsan_switch_to_fiber(watch->runner_context, 0);
#endif
}

FIBER_WATCH void watch_runner_arrived(struct fiber_watch *watch, bool ended)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(watch->runner_fake_stack, NULL, NULL);
#endif
#ifdef FIBER_TSAN
    if (ended) {
        __tsan_destroy_fiber(watch->context);
    }
#endif
}

#endif
