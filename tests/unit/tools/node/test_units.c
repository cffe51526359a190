/* tests/unit/tools/node/test_units.c: sizes and durations as people write them. */
#include "tools/node/units.h"

#include "tests/lib/test.h"

static uint64_t bytes(const char *text)
{
    uint64_t out = 0xbad;
    return units_parse_bytes(text, &out) ? out : 0xbad;
}

static uint64_t duration(const char *text)
{
    uint64_t out = 0xbad;
    return units_parse_duration(text, &out) ? out : 0xbad;
}

TEST(sizes)
{
    EXPECT_INT(bytes("0"), 0);
    EXPECT_INT(bytes("4096"), 4096);
    EXPECT_INT(bytes("512KiB"), 512 << 10);
    EXPECT_INT(bytes("64MiB"), 64 << 20);
    EXPECT_INT(bytes("2GiB"), 2ll << 30);
    EXPECT_INT(bytes("1TiB"), 1ll << 40);
}

TEST(durations)
{
    EXPECT_INT(duration("0"), 0);
    EXPECT_INT(duration("0s"), 0);
    EXPECT_INT(duration("500ms"), 500);
    EXPECT_INT(duration("30s"), 30000);
    EXPECT_INT(duration("5min"), 300000);
    EXPECT_INT(duration("2h"), 7200000);
    EXPECT_INT(duration("1d"), 86400000);
}

TEST(anything_else_is_refused)
{
    static const char *const wrong[] = {"",
                                        " 1",
                                        "1 ",
                                        "-1",
                                        "+1",
                                        "1.5GiB",
                                        "MiB",
                                        "64mib",
                                        "64M",
                                        "0x10",
                                        "18446744073709551616",
                                        "99999999999TiB",
                                        "1KiBx"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        EXPECT_INT(bytes(wrong[i]), 0xbad);
        EXPECT_INT(duration(wrong[i]), 0xbad);
    }
    EXPECT_INT(duration("5"), 0xbad); /* of what? */
    EXPECT_INT(bytes("5s"), 0xbad);
    uint64_t out;
    EXPECT(units_parse_count("18446744073709551615", &out) && out == UINT64_MAX);
    EXPECT(!units_parse_count("1KiB", &out) && !units_parse_count("", &out));
}

static const char *printed(void (*print)(uint64_t, char *, size_t), uint64_t value)
{
    static char text[64];
    print(value, text, sizeof text);
    return text;
}

TEST(printing)
{
    EXPECT_STR(printed(units_print_bytes, 0), "0");
    EXPECT_STR(printed(units_print_bytes, 1000), "1000");
    EXPECT_STR(printed(units_print_bytes, 1024), "1KiB");
    EXPECT_STR(printed(units_print_bytes, 64 << 20), "64MiB");
    EXPECT_STR(printed(units_print_bytes, (1 << 20) + 1), "1048577");
    EXPECT_STR(printed(units_print_bytes_about, 17), "17 bytes");
    EXPECT_STR(printed(units_print_bytes_about, 1536), "1.5 KiB");
    EXPECT_STR(printed(units_print_bytes_about, 5ull << 40), "5.0 TiB");
    EXPECT_STR(printed(units_print_duration_about, 0), "0 ms");
    EXPECT_STR(printed(units_print_duration_about, 999), "999 ms");
    EXPECT_STR(printed(units_print_duration_about, 12345), "12 s");
    EXPECT_STR(printed(units_print_duration_about, 200000), "3 min 20 s");
    EXPECT_STR(printed(units_print_duration_about, 187200000), "2 d 4 h");
}

TEST_MAIN()
