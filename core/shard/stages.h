/* core/shard/stages.h: how long a call spends in each stage of docs/internals/life-of-a-call.md.
 *
 * Reading the clock once costs a tenth of a small call, so about one call in 64 is measured, at steps that vary (a
 * fixed one would meet the same place of every batch). Such a call carries the time at which its stage began. */
#ifndef CORE_SHARD_STAGES_H
#define CORE_SHARD_STAGES_H

#include "core/shard/core.h"

/* stages.c: for the few. */
void stages_pick(struct core *core, struct call *call);
void stages_note(struct core *core, struct call *call, struct metrics_histogram *stage);
void stages_finish(struct core *core, struct call *call);

/** Stage 3, on the core that made the call. */
static inline void stages_begin(struct core *core, struct call *call)
{
    if (--core->until_sampled == 0) {
        stages_pick(core, call);
    }
}

/** `stage` of the call is over, and the next one begins. */
static inline void stages_pass(struct core *core, struct call *call, struct metrics_histogram *stage)
{
    if (call->is_measured) {
        stages_note(core, call, stage);
    }
}

/** The answer to a client is written. */
static inline void stages_end(struct core *core, struct call *call)
{
    if (call->is_measured) {
        stages_finish(core, call);
    }
}

#endif
