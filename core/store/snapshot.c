/* core/store/snapshot.c: chunks of a shard's rows: written from a cursor, read into batches. */
#include "core/store/snapshot.h"

#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/endian.h"
#include "core/base/mem.h"

#define HEAD_SIZE 16u
#define ROW_HEAD 8u

static uint32_t crc_of(struct pdr_bytes chunk)
{
    unsigned char *from = (unsigned char *)(uintptr_t)chunk.data + 4; /* it only reads */
    return ~crc32_iscsi(from, (int)chunk.size - 4, 0xffffffffu);
}

/* Out. */

struct snapshot_reader {
    struct store *store;
    struct store_cursor *cursor;
    struct keys_meta meta;
    uint32_t shard, next, in_chunk;
    uint64_t rows;
    bool full, ended;
    enum pdr_status status;
    uint8_t *chunk;
    size_t size, capacity;
    size_t from_size;
    uint8_t from[KEYS_STATE_SIZE_MAX + 1], to[KEYS_HEAD_SIZE]; /* what is still to be read */
};

static bool read_meta(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct snapshot_reader *reader = user;
    reader->status = keys_meta_decode(value, &reader->meta) == PDR_OK ? PDR_OK : PDR_INTERNAL;
    return false;
}

enum pdr_status snapshot_open(struct store *store, uint32_t shard, uint16_t gen, struct snapshot_reader **out)
{
    uint8_t meta[KEYS_HEAD_SIZE], unused[KEYS_HEAD_SIZE];
    struct snapshot_reader *reader = mem_new(sizeof *reader);
    reader->store = store;
    reader->shard = shard;
    reader->cursor = store->ops->cursor_new(store);
    if (reader->cursor == NULL) {
        mem_free(reader);
        return PDR_OVERLOADED;
    }
    keys_meta(meta, shard, gen);
    keys_table_range(reader->from, unused, shard, gen, KEYS_STATE);
    keys_table_range(unused, reader->to, shard, gen, (enum keys_table)(KEYS_TABLE_COUNT - 1));
    reader->from_size = KEYS_HEAD_SIZE;
    enum pdr_status status = store->ops->cursor_scan(reader->cursor, pdr_bytes(meta, sizeof meta),
                                                     pdr_bytes(reader->from, KEYS_HEAD_SIZE), read_meta, reader);
    status = reader->status != PDR_OK ? reader->status : status;
    if (status != PDR_OK) {
        snapshot_close(reader);
        return status;
    }
    *out = reader;
    return PDR_OK;
}

const struct keys_meta *snapshot_meta(const struct snapshot_reader *reader)
{
    return &reader->meta;
}

static uint8_t *grow(struct snapshot_reader *reader, size_t more)
{
    if (reader->size + more > reader->capacity) {
        reader->capacity = (reader->size + more) * 3 / 2;
        reader->chunk = mem_grow(reader->chunk, reader->capacity);
    }
    uint8_t *at = reader->chunk + reader->size;
    reader->size += more;
    return at;
}

static bool add_row(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct snapshot_reader *reader = user;
    struct pdr_bytes own = pdr_bytes((const uint8_t *)key.data + KEYS_HEAD_SIZE - 1, key.size - KEYS_HEAD_SIZE + 1);
    size_t size = ROW_HEAD + own.size + value.size;
    if (reader->in_chunk > 0 && reader->size - HEAD_SIZE + size > SNAPSHOT_CHUNK_BYTES) {
        memcpy(reader->from, key.data, key.size); /* the next begins with it */
        reader->from_size = key.size;
        reader->full = true;
        return false;
    }
    uint8_t *at = grow(reader, size);
    put_le32(at, (uint32_t)own.size);
    put_le32(at + 4, (uint32_t)value.size);
    memcpy(at + ROW_HEAD, own.data, own.size);
    if (value.size > 0) {
        memcpy(at + ROW_HEAD + own.size, value.data, value.size);
    }
    reader->in_chunk++;
    return true;
}

enum pdr_status snapshot_next(struct snapshot_reader *reader, struct pdr_bytes *chunk)
{
    *chunk = pdr_bytes(NULL, 0);
    if (reader->ended) {
        return PDR_OK;
    }
    reader->size = 0;
    reader->in_chunk = 0;
    reader->full = false;
    grow(reader, HEAD_SIZE);
    enum pdr_status status = reader->store->ops->cursor_scan(reader->cursor, pdr_bytes(reader->from, reader->from_size),
                                                             pdr_bytes(reader->to, sizeof reader->to), add_row, reader);
    if (status != PDR_OK) {
        return status;
    }
    reader->rows += reader->in_chunk;
    if (reader->in_chunk == 0) {
        put_le64(grow(reader, 8), reader->rows);
        reader->ended = true;
    } else if (!reader->full) { /* nothing is behind it: the next is the last */
        memcpy(reader->from, reader->to, sizeof reader->to);
        reader->from_size = sizeof reader->to;
    }
    put_le32(reader->chunk + 4, reader->next++);
    put_le32(reader->chunk + 8, reader->shard);
    put_le32(reader->chunk + 12, reader->in_chunk);
    *chunk = pdr_bytes(reader->chunk, reader->size);
    put_le32(reader->chunk, crc_of(*chunk));
    return PDR_OK;
}

void snapshot_close(struct snapshot_reader *reader)
{
    reader->store->ops->cursor_free(reader->cursor);
    mem_free(reader->chunk);
    mem_free(reader);
}

static bool first_generation(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    *(uint16_t *)user = key.size >= KEYS_HEAD_SIZE ? get_be16((const uint8_t *)key.data + 4) : 0;
    return false;
}

enum pdr_status snapshot_generation(struct store *store, struct store_cursor *cursor, uint32_t shard, uint16_t *gen)
{
    uint8_t from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE];
    *gen = 0;
    keys_shard_range(from, to, shard);
    return store->ops->cursor_scan(cursor, pdr_bytes(from, sizeof from), pdr_bytes(to, sizeof to), first_generation,
                                   gen);
}

enum pdr_status snapshot_current(struct store *store, uint32_t shard, struct keys_meta *meta)
{
    struct snapshot_reader *reader = NULL;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    uint16_t gen = 0;
    *meta = (struct keys_meta){0};
    if (cursor == NULL) {
        return PDR_OVERLOADED;
    }
    enum pdr_status status = snapshot_generation(store, cursor, shard, &gen);
    store->ops->cursor_free(cursor);
    status = status == PDR_OK ? snapshot_open(store, shard, gen, &reader) : status;
    if (status == PDR_OK) {
        *meta = reader->meta;
        snapshot_close(reader);
    }
    return status;
}

/* In. */

static enum pdr_status write_and_free(struct store *store, struct store_batch *batch)
{
    enum pdr_status status = store->ops->write(store, batch);
    store->ops->batch_free(batch);
    return status;
}

enum pdr_status snapshot_drop(struct store *store, uint32_t shard, uint16_t gen)
{
    uint8_t from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE];
    struct store_batch *batch = store->ops->batch_new(store);
    keys_generation_range(from, to, shard, gen, gen);
    store->ops->batch_delete_range(batch, pdr_bytes(from, sizeof from), pdr_bytes(to, sizeof to));
    return write_and_free(store, batch);
}

enum pdr_status snapshot_drop_others(struct store *store, uint32_t shard, uint16_t gen)
{
    uint8_t from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE];
    struct store_batch *batch = store->ops->batch_new(store);
    if (gen > 0) {
        keys_generation_range(from, to, shard, 0, (uint16_t)(gen - 1));
        store->ops->batch_delete_range(batch, pdr_bytes(from, sizeof from), pdr_bytes(to, sizeof to));
    }
    if (gen < UINT16_MAX) {
        keys_generation_range(from, to, shard, (uint16_t)(gen + 1), UINT16_MAX);
        store->ops->batch_delete_range(batch, pdr_bytes(from, sizeof from), pdr_bytes(to, sizeof to));
    }
    return write_and_free(store, batch);
}

static enum pdr_status fail(struct snapshot_writer *writer, enum pdr_status status, const char *why)
{
    if (why != NULL) {
        snprintf(writer->why, sizeof writer->why, "%s", why);
    } else {
        writer->store->ops->last_error(writer->store, writer->why, sizeof writer->why);
    }
    return status;
}

enum pdr_status snapshot_begin(struct snapshot_writer *writer, struct store *store, uint32_t shard, uint16_t gen)
{
    *writer = (struct snapshot_writer){.store = store, .shard = shard, .gen = gen};
    enum pdr_status status = snapshot_drop(store, shard, gen);
    return status == PDR_OK ? PDR_OK : fail(writer, status, NULL);
}

/* The next row, taken off `rest`. False: there is none, whole, in it. */
static bool take_row(struct pdr_bytes *rest, struct pdr_bytes *key, struct pdr_bytes *value)
{
    const uint8_t *at = rest->data;
    if (rest->size < ROW_HEAD) {
        return false;
    }
    uint32_t key_size = get_le32(at), value_size = get_le32(at + 4);
    if (key_size == 0 || key_size > SNAPSHOT_KEY_MAX || key_size > rest->size - ROW_HEAD ||
        value_size > rest->size - ROW_HEAD - key_size) {
        return false;
    }
    *key = pdr_bytes(at + ROW_HEAD, key_size);
    *value = pdr_bytes(at + ROW_HEAD + key_size, value_size);
    size_t used = (size_t)ROW_HEAD + key_size + value_size;
    *rest = pdr_bytes(at + used, rest->size - used);
    return true;
}

static enum pdr_status check_rows(struct snapshot_writer *writer, struct pdr_bytes rest, uint32_t rows)
{
    struct pdr_bytes last = pdr_bytes(writer->last, writer->last_size), key, value;
    for (uint32_t i = 0; i < rows; i++) {
        if (!take_row(&rest, &key, &value)) {
            return fail(writer, PDR_INVALID, "a row of the chunk is malformed though its checksum is right");
        }
        uint8_t table = *(const uint8_t *)key.data;
        if (table <= KEYS_META || table >= KEYS_TABLE_COUNT || pdr_bytes_compare(last, key) >= 0) {
            return fail(writer, PDR_INVALID, "the chunk's keys are out of order, or of no table of this version");
        }
        last = key;
    }
    return rest.size == 0 ? PDR_OK : fail(writer, PDR_INVALID, "the chunk goes on behind its rows");
}

static enum pdr_status put_rows(struct snapshot_writer *writer, struct pdr_bytes rest, uint32_t rows)
{
    struct store *store = writer->store;
    struct store_batch *batch = store->ops->batch_new(store);
    struct pdr_bytes key, value = pdr_bytes(NULL, 0), last = pdr_bytes(NULL, 0);
    uint8_t whole[KEYS_STATE_SIZE_MAX];
    while (take_row(&rest, &key, &value)) {
        size_t size = keys_meta(whole, writer->shard, writer->gen) - 1; /* up to the table's byte */
        memcpy(whole + size, key.data, key.size);
        store->ops->batch_put(batch, pdr_bytes(whole, size + key.size), value);
        last = key;
    }
    enum pdr_status status = write_and_free(store, batch);
    if (status != PDR_OK) {
        return fail(writer, status, NULL);
    }
    if (last.size > 0) {
        memcpy(writer->last, last.data, last.size);
    }
    writer->last_size = (uint32_t)last.size;
    writer->rows += rows;
    writer->next++;
    return PDR_OK;
}

enum pdr_status snapshot_put(struct snapshot_writer *writer, struct pdr_bytes chunk)
{
    const uint8_t *at = chunk.data;
    if (chunk.size < HEAD_SIZE || chunk.size > SNAPSHOT_CHUNK_MAX || get_le32(at) != crc_of(chunk)) {
        return fail(writer, PDR_INVALID, "what came is no chunk of a snapshot, or was damaged on the way");
    }
    uint32_t number = get_le32(at + 4), rows = get_le32(at + 12);
    struct pdr_bytes rest = pdr_bytes(at + HEAD_SIZE, chunk.size - HEAD_SIZE);
    if (get_le32(at + 8) != writer->shard) {
        return fail(writer, PDR_INVALID, "the chunk is of another shard");
    }
    if (number < writer->next) {
        return PDR_OK;
    }
    if (number > writer->next || writer->ended) {
        return fail(writer, PDR_INVALID, "the chunk is not the next one of this snapshot");
    }
    if (rows == 0) {
        if (rest.size != 8 || get_le64(rest.data) != writer->rows) {
            return fail(writer, PDR_INVALID, "rows of the snapshot are missing");
        }
        writer->ended = true;
        writer->next++;
        return PDR_OK;
    }
    enum pdr_status status = check_rows(writer, rest, rows);
    return status == PDR_OK ? put_rows(writer, rest, rows) : status;
}

enum pdr_status snapshot_end(struct snapshot_writer *writer, const struct keys_meta *meta)
{
    struct store *store = writer->store;
    uint8_t key[KEYS_HEAD_SIZE], value[KEYS_META_SIZE_MAX];
    if (!writer->ended) {
        return fail(writer, PDR_INVALID, "the snapshot's last chunk has not come");
    }
    struct store_batch *batch = store->ops->batch_new(store);
    size_t size = keys_meta_encode(value, meta);
    store->ops->batch_put(batch, pdr_bytes(key, keys_meta(key, writer->shard, writer->gen)), pdr_bytes(value, size));
    enum pdr_status status = write_and_free(store, batch);
    status = status == PDR_OK ? store->ops->flush(store) : status;
    return status == PDR_OK ? PDR_OK : fail(writer, status, NULL);
}
