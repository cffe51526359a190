/* core/base/hash_bytes.c: XXH3 of a slice. */
#include "core/base/hash_bytes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(struct pdr_bytes bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}
