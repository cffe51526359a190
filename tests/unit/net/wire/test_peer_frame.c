/* tests/unit/net/wire/test_peer_frame.c: frames between nodes, whole and in pieces. */
#include "net/wire/peer_frame.h"

#include "core/base/endian.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tests/lib/test.h"

static const struct peer_frame_shape bare = {.payload_max = 1000}, tagged = {.payload_max = 1000, .is_batch = true};

static pdr_writer frame_of(unsigned kind, const char *text)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    peer_frame_encode(&w, kind, pdr_str(text));
    return w;
}

static enum pdr_status decode(pdr_writer *w, const struct peer_frame_shape *shape, struct peer_frame *out, size_t *used,
                              const char **why)
{
    *why = "";
    return peer_frame_decode(pdr_written(w), shape, out, used, why);
}

/* The bytes of the wire: docs/reference/wire.md has the same. */
TEST(bytes)
{
    static const uint8_t expected[] = {0xc1, 2, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c'};
    pdr_writer w = frame_of(PEER_FRAME_PROOF, "abc");
    EXPECT_INT(w.size, sizeof expected);
    EXPECT(memcmp(w.data, expected, 8) == 0);
    EXPECT_INT(get_le32(w.data + 8), 0xd439ace8); /* CRC-32C of the other 11 bytes */
    EXPECT(memcmp(w.data + 12, expected + 12, 3) == 0);
    pdr_writer_release(&w);
}

TEST(pieces)
{
    pdr_writer w = frame_of(PEER_FRAME_BATCH, "some bytes that are carried");
    size_t size = w.size;
    pdr_write_raw(&w, "0123456789abcdef and the next", 29);
    struct peer_frame frame;
    const char *why;
    size_t used;
    for (size_t cut = 0; cut < size + PEER_TAG_SIZE; cut++) {
        EXPECT_INT(peer_frame_decode(pdr_bytes(w.data, cut), &tagged, &frame, &used, &why), PDR_OK);
        EXPECT_INT(used, 0);
    }
    EXPECT_INT(decode(&w, &tagged, &frame, &used, &why), PDR_OK);
    EXPECT_INT(used, size + PEER_TAG_SIZE);
    EXPECT_INT(frame.kind, PEER_FRAME_BATCH);
    EXPECT(pdr_bytes_equal(frame.payload, pdr_str("some bytes that are carried")));
    EXPECT(memcmp(frame.tag, "0123456789abcdef", PEER_TAG_SIZE) == 0);
    EXPECT(frame.sealed.data == w.data && frame.sealed.size == size);
    EXPECT_INT(decode(&w, &bare, &frame, &used, &why), PDR_INVALID); /* before the proof there is none */
    pdr_writer_release(&w);
}

TEST(empty)
{
    pdr_writer w = frame_of(PEER_FRAME_REFUSE, "");
    struct peer_frame frame;
    const char *why;
    size_t used;
    EXPECT_INT(decode(&w, &bare, &frame, &used, &why), PDR_OK);
    EXPECT_INT(used, PEER_FRAME_HEADER_SIZE);
    EXPECT_INT(frame.payload.size, 0);
    pdr_writer_release(&w);
}

/* Each is refused as soon as the byte is there that says so. */
static void refused_at(size_t at, uint8_t value, enum pdr_status status, const char *sentence)
{
    pdr_writer w = frame_of(PEER_FRAME_REFUSE, "payload");
    struct peer_frame frame;
    const char *why = "";
    size_t used;
    w.data[at] = value;
    EXPECT_INT(peer_frame_decode(pdr_bytes(w.data, at < 4 ? at & ~1u : at), &bare, &frame, &used, &why), PDR_OK);
    w.size = at < 2 ? at + 1 : at < 4 ? 4 : at < 8 ? 8 : w.size;
    EXPECT_INT(decode(&w, &bare, &frame, &used, &why), status);
    EXPECT(strstr(why, sentence) != NULL);
    EXPECT_INT(used, 0);
    pdr_writer_release(&w);
}

TEST(refused)
{
    refused_at(0, 0x94, PDR_INVALID, "must begin with 0xc1");
    refused_at(1, 0, PDR_INVALID, "kind");
    refused_at(1, 5, PDR_INVALID, "kind");
    refused_at(1, PEER_FRAME_BATCH, PDR_INVALID, "kind");
    refused_at(1, PEER_FRAME_CARRIED, PDR_INVALID, "kind");
    refused_at(2, 1, PDR_INVALID, "must be 0");
    refused_at(3, 0x80, PDR_INVALID, "must be 0");
    refused_at(7, 1, PDR_TOO_LARGE, "longer than it may be");
    refused_at(8, 0, PDR_INVALID, "CRC-32C");
    refused_at(14, 0, PDR_INVALID, "CRC-32C");
}

TEST(limit)
{
    static const struct peer_frame_shape seven = {.payload_max = 7}, six = {.payload_max = 6};
    pdr_writer w = frame_of(PEER_FRAME_REFUSE, "payload");
    struct peer_frame frame;
    const char *why;
    size_t used;
    EXPECT_INT(decode(&w, &seven, &frame, &used, &why), PDR_OK);
    EXPECT(used > 0);
    EXPECT_INT(decode(&w, &six, &frame, &used, &why), PDR_TOO_LARGE);
    pdr_writer_release(&w);
}

/* No single bit may flip unnoticed, whatever it is in. */
TEST(every_bit)
{
    pdr_writer w = frame_of(PEER_FRAME_HELLO, "some payload, long enough to matter");
    for (size_t bit = 0; bit < w.size * 8; bit++) {
        struct peer_frame frame;
        const char *why;
        size_t used;
        w.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        EXPECT(decode(&w, &bare, &frame, &used, &why) != PDR_OK || used == 0);
        w.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    pdr_writer_release(&w);
}

/* Batches. */

TEST(batch)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    pdr_write_raw(&w, "before", 6);
    size_t begin = peer_batch_begin(&w);
    peer_batch_add(&w, PEER_FRAME_CARRIED, pdr_str("one"));
    peer_batch_add(&w, PEER_FRAME_ALIVE, pdr_str(""));
    peer_batch_add(&w, 255, pdr_str("three"));
    peer_batch_end(&w, begin);
    pdr_write_raw(&w, "0123456789abcdef", PEER_TAG_SIZE);
    struct peer_frame frame, inner;
    const char *why;
    size_t used;
    REQUIRE(peer_frame_decode(pdr_bytes(w.data + begin, w.size - begin), &tagged, &frame, &used, &why) == PDR_OK);
    EXPECT_INT(used, w.size - begin);
    struct pdr_bytes rest = frame.payload;
    EXPECT_INT(peer_batch_next(&rest, &inner, &why), PDR_OK);
    EXPECT(inner.kind == PEER_FRAME_CARRIED && pdr_bytes_equal(inner.payload, pdr_str("one")));
    EXPECT_INT(peer_batch_next(&rest, &inner, &why), PDR_OK);
    EXPECT(inner.kind == PEER_FRAME_ALIVE && inner.payload.size == 0);
    EXPECT_INT(peer_batch_next(&rest, &inner, &why), PDR_OK);
    EXPECT(inner.kind == 255 && pdr_bytes_equal(inner.payload, pdr_str("three")));
    EXPECT_INT(rest.size, 0);
    pdr_writer_release(&w);
}

TEST(batch_that_lies)
{
    static const char *const texts[] = {"\x10", "\x10\1\0\0", "\x10\2\0\0\0x", "\x10\xff\xff\xff\xff and more"};
    static const size_t sizes[] = {1, 4, 6, 14};
    for (unsigned i = 0; i < 4; i++) {
        struct pdr_bytes rest = pdr_bytes(texts[i], sizes[i]);
        struct peer_frame inner;
        const char *why = "";
        EXPECT_INT(peer_batch_next(&rest, &inner, &why), PDR_INVALID);
        EXPECT(strstr(why, "beyond the batch") != NULL);
    }
}

TEST_MAIN()
