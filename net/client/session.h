/* net/client/session.h: calls under a durable session (replication.md R80 to R83): what is unanswered when a connection
 * is lost is sent again on the next one, under the same number, and is answered from the record if it ran.
 *
 * Numbers go up by one; a call's slot is its number's place in a ring of at most SESSION_NUMBERS_MAX, so that those
 * without an answer never span more. The msgid is the number's lower half. Nothing leaves a new connection before the
 * node has said that the session lives. */
#ifndef NET_CLIENT_SESSION_H
#define NET_CLIENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/status.h>

#include "core/base/limits.h"
#include "core/base/timerwheel.h"

struct pdr_client;
struct slot;
struct frame;

#define SESSION_NUMBERS_MAX ((uint32_t)LIMIT_SESSION_SPAN)
#define SESSION_NAME_MAX 64u
#define SESSION_HELLO_MSGID 0u /* no call has it */

struct client_session {
    bool wanted;
    bool ready; /* the node has greeted on this connection */
    uint8_t name[SESSION_NAME_MAX];
    size_t name_size;    /* 0: none yet */
    uint64_t kept_bytes; /* requests that may have to be sent again */
    uint64_t floor;      /* all numbers below it are done with */
    uint64_t acked;      /* what the node was told of it */
    struct timer again;  /* to send again what was refused for now */
    bool ack_soon;       /* the node is short of memory: it shall hear of every answer */
};

/** What it takes to send a call again. */
struct slot_request {
    uint16_t address_size, method_size;
    uint32_t args_size;
    uint8_t data[];
};

/** A connection is open: asks for the session. */
void client_session_hello(struct pdr_client *client);
/** The answer to that: everything that has none is sent; or the session is over, and what was sent under it ends with
 * PDR_SESSION. */
void client_session_greeted(struct pdr_client *client, const struct frame *frame);
/** Keeps the call, and writes it if the session is ready. False: this process has no memory for it. */
bool client_session_call(struct pdr_client *client, struct slot *slot, struct pdr_bytes to, struct pdr_bytes method,
                         struct pdr_bytes args);
/** A copy of the call that was sent again was refused for now, which says nothing of the first: it is sent once more,
 * after retry_ms. False: the refusal is the call's outcome. */
bool client_session_refused(struct pdr_client *client, struct slot *slot, enum pdr_status status, uint64_t retry_ms);
/** Before its first connection. */
void client_session_init(struct pdr_client *client);
/** The call has ended: it will not be sent again. */
void client_session_ended(struct pdr_client *client, struct slot *slot);
/** End of a turn: tells the node what needs no record any more, now and then. */
void client_session_acknowledge(struct pdr_client *client);

#endif
