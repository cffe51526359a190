/* core/cluster/fields.h: flat structs as MessagePack arrays and back, by a table of their fields.
 *
 * One list of fields declares the struct, writes it and reads it, so that the three never differ:
 *
 *     #define POINT_FIELDS(F, S) F(S, U32, x, 1000) F(S, TEXT, name, 63)
 *     struct point { POINT_FIELDS(FIELD_DECLARE, _) };
 *     static const struct field point_fields[] = {POINT_FIELDS(FIELD_DESCRIBE, struct point)};
 *
 * The last argument is a limit: of the number, of bytes, of pairs, of elements. Reading trusts nothing, asks for no
 * memory, and takes exactly what writing would have written: one value has one encoding. */
#ifndef CORE_CLUSTER_FIELDS_H
#define CORE_CLUSTER_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <perdure/status.h>
#include <perdure/value.h>

#include "core/base/limits.h"

/** One copy of a shard's data: on a node, under the name it got when it was made empty. */
struct copy {
    uint64_t node, rid;
};
struct copies {
    uint8_t count;
    struct copy at[LIMIT_COPIES_MAX];
};
struct ids {
    uint8_t count;
    uint64_t at[LIMIT_COPIES_MAX];
};

/** Who stands in an election, in order of arrival: the first is its leader. An encoded list, borrowed; no value for
 * none. */
struct candidates {
    pdr_value list;
};
struct candidate {
    uint64_t owner; /* whose lease it lives by: a random number that its client has drawn */
    uint64_t order; /* dir_index of its arrival: unlike any other's, ever */
    uint64_t node;  /* that it came through; 0: not known */
    uint32_t lease_ms;
    pdr_value value; /* borrowed */
};

/** Pairs of texts, in order of their first halves, none twice: an encoded map, borrowed; no value for none. */
struct pairs {
    pdr_value map;
};
struct pair {
    struct pdr_bytes key, value;
};

enum field_kind {
    FIELD_BOOL,
    FIELD_U8,
    FIELD_U32,
    FIELD_U64,
    FIELD_TEXT,  /* struct pdr_bytes, borrowed */
    FIELD_BYTES, /* the same, and not text */
    FIELD_PAIRS,
    FIELD_COPIES,
    FIELD_IDS,
    FIELD_CANDIDATES,
};

#define FIELD_C_BOOL bool
#define FIELD_C_U8 uint8_t
#define FIELD_C_U32 uint32_t
#define FIELD_C_U64 uint64_t
#define FIELD_C_TEXT struct pdr_bytes
#define FIELD_C_BYTES struct pdr_bytes
#define FIELD_C_PAIRS struct pairs
#define FIELD_C_COPIES struct copies
#define FIELD_C_IDS struct ids
#define FIELD_C_CANDIDATES struct candidates

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
    uint64_t max;
};

#define FIELD_DECLARE(S, kind, name, max) FIELD_C_##kind name;
#define FIELD_DESCRIBE(S, kind, name, max) {#name, FIELD_##kind, offsetof(S, name), max},
#define FIELD_COUNT(fields) ((uint32_t)(sizeof(fields) / sizeof *(fields)))

/** What is wrong with bytes that were refused: both static; `field` may be NULL. */
struct fault {
    const char *field, *what;
};

/** Appends one value a field. */
void fields_write(pdr_writer *writer, const struct field *fields, uint32_t count, const void *from);
/** Takes one value a field off `items`, from which slices in `out` are borrowed. PDR_INVALID, with *fault, else. */
enum pdr_status fields_read(struct pdr_bytes *items, const struct field *fields, uint32_t count, void *out,
                            struct fault *fault);
/** The bytes that slices of `data` point to have moved from `old` to `now`. */
void fields_rebase(const struct field *fields, uint32_t count, void *data, const void *old, const void *now);

/** Walks pairs: `rest` begins as pairs_items. False at the end. */
struct pdr_bytes pairs_items(struct pairs pairs);
bool pairs_next(struct pdr_bytes *rest, struct pair *out);
uint32_t pairs_count(struct pairs pairs);
/** The second half of the pair, or false. */
bool pairs_get(struct pairs pairs, struct pdr_bytes key, struct pdr_bytes *value);

/** Walks candidates: `rest` begins as candidates_items. False at the end. */
struct pdr_bytes candidates_items(struct candidates candidates);
bool candidates_next(struct pdr_bytes *rest, struct candidate *out);
uint32_t candidates_count(struct candidates candidates);
/** The one of that owner; false if it does not stand. `*ahead` becomes how many came before it. */
bool candidates_find(struct candidates candidates, uint64_t owner, struct candidate *out, uint32_t *ahead);
/** Appends what candidates_next takes, inside of a list begun by candidates_begin. */
void candidates_begin(pdr_writer *writer, uint32_t count);
void candidates_put(pdr_writer *writer, const struct candidate *candidate);

bool copies_have(const struct copies *copies, uint64_t node);
/** The copy of that name; NULL if there is none. */
const struct copy *copies_find(const struct copies *copies, uint64_t rid);
const struct copy *copies_of(const struct copies *copies, uint64_t node);
void copies_add(struct copies *copies, struct copy copy);
/** The others keep their order. */
void copies_drop(struct copies *copies, uint64_t rid);
bool ids_have(const struct ids *ids, uint64_t id);
void ids_add(struct ids *ids, uint64_t id);
void ids_drop(struct ids *ids, uint64_t id);

#endif
