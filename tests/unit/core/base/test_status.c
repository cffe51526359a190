/* tests/unit/core/base/test_status.c: the table of outcomes, read forwards and backwards. */
#include <perdure/status.h>

#include "tests/lib/test.h"

TEST(every_row_has_all_it_needs)
{
    for (int i = 0; i < PDR_STATUS_COUNT; i++) {
        enum pdr_status status = (enum pdr_status)i;
        const char *text = pdr_status_text(status);
        EXPECT(strlen(pdr_status_wire(status)) > 0);
        EXPECT(strlen(text) > 0 && text[strlen(text) - 1] != '.');
        EXPECT(pdr_status_http(status) >= 200 && pdr_status_http(status) < 600);
    }
}

TEST(wire_codes_come_back)
{
    for (int i = 0; i < PDR_STATUS_COUNT; i++) {
        const char *wire = pdr_status_wire((enum pdr_status)i);
        EXPECT_INT(pdr_status_from_wire(wire, strlen(wire)), i);
    }
}

/* An actor's own code, a prefix of ours, ours with something behind it: none of them is the platform's. */
TEST(other_codes_are_the_actors)
{
    EXPECT_INT(pdr_status_from_wire("not_enough_money", 16), PDR_ACTOR);
    EXPECT_INT(pdr_status_from_wire("overload", 8), PDR_ACTOR);
    EXPECT_INT(pdr_status_from_wire("overloaded!", 11), PDR_ACTOR);
    EXPECT_INT(pdr_status_from_wire("overloaded!", 10), PDR_OVERLOADED);
    EXPECT_INT(pdr_status_from_wire("", 0), PDR_ACTOR);
}

TEST(a_status_out_of_the_table_reads_as_internal)
{
    EXPECT_STR(pdr_status_wire((enum pdr_status)PDR_STATUS_COUNT), "internal");
    EXPECT_STR(pdr_status_wire((enum pdr_status) - 1), "internal");
    EXPECT_INT(pdr_status_http((enum pdr_status)9999), 500);
}

TEST(product_promises_when_to_repeat)
{
    EXPECT_INT(pdr_status_retry(PDR_UNAVAILABLE), PDR_RETRY_LATER);
    EXPECT_INT(pdr_status_retry(PDR_OVERLOADED), PDR_RETRY_LATER);
    EXPECT_INT(pdr_status_retry(PDR_DEADLINE), PDR_RETRY_LATER);
    EXPECT_INT(pdr_status_retry(PDR_MOVED), PDR_RETRY_REROUTE);
    EXPECT_INT(pdr_status_retry(PDR_INVALID), PDR_RETRY_NEVER);
}

TEST_MAIN()
