/* tests/plugins/other_abi.c: built against another header. */
#include <perdure/actor.h>

static const struct pdr_actor_type *const types[] = {NULL};
PDR_API extern const struct pdr_plugin pdr_plugin;
const struct pdr_plugin pdr_plugin = {99, 8, (const char *)1, (const char *)2,
                                      types}; /* nothing behind abi may be looked at */
