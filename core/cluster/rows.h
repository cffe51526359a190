/* core/cluster/rows.h: all rows of a directory, found by key, in order of their keys: what the directory itself keeps,
 * and each node's copy of it. One thread. */
#ifndef CORE_CLUSTER_ROWS_H
#define CORE_CLUSTER_ROWS_H

#include "core/cluster/row.h"

/** Rows of one kind, in order. */
struct row_list {
    struct cluster_row **at;
    uint32_t count, capacity;
};

/** Zero-initialise. The rows belong to it. */
struct rows {
    struct row_list of[ROW_KIND_COUNT];
};

/** Frees the rows too. */
void rows_release(struct rows *rows);

/** The row with the key of `probe`; NULL if there is none. */
struct cluster_row *rows_find(const struct rows *rows, const struct entry *probe);
/** Takes `row`; hands back the one it replaces, which is the caller's now, or NULL. */
struct cluster_row *rows_put(struct rows *rows, struct cluster_row *row);

/** NULL: not known. For a shard: never assigned. */
const struct cluster_info *rows_info(const struct rows *rows);
const struct cluster_member *rows_member(const struct rows *rows, uint64_t node);
const struct cluster_group *rows_group(const struct rows *rows, struct pdr_bytes name);
const struct cluster_shard *rows_shard(const struct rows *rows, uint32_t shard);
const struct cluster_type *rows_type(const struct rows *rows, struct pdr_bytes type);
const struct cluster_hosts *rows_hosts(const struct rows *rows, uint64_t node);

#endif
