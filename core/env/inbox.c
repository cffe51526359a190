/* core/env/inbox.c: a Treiber stack (1986) of which the consumer takes all, turned round. */
#include "core/env/inbox.h"

void inbox_init(struct inbox *inbox)
{
    atomic_init(&inbox->head, NULL);
}

bool inbox_push(struct inbox *inbox, struct message *message)
{
    struct message *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    do {
        message->next = head;
        /* release: what the sender wrote is seen by who takes the message; pairs with acquire in inbox_deliver */
    } while (!atomic_compare_exchange_weak_explicit(&inbox->head, &head, message, memory_order_release,
                                                    memory_order_relaxed));
    return head == NULL;
}

size_t inbox_deliver(struct inbox *inbox)
{
    /* acquire: pairs with the release of every push in the list, each of which read the one before */
    struct message *taken = atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire);
    struct message *in_order = NULL;
    size_t count = 0;
    while (taken != NULL) {
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
