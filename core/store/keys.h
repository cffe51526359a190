/* core/store/keys.h: the layout of keys in the store, in one place, with its version.
 *
 *     shard be32 | generation be16 | table u8 | rest
 *
 * A shard is one range of keys, so it can be counted, copied and dropped as one; big endian, so that the order of bytes
 * is the order of numbers. The generation tells a copy that is being installed from the one in use (R63).
 *
 *     table          rest                           value
 *     KEYS_META      (none)                         struct keys_meta, encoded
 *     KEYS_STATE     address, 0x00, kind u8, key    a row of one actor: what it put there, or the platform for it
 *     the others     what their owners say          a row of the shard itself (core/shard/rows.h)
 *
 * An address ("TYPE/KEY") has no control characters, so the first 0x00 ends it, and no actor's range begins inside
 * another's. All that an actor has is one range, the platform's rows before its own, so that one seek loads it.
 * Shard KEYS_SHARD_NONE is no shard: it holds the row that names the version of this layout. */
#ifndef CORE_STORE_KEYS_H
#define CORE_STORE_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/ref.h>
#include <perdure/status.h>

#include "core/store/store.h"

/** Of everything in this file, and of the platform's own rows. A change that another program would misread, or have no
 * better word for than damage, raises it. */
#define KEYS_FORMAT_VERSION 3u

enum keys_table {
    KEYS_META = 0,
    KEYS_STATE = 1,
    KEYS_SESSION = 2, /* what a session was answered (R80 to R84) */
    KEYS_OUTBOX = 3,  /* tells that the other shard has not acknowledged (R87) */
    KEYS_CHANNEL = 4, /* the last tell taken from another shard (R88) */
    KEYS_PENDING = 5, /* tells that were accepted and have not run */
    KEYS_DUE = 6,     /* reminders in order of time */
    KEYS_DEAD = 7,    /* tells that were given up (R92) */
    KEYS_RAFT = 8,    /* what a server of the directory must not forget; in KEYS_SHARD_DIRECTORY alone */
    KEYS_TABLE_COUNT
};

/** Whose row of an actor it is. The platform's come first in its range. */
enum keys_kind {
    KEYS_REMINDER = 2, /* by name */
    KEYS_EVENT = 3,    /* what it emitted, by sequence number */
    KEYS_USER = 8,     /* its state */
};

#define KEYS_SHARD_NONE UINT32_MAX
/** A shard of this node alone, behind those of actors: its part in the directory (consensus/raft_disk_shard.h). */
#define KEYS_SHARD_DIRECTORY (UINT32_MAX - 1)
#define KEYS_HEAD_SIZE 7u /* shard, generation, table */
#define KEYS_ADDRESS_MAX (PDR_TYPE_SIZE_MAX + 1u + PDR_KEY_SIZE_MAX)
#define KEYS_USER_KEY_MAX 1024u
#define KEYS_STATE_SIZE_MAX (KEYS_HEAD_SIZE + KEYS_ADDRESS_MAX + 2u + KEYS_USER_KEY_MAX)
#define KEYS_ROW_KEY_MAX (KEYS_ADDRESS_MAX + 1u + KEYS_USER_KEY_MAX) /* of a row of the shard, without its head */

/* Each of these writes a key at `out`, which has room for the largest, and returns its size. */

/** `address` has 1 to KEYS_ADDRESS_MAX bytes, `key` at most KEYS_USER_KEY_MAX. */
size_t keys_state(uint8_t *out, uint32_t shard, uint16_t gen, struct pdr_bytes address, enum keys_kind kind,
                  struct pdr_bytes key);
/** The range of an actor's rows is [keys_state_prefix, keys_state_end). */
size_t keys_state_prefix(uint8_t *out, uint32_t shard, uint16_t gen, struct pdr_bytes address);
size_t keys_state_end(uint8_t *out, uint32_t shard, uint16_t gen, struct pdr_bytes address);

/** Is it one of enum keys_kind? */
bool keys_is_kind(uint8_t kind);

struct keys_state_parts {
    uint32_t shard;
    uint16_t gen;
    enum keys_kind kind;
    struct pdr_bytes address, user_key; /* slices of the key */
};
/** False if `key` is no row of an actor's state. Trusts nothing. */
bool keys_state_parse(struct pdr_bytes key, struct keys_state_parts *out);
/** Bytes of `key` that all rows of its actor share: up to and with the 0x00. 0 if it is no key of KEYS_STATE. */
size_t keys_actor_prefix(struct pdr_bytes key);

/** All rows of a shard, in all generations: [from, to), KEYS_HEAD_SIZE bytes each. `shard` is not KEYS_SHARD_NONE. */
void keys_shard_range(uint8_t *from, uint8_t *to, uint32_t shard);
/** All rows of a shard under the generations `first` to `last`: [from, to), KEYS_HEAD_SIZE bytes each. */
void keys_generation_range(uint8_t *from, uint8_t *to, uint32_t shard, uint16_t first, uint16_t last);
/** A row of the shard: `table` behind KEYS_STATE, `key` at most KEYS_ROW_KEY_MAX bytes. */
size_t keys_row(uint8_t *out, uint32_t shard, uint16_t gen, enum keys_table table, struct pdr_bytes key);
/** All rows of one table of a shard: [from, to), KEYS_HEAD_SIZE bytes each. */
void keys_table_range(uint8_t *from, uint8_t *to, uint32_t shard, uint16_t gen, enum keys_table table);
/** KEYS_HEAD_SIZE bytes. */
size_t keys_meta(uint8_t *out, uint32_t shard, uint16_t gen);

/* What the store knows of a shard besides its actors, written in the same batch as the data (R24). */

#define KEYS_HISTORY_MAX 64u

struct keys_epoch {
    uint64_t epoch, first_seq;
};
struct keys_meta {
    uint64_t applied_epoch, applied_seq; /* the newest entry the store has; 0, 0: none */
    uint32_t history_count;
    struct keys_epoch history[KEYS_HISTORY_MAX]; /* of the entries applied, by epoch; the newest 64 (R31) */
};
#define KEYS_META_SIZE_MAX (20u + KEYS_HISTORY_MAX * 16u)

/** Notes that entry (epoch, seq) is applied; a new epoch enters the history with it. Entries come in order. */
void keys_meta_advance(struct keys_meta *meta, uint64_t epoch, uint64_t seq);
/** Writes at most KEYS_META_SIZE_MAX bytes and returns how many. */
size_t keys_meta_encode(uint8_t *out, const struct keys_meta *meta);
/** PDR_INVALID for anything keys_meta_encode can't have written. */
enum pdr_status keys_meta_decode(struct pdr_bytes value, struct keys_meta *out) PDR_MUST_CHECK;

/**
 * Call it once after a store was opened. An empty store gets the row that names the version of this layout; one of a
 * other version, or of somebody else, is refused: PDR_INVALID. On failure *why is a sentence, valid until the thread's
 * next call.
 */
enum pdr_status keys_check_format(struct store *store, const char **why) PDR_MUST_CHECK;

#endif
