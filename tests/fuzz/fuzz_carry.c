/* tests/fuzz/fuzz_carry.c: hostile bytes where a frame of a shard that is carried is expected (net/wire/carry_frame.c).
 * What must hold for any input:
 *
 * - slices lie inside of the input and within their limits, a part inside of its chunk; each refusal has a sentence;
 * - a frame that is accepted and encoded again is the same, byte for byte. */
#include "net/wire/carry_frame.h"
#include "tests/fuzz/fuzz.h"

static void check_slices(const struct carry_frame *frame, struct pdr_bytes input)
{
    switch (frame->kind) {
    case CARRY_FRAME_OFFER:
        FUZZ_CHECK(fuzz_inside(frame->offer.meta, input) && frame->offer.meta.size <= CARRY_FRAME_META_MAX);
        break;
    case CARRY_FRAME_PART:
        FUZZ_CHECK(fuzz_inside(frame->part.bytes, input) && frame->part.bytes.size <= CARRY_FRAME_PART_MAX);
        FUZZ_CHECK(frame->part.size <= CARRY_FRAME_CHUNK_MAX &&
                   frame->part.offset + frame->part.bytes.size <= frame->part.size);
        break;
    case CARRY_FRAME_DONE:
        FUZZ_CHECK(frame->done.rid != 0);
        break;
    case CARRY_FRAME_OVER:
        FUZZ_CHECK(fuzz_inside(frame->over.text, input) && frame->over.status < PDR_STATUS_COUNT);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct pdr_bytes input = pdr_bytes(copy, size);
    struct carry_frame frame;
    const char *why = "";
    enum pdr_status status = carry_frame_get(input, &frame, &why);
    if (status != PDR_OK) {
        FUZZ_CHECK((status == PDR_INVALID || status == PDR_TOO_LARGE) && strlen(why) > 10);
    } else {
        pdr_writer again;
        pdr_writer_init(&again, NULL, 0, 0);
        FUZZ_CHECK(frame.number != 0 && frame.kind > 0 && frame.kind < CARRY_FRAME_KIND_COUNT);
        check_slices(&frame, input);
        carry_frame_put(&again, &frame);
        FUZZ_CHECK(pdr_bytes_equal(pdr_written(&again), input));
        pdr_writer_release(&again);
    }
    free(copy);
    return 0;
}
