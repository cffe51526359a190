/* tests/simulation/checkers/leak.h: a node that has stopped holds nothing: no call, no turn, no fiber, no entry that
 * the store does not have. Looks inside, with the node's own structures. */
#ifndef TESTS_SIMULATION_CHECKERS_LEAK_H
#define TESTS_SIMULATION_CHECKERS_LEAK_H

#include "tests/simulation/sim_node.h"

/** Between `stopped` and node_free. `drained`: there was time enough for every turn to end. `full`: the store had no
 * space in this life, so it may lack what is in the log: a restart applies it. */
void leak_check(struct sim *sim, const struct node *node, bool drained, bool full);

#endif
