/* tests/simulation/sim_moves.h: a directory that never comes to rest, for one node that takes it for that of its
 * cluster.
 *
 * It hands the node maps that take shards away and give them back, each time in a higher epoch, with and without
 * asking for them first (shard_release), and leases that are short, late or over. There is no other node: while a
 * shard is away nobody writes to it. So all that workloads and checkers know of a node alone must hold: whatever was
 * answered stays true, whatever was refused with `moved` never happened, and when all shards are back everything is
 * answered. */
#ifndef TESTS_SIMULATION_SIM_MOVES_H
#define TESTS_SIMULATION_SIM_MOVES_H

#include "tests/simulation/sim_node.h"

/* As SIM_REACHED. */
#define MOVES_REACHED(X)                                                                                               \
    X(opened) /* shards */                                                                                             \
    X(closed)                                                                                                          \
    X(released) /* nothing ran there any more, in time */                                                              \
    X(too_busy) /* ... not in time */                                                                                  \
    X(resumed)  /* it was not taken over after all */                                                                  \
    X(unleased) /* answers that waited for a lease */                                                                  \
    X(copied)   /* a shard's rows came again, as a snapshot */                                                         \
    X(dropped)  /* ... and were given up on the way */                                                                 \
    X(grown)    /* a map had more shards than the node knew */

struct moves_reached {
#define MOVES_REACHED_FIELD(name) uint64_t name;
    MOVES_REACHED(MOVES_REACHED_FIELD)
#undef MOVES_REACHED_FIELD
};

struct sim_moves;

/** Makes the node a member; before it is started. */
struct sim_moves *sim_moves_new(struct sim *sim, struct sim_node *node);
void sim_moves_free(struct sim_moves *moves);
/** The node was started: its first map is on the way (R34). */
void sim_moves_started(struct sim_moves *moves);
/** All shards come to the node, and stay; it has a lease for ever. */
void sim_moves_calm(struct sim_moves *moves);
/** The node is about to end: counts what its cores have. */
void sim_moves_count(struct sim_moves *moves);
struct moves_reached sim_moves_reached(const struct sim_moves *moves);

#endif
