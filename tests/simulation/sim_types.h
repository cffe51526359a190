/* tests/simulation/sim_types.h: actor types that the workloads call; written against perdure/actor.h alone. */
#ifndef TESTS_SIMULATION_SIM_TYPES_H
#define TESTS_SIMULATION_SIM_TYPES_H

#include <perdure/actor.h>

/** For node_options.types: NULL-terminated. */
extern const struct pdr_actor_type *const sim_types[];

#define SIM_BANK_ACCOUNTS 8
#define SIM_KNOT_PADS 12

/** What a sim_knot answers, negated, when it has noticed it. */
enum sim_knot_wrong { SIM_KNOT_ENTERED = 1, SIM_KNOT_NOT_ALONE, SIM_KNOT_HALF_DONE, SIM_KNOT_LOST };

/* sim_knot.c */
extern const struct pdr_actor_type pdr_type_sim_knot, pdr_type_sim_relay;

#endif
