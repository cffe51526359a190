/* tests/fuzz/fuzz_raft.c: hostile letters of the directory's servers (consensus/raft_wire.c). Whatever is taken is
 * written the same way again, and its entries are as many as it says, each inside of it. */
#include "consensus/raft_config.h"
#include "consensus/raft_wire.h"
#include "tests/fuzz/fuzz.h"

static void check_entries(const struct raft_letter *letter, struct pdr_bytes whole)
{
    struct pdr_bytes rest = letter->append.entries;
    struct raft_log_entry entry;
    uint64_t term = letter->append.prev_term;
    uint32_t count = 0;
    while (raft_wire_next_entry(&rest, &entry)) {
        FUZZ_CHECK(fuzz_inside(entry.bytes, whole));
        FUZZ_CHECK(entry.term >= term && entry.term <= letter->term);
        FUZZ_CHECK(entry.type != RAFT_LOG_CHANGE || raft_config_check(entry.bytes));
        term = entry.term;
        count++;
    }
    FUZZ_CHECK(count == letter->append.count && rest.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct raft_wire_reader reader = {.self = 2, .term = 7};
    struct raft_letter letter;
    struct raft_bytes again = {0};
    const char *why = NULL;
    uint8_t *copy = fuzz_copy(data, size);
    struct pdr_bytes whole = pdr_bytes(copy, size);
    if (raft_wire_read(&reader, whole, &letter, &why) == PDR_OK) {
        if (letter.kind == RAFT_LETTER_APPEND) {
            check_entries(&letter, whole);
        }
        raft_wire_write(&again, &letter);
        FUZZ_CHECK(pdr_bytes_equal(raft_bytes_slice(&again), whole));
        raft_bytes_release(&again);
    } else {
        FUZZ_CHECK(why != NULL && *why != 0);
    }
    free(copy);
    return 0;
}
