/* net/client/slots.h: the calls of a client that have no answer yet: a table, so that finding one is an index.
 *
 * A msgid is a slot's index and, above it, how often the slot was used: so the answer to a call that has ended already
 * finds nobody, although its slot may be in use again. Under a session (session.h) the table is a ring: calls are
 * numbered, the slot is the number's place, and the msgid its lower half. No call's msgid is UINT32_MAX. */
#ifndef NET_CLIENT_SLOTS_H
#define NET_CLIENT_SLOTS_H

#include <perdure/client.h>

#include "core/base/timerwheel.h"

#define SLOT_SYSTEM 0u    /* an actor of the node's own */
#define SLOT_UNTRACKED 1u /* any actor: all calls go by one connection */

struct slot {
    struct timer deadline;
    struct pdr_client *client;
    pdr_outcome_cb cb; /* NULL: free */
    void *user;
    struct link *link; /* it goes by, or waits for */
    uint64_t batch;    /* leaves with that flush of the link: before it, it was never sent */
    uint64_t actor;    /* hash of the address, or one of the below (ways.c) */
    bool is_detour, is_held;
    uint64_t deadline_ms; /* as asked for, for the sentence */
    bool within;          /* its frame is a `_sys/conn.call` of ours */
    uint64_t number;      /* under a session */
    struct slot_request *request;
    bool sent;        /* under the session that is named now */
    bool sent_before; /* ... on an earlier connection: that copy may have run */
    bool refused;     /* ... and this one was refused for now: it is sent again */
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
    bool is_ring;
    uint64_t next_number;
};

/** count_max is 1..65,536. */
void slots_init(struct slots *slots, uint32_t count_max, bool is_ring);
void slots_release(struct slots *slots);
/** NULL when all are taken. The deadline's timer is left alone. */
struct slot *slots_take(struct slots *slots);
/** The slot is free; its deadline must not be set. */
void slots_give(struct slots *slots, struct slot *slot);
/** NULL: nobody waits for it any more, or ever did. */
struct slot *slots_find(struct slots *slots, uint64_t msgid);
/** In a ring: the call of that number, which is below next_number; NULL: it has ended. */
struct slot *slots_at(const struct slots *slots, uint64_t number);
uint32_t slots_msgid(const struct slots *slots, const struct slot *slot);

#endif
