/* net/forward/forward_parts.h: the inside, for the files of this folder. */
#ifndef NET_FORWARD_FORWARD_PARTS_H
#define NET_FORWARD_FORWARD_PARTS_H

#include "core/base/hash.h"
#include "core/env/peer.h"
#include "core/shard/core.h"
#include "core/shard/watch.h"
#include "net/forward/forward.h"
#include "net/route.h"
#include "net/wire/call_frame.h"

#define FORWARD_LINES 256u /* a caller and an actor fall into one of so many */

/**
 * A call on its way. Ours, or (`is_visit`) another node's.
 *
 *     ours     WAITING <-> QUEUED -> SENT -> answered          no trip is left: a call that is here is the core's
 *                 ^                   |
 *                 +---- moved, lost --+
 *     visit    WAITING -> HERE -> ANSWERING -> answered        HERE: the core has the call
 */
enum trip_state { TRIP_WAITING, TRIP_QUEUED, TRIP_SENT, TRIP_HERE, TRIP_ANSWERING };

struct trip {
    struct list node; /* by `order`: of its wait, of its peer's queue, sent or answers, of all that are HERE */
    struct hash_node by_number; /* SENT */
    struct forward *forward;
    struct forward_node *to; /* QUEUED, SENT; a visit's: who sent it */
    struct call *call;
    enum trip_state state;
    bool is_visit;
    uint16_t line;               /* caller and actor, for order */
    struct forward_wait *old;    /* SENT to an owner that is not the newest any more: calls of its line wait for it */
    struct forward_watch *watch; /* a visit that joins: its listener here */
    uint64_t order;              /* in which calls came */
    uint64_t number, life;       /* SENT: of this attempt; a visit's: its sender's */
    uint64_t known;              /* a visit's: what its sender knew */
    uint64_t version;            /* WAITING: for a map as new as that; 0: for any */
    struct timer timer;          /* WAITING, QUEUED: the deadline */
};

/** Another node. Once known it stays: there are few. */
struct forward_node {
    struct hash_node by_id;
    struct list node;
    struct forward *forward;
    uint64_t id;
    uint64_t life; /* of our link to it; 0: down */
    bool is_full;  /* until `room` */
    uint32_t sent_count;
    struct list sent;    /* by number */
    struct list queue;   /* for the link, by order */
    struct list answers; /* finished visits of it that found the link full */
};

/** Calls for one shard that is not known to be anywhere, or is on the move. */
struct forward_wait {
    struct hash_node by_shard;
    struct forward *forward;
    struct list due_node; /* forward->due: to be looked at when the tick ends */
    uint32_t shard;
    uint32_t old_count;
    uint32_t bars;       /* the shard was here: barriers that its core has not given back */
    uint64_t bar_ns;     /* they hold until then at most */
    uint64_t bar_orders; /* for calls that come back from it: before all that came since */
    uint64_t again_ns;   /* its core here did not have it: not before that again */
    uint64_t again_ms;
    struct list trips;           /* by order */
    uint16_t old[FORWARD_LINES]; /* trips of a line that are still out at an earlier owner */
};

/** To the core of a shard that was here, and back when it has given back all its calls. */
struct forward_barrier {
    struct message message;
    struct list node; /* at that core: forward->barriers */
    struct forward *home, *at;
    uint32_t shard;
    uint64_t version; /* of the map that says that it is here no more */
};

/** A row that is newer than the map's. */
struct forward_row {
    struct hash_node by_shard;
    struct list node;
    uint32_t shard;
    struct cluster_owner owner;
};

/** A listener of one node to an actor of another; at both ends: forward_watch.c. */
struct forward_watch {
    struct hash_node by_number;
    struct hash *table; /* forward->watches, at the listener's; at the actor's forward->listeners */
    struct list node;   /* ->watching, ->listening */
    struct forward *forward;
    uint64_t peer, life, number; /* the CALL by which it joined */
    struct watch *watch;         /* at the listener's */
    struct watch here;           /* at the actor's, for core/shard/watch.h */
    bool is_joining, is_leaving, is_unwanted, has_left;
    char data[]; /* at the actor's: the address */
};

struct forward {
    struct core *core;
    struct router *router;
    struct peers *peers;
    struct forward_stats stats;
    struct hash by_number; /* SENT trips */
    struct hash by_id;     /* nodes */
    struct list nodes;
    struct hash waits;
    struct list due;
    struct hash newer; /* struct forward_row */
    struct list rows;  /* the same */
    struct list here;  /* trips: visits that the core has */
    struct list spare; /* trips */
    uint32_t spare_count;
    uint64_t numbers, orders;
    uint32_t waiting; /* trips WAITING or QUEUED */
    uint64_t waiting_bytes, answer_bytes;
    struct timer again; /* looks at all waits */
    bool closing;       /* nothing waits any more */
    bool *was_here;     /* by shard, in the map before */
    uint32_t was_count;
    struct list barriers;
    struct hash watches, listeners;
    struct list watching, listening;
    pdr_writer frame; /* the one that is being made */
};

/** UINT64_MAX: none. A tell of a channel has none, whatever its turn had. */
static inline uint64_t forward_deadline_ns(const struct call *call)
{
    return call->tell.role == TELL_SENT ? UINT64_MAX : call->deadline_ns;
}

/** Where a call for the shard belongs, as far as is known here. */
enum forward_place { PLACE_UNKNOWN, PLACE_HERE, PLACE_THERE };

/* forward.c */

struct trip *trip_new(struct forward *f, struct call *call);
/** Off all lists; the call is not touched. */
void trip_free(struct trip *trip);
/** For forward_free: those of a list, and their calls. */
void forward_discard_trips(struct list *trips);
/** A call's shard may be another one in a newer map: pins and groups; but a channel's shards stay. True: it is. */
bool trip_place_again(struct trip *trip);
struct forward_node *forward_node_of(struct forward *f, uint64_t id);
/** The newest row that is known; NULL: none. */
const struct cluster_owner *forward_owner(const struct forward *f, uint32_t shard);
enum forward_place forward_place(const struct forward *f, uint32_t shard);
/** Up to where this core knows the directory's log, of that shard. */
uint64_t forward_known(const struct forward *f, uint32_t shard);
/** To the shard's core of this node. */
void forward_deliver(struct forward *f, struct call *call);
/** Wherever its shard is now, or it waits. Takes the trip, which is in no list. */
void trip_go(struct trip *trip);
/** A call of ours ends in failure. Takes the trip, which is in no list. */
void trip_fail(struct trip *trip, enum pdr_status status, const char *why);

/* forward_send.c: links. */

void forward_up(void *user, uint64_t id, uint64_t life);
void forward_room(void *user, uint64_t id, uint64_t life);
void forward_gone(void *user, uint64_t id, uint64_t life, const char *why);
/** Sends what is queued, as far as there is room. */
void forward_drain(struct forward_node *to);
/** Over the link, or into its queue. Takes the trip. */
void trip_send(struct forward_node *to, struct trip *trip);
/** Those in the queues whose shards have another owner by now go there. */
void forward_requeue(struct forward *f);
/** Encoded into f->frame by the caller. */
enum pdr_status forward_send_frame(struct forward *f, uint64_t node, uint64_t life);
/** A SENT trip is over, in whatever way: off the books. */
void trip_unsend(struct trip *trip);

/* forward_wait.c */

struct forward_wait *forward_wait_find(const struct forward *f, uint32_t shard);
struct forward_wait *forward_wait_of(struct forward *f, uint32_t shard);
/** Takes the trip: into the wait of its shard, to be looked at when the tick ends. */
void trip_wait(struct trip *trip);
/** False: too many wait; the trip has been failed. Else it is counted, and its deadline set. */
bool trip_begin_waiting(struct trip *trip);
void trip_end_waiting(struct trip *trip);
void forward_wait_due(struct forward_wait *wait);
/** The shard was not where it should be: nothing of it is tried again right now. */
void forward_wait_later(struct forward_wait *wait);
void forward_waits_init(struct forward *f);
void forward_waits_all_due(struct forward *f);
/** `moved` is SENT, to an owner that is none any more. What else of the shard is there still may have come before: what
 * is of its line has to wait for its answer. */
void trip_are_old(const struct trip *moved, struct forward_wait *wait);
/** The same, of all that is out, as the map has it now. */
void forward_mark_old(struct forward *f);
void trip_is_old_no_more(struct trip *trip);
void forward_waits_free(struct forward *f);

/* forward_barrier.c */

/** The map has changed: calls for shards that have left wait for those that their cores still have. */
void forward_bar(struct forward *f);
/** Each tick: which of the barriers that are here may go back? */
void forward_barriers_look(struct forward *f);
void forward_barriers_free(struct forward *f);
/** `node` by order into a list. */
void trip_insert(struct list *list, struct trip *trip);

/* forward_visit.c */

void visit_received(struct forward *f, uint64_t node, uint64_t life, struct pdr_bytes frame);
/** What is to be done with a visit now. */
enum visit_step { VISIT_STAYS, VISIT_ENTERS, VISIT_RETURNS };
enum visit_step visit_judge(const struct trip *trip);
/** ENTERS or RETURNS. Takes the trip, which is in no list. */
void visit_go(struct trip *trip, enum visit_step step);
void visit_finished(struct call *call);
/** Its shard's core says that the shard is not open. */
void visit_moved(struct trip *trip);
void visit_fail(struct trip *trip, enum pdr_status status, const char *why);
/** There is room again, on one link to it at least. */
void visit_send_answers(struct forward_node *to);
/** Nobody waits for its answer any more. */
void visit_gone(struct forward *f, uint64_t node, uint64_t life);

/* forward_watch.c */

void forward_watch_begin(struct trip *visit);
/** The visit has been finished: is it a listener now? */
void forward_watch_joined(struct trip *visit);
/** Our own call of that trip has been answered with success: it listens. */
void forward_watch_opened(struct trip *trip);
void forward_watch_received(struct forward *f, uint64_t node, uint64_t life, struct pdr_bytes frame);
/** Nothing waits for links to the node any more: who has left is told. */
void forward_watch_room(struct forward *f, uint64_t node);
void forward_watch_gone(struct forward *f, uint64_t node, uint64_t life);
void forward_watches_free(struct forward *f);

#endif
