/* tools/node/sys_directory_show.h: rows of the directory as answers of `_sys/directory`. Pure: what no row says comes
 * in with them, so that a test can make the rows by hand. */
#ifndef TOOLS_NODE_SYS_DIRECTORY_SHOW_H
#define TOOLS_NODE_SYS_DIRECTORY_SHOW_H

#include "core/cluster/rows.h"

/** What is known of the cluster. */
struct directory_seen {
    const struct cluster_rows *rows;
    uint64_t index;  /* up to which the rows are known */
    uint64_t leader; /* 0: nobody is known to lead */
    /** What a node's shards do (core/shard/load.h); false: not known. NULL: of none. */
    bool (*load_of)(void *user, uint64_t node, uint64_t *load);
    void *user;
};

/** The members that were not removed: {"name", "id", "address", "role", "state", "labels", "copies", "leads", "load"}.
 * `load`: per mille of a core that its shards took lately; nil: not known. */
void directory_show_members(pdr_writer *out, const struct directory_seen *seen);
/** {"leader", "index", "paused", "shards", "assigned", "moving", "short", "headless", "members"}: shards that have a
 * home; on their way to where they should be; with fewer copies in sync than their group wants and nodes could have;
 * without a living primary. */
void directory_show_status(pdr_writer *out, const struct directory_seen *seen);
/** {"shards": [...], "next": the first that is missing, or nil}: at most `limit`, from `first` on. */
void directory_show_shards(pdr_writer *out, const struct directory_seen *seen, uint32_t first, uint32_t limit);
/** {"shard", "group", "epoch", "primary", "address", "in_sync", "targets", "min_isr"}; nil where there is none yet. */
void directory_show_shard(pdr_writer *out, const struct directory_seen *seen, uint32_t shard);
/** How far a node is on its way out: {"name", "id", "state", "role", "draining", "copies", "leads", "empty"}. */
void directory_show_node(pdr_writer *out, const struct directory_seen *seen, uint64_t node);

/** The member of that name or id (16 hexadecimal digits), one that was removed by its id alone; NULL. */
const struct cluster_member *directory_find_member(const struct cluster_rows *rows, struct pdr_bytes name);
/** The group that has the shard; NULL. */
const struct cluster_group *directory_group_of(const struct cluster_rows *rows, uint32_t shard);
/** The shard of an actor, as cluster_map_place has it. False: the type's group is not there. */
bool directory_place(const struct cluster_rows *rows, struct pdr_bytes type, struct pdr_bytes key, uint32_t *shard);
/** Targets that put the shard on the node, to lead it there: in place of who leads it now, unless it has a copy. */
struct ids directory_moved(const struct cluster_shard *shard, uint64_t node);

#endif
