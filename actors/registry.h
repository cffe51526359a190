/* actors/registry.h: the types of this node. Filled before the core threads start, then read without a lock. */
#ifndef ACTORS_REGISTRY_H
#define ACTORS_REGISTRY_H

#include <perdure/actor.h>

#include "core/shard/actor_class.h"

struct registry;

struct registry *registry_new(void);
void registry_free(struct registry *registry);

/** Adds a native type, which is borrowed for good. PDR_INVALID with a sentence if its table is malformed or its name is
 * taken; the sentence is valid until the next call. */
enum pdr_status registry_add(struct registry *registry, const struct pdr_actor_type *type, const char **why);
/** The builtin ones; cannot fail but by our own mistake. */
void registry_add_builtin(struct registry *registry);

/** class_find for struct core_world. */
const struct actor_class *registry_find(void *registry, struct pdr_bytes name);
uint32_t registry_count(const struct registry *registry);
const struct actor_class *registry_at(const struct registry *registry, uint32_t i);

#endif
