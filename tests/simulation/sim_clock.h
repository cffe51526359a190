/* tests/simulation/sim_clock.h: a node's clocks: they run 1 % fast or slow, begin anywhere, and wall time jumps. */
#ifndef TESTS_SIMULATION_SIM_CLOCK_H
#define TESTS_SIMULATION_SIM_CLOCK_H

#include "core/env/clock.h"
#include "tests/simulation/sim.h"

#define SIM_CLOCK_DRIFT_PPM_MAX 10000 /* RHO of replication.md section 0 */

struct sim_clock {
    struct clock clock;
    struct sim *sim;
    int64_t drift_ppm;
    uint64_t zero_ns; /* what it shows when true time is 0 */
    int64_t wall_offset_ms;
};

/** Draws rate and offsets: a machine that has been up for a while. */
void sim_clock_init(struct sim_clock *clock, struct sim *sim);
/** The machine was switched on again: monotonic time begins anew. */
void sim_clock_reboot(struct sim_clock *clock);
/** Wall time jumps by up to an hour, either way. */
void sim_clock_jump(struct sim_clock *clock);
uint64_t sim_clock_now_ns(const struct sim_clock *clock);
/** True time when the clock shows at_ns, rounded up; now if it is past. */
uint64_t sim_clock_true_ns(const struct sim_clock *clock, uint64_t at_ns);

#endif
