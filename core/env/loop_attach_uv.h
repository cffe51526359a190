/* core/env/loop_attach_uv.h: core/env/loop.h on a libuv loop that somebody else runs: for clients inside a program that
 * has a loop already. Turns are those of that loop; several may be attached to it. */
#ifndef CORE_ENV_LOOP_ATTACH_UV_H
#define CORE_ENV_LOOP_ATTACH_UV_H

#include <uv.h>

#include "core/env/clock.h"
#include "core/env/loop.h"

/** Keeps `uv` alive until it is detached. NULL if the system has no more descriptors. `clock` is borrowed. */
struct loop *loop_attach(uv_loop_t *uv, struct clock *clock);
/** `done` is called later, on the loop, when nothing of it is left; messages not delivered by now never are. */
void loop_detach(struct loop *loop, void (*done)(void *user), void *user);

#endif
