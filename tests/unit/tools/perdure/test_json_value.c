/* tests/unit/tools/perdure/test_json_value.c: JSON to MessagePack and back. */
#include "tools/perdure/json_value.h"

#include <float.h>
#include <math.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

static char why[256];

/* Reads JSON, prints what it became; static. "" if it was not read. */
static const char *there_and_back(const char *text)
{
    static char out[4096];
    pdr_writer value = {0}, json = {0};
    out[0] = 0;
    if (json_read(pdr_str(text), &value, why, sizeof why) == JSON_READ && json_print(pdr_written(&value), &json) &&
        json.size < sizeof out) {
        memcpy(out, json.data, json.size);
        out[json.size] = 0;
    }
    pdr_writer_release(&value);
    pdr_writer_release(&json);
    return out;
}

static enum json_reading reading(const char *text)
{
    pdr_writer value = {0};
    why[0] = 0;
    enum json_reading result = json_read(pdr_str(text), &value, why, sizeof why);
    pdr_writer_release(&value);
    return result;
}

static bool argument_is(const char *text, enum pdr_kind kind)
{
    pdr_writer value = {0};
    bool fine = json_read_argument(text, &value, why, sizeof why) && pdr_value_kind(pdr_written(&value)) == kind;
    pdr_writer_release(&value);
    return fine;
}

TEST(plain_json_comes_back_as_it_is)
{
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5",
        "-0.1",
        "1.0",
        "1e+300",
        "\"\"",
        "\"a\\\"b\\\\c\\n\\t\\u0001\"",
        "\"\u00e4\u20ac\U0001f600\"",
        "[]",
        "{}",
        "[1,[2,[3]],{}]",
        "{\"b\":1,\"a\":{\"c\":[null]}}",
        "\"\\u0000\"",
        "\"\\u007f\\u0085\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        EXPECT_STR(there_and_back(texts[i]), texts[i]);
    }
}

TEST(what_json_has_not_has_a_form_of_its_own)
{
    static const char *const texts[] = {
        "{\"$bin\":\"\"}",
        "{\"$bin\":\"AP8=\"}",
        "{\"$ext\":[-1,\"AAAA\"]}",
        "{\"$ext\":[127,\"\"]}",
        "{\"$uint\":\"9223372036854775808\"}",
        "{\"$uint\":\"18446744073709551615\"}",
        "{\"$float\":\"nan\"}",
        "{\"$float\":\"inf\"}",
        "{\"$float\":\"-inf\"}",
        "{\"$str\":\"/w==\"}",
        "{\"$map\":[[1,\"a\"],[null,2]]}",
        "{\"$map\":[[\"a\",1],[\"a\",2]]}",
        "{\"$map\":[[\"$bin\",5]]}",
        "{\"$map\":[[\"a\\u0000\",1]]}",
        "[{\"$bin\":\"QUJD\"},{\"k\":{\"$uint\":\"9999999999999999999\"}}]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        EXPECT_STR(there_and_back(texts[i]), texts[i]);
    }
}

TEST(a_special_form_that_is_not_needed_becomes_plain)
{
    EXPECT_STR(there_and_back("{\"$uint\":\"7\"}"), "7");
    EXPECT_STR(there_and_back("{\"$str\":\"YWJj\"}"), "\"abc\"");
    EXPECT_STR(there_and_back("{\"$map\":[[\"a\",1]]}"), "{\"a\":1}");
}

TEST(an_object_with_more_keys_or_another_dollar_is_an_object)
{
    EXPECT_STR(there_and_back("{\"$bin\":1,\"x\":2}"), "{\"$bin\":1,\"x\":2}");
    EXPECT_STR(there_and_back("{\"$other\":1}"), "{\"$other\":1}");
}

TEST(a_special_form_that_is_wrong_is_refused)
{
    static const char *const texts[] = {
        "{\"$bin\":5}",         "{\"$bin\":\"A\"}",     "{\"$bin\":\"AB==\"}",
        "{\"$bin\":\"A===\"}",  "{\"$bin\":\"A*==\"}",  "{\"$ext\":[128,\"\"]}",
        "{\"$ext\":[1]}",       "{\"$ext\":\"x\"}",     "{\"$uint\":\"18446744073709551616\"}",
        "{\"$uint\":\"-1\"}",   "{\"$uint\":\"\"}",     "{\"$uint\":7}",
        "{\"$float\":\"NaN\"}", "{\"$str\":\"=\"}",     "{\"$map\":{}}",
        "{\"$map\":[[1]]}",     "{\"$map\":[[1,2,3]]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        EXPECT(reading(texts[i]) == JSON_REFUSED);
        EXPECT(strlen(why) > 5);
    }
}

TEST(json_that_cannot_be_sent_does_not_pass_for_a_string)
{
    static const char *const texts[] = {"9223372036854775808", "-9223372036854775809", "1e999",
                                        "[1,1e999]",           "{\"a\":1,\"a\":2}",    "{\"a\\u0000\":1}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        EXPECT(reading(texts[i]) == JSON_REFUSED);
        EXPECT(!argument_is(texts[i], PDR_KIND_STR));
    }
}

TEST(nesting_is_bounded)
{
    char text[256] = "";
    for (int depth = 1; depth <= 40; depth++) {
        memset(text, '[', (size_t)depth);
        memcpy(text + depth, "1", 1);
        memset(text + depth + 1, ']', (size_t)depth);
        EXPECT(reading(text) == (depth <= PDR_VALUE_DEPTH_MAX ? JSON_READ : JSON_REFUSED));
    }
    EXPECT_STR(there_and_back("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
               "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
}

TEST(an_argument_is_json_or_else_a_string)
{
    EXPECT(argument_is("5", PDR_KIND_INT));
    EXPECT(argument_is("-5", PDR_KIND_INT));
    EXPECT(argument_is("5.0", PDR_KIND_FLOAT));
    EXPECT(argument_is("true", PDR_KIND_BOOL));
    EXPECT(argument_is("null", PDR_KIND_NIL));
    EXPECT(argument_is("\"5\"", PDR_KIND_STR));
    EXPECT(argument_is("[1, 2]", PDR_KIND_ARRAY));
    EXPECT(argument_is(" {\"a\" : 1} ", PDR_KIND_MAP));
    EXPECT(argument_is("", PDR_KIND_STR));
    EXPECT(argument_is("hello", PDR_KIND_STR));
    EXPECT(argument_is("5 apples", PDR_KIND_STR));
    EXPECT(argument_is("{\"a\":1", PDR_KIND_STR));
    EXPECT(argument_is("True", PDR_KIND_STR));
    EXPECT(!argument_is("\xff", PDR_KIND_STR));
}

static bool doubles_agree(double number)
{
    pdr_writer value = {0}, json = {0}, again = {0};
    double back = 0;
    pdr_write_float(&value, number);
    bool fine = json_print(pdr_written(&value), &json) &&
                json_read(pdr_written(&json), &again, why, sizeof why) == JSON_READ &&
                pdr_value_kind(pdr_written(&again)) == PDR_KIND_FLOAT && pdr_value_float(pdr_written(&again), &back) &&
                (back == number || (isnan(back) && isnan(number))) && signbit(back) == signbit(number);
    pdr_writer_release(&value);
    pdr_writer_release(&json);
    pdr_writer_release(&again);
    return fine;
}

TEST(every_double_comes_back_as_itself)
{
    static const double some[] = {0.0, -0.0, 1.0, 0.1, 1.0 / 3, 1e22, 1e23, DBL_MAX, DBL_MIN, 5e-324, -123456789.125};
    struct rng rng;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        EXPECT(doubles_agree(some[i]));
    }
    rng_seed(&rng, test_seed());
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&rng);
        double number;
        memcpy(&number, &bits, sizeof number);
        EXPECT(isnan(number) || doubles_agree(number));
    }
}

/* A random value; strings may be any bytes, keys anything. */
static void write_random(struct rng *rng, pdr_writer *out, int depth)
{
    uint8_t bytes[12];
    uint32_t size = (uint32_t)rng_below(rng, sizeof bytes);
    for (uint32_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(rng_chance(rng, 80) ? 0x20 + rng_below(rng, 0x5f) : rng_next(rng));
    }
    switch (rng_below(rng, depth < 6 ? 10 : 7)) {
    case 0:
        pdr_write_nil(out);
        break;
    case 1:
        pdr_write_bool(out, rng_chance(rng, 50));
        break;
    case 2:
        pdr_write_int(out, (int64_t)(rng_next(rng) >> rng_below(rng, 64)) * (rng_chance(rng, 50) ? 1 : -1));
        break;
    case 3:
        pdr_write_uint(out, rng_next(rng) | 1ull << 63);
        break;
    case 4:
        pdr_write_float(out, (double)(int64_t)rng_next(rng) / 1024);
        break;
    case 5:
        pdr_write_bin(out, pdr_bytes(bytes, size));
        break;
    case 6:
        pdr_write_str(out, pdr_bytes(bytes, size));
        break;
    case 7:
        pdr_write_array(out, size);
        for (uint32_t i = 0; i < size; i++) {
            write_random(rng, out, depth + 1);
        }
        break;
    default:
        pdr_write_map(out, size / 2);
        for (uint32_t i = 0; i < size / 2; i++) {
            if (rng_chance(rng, 80)) {
                pdr_write_str(out, pdr_bytes(bytes, i + 1));
            } else {
                write_random(rng, out, depth + 1);
            }
            write_random(rng, out, depth + 1);
        }
        break;
    }
}

TEST(every_value_comes_back_byte_for_byte)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int i = 0; i < 3000; i++) {
        pdr_writer value = {0}, json = {0}, again = {0};
        write_random(&rng, &value, 0);
        EXPECT(json_print(pdr_written(&value), &json));
        bool same = json_read(pdr_written(&json), &again, why, sizeof why) == JSON_READ &&
                    pdr_bytes_equal(pdr_written(&value), pdr_written(&again));
        if (!same) {
            fprintf(stderr, "%.*s: %s\n", (int)json.size, (const char *)json.data, why);
        }
        EXPECT(same);
        pdr_writer_release(&value);
        pdr_writer_release(&json);
        pdr_writer_release(&again);
    }
}

TEST(every_form_of_an_extension_is_printed)
{
    static const uint8_t sizes[] = {1, 2, 4, 8, 16};
    for (size_t i = 0; i < sizeof sizes; i++) { /* fixext 1 to 16 */
        uint8_t fix[18] = {(uint8_t)(0xd4 + i), 5};
        pdr_writer json = {0};
        EXPECT(json_print(pdr_bytes(fix, 2u + sizes[i]), &json));
        EXPECT(json.size > 12 && memcmp(json.data, "{\"$ext\":[5,\"AA", 14) == 0);
        pdr_writer_release(&json);
    }
    static const struct {
        uint8_t bytes[8];
        size_t size;
    } longer[] = {{{0xc7, 1, 0xff, 'A'}, 4}, {{0xc8, 0, 1, 0xff, 'A'}, 5}, {{0xc9, 0, 0, 0, 1, 0xff, 'A'}, 7}};
    for (size_t i = 0; i < 3; i++) {
        pdr_writer json = {0};
        EXPECT(json_print(pdr_bytes(longer[i].bytes, longer[i].size), &json));
        EXPECT(pdr_bytes_equal(pdr_written(&json), pdr_str("{\"$ext\":[-1,\"QQ==\"]}")));
        pdr_writer_release(&json);
    }
}

TEST(what_is_no_value_is_not_printed)
{
    pdr_writer json = {0};
    EXPECT(!json_print(pdr_bytes(NULL, 0), &json));
    EXPECT(!json_print(pdr_bytes("\xc1", 1), &json));
    EXPECT(!json_print(pdr_bytes("\x92\x01", 2), &json));
    EXPECT(!json_print(pdr_bytes("\x01\x01", 2), &json));
    pdr_writer_release(&json);
}

TEST_MAIN()
