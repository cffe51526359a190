/* core/cluster/view.c: rows are merged, pages are counted. */
#include "core/cluster/view.h"

#include "core/base/mem.h"

void cluster_view_init(struct cluster_view *view)
{
    *view = (struct cluster_view){.index = 0};
}

void cluster_view_release(struct cluster_view *view)
{
    cluster_rows_release(&view->rows);
    mem_free(view->owners);
}

/* Owners. */

static void make_room(struct cluster_view *view, uint32_t count)
{
    if (count > view->owner_capacity) {
        uint32_t capacity = view->owner_capacity * 2;
        capacity = capacity < count ? count : capacity;
        view->owners = mem_grow(view->owners, capacity * sizeof *view->owners);
        memset(view->owners + view->owner_capacity, 0, (capacity - view->owner_capacity) * sizeof *view->owners);
        view->owner_capacity = capacity;
    }
    view->owner_count = count > view->owner_count ? count : view->owner_count;
}

static void note(struct cluster_view *view, const struct entry *entry)
{
    if (entry->kind == ROW_INFO) {
        make_room(view, entry->info.next_shard);
    } else if (entry->kind == ROW_SHARD) {
        const struct cluster_shard *shard = &entry->shard;
        make_room(view, shard->shard + 1); /* a row may come before the one that tells how many there are */
        view->owners[shard->shard] = (struct cluster_owner){shard->primary, shard->epoch, entry->changed};
    }
}

/* Rows. */

static bool is_of_another_cluster(const struct cluster_view *view, const struct entry *entry)
{
    const struct cluster_info *info = cluster_rows_info(&view->rows);
    return info != NULL && entry->kind == ROW_INFO && !pdr_bytes_equal(info->cluster, entry->info.cluster);
}

/* What would lead look-ups out of the arrays. */
static bool cannot_be(const struct entry *entry)
{
    if (entry->kind == ROW_GROUP) {
        return entry->group.shards == 0 || entry->group.first > LIMIT_SHARDS_MAX - entry->group.shards;
    }
    return entry->kind == ROW_SHARD && entry->shard.shard >= LIMIT_SHARDS_MAX;
}

enum pdr_status cluster_view_put(struct cluster_view *view, struct pdr_bytes bytes, bool *changed, struct fault *fault)
{
    struct cluster_row *row;
    enum pdr_status status = cluster_row_read(bytes, &row, fault);
    if (status != PDR_OK) {
        return status;
    }
    if (is_of_another_cluster(view, &row->entry) || cannot_be(&row->entry)) {
        *fault = (struct fault){NULL, "is a row of another cluster, or of shards that cannot be"};
        cluster_row_free(row);
        return PDR_INVALID;
    }
    const struct cluster_row *known = cluster_rows_find(&view->rows, &row->entry);
    if (known != NULL && !entry_is_newer(&row->entry, &known->entry)) {
        cluster_row_free(row);
        return PDR_OK;
    }
    struct cluster_row *old = cluster_rows_put(&view->rows, row);
    if (row->entry.kind == ROW_ELECTION && view->election != NULL) {
        view->election(view->user, old != NULL ? &old->entry.election : NULL, &row->entry.election);
    }
    cluster_row_free(old);
    note(view, &row->entry);
    *changed = *changed || row->entry.kind != ROW_ELECTION;
    return PDR_OK;
}

/* Pages. */

enum pdr_status cluster_view_take(struct cluster_view *view, struct pdr_bytes page, bool *changed, struct fault *fault)
{
    struct pdr_bytes rest = page;
    pdr_value head = pdr_value_next(&rest);
    struct pdr_bytes items = pdr_value_items(head);
    uint64_t since, index, cursor;
    bool complete;
    *changed = false;
    *fault = (struct fault){NULL, "is not a page of the feed"};
    if (pdr_value_kind(head) != PDR_KIND_ARRAY || pdr_value_count(head) != CLUSTER_PAGE_FIELDS ||
        !pdr_value_uint(pdr_value_next(&items), &since) || !pdr_value_uint(pdr_value_next(&items), &index) ||
        !pdr_value_uint(pdr_value_next(&items), &cursor) || !pdr_value_bool(pdr_value_next(&items), &complete) ||
        cursor < since || cursor > index || (complete && cursor != index)) {
        return PDR_INVALID;
    }
    if (since > view->cursor) {
        fault->what = "is a page of the feed, and the one before it is missing";
        return PDR_INVALID;
    }
    while (rest.size > 0) {
        enum pdr_status status = cluster_view_put(view, pdr_value_next(&rest), changed, fault);
        if (status != PDR_OK) {
            return status;
        }
    }
    view->cursor = cursor > view->cursor ? cursor : view->cursor;
    if (complete && index > view->index) {
        view->index = index;
    }
    return PDR_OK;
}
