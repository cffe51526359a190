/* net/client/client_parts.h: what client.c (calls), link.c (the connection), retry.c and watch.c share.
 *
 *   CONNECTING --opened--> OPEN --lost--> WAITING --back-off over--> CONNECTING
 *        |                  |                |
 *        +---- lost --------+-> WAITING      +---- pdr_client_close, from any ----> CLOSING --> freed
 *
 * Frames gather in `out` and leave together at the end of the loop's turn; without a connection they stay there. So
 * what is in `out` was never sent, and what has left it may have been applied. */
#ifndef NET_CLIENT_CLIENT_PARTS_H
#define NET_CLIENT_CLIENT_PARTS_H

#include "core/base/timerwheel.h"
#include "net/client/client.h"
#include "net/client/retry.h"
#include "net/client/session.h"
#include "net/client/slots.h"
#include "net/wire/frame.h"

#define CLIENT_ADDRESS_MAX 300u

enum client_state { CLIENT_CONNECTING, CLIENT_OPEN, CLIENT_WAITING, CLIENT_CLOSING };

struct pdr_client {
    struct loop *loop;
    struct transport *transport;
    enum client_state state;
    struct stream *stream; /* NULL while there is none */
    bool hung_up;          /* we have had enough of it, and wait for its `closed`: nothing is written any more */
    struct timerwheel wheel;
    struct timer link_timer; /* CONNECTING: it has taken too long; WAITING: try again */
    struct backoff backoff;
    struct slots slots;
    struct list watches; /* watch.c */
    uint32_t watch_count;
    struct client_session session;
    uint64_t batch; /* how often `out` has left */
    struct frame_scan scan;
    pdr_writer in; /* the beginning of a frame whose end has not come */
    pdr_writer out;

    char address[CLIENT_ADDRESS_MAX];
    uint64_t deadline_ms, connect_timeout_ms;

    char why[256];       /* there is no connection */
    char farewell[200];  /* what the node said before it closed */
    char text[640];      /* of the outcome that is being told */
    const char *refusal; /* of the last call or tell that was refused */

    void (*changed)(void *user); /* connected, lost, or written out */
    void *changed_user;
    struct message goodbye;
    void (*closed)(void *user);
    void *closed_user;
    /* Takes loop and transport down, then calls closed(user). NULL: they are somebody else's. */
    void (*release_world)(struct loop *loop, struct transport *transport, void (*closed)(void *user), void *user);
};

/* client.c */

/** The call has ended; its slot is free before the callback runs. The client may be CLOSING afterwards. */
void client_end_call(struct pdr_client *client, struct slot *slot, const struct pdr_outcome *outcome);
/** Ends it with a failure; `text` is a sentence. */
void client_fail_call(struct pdr_client *client, struct slot *slot, enum pdr_status status, const char *text);
/** The connection is lost: ends every call that has been sent, or all of them. */
void client_fail_calls(struct pdr_client *client, bool unsent_too, enum pdr_status status, const char *text);

/** The next call, tell or watch is refused like this. */
static inline enum pdr_status client_refuse(struct pdr_client *client, enum pdr_status status, const char *why)
{
    client->refusal = why;
    return status;
}

/* watch.c */

/** A connection is open: asks for every watch anew. */
void watches_ask(struct pdr_client *client);
/** A notification; of no actor that is watched: nothing happens. The client may be CLOSING afterwards. */
void watches_take(struct pdr_client *client, const struct frame *frame);
/** The client is being closed: ends every watch with PDR_CANCELLED. */
void watches_end(struct pdr_client *client);

/* link.c */

/** False: the address is malformed; *why is a sentence. */
bool link_connect(struct pdr_client *client, const char **why);
/** Writes what has gathered, if there is a connection. */
void link_flush(struct pdr_client *client);
/** We have had enough of this connection; `why` is a sentence. */
void link_hang_up(struct pdr_client *client, const char *why);
void link_timer_fired(struct timer *timer);
/** `_sys/conn` is the connection itself: it is not reached through its own `call`, and so takes no deadline. */
static inline bool link_is_addressed(struct pdr_bytes address)
{
    return pdr_bytes_equal(address, pdr_str("_sys/conn"));
}
/** Bytes that wait for the kernel, or for a connection. */
uint64_t link_unsent(const struct pdr_client *client);

#endif
