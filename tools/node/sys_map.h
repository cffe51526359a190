/* tools/node/sys_map.h: `_sys/directory.map`: where all actors live, for clients that go straight to the owner
 * (net/client/map.h reads it). On the control core. */
#ifndef TOOLS_NODE_SYS_MAP_H
#define TOOLS_NODE_SYS_MAP_H

#include "tools/node/node_parts.h"

/** Takes the call: nil if its argument is the version that the node has, else the map. */
void sys_map(struct node *node, struct call *call);
/** Within node_free. */
void sys_map_free(struct node *node);

/** Appends the answer: `map`, or if that is of a node alone, a map of one node with this id and address. */
void sys_map_write(pdr_writer *out, const struct cluster_map *map, uint64_t id, struct pdr_bytes address);

#endif
