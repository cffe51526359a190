/* tests/simulation/raft/raft_checker.h: what must be true of a Raft group, judged while it runs.
 *
 * - What is committed is the same everywhere and for ever: a rolling hash by index.
 * - One leader a term.
 * - What was acknowledged is never lost; a read sees everything that was acknowledged before it began.
 * - No submission is applied twice. */
#ifndef TESTS_SIMULATION_RAFT_RAFT_CHECKER_H
#define TESTS_SIMULATION_RAFT_RAFT_CHECKER_H

#include "tests/simulation/sim.h"

#define RAFT_CHECKER_TERMS_MAX 8192u

/* The state machine of a server: which submissions it applied, and a hash of their order. */
struct raft_state {
    uint64_t index, hash; /* as of its newest command */
    uint64_t *applied;    /* a bit a submission */
    uint64_t applied_words;
};

struct raft_checker {
    struct sim *sim;
    struct raft_checked {
        uint64_t number, hash; /* of the command at that index; 0: none was seen */
    } * entries;               /* by index */
    uint64_t entry_count;
    uint64_t *acknowledged; /* numbers, in order */
    uint64_t acknowledged_count, acknowledged_capacity;
    uint64_t leaders[RAFT_CHECKER_TERMS_MAX];
};

void raft_checker_init(struct raft_checker *checker, struct sim *sim);
void raft_checker_release(struct raft_checker *checker);

void raft_state_clear(struct raft_state *state);
bool raft_state_has(const struct raft_state *state, uint64_t number);

void raft_checker_applied(struct raft_checker *checker, struct raft_state *state, uint64_t index, uint64_t number);
/** A server's state is what a snapshot had. */
void raft_checker_restored(struct raft_checker *checker, const struct raft_state *state);
void raft_checker_leads(struct raft_checker *checker, uint64_t term, uint64_t id);
void raft_checker_acknowledged(struct raft_checker *checker, uint64_t index, uint64_t number);
/** `state` has the first `count` acknowledged ones. */
void raft_checker_sees(struct raft_checker *checker, const struct raft_state *state, uint64_t count, uint64_t server);

#endif
