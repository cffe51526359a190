/* net/wire/frame.c: stage 2 of 7 (socket before it, route after it). Bytes to a frame of borrowed slices.
 *
 * The head of a frame (its array, kind, msgid, method) is short and read at once when it is there. What follows, values
 * of any shape, is walked token by token with a stack of counts, which is all there is to remember when bytes end. */
#include "net/wire/frame.h"

#include "net/wire/token.h"

/* The head. */

static enum step read_count(struct cursor *c, uint32_t *out)
{
    struct token token;
    if (c->at >= c->size) {
        return more(c, c->at + 1);
    }
    uint8_t first = c->data[c->at];
    if ((first & 0xf0) != 0x90 && first != 0xdc && first != 0xdd) {
        return bad(c, PDR_INVALID,
                   "not MessagePack-RPC: a frame is an array, [0, msgid, method, [args]] for a request");
    }
    enum step step = token_read(c, &token);
    if (step == STEP_DONE) {
        c->at += token.size;
        *out = (uint32_t)token.children;
    }
    return step;
}

/* An integer from 0 to 2^32-1, in any form that holds it. */
static enum step read_uint32(struct cursor *c, uint32_t *out, const char *why)
{
    if (c->at >= c->size) {
        return more(c, c->at + 1);
    }
    const uint8_t *at = c->data + c->at;
    uint8_t first = at[0];
    if (first < 0x80) {
        *out = first;
        c->at++;
        return STEP_DONE;
    }
    if (first < 0xcc || first > 0xd3) {
        return bad(c, PDR_INVALID, why);
    }
    unsigned bytes = 1u << (first & 3);
    if (c->size - c->at < 1 + bytes) {
        return more(c, c->at + 1 + bytes);
    }
    uint64_t value = bytes == 8 ? get_be64(at + 1) : token_length(at + 1, bytes);
    bool negative = first >= 0xd0 && (at[1] & 0x80) != 0;
    if (negative || value > UINT32_MAX) {
        return bad(c, PDR_INVALID, why);
    }
    *out = (uint32_t)value;
    c->at += 1 + bytes;
    return STEP_DONE;
}

/* A str; a bin too, because some languages have nothing else to write a name with. */
static enum step read_target(struct cursor *c, struct pdr_bytes *out)
{
    struct token token;
    if (c->at >= c->size) {
        return more(c, c->at + 1);
    }
    uint8_t first = c->data[c->at];
    bool fixstr = (first & 0xe0) == 0xa0;
    if (!fixstr && !(first >= 0xd9 && first <= 0xdb) && !(first >= 0xc4 && first <= 0xc6)) {
        return bad(c, PDR_INVALID, "the method of a frame must be a string, \"TYPE/KEY.METHOD\"");
    }
    enum step step = token_read(c, &token);
    if (step != STEP_DONE) {
        return step;
    }
    if (token.size > c->size - c->at) {
        return more(c, c->at + token.size);
    }
    size_t head = fixstr ? 1 : token_forms[first & 0x1f].fixed;
    *out = pdr_bytes(c->data + c->at + head, token.size - head);
    c->at += token.size;
    return STEP_DONE;
}

static enum step check_args(struct cursor *c)
{
    if (c->at >= c->size) {
        return more(c, c->at + 1);
    }
    uint8_t first = c->data[c->at];
    if ((first & 0xf0) != 0x90 && first != 0xdc && first != 0xdd) {
        return bad(c, PDR_INVALID, "the arguments of a frame must be an array");
    }
    return STEP_DONE;
}

#define WHY_KIND "the kind of a frame must be 0 (request), 1 (response) or 2 (notification)"

static enum step check_shape(struct cursor *c, uint32_t count, uint32_t kind)
{
    static const struct {
        uint32_t count;
        const char *why;
    } shapes[] = {
        [FRAME_REQUEST] = {4, "a request must have 4 elements, [0, msgid, method, [args]]"},
        [FRAME_RESPONSE] = {4, "a response must have 4 elements, [1, msgid, error, result]"},
        [FRAME_NOTIFICATION] = {3, "a notification must have 3 elements, [2, method, [args]]"},
    };
    if (kind > FRAME_NOTIFICATION) {
        return bad(c, PDR_INVALID, WHY_KIND);
    }
    return count == shapes[kind].count ? STEP_DONE : bad(c, PDR_INVALID, shapes[kind].why);
}

/* All that comes before the values, of which there is one (the arguments), or in a response two. */
static enum step read_head(struct cursor *c, struct frame *out)
{
    uint32_t count, kind, msgid = 0;
    enum step step = read_count(c, &count);
    if (step != STEP_DONE) {
        return step;
    }
    step = read_uint32(c, &kind, WHY_KIND);
    if (step != STEP_DONE) {
        return step;
    }
    step = check_shape(c, count, kind);
    if (step == STEP_DONE && kind != FRAME_NOTIFICATION) {
        step = read_uint32(c, &msgid, "the msgid of a frame must be an integer from 0 to 4294967295");
    }
    out->kind = (enum frame_kind)kind;
    out->msgid = msgid;
    if (step != STEP_DONE || kind == FRAME_RESPONSE) {
        return step;
    }
    step = read_target(c, &out->target);
    return step == STEP_DONE ? check_args(c) : step;
}

/* The values. */

/* One value, or the head of a container, which it opens. */
static inline enum step walk_one(struct cursor *c, struct frame_scan *scan)
{
    struct token token;
    if (c->at >= c->size) {
        return more(c, c->at + 1);
    }
    enum step step = token_read(c, &token);
    if (step != STEP_DONE) {
        return step;
    }
    /* A child has a byte at least: a count that cannot fit is refused before its children arrive. */
    uint64_t end = c->at + token.size + token.children;
    if (end > c->size) {
        step = more(c, end);
        if (step == STEP_BAD || token.children == 0) {
            return step;
        }
    }
    if (token.children > 0 && scan->depth > LIMIT_DEPTH_MAX) {
        return bad(c, PDR_INVALID, "values are nested deeper than 32 levels (limit depth_max)");
    }
    scan->left[scan->depth - 1]--;
    if (token.children > 0) {
        scan->left[scan->depth++] = (uint32_t)token.children;
    }
    c->at += token.size;
    return STEP_DONE;
}

static enum step walk(struct cursor *c, struct frame_scan *scan)
{
    while (scan->depth > 0) {
        if (scan->left[scan->depth - 1] == 0) {
            scan->depth--;
            continue;
        }
        enum step step = walk_one(c, scan);
        if (step != STEP_DONE) {
            return step;
        }
    }
    return STEP_DONE;
}

static void fill_values(const struct cursor *c, size_t head, struct frame *out)
{
    struct pdr_bytes rest = pdr_bytes(c->data + head, c->at - head);
    if (out->kind != FRAME_RESPONSE) {
        out->args = rest;
        return;
    }
    size_t error = c->data[head] == 0xc0 ? 1 : (size_t)pdr_value_skip(rest.data, rest.size, LIMIT_DEPTH_MAX);
    out->error = pdr_bytes(c->data + head, error);
    out->result = pdr_bytes(c->data + head + error, rest.size - error);
}

static enum step decode(struct cursor *c, struct frame_scan *scan, struct frame *out)
{
    enum step step = read_head(c, out); /* again for each piece: it is short, and `out` must point into these bytes */
    if (step != STEP_DONE) {
        return step;
    }
    size_t head = c->at;
    if (scan->at == 0) {
        scan->depth = 1;
        scan->left[0] = out->kind == FRAME_RESPONSE ? 2 : 1;
    } else {
        c->at = scan->at;
    }
    step = walk(c, scan);
    scan->at = (uint32_t)c->at;
    if (step == STEP_DONE) {
        fill_values(c, head, out);
    }
    return step;
}

enum pdr_status frame_decode(struct frame_scan *scan, struct pdr_bytes bytes, struct frame *out, size_t *used,
                             const char **why)
{
    *used = 0;
    if (bytes.size < scan->need || bytes.size == 0) {
        return PDR_OK;
    }
    size_t size = bytes.size < LIMIT_FRAME_BYTES_MAX ? bytes.size : LIMIT_FRAME_BYTES_MAX; /* beyond it, `more` fails */
    struct cursor c = {.data = bytes.data, .size = size};
    enum step step = decode(&c, scan, out);
    if (step == STEP_BAD) {
        *why = c.why;
        return c.status;
    }
    if (step == STEP_MORE) {
        scan->need = (uint32_t)c.need;
        return PDR_OK;
    }
    scan->need = 0;
    scan->at = 0;
    *used = c.at;
    return PDR_OK;
}
