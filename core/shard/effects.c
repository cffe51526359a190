/* core/shard/effects.c: a turn's writes to bytes and back. */
#include "core/shard/effects.h"

#include "core/base/endian.h"

#define VERSION 1u
#define HEAD 3u
#define OPERATION 7u

uint32_t effects_size(struct pdr_bytes address, const struct state *writes, uint32_t *operations)
{
    size_t size = HEAD + address.size;
    *operations = 0;
    for (uint32_t i = 0; i < writes->count; i++) {
        const struct state_entry *entry = writes->entries[i];
        if (!entry->is_volatile) {
            size += OPERATION + entry->key_size + entry->value_size;
            ++*operations;
        }
    }
    return (uint32_t)size;
}

void effects_encode(void *to, struct pdr_bytes address, const struct state *writes)
{
    uint8_t *at = to;
    *at = VERSION;
    put_le16(at + 1, (uint16_t)address.size);
    memcpy(at + HEAD, address.data, address.size);
    at += HEAD + address.size;
    for (uint32_t i = 0; i < writes->count; i++) {
        const struct state_entry *entry = writes->entries[i];
        if (entry->is_volatile) {
            continue;
        }
        size_t size = (size_t)entry->key_size + entry->value_size;
        *at = entry->deleted ? EFFECT_DELETE : EFFECT_PUT;
        put_le16(at + 1, entry->key_size);
        put_le32(at + 3, entry->value_size);
        memcpy(at + OPERATION, entry->data, size);
        at += OPERATION + size;
    }
}

enum pdr_status effects_open(struct pdr_bytes payload, struct pdr_bytes *address, struct pdr_bytes *rest)
{
    const uint8_t *at = payload.data;
    if (payload.size < HEAD || *at != VERSION) {
        return PDR_INVALID;
    }
    size_t size = get_le16(at + 1);
    if (size == 0 || payload.size - HEAD < size) {
        return PDR_INVALID;
    }
    *address = pdr_bytes(at + HEAD, size);
    *rest = pdr_bytes(at + HEAD + size, payload.size - HEAD - size);
    return PDR_OK;
}

enum pdr_status effects_next(struct pdr_bytes *rest, struct effect *out)
{
    const uint8_t *at = rest->data;
    if (rest->size == 0) {
        return PDR_NOT_FOUND;
    }
    if (rest->size < OPERATION || (*at != EFFECT_PUT && *at != EFFECT_DELETE)) {
        return PDR_INVALID;
    }
    size_t key_size = get_le16(at + 1), value_size = get_le32(at + 3);
    if (key_size == 0 || rest->size - OPERATION < key_size || rest->size - OPERATION - key_size < value_size ||
        (*at == EFFECT_DELETE && value_size > 0)) {
        return PDR_INVALID;
    }
    out->kind = (enum effect_kind) * at;
    out->key = pdr_bytes(at + OPERATION, key_size);
    out->value = pdr_bytes(at + OPERATION + key_size, value_size);
    size_t used = OPERATION + key_size + value_size;
    *rest = pdr_bytes(at + used, rest->size - used);
    return PDR_OK;
}
