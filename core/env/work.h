/* core/env/work.h: jobs that block, as a seam. Production: work_uv.c (libuv's pool). Simulator: sim_work.c.
 *
 * A job's `run` is called on some pool thread and may block; its `done` is called later on the loop that submitted it.
 * Jobs run in any order and at the same time. */
#ifndef CORE_ENV_WORK_H
#define CORE_ENV_WORK_H

#include "core/env/loop.h"

/** Embed it in what is to be done. Owned by the pool from work_submit until `done` is called. */
struct job {
    void (*run)(struct job *job);
    void (*done)(struct job *job);
    void *system[16]; /* the implementation's */
};

struct work {
    void (*submit)(struct work *work, struct loop *home, struct job *job);
};

/** On `home`'s thread. Never fails. */
static inline void work_submit(struct work *work, struct loop *home, struct job *job)
{
    work->submit(work, home, job);
}

/** libuv's thread pool; `home` must be a loop_uv loop. Static. */
struct work *work_uv(void);

#endif
