/* core/cluster/rows.c: sorted arrays. Rows come and are replaced often, and new keys seldom. */
#include "core/cluster/rows.h"

#include "core/base/mem.h"

#define CAPACITY_MIN 16u

void cluster_rows_release(struct cluster_rows *rows)
{
    for (uint32_t kind = 0; kind < ROW_KIND_COUNT; kind++) {
        struct row_list *list = &rows->of[kind];
        for (uint32_t i = 0; i < list->count; i++) {
            cluster_row_free(list->at[i]);
        }
        mem_free(list->at);
        *list = (struct row_list){NULL, 0, 0};
    }
}

/* Where the key is, or belongs. */
static uint32_t place_of(const struct row_list *list, const struct entry *probe)
{
    uint32_t low = 0, high = list->count;
    if (high == 0 || entry_compare(&list->at[high - 1]->entry, probe) < 0) {
        return high; /* ids are given in order */
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entry_compare(&list->at[middle]->entry, probe) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct row_list *list, uint32_t place, const struct entry *probe)
{
    return place < list->count && entry_compare(&list->at[place]->entry, probe) == 0;
}

struct cluster_row *cluster_rows_find(const struct cluster_rows *rows, const struct entry *probe)
{
    const struct row_list *list = &rows->of[probe->kind];
    uint32_t place = place_of(list, probe);
    return is_at(list, place, probe) ? list->at[place] : NULL;
}

struct cluster_row *cluster_rows_put(struct cluster_rows *rows, struct cluster_row *row)
{
    struct row_list *list = &rows->of[row->entry.kind];
    uint32_t place = place_of(list, &row->entry);
    if (is_at(list, place, &row->entry)) {
        struct cluster_row *old = list->at[place];
        list->at[place] = row;
        return old;
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? CAPACITY_MIN : 2 * list->capacity;
        list->at = mem_grow(list->at, list->capacity * sizeof *list->at);
    }
    struct cluster_row **at = &list->at[place];
    memmove(at + 1, at, (list->count - place) * sizeof *at);
    *at = row;
    list->count++;
    return NULL;
}

static const struct entry *find(const struct cluster_rows *rows, const struct entry *probe)
{
    const struct cluster_row *row = cluster_rows_find(rows, probe);
    return row == NULL ? NULL : &row->entry;
}

const struct cluster_info *cluster_rows_info(const struct cluster_rows *rows)
{
    const struct entry *entry = find(rows, &(struct entry){.kind = ROW_INFO});
    return entry == NULL ? NULL : &entry->info;
}

const struct cluster_member *cluster_rows_member(const struct cluster_rows *rows, uint64_t node)
{
    const struct entry *entry = find(rows, &(struct entry){.kind = ROW_MEMBER, .member = {.node = node}});
    return entry == NULL ? NULL : &entry->member;
}

const struct cluster_group *cluster_rows_group(const struct cluster_rows *rows, struct pdr_bytes name)
{
    const struct entry *entry = find(rows, &(struct entry){.kind = ROW_GROUP, .group = {.name = name}});
    return entry == NULL ? NULL : &entry->group;
}

const struct cluster_shard *cluster_rows_shard(const struct cluster_rows *rows, uint32_t shard)
{
    const struct entry *entry = find(rows, &(struct entry){.kind = ROW_SHARD, .shard = {.shard = shard}});
    return entry == NULL ? NULL : &entry->shard;
}

const struct cluster_type *cluster_rows_type(const struct cluster_rows *rows, struct pdr_bytes type)
{
    const struct entry *entry = find(rows, &(struct entry){.kind = ROW_TYPE, .type = {.type = type}});
    return entry == NULL ? NULL : &entry->type;
}

const struct cluster_hosts *cluster_rows_hosts(const struct cluster_rows *rows, uint64_t node)
{
    const struct entry *entry = find(rows, &(struct entry){.kind = ROW_HOSTS, .hosts = {.node = node}});
    return entry == NULL ? NULL : &entry->hosts;
}
