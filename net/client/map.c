/* net/client/map.c: reading a map: everything is checked and measured first, then copied into one block. */
#include "net/client/map.h"

#include <string.h>

#include "core/base/endian.h"
#include "core/base/limits.h"
#include "core/base/mem.h"

#define PLACES_MAX (LIMIT_GROUPS_MAX + LIMIT_TYPES_MAX)

/* What the answer consists of, before anything is copied. */
struct parts {
    pdr_value nodes, places;
    struct pdr_bytes owners;
    uint64_t version, self, shards;
    size_t texts; /* bytes of all texts, each address with a NUL */
};

/* One element of an array each. */

static bool read_node(pdr_value value, uint64_t *id, struct pdr_bytes *address)
{
    struct pdr_bytes items = pdr_value_items(value);
    return pdr_value_count(value) == 2 && pdr_value_uint(pdr_value_next(&items), id) &&
           pdr_value_bytes(pdr_value_next(&items), address) && address->size > 0 &&
           address->size <= LIMIT_ADDRESS_BYTES_MAX && memchr(address->data, 0, address->size) == NULL;
}

static bool read_small(pdr_value value, uint32_t *out)
{
    uint64_t number;
    bool fits = pdr_value_uint(value, &number) && number <= LIMIT_SHARDS_MAX;
    *out = fits ? (uint32_t)number : 0;
    return fits;
}

static bool read_place(pdr_value value, struct client_map_place *place)
{
    struct pdr_bytes items = pdr_value_items(value);
    *place = (struct client_map_place){0};
    if (pdr_value_kind(value) != PDR_KIND_ARRAY || pdr_value_count(value) != 4 ||
        !pdr_value_bytes(pdr_value_next(&items), &place->type)) {
        return false;
    }
    pdr_value tag = pdr_value_next(&items);
    bool has_tag = pdr_value_kind(tag) != PDR_KIND_NIL;
    if (has_tag && (!pdr_value_bytes(tag, &place->tag) || place->tag.size == 0)) {
        return false;
    }
    return place->type.size > 0 && place->type.size <= PDR_TYPE_SIZE_MAX && place->tag.size <= PDR_KEY_SIZE_MAX &&
           read_small(pdr_value_next(&items), &place->first) && read_small(pdr_value_next(&items), &place->count) &&
           place->count > 0;
}

static int compare_places(const struct client_map_place *a, const struct client_map_place *b)
{
    int order = pdr_bytes_compare(a->type, b->type);
    return order != 0 ? order : pdr_bytes_compare(a->tag, b->tag);
}

/* Checking. */

static const char *check_nodes(struct parts *parts)
{
    struct pdr_bytes items = pdr_value_items(parts->nodes), address;
    uint64_t id;
    if (pdr_value_kind(parts->nodes) != PDR_KIND_ARRAY || pdr_value_count(parts->nodes) > LIMIT_MEMBERS_MAX) {
        return "the map's \"nodes\" is not an array of at most 4096 (limit members_max)";
    }
    for (uint32_t i = 0; i < pdr_value_count(parts->nodes); i++) {
        if (!read_node(pdr_value_next(&items), &id, &address)) {
            return "a node of the map is not [id, address]";
        }
        parts->texts += address.size + 1;
    }
    return NULL;
}

static const char *check_places(struct parts *parts)
{
    struct pdr_bytes items = pdr_value_items(parts->places);
    struct client_map_place place, before = {0};
    if (pdr_value_kind(parts->places) != PDR_KIND_ARRAY || pdr_value_count(parts->places) > PLACES_MAX) {
        return "the map's \"places\" is not an array of at most 16384";
    }
    for (uint32_t i = 0; i < pdr_value_count(parts->places); i++) {
        if (!read_place(pdr_value_next(&items), &place)) {
            return "a place of the map is not [type, tag, first, count]";
        }
        if (i > 0 && compare_places(&before, &place) >= 0) {
            return "the places of the map are not in order";
        }
        parts->texts += place.type.size + place.tag.size;
        before = place;
    }
    return NULL;
}

static const char *check_owners(const struct parts *parts)
{
    const uint8_t *at = parts->owners.data;
    uint32_t nodes = pdr_value_count(parts->nodes);
    if (parts->owners.size % 2 != 0 || parts->owners.size / 2 > LIMIT_SHARDS_MAX) {
        return "the map's \"owners\" is not 2 bytes for each of at most 65536 shards (limit shards_max)";
    }
    for (size_t i = 0; i < parts->owners.size; i += 2) {
        uint16_t index = get_le16(at + i);
        if (index >= nodes && index != CLIENT_MAP_NOBODY) {
            return "a shard's owner is not among the nodes of the map";
        }
    }
    return NULL;
}

static const char *check(pdr_value answer, struct parts *parts)
{
    pdr_value self = pdr_value_get(answer, "self");
    *parts = (struct parts){.nodes = pdr_value_get(answer, "nodes"), .places = pdr_value_get(answer, "places")};
    if (pdr_value_kind(answer) != PDR_KIND_MAP || !pdr_value_uint(pdr_value_get(answer, "version"), &parts->version) ||
        !pdr_value_uint(pdr_value_get(answer, "shards"), &parts->shards) ||
        !pdr_value_bytes(pdr_value_get(answer, "owners"), &parts->owners) || parts->nodes.size == 0 ||
        parts->places.size == 0) {
        return "the map has no \"version\", \"shards\", \"nodes\", \"places\" or \"owners\"";
    }
    if (parts->shards == 0 || parts->shards > LIMIT_SHARDS_MAX) {
        return "the map's \"shards\" is not a number from 1 to 65536 (limit shards_max)";
    }
    const char *why = check_nodes(parts);
    why = why != NULL ? why : check_places(parts);
    why = why != NULL ? why : check_owners(parts);
    if (why == NULL && (!pdr_value_uint(self, &parts->self) || parts->self >= pdr_value_count(parts->nodes))) {
        parts->self = CLIENT_MAP_NOBODY;
    }
    return why;
}

/* Copying. */

static struct pdr_bytes copy_text(char **texts, struct pdr_bytes text)
{
    struct pdr_bytes copy = pdr_bytes(*texts, text.size);
    if (text.size > 0) {
        memcpy(*texts, text.data, text.size);
    }
    *texts += text.size;
    return copy;
}

static void copy_nodes(const struct parts *parts, struct client_map_node *nodes, char **texts)
{
    struct pdr_bytes items = pdr_value_items(parts->nodes), address = {NULL, 0};
    for (uint32_t i = 0; i < pdr_value_count(parts->nodes); i++) {
        read_node(pdr_value_next(&items), &nodes[i].id, &address);
        nodes[i].address = copy_text(texts, address).data;
        *(*texts)++ = '\0';
    }
}

static void copy_places(const struct parts *parts, struct client_map_place *places, char **texts)
{
    struct pdr_bytes items = pdr_value_items(parts->places);
    for (uint32_t i = 0; i < pdr_value_count(parts->places); i++) {
        read_place(pdr_value_next(&items), &places[i]);
        places[i].type = copy_text(texts, places[i].type);
        places[i].tag = copy_text(texts, places[i].tag);
    }
}

enum pdr_status client_map_read(pdr_value answer, struct client_map **out, const char **why)
{
    struct parts parts;
    *why = check(answer, &parts);
    if (*why != NULL) {
        return PDR_INVALID;
    }
    uint32_t node_count = pdr_value_count(parts.nodes), place_count = pdr_value_count(parts.places);
    uint32_t owner_count = (uint32_t)(parts.owners.size / 2);
    /* In order of what they must be aligned to. */
    size_t nodes_size = node_count * sizeof(struct client_map_node);
    size_t places_size = place_count * sizeof(struct client_map_place);
    struct client_map *map =
        mem_try(sizeof *map + nodes_size + places_size + owner_count * sizeof(uint16_t) + parts.texts);
    if (map == NULL) {
        *why = "this process has no memory for the map";
        return PDR_OVERLOADED;
    }
    struct client_map_node *nodes = (struct client_map_node *)(map + 1);
    struct client_map_place *places = (struct client_map_place *)(nodes + node_count);
    uint16_t *owners = (uint16_t *)(places + place_count);
    char *texts = (char *)(owners + owner_count);
    copy_nodes(&parts, nodes, &texts);
    copy_places(&parts, places, &texts);
    for (uint32_t i = 0; i < owner_count; i++) {
        owners[i] = get_le16((const uint8_t *)parts.owners.data + 2 * (size_t)i);
    }
    *map = (struct client_map){.version = parts.version,
                               .self = (uint32_t)parts.self,
                               .shard_count = (uint32_t)parts.shards,
                               .owner_count = owner_count,
                               .node_count = node_count,
                               .place_count = place_count,
                               .nodes = nodes,
                               .places = places,
                               .owners = owners};
    *out = map;
    return PDR_OK;
}

void client_map_free(struct client_map *map)
{
    mem_free(map);
}

/* Looking up: as core/cluster_map.c does. */

static const struct client_map_place *find_place(const struct client_map *map, struct pdr_bytes type,
                                                 struct pdr_bytes tag)
{
    struct client_map_place wanted = {.type = type, .tag = tag};
    uint32_t low = 0, high = map->place_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_places(&wanted, &map->places[middle]);
        if (order == 0) {
            return &map->places[middle];
        }
        low = order > 0 ? middle + 1 : low;
        high = order > 0 ? high : middle;
    }
    return NULL;
}

uint32_t client_map_owner(const struct client_map *map, const struct pdr_ref *actor, uint64_t key_hash)
{
    uint32_t first = 0, count = map->shard_count;
    if (map->place_count > 0) {
        const struct client_map_place *place = find_place(map, actor->type, pdr_ref_tag(actor->key));
        place = place != NULL ? place : find_place(map, actor->type, pdr_bytes(NULL, 0));
        first = place != NULL ? place->first : 0;
        count = place != NULL ? place->count : count;
    }
    uint64_t shard = first + key_hash % count;
    return shard < map->owner_count ? map->owners[shard] : CLIENT_MAP_NOBODY;
}
