/* core/env/loop_uv.h: a loop on libuv. For *_uv.c files and whoever assembles a process. */
#ifndef CORE_ENV_LOOP_UV_H
#define CORE_ENV_LOOP_UV_H

#include <uv.h>

#include "core/env/clock.h"
#include "core/env/loop.h"

struct loop_uv;

/** A loop that is not running yet; NULL if the system has no more descriptors or memory. `clock` is borrowed. */
struct loop_uv *loop_uv_new(struct clock *clock);
/** The seam, and the libuv loop beneath (for transports and signals on this very loop). Borrowed. */
struct loop *loop_uv_loop(struct loop_uv *loop);
uv_loop_t *loop_uv_raw(struct loop_uv *loop);
/** The libuv loop under a `struct loop` made by loop_uv_new or by loop_attach. */
uv_loop_t *loop_uv_of(struct loop *loop);
/** Runs on the calling thread until loop_uv_stop; then delivers what is left in the inbox and calls on_before_sleep,
 * until nothing more is posted, and returns. */
void loop_uv_run(struct loop_uv *loop);
/** On the loop's own thread, while it runs: loop_uv_run returns after this turn. */
void loop_uv_stop(struct loop_uv *loop);
/** After loop_uv_run has returned: waits for jobs, closes every handle that is left, delivers what that posted. */
void loop_uv_free(struct loop_uv *loop);

#endif
