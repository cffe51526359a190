/* tools/node/map_answer.c: the map, in as few bytes as clients need: an owner is an index of two bytes. */
#include "tools/node/map_answer.h"

#include "core/base/endian.h"

#define NOBODY 0xffffu /* instead of an index: the shard has no owner, or one that is no member any more */

static void put_key(pdr_writer *out, const char *key)
{
    pdr_write_cstr(out, key);
}

static void put_nodes(pdr_writer *out, const struct cluster_map *map, uint64_t id, struct pdr_bytes address)
{
    put_key(out, "nodes");
    pdr_write_array(out, map->self == 0 ? 1 : map->node_count);
    if (map->self == 0) {
        pdr_write_array(out, 2);
        pdr_write_uint(out, id);
        pdr_write_str(out, address);
        return;
    }
    for (uint32_t i = 0; i < map->node_count; i++) {
        pdr_write_array(out, 2);
        pdr_write_uint(out, map->nodes[i].node);
        pdr_write_str(out, map->nodes[i].address);
    }
}

static void put_places(pdr_writer *out, const struct cluster_map *map)
{
    put_key(out, "places");
    pdr_write_array(out, map->place_count);
    for (uint32_t i = 0; i < map->place_count; i++) {
        const struct cluster_place *place = &map->places[i];
        pdr_write_array(out, 4);
        pdr_write_str(out, place->type);
        if (place->tag.size > 0) {
            pdr_write_str(out, place->tag);
        } else {
            pdr_write_nil(out);
        }
        pdr_write_uint(out, place->first);
        pdr_write_uint(out, place->count);
    }
}

static uint16_t index_of(const struct cluster_map *map, uint64_t node)
{
    const struct cluster_node *found = node == 0 ? NULL : cluster_map_node(map, node);
    return (uint16_t)(found == NULL ? NOBODY : found - map->nodes);
}

/* A node alone owns every shard of the default group, which is all there is. */
static void put_owners(pdr_writer *out, const struct cluster_map *map)
{
    uint32_t count = map->self == 0 ? map->shard_count : map->owner_count;
    pdr_writer indices = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint8_t index[2];
        put_le16(index, map->self == 0 ? 0 : index_of(map, map->owners[i].node));
        pdr_write_raw(&indices, index, sizeof index);
    }
    put_key(out, "owners");
    pdr_write_bin(out, pdr_written(&indices));
    out->failed |= indices.failed;
    pdr_writer_release(&indices);
}

void map_answer_write(pdr_writer *out, const struct cluster_map *map, uint64_t id, struct pdr_bytes address)
{
    uint16_t self = map->self == 0 ? 0 : index_of(map, map->self);
    pdr_write_map(out, 6);
    put_key(out, "version");
    pdr_write_uint(out, map->version);
    put_key(out, "self");
    if (self != NOBODY) {
        pdr_write_uint(out, self);
    } else {
        pdr_write_nil(out);
    }
    put_key(out, "shards");
    pdr_write_uint(out, map->shard_count);
    put_nodes(out, map, id, address);
    put_places(out, map);
    put_owners(out, map);
}
