/* core/cluster_map.c: a map is cut from a view: arrays, and the texts that they point to, in one block. */
#include "core/cluster_map.h"

#include <stdlib.h>

#include <perdure/ref.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/cluster/view.h"

#define DEFAULT_FIRST 0u /* the default group is made with the cluster, so its shards are the first */

/* Where arrays and texts are put: first only counted, then written. */
struct block {
    char *at; /* NULL: only count */
    size_t size;
};

static void *take(struct block *block, size_t size)
{
    void *at = block->at == NULL ? NULL : block->at + block->size;
    block->size += size;
    return at;
}

static struct pdr_bytes take_text(struct block *block, struct pdr_bytes text)
{
    char *at = take(block, text.size);
    if (at != NULL && text.size > 0) {
        memcpy(at, text.data, text.size);
    }
    return pdr_bytes(at, text.size);
}

static const struct cluster_group *default_group(const struct cluster_rows *rows)
{
    const struct row_list *groups = &rows->of[ROW_GROUP];
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct cluster_group *group = &groups->at[i]->entry.group;
        if (group->first == DEFAULT_FIRST) {
            return group;
        }
    }
    return NULL;
}

/* In order of type and tag. */
static int compare_places(const void *a, const void *b)
{
    const struct cluster_place *x = a, *y = b;
    int order = pdr_bytes_compare(x->type, y->type);
    return order != 0 ? order : pdr_bytes_compare(x->tag, y->tag);
}

static uint32_t list_nodes(const struct cluster_rows *rows, struct cluster_node *nodes, struct block *block)
{
    const struct row_list *members = &rows->of[ROW_MEMBER];
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        if (member->state == MEMBER_REMOVED) {
            continue;
        }
        struct cluster_node node = {.node = member->node,
                                    .incarnation = member->incarnation,
                                    .alive = member->state == MEMBER_UP,
                                    .draining = member->draining,
                                    .name = take_text(block, member->name),
                                    .address = take_text(block, member->address)};
        if (nodes != NULL) {
            nodes[count] = node;
        }
        count++;
    }
    return count;
}

static uint32_t list_places(const struct cluster_rows *rows, struct cluster_place *places, struct block *block)
{
    const struct row_list *groups = &rows->of[ROW_GROUP], *types = &rows->of[ROW_TYPE];
    uint32_t count = 0;
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct cluster_group *group = &groups->at[i]->entry.group;
        if (group->pin_type.size > 0) {
            struct pdr_bytes type = take_text(block, group->pin_type), tag = take_text(block, group->pin_tag);
            if (places != NULL) {
                places[count] = (struct cluster_place){type, tag, group->first, group->shards};
            }
            count++;
        }
    }
    for (uint32_t i = 0; i < types->count; i++) {
        const struct cluster_type *type = &types->at[i]->entry.type;
        const struct cluster_group *group = cluster_rows_group(rows, type->group);
        if (group != NULL && group->first != DEFAULT_FIRST) { /* a group whose row has not come yet: soon */
            struct pdr_bytes name = take_text(block, type->type);
            if (places != NULL) {
                places[count] = (struct cluster_place){name, {NULL, 0}, group->first, group->shards};
            }
            count++;
        }
    }
    return count;
}

/* Where no log goes between copies, a shard with more than one is on its way, and nobody serves it. Nor does `self`
 * what an earlier process of it led, until it is promoted anew (R34). */
static void leave_out_unserved(const struct cluster_rows *rows, uint64_t self, bool replicates,
                               struct cluster_owner *owners)
{
    const struct row_list *shards = &rows->of[ROW_SHARD];
    const struct cluster_member *member = cluster_rows_member(rows, self);
    uint64_t incarnation = member != NULL ? member->incarnation : 0;
    for (uint32_t i = 0; i < shards->count; i++) {
        const struct cluster_shard *shard = &shards->at[i]->entry.shard;
        bool is_old = shard->primary == self && shard->incarnation < incarnation;
        if (is_old || (shard->isr.count > 1 && !replicates && !MUTATION(190))) {
            owners[shard->shard].node = 0;
        }
    }
}

/* The rows that this node's copies go by: those that name it. Null `rows`: only count. */
static uint32_t list_rows(const struct cluster_rows *from, uint64_t self, struct cluster_shard *rows)
{
    const struct row_list *shards = &from->of[ROW_SHARD];
    uint32_t count = 0;
    for (uint32_t i = 0; i < shards->count; i++) {
        const struct cluster_shard *row = &shards->at[i]->entry.shard;
        if (!copies_have(&row->isr, self) && !ids_have(&row->targets, self)) {
            continue;
        }
        if (rows != NULL) {
            rows[count] = *row;
        }
        count++;
    }
    return count;
}

struct cluster_map *cluster_map_new(const struct cluster_view *view, uint64_t self, uint32_t cores, bool replicates)
{
    const struct cluster_rows *rows = &view->rows;
    const struct cluster_group *group = default_group(rows);
    struct block texts = {NULL, 0}, arrays = {NULL, sizeof(struct cluster_map)};
    CHECK(self != 0 && cores > 0);
    uint32_t nodes = list_nodes(rows, NULL, &texts), places = list_places(rows, NULL, &texts);
    uint32_t row_count = list_rows(rows, self, NULL);
    take(&arrays, row_count * sizeof(struct cluster_shard));
    take(&arrays, view->owner_count * sizeof(struct cluster_owner));
    take(&arrays, nodes * sizeof(struct cluster_node));
    take(&arrays, places * sizeof(struct cluster_place));

    struct cluster_map *map = mem_grow(NULL, arrays.size + texts.size);
    struct block block = {(char *)map, sizeof *map};
    struct cluster_shard *row_array = take(&block, row_count * sizeof *row_array);
    struct cluster_owner *owner_array = take(&block, view->owner_count * sizeof *owner_array);
    struct cluster_node *node_array = take(&block, nodes * sizeof *node_array);
    struct cluster_place *place_array = take(&block, places * sizeof *place_array);
    if (view->owner_count > 0) {
        memcpy(owner_array, view->owners, view->owner_count * sizeof *owner_array);
        leave_out_unserved(rows, self, replicates, owner_array);
    }
    list_rows(rows, self, row_array);
    list_nodes(rows, node_array, &block);
    list_places(rows, place_array, &block);
    CHECK(block.size == arrays.size + texts.size);
    qsort(place_array, places, sizeof *place_array, compare_places);
    *map = (struct cluster_map){.version = view->index,
                                .shard_count = group == NULL ? CLUSTER_SHARDS : group->shards,
                                .cores = cores,
                                .self = self,
                                .owner_count = view->owner_count,
                                .node_count = nodes,
                                .place_count = places,
                                .row_count = row_count,
                                .owners = owner_array,
                                .rows = row_array,
                                .nodes = node_array,
                                .places = place_array};
    return map;
}

void cluster_map_keep_owners(struct cluster_map *map, const struct cluster_map *last)
{
    struct cluster_owner *owners = (struct cluster_owner *)(uintptr_t)map->owners; /* the map is still ours to change */
    for (uint32_t i = 0; i < map->owner_count && i < last->owner_count; i++) {
        if (owners[i].node == 0 && owners[i].epoch == last->owners[i].epoch) {
            owners[i].node = last->owners[i].node;
        }
    }
}

void cluster_map_free(struct cluster_map *map)
{
    mem_free(map);
}

static const struct cluster_place *find_place(const struct cluster_map *map, struct pdr_bytes type,
                                              struct pdr_bytes tag)
{
    struct cluster_place probe = {type, tag, 0, 0};
    return bsearch(&probe, map->places, map->place_count, sizeof probe, compare_places);
}

uint32_t cluster_map_place(const struct cluster_map *map, struct pdr_bytes type, struct pdr_bytes key,
                           uint64_t key_hash)
{
    const struct cluster_place *place = NULL;
    if (map->place_count > 0) {
        place = find_place(map, type, pdr_ref_tag(key));
        place = place != NULL ? place : find_place(map, type, pdr_bytes(NULL, 0));
    }
    return place == NULL ? cluster_map_shard(map, key_hash) : place->first + cluster_shard(place->count, key_hash);
}

static int compare_nodes(const void *a, const void *b)
{
    uint64_t x = ((const struct cluster_node *)a)->node, y = ((const struct cluster_node *)b)->node;
    return x < y ? -1 : x > y;
}

const struct cluster_node *cluster_map_node(const struct cluster_map *map, uint64_t node)
{
    struct cluster_node probe = {.node = node};
    if (map->node_count == 0) {
        return NULL;
    }
    return bsearch(&probe, map->nodes, map->node_count, sizeof probe, compare_nodes);
}

const struct cluster_shard *cluster_map_row(const struct cluster_map *map, uint32_t shard)
{
    uint32_t low = 0, high = map->row_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (map->rows[middle].shard < shard) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < map->row_count && map->rows[low].shard == shard ? &map->rows[low] : NULL;
}
