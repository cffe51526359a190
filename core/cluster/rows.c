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
    mem_free(rows->elections.at);
    rows->elections = (struct row_list){NULL, 0, 0};
    rows->candidates = 0;
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

static void insert(struct row_list *list, uint32_t place, struct cluster_row *row)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? CAPACITY_MIN : 2 * list->capacity;
        list->at = mem_grow(list->at, list->capacity * sizeof *list->at);
    }
    struct cluster_row **at = &list->at[place];
    memmove(at + 1, at, (list->count - place) * sizeof *at);
    *at = row;
    list->count++;
}

/* Elections by name; of one name, by slot. */

static int compare_names(const struct cluster_election *a, const struct cluster_election *b)
{
    int names = pdr_bytes_compare(a->name, b->name);
    return names != 0 ? names : a->slot < b->slot ? -1 : a->slot > b->slot;
}

static uint32_t place_by_name(const struct row_list *list, const struct cluster_election *probe)
{
    uint32_t low = 0, high = list->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_names(&list->at[middle]->entry.election, probe) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void forget_name(struct cluster_rows *rows, const struct cluster_election *election)
{
    struct row_list *list = &rows->elections;
    rows->candidates -= candidates_count(election->candidates);
    if (election->name.size > 0) {
        struct cluster_row **at = &list->at[place_by_name(list, election)];
        list->count--;
        memmove(at, at + 1, (size_t)(list->at + list->count - at) * sizeof *at);
    }
}

static void note_name(struct cluster_rows *rows, struct cluster_row *row)
{
    const struct cluster_election *election = &row->entry.election;
    rows->candidates += candidates_count(election->candidates);
    if (election->name.size > 0) {
        insert(&rows->elections, place_by_name(&rows->elections, election), row);
    }
}

struct cluster_row *cluster_rows_put(struct cluster_rows *rows, struct cluster_row *row)
{
    struct row_list *list = &rows->of[row->entry.kind];
    uint32_t place = place_of(list, &row->entry);
    struct cluster_row *old = is_at(list, place, &row->entry) ? list->at[place] : NULL;
    bool is_election = row->entry.kind == ROW_ELECTION;
    if (old != NULL && is_election) {
        forget_name(rows, &old->entry.election);
    }
    if (old != NULL) {
        list->at[place] = row;
    } else {
        insert(list, place, row);
    }
    if (is_election) {
        note_name(rows, row);
    }
    return old;
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

const struct cluster_election *cluster_rows_election(const struct cluster_rows *rows, struct pdr_bytes name)
{
    const struct row_list *list = &rows->elections;
    const struct cluster_row *found = NULL;
    uint32_t i = place_by_name(list, &(struct cluster_election){.name = name});
    for (; i < list->count && pdr_bytes_equal(list->at[i]->entry.election.name, name); i++) {
        if (found == NULL || list->at[i]->entry.changed > found->entry.changed) {
            found = list->at[i];
        }
    }
    return found == NULL || name.size == 0 ? NULL : &found->entry.election;
}
