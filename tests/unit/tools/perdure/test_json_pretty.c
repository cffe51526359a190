/* tests/unit/tools/perdure/test_json_pretty.c: JSON for people is in lines, and the same JSON. */
#include "tools/perdure/json_pretty.h"

#include "tests/lib/test.h"
#include "tools/perdure/json_value.h"

static char text[8192];

static const char *pretty(const char *json, bool painted)
{
    pdr_writer out = {0};
    json_pretty(pdr_str(json), painted, &out);
    snprintf(text, sizeof text, "%.*s", (int)out.size, (const char *)out.data);
    pdr_writer_release(&out);
    return text;
}

TEST(what_is_short_is_one_line)
{
    EXPECT_STR(pretty("5", false), "5");
    EXPECT_STR(pretty("null", false), "null");
    EXPECT_STR(pretty("\"a,b:{[\\\"\"", false), "\"a,b:{[\\\"\"");
    EXPECT_STR(pretty("{}", false), "{}");
    EXPECT_STR(pretty("{\"a\":[1,-2.5,\"x,y\"],\"b\":{}}", false), "{\"a\": [1, -2.5, \"x,y\"], \"b\": {}}");
}

TEST(what_is_long_is_a_line_each)
{
    EXPECT_STR(
        pretty("{\"address\":\"counter/a}b\",\"state\":{\"n\":5,\"list\":[1,2,3]},\"waiting\":[],"
               "\"turn\":{\"method\":\"add\",\"since_ms\":1200,\"waits_for\":\"counter/other\",\"chain\":[\"a/1\"]}}",
               false),
        "{\n"
        "  \"address\": \"counter/a}b\",\n"
        "  \"state\": {\"n\": 5, \"list\": [1, 2, 3]},\n"
        "  \"waiting\": [],\n"
        "  \"turn\": {\n"
        "    \"method\": \"add\",\n"
        "    \"since_ms\": 1200,\n"
        "    \"waits_for\": \"counter/other\",\n"
        "    \"chain\": [\"a/1\"]\n"
        "  }\n"
        "}");
}

TEST(names_are_painted_and_values_are_not)
{
    EXPECT_STR(pretty("{\"a\":\"b\"}", true), "{\033[36m\"a\"\033[0m: \"b\"}");
}

/* The deepest there is: a map that JSON has no word for takes three levels. */
TEST(as_deep_as_a_value_may_be)
{
    pdr_writer value = {0}, json = {0}, lines = {0}, again = {0}, written = {0};
    char why[160];
    for (int i = 1; i < PDR_VALUE_DEPTH_MAX; i++) {
        pdr_write_map(&value, 1);
        pdr_write_int(&value, i);
    }
    pdr_write_nil(&value);
    REQUIRE(json_print(pdr_written(&value), &json));
    json_pretty(pdr_written(&json), false, &lines);
    EXPECT(memchr(lines.data, '\n', lines.size) != NULL);
    REQUIRE(json_read(pdr_written(&lines), &again, why, sizeof why) == JSON_READ);
    REQUIRE(json_print(pdr_written(&again), &written));
    EXPECT(pdr_bytes_equal(pdr_written(&written), pdr_written(&json)));
    pdr_writer_release(&value);
    pdr_writer_release(&json);
    pdr_writer_release(&lines);
    pdr_writer_release(&again);
    pdr_writer_release(&written);
}

TEST_MAIN()
