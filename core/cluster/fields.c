/* core/cluster/fields.c: what the table of fields says, carried out. */
#include "core/cluster/fields.h"

#include "core/base/check.h"

#define UINT_BYTES_MAX 9u

/* Numbers and texts. */

/* As pdr_write_uint writes it: no number has two encodings. */
static bool is_shortest(struct pdr_bytes value, uint64_t n)
{
    uint8_t room[UINT_BYTES_MAX];
    pdr_writer writer;
    pdr_writer_init(&writer, room, sizeof room, sizeof room);
    pdr_write_uint(&writer, n);
    return pdr_bytes_equal(pdr_written(&writer), value);
}

static bool take_uint(struct pdr_bytes *items, uint64_t max, uint64_t *out, const char **what)
{
    pdr_value value = pdr_value_next(items);
    if (!pdr_value_uint(value, out) || !is_shortest(value, *out)) {
        *what = "is not a number";
        return false;
    }
    *what = "is too large";
    return *out <= max;
}

static uint32_t head_size(enum pdr_kind kind, size_t size)
{
    if (kind == PDR_KIND_STR && size < 32) {
        return 1;
    }
    return size < 256 ? 2 : size < 65536 ? 3 : 5;
}

static bool take_bytes(struct pdr_bytes *items, enum pdr_kind kind, uint64_t max, struct pdr_bytes *out,
                       const char **what)
{
    pdr_value value = pdr_value_next(items);
    *what = kind == PDR_KIND_STR ? "is not a text" : "is not a string of bytes";
    if (pdr_value_kind(value) != kind || !pdr_value_bytes(value, out) ||
        value.size != out->size + head_size(kind, out->size)) {
        return false;
    }
    *what = "is too long";
    return out->size <= max;
}

/* Pairs. */

struct pdr_bytes pairs_items(struct pairs pairs)
{
    return pairs.map.size == 0 ? pdr_bytes(NULL, 0) : pdr_value_items(pairs.map);
}

bool pairs_next(struct pdr_bytes *rest, struct pair *out)
{
    return pdr_value_bytes(pdr_value_next(rest), &out->key) && pdr_value_bytes(pdr_value_next(rest), &out->value);
}

uint32_t pairs_count(struct pairs pairs)
{
    return pdr_value_count(pairs.map);
}

bool pairs_get(struct pairs pairs, struct pdr_bytes key, struct pdr_bytes *value)
{
    struct pdr_bytes rest = pairs_items(pairs);
    struct pair pair;
    while (pairs_next(&rest, &pair)) {
        if (pdr_bytes_equal(pair.key, key)) {
            *value = pair.value;
            return true;
        }
    }
    return false;
}

static void write_pairs(pdr_writer *writer, struct pairs pairs)
{
    struct pdr_bytes rest = pairs_items(pairs);
    struct pair pair;
    pdr_write_map(writer, pairs_count(pairs));
    while (pairs_next(&rest, &pair)) {
        pdr_write_str(writer, pair.key);
        pdr_write_str(writer, pair.value);
    }
}

static uint32_t map_head_size(uint32_t count)
{
    return count < 16 ? 1 : count < 65536 ? 3 : 5;
}

static bool take_pairs(struct pdr_bytes *items, uint64_t max, struct pairs *out, const char **what)
{
    pdr_value map = pdr_value_next(items);
    struct pdr_bytes rest = pdr_value_items(map);
    struct pair pair = {{NULL, 0}, {NULL, 0}};
    struct pdr_bytes last = {NULL, 0};
    uint32_t count = pdr_value_count(map);
    *what = "is not a map of texts";
    if (pdr_value_kind(map) != PDR_KIND_MAP || map.size - rest.size != map_head_size(count)) {
        return false;
    }
    if (count > max) {
        *what = "has too many pairs";
        return false;
    }
    for (uint32_t i = 0; i < count; i++, last = pair.key) {
        if (!take_bytes(&rest, PDR_KIND_STR, PDR_TYPE_SIZE_MAX, &pair.key, what) ||
            !take_bytes(&rest, PDR_KIND_STR, PDR_TYPE_SIZE_MAX, &pair.value, what)) {
            return false;
        }
        if (pair.key.size == 0 || pdr_bytes_compare(last, pair.key) >= 0) {
            *what = "has a key that is empty or out of order";
            return false;
        }
    }
    out->map = map;
    return true;
}

/* Copies and ids. */

bool copies_have(const struct copies *copies, uint64_t node)
{
    return copies_of(copies, node) != NULL;
}

const struct copy *copies_find(const struct copies *copies, uint64_t rid)
{
    for (uint32_t i = 0; i < copies->count; i++) {
        if (copies->at[i].rid == rid) {
            return &copies->at[i];
        }
    }
    return NULL;
}

const struct copy *copies_of(const struct copies *copies, uint64_t node)
{
    for (uint32_t i = 0; i < copies->count; i++) {
        if (copies->at[i].node == node) {
            return &copies->at[i];
        }
    }
    return NULL;
}

void copies_add(struct copies *copies, struct copy copy)
{
    CHECK(copies->count < LIMIT_COPIES_MAX);
    copies->at[copies->count++] = copy;
}

void copies_drop(struct copies *copies, uint64_t rid)
{
    uint8_t kept = 0;
    for (uint32_t i = 0; i < copies->count; i++) {
        if (copies->at[i].rid != rid) {
            copies->at[kept++] = copies->at[i];
        }
    }
    copies->count = kept;
}

bool ids_have(const struct ids *ids, uint64_t id)
{
    for (uint32_t i = 0; i < ids->count; i++) {
        if (ids->at[i] == id) {
            return true;
        }
    }
    return false;
}

void ids_add(struct ids *ids, uint64_t id)
{
    CHECK(ids->count < LIMIT_COPIES_MAX);
    ids->at[ids->count++] = id;
}

void ids_drop(struct ids *ids, uint64_t id)
{
    uint8_t kept = 0;
    for (uint32_t i = 0; i < ids->count; i++) {
        if (ids->at[i] != id) {
            ids->at[kept++] = ids->at[i];
        }
    }
    ids->count = kept;
}

static bool take_list(struct pdr_bytes *items, uint64_t max, struct pdr_bytes *rest, uint32_t *count, const char **what)
{
    pdr_value list = pdr_value_next(items);
    *rest = pdr_value_items(list);
    *count = pdr_value_count(list);
    *what = "is not a list";
    if (pdr_value_kind(list) != PDR_KIND_ARRAY || list.size - rest->size != map_head_size(*count)) {
        return false;
    }
    *what = "has too many elements";
    return *count <= max;
}

static bool take_copies(struct pdr_bytes *items, uint64_t max, struct copies *out, const char **what)
{
    struct pdr_bytes rest;
    uint32_t count;
    *out = (struct copies){0};
    if (!take_list(items, 2 * max, &rest, &count, what)) {
        return false;
    }
    if (count % 2 != 0) {
        *what = "has half a copy";
        return false;
    }
    for (uint32_t i = 0; i < count / 2; i++) {
        struct copy copy;
        if (!take_uint(&rest, UINT64_MAX, &copy.node, what) || !take_uint(&rest, UINT64_MAX, &copy.rid, what)) {
            return false;
        }
        copies_add(out, copy);
    }
    return true;
}

static bool take_ids(struct pdr_bytes *items, uint64_t max, struct ids *out, const char **what)
{
    struct pdr_bytes rest;
    uint32_t count;
    *out = (struct ids){0};
    if (!take_list(items, max, &rest, &count, what)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id;
        if (!take_uint(&rest, UINT64_MAX, &id, what)) {
            return false;
        }
        ids_add(out, id);
    }
    return true;
}

static void write_copies(pdr_writer *writer, const struct copies *copies)
{
    pdr_write_array(writer, 2u * copies->count);
    for (uint32_t i = 0; i < copies->count; i++) {
        pdr_write_uint(writer, copies->at[i].node);
        pdr_write_uint(writer, copies->at[i].rid);
    }
}

static void write_ids(pdr_writer *writer, const struct ids *ids)
{
    pdr_write_array(writer, ids->count);
    for (uint32_t i = 0; i < ids->count; i++) {
        pdr_write_uint(writer, ids->at[i]);
    }
}

/* Candidates: five elements each. */

#define CANDIDATE_FIELDS 5u

struct pdr_bytes candidates_items(struct candidates candidates)
{
    return candidates.list.size == 0 ? pdr_bytes(NULL, 0) : pdr_value_items(candidates.list);
}

uint32_t candidates_count(struct candidates candidates)
{
    return pdr_value_count(candidates.list) / CANDIDATE_FIELDS;
}

bool candidates_next(struct pdr_bytes *rest, struct candidate *out)
{
    uint64_t lease_ms;
    if (!pdr_value_uint(pdr_value_next(rest), &out->owner) || !pdr_value_uint(pdr_value_next(rest), &out->order) ||
        !pdr_value_uint(pdr_value_next(rest), &out->node) || !pdr_value_uint(pdr_value_next(rest), &lease_ms) ||
        !pdr_value_bytes(pdr_value_next(rest), &out->value)) {
        return false;
    }
    out->lease_ms = (uint32_t)lease_ms;
    return true;
}

bool candidates_find(struct candidates candidates, uint64_t owner, struct candidate *out, uint32_t *ahead)
{
    struct pdr_bytes rest = candidates_items(candidates);
    for (*ahead = 0; candidates_next(&rest, out); (*ahead)++) {
        if (out->owner == owner) {
            return true;
        }
    }
    return false;
}

void candidates_begin(pdr_writer *writer, uint32_t count)
{
    pdr_write_array(writer, CANDIDATE_FIELDS * count);
}

void candidates_put(pdr_writer *writer, const struct candidate *candidate)
{
    pdr_write_uint(writer, candidate->owner);
    pdr_write_uint(writer, candidate->order);
    pdr_write_uint(writer, candidate->node);
    pdr_write_uint(writer, candidate->lease_ms);
    pdr_write_bin(writer, candidate->value);
}

static void write_candidates(pdr_writer *writer, struct candidates candidates)
{
    struct pdr_bytes rest = candidates_items(candidates);
    struct candidate candidate;
    candidates_begin(writer, candidates_count(candidates));
    while (candidates_next(&rest, &candidate)) {
        candidates_put(writer, &candidate);
    }
}

static bool take_candidate(struct pdr_bytes *rest, struct candidate *out, const char **what)
{
    uint64_t lease_ms;
    if (!take_uint(rest, UINT64_MAX, &out->owner, what) || !take_uint(rest, UINT64_MAX, &out->order, what) ||
        !take_uint(rest, UINT64_MAX, &out->node, what) ||
        !take_uint(rest, LIMIT_CAMPAIGN_LEASE_MS_MAX, &lease_ms, what)) {
        return false;
    }
    return take_bytes(rest, PDR_KIND_BIN, LIMIT_CAMPAIGN_BYTES_MAX, &out->value, what);
}

static bool take_candidates(struct pdr_bytes *items, uint64_t max, struct candidates *out, const char **what)
{
    struct pdr_bytes rest, list = *items;
    struct candidate candidate;
    uint64_t last = 0;
    uint32_t count;
    if (!take_list(items, CANDIDATE_FIELDS * max, &rest, &count, what)) {
        return false;
    }
    if (count % CANDIDATE_FIELDS != 0) {
        *what = "has a part of a candidate";
        return false;
    }
    for (uint32_t i = 0; i < count / CANDIDATE_FIELDS; i++, last = candidate.order) {
        if (!take_candidate(&rest, &candidate, what)) {
            return false;
        }
        if (candidate.order <= last) {
            *what = "has candidates out of order";
            return false;
        }
    }
    out->list = pdr_bytes(list.data, list.size - items->size);
    return true;
}

/* Structs. */

static void write_one(pdr_writer *writer, const struct field *field, const void *at)
{
    switch (field->kind) {
    case FIELD_BOOL:
        pdr_write_bool(writer, *(const bool *)at);
        break;
    case FIELD_U8:
        pdr_write_uint(writer, *(const uint8_t *)at);
        break;
    case FIELD_U32:
        pdr_write_uint(writer, *(const uint32_t *)at);
        break;
    case FIELD_U64:
        pdr_write_uint(writer, *(const uint64_t *)at);
        break;
    case FIELD_TEXT:
        pdr_write_str(writer, *(const struct pdr_bytes *)at);
        break;
    case FIELD_BYTES:
        pdr_write_bin(writer, *(const struct pdr_bytes *)at);
        break;
    case FIELD_PAIRS:
        write_pairs(writer, *(const struct pairs *)at);
        break;
    case FIELD_COPIES:
        write_copies(writer, at);
        break;
    case FIELD_IDS:
        write_ids(writer, at);
        break;
    case FIELD_CANDIDATES:
        write_candidates(writer, *(const struct candidates *)at);
        break;
    }
}

void fields_write(pdr_writer *writer, const struct field *fields, uint32_t count, const void *from)
{
    for (uint32_t i = 0; i < count; i++) {
        write_one(writer, &fields[i], (const char *)from + fields[i].offset);
    }
}

static bool read_uint(struct pdr_bytes *items, const struct field *field, void *at, const char **what)
{
    uint64_t n;
    if (!take_uint(items, field->max, &n, what)) {
        return false;
    }
    if (field->kind == FIELD_U8) {
        *(uint8_t *)at = (uint8_t)n;
    } else if (field->kind == FIELD_U32) {
        *(uint32_t *)at = (uint32_t)n;
    } else {
        *(uint64_t *)at = n;
    }
    return true;
}

static bool read_one(struct pdr_bytes *items, const struct field *field, void *at, const char **what)
{
    switch (field->kind) {
    case FIELD_BOOL:
        *what = "is not true or false";
        return pdr_value_bool(pdr_value_next(items), at);
    case FIELD_U8:
    case FIELD_U32:
    case FIELD_U64:
        return read_uint(items, field, at, what);
    case FIELD_TEXT:
        return take_bytes(items, PDR_KIND_STR, field->max, at, what);
    case FIELD_BYTES:
        return take_bytes(items, PDR_KIND_BIN, field->max, at, what);
    case FIELD_PAIRS:
        return take_pairs(items, field->max, at, what);
    case FIELD_COPIES:
        return take_copies(items, field->max, at, what);
    case FIELD_IDS:
        return take_ids(items, field->max, at, what);
    case FIELD_CANDIDATES:
        return take_candidates(items, field->max, at, what);
    }
    return false;
}

enum pdr_status fields_read(struct pdr_bytes *items, const struct field *fields, uint32_t count, void *out,
                            struct fault *fault)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!read_one(items, &fields[i], (char *)out + fields[i].offset, &fault->what)) {
            fault->field = fields[i].name;
            return PDR_INVALID;
        }
    }
    return PDR_OK;
}

void fields_rebase(const struct field *fields, uint32_t count, void *data, const void *old, const void *now)
{
    for (uint32_t i = 0; i < count; i++) {
        enum field_kind kind = fields[i].kind;
        if (kind == FIELD_TEXT || kind == FIELD_BYTES || kind == FIELD_PAIRS || kind == FIELD_CANDIDATES) {
            struct pdr_bytes *slice = (struct pdr_bytes *)(void *)((char *)data + fields[i].offset);
            if (slice->size > 0) {
                slice->data = (const char *)now + ((const char *)slice->data - (const char *)old);
            }
        }
    }
}
