/* core/env/loop_uv.c: a libuv loop of our own, with one guest (guest_uv.c): how it begins, runs and ends. */
#include "core/env/loop_uv.h"

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/env/guest_uv.h"

struct loop_uv {
    struct guest_uv guest;
    uv_loop_t uv;
    bool stopping;
};

struct loop_uv *loop_uv_new(struct clock *clock)
{
    struct loop_uv *l = mem_new(sizeof *l);
    if (uv_loop_init(&l->uv) != 0) {
        goto err_after_mem;
    }
    if (!guest_uv_init(&l->guest, &l->uv, clock)) {
        goto err_after_uv;
    }
    l->guest.naps = true;
    return l;

err_after_uv:
    uv_loop_close(&l->uv);
err_after_mem:
    mem_free(l);
    return NULL;
}

struct loop *loop_uv_loop(struct loop_uv *loop)
{
    return &loop->guest.loop;
}

uv_loop_t *loop_uv_raw(struct loop_uv *loop)
{
    return &loop->uv;
}

uv_loop_t *loop_uv_of(struct loop *loop)
{
    return ((struct guest_uv *)loop)->timer.loop;
}

void loop_uv_run(struct loop_uv *l)
{
    struct inbox *inbox = &l->guest.loop.inbox;
    l->stopping = false;
    while (!l->stopping && uv_run(&l->uv, UV_RUN_DEFAULT) != 0) {
    }
    do { /* the last turn ends like every other: what happened in it is committed and flushed */
        inbox_deliver(inbox);
        guest_uv_before_sleep(&l->guest);
    } while (!inbox_empty(inbox));
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
    } while (inbox_deliver(&l->guest.loop.inbox) > 0);
    CHECK(uv_loop_close(&l->uv) == 0);
    guest_uv_release(&l->guest);
    mem_free(l);
}
