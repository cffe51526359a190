/* tools/node/sys_dead.h: methods of `_sys/node` for dead letters: tells whose turns were given up (R92). */
#ifndef TOOLS_NODE_SYS_DEAD_H
#define TOOLS_NODE_SYS_DEAD_H

#include "tools/node/node_parts.h"

void sys_dead_init(struct node *node);
/** Frees what is under way without a word. */
void sys_dead_free(struct node *node);

/** dead [prefix, cursor, limit] -> {"letters": [{"id", "actor", "method", "args", "from", "code", "message", "when",
 * "attempts"}], "next": cursor or nil} */
void sys_dead(struct node *node, struct call *call);
/** redeliver [id] -> nil: it waits for its actor again. */
void sys_redeliver(struct node *node, struct call *call);
/** discard [id] -> nil: it is gone. */
void sys_discard(struct node *node, struct call *call);

#endif
