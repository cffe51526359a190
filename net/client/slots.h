/* net/client/slots.h: the calls of a client that have no answer yet: a table, so that no call allocates.
 *
 * A msgid is a slot's index and, above it, how often the slot was used: so the answer to a call that has ended already
 * finds nobody, although its slot may be in use again. */
#ifndef NET_CLIENT_SLOTS_H
#define NET_CLIENT_SLOTS_H

#include <perdure/client.h>

#include "core/base/timerwheel.h"

struct slot {
    struct timer deadline;
    struct pdr_client *client;
    pdr_outcome_cb cb; /* NULL: free */
    void *user;
    uint64_t batch;       /* leaves with that flush of the client: before it, it was never sent */
    uint64_t deadline_ms; /* as asked for, for the sentence */
    bool within;          /* its frame is a `_sys/conn.call` of ours */
    uint32_t uses;
    uint32_t next_free; /* index + 1; 0: the last */
};

struct slots {
    struct slot *table;
    uint32_t count_max;
    unsigned index_bits;
    uint32_t touched;    /* slots from there on were never used */
    uint32_t first_free; /* index + 1 */
    uint32_t outstanding;
};

/** count_max is 1..65,536. `expired` is what a deadline calls. */
void slots_init(struct slots *slots, uint32_t count_max);
void slots_release(struct slots *slots);
/** NULL when all are taken. The deadline's timer is left alone. */
struct slot *slots_take(struct slots *slots);
/** The slot is free; its deadline must not be set. */
void slots_give(struct slots *slots, struct slot *slot);
/** NULL: nobody waits for it any more, or ever did. */
struct slot *slots_find(struct slots *slots, uint64_t msgid);
uint32_t slots_msgid(const struct slots *slots, const struct slot *slot);

#endif
