/* actors/native/plugin.h: actor types out of shared objects: found, checked, kept for as long as the node.
 *
 * A plugin is a .so that exports `pdr_plugin` (PDR_PLUGIN in perdure/actor.h). It finds the functions of that header in
 * the program that loads it. What can be told wrong beforehand is refused with a sentence that names the file: another
 * ABI, names that are none, a type that is there already. */
#ifndef ACTORS_NATIVE_PLUGIN_H
#define ACTORS_NATIVE_PLUGIN_H

#include <perdure/actor.h>

struct plugins;

struct plugins *plugins_new(void);
/** Unloads them all: no activation of theirs may be left, nor a registry that has their types. */
void plugins_free(struct plugins *plugins);

/** Loads one more. A `path` without a slash is a file of the working directory. On failure nothing is kept, and *why is
 * a sentence, valid until the next call on `plugins`. */
enum pdr_status plugins_load(struct plugins *plugins, const char *path, const char **why);

/** The types of all, ends with NULL; valid until the next call on `plugins`. */
const struct pdr_actor_type *const *plugins_types(const struct plugins *plugins);

#endif
