/* core/shard/found.h: rows of shards' own tables, read from the store on the work pool, for the core to take into
 * memory: at start, and when a shard is opened. */
#ifndef CORE_SHARD_FOUND_H
#define CORE_SHARD_FOUND_H

#include "core/shard/shard.h"
#include "core/store/keys.h"

struct found {
    struct found *next;
    uint32_t shard, key_size, value_size;
    uint8_t data[]; /* table u8 and key, value */
};

/** In the order of their keys. Zero is empty. */
struct found_rows {
    struct found *first, *last;
};

static inline struct pdr_bytes found_key(const struct found *found)
{
    return pdr_bytes(found->data, found->key_size);
}
static inline struct pdr_bytes found_value(const struct found *found)
{
    return pdr_bytes(found->data + found->key_size, found->value_size);
}

/** Adds all rows of the tables `first` to `last`, which lie side by side. On the work pool. */
enum pdr_status found_read(struct found_rows *rows, struct store *store, struct store_cursor *cursor,
                           const struct shard *shard, enum keys_table first, enum keys_table last);
void found_free(struct found_rows *rows);

#endif
