/* core/env/inbox.c: a Treiber stack (1986) of which the consumer takes all, turned round. Taking all is what makes it
 * simple: no single node is ever popped, so there is no ABA and nothing to reclaim. */
#include "core/env/inbox.h"

/* What `head` is while nothing waits and the consumer is awake. NULL: nothing waits, and it may sleep. */
static struct message awake;

void inbox_init(struct inbox *inbox)
{
    atomic_init(&inbox->head, NULL);
    inbox->awake = false;
}

bool inbox_push(struct inbox *inbox, struct message *message)
{
    /* relaxed: `head` is only compared and stored, never followed; the consumer alone looks inside */
    struct message *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    do {
        message->next = head == &awake ? NULL : head;
        /* release: what this thread wrote to the message is seen by who takes it; pairs with the acquire in
         * inbox_deliver. Failing is relaxed: nothing was published, and the next try publishes. */
    } while (!atomic_compare_exchange_weak_explicit(&inbox->head, &head, message, memory_order_release,
                                                    memory_order_relaxed));
    return head == NULL;
}

bool inbox_empty(struct inbox *inbox)
{
    struct message *head = atomic_load_explicit(&inbox->head, memory_order_relaxed); /* nothing is read through it */
    return head == NULL || head == &awake;
}

/* relaxed, both: no memory but `head` is concerned, and of that all threads see one order. A push comes before the
 * exchange in inbox_asleep, which then fails, or after it, and finds NULL. */

void inbox_awake(struct inbox *inbox)
{
    struct message *head = NULL;
    inbox->awake = true;
    atomic_compare_exchange_strong_explicit(&inbox->head, &head, &awake, memory_order_relaxed, memory_order_relaxed);
}

bool inbox_asleep(struct inbox *inbox)
{
    struct message *head = &awake;
    inbox->awake = false;
    return atomic_compare_exchange_strong_explicit(&inbox->head, &head, NULL, memory_order_relaxed,
                                                   memory_order_relaxed) ||
           head == NULL;
}

size_t inbox_deliver(struct inbox *inbox)
{
    /* acquire: pairs with the release of every push whose message is in the list, not with the last alone: each push is
     * a read-modify-write of what the one before it wrote, so all of them are one release sequence (C11 5.1.2.4).
     * The wake: a push that finds NULL comes after this exchange, or was the first of all; its sender wakes us. */
    struct message *nothing = inbox->awake ? &awake : NULL;
    struct message *taken = atomic_exchange_explicit(&inbox->head, nothing, memory_order_acquire);
    struct message *in_order = NULL;
    size_t count = 0;
    while (taken != NULL && taken != &awake) {
        struct message *next = taken->next;
        taken->next = in_order;
        in_order = taken;
        taken = next;
        count++;
    }
    while (in_order != NULL) {
        struct message *message = in_order;
        in_order = message->next; /* deliver may free it */
        message->deliver(message);
    }
    return count;
}
