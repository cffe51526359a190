/* core/env/inbox.h: many-to-one queue between threads, and the only file (with inbox.c) that uses atomics.
 *
 * Producers push one item each with a compare-and-swap on the head; the consumer takes the whole list with one exchange
 * and turns it round, so items of one producer arrive in the order it pushed them. Nobody ever waits for a lock. */
#ifndef CORE_ENV_INBOX_H
#define CORE_ENV_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/** Embed it in what is sent. Owned by the inbox from push until its `deliver` is called, then by the receiver. */
struct message {
    struct message *next;
    void (*deliver)(struct message *message); /* runs on the receiving thread */
};

struct inbox {
    _Atomic(struct message *) head;
};

void inbox_init(struct inbox *inbox);

/** Any thread. True if the inbox was empty: then, and only then, the consumer must be woken. */
bool inbox_push(struct inbox *inbox, struct message *message);

/** Consumer only: true if nothing waits. A message may come right after. */
static inline bool inbox_empty(struct inbox *inbox)
{
    return atomic_load_explicit(&inbox->head, memory_order_relaxed) == NULL; /* relaxed: nothing is read through it */
}

/** Consumer only: takes all there is, calls each message's deliver in order, and returns how many there were. */
size_t inbox_deliver(struct inbox *inbox);

#endif
