/* core/shard/session_records.h: the records of one session in one shard, by number: an array that is mostly filled at
 * its end and emptied at its beginning. For session.c; what records are is in session.h. */
#ifndef CORE_SHARD_SESSION_RECORDS_H
#define CORE_SHARD_SESSION_RECORDS_H

#include "core/shard/session_bytes.h"

void session_records_init(struct session *session);
/** Back to none. Nobody waits for one that runs. */
void session_records_release(struct session *session);
/** The one with that number; made, with nothing in it, if there is none. Moves others. */
struct session_record *session_records_get(struct session *session, uint64_t n, uint32_t print);
/** Entry `seq` says so of its call; the outcome is copied. */
void session_records_note(struct session *session, const struct session_result *result, uint64_t seq);
void session_records_remove(struct session *session, struct session_record *record);
/** All below `floor` but those that run. */
void session_records_drop_below(struct session *session, uint64_t floor);

#endif
