/* tools/node/show.h: what a node tells of its cluster: rows of the directory, as people read them. On the control core.
 * A node that is alone tells of itself. */
#ifndef TOOLS_NODE_SHOW_H
#define TOOLS_NODE_SHOW_H

#include <perdure/value.h>

struct node;

/** The array of members: {"name", "id", "address", "role", "state", "labels"}, those that were removed left out. */
void show_members(pdr_writer *out, const struct node *node);
/** The name of the node that leads the directory, as far as is known here; nil: nobody is known to. */
void show_leader(pdr_writer *out, const struct node *node);
/** How many shards there are. */
uint32_t show_shards(const struct node *node);

#endif
