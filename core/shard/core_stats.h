/* core/shard/core_stats.h: what a core counts and measures. A row is a member of struct core_stats, a metric of
 * `_sys/node.metrics`, and a line of docs/reference/metrics.md: to add one, write its row, count it where it happens,
 * and build the target `reference`. */
#ifndef CORE_SHARD_CORE_STATS_H
#define CORE_SHARD_CORE_STATS_H

#include <perdure/status.h>

#include "core/base/metrics.h"

/* clang-format off */
/*    name             what is counted */
#define CORE_COUNTERS(X)                                                                                               \
    X(calls,           "calls that arrived at the core of their actor")                                                \
    X(turns,           "turns that began, hooks among them")                                                           \
    X(slow_turns,      "turns that lasted --slow-turn or longer, waits included")                                      \
    X(entries,         "entries written: turns that changed state")                                                    \
    X(entry_bytes,     "bytes of entries, before the log's own headers")                                               \
    X(overloaded,      "calls refused at a limit: mailbox, queue, memory, turns that wait, disk or store behind")      \
    X(deadlines,       "calls whose deadline passed in the mailbox or before they were durable")                       \
    X(activations,     "actors that came into memory")                                                                 \
    X(loads,           "actors whose state was looked for in the store")                                               \
    X(passivations,    "actors that left memory")                                                                      \
    X(evictions,       "passivations before their time, since memory was short")                                       \
    X(applies,         "steps that brought the store up to what is durable")                                           \
    X(applied_records, "entries that reached the store")                                                               \
    X(applied_keys,    "keys that reached the store: fewer than were written, since a step folds them")                \
    X(opened_shards,   "shards that were opened while the node ran")                                                   \
    X(closed_shards,   "shards that were given up while the node ran")                                                 \
    X(unleased,        "answers that waited for a lease of the node")                                                  \
    X(confirmed,       "of those, answers that left by the word of all copies, without a lease")                       \
    X(rollbacks,       "times that writes were undone, since the log had no room")                                     \
    X(reminders,       "reminders that fired")                                                                         \
    X(session_answers, "calls that were answered from a session's record, not run again")                              \
    X(events,          "events that actors emitted")                                                                   \
    X(tells_accepted,  "durable tells that were accepted for an actor")                                                \
    X(tells_repeated,  "durable tells that were not taken, and sent again")                                            \
    X(tells_retried,   "turns of durable tells that failed")                                                           \
    X(tells_dead,      "durable tells that were given up: dead letters")

/*    name                    kind  what is measured */
#define CORE_HISTOGRAMS(X)                                                                                             \
    X(call_us,                TIME, "from route to reply of a client's call (one call in 64 is measured)")             \
    X(stage_route_us,         TIME, "stage 3: from route to the mailbox, across cores (one call in 64)")               \
    X(stage_mailbox_wait_us,  TIME, "stage 4: in the mailbox, with the reading of a passive actor (one call in 64)")   \
    X(stage_turn_us,          TIME, "stage 5: the turn, waits included (one call in 64)")                              \
    X(stage_commit_us,        TIME, "stage 6: from the end of the turn until durable, if it waited (one call in 64)")  \
    X(stage_reply_us,         TIME, "stage 7: from the outcome to its frame, across cores (one call in 64)")           \
    X(load_us,                TIME, "a cold read of the store, of up to 256 actors")                                   \
    X(apply_step_us,          TIME, "a step that brings the store up to what is durable")                              \
    X(batch_bytes,            SIZE, "bytes that one tick of a core hands to the journal")
/* clang-format on */

/** One thread's own; others get copies. */
struct core_stats {
#define CORE_STATS_COUNTER(name, text) uint64_t name;
    CORE_COUNTERS(CORE_STATS_COUNTER)
#undef CORE_STATS_COUNTER
    uint64_t errors[PDR_STATUS_COUNT];
#define CORE_STATS_HISTOGRAM(name, kind, text) struct metrics_histogram name;
    CORE_HISTOGRAMS(CORE_STATS_HISTOGRAM)
#undef CORE_STATS_HISTOGRAM
};

/*    name             what is counted of each type of actor, on a core */
#define TYPE_COUNTERS(X)                                                                                               \
    X(turns, "turns of actors of the type")                                                                            \
    X(failed_turns, "turns that ended with an error, the actor's own or the platform's")                               \
    X(run_ns, "time that turns of the type held a core thread, to the kernel's tick")

struct type_stats {
#define TYPE_STATS_MEMBER(name, text) uint64_t name;
    TYPE_COUNTERS(TYPE_STATS_MEMBER)
#undef TYPE_STATS_MEMBER
};

#endif
