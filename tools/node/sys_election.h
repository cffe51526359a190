/* tools/node/sys_election.h: `election/NAME`, served on the control core of whatever node is asked, from its copy of
 * the directory's rows and by commands to it. docs/concepts/elections.md is what is promised. */
#ifndef TOOLS_NODE_SYS_ELECTION_H
#define TOOLS_NODE_SYS_ELECTION_H

#include "core/cluster/row.h"
#include "tools/node/node_parts.h"

struct elections;

void elections_init(struct node *node);
/** Calls that have no answer are thrown away. */
void elections_free(struct node *node);

/** Takes the call. `node` is a struct node. */
void sys_election(void *node, struct call *call);

/** cluster_view's hook: takes note. */
void elections_changed(struct elections *elections, const struct cluster_election *old,
                       const struct cluster_election *now);
/** At the end of each tick of the control core: who waits for what has changed goes on. */
void elections_tick(struct elections *elections);
/** The node stops: whoever waits hears so, and may ask another. `all`: no answer of the directory comes any more. */
void elections_stop(struct elections *elections, bool all);

#endif
