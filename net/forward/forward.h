/* net/forward/forward.h: calls whose shard is another node's: sent there, and answered as if they had run here.
 *
 * Each core has its own, beside the links of that core (core_world.peers); nothing is shared. A call stays with the
 * core that made it, which knows it by a number until the owner's answer comes:
 *
 *     caller's core                              owner's core
 *     route ---- CALL number, known ------>      a call of its own, to the shard's core     forward_visit.c
 *     finish <-- ANSWER number ------------      finished
 *     again  <-- MOVED number, newer row --      not here, and it knows better
 *
 * No loops, by version: a node never sends on what another one sent it. It answers MOVED if what it knows of the shard
 * is newer than what the sender knew (`known`), and else keeps the call until its own map has come so far. The sender
 * keeps the newer row, beside a map that is immutable, until a map comes that has it.
 *
 * Whose answer a life of the link took with it has run, or not: reads, tells of channels and calls under a session are
 * sent again, for that is safe; all others end as PDR_UNAVAILABLE. What was not sent yet waits for its link, or for a
 * map that says who owns it, until its deadline.
 *
 * Order: of one caller's calls to one actor a later one does not overtake an earlier one, also when the actor moves. */
#ifndef NET_FORWARD_FORWARD_H
#define NET_FORWARD_FORWARD_H

#include "core/base/metrics.h"
#include "core/call.h"
#include "core/cluster_map.h"

struct forward;
struct router;

/* clang-format off */
/*    field          metric                        what is counted, for docs/reference/metrics.md */
#define FORWARD_COUNTERS(X)                                                                                            \
    X(sent,          "forward_sent",               "calls sent to the nodes that own their shards, repetitions too")   \
    X(answered,      "forward_answered",           "answers of other nodes")                                           \
    X(moved,         "forward_moved",              "calls that another node answered with a newer owner")              \
    X(again,         "forward_again",              "calls sent again since their link was lost")                       \
    X(unknown,       "forward_unknown",            "calls whose outcome was lost with their link")                     \
    X(waited,        "forward_waited",             "calls that waited for a link, or for who owns their shard")        \
    X(expired,       "forward_expired",            "of them, those that waited to their deadline")                     \
    X(overloaded,    "forward_overloaded",         "calls refused since too many waited")                              \
    X(served,        "forward_served",             "calls of other nodes")                                             \
    X(redirected,    "forward_redirected",         "of them, those answered with a newer owner")                       \
    X(events,        "forward_events",             "events sent to other nodes")                                       \
    X(garbage,       "forward_garbage",            "frames of other nodes that make no sense here")
/* clang-format on */

struct forward_stats {
    FORWARD_COUNTERS(METRICS_FIELD)
};

/** For a core that has world.peers, before the first members are told. Registers itself there for PEER_CALL. */
struct forward *forward_new(struct core *core, struct router *router);
/** In a stop, before peers_close: what waits is refused. */
void forward_close(struct forward *forward);
/** In a stop, before that: what waits is refused, and so are tells whose answers have not come. */
void forward_recall(struct forward *forward);
/** Once no core of the node runs any more, and before core_free: what waits here is discarded. */
void forward_free(struct forward *forward);
const struct forward_stats *forward_stats(const struct forward *forward);

/** Takes a call of this core to call->shard, wherever that is. */
void forward_call(struct forward *forward, struct call *call);
/** True: the map alone decides, and there is nothing that a call for this shard would have to wait behind. */
bool forward_is_plain(const struct forward *forward, uint32_t shard);
/** A call of this core has come back as PDR_MOVED: its shard is not open here. Takes it. */
void forward_moved(struct forward *forward, struct call *call);
/** core->map has changed. */
void forward_map_changed(struct forward *forward);
/** End of a tick, before peers_flush. */
void forward_flush(struct forward *forward);
/** The session has left the connection `holder` of the core of `node` that has this life, if that is up. */
void forward_tell_taken(struct forward *forward, uint64_t node, uint64_t life, const struct session_id *id,
                        uint64_t holder);

#endif
