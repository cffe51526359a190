/* tests/unit/core/journal/test_record.c: records and groups as bytes: the layout, and what decoding refuses. */
#include "core/base/endian.h"
#include "core/journal/record.h"
#include "tests/lib/test.h"

static uint32_t encode(uint8_t *at, uint32_t payload_size)
{
    memset(at, 0, record_size(payload_size));
    record_encode_header(at, RECORD_ENTRY, 7, 3, 11, payload_size);
    for (uint32_t i = 0; i < payload_size; i++) {
        at[RECORD_HEADER_SIZE + i] = (uint8_t)(i + 1);
    }
    return record_size(payload_size);
}

static enum pdr_status decode(const uint8_t *at, size_t size)
{
    struct record record;
    uint32_t used;
    return record_decode(pdr_bytes(at, size), &record, &used);
}

TEST(record_layout_is_as_documented)
{
    static const uint8_t want[40] = {1, 0, 0, 0, 3,  0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0,
                                     0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0};
    uint8_t bytes[64];
    EXPECT_INT(encode(bytes, 3), 40);
    EXPECT(memcmp(bytes, want, sizeof want) == 0);
}

TEST(record_comes_back)
{
    uint8_t bytes[256];
    for (uint32_t size = 0; size < 100; size++) {
        struct record record;
        uint32_t used;
        uint32_t whole = encode(bytes, size);
        REQUIRE(record_decode(pdr_bytes(bytes, sizeof bytes), &record, &used) == PDR_OK);
        EXPECT_INT(used, whole);
        EXPECT_INT(used % 8, 0);
        EXPECT_INT(record.kind, RECORD_ENTRY);
        EXPECT_INT(record.shard, 7);
        EXPECT_INT(record.epoch, 3);
        EXPECT_INT(record.seq, 11);
        EXPECT_INT(record.payload.size, size);
        EXPECT(record.payload.data == bytes + RECORD_HEADER_SIZE);
    }
}

TEST(record_cut_short_is_refused)
{
    uint8_t bytes[64];
    uint32_t size = encode(bytes, 13);
    for (uint32_t have = 0; have < size; have++) {
        EXPECT_INT(decode(bytes, have), PDR_INVALID);
    }
    EXPECT_INT(decode(bytes, size), PDR_OK);
}

TEST(record_malformed_is_refused)
{
    uint8_t bytes[64];
    encode(bytes, 13);
    put_le32(bytes, 0);
    EXPECT_INT(decode(bytes, sizeof bytes), PDR_INVALID);
    put_le32(bytes, RECORD_KIND_COUNT);
    EXPECT_INT(decode(bytes, sizeof bytes), PDR_INVALID);
    encode(bytes, 13);
    put_le32(bytes, 1u << 8 | RECORD_ENTRY); /* a flag that does not exist */
    EXPECT_INT(decode(bytes, sizeof bytes), PDR_INVALID);
    encode(bytes, 13);
    put_le32(bytes + 12, 1);
    EXPECT_INT(decode(bytes, sizeof bytes), PDR_INVALID);
    encode(bytes, 13);
    bytes[RECORD_HEADER_SIZE + 13] = 1; /* padding */
    EXPECT_INT(decode(bytes, sizeof bytes), PDR_INVALID);
    encode(bytes, 13);
    put_le32(bytes + 4, RECORD_PAYLOAD_MAX + 1);
    EXPECT_INT(decode(bytes, sizeof bytes), PDR_INVALID);
    put_le32(bytes + 4, UINT32_MAX); /* header + payload would wrap round */
    EXPECT_INT(decode(bytes, sizeof bytes), PDR_INVALID);
}

static const struct group sample = {.log = {1, 2, 3}, .segment = 9, .position = 40960, .durable = 36864, .count = 2};

static uint32_t seal(uint8_t *at)
{
    uint32_t size = encode(at + GROUP_HEADER_SIZE, 100);
    size += encode(at + GROUP_HEADER_SIZE + size, 5000);
    memset(at + GROUP_HEADER_SIZE + size, 0xee, group_size(size) - GROUP_HEADER_SIZE - size);
    group_seal(at, &sample, size);
    return size;
}

TEST(group_comes_back)
{
    static uint8_t bytes[3 * GROUP_BLOCK];
    struct group group;
    uint32_t size = seal(bytes);
    REQUIRE(group_decode(pdr_bytes(bytes, sizeof bytes), &group) == PDR_OK);
    EXPECT(group_intact(bytes, &group));
    EXPECT(memcmp(group.log, sample.log, LOG_ID_SIZE) == 0);
    EXPECT_INT(group.segment, 9);
    EXPECT_INT(group.position, 40960);
    EXPECT_INT(group.durable, 36864);
    EXPECT_INT(group.count, 2);
    EXPECT_INT(group.size, 2 * GROUP_BLOCK);
    EXPECT(group.records.data == bytes + GROUP_HEADER_SIZE && group.records.size == size);
    for (uint32_t i = GROUP_HEADER_SIZE + size; i < group.size; i++) {
        EXPECT_INT(bytes[i], 0);
    }
}

/* CRC-32C (Castagnoli), so that anybody's tool can check a log: computed here bit by bit. */
static uint32_t crc32c(const uint8_t *at, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

TEST(group_crc_is_crc32c_of_all_but_itself_and_padding)
{
    static uint8_t bytes[2 * GROUP_BLOCK];
    uint32_t size = seal(bytes);
    EXPECT(crc32c((const uint8_t *)"123456789", 9) == 0xe3069283u);
    EXPECT(get_le32(bytes + 4) == crc32c(bytes + 8, GROUP_HEADER_SIZE - 8 + size));
    EXPECT(memcmp(bytes, "PDRG", 4) == 0);
}

TEST(group_with_any_bit_flipped_is_refused)
{
    static uint8_t bytes[2 * GROUP_BLOCK];
    uint32_t end = GROUP_HEADER_SIZE + seal(bytes);
    for (uint32_t bit = 0; bit < end * 8; bit++) {
        struct group group;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        EXPECT(group_decode(pdr_bytes(bytes, sizeof bytes), &group) != PDR_OK || !group_intact(bytes, &group));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

TEST(group_cut_short_is_refused)
{
    static uint8_t bytes[2 * GROUP_BLOCK];
    struct group group;
    seal(bytes);
    for (size_t size = 0; size < sizeof bytes; size += 8) {
        EXPECT_INT(group_decode(pdr_bytes(bytes, size), &group), PDR_INVALID);
    }
    put_le32(bytes + 52, UINT32_MAX);
    EXPECT_INT(group_decode(pdr_bytes(bytes, sizeof bytes), &group), PDR_INVALID);
    put_le32(bytes + 52, UINT32_MAX - GROUP_BLOCK);
    EXPECT_INT(group_decode(pdr_bytes(bytes, sizeof bytes), &group), PDR_INVALID);
}

TEST_MAIN()
