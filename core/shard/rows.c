/* core/shard/rows.c: a list of copies, in the order of the calls. */
#include "core/shard/rows.h"

#include "core/base/check.h"
#include "core/base/mem.h"

static struct row *add(struct rows *rows, enum keys_table table, struct pdr_bytes key, size_t value_size)
{
    CHECK(table > KEYS_STATE && table < KEYS_TABLE_COUNT && key.size <= KEYS_ROW_KEY_MAX);
    size_t size = offsetof(struct row, data) + 1 + key.size + value_size;
    struct row *row = rows->first == NULL && size <= ROWS_NEAR ? (struct row *)rows->near : mem_grow(NULL, size);
    *row = (struct row){.value_size = (uint32_t)value_size, .key_size = (uint16_t)(1 + key.size)};
    row->data[0] = (uint8_t)table;
    if (key.size > 0) {
        memcpy(row->data + 1, key.data, key.size);
    }
    if (rows->last != NULL) {
        rows->last->next = row;
    } else {
        rows->first = row;
    }
    rows->last = row;
    rows->count++;
    rows->has_sessions = rows->has_sessions || table == KEYS_SESSION;
    rows->bytes += row->key_size + row->value_size;
    return row;
}

uint8_t *rows_reserve(struct rows *rows, enum keys_table table, struct pdr_bytes key, size_t value_size)
{
    struct row *row = add(rows, table, key, value_size);
    return row->data + row->key_size;
}

void rows_put(struct rows *rows, enum keys_table table, struct pdr_bytes key, struct pdr_bytes value)
{
    uint8_t *at = rows_reserve(rows, table, key, value.size);
    if (value.size > 0) {
        memcpy(at, value.data, value.size);
    }
}

void rows_delete(struct rows *rows, enum keys_table table, struct pdr_bytes key)
{
    add(rows, table, key, 0)->deleted = true;
}

void rows_release(struct rows *rows)
{
    while (rows->first != NULL) {
        struct row *row = rows->first;
        rows->first = row->next;
        if (row != (struct row *)rows->near) {
            mem_free(row);
        }
    }
    rows->last = NULL;
    rows->count = rows->bytes = 0;
    rows->has_sessions = false;
}
