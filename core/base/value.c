/* core/base/value.c: MessagePack slices and writer. Allocates only in the writer; never recurses. */
#include <perdure/value.h>

#include "core/base/endian.h"
#include "core/base/mem.h"

/* What the first byte of 0xc0 to 0xdf says: bytes of head and fixed payload, and how many of the head are a length or
 * a count. 0xc1 begins nothing. */
struct form {
    uint8_t fixed, length;
};
/* clang-format off */
static const struct form forms[32] = {
    [0x00] = {1, 0}, [0x02] = {1, 0}, [0x03] = {1, 0},                                     /* nil, false, true */
    [0x04] = {2, 1}, [0x05] = {3, 2}, [0x06] = {5, 4},                                     /* bin */
    [0x07] = {3, 1}, [0x08] = {4, 2}, [0x09] = {6, 4},                                     /* ext: a byte of type */
    [0x0a] = {5, 0}, [0x0b] = {9, 0},                                                      /* float */
    [0x0c] = {2, 0}, [0x0d] = {3, 0}, [0x0e] = {5, 0}, [0x0f] = {9, 0},                    /* uint */
    [0x10] = {2, 0}, [0x11] = {3, 0}, [0x12] = {5, 0}, [0x13] = {9, 0},                    /* int */
    [0x14] = {3, 0}, [0x15] = {4, 0}, [0x16] = {6, 0}, [0x17] = {10, 0}, [0x18] = {18, 0}, /* fixext */
    [0x19] = {2, 1}, [0x1a] = {3, 2}, [0x1b] = {5, 4},                                     /* str */
    [0x1c] = {3, 2}, [0x1d] = {5, 4}, [0x1e] = {3, 2}, [0x1f] = {5, 4},                    /* array, map */
};
/* clang-format on */

struct head {
    uint64_t size;     /* of the value without what it contains: head and payload */
    uint64_t elements; /* it contains */
};

static inline uint64_t read_be(const uint8_t *at, unsigned bytes)
{
    switch (bytes) {
    case 1:
        return *at;
    case 2:
        return get_be16(at);
    case 4:
        return get_be32(at);
    default:
        return get_be64(at);
    }
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
    struct form form = forms[b & 31u];
    head->size = form.fixed;
    if (form.length == 0) {
        return form.fixed == 0 ? -1 : 1;
    }
    if (size < 1u + form.length) {
        return 0;
    }
    uint64_t n = read_be(at + 1, form.length);
    if (b >= 0xdc) {
        head->elements = b >= 0xde ? 2 * n : n;
    } else {
        head->size += n;
    }
    return 1;
}

int64_t pdr_value_skip(const void *data, size_t size, int depth_max)
{
    const uint8_t *bytes = data;
    uint64_t outer[PDR_VALUE_DEPTH_MAX]; /* values still to come in each container around this one */
    uint64_t left = 1;                   /* and in this one: apart from the others, so that it stays in a register */
    int depth = 0;
    size_t at = 0;
    if (depth_max > PDR_VALUE_DEPTH_MAX) {
        depth_max = PDR_VALUE_DEPTH_MAX;
    }
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
        left--;
        if (head.elements > 0) {
            if (depth >= depth_max) {
                return -1;
            }
            outer[depth++] = left;
            left = head.elements;
        }
        while (left == 0) {
            if (depth == 0) {
                return (int64_t)at;
            }
            left = outer[--depth];
        }
    }
}

enum pdr_kind pdr_value_kind(pdr_value value)
{
    /* clang-format off */
    static const uint8_t kinds[32] = {
        PDR_KIND_NIL,   PDR_KIND_NONE,  PDR_KIND_BOOL, PDR_KIND_BOOL, PDR_KIND_BIN, PDR_KIND_BIN,   PDR_KIND_BIN,
        PDR_KIND_EXT,   PDR_KIND_EXT,   PDR_KIND_EXT,  PDR_KIND_FLOAT, PDR_KIND_FLOAT, PDR_KIND_INT, PDR_KIND_INT,
        PDR_KIND_INT,   PDR_KIND_INT,   PDR_KIND_INT,  PDR_KIND_INT,  PDR_KIND_INT, PDR_KIND_INT,   PDR_KIND_EXT,
        PDR_KIND_EXT,   PDR_KIND_EXT,   PDR_KIND_EXT,  PDR_KIND_EXT,  PDR_KIND_STR, PDR_KIND_STR,   PDR_KIND_STR,
        PDR_KIND_ARRAY, PDR_KIND_ARRAY, PDR_KIND_MAP,  PDR_KIND_MAP};
    /* clang-format on */
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
    unsigned head = 1 + (*at < 0xc0 ? 0 : forms[*at & 31u].length);
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
    unsigned head = 1 + forms[*at & 31u].length;
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
    do { /* ends with the bytes, whatever count was claimed */
        value = pdr_value_next(&rest);
    } while (k-- > 0 && value.size > 0);
    return value;
}

pdr_value pdr_value_get(pdr_value map, const char *key)
{
    struct pdr_bytes rest = pdr_value_items(map), name, want = pdr_str(key);
    if (pdr_value_kind(map) == PDR_KIND_MAP) {
        for (uint32_t i = pdr_value_count(map); i > 0 && rest.size > 0; i--) {
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

/* Makes room for `size` bytes more, of which the limit has been asked. */
static bool grow(pdr_writer *writer, size_t size)
{
    size_t need = writer->size + size, capacity = writer->capacity < 128 ? 256 : writer->capacity * 2;
    while (capacity < need) {
        capacity *= 2;
    }
    if (writer->limit > 0 && capacity > writer->limit) {
        capacity = writer->limit;
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
    size_t limit = writer->limit > 0 ? writer->limit : SIZE_MAX / 4; /* so that doubling never wraps */
    if (writer->failed || writer->size > limit || size > limit - writer->size) {
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
    uint8_t *at = size > 0 ? reserve(writer, size) : NULL;
    if (at != NULL) {
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

/* A first byte and a big-endian number of `bytes` bytes; returns what comes behind. */
static inline uint8_t *put_head(uint8_t *at, uint8_t first, uint64_t number, unsigned bytes)
{
    *at = first;
    if (bytes == 1) {
        at[1] = (uint8_t)number;
    } else if (bytes == 2) {
        put_be16(at + 1, (uint16_t)number);
    } else if (bytes == 4) {
        put_be32(at + 1, (uint32_t)number);
    } else if (bytes == 8) {
        put_be64(at + 1, number);
    }
    return at + 1 + bytes;
}

static void write_head(pdr_writer *writer, uint8_t first, uint64_t number, unsigned bytes)
{
    uint8_t *at = reserve(writer, 1 + bytes);
    if (at != NULL) {
        put_head(at, first, number, bytes);
    }
}

void pdr_write_nil(pdr_writer *writer)
{
    write_byte(writer, 0xc0);
}
void pdr_write_bool(pdr_writer *writer, bool value)
{
    write_byte(writer, value ? 0xc3 : 0xc2);
}

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

/* A string or binary: first byte and the bytes that say how long it is, then what it holds; all of it or nothing. */
static inline void write_blob(pdr_writer *writer, uint8_t first, unsigned bytes, struct pdr_bytes content)
{
    if (content.size > UINT32_MAX) {
        writer->failed = true;
        return;
    }
    uint8_t *at = reserve(writer, 1 + bytes + content.size);
    if (at != NULL) {
        at = put_head(at, first, content.size, bytes);
        if (content.size > 0) {
            memcpy(at, content.data, content.size);
        }
    }
}

void pdr_write_str(pdr_writer *writer, struct pdr_bytes text)
{
    if (text.size < 32) {
        write_blob(writer, (uint8_t)(0xa0 | text.size), 0, text);
    } else if (text.size <= UINT8_MAX) {
        write_blob(writer, 0xd9, 1, text);
    } else if (text.size <= UINT16_MAX) {
        write_blob(writer, 0xda, 2, text);
    } else {
        write_blob(writer, 0xdb, 4, text);
    }
}

void pdr_write_cstr(pdr_writer *writer, const char *text)
{
    pdr_write_str(writer, pdr_str(text));
}

void pdr_write_bin(pdr_writer *writer, struct pdr_bytes bytes)
{
    if (bytes.size <= UINT8_MAX) {
        write_blob(writer, 0xc4, 1, bytes);
    } else if (bytes.size <= UINT16_MAX) {
        write_blob(writer, 0xc5, 2, bytes);
    } else {
        write_blob(writer, 0xc6, 4, bytes);
    }
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
