/* consensus/raft_log.h: what a server of the directory must not forget: term, vote, entries, and the newest snapshot.
 *
 * All of it is in memory, for leaders send from there, and on a raft_disk, as rows whose checksums cover key and value:
 *
 *     key                        value, behind its checksum
 *     'E' index be64             term, type, bytes
 *     'H'                        the head: term, vote, life, first and last index, what the snapshot is
 *     'S' index be64 piece be32  a piece of the snapshot
 *
 * Each batch brings the head along, so the head of the durable batches names exactly the rows there must be: a log that
 * lost its end (and whoever forgets what it acknowledged breaks Raft's promises) is refused, not shortened.
 *
 * Changes gather in one batch until replica_log_flush. They are made in memory at once, except that of a snapshot the
 * server took itself, which replaces the old one when it is durable (replica_log_snapshot_done). */
#ifndef CONSENSUS_RAFT_LOG_H
#define CONSENSUS_RAFT_LOG_H

#include "consensus/raft_disk.h"

#define RAFT_ENTRY_SIZE_MAX (1u << 20)
#define RAFT_SNAPSHOT_SIZE_MAX (16u << 20) /* one batch of the journal holds it */
#define RAFT_NUMBER_MAX (1ull << 62)       /* of terms and indexes: nothing we add to one overflows */

/** libraft's numbers; they lie on disk. */
enum raft_log_type { RAFT_LOG_COMMAND = 1, RAFT_LOG_BARRIER = 2, RAFT_LOG_CHANGE = 3, RAFT_LOG_TYPE_END };

struct raft_log_entry {
    uint64_t term;
    enum raft_log_type type;
    struct pdr_bytes bytes;
};

struct raft_log_snapshot {
    uint64_t index, term; /* of the last entry in it; 0: there is none */
    uint64_t conf_index;
    struct pdr_bytes conf, state; /* the configuration, encoded, and what the state machine wrote */
};

struct replica_log;

/** `disk` is borrowed. `durable` is called for each batch, in order. */
struct replica_log *replica_log_new(struct raft_disk *disk, void (*durable)(void *user, uint64_t seq), void *user);
/** After its disk has forgotten the batches that are not answered. */
void replica_log_free(struct replica_log *log);

/** Once, before all else. An empty disk is an empty log. PDR_INTERNAL: rows are missing, damaged or too many, and *why
 * is a sentence, valid as long as the log. */
enum pdr_status replica_log_load(struct replica_log *log, const char **why);

uint64_t replica_log_term(const struct replica_log *log);
uint64_t replica_log_vote(const struct replica_log *log);
/** How often this server was started, with this start. */
uint64_t replica_log_life(const struct replica_log *log);
uint64_t replica_log_first(const struct replica_log *log); /* index of the first entry; last + 1 if there is none */
uint64_t replica_log_last(const struct replica_log *log); /* of the last one, or of the snapshot; 0: there is neither */
/** NULL if it is not there. Borrowed until the next change. */
const struct raft_log_entry *replica_log_entry(const struct replica_log *log, uint64_t index);
/** 0 if it is not known. Knows that of the snapshot. */
uint64_t replica_log_term_of(const struct replica_log *log, uint64_t index);
/** Borrowed until the next change. */
const struct raft_log_snapshot *replica_log_snapshot(const struct replica_log *log);

void replica_log_set_life(struct replica_log *log, uint64_t life);
void replica_log_set_vote(struct replica_log *log, uint64_t term, uint64_t vote);
/** Copies. What is at `index` or behind it is dropped: index is 1 to last + 1, and not below the first entry. */
void replica_log_append(struct replica_log *log, uint64_t index, const struct raft_log_entry *entry);
/** A snapshot another server sent takes the place of everything, in one batch. Copies. */
void replica_log_install(struct replica_log *log, const struct raft_log_snapshot *snapshot);
/** A snapshot of our own, of an entry that is in the log: entries go that are `trailing` or more behind it. One at a
 * time, and none while one is installed and not durable. Copies. */
void replica_log_take(struct replica_log *log, const struct raft_log_snapshot *snapshot, uint64_t trailing);
/** It is durable: memory follows. */
void replica_log_snapshot_done(struct replica_log *log);
/** Sends the batch that gathered to the disk. The number of the newest batch; 0: there was none yet. */
uint64_t replica_log_flush(struct replica_log *log);

#endif
