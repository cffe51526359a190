/* core/env/guest_uv.h: core/env/loop.h by four handles on a libuv loop. For loop_uv.c, whose loop it is, and
 * loop_attach_uv.c, where the loop is somebody else's. */
#ifndef CORE_ENV_GUEST_UV_H
#define CORE_ENV_GUEST_UV_H

#include <uv.h>

#include "core/env/clock.h"
#include "core/env/loop.h"

struct guest_uv {
    struct loop loop; /* first: a struct loop is cast to its guest */
    struct clock *clock;
    uint64_t now_ns; /* 0: not read in this turn */
    uint64_t timer_at_ns;
    bool naps;       /* the libuv loop is ours alone: it may sleep elsewhere than in libuv */
    int wake_fd;     /* an eventfd: written by who posts to a loop that may sleep */
    uv_poll_t woken; /* when it was */
    uv_prepare_t prepare;
    uv_idle_t idle; /* active while there is more to do: the poll does not sleep */
    uv_timer_t timer;
};

/** False, with nothing to close, if the system has no more descriptors. */
bool guest_uv_init(struct guest_uv *guest, uv_loop_t *uv, struct clock *clock);
/** Closes the four handles; `closed` (may be NULL) is called for each of them, later. */
void guest_uv_close(struct guest_uv *guest, uv_close_cb closed);
/** The rest, when the handles are closed and nobody posts any more. */
void guest_uv_release(struct guest_uv *guest);
/** What ends a turn. */
bool guest_uv_before_sleep(struct guest_uv *guest);

#endif
