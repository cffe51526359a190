/* core/shard/reminders.h: when reminders fire. A core keeps in memory only those of its shards that are due soon.
 *
 * The truth is in rows: each actor's (KEYS_REMINDER), and the shard's in order of time (KEYS_DUE). What is kept here
 * are *hints*: "look at this reminder at that time". A hint that is no longer true does no harm: the call it makes
 * looks at the actor's row first, and ends if that is due at another time. So nothing here is ever undone; it only
 * must never lack one: `window_end` says up to where it has all. Beyond, the store is scanned, in time, for the next
 * window. */
#ifndef CORE_SHARD_REMINDERS_H
#define CORE_SHARD_REMINDERS_H

#include "core/shard/core.h"

struct rows;
struct turn;

/** Of each shard of the core; then the first scan begins by itself. */
void reminders_start(struct core *core);
/** Of one shard, that is opened while the core runs; and given up: there are no hints any more. */
void reminders_open(struct core *core, struct shard *shard);
void reminders_close(struct core *core, struct shard *shard);
/** No scan reads it. */
bool reminders_are_idle(const struct shard *shard);
/** core_free. */
void reminders_free(struct core *core);

/** What an entry put into KEYS_DUE. */
void reminders_note(struct core *core, struct shard *shard, const struct rows *rows);
/** Entries of the shard were undone (R74): hints may be missing. */
void reminders_forget(struct core *core, struct shard *shard);

/** A call that a hint made, about to run: becomes what the actor's row says, or ends (NULL): that is not due now. */
struct call *reminder_call_open(struct activation *a, struct call *call);
/** In the turn of such a call, when its method has succeeded: before the last commit. */
void reminder_call_ended(struct turn *turn);

/** Hints of the core, and calls that they made and that have not ended. */
uint64_t reminders_in_memory(const struct core *core);

#endif
