/* tests/conformance/transport_suite.h: what every filling of net/transport/transport.h must do.
 *
 * A case knows nothing of what is below the seam but a `transport_world`. transport_uv.c is given one by
 * test_transport.c; the simulator's network passes the same cases in a world of its own. */
#ifndef TESTS_CONFORMANCE_TRANSPORT_SUITE_H
#define TESTS_CONFORMANCE_TRANSPORT_SUITE_H

#include "net/transport/transport.h"

struct transport_world {
    struct transport *server, *server_other; /* two loops of one node: what one accepts the other may adopt */
    struct transport *client;                /* a third loop */
    /** Lets all loops run until done(user) is true, which it asks between their turns. False: limit_ms were over. */
    bool (*run)(struct transport_world *world, bool (*done)(void *user), void *user, uint64_t limit_ms);
    /** Where `server` listens (port 0: any), and where `client` finds that port. */
    const char *listen_address;
    void (*connect_address)(struct transport_world *world, uint16_t port, char *text, unsigned long size);
    /** Breaks a connection of `client` as a dying process does: the peer sees a reset. The stream's `closed` need not
     * fire on this side. NULL: this world cannot. */
    void (*reset)(struct transport_world *world, struct stream *stream);
};

/*    case                what it is about */
#define TRANSPORT_SUITE(X)                                                                                             \
    X(echo)            /* bytes there and back, in order, in whatever pieces */                                        \
    X(half_sent)       /* what was sent of a frame arrives although the rest never comes */                            \
    X(both_ways)       /* megabytes in both directions at once */                                                      \
    X(slow_reader)     /* unsent grows while the peer does not read, falls to 0, and drained says so once */           \
    X(pause)           /* nothing is received while paused, all of it after resume */                                  \
    X(pause_inside)    /* pausing from inside received holds back the next piece */                                    \
    X(close_fires)     /* closed is the last callback, later than close, with an empty why */                          \
    X(peer_closes)     /* the other side hears of it, after all bytes */                                               \
    X(close_inside)    /* closing from inside received */                                                              \
    X(linger_delivers) /* close with linger delivers everything, to a slow reader, though it has more to say */        \
    X(linger_ends)     /* ... but waits no longer than it was told */                                                  \
    X(reset)           /* a reset gives closed with a sentence; writing afterwards does nothing */                     \
    X(refused)         /* nobody listens: closed with a sentence, never opened */                                      \
    X(malformed)       /* addresses that are none are refused with a sentence, at once */                              \
    X(close_early)     /* closing before it is opened */                                                               \
    X(adopt_elsewhere) /* accepted by one loop, adopted by another */                                                  \
    X(detach)          /* a stream is taken back, and goes on under another loop with what it had not read */          \
    X(detach_inside)   /* from inside received, to be adopted there and then */                                        \
    X(discarded)       /* what nobody adopts is closed */                                                              \
    X(unlisten)        /* nobody is accepted any more; who is connected stays so */                                    \
    X(two_listeners)   /* one address cannot be listened to twice */                                                   \
    X(many)            /* a few hundred connections at once */                                                         \
    X(peer_name)       /* is HOST:PORT */

#define TRANSPORT_SUITE_DECLARE(name) void transport_suite_##name(struct transport_world *world);
TRANSPORT_SUITE(TRANSPORT_SUITE_DECLARE)
#undef TRANSPORT_SUITE_DECLARE

#endif
