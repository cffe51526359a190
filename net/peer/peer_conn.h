/* net/peer/peer_conn.h: one connection between nodes: bytes to frames, handshake, seals.
 *
 *     CONNECTING --opened--> SHAKING --proved and admitted--> UP
 *         |                     |                              |
 *         +---------------------+--- refused, cut, broken -----+--> ENDING --closed--> (freed)
 *
 * One that was adopted begins SHAKING. ENDING, it belongs to no link any more. */
#ifndef NET_PEER_PEER_CONN_H
#define NET_PEER_PEER_CONN_H

#include "net/peer/peers.h"

struct peer_link;

enum peer_conn_state { PEER_CONN_CONNECTING, PEER_CONN_SHAKING, PEER_CONN_UP, PEER_CONN_ENDING };

struct peer_conn {
    struct list node, dirty_node;
    struct peers_net *peers;
    struct peer_link *link; /* that dialed it, or that it is the life of; NULL: it came in, or is ending */
    struct stream *stream;
    enum peer_conn_state state;
    bool is_stranger; /* it came in, and has proved nothing */
    bool held;        /* its owner wants nothing of it for now ... */
    bool paused;      /* ... so it is not read; what was read already lies in `in` */
    struct handshake shake;
    struct seal *sends, *receives; /* UP */
    struct timer patience;         /* until it is UP */
    uint64_t received_ns;          /* when bytes came last */
    uint64_t written;              /* bytes ever */
    pdr_writer in;                 /* the beginning of a frame whose end has not come */
    bool batch_known;              /* the batch that it begins with bears its tag, ... */
    size_t batch_taken;            /* ... and so many bytes of it were taken before it was held */
    pdr_writer out;                /* this tick's frames */
    size_t batch;                  /* where in it a batch begins that has no end yet; or none does */
};

/** Begins to connect. NULL with *why if that cannot even begin. */
struct peer_conn *peer_conn_dial(struct peer_link *link, const char **why);
/** Somebody has connected. */
void peer_conn_adopt(struct peers_net *peers, intptr_t pending, struct pdr_bytes first);
/** UP: appends a frame to what this tick writes. */
void peer_conn_send(struct peer_conn *conn, unsigned kind, struct pdr_bytes payload);
/** Bytes that the other side has not taken. */
uint64_t peer_conn_unsent(const struct peer_conn *conn);
void peer_conn_hold(struct peer_conn *conn, bool held);
void peer_conn_flush(struct peer_conn *conn);
/** Tells the other side why, then closes; its link, if any, is not told. */
void peer_conn_refuse(struct peer_conn *conn, enum peer_refusal refusal, const char *sentence);
/** Closes without a word. */
void peer_conn_cut(struct peer_conn *conn);
/** Of a world that has ended: nothing is called any more. */
void peer_conn_free(struct peer_conn *conn);

#endif
