/* consensus/raft_bytes.h: bytes that grow as they are written: letters, rows, snapshots. */
#ifndef CONSENSUS_RAFT_BYTES_H
#define CONSENSUS_RAFT_BYTES_H

#include <stdint.h>
#include <string.h>

#include <perdure/bytes.h>

#include "core/base/endian.h"
#include "core/base/mem.h"

/** Zero is empty. */
struct raft_bytes {
    uint8_t *data;
    size_t size, capacity;
};

static inline uint8_t *raft_bytes_reserve(struct raft_bytes *bytes, size_t size)
{
    if (bytes->capacity - bytes->size < size) {
        bytes->capacity = (bytes->capacity + size) * 2;
        bytes->data = mem_grow(bytes->data, bytes->capacity);
    }
    uint8_t *at = bytes->data + bytes->size;
    bytes->size += size;
    return at;
}

static inline void raft_bytes_put(struct raft_bytes *bytes, const void *data, size_t size)
{
    uint8_t *at = raft_bytes_reserve(bytes, size);
    if (size > 0) {
        memcpy(at, data, size);
    }
}

static inline void raft_bytes_put_8(struct raft_bytes *bytes, uint8_t value)
{
    *raft_bytes_reserve(bytes, 1) = value;
}

static inline void raft_bytes_put_32(struct raft_bytes *bytes, uint32_t value)
{
    put_le32(raft_bytes_reserve(bytes, 4), value);
}

static inline void raft_bytes_put_64(struct raft_bytes *bytes, uint64_t value)
{
    put_le64(raft_bytes_reserve(bytes, 8), value);
}

static inline struct pdr_bytes raft_bytes_slice(const struct raft_bytes *bytes)
{
    return pdr_bytes(bytes->data, bytes->size);
}

static inline void raft_bytes_release(struct raft_bytes *bytes)
{
    mem_free(bytes->data);
    *bytes = (struct raft_bytes){0};
}

/* Reading: what is missing is noted, not read, so that a parser asks once, at its end. */
struct raft_reader {
    const uint8_t *at, *end;
    int short_of; /* something was missing: all later reads answer 0 */
};

static inline struct raft_reader raft_reader(struct pdr_bytes bytes)
{
    const uint8_t *at = bytes.data;
    return (struct raft_reader){at, bytes.size == 0 ? at : at + bytes.size, 0};
}

static inline size_t raft_reader_left(const struct raft_reader *reader)
{
    return reader->at == reader->end ? 0 : (size_t)(reader->end - reader->at);
}

/** Never NULL for a size above 0 unless it is missing. */
static inline const uint8_t *raft_read(struct raft_reader *reader, size_t size)
{
    if (reader->short_of || raft_reader_left(reader) < size) {
        reader->short_of = 1;
        return NULL;
    }
    const uint8_t *at = reader->at;
    reader->at = size == 0 ? at : at + size;
    return at;
}

static inline uint8_t raft_read_8(struct raft_reader *reader)
{
    const uint8_t *at = raft_read(reader, 1);
    return at == NULL ? 0 : *at;
}

static inline uint32_t raft_read_32(struct raft_reader *reader)
{
    const uint8_t *at = raft_read(reader, 4);
    return at == NULL ? 0 : get_le32(at);
}

static inline uint64_t raft_read_64(struct raft_reader *reader)
{
    const uint8_t *at = raft_read(reader, 8);
    return at == NULL ? 0 : get_le64(at);
}

#endif
