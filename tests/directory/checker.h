/* tests/directory/checker.h: what may follow upon what: the rules of replication.md, written down a second time, from
 * the outside. It keeps the rows as they were before a command, and judges how they differ afterwards. */
#ifndef TESTS_DIRECTORY_CHECKER_H
#define TESTS_DIRECTORY_CHECKER_H

#include "consensus/directory.h"

#define CHECKER_SHARDS 64u
#define CHECKER_NODES 8u
#define CHECKER_ELECTIONS 5u

/* An election as it was. */
struct checker_election {
    uint64_t token;
    uint64_t orders[LIMIT_CANDIDATES_MAX], owners[LIMIT_CANDIDATES_MAX];
    uint32_t count;
};

struct checker {
    struct cluster_shard shards[CHECKER_SHARDS]; /* cv 0: not assigned */
    struct {
        uint64_t node, incarnation;
        bool alive, removed;
    } nodes[CHECKER_NODES];
    uint32_t node_count;
    struct checker_election elections[CHECKER_ELECTIONS]; /* "e0" and so on */
    uint64_t newest_token;                                /* of all that ever were */
    uint32_t next_shard;
    uint64_t hash;
};

void checker_init(struct checker *checker);
/** NULL, or what went wrong with the command: static. */
const char *checker_step(struct checker *checker, const struct directory *directory, const struct command *command,
                         const struct directory_result *result);

#endif
