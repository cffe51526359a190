/* core/base/hash_bytes.h: XXH3 of a slice. For tables in memory; what placement uses is pdr_ref_hash. */
#ifndef CORE_BASE_HASH_BYTES_H
#define CORE_BASE_HASH_BYTES_H

#include <stdint.h>

#include <perdure/bytes.h>

uint64_t hash_bytes(struct pdr_bytes bytes, uint64_t seed);

#endif
