/* core/journal/gather.h: whether the next group waits a little for those whom the last one answered.
 *
 * Callers that wait for an answer before they call again return in a bunch right after it. A group that begins without
 * them makes two crowds that take turns: each waits for the other's sync as well as its own, and the disk syncs twice
 * as often. So after an answer the next group waits until as many entries are there as could be, at most half a sync.
 * Who is alone never waits, nor does anybody on a disk so fast that one crowd's work fits well beside the other's sync;
 * where the answered don't come back (an open loop, a burst that is over) the waiting is soon
 * left off, and tried again now and then. */
#ifndef CORE_JOURNAL_GATHER_H
#define CORE_JOURNAL_GATHER_H

#include <stdbool.h>
#include <stdint.h>

struct gather {
    uint64_t sync_ns;            /* smoothed */
    uint64_t until_ns;           /* the end of the wait; 0: it has not begun */
    uint32_t answered, expected; /* entries of the last group; these and what waited when it ended. 0: nothing to wait
                                  * for */
    uint32_t seen;               /* what waited when the wait began */
    uint32_t skip, skip_next;    /* groups that don't wait, because it did not pay */
};

/** A group ended: `answered` entries went with it in sync_ns, and `pending` arrived meanwhile. */
void gather_begin(struct gather *gather, uint32_t answered, uint32_t pending, uint64_t sync_ns);
/** True: not yet; ask again when more has arrived, or at gather->until_ns. */
bool gather_wait(struct gather *gather, uint32_t pending, uint64_t now_ns);

#endif
