/* tests/simulation/sim_work.h: fills core/env/work.h: each job runs at a drawn time and is done at a later one, so jobs
 * overtake one another both ways. */
#ifndef TESTS_SIMULATION_SIM_WORK_H
#define TESTS_SIMULATION_SIM_WORK_H

#include "core/env/work.h"
#include "tests/simulation/sim_loop.h"

struct sim_work {
    struct work work;
    struct sim *sim;
    uint32_t subject;
    uint64_t typical_ns; /* how long a job takes */
    uint64_t paused_until_ns;
    uint64_t submitted, done;
    struct list jobs; /* not done yet */
};

void sim_work_init(struct sim_work *work, struct sim *sim, uint32_t subject);
/** A crash: no job runs or is done any more. */
void sim_work_drop(struct sim_work *work);
/** Nothing runs before that true time. */
void sim_work_pause(struct sim_work *work, uint64_t until_ns);

#endif
