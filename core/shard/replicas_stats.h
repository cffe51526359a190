/* core/shard/replicas_stats.h: what a core's copies count, for `_sys/node.metrics` and `perdure status`. */
#ifndef CORE_SHARD_REPLICAS_STATS_H
#define CORE_SHARD_REPLICAS_STATS_H

#include <stdint.h>

#include "core/base/metrics.h"

struct core;

/* clang-format off */
/*    field       kind     metric                 what it is, for docs/reference/metrics.md */
#define REPLICAS_METRICS(X)                                                                                            \
    X(copies,     GAUGE,   "copies",              "copies of shards on this node that are not the only ones")          \
    X(led,        GAUGE,   "copies_led",          "... of them those that lead")                                       \
    X(lacking,    GAUGE,   "copies_short",        "shards led here with fewer copies in sync than there ought to be")  \
    X(lag,        GAUGE,   "copies_lag",          "entries that the slowest copy in sync of a shard led here lacks")   \
    X(tail_bytes, GAUGE,   "copies_tail_bytes",   "memory of entries that are not known to be committed")              \
    X(sent,       COUNTER, "copies_sent",         "shards of which another node was sent all that there is")           \
    X(installed,  COUNTER, "copies_installed",    "shards that were taken from another node as a whole")               \
    X(lost,       COUNTER, "copies_lost",         "copies found to be of no use, to be made anew")
/* clang-format on */

struct replicas_stats {
#define REPLICAS_STATS_FIELD(field, kind, name, text) uint64_t field;
    REPLICAS_METRICS(REPLICAS_STATS_FIELD)
#undef REPLICAS_STATS_FIELD
};

/** On the core's thread. All 0 in a core without copies. */
void replicas_stats(const struct core *core, struct replicas_stats *out);

#endif
