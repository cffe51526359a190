/* tests/fuzz/fuzz_call.c: hostile bytes where another node's call, or its answer, is expected (net/wire/call_frame.c).
 * What must hold for any input:
 *
 * - slices lie inside of the input and within their limits; each refusal has a sentence;
 * - a frame that is accepted and encoded again is the same, byte for byte. */
#include "net/wire/call_frame.h"
#include "tests/fuzz/fuzz.h"

#define INSIDE(name, least, most)                                                                                      \
    FUZZ_CHECK(fuzz_inside(frame.name, input) && frame.name.size + 1 > (least) && frame.name.size <= (most));

static bool refused(enum pdr_status status, const char *why)
{
    FUZZ_CHECK(status == PDR_OK || ((status == PDR_INVALID || status == PDR_TOO_LARGE) && strlen(why) > 10));
    return status != PDR_OK;
}

static void check_call(struct pdr_bytes input, pdr_writer *again)
{
    struct call_frame_call frame;
    const char *why = "";
    enum pdr_status status = call_frame_get_call(input, &frame, &why);
    if (!refused(status, why)) {
        CALL_FRAME_CALL_SLICES(INSIDE)
        FUZZ_CHECK(frame.number != 0 && frame.number == call_frame_number(input));
        FUZZ_CHECK(frame.caller_size <= frame.path.size && frame.chain_count * 8u == frame.chain.size);
        call_frame_put_call(again, &frame);
        FUZZ_CHECK(pdr_bytes_equal(pdr_written(again), input));
    }
}

static void check_answer(struct pdr_bytes input, pdr_writer *again)
{
    struct call_frame_answer frame;
    const char *why = "";
    enum pdr_status status = call_frame_get_answer(input, &frame, &why);
    if (!refused(status, why)) {
        CALL_FRAME_ANSWER_SLICES(INSIDE)
        FUZZ_CHECK(frame.number != 0 && frame.status < PDR_STATUS_COUNT && frame.status != PDR_MOVED);
        call_frame_put_answer(again, &frame);
        FUZZ_CHECK(pdr_bytes_equal(pdr_written(again), input));
    }
}

static void check_moved(struct pdr_bytes input, pdr_writer *again)
{
    struct call_frame_moved frame;
    const char *why = "";
    enum pdr_status status = call_frame_get_moved(input, &frame, &why);
    if (!refused(status, why)) {
        call_frame_put_moved(again, &frame);
        FUZZ_CHECK(pdr_bytes_equal(pdr_written(again), input));
    }
}

static void check_watch(struct pdr_bytes input, pdr_writer *again)
{
    struct call_frame_watch frame;
    const char *why = "";
    enum pdr_status status = call_frame_get_watch(input, &frame, &why);
    if (!refused(status, why)) {
        CALL_FRAME_WATCH_SLICES(INSIDE)
        call_frame_put_watch(again, (enum call_frame_kind)call_frame_kind(input), &frame);
        FUZZ_CHECK(pdr_bytes_equal(pdr_written(again), input));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct pdr_bytes input = pdr_bytes(copy, size);
    pdr_writer again;
    pdr_writer_init(&again, NULL, 0, 0);
    switch (call_frame_kind(input)) {
    case CALL_FRAME_CALL:
        check_call(input, &again);
        break;
    case CALL_FRAME_ANSWER:
        check_answer(input, &again);
        break;
    case CALL_FRAME_MOVED:
        check_moved(input, &again);
        break;
    default:
        check_watch(input, &again);
        break;
    }
    pdr_writer_release(&again);
    free(copy);
    return 0;
}
