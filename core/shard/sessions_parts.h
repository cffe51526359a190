/* core/shard/sessions_parts.h: what sessions.c (calls) and session_home.c (open, resumed, over) share. */
#ifndef CORE_SHARD_SESSIONS_PARTS_H
#define CORE_SHARD_SESSIONS_PARTS_H

#include "core/shard/sessions.h"

/** A table has changed: memory_used and session_bytes follow. */
void sessions_account(struct core *core, struct shard *shard);
/** core->session_timer: deletes rows of sessions that are over, some at a time. */
void sessions_drop(struct timer *timer);

#endif
