/* tests/fuzz/fuzz.h: what the fuzz targets share. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <perdure/bytes.h>

#define FUZZ_CHECK(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** A copy in a block of exactly that size, so that a sanitizer sees a byte read too far. Free it. */
static inline uint8_t *fuzz_copy(const void *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    FUZZ_CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

/** The slice lies inside of the other, or is empty. */
static inline bool fuzz_inside(struct pdr_bytes inner, struct pdr_bytes outer)
{
    const uint8_t *from = inner.data, *begin = outer.data;
    return inner.size == 0 ||
           (from >= begin && inner.size <= outer.size && from - begin <= (ptrdiff_t)(outer.size - inner.size));
}

#endif
