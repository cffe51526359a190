/* consensus/lease_grantor.h: the directory leader's side of all leases: whom to grant, and whose lease is over.
 *
 * One is made when a node becomes leader, and thrown away when it is leader no more. No I/O, no clock: `now_ns` is
 * CLOCK_BOOTTIME, read at the call. The grantor may only wait longer than a lease lasts (R11): it counts from when it
 * grants, adds the drift, and counts its own time so that a clock that jumps forward is not believed.
 *
 * In each tick, and after each renewal: lease_grantor_tick; lease_grantor_round, and if it gives a number the leader
 * asks a quorum whether it still leads (Raft's read index); when that is answered lease_grantor_round_done, then
 * lease_grantor_grant until it gives no more; lease_grantor_next_over until it gives no more. */
#ifndef CONSENSUS_LEASE_GRANTOR_H
#define CONSENSUS_LEASE_GRANTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "consensus/lease.h"

#define LEASE_TICK_NS_MAX (100 * NS_PER_MS) /* a longer tick is a leader that stood still, or a clock that jumped */
#define LEASE_LONG_TICKS 10u /* in a row: the leader is slow, the clock did not jump that often; they count again */

/** What became of a renewal. */
enum lease_renewed {
    LEASE_RENEWED_WAITS,      /* for a quorum round, and while the node is taken from: a GRANT follows or it does not */
    LEASE_RENEWED_OLD,        /* a copy, or overtaken by a later one */
    LEASE_RENEWED_UNKNOWN,    /* the node, or this process of it, has not registered as far as this leader knows */
    LEASE_RENEWED_SUPERSEDED, /* a later process of the node has registered: the sender must end */
    LEASE_RENEWED_REMOVED,    /* the node is no member any more */
};

struct lease_node {
    uint64_t node, incarnation;
    uint64_t seen_no;    /* the newest renewal of this incarnation */
    uint64_t waiting_no; /* arrived since the open round began; 0: none */
    uint64_t asked_no;   /* the open round is about it */
    uint64_t due_no;     /* its round is done: to be granted */
    uint64_t end_ns;     /* of the lease, in the grantor's counted time */
    uint64_t feed_index; /* as the node said last */
    uint32_t takes;      /* proposals under way that take a shard from it */
    bool removed;
    bool left;      /* this process has said that it uses its lease no more */
    bool told_over; /* lease_grantor_next_over has named it */
    uint64_t ended; /* an incarnation that ended because a later one registered, to be named; 0: none */
};

struct lease_grantor {
    struct lease_node *nodes; /* by node id */
    uint32_t count, capacity;
    bool ready;
    uint64_t counted_ns; /* time that has surely passed, but for drift */
    uint64_t ticked_ns;  /* clock at the last tick */
    uint64_t grace_ns;   /* until this counted time nobody's lease is said to be over */
    uint32_t long_ticks; /* in a row */
    uint64_t round;      /* the last one begun */
    uint64_t round_ns;   /* clock at its beginning */
    bool round_open;
    uint32_t granting; /* lease_grantor_grant has got to here */
};

/** A lease that is over: shards may be taken from that process, and any before it. */
struct lease_over {
    uint64_t node, incarnation;
};

/** A GRANT, and for whom. */
struct lease_granted {
    uint64_t node, incarnation;
    struct lease_grant grant;
};

/** The node has become leader. */
void lease_grantor_init(struct lease_grantor *grantor, uint64_t now_ns);
void lease_grantor_release(struct lease_grantor *grantor);
/** The directory has this process of the node registered, known to be true at `now_ns`: all that is in the directory
 * when the node becomes leader, then each registration as it is applied. Whatever it was granted by others counts from
 * here (R5); the lease of an earlier process of that node is over (R12). */
void lease_grantor_register(struct lease_grantor *grantor, uint64_t now_ns, uint64_t node, uint64_t incarnation);
/** That process of the node has said, in the directory, that it uses its lease no more: it is over now. */
void lease_grantor_left(struct lease_grantor *grantor, uint64_t node, uint64_t incarnation);
/** The node was removed: it is granted nothing more; what it has runs out. */
void lease_grantor_remove(struct lease_grantor *grantor, uint64_t node);
/** This leader's own no-op is applied (R4): from here it grants and takes. */
void lease_grantor_ready(struct lease_grantor *grantor);

enum lease_renewed lease_grantor_renew(struct lease_grantor *grantor, const struct lease_renew *renew);
/** Every 50 ms or so, and never less often than LEASE_TICK_NS_MAX if it can be helped. */
void lease_grantor_tick(struct lease_grantor *grantor, uint64_t now_ns);
/** The number of a quorum round to begin now, or 0. It must begin after this call (R4). */
uint64_t lease_grantor_round(struct lease_grantor *grantor, uint64_t now_ns);
/** How the round ended: `confirmed` if a quorum said that this leader still led after the round had begun. */
void lease_grantor_round_done(struct lease_grantor *grantor, uint64_t round, bool confirmed);
/** The next GRANT to send, or false. `dir_index`: how far this leader has applied the directory's log. */
bool lease_grantor_grant(struct lease_grantor *grantor, uint64_t now_ns, uint64_t dir_index, struct lease_granted *out);

/** Names each process whose lease has ended, once. */
bool lease_grantor_next_over(struct lease_grantor *grantor, struct lease_over *out);
/** Whether that process of the node can use no lease any more. False of a node never heard of. */
bool lease_grantor_is_over(const struct lease_grantor *grantor, uint64_t node, uint64_t incarnation);
/** To be called before a shard is proposed to be taken from the node (R5): true if its lease is over, and from here
 * nothing is granted to it until as many lease_grantor_taken have followed. */
bool lease_grantor_take(struct lease_grantor *grantor, uint64_t node, uint64_t incarnation);
/** The entry of that proposal is applied, or is known never to be. */
void lease_grantor_taken(struct lease_grantor *grantor, uint64_t node);
/** For leases that are counted elsewhere by the same rules (leader_elections.h): a moment of counted time that `now_ns`
 * is not behind; and whether a lease of that length that was granted then is surely over. */
uint64_t lease_grantor_moment(const struct lease_grantor *grantor, uint64_t now_ns);
bool lease_grantor_passed(const struct lease_grantor *grantor, uint64_t moment, uint64_t length_ns);
/** NULL: not registered. For who shows the state of the cluster. */
const struct lease_node *lease_grantor_node(const struct lease_grantor *grantor, uint64_t node);

#endif
