/* tests/unit/core/base/test_value.c: the cursor and the writer, value by value and on hostile bytes. */
#include <math.h>
#include <perdure/value.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "tests/lib/test.h"

#define V(literal) pdr_bytes(literal, sizeof(literal) - 1)
#define SKIP(literal) pdr_value_skip(literal, sizeof(literal) - 1, PDR_VALUE_DEPTH_MAX)

/* Reading. The values are set by hand: bytes that belong together stay on one line. */
/* clang-format off */

TEST(kinds_by_first_byte)
{
    for (int first = 0; first < 0x100; first++) {
        uint8_t bytes[16] = {(uint8_t)first};
        enum pdr_kind want = first < 0x80   ? PDR_KIND_INT
                             : first < 0x90 ? PDR_KIND_MAP
                             : first < 0xa0 ? PDR_KIND_ARRAY
                             : first < 0xc0 ? PDR_KIND_STR
                             : first < 0xc1 ? PDR_KIND_NIL
                             : first < 0xc2 ? PDR_KIND_NONE
                             : first < 0xc4 ? PDR_KIND_BOOL
                             : first < 0xc7 ? PDR_KIND_BIN
                             : first < 0xca ? PDR_KIND_EXT
                             : first < 0xcc ? PDR_KIND_FLOAT
                             : first < 0xd4 ? PDR_KIND_INT
                             : first < 0xd9 ? PDR_KIND_EXT
                             : first < 0xdc ? PDR_KIND_STR
                             : first < 0xde ? PDR_KIND_ARRAY
                             : first < 0xe0 ? PDR_KIND_MAP
                                            : PDR_KIND_INT;
        EXPECT_INT(pdr_value_kind(pdr_bytes(bytes, sizeof bytes)), want);
    }
    EXPECT_INT(pdr_value_kind(pdr_bytes(NULL, 0)), PDR_KIND_NONE);
    EXPECT_INT(pdr_value_kind(V("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff")), PDR_KIND_INT);
    EXPECT_INT(pdr_value_kind(V("\xcf\x80\x00\x00\x00\x00\x00\x00\x00")), PDR_KIND_UINT);
}

static void int_is(pdr_value value, int64_t want)
{
    int64_t got = 77;
    EXPECT(pdr_value_int(value, &got));
    EXPECT_INT(got, want);
}

TEST(integers_of_every_width)
{
    int_is(V("\x00"), 0);
    int_is(V("\x7f"), 127);
    int_is(V("\xff"), -1);
    int_is(V("\xe0"), -32);
    int_is(V("\xcc\xff"), 255);
    int_is(V("\xcd\xff\xff"), 65535);
    int_is(V("\xce\xff\xff\xff\xff"), UINT32_MAX);
    int_is(V("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX);
    int_is(V("\xd0\x80"), INT8_MIN);
    int_is(V("\xd0\x05"), 5);
    int_is(V("\xd1\x80\x00"), INT16_MIN);
    int_is(V("\xd2\x80\x00\x00\x00"), INT32_MIN);
    int_is(V("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), INT64_MIN);
    int_is(V("\xd3\xff\xff\xff\xff\xff\xff\xff\xff"), -1);
}

/* Another kind is refused, and `out` left alone. */
TEST(readers_refuse_other_kinds)
{
    static const struct pdr_bytes values[] = {
        {"\xc0", 1}, {"\xc2", 1}, {"\x90", 1}, {"\x80", 1}, {"\xa1x", 2}, {"\xc4\x01x", 3}, {"\xd4\x01x", 3},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9}, {"\xca\x00\x00\x00\x00", 5}, {NULL, 0}, {"\xc1", 1},
        {"\xcc", 1}, {"\xcd\x01", 2}, {"\xd3\x01", 2}, {"\xcf\xff", 2}}; /* the last four are cut short */
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int64_t number = 77;
        EXPECT(!pdr_value_int(values[i], &number) && number == 77);
        uint64_t whole = 77;
        EXPECT((i == 7) == pdr_value_uint(values[i], &whole));
        bool truth = true;
        EXPECT((i == 1) == pdr_value_bool(values[i], &truth) && truth == (i != 1));
        struct pdr_bytes bytes = {"?", 77};
        EXPECT((i == 4 || i == 5) == pdr_value_bytes(values[i], &bytes));
        EXPECT(bytes.size == (i == 4 || i == 5 ? 1 : 77));
    }
}

TEST(unsigned_numbers)
{
    uint64_t got = 0;
    EXPECT(pdr_value_uint(V("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), &got) && got == UINT64_MAX);
    EXPECT(pdr_value_uint(V("\x05"), &got) && got == 5);
    EXPECT(!pdr_value_uint(V("\xff"), &got) && got == 5);
}

TEST(floats_take_integers_too)
{
    double got = 0;
    EXPECT(pdr_value_float(V("\xca\x3f\xc0\x00\x00"), &got) && got == 1.5);
    EXPECT(pdr_value_float(V("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"), &got) && got == 1.5);
    EXPECT(pdr_value_float(V("\xff"), &got) && got == -1);
    EXPECT(pdr_value_float(V("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"), &got) && got == 9223372036854775808.0);
    EXPECT(!pdr_value_float(V("\xcb\x3f\xf8"), &got));
    EXPECT(!pdr_value_float(V("\xa1x"), &got));
    EXPECT(!pdr_value_float(pdr_bytes(NULL, 0), &got));
    EXPECT(got == 9223372036854775808.0);
}

static void bytes_are(pdr_value value, const char *want, size_t size)
{
    struct pdr_bytes got = {NULL, 0};
    EXPECT(pdr_value_bytes(value, &got));
    EXPECT(pdr_bytes_equal(got, pdr_bytes(want, size)));
}

TEST(strings_and_binaries)
{
    bytes_are(V("\xa0"), "", 0);
    bytes_are(V("\xa3" "abc"), "abc", 3);
    bytes_are(V("\xd9\x03" "abc"), "abc", 3);
    bytes_are(V("\xda\x00\x03" "abc"), "abc", 3);
    bytes_are(V("\xdb\x00\x00\x00\x03" "abc"), "abc", 3);
    bytes_are(V("\xc4\x03" "abc"), "abc", 3);
    bytes_are(V("\xc5\x00\x03" "abc"), "abc", 3);
    bytes_are(V("\xc6\x00\x00\x00\x03" "abc"), "abc", 3);
    struct pdr_bytes got = {NULL, 0};
    EXPECT(!pdr_value_bytes(V("\xa3" "ab"), &got));
    EXPECT(!pdr_value_bytes(V("\xdb\xff\xff\xff\xff" "ab"), &got));
    EXPECT(!pdr_value_bytes(V("\xdb\xff\xff"), &got));
}

TEST(elements_by_index_and_by_key)
{
    pdr_value array = V("\x93\x01\x92\x02\x03\xa1x"), map = V("\x83\x01\x02\xa1" "a\x05\xa1" "b\x91\x06");
    EXPECT_INT(pdr_value_count(array), 3);
    int_is(pdr_value_at(array, 0), 1);
    int_is(pdr_value_at(pdr_value_at(array, 1), 1), 3);
    bytes_are(pdr_value_at(array, 2), "x", 1);
    EXPECT_INT(pdr_value_at(array, 3).size, 0);
    EXPECT_INT(pdr_value_at(map, 0).size, 0);
    EXPECT_INT(pdr_value_count(map), 3);
    int_is(pdr_value_get(map, "a"), 5);
    int_is(pdr_value_at(pdr_value_get(map, "b"), 0), 6);
    EXPECT_INT(pdr_value_get(map, "c").size, 0);
    EXPECT_INT(pdr_value_get(map, "").size, 0);
    EXPECT_INT(pdr_value_get(array, "a").size, 0);
    EXPECT_INT(pdr_value_count(V("\x05")), 0);
    EXPECT_INT(pdr_value_count(V("\xdc\x01\x00")), 256);
    EXPECT_INT(pdr_value_count(V("\xdd\x00\x01\x00\x00")), 65536);
    EXPECT_INT(pdr_value_count(V("\xdf\x00\x01")), 0);
}

/* Binary keys are not names: [0xc4 1 'a'] is not "a". */
TEST(only_string_keys_are_found)
{
    EXPECT_INT(pdr_value_get(V("\x81\xc4\x01" "a\x05"), "a").size, 0);
}

TEST(items_walk_in_order_and_end)
{
    struct pdr_bytes rest = pdr_value_items(V("\x82\x01\x02\x03\x91\x04"));
    int_is(pdr_value_next(&rest), 1);
    int_is(pdr_value_next(&rest), 2);
    int_is(pdr_value_next(&rest), 3);
    EXPECT_INT(pdr_value_next(&rest).size, 2);
    EXPECT_INT(pdr_value_next(&rest).size, 0);
    EXPECT_INT(pdr_value_next(&rest).size, 0);
    EXPECT_INT(pdr_value_items(V("\xa1x")).size, 0);
}

TEST(a_malformed_item_ends_the_walk)
{
    struct pdr_bytes rest = V("\x01\xc1\x02");
    int_is(pdr_value_next(&rest), 1);
    EXPECT_INT(pdr_value_next(&rest).size, 0);
    EXPECT_INT(rest.size, 0);
}

/* Skipping. */

TEST(skip_is_exact)
{
    EXPECT_INT(SKIP("\x01\x02"), 1);
    EXPECT_INT(SKIP("\x92\x01\x02\x03"), 3);
    EXPECT_INT(SKIP("\x90\x01"), 1);
    EXPECT_INT(SKIP("\x81\xa1" "a\x91\xc0zzz"), 5);
    EXPECT_INT(SKIP("\xd8\x01" "0123456789abcdefzzz"), 18);
    EXPECT_INT(SKIP("\xc7\x02\x01xyz"), 5);
    EXPECT_INT(SKIP("\xc8\x00\x02\x01xyz"), 6);
    EXPECT_INT(SKIP("\xc9\x00\x00\x00\x02\x01xyz"), 8);
    EXPECT_INT(SKIP("\xdc\x00\x00z"), 3);
}

TEST(skip_asks_for_more)
{
    static const char whole[] = "\x84\x01\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa2xy\xda\x00\x03zzz"
                                "\xdc\x00\x01\xc7\x01\x05z"
                                "\xde\x00\x01\xc2\xc3\xd3\x00\x00\x00\x00\x00\x00\x00\x00\xc6\x00\x00\x00\x01!";
    size_t size = sizeof whole - 1;
    EXPECT_INT(pdr_value_skip(whole, size, PDR_VALUE_DEPTH_MAX), size);
    for (size_t cut = 0; cut < size; cut++) {
        void *exact = malloc(cut); /* ASan sees a byte too many */
        memcpy(exact, whole, cut);
        EXPECT_INT(pdr_value_skip(exact, cut, PDR_VALUE_DEPTH_MAX), 0);
        free(exact);
    }
    EXPECT_INT(pdr_value_skip(NULL, 0, PDR_VALUE_DEPTH_MAX), 0);
}

TEST(c1_is_refused_at_any_depth)
{
    EXPECT_INT(SKIP("\xc1"), -1);
    EXPECT_INT(SKIP("\x91\xc1"), -1);
    EXPECT_INT(SKIP("\x92\x91\x01\xc1"), -1);
}

TEST(depth_is_bounded)
{
    uint8_t bytes[64];
    memset(bytes, 0x91, sizeof bytes);
    for (int depth = 0; depth <= 40; depth++) { /* `depth` arrays around a number */
        bytes[depth] = 5;
        EXPECT_INT(pdr_value_skip(bytes, sizeof bytes, depth), depth <= 32 ? depth + 1 : -1);
        EXPECT_INT(pdr_value_skip(bytes, sizeof bytes, 1000), depth <= 32 ? depth + 1 : -1);
        EXPECT_INT(pdr_value_skip(bytes, sizeof bytes, -1), depth == 0 ? 1 : -1);
        if (depth > 0) {
            EXPECT_INT(pdr_value_skip(bytes, sizeof bytes, depth - 1), -1);
        }
        bytes[depth] = 0x91;
    }
    EXPECT_INT(pdr_value_skip("\x91\x91\x90", 3, 2), 3); /* an empty one is no deeper than a number */
}

/* Four billion elements that are not there cost nothing. */
TEST(hostile_counts_only_ask_for_more)
{
    static const char *const heads[] = {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff",
                                        "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff"};
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(pdr_value_skip(heads[i], 5, PDR_VALUE_DEPTH_MAX), 0);
    }
    pdr_value array = V("\xdd\xff\xff\xff\xff\x01\x02"), map = V("\xdf\xff\xff\xff\xff\x01\x02");
    int_is(pdr_value_at(array, 1), 2);
    EXPECT_INT(pdr_value_at(array, UINT32_MAX - 1).size, 0);
    EXPECT_INT(pdr_value_get(map, "a").size, 0);
}

/* clang-format on */
/* Writing. */

static void wrote(pdr_writer *writer, const char *want, size_t size)
{
    EXPECT(!writer->failed);
    EXPECT(pdr_bytes_equal(pdr_written(writer), pdr_bytes(want, size)));
    pdr_writer_clear(writer);
}
#define WROTE(writer, literal) wrote(writer, literal, sizeof(literal) - 1)

TEST(integers_take_the_shortest_form)
{
    pdr_writer w = {0};
    static const struct {
        int64_t value;
        size_t size;
    } cases[] = {{0, 1},
                 {127, 1},
                 {128, 2},
                 {255, 2},
                 {256, 3},
                 {65535, 3},
                 {65536, 5},
                 {UINT32_MAX, 5},
                 {(int64_t)UINT32_MAX + 1, 9},
                 {INT64_MAX, 9},
                 {-1, 1},
                 {-32, 1},
                 {-33, 2},
                 {-128, 2},
                 {-129, 3},
                 {-32768, 3},
                 {-32769, 5},
                 {INT32_MIN, 5},
                 {(int64_t)INT32_MIN - 1, 9},
                 {INT64_MIN, 9}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pdr_write_int(&w, cases[i].value);
        EXPECT_INT(w.size, cases[i].size);
        int_is(pdr_written(&w), cases[i].value);
        pdr_writer_clear(&w);
    }
    pdr_write_uint(&w, UINT64_MAX);
    WROTE(&w, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
    pdr_writer_release(&w);
}

TEST(scalars)
{
    pdr_writer w = {0};
    pdr_write_nil(&w);
    pdr_write_bool(&w, false);
    pdr_write_bool(&w, true);
    pdr_write_float(&w, 1.5);
    WROTE(&w, "\xc0\xc2\xc3\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00");
    pdr_write_float(&w, NAN);
    double got = 0;
    EXPECT(pdr_value_float(pdr_written(&w), &got) && isnan(got));
    pdr_writer_release(&w);
}

TEST(lengths_take_the_shortest_form)
{
    static const struct {
        size_t size;
        int str_head, bin_head;
    } cases[] = {{0, 1, 2}, {31, 1, 2}, {32, 2, 2}, {255, 2, 2}, {256, 3, 3}, {65535, 3, 3}, {65536, 5, 5}};
    pdr_writer w = {0};
    char *text = mem_new(65536);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pdr_bytes content = {text, cases[i].size};
        pdr_write_str(&w, content);
        EXPECT_INT(w.size, cases[i].size + (size_t)cases[i].str_head);
        bytes_are(pdr_written(&w), text, cases[i].size);
        pdr_writer_clear(&w);
        pdr_write_bin(&w, content);
        EXPECT_INT(w.size, cases[i].size + (size_t)cases[i].bin_head);
        bytes_are(pdr_written(&w), text, cases[i].size);
        pdr_writer_clear(&w);
    }
    mem_free(text);
    pdr_writer_release(&w);
}

TEST(containers_take_the_shortest_form)
{
    pdr_writer w = {0};
    pdr_write_array(&w, 15);
    pdr_write_array(&w, 16);
    pdr_write_array(&w, 65536);
    WROTE(&w, "\x9f\xdc\x00\x10\xdd\x00\x01\x00\x00");
    pdr_write_map(&w, 15);
    pdr_write_map(&w, 16);
    pdr_write_map(&w, 65536);
    WROTE(&w, "\x8f\xde\x00\x10\xdf\x00\x01\x00\x00");
    pdr_write_value(&w, V("\x91\x01"));
    pdr_write_raw(&w, "raw", 3);
    pdr_write_raw(&w, NULL, 0);
    pdr_write_cstr(&w, "hi");
    WROTE(&w, "\x91\x01raw\xa2hi");
    pdr_writer_release(&w);
}

TEST(the_first_buffer_is_used_then_the_heap)
{
    uint8_t first[16];
    pdr_writer w;
    pdr_writer_init(&w, first, sizeof first, 0);
    pdr_write_raw(&w, "0123456789abcdef", 16);
    EXPECT(w.data == first && !w.on_heap);
    pdr_write_nil(&w);
    EXPECT(w.data != first && w.on_heap);
    WROTE(&w, "0123456789abcdef\xc0");
    EXPECT(w.on_heap); /* clear keeps the memory */
    pdr_writer_release(&w);
    EXPECT(w.data == NULL && w.capacity == 0);
}

TEST(past_the_limit_it_fails_for_good)
{
    uint8_t first[4];
    pdr_writer w;
    pdr_writer_init(&w, first, sizeof first, 300);
    for (int i = 0; i < 300; i++) {
        pdr_write_nil(&w);
    }
    EXPECT(!w.failed);
    EXPECT_INT(w.size, 300);
    EXPECT_INT(w.capacity, 300); /* never more than it may use */
    pdr_write_nil(&w);
    EXPECT(w.failed);
    pdr_writer_clear(&w);
    pdr_write_cstr(&w, "0123456789");
    char *much = mem_new(400);
    pdr_write_bin(&w, pdr_bytes(much, 300));
    EXPECT(w.failed);
    EXPECT_INT(w.size, 11); /* nothing of what did not fit */
    pdr_write_nil(&w);
    EXPECT_INT(w.size, 11);
    mem_free(much);
    pdr_writer_release(&w);
}

TEST(what_no_length_can_say_is_refused)
{
    pdr_writer w = {0};
    pdr_write_str(&w, pdr_bytes("x", (size_t)UINT32_MAX + 1)); /* never read */
    EXPECT(w.failed && w.size == 0);
    pdr_writer_clear(&w);
    pdr_write_raw(&w, "x", SIZE_MAX - 1);
    EXPECT(w.failed && w.size == 0);
    pdr_writer_release(&w);
}

TEST(no_memory_fails_the_writer_not_the_process)
{
    pdr_writer w = {0};
    mem_fail_after(2);
    for (int i = 0; i < 1000; i++) {
        pdr_write_nil(&w);
    }
    EXPECT(w.failed);
    EXPECT_INT(w.size, 256);
    pdr_writer_release(&w);
}

TEST_MAIN()
