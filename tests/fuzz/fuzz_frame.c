/* tests/fuzz/fuzz_frame.c: hostile bytes on a connection (net/wire/frame.c). What must hold for any input:
 *
 * - pieces: cut anywhere, or byte by byte, it gives the same frames and the same refusal;
 * - a frame's values are values to core/base/value.c, which shares no line with the scanner;
 * - what value.c takes for a request is not refused;
 * - a frame that is accepted, and encoded again, decodes to an equal one. */
#include "core/base/limits.h"
#include "net/wire/codec.h"
#include "net/wire/frame.h"
#include "tests/fuzz/fuzz.h"

#define CUTS_MAX 200 /* of a long input every few bytes is enough */

struct result {
    enum pdr_status status;
    size_t used;
    struct frame frame;
};

static struct result decode(struct frame_scan *scan, const uint8_t *data, size_t size)
{
    struct result r = {.used = 1};
    const char *why = NULL;
    r.status = frame_decode(scan, pdr_bytes(data, size), &r.frame, &r.used, &why);
    FUZZ_CHECK(r.status == PDR_OK || r.status == PDR_INVALID || r.status == PDR_TOO_LARGE);
    FUZZ_CHECK(r.status == PDR_OK ? r.used <= size : r.used == 0 && why != NULL && strlen(why) > 10);
    return r;
}

static struct result decode_whole(const uint8_t *data, size_t size)
{
    struct frame_scan scan = {0};
    return decode(&scan, data, size);
}

static bool frames_equal(const struct frame *a, const struct frame *b)
{
    if (a->kind != b->kind || a->msgid != b->msgid) {
        return false;
    }
    if (a->kind == FRAME_RESPONSE) {
        return pdr_bytes_equal(a->error, b->error) && pdr_bytes_equal(a->result, b->result);
    }
    return pdr_bytes_equal(a->target, b->target) && pdr_bytes_equal(a->args, b->args);
}

static bool results_equal(const struct result *a, const struct result *b)
{
    return a->status == b->status && a->used == b->used &&
           (a->status != PDR_OK || a->used == 0 || frames_equal(&a->frame, &b->frame));
}

/* Values. */

static void check_value(pdr_value value, struct pdr_bytes whole)
{
    FUZZ_CHECK(value.size > 0 && fuzz_inside(value, whole));
    FUZZ_CHECK(pdr_value_skip(value.data, value.size, LIMIT_DEPTH_MAX) == (int64_t)value.size);
}

static void check_frame(const struct frame *frame, struct pdr_bytes whole)
{
    FUZZ_CHECK(frame->msgid <= UINT32_MAX);
    if (frame->kind == FRAME_RESPONSE) {
        check_value(frame->error, whole);
        check_value(frame->result, whole);
        return;
    }
    FUZZ_CHECK(frame->kind == FRAME_REQUEST || frame->kind == FRAME_NOTIFICATION);
    FUZZ_CHECK(fuzz_inside(frame->target, whole));
    check_value(frame->args, whole);
    FUZZ_CHECK(pdr_value_kind(frame->args) == PDR_KIND_ARRAY);
}

/* The first value of the input, as value.c sees it, is a request; *size is its size. */
static bool is_request(struct pdr_bytes input, int64_t *size)
{
    uint64_t kind, msgid;
    struct pdr_bytes target;
    *size = pdr_value_skip(input.data, input.size, LIMIT_DEPTH_MAX);
    pdr_value first = pdr_bytes(input.data, *size > 0 ? (size_t)*size : 0);
    return *size > 0 && *size <= LIMIT_FRAME_BYTES_MAX && pdr_value_kind(first) == PDR_KIND_ARRAY &&
           pdr_value_count(first) == 4 && pdr_value_uint(pdr_value_at(first, 0), &kind) && kind == FRAME_REQUEST &&
           pdr_value_uint(pdr_value_at(first, 1), &msgid) && msgid <= UINT32_MAX &&
           pdr_value_bytes(pdr_value_at(first, 2), &target) && pdr_value_kind(pdr_value_at(first, 3)) == PDR_KIND_ARRAY;
}

/* Encoding. */

static void encode(pdr_writer *w, const struct frame *frame)
{
    const char *target = frame->target.data;
    const char *dot = frame->target.size > 0 ? memrchr(target, '.', frame->target.size) : NULL;
    if (frame->kind == FRAME_RESPONSE && *(const uint8_t *)frame->error.data == 0xc0) {
        codec_response(w, frame->msgid, frame->result);
        return;
    }
    if (frame->kind != FRAME_RESPONSE && dot != NULL) {
        struct pdr_bytes address = pdr_bytes(target, (size_t)(dot - target));
        struct pdr_bytes method = pdr_bytes(dot + 1, frame->target.size - address.size - 1);
        if (frame->kind == FRAME_REQUEST) {
            codec_request(w, frame->msgid, address, method, frame->args);
        } else {
            codec_notification(w, address, method, frame->args);
        }
        return;
    }
    pdr_write_array(w, frame->kind == FRAME_NOTIFICATION ? 3 : 4); /* what our own encoders never write */
    pdr_write_int(w, frame->kind);
    if (frame->kind != FRAME_NOTIFICATION) {
        pdr_write_uint(w, frame->msgid);
    }
    if (frame->kind == FRAME_RESPONSE) {
        pdr_write_value(w, frame->error);
        pdr_write_value(w, frame->result);
    } else {
        pdr_write_str(w, frame->target);
        pdr_write_value(w, frame->args);
    }
}

static void check_again(const struct frame *frame)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    encode(&w, frame);
    struct result again = decode_whole(w.data, w.size);
    FUZZ_CHECK(again.status == PDR_OK && again.used == w.size && frames_equal(frame, &again.frame));
    pdr_writer_release(&w);
}

/* Pieces. */

/* What the first bytes say, the whole says too. */
static void check_cut(const uint8_t *data, size_t size, size_t cut, const struct result *whole)
{
    struct frame_scan scan = {0};
    uint8_t *piece = fuzz_copy(data, cut);
    struct result first = decode(&scan, piece, cut);
    if (first.status == PDR_OK && first.used == 0) {
        free(piece);
        struct result then = decode(&scan, data, size);
        FUZZ_CHECK(results_equal(&then, whole));
        return;
    }
    FUZZ_CHECK(results_equal(&first, whole));
    free(piece);
}

static void check_bytewise(const uint8_t *data, size_t size, const struct result *whole)
{
    struct frame_scan scan = {0};
    struct result r = {.status = PDR_OK};
    size_t have = 0;
    while (have < size && r.status == PDR_OK && r.used == 0) {
        r = decode(&scan, data, ++have);
    }
    FUZZ_CHECK(results_equal(&r, whole));
    FUZZ_CHECK(r.used == 0 || r.used == have);
    FUZZ_CHECK(r.used == 0 || (scan.at == 0 && scan.need == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (;;) {
        struct result r = decode_whole(data, size);
        size_t step = size / CUTS_MAX + 1;
        int64_t value_size;
        if (is_request(pdr_bytes(data, size), &value_size)) {
            FUZZ_CHECK(r.status == PDR_OK && r.used == (size_t)value_size);
        }
        for (size_t cut = 0; cut < size; cut += step) {
            check_cut(data, size, cut, &r);
        }
        check_bytewise(data, size, &r);
        if (r.status != PDR_OK || r.used == 0) {
            return 0;
        }
        check_frame(&r.frame, pdr_bytes(data, r.used));
        check_again(&r.frame);
        data += r.used;
        size -= r.used;
    }
}
