/* tools/node/sys_map.c: the map of the cluster as an answer, encoded once a version: a thousand clients ask every few
 * seconds, and nearly all of them have it. */
#include "tools/node/sys_map.h"

#include <stdlib.h>

#include "core/base/endian.h"
#include "core/base/limits.h"

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

void sys_map_write(pdr_writer *out, const struct cluster_map *map, uint64_t id, struct pdr_bytes address)
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

static bool take_version(struct call *call, bool *has_version, uint64_t *version)
{
    struct pdr_bytes items = pdr_value_items(call->args);
    pdr_value first = pdr_value_next(&items);
    *has_version = first.size > 0 && pdr_value_kind(first) != PDR_KIND_NIL;
    return !*has_version || pdr_value_uint(first, version);
}

/* An answer that did not fit memory is made anew for the next who asks. */
static const pdr_writer *encoded(struct node *node, const struct cluster_map *map)
{
    pdr_writer *answer = &node->map_answer;
    if (answer->size == 0 || node->map_answer_version != map->version) {
        pdr_writer_release(answer);
        pdr_writer_init(answer, NULL, 0, 0);
        sys_map_write(answer, map, strtoull(node->id, NULL, 16), pdr_str(node->address));
        node->map_answer_version = map->version;
        if (answer->failed) {
            pdr_writer_release(answer);
            pdr_writer_init(answer, NULL, 0, 0);
        }
    }
    return answer;
}

void sys_map(struct node *node, struct call *call)
{
    const struct cluster_map *map = node->control->map;
    bool has_version;
    uint64_t version = 0;
    if (!take_version(call, &has_version, &version)) {
        call_fail(call, PDR_INVALID, "map: the argument is the version that the caller has, or nil");
    } else if (has_version && version == map->version) {
        pdr_write_nil(&call->reply);
    } else {
        const pdr_writer *answer = encoded(node, map);
        if (answer->size == 0) {
            call_fail(call, PDR_OVERLOADED, "the machine has no memory for the map");
        } else if (answer->size > LIMIT_PAYLOAD_BYTES_MAX) {
            call_fail(call, PDR_TOO_LARGE, "the map has %zu bytes (limit payload_bytes_max)", answer->size);
        } else {
            pdr_write_raw(&call->reply, answer->data, answer->size);
        }
    }
    call_finish(call);
}

void sys_map_free(struct node *node)
{
    pdr_writer_release(&node->map_answer);
}
