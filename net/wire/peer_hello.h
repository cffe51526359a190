/* net/wire/peer_hello.h: what two nodes say before they know each other: hello, and why not.
 *
 * A hello is a MessagePack map, so that the oldest and the newest version can read each other's; keys that are not
 * known are passed over. It is believed only once its sender has proved the cluster's secret over its very bytes
 * (net/peer/handshake.h). Slices point into what was parsed. */
#ifndef NET_WIRE_PEER_HELLO_H
#define NET_WIRE_PEER_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/status.h>
#include <perdure/value.h>

#define PEER_NONCE_SIZE 32u

/** `{"versions": [min, max], "features", "cluster", "node", "incarnation", "dials", "knocks", "to", "core", "cores",
 * "address", "nonce"}` */
struct peer_hello {
    uint32_t version_min, version_max; /* of the peer protocol */
    uint64_t features;                 /* bits that the sender understands; both sides use what both have */
    struct pdr_bytes cluster;          /* 1 to 64 bytes */
    uint64_t node;                     /* never 0 */
    uint64_t incarnation;              /* which start of the node this is */
    bool dials;                        /* the sender made the connection */
    bool knocks;                       /* ... and is not known there yet, as far as it knows */
    uint64_t to;                       /* whom it wants; never 0 */
    uint32_t core;                     /* which of the pair's links this is (core/env/peer.h) */
    uint32_t cores;                    /* that the sender has: 1..LIMIT_PEER_CORES_MAX */
    struct pdr_bytes address;          /* where the sender listens; may be empty */
    const uint8_t *nonce;              /* PEER_NONCE_SIZE bytes, drawn for this hello */
};

/** PDR_INVALID: *why is a static sentence that names the field. */
enum pdr_status peer_hello_parse(struct pdr_bytes payload, struct peer_hello *out, const char **why) PDR_MUST_CHECK;
void peer_hello_encode(pdr_writer *out, const struct peer_hello *hello);

/* clang-format off */
/*    name         code              what the sender of a refusal found */
#define PEER_REFUSAL_TABLE(X)                                                                                          \
    X(GARBAGE,     "garbage",        "what it says is none of this protocol")                                          \
    X(VERSION,     "version",        "the two have no version of the protocol in common")                              \
    X(CLUSTER,     "cluster",        "it belongs to another cluster")                                                  \
    X(TWIN,        "twin",           "it has the node id of the one it talks to")                                      \
    X(ADDRESSEE,   "addressee",      "another node was expected at this address")                                      \
    X(SECRET,      "secret",         "it does not have this cluster's secret")                                         \
    X(FORGED,      "forged",         "a frame does not bear the tag of who proved the secret here")                    \
    X(UNKNOWN,     "unknown",        "it is no member, or not yet")                                                    \
    X(REMOVED,     "removed",        "it was removed from the cluster")                                                \
    X(OLD,         "old",            "a later start of the same node is known")                                        \
    X(DIRECTION,   "direction",      "of two nodes the one with the higher id connects")                               \
    X(CORE,        "core",           "there is no way to the core it wants")                                           \
    X(REPLACED,    "replaced",       "the same node has made a newer connection")                                      \
    X(SILENT,      "silent",         "nothing came from it for too long")                                              \
    X(STOPPING,    "stopping",       "the node stops, or has no use for the link any more")
/* clang-format on */

enum peer_refusal {
#define PEER_REFUSAL_ENUM(name, code, text) PEER_REFUSAL_##name,
    PEER_REFUSAL_TABLE(PEER_REFUSAL_ENUM)
#undef PEER_REFUSAL_ENUM
        PEER_REFUSAL_COUNT
};

const char *peer_refusal_code(enum peer_refusal refusal);
/** `[code, sentence]` */
void peer_refusal_encode(pdr_writer *out, enum peer_refusal refusal, const char *sentence);
/** The sentence as it may be logged: printable ASCII alone, cut to `size`, always ended; "" if there is none. Whoever
 * sends it may be anybody. */
void peer_refusal_text(struct pdr_bytes payload, char *text, size_t size);

#endif
