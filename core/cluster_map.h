/* core/cluster_map.h: the state of the cluster as a value: immutable, versioned, handed to cores as a message.
 *
 * What a call needs to find its shard, and the node and core that own it; arrays, for it is looked at with each call.
 * The rows it is cut from are in core/cluster/view.h. A node alone needs none of them: it owns every shard. */
#ifndef CORE_CLUSTER_MAP_H
#define CORE_CLUSTER_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>

#define CLUSTER_SHARDS 256u /* of the default placement group */

/** Who answers for a shard. `node` 0: nobody yet, or it is on its way to another node (docs/internals/carry.md). `cv`
 * is the place of the row's last change in the directory's log (entry.changed, and not the row's own cv, which counts
 * its changes), so that it can be compared with a map's version, too. Of two, the one with the higher cv is newer. */
struct cluster_owner {
    uint64_t node, epoch, cv;
};

/** A member that was not removed. */
struct cluster_node {
    uint64_t node, incarnation;
    bool alive, draining;
    struct pdr_bytes name, address;
};

/** Where the actors of a type live, if not in the default group; with a `tag`, those that are pinned. */
struct cluster_place {
    struct pdr_bytes type, tag;
    uint32_t first, count;
};

struct cluster_map {
    uint64_t version;     /* dir_index up to which it has all; single rows may be newer, and say so by cv */
    uint32_t shard_count; /* of the default placement group, whose shards come first */
    uint32_t cores;       /* of this node */
    uint64_t self;        /* this node; 0: it is alone, and owns every shard */
    uint32_t owner_count; /* shards of all groups */
    uint32_t node_count, place_count;
    uint32_t row_count;
    const struct cluster_owner *owners; /* by shard */
    const struct cluster_shard *rows; /* core/cluster/row.h; of shards that this node has a copy of, or is to; by id */
    const struct cluster_node *nodes; /* by id */
    const struct cluster_place *places; /* by type and tag */
};

struct cluster_view;
struct cluster_shard;

/** A node alone, which needs no cluster_map_free. */
static inline struct cluster_map cluster_map_alone(uint32_t shard_count, uint32_t cores)
{
    return (struct cluster_map){.version = 1, .shard_count = shard_count, .cores = cores};
}
/** The map of what the view knows now, in one block of memory with all that it points to. `self` is not 0.
 * `replicates`: a log goes between copies, so that a shard with several is served; else it is nobody's. */
struct cluster_map *cluster_map_new(const struct cluster_view *view, uint64_t self, uint32_t cores, bool replicates);
/** While a shard is on its way out it has no owner, but who had it in the same epoch has it yet: it stands still
 * there, and calls that come wait for what becomes of it, in the order they came. `last`: the map before, which knew
 * that. */
void cluster_map_keep_owners(struct cluster_map *map, const struct cluster_map *last);
void cluster_map_free(struct cluster_map *map);

/** Placement of a key among `shard_count` shards; the same for ever. */
static inline uint32_t cluster_shard(uint32_t shard_count, uint64_t key_hash)
{
    return (uint32_t)(key_hash % shard_count);
}

/** The shard of an actor whose type is in the default group. */
static inline uint32_t cluster_map_shard(const struct cluster_map *map, uint64_t key_hash)
{
    return cluster_shard(map->shard_count, key_hash);
}

/** The shard of any actor; cluster_map_shard is right for all if there are no places. */
uint32_t cluster_map_place(const struct cluster_map *map, struct pdr_bytes type, struct pdr_bytes key,
                           uint64_t key_hash);

/** The core of this node that owns the shard, if the node does. */
static inline uint32_t cluster_map_core(const struct cluster_map *map, uint32_t shard)
{
    return shard % map->cores;
}

static inline bool cluster_map_is_here(const struct cluster_map *map, uint32_t shard)
{
    return map->self == 0 || (shard < map->owner_count && map->owners[shard].node == map->self);
}

/** NULL: a shard that is not in the map, or a node alone. */
static inline const struct cluster_owner *cluster_map_owner(const struct cluster_map *map, uint32_t shard)
{
    return shard < map->owner_count ? &map->owners[shard] : NULL;
}

/** The whole row of a shard that has, or is to have, a copy on this node; NULL: the directory knows of none. */
const struct cluster_shard *cluster_map_row(const struct cluster_map *map, uint32_t shard);

/** NULL: not a member, or a node alone. */
const struct cluster_node *cluster_map_node(const struct cluster_map *map, uint64_t node);

#endif
