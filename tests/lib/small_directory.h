/* tests/lib/small_directory.h: a directory to try commands on: 8 shards; nodes 1 to 4 alive at incarnation 1; shard 0
 * on nodes 1 (primary), 2 and 3 as copies 11, 12 and 13, with min_isr 2 and node 4 a target, too; shard 1 empty. */
#ifndef TESTS_LIB_SMALL_DIRECTORY_H
#define TESTS_LIB_SMALL_DIRECTORY_H

#include "consensus/directory.h"

struct directory *small_directory(void);
/** Applies one; the answer is the directory's, until the next. */
const struct directory_result *tell(struct directory *directory, struct command command);
/** The registration of node `node`, whose name and address say its number. */
struct command registration(uint64_t node, uint64_t incarnation);
/** No labels, no types. */
struct pairs no_pairs(void);
/** Pairs with one of that kind. */
struct pairs one_pair(pdr_writer *writer, const char *key, const char *value);
const struct cluster_shard *shard_of(const struct directory *directory, uint32_t shard);
/** An alive node's lease is over, or it is alive again. */
void set_alive(struct directory *directory, uint64_t node, bool alive);

#endif
