/* core/shard/tell_row.h: a tell in the store: keys and values of the tables KEYS_OUTBOX, KEYS_CHANNEL, KEYS_PENDING and
 * KEYS_DEAD (docs/reference/data-dir.md). Decoding trusts nothing.
 *
 *     table     key                                        value
 *     OUTBOX    receiver's shard be32, n be64              a tell
 *     OUTBOX    receiver's shard be32                      be64: up to this n all are acknowledged, their rows deleted
 *     CHANNEL   sender's shard be32                        be64: the last n taken
 *     PENDING   receiver's address, 0x00, number be64, u8  a tell; 1 at the end: a part of its turn is committed
 *     DEAD      receiver's address, 0x00, number be64      a tell, and why it was given up
 *
 * `number` is (seq of the entry that accepted it) * 4096 + its place there: unique in the shard for ever, in order of
 * arrival. A tell's value, little endian:
 *
 *     version u8 | method size u8 | code size u8 | attempts u8 | receiver size u16 | sender size u16 | text size u16 |
 *     when ms i64 | receiver | sender | method | code | text | arguments */
#ifndef CORE_SHARD_TELL_ROW_H
#define CORE_SHARD_TELL_ROW_H

#include <perdure/bytes.h>
#include <perdure/status.h>

#include "core/shard/rows.h"

struct tell_row {
    struct pdr_bytes receiver; /* of KEYS_OUTBOX; else empty: the key has it */
    struct pdr_bytes sender;   /* empty: a client */
    struct pdr_bytes method, args;
    struct pdr_bytes code, text; /* of KEYS_DEAD */
    uint32_t attempts;
    int64_t when_ms;
};

#define TELL_NUMBERS_AN_ENTRY 4096u /* numbers that one entry can give out */
#define TELL_NUMBER_KEY_MAX (KEYS_ADDRESS_MAX + 10u)

/** Adds the row: key and value are written in place. */
void tell_row_put(struct rows *rows, enum keys_table table, struct pdr_bytes key, const struct tell_row *row);
/** PDR_INVALID for anything tell_row_put can't have written. Slices of `value`. */
enum pdr_status tell_row_read(struct pdr_bytes value, struct tell_row *out) PDR_MUST_CHECK;

/** `n` 0: of the row that says how far rows were deleted. At most 12 bytes at `out`. */
struct pdr_bytes tell_outbox_key(uint8_t *out, uint32_t to_shard, uint64_t n);
/** False if it is neither. */
bool tell_outbox_parse(struct pdr_bytes key, uint32_t *to_shard, uint64_t *n);
/** 4 bytes at `out`. */
struct pdr_bytes tell_channel_key(uint8_t *out, uint32_t from_shard);
/** At most TELL_NUMBER_KEY_MAX bytes at `out`. */
struct pdr_bytes tell_pending_key(uint8_t *out, struct pdr_bytes address, uint64_t number, bool begun);
bool tell_pending_parse(struct pdr_bytes key, struct pdr_bytes *address, uint64_t *number, bool *begun);
struct pdr_bytes tell_dead_key(uint8_t *out, struct pdr_bytes address, uint64_t number);
bool tell_dead_parse(struct pdr_bytes key, struct pdr_bytes *address, uint64_t *number);

#endif
