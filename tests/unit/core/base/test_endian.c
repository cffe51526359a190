/* tests/unit/core/base/test_endian.c: integers at any address, in both orders. */
#include "core/base/endian.h"

#include "tests/lib/test.h"

TEST(bytes_lie_as_named)
{
    uint8_t at[9] = {0};
    put_le16(at + 1, 0x0102);
    EXPECT(memcmp(at, "\x00\x02\x01\x00", 4) == 0);
    put_be16(at + 1, 0x0102);
    EXPECT(memcmp(at, "\x00\x01\x02\x00", 4) == 0);
    put_le32(at + 1, 0x01020304);
    EXPECT(memcmp(at, "\x00\x04\x03\x02\x01\x00", 6) == 0);
    put_be32(at + 1, 0x01020304);
    EXPECT(memcmp(at, "\x00\x01\x02\x03\x04\x00", 6) == 0);
    put_le64(at + 1, 0x0102030405060708);
    EXPECT(memcmp(at, "\x00\x08\x07\x06\x05\x04\x03\x02\x01", 9) == 0);
    put_be64(at + 1, 0x0102030405060708);
    EXPECT(memcmp(at, "\x00\x01\x02\x03\x04\x05\x06\x07\x08", 9) == 0);
}

TEST(what_was_put_is_got)
{
    uint8_t memory[16];
    for (int shift = 0; shift < 8; shift++) { /* any alignment */
        uint8_t *at = memory + shift;
        put_le16(at, 0xfedc);
        EXPECT(get_le16(at) == 0xfedc && get_be16(at) == 0xdcfe);
        put_be32(at, 0xfedcba98);
        EXPECT(get_be32(at) == 0xfedcba98 && get_le32(at) == 0x98badcfe);
        put_be64(at, 0xfedcba9876543210);
        EXPECT(get_be64(at) == 0xfedcba9876543210 && get_le64(at) == 0x1032547698badcfe);
    }
}

TEST_MAIN()
