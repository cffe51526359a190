/* net/client/client_parts.h: what client.c (calls), link.c (one connection), home.c (the one that is always there),
 * ways.c (which one a call goes by), retry.c and watch.c share.
 *
 *   DOWN --link_connect--> CONNECTING --opened--> OPEN --lost--> WAITING --back-off over--> DOWN (home: CONNECTING)
 *                               |                  |                |
 *                               +---- lost --------+-> WAITING      +---- pdr_client_close, from any ----> CLOSING
 *
 * Frames gather in a link's `out` and leave together at the end of the loop's turn; without a connection they stay
 * there. So what is in `out` was never sent, and what has left it may have been applied. */
#ifndef NET_CLIENT_CLIENT_PARTS_H
#define NET_CLIENT_CLIENT_PARTS_H

#include <perdure/ref.h>

#include "core/base/hash.h"
#include "core/base/timerwheel.h"
#include "net/client/client.h"
#include "net/client/map.h"
#include "net/client/nodes.h"
#include "net/client/retry.h"
#include "net/client/session.h"
#include "net/client/slots.h"
#include "net/wire/frame.h"

#define CLIENT_MAP_MSGID UINT32_MAX /* no call has it */

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_OPEN, LINK_WAITING, LINK_CLOSING };

/** A connection to a node, made again when it is lost. */
struct link {
    struct pdr_client *client;
    enum link_state state;
    struct stream *stream; /* NULL while there is none */
    bool hung_up;          /* we have had enough of it, and wait for its `closed`: nothing is written any more */
    struct timer timer;    /* CONNECTING: it has taken too long; WAITING: try again; OPEN to an owner: still used? */
    struct backoff backoff;
    uint32_t calls; /* without an answer */
    uint64_t batch; /* how often `out` has left */
    struct frame_scan scan;
    pdr_writer in; /* the beginning of a frame whose end has not come */
    pdr_writer out;
    uint64_t node;      /* at the other end; 0: not known */
    bool has_answered;  /* something has come: it is more than open */
    bool is_used;       /* by a call since the timer fired */
    bool asks_map;      /* and has no answer yet */
    bool knows_no_map;  /* it said so: an older node */
    char why[256];      /* there is no connection */
    char farewell[200]; /* what the node said before it closed */
    char address[NODES_ADDRESS_MAX];
};

/** Calls of one actor, while they go by `link` although new ones might take another: until all are answered. When they
 * never are, because there are always new ones, these are held for a moment now and then (detour.c). */
struct detour {
    struct hash_node node; /* by slot->actor */
    struct pdr_client *client;
    struct link *link;
    uint32_t calls, held_calls;
    bool is_holding;
    struct pdr_ref actor; /* while it is holding: inside of `address` */
    char *address;
    pdr_writer held;    /* frames */
    struct timer timer; /* holding: it has taken too long */
    uint64_t again_ns;  /* not before */
    uint32_t pause_ms;
};

/** Of all campaigns of a client. */
struct campaigns {
    struct list all;
    uint32_t count;
    struct rng rng;     /* ids of candidacies */
    struct timer timer; /* the next renewal; not set: none stands */
    bool keeping;       /* one has no answer yet */
};

struct pdr_client {
    struct loop *loop;
    struct transport *transport;
    struct timerwheel wheel;
    struct slots slots;
    struct list watches; /* watch.c */
    uint32_t watch_count;
    struct campaigns campaigns;
    struct client_session session;
    uint64_t deadline_ms, connect_timeout_ms;

    /* home.c */
    struct link home;
    struct nodes nodes;    /* as they were given */
    uint32_t attempt;      /* of this round of addresses */
    uint32_t first_member; /* where it begins among the members of the map */
    bool is_same_again;    /* the next is the address of the connection that was lost */
    bool is_all_tried;     /* once, or there was a connection */

    /* ways.c */
    bool skips_map;         /* one_connection was asked for */
    bool is_tracking;       /* calls know their actor: there are several connections, or may be soon */
    bool is_direct;         /* ... and the map shows several nodes: calls go straight to owners */
    bool is_active;         /* calls were made since the map was asked for */
    struct client_map *map; /* NULL: not known */
    struct link **by_node;  /* of the map; NULL: none yet. Of as many as it has nodes */
    struct link *owners[PDR_CLIENT_LINKS_MAX];
    uint32_t owner_count;
    struct hash detours;
    bool has_down; /* there may be an owner's link that is LINK_DOWN */
    struct timer map_timer;

    char text[640];      /* of the outcome that is being told */
    const char *refusal; /* of the last call or tell that was refused */

    void (*changed)(void *user); /* connected, lost, or written out */
    void *changed_user;
    bool is_closing;
    struct message goodbye;
    void (*closed)(void *user);
    void *closed_user;
    /* Takes loop and transport down, then calls closed(user). NULL: they are somebody else's. */
    void (*release_world)(struct loop *loop, struct transport *transport, void (*closed)(void *user), void *user);
};

/* client.c */

/** The call has ended; its slot is free before the callback runs. The client may be closing afterwards. */
void client_end_call(struct pdr_client *client, struct slot *slot, const struct pdr_outcome *outcome);
/** Ends it with a failure; `text` is a sentence. */
void client_fail_call(struct pdr_client *client, struct slot *slot, enum pdr_status status, const char *text);
/** The connection is lost: ends every call that was sent by it. */
void client_fail_calls(struct pdr_client *client, const struct link *link, enum pdr_status status, const char *text);

/** A link that was being closed has no stream any more. */
void client_link_closed(struct pdr_client *client);

/** The next call, tell or watch is refused like this. */
static inline enum pdr_status client_refuse(struct pdr_client *client, enum pdr_status status, const char *why)
{
    client->refusal = why;
    return status;
}

static inline void client_tell_changed(const struct pdr_client *client)
{
    if (client->changed != NULL) {
        client->changed(client->changed_user);
    }
}

/* watch.c */

/** A connection is open: asks for every watch anew. */
void watches_ask(struct pdr_client *client);
/** A notification; of no actor that is watched: nothing happens. The client may be closing afterwards. */
void watches_take(struct pdr_client *client, const struct frame *frame);
/** The client is being closed: ends every watch with PDR_CANCELLED. */
void watches_end(struct pdr_client *client);

/* campaign.c */

void campaigns_init(struct pdr_client *client, uint64_t seed);
/** The client is being closed: ends every campaign with PDR_CANCELLED. */
void campaigns_end(struct pdr_client *client);

/* link.c */

void link_init(struct link *link, struct pdr_client *client, uint64_t seed);
/** It has no stream, and its timer is not set. */
void link_release(struct link *link);
/** To link->address. False: it is malformed, or there are no descriptors; *why is a sentence. */
bool link_connect(struct link *link, const char **why);
/** There is none: tries again after a pause, or at once. */
void link_wait(struct link *link, const char *why, bool at_once);
/** Writes what has gathered, if there is a connection. */
void link_flush(struct link *link);
/** It is open, and has no session: says what holds for its calls. */
void link_hello(struct link *link);
/** We have had enough of this connection; `why` is a sentence. */
void link_hang_up(struct link *link, const char *why);
/** The client is being closed. False: there is no stream to wait for. */
bool link_close(struct link *link);
/** `_sys/conn` is the connection itself: it is not reached through its own `call`, and so takes no deadline. */
static inline bool link_is_addressed(struct pdr_bytes address)
{
    return pdr_bytes_equal(address, pdr_str("_sys/conn"));
}
/** What is written to it leaves with this turn. */
static inline bool link_is_usable(const struct link *link)
{
    return link->state == LINK_OPEN && !link->hung_up;
}
/** Bytes that wait for the kernel, or for a connection. */
uint64_t link_unsent(const struct link *link);

/* home.c: the connection that is always there or being made, to a node that was given or is a member of the map. It
 * has the session, watches, and calls to the node itself; and every call whose owner has no connection of its own. */

/** False: as link_connect. */
bool home_connect(struct pdr_client *client, const char **why);
/** It is open: asks for the map, says hello, then what has waited. */
void home_opened(struct pdr_client *client);
/** It is lost: on to the next address. */
void home_lost(struct pdr_client *client, const char *why);

/* ways.c */

void ways_init(struct pdr_client *client);
void ways_release(struct pdr_client *client);
/** Which link a call to the actor goes by. `*hash` is what its slot has to know of the actor. */
struct link *ways_choose(struct pdr_client *client, const struct pdr_ref *actor, uint64_t *hash);
/** What has no owner's link of its own goes by this one: home; without it any that is usable; else home, and waits. */
struct link *ways_default(struct pdr_client *client);
/** Straight to the owner; NULL: there is no connection to it, or nobody is known to be it. */
struct link *ways_straight(struct pdr_client *client, const struct pdr_ref *actor, uint64_t key_hash);
/** A link was opened: new calls may take it. */
void ways_opened(struct pdr_client *client);
/** The node at the end of a link says that it will close it. */
void ways_left(struct pdr_client *client);
/** A link is not usable any more: what it has not sent takes another, if there is one. */
void ways_lost(struct pdr_client *client, struct link *link);
/** An owner's timer fired while it was open: closes it if it has no calls. */
void ways_check_use(struct link *link);

/** Takes the map: it is the one to go by from now on. */
void ways_take_map(struct pdr_client *client, struct client_map *map);
/** Calls go straight to owners from now on, if they may. */
void ways_check_direct(struct pdr_client *client);
/** There is a map, and home's node may be another. */
void ways_bind(struct pdr_client *client);

/* detour.c */

/** NULL: calls of the actor go as ways_choose says. */
static inline struct detour *detour_find(const struct pdr_client *client, uint64_t actor)
{
    struct hash_node *node = hash_count(&client->detours) == 0 ? NULL : hash_first(&client->detours, actor);
    return node == NULL ? NULL : LIST_ITEM(node, struct detour, node);
}
/** Ways may have changed: calls under way keep their actors to theirs, even if that is the same as before. */
void detours_keep(struct pdr_client *client);
/** A link is lost: what it has sent ends before long, and new calls do not wait for that. */
void detours_leave(struct pdr_client *client, const struct link *from, struct link *to);
/** A call was made to an actor that is on a detour: where its frame is to be written. NULL: the client was closed by a
 * callback meanwhile. */
pdr_writer *detour_join(struct detour *detour, struct slot *slot, struct pdr_bytes address);
/** It has ended. */
void detour_ended(struct pdr_client *client, struct slot *slot);
/** It was not sent, and waits for another link now. */
void detour_moved(struct pdr_client *client, struct slot *slot, struct link *to);

/* map_ask.c: the map, asked for and taken. */

void map_ask_init(struct pdr_client *client);
/** Asks every few seconds from now on, if calls are made. */
void map_ask_start(struct pdr_client *client);
/** By that link, which is usable; `anew`: whatever it has, not only what is newer. */
void map_ask(struct link *link, bool anew);
void map_ask_answered(struct link *link, const struct frame *frame);

#endif
