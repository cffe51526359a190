/* core/env/loop_uv.c: a loop on libuv.
 *
 * A turn is one iteration of uv_run: poll (streams, jobs, the async of the inbox), timers, then `prepare`, which runs
 * right before the next poll: there on_before_sleep is called. An idle handle keeps the poll from sleeping while there
 * is more to do. */
#include "core/env/loop_uv.h"

#include "core/base/check.h"
#include "core/base/mem.h"

struct loop_uv {
    struct loop loop;
    uv_loop_t uv;
    uv_async_t async;
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_timer_t timer;
    uint64_t timer_at_ns;
    struct clock *clock;
    uint64_t now_ns; /* 0: not read in this turn */
    bool stopping;
};

static struct loop_uv *self(struct loop *loop) { return (struct loop_uv *)loop; }

static uint64_t now_ns(struct loop *loop)
{
    struct loop_uv *l = self(loop);
    if (l->now_ns == 0) {
        l->now_ns = clock_now_ns(l->clock);
    }
    return l->now_ns;
}

static void wake(struct loop *loop)
{
    uv_async_send(&self(loop)->async);
}

static void arm(struct loop_uv *l);

static void on_timer(uv_timer_t *timer)
{
    struct loop_uv *l = timer->data;
    l->now_ns = clock_now_ns(l->clock);
    if (l->now_ns < l->timer_at_ns) { /* libuv counts whole ms of another clock */
        arm(l);
        return;
    }
    l->timer_at_ns = LOOP_NEVER;
    if (l->loop.on_timer != NULL) {
        l->loop.on_timer(l->loop.user);
    }
}

static void arm(struct loop_uv *l)
{
    uint64_t now = clock_now_ns(l->clock);
    uint64_t ns = l->timer_at_ns > now ? l->timer_at_ns - now : 0;
    uv_update_time(&l->uv);
    uv_timer_start(&l->timer, on_timer, ns / NS_PER_MS + (ns % NS_PER_MS != 0), 0);
}

static void set_timer(struct loop *loop, uint64_t at_ns)
{
    struct loop_uv *l = self(loop);
    if (at_ns == l->timer_at_ns) {
        return;
    }
    bool later = at_ns > l->timer_at_ns;
    l->timer_at_ns = at_ns;
    if (at_ns == LOOP_NEVER) {
        uv_timer_stop(&l->timer);
    } else if (!later || !uv_is_active((uv_handle_t *)&l->timer)) {
        arm(l);
    } /* else it fires early once, and arms itself anew: cheaper than moving it each time that a deadline is met */
}

static const struct loop_ops ops = {now_ns, wake, set_timer};

static void on_async(uv_async_t *async)
{
    inbox_deliver(&((struct loop_uv *)async->data)->loop.inbox);
}

static void no_idle(uv_idle_t *idle) {}

static bool before_sleep(struct loop_uv *l)
{
    return l->loop.on_before_sleep != NULL && l->loop.on_before_sleep(l->loop.user);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop_uv *l = prepare->data;
    if (before_sleep(l)) {
        uv_idle_start(&l->idle, no_idle);
    } else {
        uv_idle_stop(&l->idle);
    }
    l->now_ns = 0; /* old after the sleep */
}

struct loop_uv *loop_uv_new(struct clock *clock)
{
    struct loop_uv *l = mem_new(sizeof *l);
    if (uv_loop_init(&l->uv) != 0) {
        mem_free(l);
        return NULL;
    }
    l->loop.ops = &ops;
    l->clock = clock;
    l->timer_at_ns = LOOP_NEVER;
    inbox_init(&l->loop.inbox);
    if (uv_async_init(&l->uv, &l->async, on_async) != 0) {
        uv_loop_close(&l->uv);
        mem_free(l);
        return NULL;
    }
    uv_prepare_init(&l->uv, &l->prepare);
    uv_idle_init(&l->uv, &l->idle);
    uv_timer_init(&l->uv, &l->timer);
    l->async.data = l->prepare.data = l->timer.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    return l;
}

struct loop *loop_uv_loop(struct loop_uv *loop) { return &loop->loop; }
uv_loop_t *loop_uv_raw(struct loop_uv *loop) { return &loop->uv; }
uv_loop_t *loop_uv_of(struct loop *loop) { return &self(loop)->uv; }

void loop_uv_run(struct loop_uv *l)
{
    l->stopping = false;
    while (!l->stopping && uv_run(&l->uv, UV_RUN_DEFAULT) != 0) {
    }
    do { /* the last turn ends like every other: what happened in it is committed and flushed */
        inbox_deliver(&l->loop.inbox);
        before_sleep(l);
    } while (!inbox_empty(&l->loop.inbox));
}

void loop_uv_stop(struct loop_uv *l)
{
    l->stopping = true;
    uv_stop(&l->uv);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void loop_uv_free(struct loop_uv *l)
{
    do { /* what a late message starts is closed too */
        uv_walk(&l->uv, close_handle, NULL);
        uv_run(&l->uv, UV_RUN_DEFAULT);
    } while (inbox_deliver(&l->loop.inbox) > 0);
    CHECK(uv_loop_close(&l->uv) == 0);
    mem_free(l);
}
