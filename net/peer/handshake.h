/* net/peer/handshake.h: how two nodes come to know each other; pure, but for the nonces it is given.
 *
 *     dialer   --- HELLO: who I am, whom I want, nonce -->   acceptor
 *              <-- HELLO: who I am, nonce --------------
 *              --- PROOF: HMAC("dialer", both hellos) -->    checks it, and whether it admits this node
 *     checks   <-- PROOF: HMAC("acceptor", both hellos) -    and from here on both seal every frame
 *
 * Each proof is over the bytes of both hellos, so over both nonces, both names, both roles and what was offered: none
 * can be used again, sent back, carried to another node, or talked down to an older version. The dialer goes first: a
 * stranger who knocks gets no proof to guess the secret by. Keys are HMACs over the same bytes, one a direction. */
#ifndef NET_PEER_HANDSHAKE_H
#define NET_PEER_HANDSHAKE_H

#include "core/base/limits.h"
#include "net/peer/secret.h"
#include "net/wire/peer_frame.h"
#include "net/wire/peer_hello.h"

#define HANDSHAKE_VERSION 1u
#define HANDSHAKE_ADDRESS_SIZE (LIMIT_ADDRESS_BYTES_MAX + 1u)
#define HANDSHAKE_WHY_SIZE 320u

/** Who we are. Borrowed by every handshake. */
struct handshake_self {
    const struct secret *secret;
    const char *cluster; /* 1 to 64 bytes */
    const char *address; /* where we listen */
    uint64_t node;       /* not 0 */
    uint64_t incarnation;
    uint32_t core, cores;
};

/** Who the other one is; believed once handshake_take says DONE. */
struct handshake_peer {
    uint64_t node, incarnation, features;
    uint32_t version; /* the highest both speak */
    uint32_t core, cores;
    char address[HANDSHAKE_ADDRESS_SIZE];
};

enum handshake_state { HANDSHAKE_WANTS_HELLO, HANDSHAKE_WANTS_PROOF, HANDSHAKE_PROVED };

struct handshake {
    const struct handshake_self *self;
    enum handshake_state state;
    bool dials, knocks;
    uint64_t wanted; /* the node that was dialed */
    uint32_t core;   /* dials: the link's number */
    uint8_t nonce[PEER_NONCE_SIZE];
    struct handshake_peer peer;
    pdr_writer hellos; /* the dialer's frame, then the acceptor's */
    enum peer_refusal refusal;
    char why[HANDSHAKE_WHY_SIZE]; /* a sentence, for the log and for the peer */
};

enum handshake_step {
    HANDSHAKE_MORE,    /* what is in `out` goes to the peer, whose next frame is awaited */
    HANDSHAKE_DONE,    /* it knows the secret; an acceptor now admits it by handshake_finish, or refuses it */
    HANDSHAKE_REFUSED, /* refusal, why */
};

/** Connected to `node`: writes hello. `knocks`: it does not know us yet, and we may have the lower
 * id. `self` is borrowed until handshake_release. */
void handshake_dial(struct handshake *h, const struct handshake_self *self, uint64_t node, uint32_t core, bool knocks,
                    const uint8_t nonce[PEER_NONCE_SIZE], pdr_writer *out);
/** Somebody has connected. */
void handshake_answer(struct handshake *h, const struct handshake_self *self, const uint8_t nonce[PEER_NONCE_SIZE]);
enum handshake_step handshake_take(struct handshake *h, const struct peer_frame *frame, pdr_writer *out);
/** The acceptor's proof: it is admitted. */
void handshake_finish(const struct handshake *h, pdr_writer *out);
/** Once proved: the keys of both directions. Whoever asks frees them. */
void handshake_seals(const struct handshake *h, struct seal **sends, struct seal **receives);
void handshake_release(struct handshake *h);

#endif
