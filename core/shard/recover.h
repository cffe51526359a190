/* core/shard/recover.h: from log and store to shards, at start (replication.md R70).
 *
 * The store is exactly as of each shard's meta row; the log has what came after. With an in-sync set of one everything
 * that survived in the log is committed (R71: entries that survive unsynced are kept), so it is applied before anybody
 * may call. A primary whose process ended goes on in a new epoch (R34). */
#ifndef CORE_SHARD_RECOVER_H
#define CORE_SHARD_RECOVER_H

#include "core/journal/record.h"
#include "core/shard/core.h"

struct recovery;

/** Reads the shards' meta rows: of `shard_count` at least, and of all that store and log know. On failure *why is a
 * sentence, valid as long as the recovery. */
enum pdr_status recovery_new(struct store *store, uint32_t shard_count, struct recovery **out, const char **why);
/** Every record of the log, in order; for journal_open's `each` (user is the recovery). */
void recovery_record(void *user, const struct record *record, uint64_t position);
/** Applies what the store lacks. PDR_INTERNAL with a sentence if log and store don't fit together. */
enum pdr_status recovery_finish(struct recovery *recovery, const char **why);
/** No shard goes on in an epoch below `epoch`: of data that was restored (identity.h). Before recovery_install. */
void recovery_epochs_from(struct recovery *recovery, uint64_t epoch);
/** Sets the shards of a core; copies that have no name yet get one from its rng. */
void recovery_install(struct recovery *recovery, struct core *core);
/** Entries that were applied. */
uint64_t recovery_entries(const struct recovery *recovery);
void recovery_free(struct recovery *recovery);

#endif
