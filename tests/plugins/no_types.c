/* tests/plugins/no_types.c: a plugin with nothing in it. */
#include <perdure/actor.h>

static const struct pdr_actor_type *const types[] = {NULL};
PDR_API extern const struct pdr_plugin pdr_plugin;
const struct pdr_plugin pdr_plugin = {PDR_ACTOR_ABI, sizeof(struct pdr_plugin), "empty", "1", types};
