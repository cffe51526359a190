/* net/peer/peers.h: fills core/env/peer.h: the links of one core to the other nodes, over net/transport.
 *
 * One TCP connection carries a link. Of a pair of nodes the one with the higher id connects, and goes on trying; the
 * other one waits. So there are never two connections that mean the same link, but for a moment when one side has not
 * noticed yet that the old one is dead: the newest that has proved itself counts.
 *
 * Link k of a pair runs between core k modulo the one's cores and core k modulo the other's; there are as many as the
 * larger node has cores. So each core has a link of its own number to every node, and sends on that; nodes with equal
 * numbers of cores meet core by core. Control threads (PEER_CORE_CONTROL) have one link between them.
 *
 * peer_conn is a connection and its handshake, peer_link what outlives it: whom to reach, when to try, the life. */
#ifndef NET_PEER_PEERS_H
#define NET_PEER_PEERS_H

#include "core/base/metrics.h"
#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/base/rng.h"
#include "core/base/timerwheel.h"
#include "core/env/clock.h"
#include "core/env/loop.h"
#include "core/env/peer.h"
#include "net/peer/handshake.h"
#include "net/transport/transport.h"

/** What the links stand on. All borrowed, and alive as long as they. */
struct peers_world {
    struct loop *loop;
    struct timerwheel *wheel; /* advanced by whoever owns the loop */
    struct rng *rng;          /* back-off */
    struct transport *transport;
    /** Nonces: secret_entropy, or the simulator's. */
    void (*entropy)(void *user, void *out, size_t size);
    void *entropy_user;
    /** A connection for another core of this node, below `cores` or PEER_CORE_CONTROL: to be given to peers_adopt
     * there, with `first`, which is borrowed. NULL: such are refused. */
    void (*elsewhere)(void *user, uint32_t core, intptr_t pending, struct pdr_bytes first);
    void *elsewhere_user;
    /** Somebody who is no member has proved the secret: a node that wants to join, or became one just now. True: it
     * is let in, and is to be among the members told next, or its links end then. NULL: none is. */
    bool (*guest)(void *user, const struct handshake_peer *who);
    void *guest_user;
};

/** Zero: the default, given here. */
struct peers_limits {
    uint64_t queue_max;      /* bytes of a link that the other node has not taken (8 MiB) */
    uint64_t handshake_ms;   /* from connecting to the proof (2,000) */
    uint64_t backoff_ms_min; /* before the second attempt to connect (50); doubles, and is drawn from its upper half */
    uint64_t backoff_ms_max; /* (1,000) */
    uint64_t alive_ms;       /* a link that has nothing to say says so (500) */
    uint64_t silence_ms;     /* a link from which nothing comes is dead (3,000) */
    uint64_t unread_ms;      /* so is one that takes nothing of what waits for it (5,000) */
};

/** A node as the directory has it. */
struct peer_member {
    uint64_t node;
    uint64_t incarnation; /* an earlier start of it is refused */
    const char *address;  /* HOST:PORT */
    bool removed;         /* it is refused with that sentence, and not connected to */
    bool knocks;          /* it may not know us yet: connect to it whatever its id is */
};

/* clang-format off */
/*    field          metric                     what is counted, for docs/reference/metrics.md */
#define PEER_COUNTERS(X)                                                                                               \
    X(dialed,        "peer_dialed",             "attempts to connect to another node")                                 \
    X(adopted,       "peer_adopted",            "connections of other nodes, or of who says so")                       \
    X(up,            "peer_lives",              "links that came up: both sides proved the secret")                    \
    X(gone,          "peer_lost",               "links that were up and have ended")                                   \
    X(refused,       "peer_refused",            "connections that this node refused, or ended for what was said")      \
    X(refused_by,    "peer_refused_by",         "connections that the other node refused")                             \
    X(silent,        "peer_silent",             "links ended since nothing came, or was taken, for too long")          \
    X(sent,          "peer_frames_sent",        "frames taken to be sent to other nodes")                              \
    X(received,      "peer_frames_received",    "frames of other nodes handed to their owners")                        \
    X(overloaded,    "peer_frames_overloaded",  "frames not taken since the link's queue was full")                    \
    X(bytes_sent,    "peer_bytes_sent",         "bytes written to other nodes")                                        \
    X(bytes_received,"peer_bytes_received",     "bytes read from other nodes, proved or not")
/* clang-format on */

struct peers_stats {
    PEER_COUNTERS(METRICS_FIELD)
};

struct peers_owner {
    const struct peer_handler *handler; /* NULL: nobody */
    void *user;
};

/** The links of one core. */
struct peers_net {
    struct peers peers; /* the seam */
    struct peers_world world;
    struct peers_limits limits;
    struct handshake_self self;
    struct peers_stats stats;
    struct peers_owner owners[PEER_KIND_COUNT];
    struct hash by_node; /* of struct peer_node */
    struct list nodes;   /* the same, in the order they became members */
    struct list conns;   /* every connection that has a stream */
    struct list dirty;   /* those with something to write at the end of the tick */
    uint32_t strangers;  /* those that came in and have proved nothing, closing ones included */
    uint64_t lives;      /* the last one's number */
    unsigned calling;    /* handlers that are running */
    bool closing;
    void (*closed)(void *user);
    void *closed_user;
};

/** Without members yet. `self` is copied, what it points to borrowed. */
struct peers_net *peers_new(const struct peers_world *world, const struct peers_limits *limits,
                            const struct handshake_self *self);
/** All other nodes, replacing what was told before; copied. Links to nodes that are not there any more end; a node that
 * is there with a later incarnation has to prove itself again. Not from inside of a handler. */
void peers_members(struct peers_net *peers, const struct peer_member *members, size_t count);
/** A connection that began with PEER_MAGIC, and what was read of it: from conn.c's door, or `elsewhere`. */
void peers_adopt(struct peers_net *peers, intptr_t pending, struct pdr_bytes first);
/** End of a tick: what was sent is written. `user` is the struct peers_net. */
void peers_flush(void *user);
/** Ends all links, and tells their owners; `closed` fires once no connection is left. */
void peers_close(struct peers_net *peers, void (*closed)(void *user), void *user);
/** After `closed`; or of a world that has ended, whose streams call nobody any more. */
void peers_free(struct peers_net *peers);

#endif
