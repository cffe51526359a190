/* core/session_id.h: the name of a client's session (replication.md R80), and what a call says of its place in one.
 *
 * The home shard, and the entry of that shard's log that opened the session: (epoch, seq) names one entry for ever, so
 * no name is given twice. The random part is there so that nobody guesses another's. */
#ifndef CORE_SESSION_ID_H
#define CORE_SESSION_ID_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>

#define SESSION_ID_SIZE 28u

struct session_id {
    uint32_t shard;
    uint64_t epoch, seq, random;
};

/** A call's place in a session: the same (id, n) is the same call, however often it is sent. */
struct call_session {
    bool on;        /* false: the call has none */
    bool is_final;  /* it has run, and its failure is its result: a copy would hear the same */
    uint32_t print; /* of address, method and arguments: tells another call under the same number */
    uint64_t n;
    uint64_t ack_below; /* the client has the answers to all below, or wants them no more */
    struct session_id id;
    uint64_t
        held_life; /* of a call that asks for a session: where its home, on this node, counts who did; 0: not here */
};

static inline bool session_id_equal(const struct session_id *a, const struct session_id *b)
{
    return a->random == b->random && a->seq == b->seq && a->epoch == b->epoch && a->shard == b->shard;
}

/** SESSION_ID_SIZE bytes. */
void session_id_encode(uint8_t *out, const struct session_id *id);
/** False if it is none that session_id_encode can have written. */
bool session_id_decode(struct pdr_bytes bytes, struct session_id *out);

#endif
