/* consensus/lease_holder.h: a node's side of its lease: when to renew it, and until when it may be used.
 *
 * No I/O, no clock: `now_ns` is CLOCK_BOOTTIME, read at the call. The holder may only think its lease shorter than it
 * is (R10): it counts from when it sent the renewal, and takes the drift off. */
#ifndef CONSENSUS_LEASE_HOLDER_H
#define CONSENSUS_LEASE_HOLDER_H

#include <stdbool.h>

#include "consensus/lease.h"

#define LEASE_HOLDER_SENT 8u                       /* renewals that may still be answered: two lengths of a lease */
#define LEASE_HOLDER_STALL_NS (100 * NS_PER_MS)    /* between two checks: the node stood still */
#define LEASE_HOLDER_LENGTH_NS_MAX (60 * NS_PER_S) /* a grant is not believed to be worth more */

/** A renewal that was sent, and what came back. */
struct lease_sent {
    uint64_t renew_no; /* 0: none */
    uint64_t sent_ns;
    uint64_t end_ns;    /* by the holder's clock; 0: not granted */
    uint64_t dir_index; /* of the grant */
};

struct lease_holder {
    uint64_t node, incarnation;
    uint64_t renew_no; /* the last one */
    uint64_t due_ns;   /* of the next renewal */
    uint64_t checked_ns;
    bool held; /* at the last check */
    struct lease_sent sent[LEASE_HOLDER_SENT];
};

/** What happened since the check before. */
struct lease_notice {
    bool ended;          /* the lease was valid then and is not now: stop reading by it, confirm (R14) */
    bool began;          /* the other way round */
    uint64_t stalled_ns; /* the node stood still for so long (stopped, a long sync, a busy loop); 0: it did not */
};

/** `incarnation` is 1 or more, below 2^32; the first renewal is due at once. */
void lease_holder_init(struct lease_holder *holder, uint64_t node, uint64_t incarnation, uint64_t now_ns);
/** True when a renewal is due: `out` is to be sent now, to whoever is thought to lead the directory. */
bool lease_holder_renew(struct lease_holder *holder, uint64_t now_ns, uint64_t feed_index, struct lease_renew *out);
/** The directory has a new leader: the next renewal is due at once. */
void lease_holder_hurry(struct lease_holder *holder);
/** A GRANT arrived. False if it is worth nothing: for a renewal that was not sent, or too long ago. */
bool lease_holder_granted(struct lease_holder *holder, uint64_t now_ns, const struct lease_grant *grant);
/** Whether this process has sent that renewal: an answer to another's says nothing about it. */
bool lease_holder_sent(const struct lease_holder *holder, uint64_t renew_no);
/** Another process of this node has registered, or the node was removed: whatever was granted is gone. */
void lease_holder_drop(struct lease_holder *holder);

/** The lease may be used while the clock is below this; 0: not at all. `applied` is how far the node has applied the
 * feed. Changes only when a grant arrives or the feed goes on, so that a core may keep the number. */
uint64_t lease_holder_until(const struct lease_holder *holder, uint64_t applied);
/** To be asked last, when all else about an answer is settled (R15), with a clock read just then. */
static inline bool lease_holder_valid(const struct lease_holder *holder, uint64_t now_ns, uint64_t applied)
{
    return now_ns < lease_holder_until(holder, applied);
}
/** At every tick, so that a node that stood still knows it before it does anything else. */
struct lease_notice lease_holder_check(struct lease_holder *holder, uint64_t now_ns, uint64_t applied);

#endif
