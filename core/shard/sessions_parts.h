/* core/shard/sessions_parts.h: what sessions.c (calls) and session_home.c (open, resumed, over) share. */
#ifndef CORE_SHARD_SESSIONS_PARTS_H
#define CORE_SHARD_SESSIONS_PARTS_H

#include "core/shard/sessions.h"

/** A table has changed: memory_used and session_bytes follow. */
void sessions_account(struct core *core, struct shard *shard);
/** core->session_timer: deletes rows of sessions that are over, some at a time. */
void sessions_drop(struct timer *timer);

/** False: the shard has nothing of it, or is dropping it already. */
bool sessions_is_over_in(struct core *core, struct shard *shard, const struct session_id *id);
/** After that: the rows go soon. */
void sessions_begin_drops(struct core *core);
/* session_ask.c */

/** In a cluster: begins to ask. */
void sessions_ask_start(struct core *core);
void sessions_ask_free(struct core *core);
/** CALL_SESSION_ASK: `[id, ...]` of this home; the reply are those that are over. */
void sessions_tell_over(struct core *core, struct shard *shard, struct call *call);

#endif
