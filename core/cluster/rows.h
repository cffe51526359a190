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
struct cluster_rows {
    struct row_list of[ROW_KIND_COUNT];
    struct row_list elections; /* those that have a name, by name; the same rows */
    uint32_t candidates;       /* of all of them */
};

/** Frees the rows too. */
void cluster_rows_release(struct cluster_rows *rows);

/** The row with the key of `probe`; NULL if there is none. */
struct cluster_row *cluster_rows_find(const struct cluster_rows *rows, const struct entry *probe);
/** Takes `row`; hands back the one it replaces, which is the caller's now, or NULL. */
struct cluster_row *cluster_rows_put(struct cluster_rows *rows, struct cluster_row *row);

/** NULL: not known. For a shard: never assigned. */
const struct cluster_info *cluster_rows_info(const struct cluster_rows *rows);
const struct cluster_member *cluster_rows_member(const struct cluster_rows *rows, uint64_t node);
const struct cluster_group *cluster_rows_group(const struct cluster_rows *rows, struct pdr_bytes name);
const struct cluster_shard *cluster_rows_shard(const struct cluster_rows *rows, uint32_t shard);
const struct cluster_type *cluster_rows_type(const struct cluster_rows *rows, struct pdr_bytes type);
const struct cluster_hosts *cluster_rows_hosts(const struct cluster_rows *rows, uint64_t node);
/** NULL: nobody stands. In a copy that lags a name may be in two rooms; then the later row counts. */
const struct cluster_election *cluster_rows_election(const struct cluster_rows *rows, struct pdr_bytes name);

#endif
