/* core/env/peer.h: the other nodes, as a seam. Production: net/peer. Simulator: the same, over sim_net.c.
 *
 * Between this core and each other node there is a link. A link has *lives*: one begins when the other node has proved
 * that it belongs to the cluster (`up`), and ends when the connection does (`gone`). Within a life a frame is delivered
 * at most once and in the order sent; what a life has not delivered when it ends is lost, on both sides, and never
 * comes with a later one. A life is named by a number that this core gives to no other.
 *
 * Two ways to use it:
 *
 * - Who can do with loss (Raft) sends under life 0, "whichever there is", and sends again when it sees fit.
 * - Who must know (a forwarded call) keeps the life that it sent under, and at `gone` settles what has had no answer.
 *   An answer goes under the life that its question came with: if that is over, so is the wait for it.
 *
 * Everything is called, and calls back, on the core's own loop. What is sent in a tick leaves at its end, in one write.
 * No function calls back from inside itself. Of two links' frames nothing is promised about their order. */
#ifndef CORE_ENV_PEER_H
#define CORE_ENV_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/status.h>

struct peers;

/* clang-format off */
/*    name         share   what it carries. `share`: percent of a link's queue that such frames may fill, so that calls
 *                         never keep out what decides about leases. Numbers are those of the wire: add at the end. */
#define PEER_KIND_TABLE(X)                                                                                             \
    X(RAFT,        100)    /* the directory's consensus: small, and lost without harm */                               \
    X(DIRECTORY,   100)    /* leases, rows of the map */                                                               \
    X(CALL,         50)    /* calls forwarded, and their answers */                                                    \
    X(REPLICA,      75)    /* groups of the log, and snapshots */                                                      \
    X(CARRY,        50)    /* rows of a shard that moves, all at once */
/* clang-format on */

enum peer_kind {
#define PEER_KIND_ENUM(name, share) PEER_##name,
    PEER_KIND_TABLE(PEER_KIND_ENUM)
#undef PEER_KIND_ENUM
        PEER_KIND_COUNT
};

/** The control thread's number among a node's cores: a link of it leads to the other node's control thread. */
#define PEER_CORE_CONTROL 0xffffu

/** What a kind's owner is told; any may be NULL. They may send and hold, but not change the members. */
struct peer_handler {
    void (*up)(void *user, uint64_t node, uint64_t life);
    void (*received)(void *user, uint64_t node, uint64_t life, struct pdr_bytes frame); /* borrowed until it returns */
    /* A send of this kind was refused as overloaded; now there is room again. Once for each such time. */
    void (*room)(void *user, uint64_t node, uint64_t life);
    void (*gone)(void *user, uint64_t node, uint64_t life,
                 const char *why); /* the last of that life; a sentence's end */
};

struct peers_ops {
    void (*listen)(struct peers *peers, enum peer_kind kind, const struct peer_handler *handler, void *user);
    uint64_t (*life)(const struct peers *peers, uint64_t node);
    enum pdr_status (*send)(struct peers *peers, uint64_t node, uint64_t life, enum peer_kind kind,
                            struct pdr_bytes frame);
    void (*hold)(struct peers *peers, uint64_t node, uint64_t life, bool held);
};

/** Implementations embed it first. */
struct peers {
    const struct peers_ops *ops;
};

/** Before there are members. `handler` is borrowed; one a kind. */
static inline void peer_listen(struct peers *peers, enum peer_kind kind, const struct peer_handler *handler, void *user)
{
    peers->ops->listen(peers, kind, handler, user);
}

/** The life that a frame sent now would belong to; 0: the node cannot be reached. */
static inline uint64_t peer_life(const struct peers *peers, uint64_t node)
{
    return peers->ops->life(peers, node);
}

/**
 * Sends a frame, copied, of at most PEER_FRAME_BYTES_MAX bytes (else PDR_TOO_LARGE).
 *
 * `life` 0: the present one. PDR_UNAVAILABLE: there is none, or that one is over; the frame is not sent, then or later.
 * PDR_OVERLOADED: too much waits already that the other node has not taken; `room` says when to go on. PDR_OK promises
 * no delivery: that it is lost, `gone` tells.
 */
static inline enum pdr_status peer_send(struct peers *peers, uint64_t node, uint64_t life, enum peer_kind kind,
                                        struct pdr_bytes frame)
{
    return peers->ops->send(peers, node, life, kind, frame);
}

/** Back-pressure: while it is held nothing of that life is received, of any kind, and soon the other node's queue is
 * full. It cuts a link that is held for as long as it lets nobody leave anything unread. */
static inline void peer_hold(struct peers *peers, uint64_t node, uint64_t life, bool held)
{
    peers->ops->hold(peers, node, life, held);
}

#endif
