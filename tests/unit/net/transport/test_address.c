/* tests/unit/net/transport/test_address.c: HOST:PORT, and what is said about anything else. */
#include "net/transport/address.h"
#include "tests/lib/test.h"

static struct address parsed;
static char why[256];

static bool parses(const char *text, const char *host, unsigned port)
{
    why[0] = '\0';
    return address_parse(text, &parsed, why, sizeof why) == PDR_OK && strcmp(parsed.host, host) == 0 &&
           parsed.port == port;
}

static bool refuses(const char *text, const char *words)
{
    why[0] = '\0';
    return address_parse(text, &parsed, why, sizeof why) == PDR_INVALID && strstr(why, words) != NULL &&
           strstr(why, text) != NULL;
}

TEST(accepted)
{
    EXPECT(parses("127.0.0.1:7077", "127.0.0.1", 7077));
    EXPECT(parses("localhost:0", "localhost", 0));
    EXPECT(parses("node_3.eu-1.example:65535", "node_3.eu-1.example", 65535));
    EXPECT(parses("[::1]:7077", "::1", 7077));
    EXPECT(parses("[fe80::1%eth0]:1", "fe80::1%eth0", 1));
    EXPECT(parses("a:00080", "a", 80));
    EXPECT_STR(parsed.service, "80");
}

TEST(refused)
{
    EXPECT(refuses("", "HOST:PORT"));
    EXPECT(refuses("127.0.0.1", "HOST:PORT"));
    EXPECT(refuses(":7077", "HOST:PORT"));
    EXPECT(refuses("::1:7077", "[::1]:7077"));
    EXPECT(refuses("[::1]", "]:PORT"));
    EXPECT(refuses("[::1:7077", "]:PORT"));
    EXPECT(refuses("[:7077", "]:PORT"));
    EXPECT(refuses("[]:7077", "host"));
    EXPECT(refuses("[localhost]:7077", "host"));
    EXPECT(refuses("a b:7077", "host"));
    EXPECT(refuses("a/b:7077", "host"));
    EXPECT(refuses("a:", "port"));
    EXPECT(refuses("a:http", "port"));
    EXPECT(refuses("a:-1", "port"));
    EXPECT(refuses("a:65536", "port"));
    EXPECT(refuses("a:999999", "port"));
}

/* A sentence about a long text stays a sentence. */
TEST(long_ones)
{
    char text[600];
    memset(text, 'h', sizeof text);
    memcpy(text + sizeof text - 3, ":1", 3);
    EXPECT(address_parse(text, &parsed, why, sizeof why) == PDR_INVALID);
    EXPECT(strstr(why, "host") != NULL && strlen(why) < 200);
    memcpy(text + ADDRESS_HOST_MAX, ":1", 3);
    EXPECT(address_parse(text, &parsed, why, sizeof why) == PDR_OK);
    EXPECT_INT(strlen(parsed.host), ADDRESS_HOST_MAX);
}

TEST_MAIN()
