/* tests/fuzz/fuzz_rpc.c: hostile arguments of `_sys/conn.*` and hostile errors (net/wire/rpc.c). The first byte is 'h'
 * for hello, 'c' for a call, else an error; the rest is the value, which may be none: nothing here relies on it. */
#include "core/base/limits.h"
#include "net/wire/codec.h"
#include "net/wire/frame.h"
#include "net/wire/rpc.h"
#include "tests/fuzz/fuzz.h"

static void check_refusal(enum pdr_status status, const char *why)
{
    FUZZ_CHECK(status == PDR_INVALID && why != NULL && strlen(why) > 10);
}

static void fuzz_hello(struct pdr_bytes args)
{
    struct rpc_hello hello;
    const char *why = NULL;
    enum pdr_status status = rpc_parse_hello(args, &hello, &why);
    if (status != PDR_OK) {
        check_refusal(status, why);
        return;
    }
    FUZZ_CHECK(fuzz_inside(hello.client, args) && hello.client.size <= LIMIT_CLIENT_NAME_BYTES_MAX);
    FUZZ_CHECK(fuzz_inside(hello.session, args) && hello.session.size <= LIMIT_SESSION_BYTES_MAX);
    FUZZ_CHECK(fuzz_inside(hello.token, args) && hello.token.size <= LIMIT_TOKEN_BYTES_MAX);
    FUZZ_CHECK(hello.deadline_ms <= LIMIT_DEADLINE_MS_MAX);
    FUZZ_CHECK(hello.has_session || hello.session.size == 0);
}

/* Written as our client writes it, the call is the same. */
static void check_again(const struct rpc_call *call)
{
    pdr_writer w;
    struct frame_scan scan = {0};
    struct frame frame;
    struct rpc_call again;
    size_t used;
    const char *why;
    uint64_t deadline_ms = call->deadline_ms > 0 ? call->deadline_ms : 1;
    pdr_writer_init(&w, NULL, 0, 0);
    codec_request_within(&w, 1, call->address, call->method, call->args, deadline_ms);
    FUZZ_CHECK(frame_decode(&scan, pdr_written(&w), &frame, &used, &why) == PDR_OK && used == w.size);
    FUZZ_CHECK(rpc_parse_call(frame.args, &again, &why) == PDR_OK);
    FUZZ_CHECK(pdr_bytes_equal(again.address, call->address) && pdr_bytes_equal(again.method, call->method));
    FUZZ_CHECK(again.deadline_ms == deadline_ms && again.durability == PDR_DURABILITY_DEFAULT && !again.has_id);
    FUZZ_CHECK(call->args.size > 0 ? pdr_bytes_equal(again.args, call->args) : pdr_value_count(again.args) == 0);
    pdr_writer_release(&w);
}

static void fuzz_call(struct pdr_bytes args)
{
    struct rpc_call call;
    const char *why = NULL;
    bool is_value = pdr_value_skip(args.data, args.size, LIMIT_DEPTH_MAX) == (int64_t)args.size;
    enum pdr_status status = rpc_parse_call(args, &call, &why);
    if (status != PDR_OK) {
        check_refusal(status, why);
        return;
    }
    FUZZ_CHECK(fuzz_inside(call.address, args) && fuzz_inside(call.method, args) && fuzz_inside(call.args, args));
    FUZZ_CHECK(call.args.size == 0 || pdr_value_kind(call.args) == PDR_KIND_ARRAY);
    FUZZ_CHECK(call.deadline_ms <= LIMIT_DEADLINE_MS_MAX);
    FUZZ_CHECK(call.durability >= PDR_DURABILITY_DEFAULT && call.durability <= PDR_DURABILITY_VOLATILE);
    if (is_value && args.size < LIMIT_PAYLOAD_BYTES_MAX) {
        check_again(&call);
    }
    if (rpc_check_args(call.args, &why) == PDR_OK) {
        FUZZ_CHECK(pdr_value_count(call.args) <= LIMIT_ARGS_MAX);
    }
}

static void fuzz_error(struct pdr_bytes value)
{
    struct rpc_error error;
    rpc_parse_error(value, &error);
    FUZZ_CHECK(error.code.data != NULL);
    FUZZ_CHECK(fuzz_inside(error.code, value) || pdr_bytes_equal(error.code, pdr_str("error")));
    FUZZ_CHECK(fuzz_inside(error.message, value) || error.message.size > 0);
    enum pdr_status status = pdr_status_from_wire(error.code.data, error.code.size);
    FUZZ_CHECK(status < PDR_STATUS_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct pdr_bytes value = pdr_bytes(data + 1, size - 1);
    switch (data[0]) {
    case 'h':
        fuzz_hello(value);
        break;
    case 'c':
        fuzz_call(value);
        break;
    default:
        fuzz_error(value);
    }
    return 0;
}
