/* tests/simulation/sim_lease.h: a world for leases alone: holders, and voters of a directory that come to lead it.
 *
 * Real are lease_holder and lease_grantor. Of the rest there is as much as the rules need: a log that a leader's
 * proposals reach or do not, nodes that follow it late, quorum rounds that take their time, messages that are lost,
 * late, doubled and out of order, clocks that drift within 1 % and jump forward, processes that stand still, die and
 * come back, leaders that are deposed and do not know it. A seed is a run. */
#ifndef TESTS_SIMULATION_SIM_LEASE_H
#define TESTS_SIMULATION_SIM_LEASE_H

#include <stdbool.h>
#include <stdint.h>

struct sim_lease_report {
    char why[256];   /* what was wrong; "": nothing */
    uint64_t grants; /* that a holder took */
    uint64_t takes;  /* of shards from nodes whose lease was over, applied */
    uint64_t elections;
    uint64_t ended;   /* leases that a holder saw end */
    uint64_t stalls;  /* that a node noticed of itself */
    uint64_t fenced;  /* a lease was there and its index not yet reached (R13) */
    uint64_t deposed; /* leaders that went on for a while */
    bool calm, slow;  /* profiles: only leaders stall; a leader whose ticks are all long */
};

/** False if an invariant broke, or leases did not come back after all was well again. */
bool sim_lease_run(uint64_t seed, struct sim_lease_report *report);

#endif
