/* core/shard/mailbox.h: stage 4 of 7 (route before it, turn after it). The bounded queue of one actor; full is an
 * answer, not a wait. */
#ifndef CORE_SHARD_MAILBOX_H
#define CORE_SHARD_MAILBOX_H

#include "core/shard/activation.h"

/** Takes the call on PDR_OK. On PDR_OVERLOADED or PDR_DEADLOCK it is still the caller's, with the sentence set. */
enum pdr_status mailbox_push(struct activation *a, struct call *call);
/** The next call whose deadline is not over (those that are, are answered so); NULL if there is none. */
struct call *mailbox_pop(struct activation *a);

/** A durable tell: it was accepted under limits of its own, and has no deadline. False: the mailbox is full even so. */
bool mailbox_push_tell(struct activation *a, struct call *call);
/** Of a QUEUED call: it is the caller's again. */
void mailbox_take_out(struct activation *a, struct call *call);
/** Takes out one that is in there. False: its deadline was over, and it was answered so. */
bool mailbox_take(struct activation *a, struct call *call);
/** The one behind `call`, in the order in which they will be taken; NULL at the end. NULL gives the first. */
struct call *mailbox_next(const struct activation *a, const struct call *call);

/** Calls that were to run in this tick may have to wait after all: their deadlines get timers. */
void mailbox_watch(struct activation *a);

#endif
