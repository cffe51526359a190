/* tests/unit/net/wire/test_rpc.c: messages of the connection: what is taken, and what is said about the rest. */
#include <stdlib.h>

#include "core/base/limits.h"
#include "net/wire/rpc.h"
#include "tests/lib/test.h"

static uint8_t room[8192];
static pdr_writer w;
static const char *why;

static void begin(uint32_t count)
{
    pdr_writer_init(&w, room, sizeof room, 0);
    pdr_write_array(&w, count);
    why = NULL;
}

static bool refused(enum pdr_status status, const char *what)
{
    return status == PDR_INVALID && why != NULL && strstr(why, what) != NULL;
}

TEST(hello_of_nothing)
{
    struct rpc_hello hello;
    begin(0);
    EXPECT(rpc_parse_hello(pdr_written(&w), &hello, &why) == PDR_OK);
    EXPECT(!hello.has_session && hello.client.size == 0 && hello.deadline_ms == 0 && !hello.has_ack_below);
    begin(1);
    pdr_write_nil(&w);
    EXPECT(rpc_parse_hello(pdr_written(&w), &hello, &why) == PDR_OK);
}

TEST(hello)
{
    struct rpc_hello hello;
    begin(1);
    pdr_write_map(&w, 6);
    pdr_write_cstr(&w, "client");
    pdr_write_cstr(&w, "test 1.0");
    pdr_write_cstr(&w, "session");
    pdr_write_bin(&w, pdr_bytes(NULL, 0));
    pdr_write_cstr(&w, "of a later version");
    pdr_write_array(&w, 1);
    pdr_write_nil(&w);
    pdr_write_cstr(&w, "token");
    pdr_write_cstr(&w, "secret");
    pdr_write_cstr(&w, "deadline_ms");
    pdr_write_int(&w, 2500);
    pdr_write_cstr(&w, "ack_below");
    pdr_write_int(&w, 0);
    REQUIRE(rpc_parse_hello(pdr_written(&w), &hello, &why) == PDR_OK);
    EXPECT(pdr_bytes_equal(hello.client, pdr_str("test 1.0")));
    EXPECT(hello.has_session && hello.session.size == 0);
    EXPECT(pdr_bytes_equal(hello.token, pdr_str("secret")));
    EXPECT_INT(hello.deadline_ms, 2500);
    EXPECT(hello.has_ack_below && hello.ack_below == 0);
}

static enum pdr_status hello_with_int(const char *key, int64_t value)
{
    struct rpc_hello hello;
    begin(1);
    pdr_write_map(&w, 1);
    pdr_write_cstr(&w, key);
    pdr_write_int(&w, value);
    return rpc_parse_hello(pdr_written(&w), &hello, &why);
}

TEST(hello_refused)
{
    struct rpc_hello hello;
    EXPECT(refused(hello_with_int("client", 1), "\"client\""));
    EXPECT(refused(hello_with_int("session", 1), "\"session\""));
    EXPECT(refused(hello_with_int("token", 1), "\"token\""));
    EXPECT(refused(hello_with_int("deadline_ms", 0), "\"deadline_ms\""));
    EXPECT(refused(hello_with_int("deadline_ms", -5), "\"deadline_ms\""));
    EXPECT(refused(hello_with_int("deadline_ms", LIMIT_DEADLINE_MS_MAX + 1ll), "\"deadline_ms\""));
    EXPECT(hello_with_int("deadline_ms", LIMIT_DEADLINE_MS_MAX) == PDR_OK);
    EXPECT(refused(hello_with_int("ack_below", -1), "\"ack_below\""));
    begin(1);
    pdr_write_cstr(&w, "me");
    EXPECT(refused(rpc_parse_hello(pdr_written(&w), &hello, &why), "map"));
    begin(2);
    pdr_write_nil(&w);
    pdr_write_nil(&w);
    EXPECT(refused(rpc_parse_hello(pdr_written(&w), &hello, &why), "one argument"));
    char name[LIMIT_CLIENT_NAME_BYTES_MAX + 1];
    memset(name, 'x', sizeof name);
    begin(1);
    pdr_write_map(&w, 1);
    pdr_write_cstr(&w, "client");
    pdr_write_str(&w, pdr_bytes(name, sizeof name));
    EXPECT(refused(rpc_parse_hello(pdr_written(&w), &hello, &why), "128"));
}

static void begin_call(uint32_t count)
{
    begin(count);
    pdr_write_cstr(&w, "a/b");
    pdr_write_cstr(&w, "add");
}

TEST(call)
{
    struct rpc_call call;
    begin_call(4);
    pdr_write_array(&w, 1);
    pdr_write_int(&w, 5);
    pdr_write_map(&w, 5);
    pdr_write_cstr(&w, "deadline_ms");
    pdr_write_int(&w, 100);
    pdr_write_cstr(&w, "id");
    pdr_write_uint(&w, UINT64_MAX);
    pdr_write_cstr(&w, "durability");
    pdr_write_cstr(&w, "memory");
    pdr_write_cstr(&w, "ack_below");
    pdr_write_int(&w, 12);
    pdr_write_int(&w, 7); /* a key that is no string */
    pdr_write_int(&w, 8);
    REQUIRE(rpc_parse_call(pdr_written(&w), &call, &why) == PDR_OK);
    EXPECT(pdr_bytes_equal(call.address, pdr_str("a/b")));
    EXPECT(pdr_bytes_equal(call.method, pdr_str("add")));
    EXPECT_INT(pdr_value_count(call.args), 1);
    EXPECT_INT(call.deadline_ms, 100);
    EXPECT(call.has_id && call.id == UINT64_MAX);
    EXPECT_INT(call.durability, PDR_DURABILITY_MEMORY);
    EXPECT(call.has_ack_below && call.ack_below == 12);
}

TEST(call_in_short)
{
    struct rpc_call call;
    begin_call(2);
    EXPECT(rpc_parse_call(pdr_written(&w), &call, &why) == PDR_OK);
    EXPECT(call.args.size == 0 && call.deadline_ms == 0 && !call.has_id && !call.has_ack_below);
    EXPECT_INT(call.durability, PDR_DURABILITY_DEFAULT);
    begin_call(4);
    pdr_write_nil(&w);
    pdr_write_nil(&w);
    EXPECT(rpc_parse_call(pdr_written(&w), &call, &why) == PDR_OK);
    EXPECT(call.args.size == 0);
}

static enum pdr_status call_durability(const char *name, enum pdr_durability *out)
{
    struct rpc_call call;
    begin_call(4);
    pdr_write_array(&w, 0);
    pdr_write_map(&w, 1);
    pdr_write_cstr(&w, "durability");
    pdr_write_cstr(&w, name);
    enum pdr_status status = rpc_parse_call(pdr_written(&w), &call, &why);
    *out = call.durability;
    return status;
}

TEST(durabilities)
{
    enum pdr_durability d;
    EXPECT(call_durability("sync", &d) == PDR_OK && d == PDR_DURABILITY_SYNC);
    EXPECT(call_durability("memory", &d) == PDR_OK && d == PDR_DURABILITY_MEMORY);
    EXPECT(call_durability("volatile", &d) == PDR_OK && d == PDR_DURABILITY_VOLATILE);
    EXPECT(refused(call_durability("eventual", &d), "\"durability\""));
    EXPECT(refused(call_durability("", &d), "\"durability\""));
}

TEST(call_refused)
{
    struct rpc_call call;
    begin(1);
    pdr_write_cstr(&w, "a/b");
    EXPECT(refused(rpc_parse_call(pdr_written(&w), &call, &why), "[address, method, args, options]"));
    begin(5);
    EXPECT(refused(rpc_parse_call(pdr_written(&w), &call, &why), "[address, method, args, options]"));
    begin(2);
    pdr_write_int(&w, 1);
    pdr_write_cstr(&w, "add");
    EXPECT(refused(rpc_parse_call(pdr_written(&w), &call, &why), "address"));
    begin(2);
    pdr_write_cstr(&w, "a/b");
    pdr_write_nil(&w);
    EXPECT(refused(rpc_parse_call(pdr_written(&w), &call, &why), "method"));
    begin_call(3);
    pdr_write_int(&w, 1);
    EXPECT(refused(rpc_parse_call(pdr_written(&w), &call, &why), "arguments"));
    begin_call(4);
    pdr_write_nil(&w);
    pdr_write_array(&w, 0);
    EXPECT(refused(rpc_parse_call(pdr_written(&w), &call, &why), "options"));
}

/* Errors of other servers say what they can. */
TEST(foreign_errors)
{
    struct rpc_error e;
    pdr_writer_init(&w, room, sizeof room, 0);
    pdr_write_cstr(&w, "it broke");
    rpc_parse_error(pdr_written(&w), &e);
    EXPECT(pdr_bytes_equal(e.code, pdr_str("error")) && pdr_bytes_equal(e.message, pdr_str("it broke")));
    pdr_writer_init(&w, room, sizeof room, 0);
    pdr_write_int(&w, 42);
    rpc_parse_error(pdr_written(&w), &e);
    EXPECT(pdr_bytes_equal(e.code, pdr_str("error")) && e.message.size > 0 && e.retry_ms == 0);
    pdr_writer_init(&w, room, sizeof room, 0);
    pdr_write_map(&w, 3);
    pdr_write_cstr(&w, "code");
    pdr_write_int(&w, 42);
    pdr_write_cstr(&w, "message");
    pdr_write_bin(&w, pdr_str("as bin"));
    pdr_write_cstr(&w, "retry_ms");
    pdr_write_cstr(&w, "soon");
    rpc_parse_error(pdr_written(&w), &e);
    EXPECT(pdr_bytes_equal(e.code, pdr_str("error")) && pdr_bytes_equal(e.message, pdr_str("as bin")));
    EXPECT_INT(e.retry_ms, 0);
    rpc_parse_error(pdr_bytes(NULL, 0), &e);
    EXPECT(pdr_bytes_equal(e.code, pdr_str("error")) && e.message.size > 0);
}

TEST(args_limits)
{
    begin(LIMIT_ARGS_MAX);
    for (int i = 0; i < LIMIT_ARGS_MAX; i++) {
        pdr_write_nil(&w);
    }
    EXPECT(rpc_check_args(pdr_written(&w), &why) == PDR_OK);
    EXPECT(rpc_check_args(pdr_bytes(NULL, 0), &why) == PDR_OK);
    begin(LIMIT_ARGS_MAX + 1);
    for (int i = 0; i <= LIMIT_ARGS_MAX; i++) {
        pdr_write_nil(&w);
    }
    EXPECT(rpc_check_args(pdr_written(&w), &why) == PDR_TOO_LARGE);
    EXPECT(strstr(why, "args_max") != NULL);
    uint8_t *large = calloc(1, LIMIT_PAYLOAD_BYTES_MAX + 1);
    REQUIRE(large != NULL);
    large[0] = 0x90;
    EXPECT(rpc_check_args(pdr_bytes(large, LIMIT_PAYLOAD_BYTES_MAX + 1), &why) == PDR_TOO_LARGE);
    EXPECT(strstr(why, "payload_bytes_max") != NULL);
    free(large);
}

TEST_MAIN()
