/* core/shard/apply.h: committed entries go to the store (replication.md R24, section 11): only what is on the own disk
 * and committed, in order, one atomic batch an apply step with the shards' meta rows inside. Many entries of a key are
 * one write: the step folds them, so hot actors cost the store next to nothing. */
#ifndef CORE_SHARD_APPLY_H
#define CORE_SHARD_APPLY_H

#include "core/journal/record.h"
#include "core/store/keys.h"
#include "core/store/store.h"

/** Folds the newest write of each key. Keys and values are borrowed from the records until apply_write. */
struct apply;

struct apply_stats {
    uint64_t records, keys;
};

/** Of shards with ids below that, and of KEYS_SHARD_DIRECTORY. */
struct apply *apply_new(uint32_t shard_count);
void apply_free(struct apply *apply);
/** There are more shards now. Not while a step runs. */
void apply_grow(struct apply *apply, uint32_t shard_count);
/** The shard's meta row as the store has it now; once, before its first record. From then on it is kept here. */
void apply_shard(struct apply *apply, uint32_t shard, uint16_t gen, const struct keys_meta *meta);
/** Entries in order; other kinds are ignored. PDR_INVALID for a malformed entry. */
enum pdr_status apply_record(struct apply *apply, const struct record *record);
/** A row of the shard besides those of entries: key with the table's byte in front, as in an entry. Borrowed too. */
void apply_row(struct apply *apply, uint32_t shard, struct pdr_bytes key, struct pdr_bytes value);
/** Writes everything as one batch. On failure nothing was written, and it may be tried again. */
enum pdr_status apply_write(struct apply *apply, struct store *store);
/** The meta row after apply_write. */
const struct keys_meta *apply_meta(struct apply *apply, uint32_t shard);

/** Records folded and keys written so far. */
struct apply_stats apply_stats(const struct apply *apply);

#endif
