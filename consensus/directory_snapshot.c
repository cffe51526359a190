/* consensus/directory_snapshot.c: all of a directory as bytes, and back.
 *
 *     ["perdure directory", version, format, dir_index, raft_index, rolling, rows], then the rows by kind and key,
 *     then XXH3 of all that, u64 little endian
 *
 * Nothing of the order in which things happened is in it but what the rows themselves say. */
#include <stdlib.h>

#include "consensus/directory_parts.h"
#include "core/base/endian.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"

#define NAME "perdure directory"
#define VERSION 1u
#define SUM_SIZE 8u
#define HEAD_FIELDS 7u

static uint32_t row_count(const struct directory *d)
{
    uint32_t count = 0;
    for (uint32_t kind = 0; kind < ROW_KIND_COUNT; kind++) {
        count += d->rows.of[kind].count;
    }
    return count;
}

void directory_snapshot(const struct directory *d, pdr_writer *writer)
{
    size_t begin = writer->size;
    const struct cluster_info *info = cluster_rows_info(&d->rows);
    uint8_t sum[SUM_SIZE];
    pdr_write_array(writer, HEAD_FIELDS);
    pdr_write_cstr(writer, NAME);
    pdr_write_uint(writer, VERSION);
    pdr_write_uint(writer, info == NULL ? 0 : info->format);
    pdr_write_uint(writer, d->index);
    pdr_write_uint(writer, d->raft_index);
    pdr_write_uint(writer, d->rolling);
    pdr_write_uint(writer, row_count(d));
    for (uint32_t kind = 0; kind < ROW_KIND_COUNT; kind++) {
        const struct row_list *list = &d->rows.of[kind];
        for (uint32_t i = 0; i < list->count; i++) {
            pdr_write_raw(writer, list->at[i]->bytes, list->at[i]->size);
        }
    }
    if (!writer->failed) {
        put_le64(sum, hash_bytes(pdr_bytes(writer->data + begin, writer->size - begin), 0));
        pdr_write_raw(writer, sum, sizeof sum);
    }
}

/* Back. */

struct head {
    uint64_t version, format, index, raft_index, rolling, rows;
};

static bool read_head(struct pdr_bytes *bytes, struct head *head, const char **why)
{
    pdr_value array = pdr_value_next(bytes);
    struct pdr_bytes items = pdr_value_items(array), name;
    *why = "the snapshot is not one of a directory";
    if (pdr_value_count(array) != HEAD_FIELDS || !pdr_value_bytes(pdr_value_next(&items), &name) ||
        !pdr_bytes_equal(name, pdr_str(NAME)) || !pdr_value_uint(pdr_value_next(&items), &head->version)) {
        return false;
    }
    if (head->version != VERSION) {
        *why = "the snapshot is of a version that this program does not know";
        return false;
    }
    if (!pdr_value_uint(pdr_value_next(&items), &head->format) ||
        !pdr_value_uint(pdr_value_next(&items), &head->index) ||
        !pdr_value_uint(pdr_value_next(&items), &head->raft_index) ||
        !pdr_value_uint(pdr_value_next(&items), &head->rolling) ||
        !pdr_value_uint(pdr_value_next(&items), &head->rows)) {
        return false;
    }
    *why = "the snapshot is of a cluster whose format this program does not know";
    return head->format <= CLUSTER_FORMAT;
}

static bool read_rows(struct directory *d, struct pdr_bytes bytes, uint64_t count, const char **why)
{
    struct cluster_row *last = NULL;
    for (uint64_t i = 0; i < count; i++) {
        struct cluster_row *row;
        struct fault fault;
        pdr_value value = pdr_value_next(&bytes);
        if (cluster_row_read(value, &row, &fault) != PDR_OK) {
            *why = "the snapshot has a row that is malformed";
            return false;
        }
        if (row->entry.changed == 0 || row->entry.changed > d->index ||
            (last != NULL && entry_compare(&last->entry, &row->entry) >= 0)) {
            cluster_row_free(row);
            *why = "the snapshot has rows out of order";
            return false;
        }
        cluster_rows_put(&d->rows, row);
        d->content += row->hash;
        last = row;
    }
    *why = "the snapshot has bytes behind its last row";
    return bytes.size == 0;
}

static int compare_changes(const void *a, const void *b)
{
    const struct cluster_row *x = *(struct cluster_row *const *)a, *y = *(struct cluster_row *const *)b;
    if (x->entry.changed != y->entry.changed) {
        return x->entry.changed < y->entry.changed ? -1 : 1;
    }
    return entry_compare(&x->entry, &y->entry);
}

static void order_changes(struct directory *d)
{
    uint32_t count = row_count(d), n = 0;
    struct cluster_row **all = mem_new((count + 1) * sizeof(struct cluster_row *));
    for (uint32_t kind = 0; kind < ROW_KIND_COUNT; kind++) {
        for (uint32_t i = 0; i < d->rows.of[kind].count; i++) {
            all[n++] = d->rows.of[kind].at[i];
        }
    }
    qsort(all, count, sizeof *all, compare_changes);
    for (uint32_t i = 0; i < count; i++) {
        list_push_back(&d->by_change, &all[i]->by_change);
    }
    mem_free(all);
}

static bool restore(struct directory *d, struct pdr_bytes bytes, const char **why)
{
    struct head head;
    if (!read_head(&bytes, &head, why)) {
        return false;
    }
    d->index = head.index;
    d->raft_index = head.raft_index;
    d->rolling = head.rolling;
    if (!read_rows(d, bytes, head.rows, why)) {
        return false;
    }
    const struct cluster_info *info = cluster_rows_info(&d->rows);
    *why = directory_fault(d);
    if (*why == NULL && head.format != (info == NULL ? 0 : info->format)) {
        *why = "the snapshot says two formats";
    }
    if (*why != NULL) {
        return false;
    }
    order_changes(d);
    d->mark_count = 0; /* how it got here is not known */
    directory_mark(d);
    return true;
}

enum pdr_status directory_restore(struct pdr_bytes snapshot, struct directory **out, const char **why)
{
    *why = "the snapshot is damaged: its checksum is wrong";
    if (snapshot.size < SUM_SIZE) {
        return PDR_INVALID;
    }
    struct pdr_bytes bytes = pdr_bytes(snapshot.data, snapshot.size - SUM_SIZE);
    if (get_le64((const char *)bytes.data + bytes.size) != hash_bytes(bytes, 0)) {
        return PDR_INVALID;
    }
    struct directory *d = directory_new();
    if (!restore(d, bytes, why)) {
        directory_free(d);
        return PDR_INVALID;
    }
    *out = d;
    return PDR_OK;
}
