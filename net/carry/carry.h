/* net/carry/carry.h: a shard goes from the node that leads it to another one, with all that it has, while nobody
 * serves it (replication.md R50, R62, R63; docs/internals/carry.md). This is the part of the two cores that have the
 * shard; what the directory is told, and when, is the control core's (tools/node/carry.h).
 *
 *     who leads it                                            who takes it
 *     shard_release: no turn runs, nothing is written
 *     all is in the store: shard_export       -- OFFER -->    shard_install, under a new generation
 *                                             <-- NEXT ---    pulls, part by part, as it can write
 *                                             -- PART --->    shard_install_chunk
 *     the shard stays RELEASED                <-- DONE ---    shard_install_end: all of it is durable
 *                                             -- OVER --->
 *
 * What fails before that is over for both: the one resumes, the other drops what came. Frames that are lost are sent
 * again; a side that hears nothing for CARRY_SILENCE_MS gives up. Numbers of cores may differ: a frame goes on to the
 * core that has the shard.
 *
 * Each core has its own carrier; all functions are called on that core's thread. */
#ifndef NET_CARRY_CARRY_H
#define NET_CARRY_CARRY_H

#include "core/base/metrics.h"
#include "core/shard/core.h"

#define CARRY_SILENCE_MS 3000u
#define CARRY_IN_MAX 8u /* shards that a core takes at a time */

struct carrier;

/** A shard that this node leads in `epoch`, by the row that was last changed at `version` of the directory's log (as
 * in struct cluster_owner), to `node`. */
struct carry_order {
    uint32_t shard;
    uint64_t epoch, version, node;
};

/** `rid` is not 0: `node` has a copy of that name, complete and durable, of all there is; the shard stays RELEASED,
 * until carrier_resume or a map of a higher epoch. 0: it goes on, or was given up to a newer map; `why` is a sentence.
 */
typedef void (*carry_ended)(void *user, const struct carry_order *order, uint64_t rid, const char *why);

/* clang-format off */
/*    field          metric                        what is counted, for docs/reference/metrics.md */
#define CARRY_COUNTERS(X)                                                                                              \
    X(copied,        "carry_copied",               "shards of which another node was given a copy")                    \
    X(given_up,      "carry_given_up",             "shards that went on here, since their copy could not be made")     \
    X(taken,         "carry_taken",                "copies of shards taken from other nodes")                          \
    X(refused,       "carry_refused",              "copies of shards refused, or given up half way")                   \
    X(dropped,       "carry_dropped",              "copies of shards deleted since they are elsewhere now")            \
    X(bytes_sent,    "carry_bytes_sent",           "bytes of rows sent to other nodes")
/* clang-format on */

struct carry_stats {
    CARRY_COUNTERS(METRICS_FIELD)
};

/** For a core that has world.peers, before the first members are told. `all`: those of all cores, by index. */
struct carrier *carrier_new(struct core *core, struct carrier *const *all);
/** In a stop, before peers_close: what is under way is given up. */
void carrier_close(struct carrier *carrier);
/** Once no core of the node runs any more, and before core_free. `ended` is not called any more. */
void carrier_free(struct carrier *carrier);
const struct carry_stats *carrier_stats(const struct carrier *carrier);

/** Carries the shard. `ended` is called once, perhaps before this returns. */
void carrier_send(struct carrier *carrier, const struct carry_order *order, carry_ended ended, void *user);
/** The copy was not taken up: the shard goes on, if it is still released in that epoch. */
void carrier_resume(struct carrier *carrier, uint32_t shard, uint64_t epoch);
/** By the row of `version` this node has no copy of the shard: what is here of it is deleted, unless it came, or
 * comes, after that. `done(user, shard)` when that is done, or will not be for now. */
void carrier_drop(struct carrier *carrier, uint32_t shard, uint64_t version, void (*done)(void *user, uint32_t shard),
                  void *user);

#endif
