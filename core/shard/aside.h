/* core/shard/aside.h: calls that need not wait until the actor's turn has ended, because it waits itself.
 *
 * Two kinds stand aside of the mailbox. An *interleaved reader* (PDR_METHOD_INTERLEAVE) may run while any turn waits. A
 * call whose chain *comes back* to a turn that admits it (PDR_TYPE_REENTRANT, pdr_call_reentrant) runs inside of that
 * turn's wait; the turn goes on when what is inside has ended. Neither enters while the turn reads the disk.
 *
 *     a/1.work --------------------- waits for b/2 ---------------------> goes on
 *                 b/2.help ---- waits for a/1 ----> ends
 *                    a/1.more (inside) --> ends
 *       a/1.get (an interleaved reader; may also outlive a/1.work)
 *
 * Open turns of an actor are a list by age, activation->turn the newest. Without the interleaved readers it is a stack,
 * of which only the innermost runs. */
#ifndef CORE_SHARD_ASIDE_H
#define CORE_SHARD_ASIDE_H

#include "core/shard/activation.h"
#include "core/shard/turn.h"

enum aside_door { DOOR_MAILBOX, DOOR_ASIDE, DOOR_DEADLOCK };

/** Where a call that arrives belongs. */
enum aside_door aside_door(const struct activation *a, const struct call *call);
/** Tells the scheduler if some call that stands aside may enter now. */
void aside_consider(struct activation *a);
/** The turn begins to wait: what may enter meanwhile leaves the mailbox. */
void aside_turn_waits(struct turn *turn);
/** One of its turns has ended, and was answered. The activation may have been laid to rest when this returns. */
void aside_turn_ended(struct activation *a);

/** What the turn's pdr_call waits for has come, and no turn is inside of its wait any more. */
bool aside_may_go_on(const struct turn *turn);
/** Wakes it if so. */
void aside_wake(struct turn *turn);

/** Scheduler: runs what may enter, on the current fiber. */
void aside_run(struct activation *a);
/** Scheduler: there is no fiber for it. */
void aside_shed(struct activation *a);

#endif
