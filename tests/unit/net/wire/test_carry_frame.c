/* tests/unit/net/wire/test_carry_frame.c: frames of a shard that is carried, to bytes and back, and what is refused. */
#include "net/wire/carry_frame.h"

#include "core/base/mem.h"
#include "core/store/snapshot.h"
#include "tests/lib/test.h"

_Static_assert(CARRY_FRAME_META_MAX == KEYS_META_SIZE_MAX && CARRY_FRAME_CHUNK_MAX == SNAPSHOT_CHUNK_MAX,
               "the limits of the wire are those of what it carries");

static pdr_writer encoded(const struct carry_frame *frame)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    carry_frame_put(&w, frame);
    return w;
}

static enum pdr_status there_and_back(const struct carry_frame *frame, struct carry_frame *out, pdr_writer *w,
                                      const char **why)
{
    *w = encoded(frame);
    return carry_frame_get(pdr_written(w), out, why);
}

/* The bytes of the wire. */
TEST(bytes)
{
    static const uint8_t next[] = {2, 7, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 3, 0, 0, 0, 0, 1, 0, 0};
    static const uint8_t over[] = {5, 7, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 2, 0, 0, 0, 'o', 'k'};
    pdr_writer w = encoded(
        &(struct carry_frame){.kind = CARRY_FRAME_NEXT, .number = 7, .shard = 17, .next = {.chunk = 3, .offset = 256}});
    EXPECT(pdr_bytes_equal(pdr_written(&w), pdr_bytes(next, sizeof next)));
    pdr_writer_release(&w);
    w = encoded(
        &(struct carry_frame){.kind = CARRY_FRAME_OVER, .number = 7, .shard = 17, .over = {.text = pdr_str("ok")}});
    EXPECT(pdr_bytes_equal(pdr_written(&w), pdr_bytes(over, sizeof over)));
    pdr_writer_release(&w);
}

TEST(there_and_back)
{
    struct carry_frame out, offer = {.kind = CARRY_FRAME_OFFER, .number = 1, .shard = 2};
    struct carry_frame part = {.kind = CARRY_FRAME_PART, .number = 3, .shard = 4};
    struct carry_frame done = {.kind = CARRY_FRAME_DONE, .number = 5, .shard = 6, .done = {.rid = 99}};
    const char *why = "";
    pdr_writer w;
    offer.offer = (struct carry_frame_offer){.epoch = 5, .version = 6, .meta = pdr_str("meta")};
    REQUIRE(there_and_back(&offer, &out, &w, &why) == PDR_OK);
    EXPECT(out.kind == CARRY_FRAME_OFFER && out.number == 1 && out.shard == 2 && out.offer.epoch == 5);
    EXPECT(out.offer.version == 6 && pdr_bytes_equal(out.offer.meta, pdr_str("meta")));
    pdr_writer_release(&w);
    part.part = (struct carry_frame_part){.chunk = 1, .offset = 10, .size = 14, .bytes = pdr_str("part")};
    REQUIRE(there_and_back(&part, &out, &w, &why) == PDR_OK);
    EXPECT(out.part.chunk == 1 && out.part.offset == 10 && out.part.size == 14);
    EXPECT(pdr_bytes_equal(out.part.bytes, pdr_str("part")));
    pdr_writer_release(&w);
    REQUIRE(there_and_back(&done, &out, &w, &why) == PDR_OK);
    EXPECT(out.done.rid == 99);
    pdr_writer_release(&w);
}

static void expect_refused(const struct carry_frame *frame)
{
    struct carry_frame out;
    const char *why = "";
    pdr_writer w;
    EXPECT_INT(there_and_back(frame, &out, &w, &why), PDR_INVALID);
    EXPECT_STR(why, "a frame of a shard that is carried has no number, or says what cannot be");
    pdr_writer_release(&w);
}

TEST(refused)
{
    struct carry_frame frame = {.kind = CARRY_FRAME_DONE, .done = {.rid = 1}};
    expect_refused(&frame);
    frame = (struct carry_frame){.kind = CARRY_FRAME_DONE, .number = 1};
    expect_refused(&frame);
    frame = (struct carry_frame){.kind = CARRY_FRAME_OVER, .number = 1, .over = {.status = PDR_STATUS_COUNT}};
    expect_refused(&frame);
    frame = (struct carry_frame){.kind = CARRY_FRAME_PART, .number = 1, .part = {.offset = 5, .size = 4}};
    expect_refused(&frame);
    frame.part = (struct carry_frame_part){.offset = 3, .size = 4, .bytes = pdr_str("xy")};
    expect_refused(&frame);
    frame.part = (struct carry_frame_part){.size = 4};
    expect_refused(&frame);
    frame.part = (struct carry_frame_part){.size = CARRY_FRAME_CHUNK_MAX + 1, .bytes = pdr_str("x")};
    expect_refused(&frame);
}

TEST(cut_anywhere)
{
    struct carry_frame out, part = {.kind = CARRY_FRAME_PART, .number = 3, .shard = 4};
    const char *why = "";
    part.part = (struct carry_frame_part){.size = 4, .bytes = pdr_str("part")};
    pdr_writer w = encoded(&part);
    for (size_t size = 0; size < w.size; size++) {
        EXPECT_INT(carry_frame_get(pdr_bytes(w.data, size), &out, &why), PDR_INVALID);
    }
    pdr_write_raw(&w, "x", 1);
    EXPECT_INT(carry_frame_get(pdr_written(&w), &out, &why), PDR_INVALID);
    w.data[0] = 0;
    EXPECT_INT(carry_frame_get(pdr_written(&w), &out, &why), PDR_INVALID);
    w.data[0] = CARRY_FRAME_KIND_COUNT;
    EXPECT_INT(carry_frame_get(pdr_written(&w), &out, &why), PDR_INVALID);
    pdr_writer_release(&w);
}

TEST(too_large)
{
    static const uint8_t head[] = {5, 7, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 1, 0, 0};
    uint8_t bytes[sizeof head + 256] = {0};
    struct carry_frame out;
    const char *why = "";
    memcpy(bytes, head, sizeof head);
    EXPECT_INT(carry_frame_get(pdr_bytes(bytes, sizeof bytes), &out, &why), PDR_TOO_LARGE);
    EXPECT_STR(why, "a frame of a shard that is carried holds more than its limits allow");
}

TEST_MAIN()
