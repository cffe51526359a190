/* perdure/ref.h: an actor's address, TYPE/KEY (product.md, "Words").
 *
 * TYPE is [a-z_][a-z0-9_-]{0,63}; KEY is 1 to 512 bytes of UTF-8 without control characters and may contain '/'
 * and '.'. A KEY with a non-empty {tag} is placed by the tag alone, so that related actors live together. */
#ifndef PERDURE_REF_H
#define PERDURE_REF_H

#include <perdure/bytes.h>
#include <perdure/export.h>
#include <perdure/status.h>

#define PDR_TYPE_SIZE_MAX 64
#define PDR_KEY_SIZE_MAX 512
#define PDR_METHOD_SIZE_MAX 64

#ifdef __cplusplus
extern "C" {
#endif

/** Slices of whatever text was parsed. */
struct pdr_ref {
    struct pdr_bytes type, key;
};

/** Splits "TYPE/KEY". On PDR_INVALID, *why (if not NULL) is a static sentence. */
PDR_API enum pdr_status pdr_ref_parse(struct pdr_bytes text, struct pdr_ref *out, const char **why) PDR_MUST_CHECK;
/** Splits "TYPE/KEY.METHOD": the last '.' ends the key. METHOD is [A-Za-z_][A-Za-z0-9_-]{0,63}. */
PDR_API enum pdr_status pdr_ref_parse_call(struct pdr_bytes text, struct pdr_ref *out, struct pdr_bytes *method,
                                           const char **why) PDR_MUST_CHECK;
/** What of a key is hashed: the inside of its first non-empty {...}, else the whole key. */
PDR_API struct pdr_bytes pdr_ref_tag(struct pdr_bytes key);
/** XXH3 of the tag; stable for ever: placement depends on it. */
PDR_API unsigned long long pdr_ref_hash(struct pdr_bytes key);

#ifdef __cplusplus
}
#endif
#endif
