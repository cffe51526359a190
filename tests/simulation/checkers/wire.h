/* tests/simulation/checkers/wire.h: reads every connection's bytes at the client's side: each answer belongs to a
 * request of that connection, none is answered twice, and in the end every request was answered or its connection
 * closed. */
#ifndef TESTS_SIMULATION_CHECKERS_WIRE_H
#define TESTS_SIMULATION_CHECKERS_WIRE_H

#include "tests/simulation/sim_net.h"

struct wire_checker;

/** Installs itself as the tap of `net`. */
struct wire_checker *wire_checker_new(struct sim *sim, struct sim_net *net);
void wire_checker_free(struct wire_checker *checker);
/** Requests without an answer on connections that are open; those that were sent garbage don't count. */
uint32_t wire_checker_unanswered(const struct wire_checker *checker);
struct wire_counts {
    uint64_t requests, notifications, responses, garbage;
};
struct wire_counts wire_checker_counts(const struct wire_checker *checker);

#endif
