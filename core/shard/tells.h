/* core/shard/tells.h: durable tells: exactly once, in order per sender and receiver, across crashes (replication.md R87
 * to R92; docs/decisions/0010-durable-tells.md).
 *
 *     the sending turn's entry          KEYS_OUTBOX  n of the channel (shard, shard)          tells_out.c
 *     committed: to the other shard     KEYS_CHANNEL n, KEYS_PENDING number: one entry        tells_in.c
 *     committed: acknowledged           the sender deletes its row, later                     tells_out.c
 *     its turn                          the entry of the turn deletes KEYS_PENDING            tells_run.c
 *     fails, again and again            that becomes KEYS_DEAD, in one entry                  tells_run.c
 *
 * Within one shard the first entry has the KEYS_PENDING row itself. A tell in memory is a struct call with a role; what
 * the rows say can always be read again (tells_start.c). */
#ifndef CORE_SHARD_TELLS_H
#define CORE_SHARD_TELLS_H

#include "core/shard/turn.h"

struct tells *tells_new(struct core *core);
/** Reads what waits. Once, before the loop runs. */
void tells_start(struct core *core);
bool tells_are_known(const struct core *core);
/** Turns may run from now on: those that came too early are let in. */
void tells_open(struct core *core);
/** Tells that left here and were not answered yet: a stop waits for them. */
uint32_t tells_in_flight(const struct core *core);
/** End of a stop, or of a dead core: what waits in memory is in the store too. */
void tells_forget(struct core *core);
void tells_free(struct core *core);

/* Of one shard that is opened or closed while the core runs (duty.h). */

/** A row of the store, of KEYS_OUTBOX to KEYS_PENDING: into memory. `key` has the table's byte in front. */
void tells_install(struct core *core, struct shard *shard, struct pdr_bytes key, struct pdr_bytes value);
/** Nothing of shards that were given up runs any more; what runs now is dropped when its turn has ended. */
void tells_close(struct core *core);
/** ... or leaves: frees all channels of the shard, with what is held in them. */
void tells_out_close(struct core *core, struct shard *shard);
/** It writes no entries for a while; and again. */
void tells_pause(struct core *core, struct shard *shard);
void tells_resume(struct core *core, struct shard *shard);

/* tells_out.c */

/** In a turn: PDR_OVERLOADED if too many tells wait for the receiver's shard. */
enum pdr_status tells_admit(struct turn *turn, struct call *call);
/** Adds to the turn's rows what its tells need; for the turn of a tell, that it has run (`final`) or begun. Only what
 * commit_turn calls, right before it makes the entry. */
enum pdr_status tells_write(struct turn *turn, bool final);
/** A tell of the turn whose entry is `seq`: leaves when that is committed. */
void tells_leave(struct shard *shard, struct call *call, uint64_t seq);

/* tells_in.c */

/** A call with a role arrives. Takes it. */
void tells_deliver(struct core *core, struct call *call);

/* tells_run.c */

/** A tell has come up in its receiver's mailbox: false if it must wait; it is not in the mailbox any more. */
bool tells_begin(struct activation *a, struct call *call);
/** Its turn has ended well, in the actor's newest entry. */
void tells_ran(struct activation *a, struct call *call);
/** It came up, but the turn can't be let in now: call_finish follows. */
void tells_stand_back(struct call *call);
/** The entry that tells_write made of a part is undone. */
void tells_part_undone(struct turn *turn);

#endif
