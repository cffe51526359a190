/* tests/simulation/scenarios/scenario.h: begins and ends a story told by hand: a node, clients, and what happens to
 * them. The workloads and checkers judge it as they judge a drawn run. */
#ifndef TESTS_SIMULATION_SCENARIOS_SCENARIO_H
#define TESTS_SIMULATION_SCENARIOS_SCENARIO_H

#include <stdlib.h>

#include "core/base/log.h"
#include "tests/lib/test.h"
#include "tests/simulation/run.h"

/** Segments of a few groups: they roll, are recycled, and checkpoints come all the time. */
#define SCENARIO_JOURNAL(kib)                                                                                          \
    {                                                                                                                  \
        .segment_bytes = (kib) << 10, .first_segment_bytes = 16u << 10, .bytes_max = 64u << 20, .log_id = { 1 }        \
    }

static inline struct run *scenario_open(uint64_t seed, const struct node_options *node, uint32_t clients, bool raw)
{
    struct run *run = malloc(sizeof *run);
    struct run_options options = {.seed = seed};
    REQUIRE(run != NULL);
    log_set_level((enum log_level)(LOG_ERROR + 1));
    run_open(run, &options, node, 2, clients, raw);
    return run;
}

/** Fails the case if anything was not as it must be. */
static inline void scenario_close(struct run *run)
{
    if (run->sim.failed) {
        test_failed(__FILE__, __LINE__, run->sim.why);
    }
    run_close(run);
    free(run);
}

#endif
