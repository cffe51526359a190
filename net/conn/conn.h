/* net/conn/conn.h: stage 1 of 7. The connections of one core: bytes in, frames out; reading pauses while later stages
 * are full. */
#ifndef NET_CONN_CONN_H
#define NET_CONN_CONN_H

#include <perdure/value.h>

#include "core/base/metrics.h"
#include "core/base/list.h"
#include "core/session_id.h"
#include "core/base/timerwheel.h"
#include "net/transport/transport.h"
#include "net/wire/frame.h"

struct core;
struct router;

struct conn_limits {
    uint32_t connections_max; /* of this core */
    uint32_t outstanding_max; /* unanswered calls of one connection: then it is not read */
    uint32_t unsent_max;      /* bytes the peer does not read: then it is not read either */
    uint64_t unread_max;      /* bytes that peers do not read, of all connections of this core */
    uint64_t unread_ms;       /* how long one may take none of them */
};

/** What hello tells about this node. Borrowed. */
struct conn_identity {
    const char *node, *cluster, *version;
};

/* clang-format off */
/*    field          metric                     what is counted, for docs/reference/metrics.md */
#define CONN_COUNTERS(X)                                                                                               \
    X(opened,        "connections_opened",      "connections that clients made")                                       \
    X(closed,        "connections_closed",      "connections that have ended, whoever ended them")                     \
    X(cut,           "connections_cut",         "connections ended since their peers did not read (--unread)")         \
    X(garbage,       "garbage",                 "connections closed for bytes that are no msgpack-RPC")                \
    X(peers,         "connections_of_peers",    "connections that other nodes made, handed on")                        \
    X(requests,      "requests",                "frames that ask for an answer")                                       \
    X(notifications, "notifications",           "frames that ask for none")                                            \
    X(refused,       "requests_refused",        "frames, and connections over their limit, that never became a call")
/* clang-format on */

struct conn_stats {
    CONN_COUNTERS(METRICS_FIELD)
};

/** Takes connections that other nodes made: net/peer. */
struct conn_peer_door {
    /** `pending` is for any transport of the node to adopt; `first` is borrowed, and what was read of it. */
    void (*enter)(void *user, intptr_t pending, struct pdr_bytes first);
    void *user;
};

/** All connections of one core. */
struct conns {
    struct core *core;
    struct router *router;
    struct transport *transport;
    struct conn_limits limits;
    const struct conn_identity *identity;
    struct conn_stats stats;
    struct list all;
    struct list dirty;        /* something to write at the end of the tick */
    uint64_t next_id;         /* of a connection that asks for a session */
    uint32_t count;           /* of structs: one whose stream is gone stays until its calls have ended */
    uint32_t streams;         /* of those that have one */
    struct timer watch_timer; /* watches that could not join */
    uint64_t held;            /* bytes of all that their peers have not taken */
    struct timer touch;       /* in a cluster: tells the homes of sessions that they are held */
    struct timer slow;        /* looks for peers that take nothing; set while any leaves something lying */
    bool closing;
    void (*closed)(void *user);
    void *closed_user;
    struct conn_peer_door peers; /* set after conns_init; without it a peer's first byte is garbage as any */
};

enum conn_state {
    CONN_OPEN,
    CONN_ENDING, /* told why; written out, then closed; nothing is read any more */
    CONN_GONE,   /* the stream is gone; waits for its calls to end */
};

/** What a connection has of a session (session.c). */
enum conn_session { CONN_SESSION_NONE, CONN_SESSION_ASKED, CONN_SESSION_HELD, CONN_SESSION_REFUSED };

struct conn {
    struct list node, dirty_node;
    struct conns *conns;
    struct stream *stream;
    enum conn_state state;
    bool paused;
    bool begun;      /* its first byte has come, and is no peer's */
    bool is_surplus; /* there were as many as there may be: a client is told so, a peer is not asked */
    uint32_t outstanding;
    struct list watches; /* watches.c */
    uint32_t watch_count;
    uint64_t deadline_ms; /* of calls that give none */
    uint64_t held;        /* bytes that the peer has not taken, as of the last look */
    uint64_t written;     /* bytes ever */
    uint64_t taken;       /* of them, when the peer last took any that had to wait, ... */
    uint64_t taken_ns;    /* ... and when that was seen */
    enum conn_session has_session;
    struct session_id session; /* while HELD */
    uint64_t held_life;        /* in which its home, on this node, counts us; 0: it has to be told again and again */
    bool touching;
    uint64_t touched_ns; /* when the home was last known to know that we have it */
    uint64_t id;         /* by which its home knows us */
    uint64_t ack_below;  /* the client has all answers below */
    struct frame_scan scan;
    pdr_writer in;  /* the beginning of a frame whose end has not come */
    pdr_writer out; /* this tick's frames */
};

void conns_init(struct conns *conns, struct core *core, struct router *router, struct transport *transport,
                const struct conn_limits *limits, const struct conn_identity *identity);
/** A new connection, by listener. */
void conns_adopt(struct conns *conns, intptr_t pending);
/** End of a tick: what was answered is written. `user` is the struct conns. */
void conns_flush(void *user);
/** Writes what is to be written, then closes all; `closed` fires once no stream is left. Calls may still be running. */
void conns_close(struct conns *conns, void (*closed)(void *user), void *user);
/** A world that has ended: frees everything. */
void conns_free(struct conns *conns);

/** Where to write frames; NULL if the connection is gone. */
pdr_writer *conn_begin_write(struct conn *conn);
/** Would an answer of this size be more than a peer may leave unread, alone or with all others of the core? NULL for
 * no, and for small ones, whose number is bounded; else the limit's name. */
const char *conn_flooded(const struct conn *conn, size_t size);
/** One call fewer; may free the connection. */
void conn_call_ended(struct conn *conn);

/** Frees a connection whose stream is gone, once nothing of it is under way. */
void conn_let_go(struct conn *conn);
/* session.c */

struct rpc_hello;

/** hello with a session: reading goes on when its home has answered; then hello is answered too. */
void conn_ask_session(struct conn *conn, const struct frame *frame, const struct rpc_hello *hello);
/** The home of a session has given it to a newer connection. `user` is the struct conns. */
void conn_session_taken(void *user, const struct session_id *id, uint64_t holder);
void conn_touch_sessions(struct timer *timer);
/** The connection's struct is about to go: none of its calls can run any more. */
void conn_leave_session(struct conn *conn);

/* requests.c */

/** Answers hello; `session` is empty without one. */
void conn_greet(struct conn *conn, uint64_t msgid, struct pdr_bytes session);
/** Answers that need no call; nothing for a notification. */
void conn_refuse(struct conn *conn, const struct frame *frame, enum pdr_status status, const char *why);

/** Stage 2 to 3: what the peer asks. False: the connection is ending, read no further frame. */
bool conn_frame(struct conn *conn, const struct frame *frame);
/** Tells the peer why, by the notification `_sys/conn.closed [{"code", "message"}]`, then closes. */
void conn_end(struct conn *conn, enum pdr_status status, const char *why);

#endif
