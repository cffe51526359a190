/* core/shard/turn_watch.h: turns that last too long are logged, with what they did meanwhile.
 *
 * A turn runs in slices, between which others run. At the end of each slice the coarse clock is read once; the time
 * since the end of the slice before it was this turn's. That clock steps by milliseconds: of a single short turn it
 * says nothing, of a slow one enough, and of all turns of a type together it is right on the average. */
#ifndef CORE_SHARD_TURN_WATCH_H
#define CORE_SHARD_TURN_WATCH_H

#include "core/shard/activation.h"

struct turn_watch {
    uint64_t begun_ns, ran_ns;
    uint64_t waits_ns; /* since when */
    uint64_t longest_ns;
    const char *longest; /* what its longest wait was for */
};

static inline void turn_watch_begin(struct turn_watch *watch, const struct core *core)
{
    watch->begun_ns = core->slice_ns;
}

/* The end of a slice. Mostly no time has passed, as the clock has it. */
static inline void turn_watch_slice(struct turn_watch *watch, struct activation *a)
{
    struct core *core = a->core;
    uint64_t now = clock_coarse_ns(core->world.clock);
    if (now != core->slice_ns) {
        watch->ran_ns += now - core->slice_ns;
        core->types[a->cls->index].run_ns += now - core->slice_ns;
        a->shard->ran_ns += now - core->slice_ns;
        core->slice_ns = now;
    }
}

static inline void turn_watch_wait(struct turn_watch *watch, struct activation *a)
{
    turn_watch_slice(watch, a);
    watch->waits_ns = a->core->slice_ns;
}

static inline void turn_watch_go_on(struct turn_watch *watch, const struct core *core, const char *what)
{
    uint64_t waited = core->slice_ns - watch->waits_ns;
    if (watch->longest == NULL || waited > watch->longest_ns) {
        watch->longest_ns = waited;
        watch->longest = what;
    }
}

/** turn_watch.c */
void turn_watch_tell(const struct turn_watch *watch, struct activation *a, struct pdr_bytes method);

static inline void turn_watch_end(struct turn_watch *watch, struct activation *a, struct pdr_bytes method)
{
    turn_watch_slice(watch, a);
    uint64_t slow_ms = a->core->limits.slow_turn_ms;
    if (a->core->slice_ns - watch->begun_ns >= slow_ms * NS_PER_MS && slow_ms > 0) {
        turn_watch_tell(watch, a, method);
    }
}

#endif
