/* core/shard/watch.h: events: what actors emit, kept for a while (KEYS_EVENT rows), and who hears of it.
 *
 * An event has a number, one more than the actor's last, and is written with the turn that emits it; it leaves when
 * that entry is committed (R25). A listener belongs to its own core and is known to the actor's: it *joins* by a
 * call that takes its turn in the actor's mailbox, hears of events by messages, and *leaves* by a message that comes
 * back when nothing of it is under way any more. */
#ifndef CORE_SHARD_WATCH_H
#define CORE_SHARD_WATCH_H

#include "core/shard/turn.h"

#define EVENT_BYTES_MAX ((uint32_t)LIMIT_EVENT_BYTES_MAX)
#define EVENT_WINDOW_BYTES_MAX                                                                                         \
    ((uint32_t)LIMIT_EVENT_WINDOW_BYTES_MAX) /* that an actor keeps; the newest is always kept */
#define EVENTS_KEPT_DEFAULT 256u
#define EVENTS_KEPT_MAX ((uint32_t)LIMIT_EVENTS_KEPT_MAX)
#define WATCHERS_MAX ((uint32_t)LIMIT_WATCHERS_MAX) /* an actor */

/** A listener. Its owner frees it: after a join that did not happen, or in `left`. */
struct watch {
    struct message message; /* to leave, and back */
    struct core *home;
    struct core *at;          /* the actor's, from a join on until it has left; NULL: it is known nowhere */
    struct pdr_bytes address; /* the owner's memory */
    /** On home, in order. `event` is borrowed until it returns. */
    void (*event)(struct watch *watch, uint64_t seq, pdr_value event);
    /** On home: no event comes any more. Also of its own accord, if the actor is elsewhere now: then join again. */
    void (*left)(struct watch *watch);
    bool leaving; /* watch_leave was called: no other end is told */
    /* Of an actor on another node (net/forward): set from a join on. */
    void (*leave)(struct watch *watch);
    void *remote;
};

/* To join: a call to the actor with is_watch set, `listener` the watch, and for arguments [after]: what is kept behind
 * that number comes first; [] is from now on. Its answer is {"seq": N}: what comes begins behind N. */

/** The turn of such a call. Takes it. */
void watch_run(struct activation *a, struct call *call);
/** On the actor's core: its answer does not leave, since what it saw is undone, or is another node's to commit. Then it
 * has not joined: such a call is sent after the shard, and must be all that may join there. */
void watch_undo(struct call *call);
/** On home, when `at` is set: a join may have been answered with a failure after it had happened. */
void watch_leave(struct watch *watch);

/** In a turn: `event` is one encoded value. */
enum pdr_status turn_emit(struct turn *turn, pdr_value event);
/** The turn's events are in an entry: they leave when it is committed. */
void turn_release_events(struct turn *turn);
void turn_drop_events(struct turn *turn);

/** Where what is watched is, shards and others: an event, by number, and the answer to watch_leave, for `home`. Unless
 * that core is gone. The event is copied. */
void watch_send(struct watch *watch, uint64_t seq, pdr_value event);
void watch_send_left(struct watch *watch);

/** Shards were given up: who listens to their actors hears `left`. */
void watch_close(struct core *core);
/** core_free. */
void watch_free(struct core *core);
/** Listeners of an actor. */
uint32_t watch_count(struct core *core, struct pdr_bytes address);

#endif
