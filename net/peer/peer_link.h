/* net/peer/peer_link.h: what stays between this core and another node while connections come and go.
 *
 *     waiting to try again --timer--> dialing --up--> up --gone--> waiting ...   (the higher id)
 *     waiting for the other ---------- up --------------> up --gone--> waiting ...   (the lower id)          */
#ifndef NET_PEER_PEER_LINK_H
#define NET_PEER_PEER_LINK_H

#include "net/peer/peer_conn.h"

/** A member. */
struct peer_node {
    struct hash_node by_node;
    struct list node;
    struct peers_net *peers;
    uint64_t id;
    uint64_t incarnation; /* the highest that the directory told, or that proved itself */
    bool removed, knocks; /* as in struct peer_member */
    bool is_listed;       /* while members are replaced */
    char address[HANDSHAKE_ADDRESS_SIZE];
    struct list links;
};

struct peer_link {
    struct list node;
    struct peer_node *peer;
    uint32_t core;          /* its number, of the pair's links */
    struct peer_conn *conn; /* dialing, or up; NULL: none */
    uint64_t life;          /* 0: it is not up */
    uint64_t incarnation;   /* the other node's, in this life */
    uint64_t up_ns;         /* when this life began */
    uint64_t backoff_ms;
    struct timer timer; /* not up: when to dial; up: when to look whether both sides are alive */
    uint64_t looked_ns; /* when we last did */
    uint64_t sent;      /* conn->written when we last looked: so as to say something if it stays that */
    uint64_t taken;     /* bytes that the other side had taken when we last looked, ... */
    uint64_t taken_ns;  /* ... and when that last changed */
    uint32_t wants;     /* kinds, a bit each, that were refused for want of room */
};

struct peer_node *peer_node_find(const struct peers_net *peers, uint64_t node);
struct peer_node *peer_node_new(struct peers_net *peers, uint64_t node);
/** NULL: there is none of that number. */
struct peer_link *peer_link_find(const struct peer_node *peer, uint32_t core);
/** Dials by and by, if that is our part. */
struct peer_link *peer_link_new(struct peer_node *peer, uint32_t core);
/** Dials by and by, if that has become our part. */
void peer_link_try(struct peer_link *link);
/** Its life ends; no handler is told of anything later. */
void peer_link_free(struct peer_link *link, enum peer_refusal refusal, const char *why);

enum pdr_status peer_link_send(struct peer_link *link, enum peer_kind kind, struct pdr_bytes frame);
/** Ends the life there is, if any: the other side is told `refusal`, the owners `why`. The link tries again. */
void peer_link_end(struct peer_link *link, enum peer_refusal refusal, const char *why);

/* What a connection tells. */

/** The other side has proved itself: whose life may it be? NULL: it is refused, for what `shake` then says. */
struct peer_link *peer_link_admit(struct peers_net *peers, struct handshake *shake);
/** From now on `conn` is the link's life; an older one ends. */
void peer_link_up(struct peer_link *link, struct peer_conn *conn);
/** May be the end of the connection. */
void peer_link_received(struct peer_link *link, unsigned kind, struct pdr_bytes payload);
/** Something was taken by the other side, or by its system: who was refused may hear that there is room. */
void peer_link_drained(struct peer_link *link);
/** A tick's frames were written. If that made room it is told soon: not now, or who fills it would hold the tick. */
void peer_link_flushed(struct peer_link *link);
/** The connection is lost, or was refused. */
void peer_link_lost(struct peer_link *link, const char *why);

#endif
