/* tools/bench/election.h: W7, one round of the bully algorithm (docs/concepts/bully.md) in its worst case: participant
 * N was coordinator and is dead, participant 1 is told so. */
#ifndef TOOLS_BENCH_ELECTION_H
#define TOOLS_BENCH_ELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct election_plan {
    const char *node;      /* HOST:PORT */
    const char *group;     /* of the participants' names: a new one each time */
    uint32_t participants; /* N, at least 3 */
    uint32_t timeout_ms;   /* T */
    bool one_node;         /* the client talks to `node` alone */
};

struct election_result {
    double round_ms;   /* from just before participant 1 is told to the event of N-1 that all others have acknowledged
                           it as their coordinator */
    uint64_t messages; /* that the participants told each other, the dead one's included */
    uint32_t strayed;  /* participants that have another coordinator, or none, afterwards */
};

/** False: `why` is a sentence. */
bool election_run(const struct election_plan *plan, struct election_result *result, char *why, size_t why_size);

#endif
