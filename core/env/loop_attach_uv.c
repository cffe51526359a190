/* core/env/loop_attach_uv.c: a guest (guest_uv.c) on a loop that somebody else runs. */
#include "core/env/loop_attach_uv.h"

#include "core/base/mem.h"
#include "core/env/guest_uv.h"

#define HANDLES 4

struct attached {
    struct guest_uv guest;
    int handles_closed;
    void (*done)(void *user);
    void *done_user;
};

struct loop *loop_attach(uv_loop_t *uv, struct clock *clock)
{
    struct attached *a = mem_new(sizeof *a);
    if (!guest_uv_init(&a->guest, uv, clock)) {
        mem_free(a);
        return NULL;
    }
    return &a->guest.loop;
}

static void on_closed(uv_handle_t *handle)
{
    struct attached *a = handle->data;
    if (++a->handles_closed < HANDLES) {
        return;
    }
    void (*done)(void *) = a->done;
    void *user = a->done_user;
    guest_uv_release(&a->guest);
    mem_free(a);
    done(user);
}

void loop_detach(struct loop *loop, void (*done)(void *user), void *user)
{
    struct attached *a = (struct attached *)loop;
    a->done = done;
    a->done_user = user;
    guest_uv_close(&a->guest, on_closed);
}
