/* actors/builtin/builtin.h: the types every node has; each is a file of its own, against perdure/actor.h alone. */
#ifndef ACTORS_BUILTIN_BUILTIN_H
#define ACTORS_BUILTIN_BUILTIN_H

#include <perdure/actor.h>

/** Ends with NULL. */
extern const struct pdr_actor_type *const builtin_types[];

#endif
