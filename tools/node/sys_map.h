/* tools/node/sys_map.h: `_sys/directory.map`: where all actors live, for clients that go straight to the owner
 * (net/client/map.h reads it). On the control core. */
#ifndef TOOLS_NODE_SYS_MAP_H
#define TOOLS_NODE_SYS_MAP_H

#include "tools/node/node_parts.h"

/** Takes the call: nil if its argument is the version that the node has, else the map. */
void sys_map(struct node *node, struct call *call);
/** Within node_free. */
void sys_map_free(struct node *node);

#endif
