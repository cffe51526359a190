/* tests/simulation/cluster/cluster_reached.h: what enough seeds of the cluster world must reach; and how to run one. */
#ifndef TESTS_SIMULATION_CLUSTER_CLUSTER_REACHED_H
#define TESTS_SIMULATION_CLUSTER_CLUSTER_REACHED_H

#include <stdbool.h>
#include <stdint.h>

#define CLUSTER_REACHED(X)                                                                                             \
    X(cluster_touched)    /* a proposal was acknowledged */                                                            \
    X(cluster_refused)    /* ... or refused by the rows as they were */                                                \
    X(cluster_unknown)    /* ... or nobody knows */                                                                    \
    X(cluster_nowhere)    /* nobody led */                                                                             \
    X(cluster_reads)      /* a read saw what it had to */                                                              \
    X(cluster_served)     /* a shard had somebody who might serve it, when looked at */                                \
    X(cluster_promotions) /* a shard went to another node */                                                           \
    X(cluster_downs)      /* a node's lease was over */                                                                \
    X(cluster_revivals)   /* ... and it came again without a restart */                                                \
    X(cluster_restarts)   /* a process registered anew */                                                              \
    X(cluster_repairs)    /* another node became a voter */                                                            \
    X(cluster_expelled)   /* a node was removed */                                                                     \
    X(cluster_ended)      /* ... and was told so */                                                                    \
    X(cluster_moves)      /* a shard was to be elsewhere */                                                            \
    X(cluster_carried)    /* ... and a step towards it was done */                                                     \
    X(cluster_cooled)     /* ... since it was hot, in the end */                                                       \
    X(cluster_crashes)                                                                                                 \
    X(cluster_pauses)                                                                                                  \
    X(cluster_cuts)                                                                                                    \
    X(cluster_full_disks)

struct cluster_reached {
#define CLUSTER_REACHED_FIELD(name) uint64_t name;
    CLUSTER_REACHED(CLUSTER_REACHED_FIELD)
#undef CLUSTER_REACHED_FIELD
};

struct run_options;
struct run_result;

/** A run of the cluster world (cluster_world.h) as run_seed is one of a node's; `workload` has no meaning here. */
bool cluster_world_run(const struct run_options *options, struct run_result *result);

#endif
