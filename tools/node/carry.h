/* tools/node/carry.h: shards of which a row says that another node is to lead them go there; what the directory is told
 * of that, and when (replication.md R41 to R44, R50, R51, R65; docs/internals/carry.md). On the control core; the rows
 * themselves go from core to core (net/carry).
 *
 * All is decided by rows, so that any process of any of the nodes finds again what an earlier one had begun:
 *
 *     the row of a shard                                      what its primary P does
 *     isr = {P}, targets[0] = N                               carries it to N, then ADD(N, the copy's name)
 *     isr = {P, N}: both have all of it, and nobody serves    TRANSFER(N), if N is to lead it, and lives
 *                                                             else REMOVE(N), and goes on
 *     isr = {N, P}, and N is P's successor, and leads         N: REMOVE(P), and opens it
 *     isr has not us                                          what is here of it is deleted
 *
 * From a shard's release on it is released until its row has settled what was proposed. An ADD whose answer is not a
 * plain yes may still be applied: then TOUCH, which makes it impossible, or shows that it was (R44). */
#ifndef TOOLS_NODE_CARRY_H
#define TOOLS_NODE_CARRY_H

#include <stdbool.h>
#include <stdint.h>

#define CARRIES_MAX 4u /* shards of a node that stand still at a time, to be carried away */

struct carries;
struct membership;

struct carries *carries_new(struct membership *membership);
/** With all inboxes drained. */
void carries_free(struct carries *carries);
/** Rows have changed. */
void carries_changed(struct carries *carries);
/** At the end of a tick of the control core. */
void carries_tick(struct carries *carries);
uint64_t carries_due_ns(const struct carries *carries);

#endif
