/* tests/conformance/loop_suite.h: what every filling of core/env/loop.h and core/env/work.h must do.
 *
 * A case knows nothing of what is below the seams but a `loop_world`: two loops, the second on a thread of its own
 * where there are threads. loop_uv.c and work_uv.c are given one by test_loop_uv.c, a guest on a program's own loop by
 * test_loop_attach_uv.c; the simulator's loops and jobs pass the same cases in theirs, which keeps the simulator
 * honest. */
#ifndef TESTS_CONFORMANCE_LOOP_SUITE_H
#define TESTS_CONFORMANCE_LOOP_SUITE_H

#include "core/env/clock.h"
#include "core/env/loop.h"
#include "core/env/work.h"

struct loop_world {
    struct loop *main, *other;
    struct clock *clock;
    struct work *work;
    /** Lets both loops run until stop() was called; false if limit_ms were over before. May be called again. */
    bool (*run)(struct loop_world *world, uint64_t limit_ms);
    /** On main's thread, while it runs. */
    void (*stop)(struct loop_world *world);
};

/*    case                 what it is about */
#define LOOP_SUITE(X)                                                                                                  \
    X(posted_before)   /* messages posted before the loop runs are delivered when it does */                           \
    X(order)           /* messages of each sender arrive in the order sent, whoever sends between */                   \
    X(at_home)         /* a message is delivered on the thread of the loop it was posted to */                         \
    X(wakes)           /* a message wakes a loop that sleeps */                                                        \
    X(freed)           /* a message may be freed by its deliver */                                                     \
    X(flush)           /* on_before_sleep runs after whatever was delivered, before the loop sleeps */                 \
    X(busy)            /* true from on_before_sleep: called again at once; false: the loop sleeps */                   \
    X(busy_is_fair)    /* while on_before_sleep says true, messages arrive and the timer fires */                      \
    X(post_at_the_end) /* what on_before_sleep posts to its own loop is delivered */                                   \
    X(timer_exact)     /* the timer never fires before its time by the clock, and once only */                         \
    X(timer_never)     /* LOOP_NEVER disarms */                                                                        \
    X(timer_moves)     /* a new time, sooner or later, replaces the old one */                                         \
    X(timer_past)      /* a time that is past fires soon */                                                            \
    X(timer_each_turn) /* set anew at the end of each turn, as cores do, it still fires */                             \
    X(now_stands)      /* the loop's time is the same all through a turn */                                            \
    X(now_moves)       /* and has moved on after a sleep, never past the clock */                                      \
    X(now_after_sleep) /* also when a message ended the sleep */                                                       \
    X(jobs)            /* each job runs once and is done once, at home */                                              \
    X(jobs_follow)     /* a job's done may submit the next */

#define LOOP_SUITE_DECLARE(name) void loop_suite_##name(struct loop_world *world);
LOOP_SUITE(LOOP_SUITE_DECLARE)
#undef LOOP_SUITE_DECLARE

#endif
