/* tests/simulation/replog/replog_reached.h: what enough seeds of the replog world must reach; and how to run one. */
#ifndef TESTS_SIMULATION_REPLOG_REPLOG_REACHED_H
#define TESTS_SIMULATION_REPLOG_REPLOG_REACHED_H

#include <stdbool.h>
#include <stdint.h>

#define REPLOG_REACHED(X)                                                                                              \
    X(replog_acknowledged) /* writes */                                                                                \
    X(replog_unknown)      /* writes whose primary stepped down or died */                                             \
    X(replog_leased_reads) /* answered by a lease */                                                                   \
    X(replog_confirmed)    /* ... or by asking (R14) */                                                                \
    X(replog_lapsed)       /* a lease was over when it was looked at last (R15) */                                     \
    X(replog_began)        /* epochs */                                                                                \
    X(replog_ready)        /* ... that served */                                                                       \
    X(replog_deposed)      /* a primary stepped down */                                                                \
    X(replog_cut)          /* entries were cut (R31) */                                                                \
    X(replog_cut_replaced) /* an entry that nobody acknowledged was replaced by another */                             \
    X(replog_added)                                                                                                    \
    X(replog_removed)                                                                                                  \
    X(replog_transferred)                                                                                              \
    X(replog_touched)      /* R44 */                                                                                   \
    X(replog_lost)         /* a copy was said to be lost (R47) */                                                      \
    X(replog_promoted)     /* fail-over */                                                                             \
    X(replog_refused)      /* proposals, by the directory */                                                           \
    X(replog_late)         /* proposals applied when their sender was gone, or had been deposed */                     \
    X(replog_paused_turns) /* a move began (R50) */                                                                    \
    X(replog_snapshots)    /* installed */                                                                             \
    X(replog_stopped)      /* ... or not finished */                                                                   \
    X(replog_dropped)      /* a copy was deleted, as the directory wanted (R65) */                                     \
    X(replog_kept)         /* ... or not, for it was wanted again */                                                   \
    X(replog_wiped)        /* a disk was lost */                                                                       \
    X(replog_tails)        /* a crash lost a part of what was not synced, and kept another */                          \
    X(replog_busy)         /* a link had no room */                                                                    \
    X(replog_full_disks)                                                                                               \
    X(replog_crashes)                                                                                                  \
    X(replog_left) /* a process had handed over when it ended (R50) */                                                 \
    X(replog_pauses)                                                                                                   \
    X(replog_cuts)                                                                                                     \
    X(replog_leaders) /* the directory's leader was another */

struct replog_reached {
#define REPLOG_REACHED_FIELD(name) uint64_t name;
    REPLOG_REACHED(REPLOG_REACHED_FIELD)
#undef REPLOG_REACHED_FIELD
};

struct run_options;
struct run_result;

/** A run of the replog world (replog_world.h) as run_seed is one of a node's; `workload` has no meaning here. */
bool replog_world_run(const struct run_options *options, struct run_result *result);

#endif
