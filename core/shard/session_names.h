/* core/shard/session_names.h: the sessions that a core's shards know, by id; for session.c.
 *
 * A session that called every shard has a part in each, and a call that looked for its part in a table of the shard's
 * would find nothing of that table in the processor's cache. The session itself is the same for all calls of a
 * connection: so it is found first, in one small table a core, and its part then, in an array of its own, by shard. */
#ifndef CORE_SHARD_SESSION_NAMES_H
#define CORE_SHARD_SESSION_NAMES_H

#include "core/base/hash.h"
#include "core/session_id.h"

struct session;

struct session_names {
    struct hash by_id;
    struct session_name *name; /* found last, as a rule by a call of the same connection; NULL: not known */
    struct session *part;      /* the same of parts: a call looks for its own when it begins, and when it ends */
    struct session **ahead;    /* where the part is that was asked for last; NULL: not known, or it moved */
    size_t bytes;              /* of all names */
    size_t charged;            /* what the core counts of them */
};

struct session_name {
    struct hash_node by_id;
    struct session_id id;
    struct session **parts; /* 2^bits places, at most half of them taken: open addressing by shard */
    uint32_t bits, count;
};

void session_names_init(struct session_names *names);
/** All parts are gone. */
void session_names_release(struct session_names *names);

struct session_name *session_names_find(struct session_names *names, const struct session_id *id);
/** NULL: it has none there. */
struct session *session_names_part(struct session_names *names, const struct session_id *id, uint32_t shard);
/** A call of that session in that shard has come, and will soon run: asks the processor for what it will touch. */
void session_names_prefetch(struct session_names *names, const struct session_id *id, uint32_t shard);
/** `session` is a part of that session, and its only one in its shard: sets session->name. */
void session_names_add(struct session_names *names, const struct session_id *id, struct session *session);
/** It is none any more; the last one takes the name with it. */
void session_names_remove(struct session_names *names, struct session *session);

/** Where the search for its part in that shard begins. */
static inline uint32_t session_name_place(const struct session_name *name, uint32_t shard)
{
    return (shard * 0x9e3779b1u) >> (32 - name->bits); /* numbers that go up evenly are spread evenly (Knuth 6.4) */
}

#endif
