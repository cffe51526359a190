/* core/shard/effects.h: what a turn did, as the payload of a log record (RECORD_ENTRY).
 *
 *     version u8 | address size u16 | address | operations: (kind u8 | key size u16 | value size u32 | key | value)*
 *
 * Little endian. One entry is one atomic batch of one actor. Decoding trusts nothing. */
#ifndef CORE_SHARD_EFFECTS_H
#define CORE_SHARD_EFFECTS_H

#include <perdure/bytes.h>
#include <perdure/status.h>

#include "core/shard/state.h"

enum effect_kind { EFFECT_PUT = 1, EFFECT_DELETE = 2 };

struct effect {
    enum effect_kind kind;
    struct pdr_bytes key, value;
};

/** Exact size of the payload for these writes (volatile ones are left out), and whether there is any. */
uint32_t effects_size(struct pdr_bytes address, const struct state *writes, uint32_t *operations);
/** Writes it at `at`, which has effects_size bytes. */
void effects_encode(void *at, struct pdr_bytes address, const struct state *writes);

/** Takes the address off a payload; *rest are the operations. */
enum pdr_status effects_open(struct pdr_bytes payload, struct pdr_bytes *address,
                             struct pdr_bytes *rest) PDR_MUST_CHECK;
/** PDR_OK with the next one, PDR_NOT_FOUND at the end, PDR_INVALID if malformed. */
enum pdr_status effects_next(struct pdr_bytes *rest, struct effect *out) PDR_MUST_CHECK;

#endif
