/* core/shard/load.h: how much each shard of a node works, for whoever decides where shards are (consensus/placement.h).
 *
 * Load is microseconds of a core's time a second: 1,000,000 is a core that does nothing else. It is what a shard's
 * turns ran, as the coarse clock samples it (turn_watch.h), and LOAD_CALL_US a call for its way there and back, which
 * no turn sees. It is averaged over some LOAD_MEMORY_MS, so that neither a burst nor a shard that has just come looks
 * like more than it is. On the way of a call there is no more of it than an addition. */
#ifndef CORE_SHARD_LOAD_H
#define CORE_SHARD_LOAD_H

#include <stdint.h>

struct core;

#define LOAD_HOT_MAX 32u     /* shards that a report names */
#define LOAD_CALL_US 1u      /* docs/benchmarks.md, W2: 0.3 to 1.1 us of a node's CPU a call */
#define LOAD_MEMORY_MS 4000u /* what is older weighs less than 1/e */

struct load_hot {
    uint32_t shard, load;
};

/** Of a core, or of a node. */
struct load_report {
    uint64_t total;  /* of all shards that are served */
    uint32_t shards; /* how many those are */
    uint32_t hot_count;
    struct load_hot hot[LOAD_HOT_MAX]; /* the hottest first; of equals the lower id. None has no load */
};

/** Of the core's shards, since the last time; on its thread, once a second or so. */
void load_measure(struct core *core, struct load_report *out);
/** What another core of the node has. */
void load_report_add(struct load_report *to, const struct load_report *from);

#endif
