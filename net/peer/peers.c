/* net/peer/peers.c: the members, and the seam that core/env/peer.h declares. */
#include "net/peer/peers.h"

#include <stdio.h>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "net/peer/peer_link.h"

static struct peers_net *self(const struct peers *peers)
{
    return (struct peers_net *)peers;
}

/* Members. */

struct peer_node *peer_node_find(const struct peers_net *peers, uint64_t node)
{
    for (struct hash_node *at = hash_first(&peers->by_node, node); at != NULL; at = hash_next(at)) {
        return LIST_ITEM(at, struct peer_node, by_node); /* the id is the hash: a node's is drawn at random */
    }
    return NULL;
}

struct peer_node *peer_node_new(struct peers_net *peers, uint64_t id)
{
    struct peer_node *peer = mem_new(sizeof *peer);
    peer->peers = peers;
    peer->id = id;
    list_init(&peer->links);
    list_push_back(&peers->nodes, &peer->node);
    hash_insert(&peers->by_node, &peer->by_node, id);
    return peer;
}

static void end_links(struct peer_node *peer, enum peer_refusal refusal, const char *why)
{
    while (!list_empty(&peer->links)) {
        peer_link_free(LIST_ITEM(peer->links.next, struct peer_link, node), refusal, why);
    }
}

static void node_free(struct peer_node *peer, const char *why)
{
    end_links(peer, PEER_REFUSAL_STOPPING, why);
    list_remove(&peer->node);
    hash_remove(&peer->peers->by_node, &peer->by_node);
    mem_free(peer);
}

/* Connections to an earlier start of the node, and attempts to reach an earlier address of it. */
static void end_outdated(struct peer_node *peer, bool moved)
{
    for (struct list *node = peer->links.next; node != &peer->links; node = node->next) {
        struct peer_link *link = LIST_ITEM(node, struct peer_link, node);
        if (link->life != 0 ? link->incarnation < peer->incarnation : moved) {
            peer_link_end(link, PEER_REFUSAL_OLD, "the node has been started again, or has moved");
        }
    }
}

static void take_member(struct peers_net *peers, const struct peer_member *member)
{
    struct peer_node *peer = peer_node_find(peers, member->node);
    if (peer == NULL) {
        peer = peer_node_new(peers, member->node);
    }
    bool moved = strcmp(peer->address, member->address) != 0;
    peer->is_listed = true;
    snprintf(peer->address, sizeof peer->address, "%s", member->address);
    peer->incarnation = member->incarnation > peer->incarnation ? member->incarnation : peer->incarnation;
    peer->removed = member->removed;
    peer->knocks = member->knocks;
    if (peer->removed) {
        end_links(peer, PEER_REFUSAL_REMOVED, "the node was removed from the cluster");
        return;
    }
    end_outdated(peer, moved);
    struct peer_link *own = peer_link_find(peer, peers->self.core);
    if (own == NULL) {
        peer_link_new(peer, peers->self.core);
    } else {
        peer_link_try(own);
    }
}

void peers_members(struct peers_net *peers, const struct peer_member *members, size_t count)
{
    CHECK(peers->calling == 0);
    if (peers->closing) {
        return;
    }
    for (struct list *node = peers->nodes.next; node != &peers->nodes; node = node->next) {
        LIST_ITEM(node, struct peer_node, node)->is_listed = false;
    }
    for (size_t i = 0; i < count; i++) {
        if (members[i].node != peers->self.node) {
            take_member(peers, &members[i]);
        }
    }
    struct list *next;
    for (struct list *node = peers->nodes.next; node != &peers->nodes; node = next) {
        struct peer_node *peer = LIST_ITEM(node, struct peer_node, node);
        next = node->next;
        if (!peer->is_listed) {
            node_free(peer, "the node is no member of the cluster, not yet or not any more");
        }
    }
}

/* The seam. */

static void set_owner(struct peers *peers, enum peer_kind kind, const struct peer_handler *handler, void *user)
{
    CHECK(list_empty(&self(peers)->nodes));
    self(peers)->owners[kind] = (struct peers_owner){handler, user};
}

/* The link that carries that life; of life 0, our own if it is up. */
static struct peer_link *find(const struct peers_net *peers, uint64_t node, uint64_t life)
{
    const struct peer_node *peer = peer_node_find(peers, node);
    struct peer_link *own = peer != NULL ? peer_link_find(peer, peers->self.core) : NULL;
    if (peer == NULL || life == 0 || (own != NULL && own->life == life)) {
        return own != NULL && own->life != 0 ? own : NULL;
    }
    for (struct list *at = peer->links.next; at != &peer->links; at = at->next) {
        struct peer_link *link = LIST_ITEM(at, struct peer_link, node);
        if (link->life == life) {
            return link;
        }
    }
    return NULL;
}

static uint64_t life_of(const struct peers *peers, uint64_t node)
{
    const struct peer_link *link = find(self(peers), node, 0);
    return link != NULL ? link->life : 0;
}

static enum pdr_status send_frame(struct peers *peers, uint64_t node, uint64_t life, enum peer_kind kind,
                                  struct pdr_bytes frame)
{
    CHECK(kind < PEER_KIND_COUNT && self(peers)->owners[kind].handler != NULL);
    if (frame.size > LIMIT_PEER_FRAME_BYTES_MAX) {
        return PDR_TOO_LARGE;
    }
    struct peer_link *link = find(self(peers), node, MUTATION(123) ? 0 : life);
    return link != NULL ? peer_link_send(link, kind, frame) : PDR_UNAVAILABLE;
}

static void hold(struct peers *peers, uint64_t node, uint64_t life, bool held)
{
    struct peer_link *link = find(self(peers), node, life);
    if (link != NULL) {
        peer_conn_hold(link->conn, held);
    }
}

static const struct peers_ops ops = {set_owner, life_of, send_frame, hold};

/* Beginning and end. */

static uint64_t or_default(uint64_t value, uint64_t by_default)
{
    return value != 0 ? value : by_default;
}

struct peers_net *peers_new(const struct peers_world *world, const struct peers_limits *limits,
                            const struct handshake_self *identity)
{
    struct peers_net *peers = mem_new(sizeof *peers);
    size_t cluster_size = strlen(identity->cluster);
    CHECK(identity->node != 0 && identity->cores > 0 && identity->cores <= LIMIT_PEER_CORES_MAX);
    CHECK(identity->core < identity->cores || identity->core == PEER_CORE_CONTROL);
    CHECK(cluster_size > 0 && cluster_size <= 64 && strlen(identity->address) < HANDSHAKE_ADDRESS_SIZE);
    peers->peers.ops = &ops;
    peers->world = *world;
    peers->self = *identity;
    peers->limits = (struct peers_limits){.queue_max = or_default(limits->queue_max, 8u << 20),
                                          .handshake_ms = or_default(limits->handshake_ms, 2000),
                                          .backoff_ms_min = or_default(limits->backoff_ms_min, 50),
                                          .backoff_ms_max = or_default(limits->backoff_ms_max, 1000),
                                          .alive_ms = or_default(limits->alive_ms, 500),
                                          .silence_ms = or_default(limits->silence_ms, 3000),
                                          .unread_ms = or_default(limits->unread_ms, 5000)};
    hash_init(&peers->by_node);
    list_init(&peers->nodes);
    list_init(&peers->conns);
    list_init(&peers->dirty);
    return peers;
}

void peers_adopt(struct peers_net *peers, intptr_t pending, struct pdr_bytes first)
{
    if (peers->closing) {
        peers->world.transport->ops->discard(peers->world.transport, pending);
    } else {
        peer_conn_adopt(peers, pending, first);
    }
}

void peers_flush(void *user)
{
    struct peers_net *peers = user;
    struct list *node;
    while ((node = list_pop(&peers->dirty)) != NULL) {
        peer_conn_flush(LIST_ITEM(node, struct peer_conn, dirty_node));
    }
}

void peers_close(struct peers_net *peers, void (*closed)(void *user), void *user)
{
    CHECK(peers->calling == 0);
    peers->closing = true;
    peers->closed = closed;
    peers->closed_user = user;
    peers_flush(peers);
    for (struct list *node = peers->nodes.next; node != &peers->nodes; node = node->next) {
        end_links(LIST_ITEM(node, struct peer_node, node), PEER_REFUSAL_STOPPING, "the node stops");
    }
    for (struct list *node = peers->conns.next; node != &peers->conns; node = node->next) {
        peer_conn_refuse(LIST_ITEM(node, struct peer_conn, node), PEER_REFUSAL_STOPPING, "the node stops");
    }
    if (list_empty(&peers->conns)) {
        peers->closed = NULL;
        closed(user);
    }
}

void peers_free(struct peers_net *peers)
{
    peers->closed = NULL;
    for (unsigned k = 0; k < PEER_KIND_COUNT; k++) {
        peers->owners[k].handler = NULL;
    }
    while (!list_empty(&peers->conns)) {
        struct peer_conn *conn = LIST_ITEM(peers->conns.next, struct peer_conn, node);
        if (conn->link != NULL) {
            conn->link->conn = NULL;
        }
        peer_conn_free(conn);
    }
    while (!list_empty(&peers->nodes)) {
        node_free(LIST_ITEM(peers->nodes.next, struct peer_node, node), "");
    }
    hash_release(&peers->by_node);
    mem_free(peers);
}
