/* core/shard/install.h: a snapshot of a shard's rows leaves a core, or is installed at one (replication.md R62,
 * R63); what the rows are is core/store/snapshot.h's. Everything blocking is done on the work pool.
 *
 * Out, of a shard in any state: each chunk is read when it is asked for. In, of a CLOSED one:
 *
 *     RECORD_INSTALLING(rid, gen) is durable  ->  chunks go under the new generation, which nobody reads
 *     the meta row, and the store is flushed  ->  RECORD_SNAP(rid, gen, applied, history) is durable
 *     the shard is what the snapshot says, under the new generation  ->  rows of the others are deleted
 *
 * A shard that is being installed is not opened: a map that says so waits until it is over. What a crash leaves
 * without its RECORD_SNAP is dropped at the next start. */
#ifndef CORE_SHARD_INSTALL_H
#define CORE_SHARD_INSTALL_H

#include "core/shard/core.h"
#include "core/store/snapshot.h"

struct shard_export;

/** On the core's thread. `done(user, e, status)` when it may be asked for its first chunk; e is NULL on a failure, of
 * which PDR_MOVED is one: other rows were installed meanwhile. */
void shard_export(struct core *core, uint32_t shard,
                  void (*done)(void *user, struct shard_export *e, enum pdr_status status), void *user);
/** What the rows are as of; the log is needed from applied_seq + 1 on. */
const struct keys_meta *shard_export_meta(const struct shard_export *e);
/** `done(user, chunk, status)`: the chunk is borrowed until the next is asked for; empty: the one before was the last.
 * One at a time. */
void shard_export_next(struct shard_export *e, void (*done)(void *user, struct pdr_bytes chunk, enum pdr_status status),
                       void *user);
/** At any time; what was asked for is not answered any more. */
void shard_export_end(struct shard_export *e);

/* On the core's thread, one step at a time: `done(user, shard, status)` when the step has ended. A step that failed
 * with PDR_NO_SPACE, PDR_OVERLOADED or PDR_INTERNAL may be taken again; shard_install_why says why. The node must
 * not be stopping. */

typedef void (*install_done)(void *user, uint32_t shard, enum pdr_status status);

/** PDR_INVALID, at once: the shard is not CLOSED, or is being installed. `rid` is the copy's name, not 0. */
void shard_install(struct core *core, uint32_t shard, uint64_t rid, install_done done, void *user);
/** `chunk` is borrowed until `done`. PDR_INVALID: it is not the next. */
void shard_install_chunk(struct core *core, uint32_t shard, struct pdr_bytes chunk, install_done done, void *user);
/** After the last chunk. PDR_OK: the copy is complete, its last entry is meta->applied_seq, and all of it is
 * durable. */
void shard_install_end(struct core *core, uint32_t shard, const struct keys_meta *meta, install_done done, void *user);
/** It will not be completed: what came is dropped. Nothing if it is not being installed; the step that runs is not
 * answered any more. */
void shard_install_abort(struct core *core, uint32_t shard);
/** The copy that is here is not needed any more: the same as installing one that has nothing, in one step. */
void shard_drop(struct core *core, uint32_t shard, install_done done, void *user);
/** A sentence, until the next step. */
const char *shard_install_why(const struct core *core, uint32_t shard);

/* For duty.c. */

struct duty;
/** Each tick of a shard that is being installed. */
void install_step(struct duty *duty);
/** core_free. */
void install_discard(struct duty *duty);

#endif
