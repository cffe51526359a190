/* core/shard/stages.c: the few calls whose stages are measured. */
#include "core/shard/stages.h"

/* The step to the next one: 1 to 127, 64 on the average. Not the core's rng: what is measured must not change what is
 * done. */
static uint32_t next_step(struct core *core)
{
    core->sample_state = core->sample_state * 1664525u + 1013904223u;
    return 1 + (core->sample_state >> 16) % 127;
}

void stages_pick(struct core *core, struct call *call)
{
    core->until_sampled = next_step(core);
    call->is_measured = true;
    call->begun_ns = call->stage_ns = clock_now_ns(core->world.clock);
}

void stages_note(struct core *core, struct call *call, struct metrics_histogram *stage)
{
    uint64_t now = clock_now_ns(core->world.clock);
    metrics_time(stage, now - call->stage_ns);
    call->stage_ns = now;
}

void stages_finish(struct core *core, struct call *call)
{
    stages_note(core, call, &core->stats.stage_reply_us);
    metrics_time(&core->stats.call_us, call->stage_ns - call->begun_ns);
}
