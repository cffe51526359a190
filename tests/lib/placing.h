/* tests/lib/placing.h: clusters to be placed, drawn or regular, and a judge of plans that knows nothing of how they are
 * made. For tests/unit/consensus/test_placement*.c. */
#ifndef TESTS_LIB_PLACING_H
#define TESTS_LIB_PLACING_H

#include "consensus/placement.h"
#include "core/base/rng.h"

#define PLACING_NODES_MAX 1024u
#define PLACING_SHARDS_MAX 16384u
#define PLACING_GROUPS_MAX 16u

/** The arrays are in no particular order, and the order is no part of what it means. */
struct placing {
    struct rng rng;
    struct placement_member members[PLACING_NODES_MAX];
    struct placement_label labels[PLACING_NODES_MAX][2];
    struct placement_group groups[PLACING_GROUPS_MAX];
    struct placement_shard shards[PLACING_SHARDS_MAX];
    uint32_t member_count, group_count, shard_count, moves_max, load_over;
    char why[256];        /* the judge's first finding; "": none */
    uint64_t copied, led; /* by placing_apply: copies made, and shards that another node leads */
};

/** `nodes` nodes of weight 1 in `zones` zones, all up; one group; nothing placed. */
void placing_regular(struct placing *p, uint64_t seed, uint32_t nodes, uint32_t zones, uint32_t shards,
                     uint32_t replicas);
/** Anything: states, weights, zones, labels, groups, pins, loads, and replicas where chance put them. */
void placing_draw(struct placing *p, uint64_t seed, uint32_t nodes_max, uint32_t shards_max);
/** Another cluster of the same meaning. */
void placing_shuffle(struct placing *p);
/** A node more, up, of weight 1; its zone is that of a member. */
struct placement_member *placing_add_node(struct placing *p, uint32_t zone_of);
struct placement_member *placing_member(struct placing *p, uint64_t node);

/** False, and `why`, if the plan does what it must not. */
void placing_plan(const struct placing *p, struct placement_plan *plan);
bool placing_judge(struct placing *p, const struct placement_plan *plan);
void placing_apply(struct placing *p, const struct placement_plan *plan);
/** Plans, judges and applies until there are no more moves: how many plans it took, or 0 if there was a fault. */
unsigned placing_settle(struct placing *p, unsigned plans_max);

/** What a node has: copies, shards it leads, load of those. */
struct placing_sum {
    uint64_t copies, leads, load, hottest;
};
struct placing_sum placing_sum(const struct placing *p, uint64_t node);
/** False, and `why`, unless each node that is up has its share of copies and leads by weight, within 10 % and one. */
bool placing_even(struct placing *p);
/** False, and `why`, if one copy could still go from a node to one that is emptier by more than 10 %. */
bool placing_at_rest(struct placing *p);

#endif
