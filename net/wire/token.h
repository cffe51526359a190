/* net/wire/token.h: for frame.c alone: the first bytes of a MessagePack value, from a cursor that may end anywhere.
 *
 * It shares no line with core/base/value.c, which reads values that are there whole: the fuzzer holds the two against
 * each other. */
#ifndef NET_WIRE_TOKEN_H
#define NET_WIRE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <perdure/status.h>

#include "core/base/endian.h"
#include "core/base/limits.h"

/** Where reading stopped. */
enum step {
    STEP_DONE,
    STEP_MORE, /* cursor.need bytes must be there */
    STEP_BAD,  /* cursor.status and cursor.why */
};

struct cursor {
    const uint8_t *data;
    size_t size;
    size_t at;
    size_t need;
    enum pdr_status status;
    const char *why;
};

static inline enum step bad(struct cursor *c, enum pdr_status status, const char *why)
{
    c->status = status;
    c->why = why;
    return STEP_BAD;
}

static inline enum step more(struct cursor *c, uint64_t need)
{
    if (need > LIMIT_FRAME_BYTES_MAX) {
        return bad(c, PDR_TOO_LARGE, "a frame may have 4194304 bytes (limit frame_bytes_max)");
    }
    c->need = need;
    return STEP_MORE;
}

/** What a value's first byte, and a length behind it, say about it. */
struct token {
    uint64_t size;     /* bytes, of a container without what is in it */
    uint64_t children; /* values in it: two a pair of a map */
};

/* 0xc0 to 0xdf: bytes of head and fixed body, and how many of the head are a length. */
struct token_form {
    uint8_t fixed, length;
};
/* clang-format off */
static const struct token_form token_forms[32] = {
    [0x00] = {1, 0},                                                       /* nil */
    [0x02] = {1, 0}, [0x03] = {1, 0},                                      /* false, true */
    [0x04] = {2, 1}, [0x05] = {3, 2}, [0x06] = {5, 4},                     /* bin */
    [0x07] = {3, 1}, [0x08] = {4, 2}, [0x09] = {6, 4},                     /* ext: a type comes before the body */
    [0x0a] = {5, 0}, [0x0b] = {9, 0},                                      /* float */
    [0x0c] = {2, 0}, [0x0d] = {3, 0}, [0x0e] = {5, 0}, [0x0f] = {9, 0},    /* uint */
    [0x10] = {2, 0}, [0x11] = {3, 0}, [0x12] = {5, 0}, [0x13] = {9, 0},    /* int */
    [0x14] = {3, 0}, [0x15] = {4, 0}, [0x16] = {6, 0}, [0x17] = {10, 0}, [0x18] = {18, 0}, /* fixext */
    [0x19] = {2, 1}, [0x1a] = {3, 2}, [0x1b] = {5, 4},                     /* str */
    [0x1c] = {3, 2}, [0x1d] = {5, 4},                                      /* array */
    [0x1e] = {3, 2}, [0x1f] = {5, 4},                                      /* map */
};
/* clang-format on */

static inline uint32_t token_length(const uint8_t *at, unsigned bytes)
{
    return bytes == 1 ? at[0] : bytes == 2 ? get_be16(at) : get_be32(at);
}

static inline enum step token_long(struct cursor *c, uint8_t first, struct token *out)
{
    struct token_form form = token_forms[first & 0x1f];
    *out = (struct token){form.fixed, 0};
    if (form.fixed == 0) {
        return bad(c, PDR_INVALID, "not MessagePack: the byte 0xc1 begins no value");
    }
    if (form.length == 0) {
        return STEP_DONE;
    }
    if (c->size - c->at < 1u + form.length) {
        return more(c, c->at + 1 + form.length);
    }
    uint32_t n = token_length(c->data + c->at + 1, form.length);
    if (first >= 0xdc) {
        out->children = first >= 0xde ? (uint64_t)n * 2 : n;
    } else {
        out->size += n;
    }
    return STEP_DONE;
}

/** The token at c->at, of which at least one byte is there. */
static inline enum step token_read(struct cursor *c, struct token *out)
{
    uint8_t first = c->data[c->at];
    if (first < 0x80 || first >= 0xe0) {
        *out = (struct token){1, 0};
    } else if (first >= 0xc0) {
        return token_long(c, first, out);
    } else if (first >= 0xa0) {
        *out = (struct token){1u + (first & 0x1f), 0};
    } else {
        *out = (struct token){1, first < 0x90 ? (first & 0x0fu) * 2 : first & 0x0fu};
    }
    return STEP_DONE;
}

#endif
