/* core/shard/sessions.h: exactly once (replication.md R80 to R83), as a core carries it out: a call that comes again
 * under its session and number is answered from the record, and sessions are opened, taken over and ended.
 *
 * What is known of a session lies in each shard it called (session.h); whether it is open, in its home shard alone. A
 * connection holds it from hello until its last call has ended, so that no copy of a call can run after the session is
 * over: it ends when nobody has held it for session_idle_ms. */
#ifndef CORE_SHARD_SESSIONS_H
#define CORE_SHARD_SESSIONS_H

#include "core/shard/turn.h"

void sessions_init(struct core *core);
/** After recovery_install: sessions without a connection begin to end, and those that are over are dropped. */
void sessions_start(struct core *core);
/** Of one shard, whose rows were just read: the same. */
void sessions_open(struct core *core, struct shard *shard);
/** The shard is given up: copies that wait are finished with PDR_MOVED, and no session of it ends here. */
void sessions_close(struct core *core, struct shard *shard);
/** ... and nothing of it runs any more: its table is empty. */
void sessions_forget(struct core *core, struct shard *shard);
/** core_free: what waits in them is discarded. */
void sessions_free(struct core *core);

/* A call under a session that is about to run and write. */

/** It has come, and will run soon: what it needs of its session is asked for, lest it wait for that then. */
void sessions_expect(struct core *core, const struct call *call);
/** False: the call was answered from the record or refused, or waits for its first copy. `durability` is the turn's. */
bool sessions_admit(struct core *core, struct shard *shard, struct call *call, enum pdr_durability durability);
/** Puts the turn's outcome, `status` and its call's reply or the turn's error, among its rows: it will be in the same
 * entry as what the turn wrote. False: it did not happen, a retry shall run it (R81). */
bool sessions_put_outcome(struct turn *turn, enum pdr_status status);
/** Before a part of a turn is committed, or a call leaves it: from now on a crash leaves a mark. */
void sessions_put_begun(struct turn *turn);
/** The turn is about to wait: copies of its call will wait for it. */
void sessions_wait(struct turn *turn);
/** The turn's call has ended: who waited for it comes to the mailbox again. */
void sessions_ended(struct core *core, struct shard *shard, const struct call *call);

/* commit.c */

/** `rows` were made entry `seq` of the shard. */
void sessions_entry(struct core *core, struct shard *shard, const struct rows *rows, uint64_t seq);
void sessions_roll_back(struct core *core, struct shard *shard, uint64_t seq);

/* The home shard. */

/** CALL_SESSION_OPEN and _RESUME, at their shard: session.id is the one to resume, and session.n names the connection
 * to its core. The reply is the id; PDR_SESSION: it is unknown or over. On PDR_OK the connection holds it; one of
 * another node only for session_idle_ms, but it begins anew with each CALL_SESSION_TOUCH. */
void sessions_serve(struct core *core, struct call *call);
/** Any core of the node: the connection `holder` of `from` holds it no more, which was counted in `life`. */
void sessions_leave(struct core *from, struct core *home, const struct session_id *id, uint64_t holder, uint64_t life);

#endif
