/* consensus/raft_log_parts.h: what raft_log.c and raft_log_load.c share. */
#ifndef CONSENSUS_RAFT_LOG_PARTS_H
#define CONSENSUS_RAFT_LOG_PARTS_H

#include "consensus/raft_log.h"

#define LOG_PIECE_SIZE (256u << 10)
#define LOG_HEAD_SIZE 81u
#define LOG_SUM_SIZE 8u
#define LOG_KEY_SIZE 13u
#define LOG_ENTRY_HEAD_SIZE 9u /* term, type */

/* A snapshot with its bytes: the configuration, then the state. */
struct held_snapshot {
    struct raft_log_snapshot as;
    uint8_t *bytes;
};

struct replica_log {
    struct raft_disk *disk;
    void (*durable)(void *user, uint64_t seq);
    void *user;

    uint64_t term, vote, life;
    uint64_t first;
    struct raft_log_entry *entries; /* `count` from `first`; their bytes are ours */
    size_t count, capacity;
    struct held_snapshot snapshot;
    struct held_snapshot taken; /* on its way to disk */
    uint64_t taken_first;       /* what `first` will be */

    /* What is on disk once all batches are durable. */
    uint64_t disk_first, disk_last;
    struct raft_log_snapshot disk_snapshot;
    struct raft_batch *open;
    struct list in_flight; /* batches at the disk */
    uint64_t seq;
    char why[512];
};

/* A row's key; its size. */
size_t log_key_entry(uint8_t *out, uint64_t index);
size_t log_key_head(uint8_t *out);
size_t log_key_piece(uint8_t *out, uint64_t index, uint32_t piece);
uint64_t log_sum(struct pdr_bytes key, struct pdr_bytes value);
size_t log_snapshot_size(const struct raft_log_snapshot *snapshot);
void log_push(struct replica_log *log, const struct raft_log_entry *entry);
void log_hold(struct held_snapshot *held, const struct raft_log_snapshot *snapshot);
void log_let_go(struct held_snapshot *held);

#endif
