/* consensus/raft_disk_shard.h: a raft_disk over the node's own journal and store: its rows are those of a shard that
 * this node has for itself, KEYS_SHARD_DIRECTORY, in the table KEYS_RAFT.
 *
 * The control core, on which the directory's server runs, has no journal; so what it writes goes to the core that has
 * the shard, becomes an entry of it there, and is answered when the gate opens. One parcel is under way at a time;
 * batches that come meanwhile go along with the next. docs/internals/directory.md, "Where it lies", has the picture. */
#ifndef CONSENSUS_RAFT_DISK_SHARD_H
#define CONSENSUS_RAFT_DISK_SHARD_H

#include "consensus/raft_disk.h"
#include "core/shard/core.h"

/**
 * Over the shard of `owner`, which is the core that has owner->directory, and `store`, which is that of both; all
 * borrowed. `scan` is to be called after recovery_finish, and before the loops run; it fails as the store's cursor
 * does. `write` and `is_full` are for the thread of `control`, where batches are answered; none is after `idle` of
 * core_freeze(owner), and what was not answered by then is written or not, as after a crash.
 */
struct raft_disk *raft_disk_shard_new(struct core *control, struct core *owner, struct store *store);
/** On the thread of `control`, before core_free of it; loops may run or have stopped. Batches that wait are forgotten
 * without being looked at: they may be gone already. Not from inside of a batch's `done`. */
void raft_disk_shard_free(struct raft_disk *disk);

#endif
