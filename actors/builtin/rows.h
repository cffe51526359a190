/* actors/builtin/rows.h: what types that keep rows share: numbered keys, rows of numbers, arguments within bounds. */
#ifndef ACTORS_BUILTIN_ROWS_H
#define ACTORS_BUILTIN_ROWS_H

#include <perdure/actor.h>

#define ROW_NUMBERS_MAX 16

/* Seeded bugs (docs/internals/simulation.md, "The mutation gate"): the program that has them says what they are. */
#ifndef MUTATION
#define MUTATION(n) 0
#endif

/** A key: a letter for the table, then one or two numbers, not negative, in an order that scans keep. */
struct row_key {
    uint8_t data[1 + 8 + 8];
    size_t size;
};
struct row_key row_key(char table, int64_t number);
struct row_key row_key2(char table, int64_t first, int64_t second);
static inline struct pdr_bytes row_bytes(const struct row_key *key)
{
    return pdr_bytes(key->data, key->size);
}
/** The first or second number of a key of such a table. */
int64_t row_number(struct pdr_bytes key, int which);

/** A row of a fixed count of numbers. Reading gives PDR_NOT_FOUND and leaves `numbers` alone if there is none. */
int row_put(pdr_turn *turn, struct pdr_bytes key, const int64_t *numbers, uint32_t count);
int row_get(pdr_turn *turn, struct pdr_bytes key, int64_t *numbers, uint32_t count);

/** The k-th argument; `otherwise` where there is none or nil. PDR_INVALID, with a sentence, if it is no integer from
 * `low` to `high`. */
int row_argument(pdr_turn *turn, const pdr_args *args, uint32_t k, const char *what, int64_t low, int64_t high,
                 int64_t otherwise, int64_t *out);

/** Of pdr_scan_next: its end is no failure. */
static inline int row_scanned(int status)
{
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

#endif
