/* core/shard/effects.c: a turn's writes to bytes and back. */
#include "core/shard/effects.h"

#include "core/base/endian.h"

#define VERSION 2u
#define HEAD 3u
#define OPERATION 7u

uint32_t effects_size(struct pdr_bytes address, const struct state *writes, const struct rows *rows,
                      uint32_t *operations)
{
    size_t size = HEAD + address.size + rows->count * OPERATION + rows->bytes;
    *operations = rows->count;
    for (uint32_t i = 0; i < writes->count; i++) {
        const struct state_entry *entry = state_entry_at(writes, i);
        if (!entry->is_volatile) {
            size += OPERATION + 1u + entry->key_size + entry->value_size;
            ++*operations;
        }
    }
    return (uint32_t)size;
}

static uint8_t *put_operation(uint8_t *at, enum effect_kind kind, uint32_t key_size, uint32_t value_size)
{
    *at = (uint8_t)kind;
    put_le16(at + 1, (uint16_t)key_size);
    put_le32(at + 3, value_size);
    return at + OPERATION;
}

void effects_encode(void *to, struct pdr_bytes address, const struct state *writes, const struct rows *rows)
{
    uint8_t *at = to;
    *at = VERSION;
    put_le16(at + 1, (uint16_t)address.size);
    if (address.size > 0) {
        memcpy(at + HEAD, address.data, address.size);
    }
    at += HEAD + address.size;
    for (uint32_t i = 0; i < writes->count; i++) {
        const struct state_entry *entry = state_entry_at(writes, i);
        if (entry->is_volatile) {
            continue;
        }
        size_t size = (size_t)entry->key_size + entry->value_size;
        at = put_operation(at, entry->deleted ? EFFECT_DELETE : EFFECT_PUT, 1u + entry->key_size, entry->value_size);
        *at = entry->kind;
        memcpy(at + 1, entry->data, size);
        at += 1 + size;
    }
    for (const struct row *row = rows->first; row != NULL; row = row->next) {
        size_t size = (size_t)row->key_size + row->value_size;
        at = put_operation(at, row->deleted ? EFFECT_ROW_DELETE : EFFECT_ROW_PUT, row->key_size, row->value_size);
        memcpy(at, row->data, size);
        at += size;
    }
}

enum pdr_status effects_open(struct pdr_bytes payload, struct pdr_bytes *address, struct pdr_bytes *rest)
{
    const uint8_t *at = payload.data;
    if (payload.size < HEAD || *at != VERSION) {
        return PDR_INVALID;
    }
    size_t size = get_le16(at + 1);
    if (size > KEYS_ADDRESS_MAX || payload.size - HEAD < size) {
        return PDR_INVALID;
    }
    *address = pdr_bytes(at + HEAD, size);
    *rest = pdr_bytes(at + HEAD + size, payload.size - HEAD - size);
    return PDR_OK;
}

static bool is_sound(const struct effect *effect)
{
    if (effect_deletes(effect) && effect->value.size > 0) {
        return false;
    }
    if (effect_is_row(effect)) {
        return effect->space > KEYS_STATE && effect->space < KEYS_TABLE_COUNT && effect->key.size <= KEYS_ROW_KEY_MAX;
    }
    return keys_is_kind(effect->space) && effect->key.size > 0 && effect->key.size <= KEYS_USER_KEY_MAX;
}

enum pdr_status effects_next(struct pdr_bytes *rest, struct effect *out)
{
    const uint8_t *at = rest->data;
    if (rest->size == 0) {
        return PDR_NOT_FOUND;
    }
    if (rest->size < OPERATION || *at < EFFECT_PUT || *at > EFFECT_ROW_DELETE) {
        return PDR_INVALID;
    }
    size_t key_size = get_le16(at + 1), value_size = get_le32(at + 3);
    if (key_size == 0 || rest->size - OPERATION < key_size || rest->size - OPERATION - key_size < value_size) {
        return PDR_INVALID;
    }
    out->kind = (enum effect_kind) * at;
    out->space = at[OPERATION];
    out->whole_key = pdr_bytes(at + OPERATION, key_size);
    out->key = pdr_bytes(at + OPERATION + 1, key_size - 1);
    out->value = pdr_bytes(at + OPERATION + key_size, value_size);
    size_t used = OPERATION + key_size + value_size;
    *rest = pdr_bytes(at + used, rest->size - used);
    return is_sound(out) ? PDR_OK : PDR_INVALID;
}
