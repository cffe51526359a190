/* core/shard/rows.h: rows of the shard itself (core/store/keys.h: tables behind KEYS_STATE) that one log entry puts and
 * deletes beside an actor's rows: an outbox, a channel's number, what is due. They are collected while a turn runs, and
 * commit with it or not at all. */
#ifndef CORE_SHARD_ROWS_H
#define CORE_SHARD_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>

#include "core/store/keys.h"

struct row {
    struct row *next;
    uint32_t value_size;
    uint16_t key_size;
    bool deleted;
    uint8_t data[]; /* table u8, key, value */
};

#define ROWS_NEAR 104u

/** In the order of the calls; zero is empty. It may not be copied to live on elsewhere. */
struct rows {
    struct row *first, *last;
    uint32_t count;
    uint32_t bytes;                               /* keys, with their tables, and values */
    bool has_sessions;                            /* some are of KEYS_SESSION */
    _Alignas(struct row) uint8_t near[ROWS_NEAR]; /* the first one, if it is small: as a rule there are no more */
};

/** With the table's byte in front, as in a log entry. */
static inline struct pdr_bytes row_key(const struct row *row)
{
    return pdr_bytes(row->data, row->key_size);
}
static inline struct pdr_bytes row_value(const struct row *row)
{
    return pdr_bytes(row->data + row->key_size, row->value_size);
}

/** Copies. `key` has at most KEYS_ROW_KEY_MAX bytes. */
void rows_put(struct rows *rows, enum keys_table table, struct pdr_bytes key, struct pdr_bytes value);
/** The same, for a value that the caller writes where the answer points: `value_size` bytes, before anything else. */
uint8_t *rows_reserve(struct rows *rows, enum keys_table table, struct pdr_bytes key, size_t value_size);
void rows_delete(struct rows *rows, enum keys_table table, struct pdr_bytes key);
/** Back to empty. */
void rows_release(struct rows *rows);

#endif
