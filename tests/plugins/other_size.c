/* tests/plugins/other_size.c: a struct pdr_plugin of another size. */
#include <perdure/actor.h>

static const struct pdr_actor_type *const types[] = {NULL};
PDR_API extern const struct pdr_plugin pdr_plugin;
const struct pdr_plugin pdr_plugin = {PDR_ACTOR_ABI, 8, "small", "1", types};
