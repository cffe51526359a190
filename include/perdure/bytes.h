/* perdure/bytes.h: a borrowed slice of memory. Whoever hands it out says until when it is valid. */
#ifndef PERDURE_BYTES_H
#define PERDURE_BYTES_H

#include <stddef.h>
#include <string.h>

struct pdr_bytes {
    const void *data; /* may be NULL when size is 0 */
    size_t size;
};

static inline struct pdr_bytes pdr_bytes(const void *data, size_t size)
{
    struct pdr_bytes slice = {data, size};
    return slice;
}

/** The slice of a C string, without its terminator. */
static inline struct pdr_bytes pdr_str(const char *text)
{
    return pdr_bytes(text, strlen(text));
}

static inline int pdr_bytes_equal(struct pdr_bytes a, struct pdr_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/** memcmp order; a prefix comes before what it begins. */
static inline int pdr_bytes_compare(struct pdr_bytes a, struct pdr_bytes b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0) {
        return order;
    }
    return a.size < b.size ? -1 : a.size > b.size;
}

#endif
