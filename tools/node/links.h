/* tools/node/links.h: the links of a node's cores, and of its control core, to those of other nodes (net/peer).
 *
 * Each core has links of its own, on its own loop and transport: nothing of them is shared, and nothing is locked. A
 * connection of another node comes to whichever core the listener chose; it says which core it wants, and goes there as
 * a message. A node without links is alone, and pays nothing for what is here.
 *
 *     node_open -> node_links_open -> peer_listen of all owners -> loops run -> node_links_members, again and again
 *     node_stop: node_links_close, when the connections of clients are closed -> node_free: node_links_free */
#ifndef TOOLS_NODE_LINKS_H
#define TOOLS_NODE_LINKS_H

#include "net/peer/peers.h"
#include "net/peer/secret.h"

struct carrier;
struct node;
struct core;
struct replicas_question;
struct replog_proposal;

/** Who this node is to others. Pointers are borrowed until node_free. */
struct node_links_options {
    const struct secret *secret;
    const char *cluster;  /* its id */
    const char *address;  /* where others reach us, HOST:PORT; NULL: where it listens */
    uint64_t node;        /* not 0 */
    uint64_t incarnation; /* one more with each start */
    /** On the control core's loop; freed by its owner, after node_free. NULL: the control core has no links. */
    struct transport *control_transport;
    struct peers_limits limits;
    /** What shards with several copies ask of the directory (core/shard/replicas.h); user is the node. NULL: nobody
     * carries that out, so that each shard has one copy. */
    void (*propose)(void *node, struct core *core, const struct replog_proposal *proposal);
    void (*ask)(void *node, struct core *core, const struct replicas_question *question);
    uint32_t part_bytes; /* struct replicas_options */
    /** As in struct peers_world; on the control core. */
    bool (*guest)(void *user, const struct handshake_peer *who);
    void *guest_user;
    /** Nonces. Any core's thread. NULL: the operating system's (secret_entropy). */
    void (*entropy)(void *user, void *out, size_t size);
    void *entropy_user;
};

/** Once, after node_open and before the loops run. Sets `world.peers` of each core. */
void node_links_open(struct node *node, const struct node_links_options *options);
/** Of the core of that index, or of the control core (PEER_CORE_CONTROL); NULL: it has none. For peer_listen, before
 * the first members are told; afterwards it is that core's alone. */
struct peers *node_links_of(struct node *node, uint32_t core);
/** Of the core of that index; NULL: the node is alone. */
struct carrier *node_links_carrier(const struct node *node, uint32_t core);
/** On the control core's thread: all members of the cluster, copied. The first `all` are for all cores, the others for
 * the control core alone. The node itself may be one. */
void node_links_members(struct node *node, const struct peer_member *members, size_t count, size_t all);

/** What the links of a core (or PEER_CORE_CONTROL) have counted, on its thread; zeros: it has none. */
struct peers_stats node_links_stats(const struct node *node, uint32_t core);
/** At the end of each tick of the control core. */
void node_links_flush_control(struct node *node);

/** Within node_stop, on the control core's thread: ends all links; calls node_stop_step when all have ended. */
void node_links_close(struct node *node);
/** Within node_free, once no core runs any more. */
void node_links_free(struct node *node);

#endif
