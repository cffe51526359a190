/* tests/simulation/sim_types.h: actor types that the workloads call; written against perdure/actor.h alone. */
#ifndef TESTS_SIMULATION_SIM_TYPES_H
#define TESTS_SIMULATION_SIM_TYPES_H

#include <perdure/actor.h>

/** For node_options.types: NULL-terminated. */
extern const struct pdr_actor_type *const sim_types[];

#define SIM_BANK_ACCOUNTS 8

#endif
