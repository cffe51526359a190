/* core/base/value.c: MessagePack slices and writer. Allocates only in the writer; never recurses. */
#include <perdure/value.h>

#include "core/base/endian.h"
#include "core/base/mem.h"

/* What the first byte says: bytes of the length or count that follow it, bytes of payload besides. Of 0xc0 to 0xdf. */
static const uint8_t length_bytes[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0,
                                         0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
static const uint8_t fixed_bytes[32] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8,
                                        1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, 0, 0, 0, 0};

struct head {
    uint64_t size;     /* of the value without what it contains: head and payload */
    uint64_t elements; /* it contains */
};

static uint64_t read_be(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

/* 1: read; 0: more bytes are needed; -1: not MessagePack. */
static inline int read_head(const uint8_t *at, size_t size, struct head *head)
{
    uint8_t b = *at;
    head->size = 1;
    head->elements = 0;
    if (b < 0x80 || b >= 0xe0) {
        return 1;
    }
    if (b < 0xa0) {
        head->elements = b < 0x90 ? 2u * (b & 15u) : (b & 15u);
        return 1;
    }
    if (b < 0xc0) {
        head->size += b & 31u;
        return 1;
    }
    if (b == 0xc1) {
        return -1;
    }
    unsigned lengths = length_bytes[b - 0xc0];
    if (size < 1 + lengths) {
        return 0;
    }
    uint64_t n = read_be(at + 1, lengths);
    head->size += lengths;
    if (b >= 0xdc) {
        head->elements = b >= 0xde ? 2 * n : n;
    } else {
        head->size += n + fixed_bytes[b - 0xc0];
    }
    return 1;
}

int64_t pdr_value_skip(const void *data, size_t size, int depth_max)
{
    const uint8_t *bytes = data;
    uint64_t left[PDR_VALUE_DEPTH_MAX + 1]; /* values still to come, by depth */
    int depth = 0;
    size_t at = 0;
    if (depth_max > PDR_VALUE_DEPTH_MAX) {
        depth_max = PDR_VALUE_DEPTH_MAX;
    }
    left[0] = 1;
    for (;;) {
        struct head head;
        if (at >= size) {
            return 0;
        }
        int got = read_head(bytes + at, size - at, &head);
        if (got <= 0) {
            return got;
        }
        if (size - at < head.size) {
            return 0;
        }
        at += head.size;
        left[depth]--;
        if (head.elements > 0) {
            if (depth == depth_max) {
                return -1;
            }
            left[++depth] = head.elements;
        }
        while (left[depth] == 0) {
            if (depth == 0) {
                return (int64_t)at;
            }
            depth--;
        }
    }
}

enum pdr_kind pdr_value_kind(pdr_value value)
{
    static const uint8_t kinds[32] = {
        PDR_KIND_NIL,   PDR_KIND_NONE,  PDR_KIND_BOOL, PDR_KIND_BOOL, PDR_KIND_BIN, PDR_KIND_BIN,   PDR_KIND_BIN,
        PDR_KIND_EXT,   PDR_KIND_EXT,   PDR_KIND_EXT,  PDR_KIND_FLOAT, PDR_KIND_FLOAT, PDR_KIND_INT, PDR_KIND_INT,
        PDR_KIND_INT,   PDR_KIND_INT,   PDR_KIND_INT,  PDR_KIND_INT,  PDR_KIND_INT, PDR_KIND_INT,   PDR_KIND_EXT,
        PDR_KIND_EXT,   PDR_KIND_EXT,   PDR_KIND_EXT,  PDR_KIND_EXT,  PDR_KIND_STR, PDR_KIND_STR,   PDR_KIND_STR,
        PDR_KIND_ARRAY, PDR_KIND_ARRAY, PDR_KIND_MAP,  PDR_KIND_MAP};
    if (value.size == 0) {
        return PDR_KIND_NONE;
    }
    const uint8_t *at = value.data;
    if (*at < 0x80 || *at >= 0xe0) {
        return PDR_KIND_INT;
    }
    if (*at < 0xc0) {
        return *at < 0x90 ? PDR_KIND_MAP : *at < 0xa0 ? PDR_KIND_ARRAY : PDR_KIND_STR;
    }
    if (*at == 0xcf && value.size >= 9 && at[1] >= 0x80) {
        return PDR_KIND_UINT;
    }
    return (enum pdr_kind)kinds[*at - 0xc0];
}

bool pdr_value_int(pdr_value value, int64_t *out)
{
    const uint8_t *at = value.data;
    if (pdr_value_kind(value) != PDR_KIND_INT) {
        return false;
    }
    if (*at < 0x80 || *at >= 0xe0) {
        *out = (int8_t)*at;
        return true;
    }
    unsigned bytes = 1u << (*at & 3);
    if (value.size < 1 + bytes) {
        return false;
    }
    uint64_t raw = read_be(at + 1, bytes);
    if (*at >= 0xd0 && bytes < 8) { /* signed: extend */
        unsigned shift = 64 - 8 * bytes;
        *out = (int64_t)(raw << shift) >> shift;
    } else {
        *out = (int64_t)raw;
    }
    return true;
}

bool pdr_value_uint(pdr_value value, uint64_t *out)
{
    int64_t small;
    if (pdr_value_kind(value) == PDR_KIND_UINT) {
        *out = read_be((const uint8_t *)value.data + 1, 8);
        return true;
    }
    if (!pdr_value_int(value, &small) || small < 0) {
        return false;
    }
    *out = (uint64_t)small;
    return true;
}

bool pdr_value_float(pdr_value value, double *out)
{
    const uint8_t *at = value.data;
    int64_t whole;
    uint64_t large;
    if (value.size >= 5 && *at == 0xca) {
        uint32_t raw = get_be32(at + 1);
        float single;
        memcpy(&single, &raw, sizeof single);
        *out = (double)single;
        return true;
    }
    if (value.size >= 9 && *at == 0xcb) {
        uint64_t raw = get_be64(at + 1);
        memcpy(out, &raw, sizeof *out);
        return true;
    }
    if (pdr_value_int(value, &whole)) {
        *out = (double)whole;
        return true;
    }
    if (pdr_value_uint(value, &large)) {
        *out = (double)large;
        return true;
    }
    return false;
}

bool pdr_value_bool(pdr_value value, bool *out)
{
    if (pdr_value_kind(value) != PDR_KIND_BOOL) {
        return false;
    }
    *out = *(const uint8_t *)value.data == 0xc3;
    return true;
}

bool pdr_value_bytes(pdr_value value, struct pdr_bytes *out)
{
    enum pdr_kind kind = pdr_value_kind(value);
    const uint8_t *at = value.data;
    if (kind != PDR_KIND_STR && kind != PDR_KIND_BIN) {
        return false;
    }
    unsigned head = 1 + (*at < 0xc0 ? 0 : length_bytes[*at - 0xc0]);
    if (value.size < head) {
        return false;
    }
    uint64_t size = *at < 0xc0 ? (*at & 31u) : read_be(at + 1, head - 1);
    if (value.size - head < size) {
        return false;
    }
    *out = pdr_bytes(at + head, size);
    return true;
}

/* Containers. */

static unsigned container_head(pdr_value value, uint32_t *count)
{
    const uint8_t *at = value.data;
    enum pdr_kind kind = pdr_value_kind(value);
    *count = 0;
    if (kind != PDR_KIND_ARRAY && kind != PDR_KIND_MAP) {
        return 0;
    }
    if (*at < 0xc0) {
        *count = *at & 15u;
        return 1;
    }
    unsigned head = 1 + length_bytes[*at - 0xc0];
    if (value.size < head) {
        return 0;
    }
    *count = (uint32_t)read_be(at + 1, head - 1);
    return head;
}

uint32_t pdr_value_count(pdr_value value)
{
    uint32_t count;
    container_head(value, &count);
    return count;
}

struct pdr_bytes pdr_value_items(pdr_value container)
{
    uint32_t count;
    unsigned head = container_head(container, &count);
    if (head == 0) {
        return pdr_bytes(NULL, 0);
    }
    return pdr_bytes((const uint8_t *)container.data + head, container.size - head);
}

pdr_value pdr_value_next(struct pdr_bytes *rest)
{
    int64_t size = rest->size == 0 ? 0 : pdr_value_skip(rest->data, rest->size, PDR_VALUE_DEPTH_MAX);
    if (size <= 0) {
        *rest = pdr_bytes(NULL, 0);
        return *rest;
    }
    pdr_value value = pdr_bytes(rest->data, (size_t)size);
    *rest = pdr_bytes((const uint8_t *)rest->data + size, rest->size - (size_t)size);
    return value;
}

pdr_value pdr_value_at(pdr_value array, uint32_t k)
{
    struct pdr_bytes rest = pdr_value_items(array);
    pdr_value value = pdr_bytes(NULL, 0);
    if (pdr_value_kind(array) != PDR_KIND_ARRAY || k >= pdr_value_count(array)) {
        return value;
    }
    for (uint32_t i = 0; i <= k; i++) {
        value = pdr_value_next(&rest);
    }
    return value;
}

pdr_value pdr_value_get(pdr_value map, const char *key)
{
    struct pdr_bytes rest = pdr_value_items(map), name, want = pdr_str(key);
    if (pdr_value_kind(map) == PDR_KIND_MAP) {
        for (uint32_t i = pdr_value_count(map); i > 0; i--) {
            pdr_value k = pdr_value_next(&rest), v = pdr_value_next(&rest);
            if (pdr_value_kind(k) == PDR_KIND_STR && pdr_value_bytes(k, &name) && pdr_bytes_equal(name, want)) {
                return v;
            }
        }
    }
    return pdr_bytes(NULL, 0);
}

/* Writer. */

void pdr_writer_init(pdr_writer *writer, void *first, size_t capacity, size_t limit)
{
    *writer = (pdr_writer){.data = first, .capacity = capacity, .limit = limit};
}

void pdr_writer_release(pdr_writer *writer)
{
    if (writer->on_heap) {
        mem_free(writer->data);
    }
    *writer = (pdr_writer){0};
}

static bool grow(pdr_writer *writer, size_t size)
{
    size_t capacity = writer->capacity < 128 ? 256 : writer->capacity * 2;
    while (capacity - writer->size < size) {
        capacity *= 2;
    }
    uint8_t *data = mem_try(capacity);
    if (data == NULL) {
        writer->failed = true;
        return false;
    }
    if (writer->size > 0) {
        memcpy(data, writer->data, writer->size);
    }
    if (writer->on_heap) {
        mem_free(writer->data);
    }
    writer->data = data;
    writer->capacity = capacity;
    writer->on_heap = true;
    return true;
}

/* Room for `size` bytes more, at the end; NULL once failed. */
static inline uint8_t *reserve(pdr_writer *writer, size_t size)
{
    if (writer->failed) {
        return NULL;
    }
    if (writer->limit > 0 && (size > writer->limit || writer->size > writer->limit - size)) {
        writer->failed = true;
        return NULL;
    }
    if (writer->capacity - writer->size < size && !grow(writer, size)) {
        return NULL;
    }
    uint8_t *at = writer->data + writer->size;
    writer->size += size;
    return at;
}

void pdr_write_raw(pdr_writer *writer, const void *data, size_t size)
{
    uint8_t *at = reserve(writer, size);
    if (at != NULL && size > 0) {
        memcpy(at, data, size);
    }
}

static void write_byte(pdr_writer *writer, uint8_t byte)
{
    uint8_t *at = reserve(writer, 1);
    if (at != NULL) {
        *at = byte;
    }
}

/* A head byte and a big-endian number. */
static void write_head(pdr_writer *writer, uint8_t byte, uint64_t number, unsigned bytes)
{
    uint8_t *at = reserve(writer, 1 + bytes);
    if (at != NULL) {
        *at = byte;
        for (unsigned i = 0; i < bytes; i++) {
            at[1 + i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
        }
    }
}

void pdr_write_nil(pdr_writer *writer) { write_byte(writer, 0xc0); }
void pdr_write_bool(pdr_writer *writer, bool value) { write_byte(writer, value ? 0xc3 : 0xc2); }

void pdr_write_uint(pdr_writer *writer, uint64_t value)
{
    if (value < 0x80) {
        write_byte(writer, (uint8_t)value);
    } else if (value <= UINT8_MAX) {
        write_head(writer, 0xcc, value, 1);
    } else if (value <= UINT16_MAX) {
        write_head(writer, 0xcd, value, 2);
    } else if (value <= UINT32_MAX) {
        write_head(writer, 0xce, value, 4);
    } else {
        write_head(writer, 0xcf, value, 8);
    }
}

void pdr_write_int(pdr_writer *writer, int64_t value)
{
    if (value >= 0) {
        pdr_write_uint(writer, (uint64_t)value);
    } else if (value >= -32) {
        write_byte(writer, (uint8_t)value);
    } else if (value >= INT8_MIN) {
        write_head(writer, 0xd0, (uint64_t)value, 1);
    } else if (value >= INT16_MIN) {
        write_head(writer, 0xd1, (uint64_t)value, 2);
    } else if (value >= INT32_MIN) {
        write_head(writer, 0xd2, (uint64_t)value, 4);
    } else {
        write_head(writer, 0xd3, (uint64_t)value, 8);
    }
}

void pdr_write_float(pdr_writer *writer, double value)
{
    uint64_t raw;
    memcpy(&raw, &value, sizeof raw);
    write_head(writer, 0xcb, raw, 8);
}

void pdr_write_str(pdr_writer *writer, struct pdr_bytes text)
{
    if (text.size < 32) {
        write_byte(writer, (uint8_t)(0xa0 | text.size));
    } else if (text.size <= UINT8_MAX) {
        write_head(writer, 0xd9, text.size, 1);
    } else if (text.size <= UINT16_MAX) {
        write_head(writer, 0xda, text.size, 2);
    } else {
        write_head(writer, 0xdb, text.size, 4);
    }
    pdr_write_raw(writer, text.data, text.size);
}

void pdr_write_cstr(pdr_writer *writer, const char *text)
{
    pdr_write_str(writer, pdr_str(text));
}

void pdr_write_bin(pdr_writer *writer, struct pdr_bytes bytes)
{
    if (bytes.size <= UINT8_MAX) {
        write_head(writer, 0xc4, bytes.size, 1);
    } else if (bytes.size <= UINT16_MAX) {
        write_head(writer, 0xc5, bytes.size, 2);
    } else {
        write_head(writer, 0xc6, bytes.size, 4);
    }
    pdr_write_raw(writer, bytes.data, bytes.size);
}

void pdr_write_array(pdr_writer *writer, uint32_t count)
{
    if (count < 16) {
        write_byte(writer, (uint8_t)(0x90 | count));
    } else if (count <= UINT16_MAX) {
        write_head(writer, 0xdc, count, 2);
    } else {
        write_head(writer, 0xdd, count, 4);
    }
}

void pdr_write_map(pdr_writer *writer, uint32_t pairs)
{
    if (pairs < 16) {
        write_byte(writer, (uint8_t)(0x80 | pairs));
    } else if (pairs <= UINT16_MAX) {
        write_head(writer, 0xde, pairs, 2);
    } else {
        write_head(writer, 0xdf, pairs, 4);
    }
}

void pdr_write_value(pdr_writer *writer, pdr_value value)
{
    pdr_write_raw(writer, value.data, value.size);
}
