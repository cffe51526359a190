/* tests/unit/net/wire/test_codec.c: what is encoded, byte by byte and read back. */
#include "core/base/mem.h"
#include "net/wire/codec.h"
#include "net/wire/frame.h"
#include "net/wire/rpc.h"
#include "tests/lib/test.h"

#define SLICE(...) pdr_bytes(((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__}))

static uint8_t room[4096];
static pdr_writer w;

static void begin(void)
{
    pdr_writer_init(&w, room, sizeof room, 0);
}

static struct frame decoded(void)
{
    struct frame_scan scan = {0};
    struct frame f = {0};
    size_t used;
    const char *why;
    EXPECT(frame_decode(&scan, pdr_written(&w), &f, &used, &why) == PDR_OK);
    EXPECT_INT(used, w.size);
    return f;
}

TEST(request)
{
    begin();
    codec_request(&w, 300, pdr_str("a/b"), pdr_str("get"), SLICE(0x91, 0x01));
    EXPECT(pdr_bytes_equal(pdr_written(&w),
                           SLICE(0x94, 0x00, 0xcd, 0x01, 0x2c, 0xa7, 'a', '/', 'b', '.', 'g', 'e', 't', 0x91, 0x01)));
}

TEST(no_arguments)
{
    begin();
    codec_request(&w, 1, pdr_str("a/b"), pdr_str("get"), pdr_bytes(NULL, 0));
    EXPECT(pdr_bytes_equal(decoded().args, SLICE(0x90)));
    begin();
    codec_notification(&w, pdr_str("a/b"), pdr_str("get"), pdr_bytes(NULL, 0));
    EXPECT(pdr_bytes_equal(pdr_written(&w), SLICE(0x93, 0x02, 0xa7, 'a', '/', 'b', '.', 'g', 'e', 't', 0x90)));
}

TEST(request_within)
{
    struct rpc_call call;
    const char *why;
    begin();
    codec_request_within(&w, 4294967295u, pdr_str("a/b.c"), pdr_str("get"), SLICE(0x91, 0x01), 1500);
    struct frame f = decoded();
    EXPECT_INT(f.msgid, 4294967295u);
    EXPECT(pdr_bytes_equal(f.target, pdr_str("_sys/conn.call")));
    REQUIRE(rpc_parse_call(f.args, &call, &why) == PDR_OK);
    EXPECT(pdr_bytes_equal(call.address, pdr_str("a/b.c")));
    EXPECT(pdr_bytes_equal(call.method, pdr_str("get")));
    EXPECT(pdr_bytes_equal(call.args, SLICE(0x91, 0x01)));
    EXPECT_INT(call.deadline_ms, 1500);
    EXPECT_INT(call.durability, PDR_DURABILITY_DEFAULT);
}

TEST(response)
{
    begin();
    codec_response(&w, 5, SLICE(0xcc, 0xff));
    EXPECT(pdr_bytes_equal(pdr_written(&w), SLICE(0x94, 0x01, 0x05, 0xc0, 0xcc, 0xff)));
}

TEST(error)
{
    struct rpc_error e;
    begin();
    codec_error(&w, 5, pdr_str("overloaded"), pdr_str("the mailbox is full"), 25);
    struct frame f = decoded();
    EXPECT_INT(pdr_value_count(f.error), 3);
    rpc_parse_error(f.error, &e);
    EXPECT(pdr_bytes_equal(e.code, pdr_str("overloaded")));
    EXPECT(pdr_bytes_equal(e.message, pdr_str("the mailbox is full")));
    EXPECT_INT(e.retry_ms, 25);
    EXPECT(pdr_value_kind(f.result) == PDR_KIND_NIL);
    begin();
    codec_error(&w, 5, pdr_str("invalid"), pdr_str(""), 0);
    f = decoded();
    EXPECT_INT(pdr_value_count(f.error), 2);
    rpc_parse_error(f.error, &e);
    EXPECT_INT(e.message.size, 0);
    EXPECT_INT(e.retry_ms, 0);
}

TEST(deadlock)
{
    struct rpc_error e;
    begin();
    codec_deadlock(&w, 5, pdr_str("round"), SLICE(0x92, 0xa3, 'a', '/', '1', 0xa3, 'b', '/', '2'));
    struct frame f = decoded();
    EXPECT_INT(pdr_value_count(f.error), 3);
    EXPECT_INT(pdr_value_count(pdr_value_get(f.error, "chain")), 2);
    rpc_parse_error(f.error, &e);
    EXPECT(pdr_bytes_equal(e.code, pdr_str("deadlock")));
    EXPECT(pdr_bytes_equal(e.message, pdr_str("round")));
    begin();
    codec_deadlock(&w, 5, pdr_str("round"), pdr_bytes(NULL, 0));
    EXPECT_INT(pdr_value_count(decoded().error), 2);
}

/* Long names take longer heads. */
TEST(long_names)
{
    char key[600];
    memset(key, 'k', sizeof key);
    key[1] = '/';
    for (size_t size = 20; size < sizeof key; size += 37) {
        begin();
        codec_request(&w, 1, pdr_bytes(key, size), pdr_str("m"), pdr_bytes(NULL, 0));
        EXPECT_INT(decoded().target.size, size + 2);
    }
}

TEST(no_memory)
{
    pdr_writer small;
    pdr_writer_init(&small, NULL, 0, 0);
    mem_fail_after(1);
    codec_response(&small, 5, SLICE(0xc0));
    EXPECT(small.failed);
    mem_fail_after(0);
    pdr_writer_release(&small);
}

TEST_MAIN()
