/* tests/fuzz/fuzz_letter.c: what a node of the cluster writes about the directory: a letter, one a frame. What is read
 * is written again to the same bytes, and every slice of it lies within them. */
#include "consensus/letter.h"
#include "tests/fuzz/fuzz.h"

static void check_slice(struct pdr_bytes slice, struct pdr_bytes frame)
{
    const uint8_t *from = slice.data, *begin = frame.data;
    FUZZ_CHECK(from >= begin && from + slice.size <= begin + frame.size);
}

/* Whoever takes a letter relies on this. */
static void check_content(const struct letter *letter, struct pdr_bytes frame)
{
    switch (letter->kind) {
    case LETTER_PROPOSE:
        check_slice(letter->propose.command, frame);
        break;
    case LETTER_ANSWER:
        check_slice(letter->answer.text, frame);
        FUZZ_CHECK(letter->answer.outcome < LETTER_OUTCOME_COUNT && letter->answer.text.size <= LETTER_TEXT_MAX);
        break;
    case LETTER_NO:
        FUZZ_CHECK(letter->no.why < LETTER_NO_COUNT);
        break;
    case LETTER_PAGE:
        check_slice(letter->page.page, frame);
        break;
    default:
        FUZZ_CHECK(letter->kind > 0 && letter->kind < LETTER_KIND_COUNT);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct letter letter;
    struct fault fault = {NULL, NULL};
    uint8_t *copy = fuzz_copy(data, size);
    struct pdr_bytes frame = pdr_bytes(copy, size);
    enum pdr_status status = letter_read(frame, &letter, &fault);
    if (status == PDR_OK) {
        pdr_writer again = {0};
        letter_write(&again, &letter);
        FUZZ_CHECK(pdr_bytes_equal(pdr_written(&again), frame));
        check_content(&letter, frame);
        pdr_writer_release(&again);
    } else {
        FUZZ_CHECK(status == PDR_INVALID && fault.what != NULL);
    }
    free(copy);
    return 0;
}
