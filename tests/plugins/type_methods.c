/* tests/plugins/type_methods.c: no methods. */
#include <perdure/actor.h>

static const struct pdr_actor_type type = {PDR_ACTOR_ABI, "bare", NULL, 0, NULL, NULL, PDR_DURABILITY_DEFAULT};
PDR_PLUGIN("type_methods", "1.0", &type)
