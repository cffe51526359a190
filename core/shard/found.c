/* core/shard/found.c: rows of shards' own tables, read on the work pool. */
#include "core/shard/found.h"

#include "core/base/mem.h"

struct reading {
    struct found_rows *rows;
    uint32_t shard;
    enum pdr_status status;
};

static bool collect(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct reading *reading = user;
    struct found_rows *rows = reading->rows;
    struct found *found = mem_try(sizeof *found + key.size + value.size);
    if (found == NULL) {
        reading->status = PDR_OVERLOADED;
        return false;
    }
    *found = (struct found){.shard = reading->shard,
                            .key_size = (uint32_t)key.size - KEYS_HEAD_SIZE + 1,
                            .value_size = (uint32_t)value.size};
    memcpy(found->data, (const uint8_t *)key.data + KEYS_HEAD_SIZE - 1, found->key_size); /* from the table's byte on */
    memcpy(found->data + found->key_size, value.data, value.size);
    if (rows->last != NULL) {
        rows->last->next = found;
    } else {
        rows->first = found;
    }
    rows->last = found;
    return true;
}

enum pdr_status found_read(struct found_rows *rows, struct store *store, struct store_cursor *cursor,
                           const struct shard *shard, enum keys_table first, enum keys_table last)
{
    uint8_t from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE], unused[KEYS_HEAD_SIZE];
    struct reading reading = {rows, shard->id, PDR_OK};
    keys_table_range(from, unused, shard->id, shard->gen, first);
    keys_table_range(unused, to, shard->id, shard->gen, last);
    enum pdr_status status =
        store->ops->cursor_scan(cursor, pdr_bytes(from, sizeof from), pdr_bytes(to, sizeof to), collect, &reading);
    return reading.status != PDR_OK ? reading.status : status;
}

void found_free(struct found_rows *rows)
{
    while (rows->first != NULL) {
        struct found *found = rows->first;
        rows->first = found->next;
        mem_free(found);
    }
    rows->last = NULL;
}
