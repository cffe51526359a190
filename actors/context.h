/* actors/context.h: what include/perdure/actor.h gives to a running turn, over core/shard/turn.h. */
#ifndef ACTORS_CONTEXT_H
#define ACTORS_CONTEXT_H

#include "core/shard/actor_class.h"

/** Runs methods and hooks of a struct pdr_actor_type (class->code). */
extern const struct class_ops native_class_ops;

#endif
