/* core/env/guest_uv.c: how a libuv loop keeps the promises of core/env/loop.h.
 *
 * A turn is one iteration of uv_run: poll (streams, jobs, the wake of the inbox), timers, then `prepare`, which runs
 * right before the next poll: there on_before_sleep is called. From there until it is known that the poll will sleep,
 * nobody need wake the loop: what was posted meanwhile is found at the end of the turn. */
#include "core/env/guest_uv.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"

#define NAP_MAX_NS 1000000u

static struct guest_uv *self(struct loop *loop)
{
    return (struct guest_uv *)loop;
}

static uint64_t now_ns(struct loop *loop)
{
    struct guest_uv *g = self(loop);
    if (g->now_ns == 0) {
        g->now_ns = clock_now_ns(g->clock);
    }
    return g->now_ns;
}

/* Not a uv_async_t: its receiver spins until the sender is through, and where that one was preempted by the very wake,
 * as happens when both run on one processor, burns 30 us and more on each. */
static void wake(struct loop *loop)
{
    uint64_t one = 1;
    CHECK(write(self(loop)->wake_fd, &one, sizeof one) == (ssize_t)sizeof one);
}

static void arm(struct guest_uv *g);

static void fire(struct guest_uv *g)
{
    g->timer_at_ns = LOOP_NEVER;
    if (g->loop.on_timer != NULL) {
        g->loop.on_timer(g->loop.user);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct guest_uv *g = timer->data;
    g->now_ns = clock_now_ns(g->clock);
    if (g->now_ns < g->timer_at_ns) { /* libuv counts whole ms of another clock; or the time was moved back */
        arm(g);
        return;
    }
    fire(g);
}

static void arm(struct guest_uv *g)
{
    uint64_t now = clock_now_ns(g->clock);
    uint64_t ns = g->timer_at_ns > now ? g->timer_at_ns - now : 0;
    uv_update_time(g->timer.loop); /* libuv counts from its own idea of now, as old as the turn */
    uv_timer_start(&g->timer, on_timer, ns / NS_PER_MS + (ns % NS_PER_MS != 0), 0);
}

static void set_timer(struct loop *loop, uint64_t at_ns)
{
    struct guest_uv *g = self(loop);
    if (at_ns == g->timer_at_ns) {
        return;
    }
    bool sooner = at_ns < g->timer_at_ns;
    g->timer_at_ns = at_ns;
    if (at_ns == LOOP_NEVER) {
        uv_timer_stop(&g->timer);
    } else if (sooner || !uv_is_active((uv_handle_t *)&g->timer)) {
        arm(g);
    } /* else it fires early once, and is armed anew: cheaper than moving it each time that a deadline is met */
}

static const struct loop_ops ops = {now_ns, wake, set_timer};

static void on_woken(uv_poll_t *woken, int status, int events)
{
    struct guest_uv *g = woken->data;
    uint64_t wakes;
    CHECK(read(g->wake_fd, &wakes, sizeof wakes) == (ssize_t)sizeof wakes);
    inbox_deliver(&g->loop.inbox);
}

static void no_idle(uv_idle_t *idle) {}

bool guest_uv_before_sleep(struct guest_uv *g)
{
    return g->loop.on_before_sleep != NULL && g->loop.on_before_sleep(g->loop.user);
}

/* libuv's timers count whole milliseconds. A time that is nearer is slept for here, on the same descriptors, so that
 * whatever happens meanwhile ends the sleep; libuv then only looks. */
static bool nap(struct guest_uv *g)
{
    if (!g->naps || g->timer_at_ns > now_ns(&g->loop) + NAP_MAX_NS || uv_is_closing((uv_handle_t *)&g->idle)) {
        return false;
    }
    uint64_t now = clock_now_ns(g->clock);
    if (g->timer_at_ns > now) {
        struct pollfd poll = {.fd = uv_backend_fd(g->timer.loop), .events = POLLIN};
        ppoll(&poll, 1, &(struct timespec){.tv_nsec = (long)(g->timer_at_ns - now)}, NULL);
    }
    return true;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct guest_uv *g = prepare->data;
    inbox_awake(&g->loop.inbox);
    inbox_deliver(&g->loop.inbox);
    if (g->timer_at_ns != LOOP_NEVER && now_ns(&g->loop) >= g->timer_at_ns) {
        fire(g);
    }
    bool more = guest_uv_before_sleep(g) || !inbox_asleep(&g->loop.inbox) || nap(g);
    if (!more) {
        uv_idle_stop(&g->idle);
    } else if (!uv_is_closing((uv_handle_t *)&g->idle)) { /* on_before_sleep may have said goodbye */
        uv_idle_start(&g->idle, no_idle);
    }
    g->now_ns = 0; /* old after the sleep */
}

bool guest_uv_init(struct guest_uv *g, uv_loop_t *uv, struct clock *clock)
{
    *g = (struct guest_uv){.loop.ops = &ops, .clock = clock, .timer_at_ns = LOOP_NEVER};
    inbox_init(&g->loop.inbox);
    g->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g->wake_fd < 0) {
        return false;
    }
    if (uv_poll_init(uv, &g->woken, g->wake_fd) != 0) {
        close(g->wake_fd);
        return false;
    }
    uv_prepare_init(uv, &g->prepare);
    uv_idle_init(uv, &g->idle);
    uv_timer_init(uv, &g->timer);
    g->woken.data = g->prepare.data = g->idle.data = g->timer.data = g;
    uv_poll_start(&g->woken, UV_READABLE, on_woken);
    uv_prepare_start(&g->prepare, on_prepare);
    return true;
}

void guest_uv_close(struct guest_uv *g, uv_close_cb closed)
{
    uv_close((uv_handle_t *)&g->woken, closed);
    uv_close((uv_handle_t *)&g->prepare, closed);
    uv_close((uv_handle_t *)&g->idle, closed);
    uv_close((uv_handle_t *)&g->timer, closed);
}

void guest_uv_release(struct guest_uv *g)
{
    close(g->wake_fd);
}
