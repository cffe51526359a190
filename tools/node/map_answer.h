/* tools/node/map_answer.h: the map of the cluster as clients are told it (docs/reference/wire.md,
 * `_sys/directory.map`); net/client/map.h reads it. */
#ifndef TOOLS_NODE_MAP_ANSWER_H
#define TOOLS_NODE_MAP_ANSWER_H

#include <perdure/value.h>

#include "core/cluster_map.h"

/** Appends the answer: `map`, or if that is of a node alone, a map of one node with this id and address. */
void map_answer_write(pdr_writer *out, const struct cluster_map *map, uint64_t id, struct pdr_bytes address);

#endif
