/* tools/node/sys_node.h: `_sys/node`, the node's own actor. A method is a function that takes the call, on the control
 * core, and finishes it then or later; its row is in sys_node.c. */
#ifndef TOOLS_NODE_SYS_NODE_H
#define TOOLS_NODE_SYS_NODE_H

#include "tools/node/node_parts.h"

void sys_node_init(struct node *node);
/** Frees what is under way without a word. */
void sys_node_free(struct node *node);

/* Methods with files of their own. */

/** backup.c */
void sys_backup(struct node *node, struct call *call);
/** The one under way ends soon, and removes what it made. */
void backup_cancel(struct node *node);
/** Of a node that is taken down: it is forgotten. */
void backup_abandon(struct node *node);

/** sys_ps.c */
void sys_ps(struct node *node, struct call *call);
/** sys_metrics.c */
void sys_metrics(struct node *node, struct call *call);

#endif
