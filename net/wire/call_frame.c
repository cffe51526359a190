/* net/wire/call_frame.c: frames of calls between nodes, to bytes and back, by the tables of call_frame.h. */
#include "net/wire/call_frame.h"

#include "core/base/check.h"
#include "core/base/endian.h"

#define NUMBER_AT 1u
#define SIZE_BYTES 4u

static inline void put_le8(uint8_t *at, uint8_t value)
{
    *at = value;
}

static inline uint8_t get_le8(const uint8_t *at)
{
    return *at;
}

uint64_t call_frame_number(struct pdr_bytes frame)
{
    return frame.size >= NUMBER_AT + 8 ? get_le64((const uint8_t *)frame.data + NUMBER_AT) : 0;
}

/* Encoding: the fields and sizes are put together, and written at once. */

#define FIELD_SIZE(name, bits) +(bits) / 8
#define SLICE_SIZE(name, least, most) +SIZE_BYTES
#define HEAD_SIZE(KIND) (1 KIND##_FIELDS(FIELD_SIZE) KIND##_SLICES(SLICE_SIZE))

#define PUT_FIELD(name, bits)                                                                                          \
    put_le##bits(at, frame->name);                                                                                     \
    at += (bits) / 8;
#define PUT_SIZE(name, least, most)                                                                                    \
    CHECK(frame->name.size <= (most));                                                                                 \
    put_le32(at, (uint32_t)frame->name.size);                                                                          \
    at += SIZE_BYTES;
#define PUT_SLICE(name, least, most) pdr_write_raw(out, frame->name.data, frame->name.size);

#define PUT(KIND, kind_of_it)                                                                                          \
    uint8_t head[HEAD_SIZE(KIND)];                                                                                     \
    uint8_t *at = head;                                                                                                \
    *at++ = (uint8_t)(kind_of_it);                                                                                     \
    KIND##_FIELDS(PUT_FIELD) KIND##_SLICES(PUT_SIZE) pdr_write_raw(out, head, (size_t)(at - head));                    \
    KIND##_SLICES(PUT_SLICE)

void call_frame_put_call(pdr_writer *out, const struct call_frame_call *frame)
{
    PUT(CALL_FRAME_CALL, CALL_FRAME_CALL)
}

void call_frame_put_answer(pdr_writer *out, const struct call_frame_answer *frame)
{
    PUT(CALL_FRAME_ANSWER, CALL_FRAME_ANSWER)
}

void call_frame_put_moved(pdr_writer *out, const struct call_frame_moved *frame)
{
    PUT(CALL_FRAME_MOVED, CALL_FRAME_MOVED)
}

void call_frame_put_watch(pdr_writer *out, enum call_frame_kind kind, const struct call_frame_watch *frame)
{
    PUT(CALL_FRAME_WATCH, kind)
}

/* Decoding: the head, then slices that must fill the rest to its end. */

struct rest {
    const uint8_t *at;
    size_t size;
    enum pdr_status status;
};

static struct pdr_bytes cut(struct rest *rest, size_t size, size_t least, size_t most)
{
    struct pdr_bytes slice = pdr_bytes(rest->at, size);
    if (size < least || size > rest->size) {
        rest->status = PDR_INVALID;
    } else if (size > most) {
        rest->status = PDR_TOO_LARGE;
    } else {
        rest->at += size;
        rest->size -= size;
        return slice;
    }
    rest->size = 0;
    return pdr_bytes(rest->at, 0);
}

static enum pdr_status end(const struct rest *rest, const char **why)
{
    if (rest->status == PDR_TOO_LARGE) {
        *why = "a frame of a call between nodes holds more than its limits allow";
        return PDR_TOO_LARGE;
    }
    if (rest->status != PDR_OK || rest->size > 0) {
        *why = "the sizes in a frame of a call between nodes do not add up to its own";
        return PDR_INVALID;
    }
    return PDR_OK;
}

#define GET_FIELD(name, bits)                                                                                          \
    out->name = get_le##bits(at);                                                                                      \
    at += (bits) / 8;
#define GET_SLICE(name, least, most)                                                                                   \
    out->name = cut(&rest, get_le32(at), least, most);                                                                 \
    at += SIZE_BYTES;

#define GET(KIND)                                                                                                      \
    const uint8_t *at = frame.data;                                                                                    \
    if (frame.size < HEAD_SIZE(KIND)) {                                                                                \
        *why = "a frame of a call between nodes is shorter than its head";                                             \
        return PDR_INVALID;                                                                                            \
    }                                                                                                                  \
    struct rest rest = {at + HEAD_SIZE(KIND), frame.size - HEAD_SIZE(KIND), PDR_OK};                                   \
    at++;                                                                                                              \
    KIND##_FIELDS(GET_FIELD) KIND##_SLICES(GET_SLICE) enum pdr_status status = end(&rest, why);

static enum pdr_status check_call(const struct call_frame_call *call, const char **why)
{
    bool in_session = (call->flags & CALL_FRAME_IN_SESSION) != 0;
    if (call->number == 0 || (call->flags & ~(CALL_FRAME_IS_READ | CALL_FRAME_IS_WATCH | CALL_FRAME_IN_SESSION)) != 0) {
        *why = "a call of another node has no number, or flags that are not known here";
    } else if (in_session != (call->session.size > 0) ||
               (in_session && call->session.size != CALL_FRAME_SESSION_SIZE)) {
        *why = "a call of another node has a session without an id, or the other way round";
    } else if (call->chain.size != call->chain_count * 8u || call->caller_size > call->path.size) {
        *why = "a call of another node does not say by whom it was made";
    } else {
        return PDR_OK;
    }
    return PDR_INVALID;
}

enum pdr_status call_frame_get_call(struct pdr_bytes frame, struct call_frame_call *out, const char **why)
{
    GET(CALL_FRAME_CALL)
    return status == PDR_OK ? check_call(out, why) : status;
}

enum pdr_status call_frame_get_answer(struct pdr_bytes frame, struct call_frame_answer *out, const char **why)
{
    GET(CALL_FRAME_ANSWER)
    if (status == PDR_OK && (out->number == 0 || out->status >= PDR_STATUS_COUNT || out->status == PDR_MOVED ||
                             (out->flags & ~(CALL_FRAME_IS_READ | CALL_FRAME_IS_FINAL)) != 0)) {
        *why = "an answer of another node has no number, or a status or flags that are not known here";
        return PDR_INVALID;
    }
    return status;
}

enum pdr_status call_frame_get_moved(struct pdr_bytes frame, struct call_frame_moved *out, const char **why)
{
    GET(CALL_FRAME_MOVED)
    return status;
}

enum pdr_status call_frame_get_watch(struct pdr_bytes frame, struct call_frame_watch *out, const char **why)
{
    GET(CALL_FRAME_WATCH)
    return status;
}
