/* perdure/value.h: MessagePack without allocation: a cursor that reads slices, a writer that fills a buffer.
 *
 * Arguments, results and events are MessagePack values (the public spec). A `struct pdr_value` is one value,
 * borrowed; reading never copies. Integers cross as int64; unsigned numbers above INT64_MAX are refused by
 * pdr_value_int and read by pdr_value_uint. Everything here is thread-compatible and never blocks. */
#ifndef PERDURE_VALUE_H
#define PERDURE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/export.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pdr_kind {
    PDR_KIND_NONE, /* there is no value: past the end, or not MessagePack */
    PDR_KIND_NIL,
    PDR_KIND_BOOL,
    PDR_KIND_INT,  /* fits int64 */
    PDR_KIND_UINT, /* above INT64_MAX */
    PDR_KIND_FLOAT,
    PDR_KIND_STR,
    PDR_KIND_BIN,
    PDR_KIND_ARRAY,
    PDR_KIND_MAP,
    PDR_KIND_EXT,
};

/** Deepest nesting that is accepted anywhere. */
#define PDR_VALUE_DEPTH_MAX 32

/** One encoded value: exactly its bytes, borrowed. Empty means "no value". */
typedef struct pdr_bytes pdr_value;

PDR_API enum pdr_kind pdr_value_kind(pdr_value value);
/** Each reader returns false, and leaves `out` alone, if the value is of another kind. */
PDR_API bool pdr_value_int(pdr_value value, int64_t *out);
PDR_API bool pdr_value_uint(pdr_value value, uint64_t *out);
/** Takes integers too. */
PDR_API bool pdr_value_float(pdr_value value, double *out);
PDR_API bool pdr_value_bool(pdr_value value, bool *out);
/** STR or BIN: the bytes inside, borrowed from `value`. */
PDR_API bool pdr_value_bytes(pdr_value value, struct pdr_bytes *out);

/** Number of elements of an array, of pairs of a map; 0 for anything else. */
PDR_API uint32_t pdr_value_count(pdr_value value);
/** The k-th element of an array; no value if there is none. O(k). */
PDR_API pdr_value pdr_value_at(pdr_value array, uint32_t k);
/** The value under a string key of a map; no value if there is none. O(n). */
PDR_API pdr_value pdr_value_get(pdr_value map, const char *key);

/** Walks elements in order: a map gives key, value, key, value. `rest` starts as pdr_value_items(value). */
PDR_API struct pdr_bytes pdr_value_items(pdr_value container);
/** Takes the first value off `rest`; no value when it is empty or malformed. */
PDR_API pdr_value pdr_value_next(struct pdr_bytes *rest);

/**
 * Bytes of the first value in data[0..size): > 0; 0 if more bytes are needed; -1 if it is not MessagePack or
 * nested deeper than `depth_max`. Allocates nothing and recurses nowhere: safe on hostile bytes.
 */
PDR_API int64_t pdr_value_skip(const void *data, size_t size, int depth_max);

/**
 * Writes values into memory that grows. Zero-initialise, or give it a first buffer to use before the heap.
 * After a failed allocation or growth past `limit` every further call is a no-op and `failed` stays set.
 */
typedef struct pdr_writer {
    uint8_t *data;
    size_t size, capacity;
    size_t limit; /* 0: no limit */
    bool on_heap; /* `data` is ours to free */
    bool failed;
} pdr_writer;

PDR_API void pdr_writer_init(pdr_writer *writer, void *first, size_t capacity, size_t limit);
PDR_API void pdr_writer_release(pdr_writer *writer);
static inline void pdr_writer_clear(pdr_writer *writer)
{
    writer->size = 0;
    writer->failed = false;
}
static inline struct pdr_bytes pdr_written(const pdr_writer *writer)
{
    return pdr_bytes(writer->data, writer->size);
}

PDR_API void pdr_write_nil(pdr_writer *writer);
PDR_API void pdr_write_bool(pdr_writer *writer, bool value);
PDR_API void pdr_write_int(pdr_writer *writer, int64_t value);
PDR_API void pdr_write_uint(pdr_writer *writer, uint64_t value);
PDR_API void pdr_write_float(pdr_writer *writer, double value);
PDR_API void pdr_write_str(pdr_writer *writer, struct pdr_bytes text);
PDR_API void pdr_write_cstr(pdr_writer *writer, const char *text);
PDR_API void pdr_write_bin(pdr_writer *writer, struct pdr_bytes bytes);
PDR_API void pdr_write_array(pdr_writer *writer, uint32_t count);
PDR_API void pdr_write_map(pdr_writer *writer, uint32_t pairs);
/** Appends an encoded value as it is. */
PDR_API void pdr_write_value(pdr_writer *writer, pdr_value value);
/** Appends raw bytes. */
PDR_API void pdr_write_raw(pdr_writer *writer, const void *data, size_t size);

#ifdef __cplusplus
}
#endif
#endif
