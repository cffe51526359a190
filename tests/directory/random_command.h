/* tests/directory/random_command.h: commands as a small cluster might see them: mostly such as could be right, so that
 * they get far, and some that are out of date, out of turn, or nonsense. */
#ifndef TESTS_DIRECTORY_RANDOM_COMMAND_H
#define TESTS_DIRECTORY_RANDOM_COMMAND_H

#include "consensus/directory.h"
#include "core/base/rng.h"

#define RANDOM_NODES 7u
#define RANDOM_ELECTIONS 5u

struct random_source {
    struct rng rng;
    uint64_t next_rid;
    uint8_t room[256]; /* texts of the command that was made last */
    pdr_writer labels;
};

void random_source_init(struct random_source *source, uint64_t seed);
void random_source_release(struct random_source *source);
/** Of the k-th node that there may be. */
uint64_t random_node_id(uint64_t k);
/** The next command for a directory with these rows; its slices are valid until the next one is made. */
struct command random_command(struct random_source *source, const struct cluster_rows *rows);

#endif
