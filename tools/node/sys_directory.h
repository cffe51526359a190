/* tools/node/sys_directory.h: `_sys/directory`, served on the control core. */
#ifndef TOOLS_NODE_SYS_DIRECTORY_H
#define TOOLS_NODE_SYS_DIRECTORY_H

#include "tools/node/node_parts.h"

/** Takes the call. `node` is a struct node. */
void sys_directory(void *node, struct call *call);

#endif
