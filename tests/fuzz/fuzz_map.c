/* tests/fuzz/fuzz_map.c: what a client takes for a map of the cluster. */
#include "core/base/limits.h"
#include "net/client/map.h"
#include "tests/fuzz/fuzz.h"

static void look_up(const struct client_map *map, const char *type, const char *key)
{
    struct pdr_ref ref = {pdr_str(type), pdr_str(key)};
    uint32_t owner = client_map_owner(map, &ref, pdr_ref_hash(ref.key));
    FUZZ_CHECK(owner < map->node_count || owner == CLIENT_MAP_NOBODY);
}

static void try_map(const struct client_map *map)
{
    FUZZ_CHECK(map->shard_count > 0 && (map->self < map->node_count || map->self == CLIENT_MAP_NOBODY));
    for (uint32_t i = 0; i < map->node_count; i++) {
        FUZZ_CHECK(strlen(map->nodes[i].address) <= LIMIT_ADDRESS_BYTES_MAX);
    }
    look_up(map, "a", "k");
    look_up(map, "a", "{t}");
    look_up(map, "counter", "visits");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_map *map;
    const char *why;
    if (size == 0 || pdr_value_skip(data, size, LIMIT_DEPTH_MAX) != (int64_t)size) {
        return 0; /* a frame's decoder has seen to that */
    }
    uint8_t *copy = fuzz_copy(data, size);
    if (client_map_read(pdr_bytes(copy, size), &map, &why) == PDR_OK) {
        try_map(map);
        client_map_free(map);
    } else {
        FUZZ_CHECK(why != NULL);
    }
    free(copy);
    return 0;
}
