/* core/env/loop_attach_uv.c: a guest on a libuv loop. on_before_sleep runs in a `prepare`, right before each poll. */
#include "core/env/loop_attach_uv.h"

#include "core/base/mem.h"

#define HANDLES 4u

struct guest {
    struct loop loop;
    struct clock *clock;
    uint64_t now_ns; /* 0: not read in this turn */
    uint64_t timer_at_ns;
    uv_async_t async;
    uv_prepare_t prepare;
    uv_idle_t idle; /* active while there is more to do: the poll does not sleep */
    uv_timer_t timer;
    unsigned open_handles;
    void (*done)(void *user);
    void *done_user;
};

static struct guest *self(struct loop *loop) { return (struct guest *)loop; }

static uint64_t now_ns(struct loop *loop)
{
    struct guest *g = self(loop);
    if (g->now_ns == 0) {
        g->now_ns = clock_now_ns(g->clock);
    }
    return g->now_ns;
}

static void wake(struct loop *loop)
{
    uv_async_send(&self(loop)->async);
}

static void arm(struct guest *g);

static void on_timer(uv_timer_t *timer)
{
    struct guest *g = timer->data;
    g->now_ns = clock_now_ns(g->clock);
    if (g->now_ns < g->timer_at_ns) { /* libuv counts whole ms of another clock; or the time was moved back */
        arm(g);
        return;
    }
    g->timer_at_ns = LOOP_NEVER;
    if (g->loop.on_timer != NULL) {
        g->loop.on_timer(g->loop.user);
    }
}

static void arm(struct guest *g)
{
    uint64_t now = clock_now_ns(g->clock);
    uint64_t ns = g->timer_at_ns > now ? g->timer_at_ns - now : 0;
    uv_update_time(g->timer.loop);
    uv_timer_start(&g->timer, on_timer, ns / NS_PER_MS + (ns % NS_PER_MS != 0), 0);
}

static void set_timer(struct loop *loop, uint64_t at_ns)
{
    struct guest *g = self(loop);
    bool sooner = at_ns < g->timer_at_ns;
    if (at_ns == g->timer_at_ns) {
        return;
    }
    g->timer_at_ns = at_ns;
    if (at_ns == LOOP_NEVER) {
        uv_timer_stop(&g->timer);
    } else if (sooner || !uv_is_active((uv_handle_t *)&g->timer)) {
        arm(g);
    } /* else it fires too early once, and is armed again */
}

static const struct loop_ops ops = {now_ns, wake, set_timer};

static void on_async(uv_async_t *async)
{
    inbox_deliver(&((struct guest *)async->data)->loop.inbox);
}

static void no_idle(uv_idle_t *idle) {}

static void on_prepare(uv_prepare_t *prepare)
{
    struct guest *g = prepare->data;
    bool more = g->loop.on_before_sleep != NULL && g->loop.on_before_sleep(g->loop.user);
    if (!more) {
        uv_idle_stop(&g->idle);
    } else if (g->open_handles == 0) { /* not detached meanwhile */
        uv_idle_start(&g->idle, no_idle);
    }
    g->now_ns = 0;
}

struct loop *loop_attach(uv_loop_t *uv, struct clock *clock)
{
    struct guest *g = mem_new(sizeof *g);
    if (uv_async_init(uv, &g->async, on_async) != 0) {
        mem_free(g);
        return NULL;
    }
    g->loop.ops = &ops;
    g->clock = clock;
    g->timer_at_ns = LOOP_NEVER;
    inbox_init(&g->loop.inbox);
    uv_prepare_init(uv, &g->prepare);
    uv_idle_init(uv, &g->idle);
    uv_timer_init(uv, &g->timer);
    g->async.data = g->prepare.data = g->idle.data = g->timer.data = g;
    uv_prepare_start(&g->prepare, on_prepare);
    return &g->loop;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct guest *g = handle->data;
    if (--g->open_handles > 0) {
        return;
    }
    void (*done)(void *) = g->done;
    void *user = g->done_user;
    mem_free(g);
    done(user);
}

void loop_detach(struct loop *loop, void (*done)(void *user), void *user)
{
    struct guest *g = self(loop);
    g->done = done;
    g->done_user = user;
    g->open_handles = HANDLES;
    uv_close((uv_handle_t *)&g->async, on_handle_closed);
    uv_close((uv_handle_t *)&g->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&g->idle, on_handle_closed);
    uv_close((uv_handle_t *)&g->timer, on_handle_closed);
}
