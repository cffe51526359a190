/* tests/simulation/raft/raft_checker.c */
#include "tests/simulation/raft/raft_checker.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/hash_bytes.h"
#include "core/base/mem.h"

void raft_checker_init(struct raft_checker *checker, struct sim *sim)
{
    *checker = (struct raft_checker){.sim = sim};
}

void raft_checker_release(struct raft_checker *checker)
{
    mem_free(checker->entries);
    mem_free(checker->acknowledged);
}

void raft_state_clear(struct raft_state *state)
{
    mem_free(state->applied);
    *state = (struct raft_state){0};
}

bool raft_state_has(const struct raft_state *state, uint64_t number)
{
    return number / 64 < state->applied_words && (state->applied[number / 64] >> (number % 64) & 1) != 0;
}

static void note(struct raft_state *state, uint64_t number)
{
    uint64_t words = number / 64 + 1;
    if (words > state->applied_words) {
        state->applied = mem_grow(state->applied, words * sizeof *state->applied);
        memset(state->applied + state->applied_words, 0, (words - state->applied_words) * sizeof *state->applied);
        state->applied_words = words;
    }
    state->applied[number / 64] |= 1ull << (number % 64);
}

static struct raft_checked *entry_at(struct raft_checker *checker, uint64_t index)
{
    if (index >= checker->entry_count) {
        uint64_t count = index * 2 + 64;
        checker->entries = mem_grow(checker->entries, count * sizeof *checker->entries);
        memset(checker->entries + checker->entry_count, 0, (count - checker->entry_count) * sizeof *checker->entries);
        checker->entry_count = count;
    }
    return &checker->entries[index];
}

void raft_checker_applied(struct raft_checker *checker, struct raft_state *state, uint64_t index, uint64_t number)
{
    uint64_t parts[3] = {state->hash, index, number};
    struct raft_checked *checked = entry_at(checker, index);
    SIM_CHECK(checker->sim, index > state->index, "entry %" PRIu64 " is applied after entry %" PRIu64, index,
              state->index);
    SIM_CHECK(checker->sim, !raft_state_has(state, number), "submission %" PRIu64 " is applied twice", number);
    note(state, number);
    state->index = index;
    state->hash = hash_bytes(pdr_bytes(parts, sizeof parts), 1);
    if (checked->number == 0) {
        *checked = (struct raft_checked){number, state->hash};
    }
    SIM_CHECK(checker->sim, checked->number == number && checked->hash == state->hash,
              "entry %" PRIu64 " is submission %" PRIu64 " here and was %" PRIu64
              " elsewhere, or what is before differs",
              index, number, checked->number);
}

void raft_checker_restored(struct raft_checker *checker, const struct raft_state *state)
{
    const struct raft_checked *checked = entry_at(checker, state->index);
    SIM_CHECK(checker->sim, state->index == 0 || checked->hash == state->hash,
              "a snapshot of entry %" PRIu64 " has another past than the log", state->index);
}

void raft_checker_leads(struct raft_checker *checker, uint64_t term, uint64_t id)
{
    if (term >= RAFT_CHECKER_TERMS_MAX) {
        sim_fail(checker->sim, "term %" PRIu64 " is reached", term);
        return;
    }
    SIM_CHECK(checker->sim, checker->leaders[term] == 0 || checker->leaders[term] == id,
              "servers %" PRIu64 " and %" PRIu64 " lead in term %" PRIu64, checker->leaders[term], id, term);
    checker->leaders[term] = id;
}

void raft_checker_acknowledged(struct raft_checker *checker, uint64_t index, uint64_t number)
{
    SIM_CHECK(checker->sim, entry_at(checker, index)->number == number,
              "submission %" PRIu64 " was acknowledged as entry %" PRIu64 ", which is %" PRIu64, number, index,
              entry_at(checker, index)->number);
    if (checker->acknowledged_count == checker->acknowledged_capacity) {
        checker->acknowledged_capacity = checker->acknowledged_capacity * 2 + 64;
        checker->acknowledged =
            mem_grow(checker->acknowledged, checker->acknowledged_capacity * sizeof *checker->acknowledged);
    }
    checker->acknowledged[checker->acknowledged_count++] = number;
}

void raft_checker_sees(struct raft_checker *checker, const struct raft_state *state, uint64_t count, uint64_t server)
{
    for (uint64_t i = 0; i < count && !checker->sim->failed; i++) {
        SIM_CHECK(checker->sim, raft_state_has(state, checker->acknowledged[i]),
                  "server %" PRIu64 " does not have submission %" PRIu64 ", which was acknowledged", server,
                  checker->acknowledged[i]);
    }
}
