/* tests/unit/net/wire/test_call_frame.c: calls between nodes, to bytes and back, and what is refused. */
#include "net/wire/call_frame.h"

#include "core/base/endian.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tests/lib/test.h"

static struct call_frame_call a_call(void)
{
    return (struct call_frame_call){.number = 7,
                                    .known = 20,
                                    .left_us = 30000000,
                                    .shard = 17,
                                    .address = pdr_str("counter/a"),
                                    .method = pdr_str("add"),
                                    .args = pdr_str("\x91\x01")};
}

static pdr_writer encoded(const struct call_frame_call *call)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    call_frame_put_call(&w, call);
    return w;
}

/* The bytes of the wire. */
TEST(bytes)
{
    static const uint8_t moved[] = {3, 7, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0,
                                    0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0};
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    call_frame_put_moved(&w, &(struct call_frame_moved){.number = 7, .node = 0x201, .epoch = 3, .cv = 4, .version = 5});
    EXPECT(pdr_bytes_equal(pdr_written(&w), pdr_bytes(moved, sizeof moved)));
    pdr_writer_release(&w);
}

TEST(there_and_back)
{
    static const uint64_t chain[] = {11, 12};
    static const uint8_t session[CALL_FRAME_SESSION_SIZE] = {1, 2, 3};
    struct call_frame_call call = a_call(), out;
    const char *why = "";
    call.flags = CALL_FRAME_IS_READ | CALL_FRAME_IN_SESSION;
    call.session = pdr_bytes(session, sizeof session);
    call.n = 5;
    call.chain_count = 2;
    call.chain = pdr_bytes(chain, sizeof chain);
    call.path = pdr_bytes("bank/a\0bank/b", 13);
    call.caller_size = 6;
    call.tell_from = 200;
    pdr_writer w = encoded(&call);
    REQUIRE(call_frame_get_call(pdr_written(&w), &out, &why) == PDR_OK);
    EXPECT_INT(call_frame_kind(pdr_written(&w)), CALL_FRAME_CALL);
    EXPECT_INT(call_frame_number(pdr_written(&w)), 7);
    EXPECT(out.known == 20 && out.left_us == 30000000 && out.shard == 17 && out.n == 5 && out.tell_from == 200);
    EXPECT(out.flags == call.flags && out.chain_count == 2 && out.caller_size == 6);
    EXPECT(pdr_bytes_equal(out.session, call.session) && pdr_bytes_equal(out.chain, call.chain));
    EXPECT(pdr_bytes_equal(out.address, call.address) && pdr_bytes_equal(out.method, call.method));
    EXPECT(pdr_bytes_equal(out.path, call.path) && pdr_bytes_equal(out.args, call.args));
    pdr_writer_release(&w);
}

static void expect_refused(const struct call_frame_call *call, const char *sentence)
{
    struct call_frame_call out;
    const char *why = "";
    pdr_writer w = encoded(call);
    EXPECT_INT(call_frame_get_call(pdr_written(&w), &out, &why), PDR_INVALID);
    EXPECT_STR(why, sentence);
    pdr_writer_release(&w);
}

TEST(refused)
{
    struct call_frame_call call = a_call();
    call.number = 0;
    expect_refused(&call, "a call of another node has no number, or flags that are not known here");
    call = a_call();
    call.flags = 0x80;
    expect_refused(&call, "a call of another node has no number, or flags that are not known here");
    call = a_call();
    call.flags = CALL_FRAME_IN_SESSION;
    expect_refused(&call, "a call of another node has a session without an id, or the other way round");
    call = a_call();
    call.chain_count = 1;
    expect_refused(&call, "a call of another node does not say by whom it was made");
    call = a_call();
    call.caller_size = 1;
    expect_refused(&call, "a call of another node does not say by whom it was made");
    call = a_call();
    call.method = pdr_str("");
    expect_refused(&call, "the sizes in a frame of a call between nodes do not add up to its own");
}

TEST(cut_anywhere)
{
    struct call_frame_call call = a_call(), out;
    const char *why = "";
    pdr_writer w = encoded(&call);
    for (size_t size = 0; size < w.size; size++) {
        EXPECT_INT(call_frame_get_call(pdr_bytes(w.data, size), &out, &why), PDR_INVALID);
    }
    pdr_write_raw(&w, "x", 1);
    EXPECT_INT(call_frame_get_call(pdr_written(&w), &out, &why), PDR_INVALID);
    EXPECT_INT(call_frame_number(pdr_bytes(w.data, 8)), 0);
    pdr_writer_release(&w);
}

/* A size that is over its limit is refused before anybody asks for so much memory. */
TEST(too_large)
{
    struct call_frame_watch out, event = {.number = 1, .seq = 2, .data = pdr_str("e")};
    const char *why = "";
    size_t most = LIMIT_EVENT_BYTES_MAX + 1;
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    call_frame_put_watch(&w, CALL_FRAME_EVENT, &event);
    uint8_t *bytes = mem_new(w.size + most);
    memcpy(bytes, w.data, w.size);
    put_le32(bytes + w.size - 1 - 4, (uint32_t)most);
    EXPECT_INT(call_frame_get_watch(pdr_bytes(bytes, w.size - 1 + most), &out, &why), PDR_TOO_LARGE);
    EXPECT_STR(why, "a frame of a call between nodes holds more than its limits allow");
    mem_free(bytes);
    pdr_writer_release(&w);
}

TEST(answers)
{
    struct call_frame_answer out, answer = {.number = 9,
                                            .status = PDR_ACTOR,
                                            .flags = CALL_FRAME_IS_FINAL,
                                            .retry_ms = 50,
                                            .code = pdr_str("poor"),
                                            .text = pdr_str("there is too little"),
                                            .reply = pdr_str("")};
    const char *why = "";
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    call_frame_put_answer(&w, &answer);
    REQUIRE(call_frame_get_answer(pdr_written(&w), &out, &why) == PDR_OK);
    EXPECT(out.number == 9 && out.status == PDR_ACTOR && out.flags == CALL_FRAME_IS_FINAL && out.retry_ms == 50);
    EXPECT(pdr_bytes_equal(out.code, answer.code) && pdr_bytes_equal(out.text, answer.text));
    const uint8_t bad[] = {PDR_MOVED, PDR_STATUS_COUNT, 255};
    for (size_t i = 0; i < sizeof bad; i++) {
        pdr_writer_clear(&w);
        answer.status = bad[i];
        call_frame_put_answer(&w, &answer);
        EXPECT_INT(call_frame_get_answer(pdr_written(&w), &out, &why), PDR_INVALID);
    }
    pdr_writer_release(&w);
}

TEST_MAIN()
