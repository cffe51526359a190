/* core/env/loop.h: an event loop, as a seam. Production: loop_uv.c, one per thread. Simulator: sim_loop.c, all in one.
 *
 * A loop belongs to one thread: every callback runs there, and every function is called there unless it says "any
 * thread". A turn of the loop: events are handled (streams become readable, jobs are done, messages are delivered, the
 * timer fires), then `before_sleep` runs once, then the loop sleeps until the next event. So one write, one commit and
 * one flush serve all that happened in a turn ("batch by tick"). */
#ifndef CORE_ENV_LOOP_H
#define CORE_ENV_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/env/inbox.h"

#define LOOP_NEVER UINT64_MAX

struct loop;

struct loop_ops {
    uint64_t (*now_ns)(struct loop *loop); /* the clock, read once a turn of the loop */
    void (*wake)(struct loop *loop);       /* any thread: messages wait in the inbox */
    void (*set_timer)(struct loop *loop, uint64_t at_ns);
};

/** Implementations embed it first. `user` and the callbacks are set once, by loop_own, before the loop runs. */
struct loop {
    const struct loop_ops *ops;
    struct inbox inbox;
    void (*on_timer)(void *user);
    bool (*on_before_sleep)(void *user); /* true: there is more to do, so don't sleep: handle events and call again */
    void *user;
};

static inline void loop_own(struct loop *loop, void *user, void (*on_timer)(void *), bool (*on_before_sleep)(void *))
{
    loop->user = user;
    loop->on_timer = on_timer;
    loop->on_before_sleep = on_before_sleep;
}

/** Monotonic nanoseconds, as of this turn of the loop. */
static inline uint64_t loop_now_ns(struct loop *loop)
{
    return loop->ops->now_ns(loop);
}

/** One timer a loop: calls on_timer once when the clock reaches at_ns; LOOP_NEVER disarms; a new time replaces the
 * old one. */
static inline void loop_set_timer(struct loop *loop, uint64_t at_ns)
{
    loop->ops->set_timer(loop, at_ns);
}

/** Any thread. Hands `message` to the loop, which calls message->deliver on its own thread. Messages of one sender
 * arrive in the order sent. The loop must still be running, or be drained by who stops it. */
static inline void loop_post(struct loop *loop, struct message *message)
{
    if (inbox_push(&loop->inbox, message)) {
        loop->ops->wake(loop);
    }
}

#endif
