/* core/shard/effects.h: what a turn did, as the payload of a log record (RECORD_ENTRY).
 *
 *     version u8 | address size u16 | address | operations: (kind u8 | key size u16 | value size u32 | key | value)*
 *
 * Little endian. The first byte of an actor's key is its kind (enum keys_kind), of a shard's row its table (enum
 * keys_table). One entry is one atomic batch: rows of one actor, whose address may be empty if there are none, and of
 * the shard. Decoding trusts nothing. */
#ifndef CORE_SHARD_EFFECTS_H
#define CORE_SHARD_EFFECTS_H

#include <perdure/bytes.h>
#include <perdure/status.h>

#include "core/shard/rows.h"
#include "core/shard/state.h"

enum effect_kind {
    EFFECT_PUT = 1, /* a row of the actor */
    EFFECT_DELETE = 2,
    EFFECT_ROW_PUT = 3, /* a row of the shard */
    EFFECT_ROW_DELETE = 4,
};

struct effect {
    enum effect_kind kind;
    uint8_t space; /* enum keys_kind of an actor's row, enum keys_table of a shard's */
    struct pdr_bytes key, value;
    struct pdr_bytes whole_key; /* with `space` in front */
};
static inline bool effect_is_row(const struct effect *effect)
{
    return effect->kind == EFFECT_ROW_PUT || effect->kind == EFFECT_ROW_DELETE;
}
static inline bool effect_deletes(const struct effect *effect)
{
    return effect->kind == EFFECT_DELETE || effect->kind == EFFECT_ROW_DELETE;
}

/** Exact size of the payload for these writes (volatile ones are left out), and whether there is any. */
uint32_t effects_size(struct pdr_bytes address, const struct state *writes, const struct rows *rows,
                      uint32_t *operations);
/** Writes it at `at`, which has effects_size bytes. */
void effects_encode(void *at, struct pdr_bytes address, const struct state *writes, const struct rows *rows);

/** Takes the address off a payload; *rest are the operations. */
enum pdr_status effects_open(struct pdr_bytes payload, struct pdr_bytes *address,
                             struct pdr_bytes *rest) PDR_MUST_CHECK;
/** PDR_OK with the next one, PDR_NOT_FOUND at the end, PDR_INVALID if malformed. */
enum pdr_status effects_next(struct pdr_bytes *rest, struct effect *out) PDR_MUST_CHECK;

#endif
