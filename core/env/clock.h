/* core/env/clock.h: time, as a seam. Production: clock_os.c. Simulator: sim_clock.c. */
#ifndef CORE_ENV_CLOCK_H
#define CORE_ENV_CLOCK_H

#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

struct clock {
    uint64_t (*now_ns)(struct clock *clock); /* CLOCK_BOOTTIME: goes on in suspend, never back (replication.md R10) */
    int64_t (*wall_ms)(struct clock *clock); /* since 1970; may jump either way */
    /* Some milliseconds behind, of another beginning, and so cheap that it may be read for every turn: for differences
     * alone. */
    uint64_t (*coarse_ns)(struct clock *clock);
};

/** The operating system's clocks. Static; any thread. */
struct clock *clock_os(void);

static inline uint64_t clock_now_ns(struct clock *clock)
{
    return clock->now_ns(clock);
}
static inline uint64_t clock_coarse_ns(struct clock *clock)
{
    return clock->coarse_ns(clock);
}
static inline int64_t clock_wall_ms(struct clock *clock)
{
    return clock->wall_ms(clock);
}

#endif
