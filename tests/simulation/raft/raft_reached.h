/* tests/simulation/raft/raft_reached.h: what enough seeds of the raft world must reach; and how to run one. */
#ifndef TESTS_SIMULATION_RAFT_RAFT_REACHED_H
#define TESTS_SIMULATION_RAFT_RAFT_REACHED_H

#include <stdbool.h>
#include <stdint.h>

#define RAFT_REACHED(X)                                                                                                \
    X(raft_committed)                                                                                                  \
    X(raft_unknown)                                                                                                    \
    X(raft_not_leader)                                                                                                 \
    X(raft_refused)                                                                                                    \
    X(raft_reads)                                                                                                      \
    X(raft_elections)                                                                                                  \
    X(raft_changes)                                                                                                    \
    X(raft_removed)                                                                                                    \
    X(raft_transfers)                                                                                                  \
    X(raft_snapshots)                                                                                                  \
    X(raft_installed)                                                                                                  \
    X(raft_crashes)                                                                                                    \
    X(raft_pauses)                                                                                                     \
    X(raft_full_disks)                                                                                                 \
    X(raft_cuts)

struct raft_reached {
#define RAFT_REACHED_FIELD(name) uint64_t name;
    RAFT_REACHED(RAFT_REACHED_FIELD)
#undef RAFT_REACHED_FIELD
};

struct run_options;
struct run_result;

/** A run of the raft world (raft_world.h) as run_seed is one of a node's; `workload` has no meaning here. */
bool raft_world_run(const struct run_options *options, struct run_result *result);

#endif
