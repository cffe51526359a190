/* tools/node/sys_directory_ask.h: the methods of `_sys/directory` on a node that is a member of a cluster. Any node
 * answers: what is asked is read as of now (member_read), what is to change goes to whoever leads, and the answer is
 * given when this node's own rows show it, so that a caller who asks next sees what it did. */
#ifndef TOOLS_NODE_SYS_DIRECTORY_ASK_H
#define TOOLS_NODE_SYS_DIRECTORY_ASK_H

#include "tools/node/node_parts.h"

void directory_asks_init(struct node *node);
/** Within node_free: those that have had no answer. */
void directory_asks_free(struct node *node);
/** Takes the call, if there is such a method; false: there is none. Control core. */
bool directory_ask(struct node *node, struct call *call);
/** The methods' names, with commas between. */
const char *directory_ask_names(void);

#endif
