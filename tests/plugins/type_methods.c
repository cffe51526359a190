/* tests/plugins/type_methods.c: no methods. */
#include <perdure/actor.h>

static const struct pdr_actor_type type = {.abi = PDR_ACTOR_ABI, .name = "bare", .methods = NULL};
PDR_PLUGIN("type_methods", "1.0", &type)
