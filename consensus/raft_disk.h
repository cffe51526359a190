/* consensus/raft_disk.h: where a server's Raft state lies, as a seam: rows, and batches of puts and deletions of them.
 *
 * Fillings: the node's own journal and store (raft_disk_shard.h), and the simulator's disk
 * (tests/simulation/raft/raft_media.c). */
#ifndef CONSENSUS_RAFT_DISK_H
#define CONSENSUS_RAFT_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/status.h>

#include "consensus/raft_bytes.h"
#include "core/base/list.h"

#define RAFT_DISK_KEY_MAX 16u

/** What is written as one. */
struct raft_batch {
    struct list node;      /* the disk's, until `done` */
    struct list in_flight; /* the log's, as is `seq` */
    uint64_t seq;
    uint32_t rows;
    struct raft_bytes encoded; /* raft_batch_next reads it */
    /* It is durable, and all batches before it; the last touch. Never from inside of `write`. */
    void (*done)(struct raft_batch *batch, void *user);
    void *user;
};

void raft_batch_put(struct raft_batch *batch, struct pdr_bytes key, struct pdr_bytes value);
void raft_batch_delete(struct raft_batch *batch, struct pdr_bytes key);

struct raft_batch_row {
    struct pdr_bytes key, value; /* borrowed from the batch */
    bool deleted;
};
/** Goes through the rows, in the order they were made; *at begins as 0. False at the end. */
bool raft_batch_next(const struct raft_batch *batch, size_t *at, struct raft_batch_row *out);

/** False ends the scan. Slices are borrowed until it returns. */
typedef bool (*raft_disk_each)(void *user, struct pdr_bytes key, struct pdr_bytes value);

struct raft_disk;
struct raft_disk_ops {
    /** Batches become durable whole, in the order given, and are answered in it. A full disk makes them wait, as long
     * as it takes; whatever else fails ends the process (replication.md R27). */
    void (*write)(struct raft_disk *disk, struct raft_batch *batch);
    /** All rows that are durable, in the order of their keys. Blocks: at start alone. */
    enum pdr_status (*scan)(struct raft_disk *disk, raft_disk_each each, void *user);
    /** Batches wait for space: new proposals had better be refused. */
    bool (*is_full)(const struct raft_disk *disk);
};
struct raft_disk {
    const struct raft_disk_ops *ops;
};

#endif
