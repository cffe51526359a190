/* Lists of nodes. */
#include "net/client/nodes.h"

#include <stdlib.h>

#include "tests/lib/test.h"

static void expect_refused(const char *text, const char *what)
{
    struct nodes nodes;
    const char *why = "";
    EXPECT_INT(nodes_read(&nodes, text, &why), PDR_INVALID);
    if (strstr(why, what) == NULL) {
        EXPECT_STR(why, what);
    }
}

TEST(one_or_several)
{
    struct nodes nodes;
    const char *why;
    REQUIRE(nodes_read(&nodes, "localhost:1", &why) == PDR_OK);
    EXPECT_INT(nodes.count, 1);
    EXPECT_STR(nodes_at(&nodes, 0), "localhost:1");
    REQUIRE(nodes_read(&nodes, "a:1,[::1]:2,c:3", &why) == PDR_OK);
    EXPECT_INT(nodes.count, 3);
    EXPECT_STR(nodes_at(&nodes, 0), "a:1");
    EXPECT_STR(nodes_at(&nodes, 1), "[::1]:2");
    EXPECT_STR(nodes_at(&nodes, 2), "c:3");
    EXPECT_STR(nodes.text, "a:1,[::1]:2,c:3");
}

TEST(refused)
{
    char text[NODES_TEXT_MAX + 8] = "";
    expect_refused("", "not HOST:PORT");
    expect_refused("a:1,", "not HOST:PORT");
    expect_refused(",a:1", "not HOST:PORT");
    expect_refused("a:1, b:1", "host");
    expect_refused("a:1,b:x", "port");
    for (uint32_t i = 0; i <= NODES_GIVEN_MAX; i++) {
        snprintf(text + strlen(text), 8, "%sh:%u", i > 0 ? "," : "", i);
    }
    expect_refused(text, "at most 16");
    memset(text, 'h', sizeof text - 1);
    expect_refused(text, "at most 1023 bytes");
    text[NODES_ADDRESS_MAX] = '\0';
    expect_refused(text, "too long");
}

TEST_MAIN()
