/* tests/directory/random_run.h: one seed, one history: a directory, its twin, and a node that follows the feed. */
#ifndef TESTS_DIRECTORY_RANDOM_RUN_H
#define TESTS_DIRECTORY_RANDOM_RUN_H

#include "consensus/directory.h"

/** What happened, over all runs: so that a test may see that its commands get anywhere. */
struct random_stats {
    uint64_t done[COMMAND_KIND_COUNT];
    uint64_t codes[DIRECTORY_NOT_STANDING + 1];
    uint64_t pages, whole_pages, restores;
};

/**
 * Applies `steps` random commands, and checks after each. NULL, or what was wrong: static; *step is where.
 *
 * The twin gets the same commands, and is now and then replaced by what its snapshot becomes. The node's pages are
 * small, late, lost and repeated; what it says it knows it must know.
 */
const char *random_run(uint64_t seed, uint32_t steps, struct random_stats *stats, uint32_t *step);

#endif
