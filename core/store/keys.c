/* core/store/keys.c: keys and the meta row to bytes and back. */
#include "core/store/keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/endian.h"

#define ADDRESS_END 0x00u

static size_t put_head(uint8_t *out, uint32_t shard, uint16_t gen, enum keys_table table)
{
    put_be32(out, shard);
    put_be16(out + 4, gen);
    out[6] = (uint8_t)table;
    return KEYS_HEAD_SIZE;
}

static size_t put_bytes(uint8_t *out, struct pdr_bytes bytes)
{
    if (bytes.size > 0) {
        memcpy(out, bytes.data, bytes.size);
    }
    return bytes.size;
}

static size_t put_address(uint8_t *out, uint32_t shard, uint16_t gen, struct pdr_bytes address)
{
    CHECK(address.size > 0 && address.size <= KEYS_ADDRESS_MAX);
    size_t size = put_head(out, shard, gen, KEYS_STATE);
    return size + put_bytes(out + size, address);
}

size_t keys_state(uint8_t *out, uint32_t shard, uint16_t gen, struct pdr_bytes address, enum keys_kind kind,
                  struct pdr_bytes key)
{
    CHECK(key.size <= KEYS_USER_KEY_MAX);
    size_t size = put_address(out, shard, gen, address);
    out[size++] = ADDRESS_END;
    out[size++] = (uint8_t)kind;
    return size + put_bytes(out + size, key);
}

size_t keys_state_prefix(uint8_t *out, uint32_t shard, uint16_t gen, struct pdr_bytes address)
{
    size_t size = put_address(out, shard, gen, address);
    out[size++] = ADDRESS_END;
    return size;
}

size_t keys_state_end(uint8_t *out, uint32_t shard, uint16_t gen, struct pdr_bytes address)
{
    size_t size = put_address(out, shard, gen, address);
    out[size++] = ADDRESS_END + 1;
    return size;
}

size_t keys_actor_prefix(struct pdr_bytes key)
{
    const uint8_t *at = key.data;
    if (key.size <= KEYS_HEAD_SIZE || at[6] != KEYS_STATE || get_be32(at) == KEYS_SHARD_NONE) {
        return 0;
    }
    const uint8_t *end = memchr(at + KEYS_HEAD_SIZE, ADDRESS_END, key.size - KEYS_HEAD_SIZE);
    return end == NULL ? 0 : (size_t)(end - at) + 1;
}

bool keys_is_kind(uint8_t kind)
{
    return kind == KEYS_REMINDER || kind == KEYS_EVENT || kind == KEYS_USER;
}

bool keys_state_parse(struct pdr_bytes key, struct keys_state_parts *out)
{
    const uint8_t *at = key.data;
    size_t prefix = keys_actor_prefix(key);
    if (prefix <= KEYS_HEAD_SIZE + 1 || prefix > KEYS_HEAD_SIZE + KEYS_ADDRESS_MAX + 1) {
        return false;
    }
    size_t size = key.size - prefix;
    if (size < 2 || size - 1 > KEYS_USER_KEY_MAX || !keys_is_kind(at[prefix])) {
        return false;
    }
    out->shard = get_be32(at);
    out->gen = get_be16(at + 4);
    out->address = pdr_bytes(at + KEYS_HEAD_SIZE, prefix - KEYS_HEAD_SIZE - 1);
    out->kind = (enum keys_kind)at[prefix];
    out->user_key = pdr_bytes(at + prefix + 1, size - 1);
    return true;
}

void keys_shard_range(uint8_t *from, uint8_t *to, uint32_t shard)
{
    CHECK(shard != KEYS_SHARD_NONE);
    put_head(from, shard, 0, KEYS_META); /* the least table */
    put_head(to, shard + 1, 0, KEYS_META);
}

void keys_generation_range(uint8_t *from, uint8_t *to, uint32_t shard, uint16_t first, uint16_t last)
{
    CHECK(shard != KEYS_SHARD_NONE && first <= last);
    put_head(from, shard, first, KEYS_META);
    put_head(to, last == UINT16_MAX ? shard + 1 : shard, (uint16_t)(last + 1), KEYS_META);
}

size_t keys_row(uint8_t *out, uint32_t shard, uint16_t gen, enum keys_table table, struct pdr_bytes key)
{
    CHECK(table > KEYS_STATE && table < KEYS_TABLE_COUNT && key.size <= KEYS_ROW_KEY_MAX);
    size_t size = put_head(out, shard, gen, table);
    return size + put_bytes(out + size, key);
}

void keys_table_range(uint8_t *from, uint8_t *to, uint32_t shard, uint16_t gen, enum keys_table table)
{
    put_head(from, shard, gen, table);
    put_head(to, shard, gen, (enum keys_table)(table + 1));
}

size_t keys_meta(uint8_t *out, uint32_t shard, uint16_t gen)
{
    return put_head(out, shard, gen, KEYS_META);
}

/* The meta row: version u8, 0 u8, history count u16, applied epoch u64, applied seq u64, (epoch u64, first seq u64)*;
 * little endian. */

#define META_VERSION 1u
#define META_HEAD 20u
#define META_EPOCH 16u

static bool meta_is_valid(const struct keys_meta *meta)
{
    struct keys_epoch before = {0, 1};
    for (uint32_t i = 0; i < meta->history_count; i++) {
        const struct keys_epoch *e = &meta->history[i];
        if (e->epoch <= before.epoch || e->first_seq < before.first_seq + (i > 0)) {
            return false;
        }
        before = *e;
    }
    if (meta->history_count == 0) {
        return meta->applied_epoch == 0 && meta->applied_seq == 0;
    }
    return before.epoch == meta->applied_epoch && before.first_seq <= meta->applied_seq;
}

void keys_meta_advance(struct keys_meta *meta, uint64_t epoch, uint64_t seq)
{
    CHECK(seq > meta->applied_seq && epoch >= meta->applied_epoch && epoch > 0);
    if (epoch > meta->applied_epoch) {
        if (meta->history_count == KEYS_HISTORY_MAX) {
            memmove(&meta->history[0], &meta->history[1], (KEYS_HISTORY_MAX - 1) * sizeof meta->history[0]);
            meta->history_count--;
        }
        meta->history[meta->history_count++] = (struct keys_epoch){epoch, seq};
    }
    meta->applied_epoch = epoch;
    meta->applied_seq = seq;
}

size_t keys_meta_encode(uint8_t *out, const struct keys_meta *meta)
{
    CHECK(meta->history_count <= KEYS_HISTORY_MAX && meta_is_valid(meta));
    out[0] = META_VERSION;
    out[1] = 0;
    put_le16(out + 2, (uint16_t)meta->history_count);
    put_le64(out + 4, meta->applied_epoch);
    put_le64(out + 12, meta->applied_seq);
    for (uint32_t i = 0; i < meta->history_count; i++) {
        put_le64(out + META_HEAD + i * META_EPOCH, meta->history[i].epoch);
        put_le64(out + META_HEAD + i * META_EPOCH + 8, meta->history[i].first_seq);
    }
    return META_HEAD + meta->history_count * META_EPOCH;
}

enum pdr_status keys_meta_decode(struct pdr_bytes value, struct keys_meta *out)
{
    const uint8_t *at = value.data;
    if (value.size < META_HEAD || at[0] != META_VERSION || at[1] != 0) {
        return PDR_INVALID;
    }
    struct keys_meta meta = {.history_count = get_le16(at + 2)};
    if (meta.history_count > KEYS_HISTORY_MAX || value.size != META_HEAD + meta.history_count * META_EPOCH) {
        return PDR_INVALID;
    }
    meta.applied_epoch = get_le64(at + 4);
    meta.applied_seq = get_le64(at + 12);
    for (uint32_t i = 0; i < meta.history_count; i++) {
        meta.history[i].epoch = get_le64(at + META_HEAD + i * META_EPOCH);
        meta.history[i].first_seq = get_le64(at + META_HEAD + i * META_EPOCH + 8);
    }
    if (!meta_is_valid(&meta)) {
        return PDR_INVALID;
    }
    *out = meta;
    return PDR_OK;
}

/* The format row: version le32 under KEYS_SHARD_NONE. */

#define FORMAT_SIZE 4u

static enum pdr_status refuse(const char **why, enum pdr_status status, const char *format, ...) PDR_PRINTF(3, 4);
static enum pdr_status refuse(const char **why, enum pdr_status status, const char *format, ...)
{
    static _Thread_local char text[320];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    *why = text;
    return status;
}

static enum pdr_status refuse_error(struct store *store, enum pdr_status status, const char *doing, const char **why)
{
    char text[256];
    store->ops->last_error(store, text, sizeof text);
    return refuse(why, status, "%s the store's format failed: %s", doing, text);
}

static bool stop_at_first(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    *(bool *)user = true;
    return false;
}

static enum pdr_status is_empty(struct store *store, bool *empty)
{
    struct store_cursor *cursor = store->ops->cursor_new(store);
    if (cursor == NULL) {
        return PDR_OVERLOADED;
    }
    bool any = false;
    enum pdr_status status =
        store->ops->cursor_scan(cursor, pdr_bytes(NULL, 0), pdr_bytes(NULL, 0), stop_at_first, &any);
    store->ops->cursor_free(cursor);
    *empty = !any;
    return status;
}

static enum pdr_status write_format(struct store *store, struct pdr_bytes key, const char **why)
{
    bool empty;
    enum pdr_status status = is_empty(store, &empty);
    if (status != PDR_OK) {
        return refuse_error(store, status, "reading", why);
    }
    if (!empty) {
        return refuse(why, PDR_INVALID,
                      "the store has data but does not say in which format: it is not one of perdure's; "
                      "give another data directory");
    }
    uint8_t value[FORMAT_SIZE];
    put_le32(value, KEYS_FORMAT_VERSION);
    struct store_batch *batch = store->ops->batch_new(store);
    store->ops->batch_put(batch, key, pdr_bytes(value, sizeof value));
    status = store->ops->write(store, batch);
    store->ops->batch_free(batch);
    return status == PDR_OK ? PDR_OK : refuse_error(store, status, "writing", why);
}

enum pdr_status keys_check_format(struct store *store, const char **why)
{
    uint8_t at[KEYS_HEAD_SIZE];
    struct pdr_bytes key = pdr_bytes(at, keys_meta(at, KEYS_SHARD_NONE, 0));
    void *value;
    size_t size;
    enum pdr_status status = store->ops->get(store, key, &value, &size);
    if (status == PDR_NOT_FOUND) {
        return write_format(store, key, why);
    }
    if (status != PDR_OK) {
        return refuse_error(store, status, "reading", why);
    }
    uint32_t version = size == FORMAT_SIZE ? get_le32(value) : 0;
    free(value);
    if (version == 0) {
        return refuse(why, PDR_INVALID,
                      "the row that names the store's format is damaged: restore a backup into an empty "
                      "data directory");
    }
    if (version != KEYS_FORMAT_VERSION) {
        return refuse(why, PDR_INVALID,
                      "the store has format %u and this perdure knows format %u: start the %s perdure that wrote it",
                      version, KEYS_FORMAT_VERSION, version > KEYS_FORMAT_VERSION ? "newer" : "older");
    }
    return PDR_OK;
}
