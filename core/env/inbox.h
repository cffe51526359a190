/* core/env/inbox.h: many-to-one queue between threads, and the only file (with inbox.c) that uses atomics.
 *
 * Producers push one item each with a compare-and-swap on the head; the consumer takes the whole list with one exchange
 * and turns it round, so items of one producer arrive in the order it pushed them. Nobody ever waits for a lock.
 *
 * A consumer that will look again before it sleeps says so (inbox_awake), and saves its producers the wake, which is a
 * system call for them and another for it. Before it sleeps it takes that back (inbox_asleep). */
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
    bool awake; /* the consumer's */
};

void inbox_init(struct inbox *inbox);

/** Any thread. True if the inbox was empty and its consumer may sleep: then, and only then, it must be woken. */
bool inbox_push(struct inbox *inbox, struct message *message);

/** Consumer only: true if nothing waits. A message may come right after. */
bool inbox_empty(struct inbox *inbox);

/** Consumer only: it need not be woken until inbox_asleep. */
void inbox_awake(struct inbox *inbox);
/** Consumer only: from now on it must be woken. False: something waits, and nobody will be told; deliver it first. */
bool inbox_asleep(struct inbox *inbox);

/** Consumer only: takes all there is, calls each message's deliver in order, and returns how many there were. */
size_t inbox_deliver(struct inbox *inbox);

#endif
