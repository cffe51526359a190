/* net/wire/carry_frame.c: frames of a shard that is carried, to bytes and back, by the tables of carry_frame.h. */
#include "net/wire/carry_frame.h"

#include "core/base/check.h"
#include "core/base/endian.h"

#define HEAD_SIZE 13u /* kind, number, shard */
#define FIXED_MAX 28u /* fields of any kind, and the size of its slice */

static inline void put_le8(uint8_t *at, uint8_t value)
{
    *at = value;
}

static inline uint8_t get_le8(const uint8_t *at)
{
    return *at;
}

/* How many bytes the fields of each kind take, with the size of its slice. */
#define FIELD_SIZE(name, bits) +(bits) / 8
#define SLICE_SIZE(name, most) +4
#define FIXED_SIZE(value, NAME, name) [value] = CARRY_FRAME_##NAME##_FIELDS(FIELD_SIZE, SLICE_SIZE),
static const uint8_t fixed_sizes[CARRY_FRAME_KIND_COUNT] = {CARRY_FRAME_TABLE(FIXED_SIZE)};

#define PUT_FIELD(name, bits)                                                                                          \
    put_le##bits(at, it->name);                                                                                        \
    at += (bits) / 8;
#define PUT_SLICE(name, most)                                                                                          \
    CHECK(it->name.size <= (most));                                                                                    \
    put_le32(at, (uint32_t)it->name.size);                                                                             \
    slice = it->name;
#define PUT_KIND(value, NAME, name)                                                                                    \
    case value: {                                                                                                      \
        const struct carry_frame_##name *it = &frame->name;                                                            \
        CARRY_FRAME_##NAME##_FIELDS(PUT_FIELD, PUT_SLICE) break;                                                       \
    }

void carry_frame_put(pdr_writer *out, const struct carry_frame *frame)
{
    uint8_t head[HEAD_SIZE + FIXED_MAX] = {(uint8_t)frame->kind}, *at = head + HEAD_SIZE;
    struct pdr_bytes slice = pdr_bytes(NULL, 0);
    put_le64(head + 1, frame->number);
    put_le32(head + 9, frame->shard);
    switch (frame->kind) {
        CARRY_FRAME_TABLE(PUT_KIND)
    case CARRY_FRAME_KIND_COUNT:
        CHECK(false);
    }
    pdr_write_raw(out, head, HEAD_SIZE + fixed_sizes[frame->kind]);
    pdr_write_raw(out, slice.data, slice.size);
}

#define GET_FIELD(name, bits)                                                                                          \
    it->name = get_le##bits(at);                                                                                       \
    at += (bits) / 8;
#define GET_SLICE(name, most)                                                                                          \
    size = get_le32(at);                                                                                               \
    limit = (most);                                                                                                    \
    it->name = rest;
#define GET_KIND(value, NAME, name)                                                                                    \
    case value: {                                                                                                      \
        struct carry_frame_##name *it = &out->name;                                                                    \
        CARRY_FRAME_##NAME##_FIELDS(GET_FIELD, GET_SLICE) break;                                                       \
    }

/* What the fields say of one another. */
static bool is_sensible(const struct carry_frame *frame)
{
    switch (frame->kind) {
    case CARRY_FRAME_PART:
        return frame->part.size <= CARRY_FRAME_CHUNK_MAX && frame->part.offset <= frame->part.size &&
               frame->part.bytes.size <= frame->part.size - frame->part.offset &&
               (frame->part.bytes.size > 0) == (frame->part.size > 0);
    case CARRY_FRAME_DONE:
        return frame->done.rid != 0;
    case CARRY_FRAME_OVER:
        return frame->over.status < PDR_STATUS_COUNT;
    default:
        return true;
    }
}

enum pdr_status carry_frame_get(struct pdr_bytes bytes, struct carry_frame *out, const char **why)
{
    const uint8_t *at = bytes.data;
    if (bytes.size < HEAD_SIZE || at[0] == 0 || at[0] >= CARRY_FRAME_KIND_COUNT ||
        bytes.size - HEAD_SIZE < fixed_sizes[at[0]]) {
        *why = "a frame of a shard that is carried is of no known kind, or shorter than its head";
        return PDR_INVALID;
    }
    *out = (struct carry_frame){.kind = at[0], .number = get_le64(at + 1), .shard = get_le32(at + 9)};
    struct pdr_bytes rest = pdr_bytes(at + HEAD_SIZE + fixed_sizes[at[0]], bytes.size - HEAD_SIZE - fixed_sizes[at[0]]);
    size_t size = 0, limit = 0;
    at += HEAD_SIZE;
    switch (out->kind) {
        CARRY_FRAME_TABLE(GET_KIND)
    case CARRY_FRAME_KIND_COUNT:
        break;
    }
    if (size > limit) {
        *why = "a frame of a shard that is carried holds more than its limits allow";
        return PDR_TOO_LARGE;
    }
    if (size != rest.size) {
        *why = "the sizes in a frame of a shard that is carried do not add up to its own";
        return PDR_INVALID;
    }
    if (out->number == 0 || !is_sensible(out)) {
        *why = "a frame of a shard that is carried has no number, or says what cannot be";
        return PDR_INVALID;
    }
    return PDR_OK;
}
