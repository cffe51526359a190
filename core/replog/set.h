/* core/replog/set.h: the arithmetic of the commit set: who must have an entry before it is acknowledged. Pure.
 *
 * A copy counts by its name (rid), not by the node that it is on: a node whose disk was wiped has another one, and what
 * the old one had acknowledged is gone (replication.md R23, R47). */
#ifndef CORE_REPLOG_SET_H
#define CORE_REPLOG_SET_H

#include "core/cluster/fields.h"

/** A copy that follows the epoch, and what it has on disk. */
struct set_ack {
    uint64_t node, rid, seq;
};

/** Whether two names are of one copy. */
bool set_same(uint64_t rid, uint64_t other);
/** Where the set has everything, if this node has `own_seq`; 0 while one of the others does not follow the epoch. */
uint64_t set_committed(const struct copies *set, uint64_t self, uint64_t own_seq, const struct set_ack *acks,
                       uint32_t count);
/** Whether all of the others follow. */
bool set_follows(const struct copies *set, uint64_t self, const struct set_ack *acks, uint32_t count);
/** Whether `set` has all of `of`: the same copies, not only the same nodes (I4). */
bool set_covers(const struct copies *set, const struct copies *of);

#endif
