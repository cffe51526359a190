/* core/cluster_map.h: the state of the cluster as a value: immutable, versioned, handed to cores as a message.
 *
 * One node: it owns every shard, and its cores share them. */
#ifndef CORE_CLUSTER_MAP_H
#define CORE_CLUSTER_MAP_H

#include <stdint.h>

#define CLUSTER_SHARDS 256u /* of the default placement group */

struct cluster_map {
    uint64_t version;
    uint32_t shard_count;
    uint32_t cores; /* of this node */
};

/** Placement of a key among `shard_count` shards; the same for ever. */
static inline uint32_t cluster_shard(uint32_t shard_count, uint64_t key_hash)
{
    return (uint32_t)(key_hash % shard_count);
}

static inline uint32_t cluster_map_shard(const struct cluster_map *map, uint64_t key_hash)
{
    return cluster_shard(map->shard_count, key_hash);
}

/** The core of this node that owns the shard. */
static inline uint32_t cluster_map_core(const struct cluster_map *map, uint32_t shard)
{
    return shard % map->cores;
}

#endif
