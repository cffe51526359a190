/* tests/unit/net/wire/test_frame.c: frames as the spec writes them, in pieces, malformed, and at their limits. */
#include <stdlib.h>

#include "core/base/limits.h"
#include "net/wire/codec.h"
#include "net/wire/frame.h"
#include "tests/lib/test.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__})
#define SLICE(...) pdr_bytes(BYTES(__VA_ARGS__), sizeof BYTES(__VA_ARGS__))
#define DECODE(out, ...) decode_copy(SLICE(__VA_ARGS__), out)

static const char *last_why;

/* Bytes used; 0: more needed; -1: refused, why in last_why; -2: refused as too large. */
static long decode(struct pdr_bytes bytes, struct frame *out)
{
    struct frame_scan scan = {0};
    size_t used = 99;
    last_why = NULL;
    enum pdr_status status = frame_decode(&scan, bytes, out, &used, &last_why);
    if (status == PDR_OK) {
        return (long)used;
    }
    EXPECT(used == 0);
    EXPECT(last_why != NULL && strlen(last_why) > 10);
    return status == PDR_INVALID ? -1 : status == PDR_TOO_LARGE ? -2 : -3;
}

/* The frame points into the copy, until the next one. */
static long decode_copy(struct pdr_bytes bytes, struct frame *out)
{
    static uint8_t copy[256];
    memcpy(copy, bytes.data, bytes.size);
    return decode(pdr_bytes(copy, bytes.size), out);
}

static bool is(struct pdr_bytes slice, const char *text)
{
    return pdr_bytes_equal(slice, pdr_str(text));
}

TEST(request)
{
    struct frame f;
    /* [0, 7, "a/b.c", [1, "x"]] and the first byte of the next one */
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x07, 0xa5, 'a', '/', 'b', '.', 'c', 0x92, 0x01, 0xa1, 'x', 0x94), 13);
    EXPECT_INT(f.kind, FRAME_REQUEST);
    EXPECT_INT(f.msgid, 7);
    EXPECT(is(f.target, "a/b.c"));
    EXPECT(pdr_bytes_equal(f.args, SLICE(0x92, 0x01, 0xa1, 'x')));
}

TEST(response)
{
    struct frame f;
    EXPECT_INT(DECODE(&f, 0x94, 0x01, 0xcd, 0x01, 0x00, 0xc0, 0x92, 0xc3, 0x81, 0x01, 0x02), 11);
    EXPECT_INT(f.kind, FRAME_RESPONSE);
    EXPECT_INT(f.msgid, 256);
    EXPECT(pdr_bytes_equal(f.error, SLICE(0xc0)));
    EXPECT(pdr_bytes_equal(f.result, SLICE(0x92, 0xc3, 0x81, 0x01, 0x02)));
}

TEST(response_error)
{
    struct frame f;
    EXPECT_INT(DECODE(&f, 0x94, 0x01, 0x05, 0x81, 0xa4, 'c', 'o', 'd', 'e', 0xa1, 'x', 0xc0), 12);
    EXPECT_INT(f.error.size, 8);
    EXPECT(pdr_bytes_equal(f.result, SLICE(0xc0)));
}

TEST(notification)
{
    struct frame f;
    EXPECT_INT(DECODE(&f, 0x93, 0x02, 0xa5, 'a', '/', 'b', '.', 'c', 0x90), 9);
    EXPECT_INT(f.kind, FRAME_NOTIFICATION);
    EXPECT(is(f.target, "a/b.c"));
    EXPECT(pdr_bytes_equal(f.args, SLICE(0x90)));
}

/* Any encoding of the same thing is that thing: other packers choose other forms. */
TEST(other_forms)
{
    struct frame f;
    EXPECT_INT(DECODE(&f, 0xdc, 0x00, 0x04, 0xcc, 0x00, 0xcf, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xd9, 0x03, 'a', '/',
                      'b', 0xdc, 0x00, 0x01, 0xc0),
               23);
    EXPECT_INT(f.msgid, 4294967295u);
    EXPECT(is(f.target, "a/b"));
    EXPECT_INT(
        DECODE(&f, 0xdd, 0, 0, 0, 4, 0xd0, 0x00, 0xd2, 0, 0, 0, 9, 0xda, 0x00, 0x03, 'a', '/', 'b', 0xdd, 0, 0, 0, 0),
        23);
    EXPECT_INT(f.msgid, 9);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0xd3, 0, 0, 0, 0, 0, 0, 0, 1, 0xdb, 0, 0, 0, 1, 'a', 0x90), 18);
    EXPECT_INT(f.msgid, 1);
    /* a name as bin */
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0xd1, 0x01, 0x01, 0xc4, 0x02, 'h', 'i', 0x90), 10);
    EXPECT_INT(f.msgid, 257);
    EXPECT(is(f.target, "hi"));
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0xc6, 0, 0, 0, 1, 'h', 0x90), 10);
}

TEST(not_a_frame)
{
    struct frame f;
    EXPECT_INT(decode(pdr_str("GET / HTTP/1.1\r\n"), &f), -1);
    EXPECT(strstr(last_why, "not MessagePack-RPC") != NULL);
    EXPECT_INT(DECODE(&f, 0xc1), -1);
    EXPECT_INT(DECODE(&f, 0x84), -1);             /* a map */
    EXPECT_INT(DECODE(&f, 0xde, 0x00, 0x04), -1); /* a map */
    EXPECT_INT(DECODE(&f, 0x94, 0x03), -1);       /* kind */
    EXPECT(strstr(last_why, "kind") != NULL);
    EXPECT_INT(DECODE(&f, 0x94, 0xff), -1);      /* kind -1 */
    EXPECT_INT(DECODE(&f, 0x94, 0xa1, '0'), -1); /* kind "0" */
    EXPECT_INT(DECODE(&f, 0x93, 0x00), -1);      /* a request of three */
    EXPECT(strstr(last_why, "request") != NULL);
    EXPECT_INT(DECODE(&f, 0x95, 0x01), -1); /* a response of five */
    EXPECT(strstr(last_why, "response") != NULL);
    EXPECT_INT(DECODE(&f, 0x94, 0x02), -1); /* a notification of four */
    EXPECT(strstr(last_why, "notification") != NULL);
    EXPECT_INT(DECODE(&f, 0x90), 0); /* its kind decides */
    EXPECT_INT(DECODE(&f, 0x90, 0x00), -1);
}

TEST(bad_msgid)
{
    struct frame f;
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0xff), -1); /* -1 */
    EXPECT(strstr(last_why, "msgid") != NULL);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0xd0, 0x80), -1); /* -128 */
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0xd2, 0x80, 0, 0, 0), -1);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0), -1); /* 2^32 */
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0), -1);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0xa1, 'x'), -1);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0), -1); /* 0.0 */
}

TEST(bad_target_and_args)
{
    struct frame f;
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0x01), -1);
    EXPECT(strstr(last_why, "method") != NULL);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0x91), -1);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0xa1, 'x', 0x80), -1);
    EXPECT(strstr(last_why, "arguments") != NULL);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0xa1, 'x', 0xc0), -1);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0xa1, 'x', 0x91, 0xc1), -1);
    EXPECT(strstr(last_why, "0xc1") != NULL);
    EXPECT_INT(DECODE(&f, 0x94, 0x01, 0x01, 0xc1), -1);
}

/* Every prefix asks for more; the whole is the same frame whatever pieces it came in. */
static void expect_resumes(struct pdr_bytes whole)
{
    struct frame expected, got;
    REQUIRE(decode(whole, &expected) == (long)whole.size);
    for (size_t cut = 0; cut < whole.size; cut++) {
        struct frame_scan scan = {0};
        const char *why = NULL;
        size_t used;
        uint8_t *first = malloc(cut + 1), *all = malloc(whole.size); /* exact sizes, so that ASan sees a byte too far */
        REQUIRE(first != NULL && all != NULL);
        memcpy(first, whole.data, cut);
        memcpy(all, whole.data, whole.size);
        EXPECT(frame_decode(&scan, pdr_bytes(first, cut), &got, &used, &why) == PDR_OK && used == 0);
        free(first);
        EXPECT(frame_decode(&scan, pdr_bytes(all, whole.size), &got, &used, &why) == PDR_OK);
        EXPECT_INT(used, whole.size);
        EXPECT(got.kind == expected.kind && got.msgid == expected.msgid);
        if (got.kind == FRAME_RESPONSE) {
            EXPECT(pdr_bytes_equal(got.error, expected.error) && pdr_bytes_equal(got.result, expected.result));
        } else {
            EXPECT(pdr_bytes_equal(got.target, expected.target) && pdr_bytes_equal(got.args, expected.args));
        }
        free(all);
    }
    struct frame_scan scan = {0}; /* byte by byte */
    for (size_t size = 1; size <= whole.size; size++) {
        const char *why;
        size_t used;
        EXPECT(frame_decode(&scan, pdr_bytes(whole.data, size), &got, &used, &why) == PDR_OK);
        EXPECT_INT(used, size == whole.size ? size : 0);
    }
    EXPECT_INT(scan.at, 0);
    EXPECT_INT(scan.need, 0);
}

TEST(pieces)
{
    expect_resumes(SLICE(0x94, 0x00, 0xce, 1, 2, 3, 4, 0xa5, 'a', '/', 'b', '.', 'c', 0x93, 0x92, 0x01, 0x90, 0x82,
                         0x01, 0xa2, 'h', 'i', 0xc4, 0x02, 1, 2, 0xcb, 1, 2, 3, 4, 5, 6, 7, 8, 0xd8, 5, 1, 2, 3, 4, 5,
                         6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16));
    expect_resumes(SLICE(0x94, 0x01, 0x05, 0x82, 0xa4, 'c', 'o', 'd', 'e', 0xd9, 0x02, 'n', 'o', 0xa1, 'm', 0xda, 0x00,
                         0x01, 'x', 0xdd, 0, 0, 0, 2, 0xc7, 0x01, 0x05, 0xff, 0xd4, 1, 2));
    expect_resumes(SLICE(0x93, 0x02, 0xd9, 0x03, 'a', '/', 'b', 0xdc, 0x00, 0x02, 0xc0, 0x81, 0xc3, 0x80));
}

/* A frame of a megabyte in pieces of 64 KiB: the value is not walked again for each of them. */
TEST(need_is_remembered)
{
    pdr_writer args, w;
    struct frame f;
    pdr_writer_init(&args, NULL, 0, 0);
    pdr_writer_init(&w, NULL, 0, 0);
    uint8_t *body = calloc(1, 1u << 20);
    pdr_write_array(&args, 1);
    pdr_write_bin(&args, pdr_bytes(body, 1u << 20));
    codec_request(&w, 1, pdr_str("a/b"), pdr_str("c"), pdr_written(&args));
    struct frame_scan scan = {0};
    size_t used;
    const char *why;
    EXPECT(frame_decode(&scan, pdr_bytes(w.data, 30), &f, &used, &why) == PDR_OK && used == 0);
    EXPECT_INT(scan.need, w.size);
    EXPECT(frame_decode(&scan, pdr_bytes(NULL, w.size - 1), &f, &used, &why) == PDR_OK &&
           used == 0); /* not looked at */
    EXPECT(frame_decode(&scan, pdr_written(&w), &f, &used, &why) == PDR_OK);
    EXPECT_INT(used, w.size);
    EXPECT(pdr_bytes_equal(f.args, pdr_written(&args)));
    free(body);
    pdr_writer_release(&args);
    pdr_writer_release(&w);
}

static void nested(pdr_writer *w, int depth)
{
    pdr_write_array(w, 4);
    pdr_write_int(w, FRAME_REQUEST);
    pdr_write_int(w, 1);
    pdr_write_cstr(w, "a/b.c");
    for (int i = 1; i < depth; i++) {
        pdr_write_array(w, 1);
    }
    pdr_write_array(w, 0);
}

TEST(depth)
{
    pdr_writer w;
    struct frame f;
    pdr_writer_init(&w, NULL, 0, 0);
    nested(&w, LIMIT_DEPTH_MAX);
    EXPECT_INT(decode(pdr_written(&w), &f), w.size);
    pdr_writer_clear(&w);
    nested(&w, LIMIT_DEPTH_MAX + 2);
    EXPECT_INT(decode(pdr_written(&w), &f), -1);
    EXPECT(strstr(last_why, "depth_max") != NULL);
    pdr_writer_release(&w);
}

/* What cannot fit is refused when its size is read, not when it has arrived. */
TEST(too_large)
{
    struct frame f;
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0xa1, 'x', 0x91, 0xc6, 0x00, 0x40, 0x00, 0x00), -2); /* a bin of 4 MiB */
    EXPECT(strstr(last_why, "frame_bytes_max") != NULL);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0xa1, 'x', 0x91, 0xc6, 0xff, 0xff, 0xff, 0xff), -2);
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0xdb, 0xff, 0xff, 0xff, 0xff), -2);            /* the method */
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0xa1, 'x', 0xdd, 0xff, 0xff, 0xff, 0xff), -2); /* as many arguments */
    EXPECT_INT(DECODE(&f, 0x94, 0x01, 0x01, 0xc0, 0xdf, 0xff, 0xff, 0xff, 0xff), -2);      /* as many pairs */
    EXPECT_INT(DECODE(&f, 0x94, 0x01, 0x01, 0xc0, 0xdf, 0x00, 0x20, 0x00, 0x00), -2);      /* 2^22 values of a byte */
    EXPECT_INT(DECODE(&f, 0x94, 0x00, 0x01, 0xa1, 'x', 0x91, 0xc6, 0x00, 0x30, 0x00, 0x00), 0);
    EXPECT_INT(DECODE(&f, 0xdd, 0xff, 0xff, 0xff, 0xff, 0x00), -1); /* the frame's own array */
}

/* The largest frame, and one byte more, although all of it is there. */
TEST(largest)
{
    struct frame f;
    size_t room = LIMIT_FRAME_BYTES_MAX + 16;
    uint8_t *data = calloc(1, room);
    static const uint8_t head[] = {0x94, 0x00, 0x01, 0xa1, 'x', 0x91, 0xc6};
    REQUIRE(data != NULL);
    memcpy(data, head, sizeof head);
    uint32_t body = LIMIT_FRAME_BYTES_MAX - sizeof head - 4;
    for (unsigned extra = 0; extra < 2; extra++) {
        uint32_t size = body + extra;
        data[7] = (uint8_t)(size >> 24);
        data[8] = (uint8_t)(size >> 16);
        data[9] = (uint8_t)(size >> 8);
        data[10] = (uint8_t)size;
        EXPECT_INT(decode(pdr_bytes(data, room), &f), extra == 0 ? LIMIT_FRAME_BYTES_MAX : -2);
    }
    free(data);
}

/* Many small values are as limited as one large one. */
TEST(largest_of_many)
{
    struct frame f;
    size_t size = LIMIT_FRAME_BYTES_MAX + 64;
    uint8_t *data = malloc(size);
    static const uint8_t head[] = {0x94, 0x00, 0x01, 0xa1, 'x', 0xdd, 0x00, 0x20, 0x00, 0x00};
    REQUIRE(data != NULL);
    memset(data, 0x91, size); /* 2^21 arrays of an array of ... */
    memcpy(data, head, sizeof head);
    EXPECT_INT(decode(pdr_bytes(data, size), &f), -1);
    for (size_t i = sizeof head; i + 1 < size; i += 2) {
        data[i] = 0xcc; /* 2^21 integers of two bytes: 4 MiB and the head */
    }
    EXPECT_INT(decode(pdr_bytes(data, size), &f), -2);
    free(data);
}

TEST_MAIN()
