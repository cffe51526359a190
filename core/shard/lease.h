/* core/shard/lease.h: what was read is answered while the node's lease lasts (replication.md R15, I8).
 *
 * An answer that an entry vouches for needs none: that the entry is committed proves that nobody else leads the shard.
 * Any other, a reader's first of all, is checked as the last thing that happens to it: the value was taken, what it
 * depends on is committed, and then the clock is read. From there on it may take as long as it likes to leave. A node
 * alone has no lease, and asks for none. */
#ifndef CORE_SHARD_LEASE_H
#define CORE_SHARD_LEASE_H

#include "core/shard/core.h"

/** On the core's thread: answers leave while the clock (CLOCK_BOOTTIME, core/env/clock.h) is below `until_ns`; what
 * waited for that leaves now. It may be less than before. The grant's dir_index must be one that the core's map has
 * (R13): a map is taken before the lease that is given for it. */
void core_take_lease(struct core *core, uint64_t until_ns);
/** Any thread: core_take_lease, as a message. */
void core_post_lease(struct core *core, uint64_t until_ns);

/** call_finish, when there is a lease, or all that could lead the shard say that they do not (R14). Until then it
 * waits, at most for its deadline. */
void lease_wait(struct call *call);
static inline void lease_finish(struct call *call)
{
    if (call->is_leased && call->at->is_member) {
        lease_wait(call);
    } else {
        call_finish(call);
    }
}

/** R14: nobody else led the shard when that round of questions began, or before. */
void lease_confirmed(struct core *core, const struct shard *shard, uint64_t round);

/** Shards were given up: their answers will not leave from here. */
void lease_close(struct core *core);
/** The node stops: no answer waits any more. */
void lease_stop(struct core *core);
/** core_free. */
void lease_discard(struct core *core);

#endif
