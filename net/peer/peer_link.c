/* net/peer/peer_link.c: whom to reach, when to try again, and the lives of a link. */
#include "net/peer/peer_link.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#define ROOM_SHARE 4u /* the queue has room again when it is down to a quarter: it must not flap */
#define ROOM_NS NS_PER_MS

static const unsigned shares[] = {
#define PEER_KIND_SHARE(name, share) share,
    PEER_KIND_TABLE(PEER_KIND_SHARE)
#undef PEER_KIND_SHARE
};

static struct peers_net *peers_of(const struct peer_link *link)
{
    return link->peer->peers;
}

static uint64_t now_of(const struct peer_link *link)
{
    return loop_now_ns(peers_of(link)->world.loop);
}

static bool dials(const struct peer_link *link)
{
    const struct peers_net *peers = peers_of(link);
    bool ours = peers->self.node > link->peer->id || link->peer->knocks;
    return ours && !link->peer->removed && !peers->closing;
}

/* Trying. */

static void set_timer(struct peer_link *link, uint64_t after_ns)
{
    timer_set(peers_of(link)->world.wheel, &link->timer, now_of(link) + after_ns);
}

/* Full jitter of the upper half: a node that comes back is not knocked at by all in the same ms, and nobody waits for
 * longer than backoff_ms_max. */
static void try_later(struct peer_link *link)
{
    const struct peers_limits *limits = &peers_of(link)->limits;
    if (!dials(link)) {
        timer_cancel(peers_of(link)->world.wheel, &link->timer);
        return;
    }
    uint64_t half = link->backoff_ms * NS_PER_MS / 2;
    set_timer(link, half + rng_below(peers_of(link)->world.rng, half));
    link->backoff_ms = link->backoff_ms * 2 < limits->backoff_ms_max ? link->backoff_ms * 2 : limits->backoff_ms_max;
}

static void dial(struct peer_link *link)
{
    const char *why;
    CHECK(link->conn == NULL);
    peers_of(link)->stats.dialed++;
    link->conn = peer_conn_dial(link, &why);
    if (link->conn == NULL) {
        LOG_WARN("peer.dial", "node=%016" PRIx64 "; %s", link->peer->id, why);
        try_later(link);
    }
}

/* Is the other side alive? */

static bool takes_nothing(struct peer_link *link, uint64_t now)
{
    struct peer_conn *conn = link->conn;
    uint64_t unsent = peer_conn_unsent(conn), taken = conn->written + conn->out.size - unsent;
    if (taken != link->taken || unsent == 0) {
        link->taken = taken;
        link->taken_ns = now;
    }
    return now - link->taken_ns >= peers_of(link)->limits.unread_ms * NS_PER_MS;
}

static uint64_t later(uint64_t at_ns, uint64_t by_ns, uint64_t now)
{
    return at_ns + by_ns < now ? at_ns + by_ns : now;
}

/* Time in which this core did not run is nobody's silence: what came meanwhile lies unread in its sockets. A node that
 * was stopped for a while must not condemn all others when it goes on. */
static void forgive_absence(struct peer_link *link, uint64_t now)
{
    uint64_t expected_ns = link->looked_ns + peers_of(link)->limits.alive_ms * NS_PER_MS;
    if (now > expected_ns) {
        link->conn->received_ns = later(link->conn->received_ns, now - expected_ns, now);
        link->taken_ns = later(link->taken_ns, now - expected_ns, now);
    }
    link->looked_ns = now;
}

static void cut(struct peer_link *link, const char *why)
{
    peers_of(link)->stats.silent++;
    LOG_WARN("peer.cut", "node=%016" PRIx64 " core=%u; %s", link->peer->id, link->core, why);
    peer_link_end(link, PEER_REFUSAL_SILENT, why);
}

static void look(struct peer_link *link)
{
    struct peer_conn *conn = link->conn;
    const struct peers_limits *limits = &peers_of(link)->limits;
    uint64_t now = now_of(link);
    forgive_absence(link, now);
    if (!conn->held && now - conn->received_ns >= limits->silence_ms * NS_PER_MS) {
        cut(link, "nothing has come from it for too long");
        return;
    }
    if (takes_nothing(link, now)) {
        cut(link, "it has taken nothing of what waits for it for too long");
        return;
    }
    if (conn->written == link->sent && conn->out.size == 0) {
        peer_conn_send(conn, PEER_FRAME_ALIVE, pdr_bytes(NULL, 0));
    }
    link->sent = conn->written;
    set_timer(link, limits->alive_ms * NS_PER_MS);
    peer_link_drained(link); /* last: a handler may do anything */
}

static void fire(struct timer *timer)
{
    struct peer_link *link = LIST_ITEM(timer, struct peer_link, timer);
    if (link->life != 0) {
        look(link);
    } else if (link->conn == NULL && dials(link)) {
        dial(link);
    }
}

/* Life and death of the link itself. */

struct peer_link *peer_link_find(const struct peer_node *peer, uint32_t core)
{
    for (struct list *node = peer->links.next; node != &peer->links; node = node->next) {
        struct peer_link *link = LIST_ITEM(node, struct peer_link, node);
        if (link->core == core) {
            return link;
        }
    }
    return NULL;
}

struct peer_link *peer_link_new(struct peer_node *peer, uint32_t core)
{
    struct peer_link *link = mem_new(sizeof *link);
    const struct peers_limits *limits = &peer->peers->limits;
    link->peer = peer;
    link->core = core;
    link->backoff_ms = limits->backoff_ms_min;
    timer_init(&link->timer, fire);
    list_push_back(&peer->links, &link->node);
    peer_link_try(link);
    return link;
}

void peer_link_try(struct peer_link *link)
{
    struct peers_net *peers = peers_of(link);
    if (link->conn == NULL && !timer_is_set(&link->timer) && dials(link)) {
        set_timer(link, rng_below(peers->world.rng, peers->limits.backoff_ms_min * NS_PER_MS));
    }
}

void peer_link_free(struct peer_link *link, enum peer_refusal refusal, const char *why)
{
    peer_link_end(link, refusal, why);
    timer_cancel(peers_of(link)->world.wheel, &link->timer);
    list_remove(&link->node);
    mem_free(link);
}

/* Lives. */

static void tell_up(struct peer_link *link)
{
    struct peers_net *peers = peers_of(link);
    uint64_t life = link->life;
    peers->calling++;
    for (unsigned k = 0; k < PEER_KIND_COUNT; k++) {
        const struct peers_owner *owner = &peers->owners[k];
        if (owner->handler != NULL && owner->handler->up != NULL) {
            owner->handler->up(owner->user, link->peer->id, life);
        }
    }
    peers->calling--;
}

static void tell_gone(struct peer_link *link, uint64_t life, const char *why)
{
    struct peers_net *peers = peers_of(link);
    peers->calling++;
    for (unsigned k = 0; k < PEER_KIND_COUNT; k++) {
        const struct peers_owner *owner = &peers->owners[k];
        if (owner->handler != NULL && owner->handler->gone != NULL) {
            owner->handler->gone(owner->user, link->peer->id, life, why);
        }
    }
    peers->calling--;
}

void peer_link_lost(struct peer_link *link, const char *why)
{
    const struct peers_limits *limits = &peers_of(link)->limits;
    uint64_t life = link->life;
    link->conn = NULL;
    link->life = 0;
    link->wants = 0;
    if (life != 0) {
        LOG_INFO("peer.gone", "node=%016" PRIx64 " core=%u life=%" PRIu64 "; %s", link->peer->id, link->core, life,
                 why);
        peers_of(link)->stats.gone++;
        if (now_of(link) - link->up_ns >= limits->backoff_ms_max * NS_PER_MS) {
            link->backoff_ms = limits->backoff_ms_min; /* it was no mishap of the beginning: so try again soon */
        }
    }
    try_later(link);
    if (life != 0) {
        tell_gone(link, life, why);
    }
}

void peer_link_end(struct peer_link *link, enum peer_refusal refusal, const char *why)
{
    if (link->conn != NULL) {
        peer_conn_refuse(link->conn, refusal, why);
        peer_link_lost(link, why);
    }
}

/* Another start of the same process has proved itself: what lived with an earlier one is over (R12). */
static void end_earlier(struct peer_node *peer, const struct peer_link *except, uint64_t incarnation)
{
    for (struct list *node = peer->links.next; node != &peer->links; node = node->next) {
        struct peer_link *link = LIST_ITEM(node, struct peer_link, node);
        if (link != except && link->life != 0 && link->incarnation < incarnation) {
            peer_link_end(link, PEER_REFUSAL_OLD, "a later start of the same node has come up");
        }
    }
}

static struct peer_link *refuse(struct handshake *shake, enum peer_refusal refusal, const char *what)
{
    shake->refusal = refusal;
    snprintf(shake->why, sizeof shake->why, "node %016" PRIx64 " %s", shake->peer.node, what);
    return NULL;
}

struct peer_link *peer_link_admit(struct peers_net *peers, struct handshake *shake)
{
    const struct handshake_peer *who = &shake->peer;
    struct peer_node *peer = peer_node_find(peers, who->node);
    bool control = who->core == PEER_CORE_CONTROL;
    uint32_t links = who->cores > peers->self.cores ? who->cores : peers->self.cores;
    uint32_t core = control ? who->core : who->core % peers->self.cores;
    if (peer == NULL && peers->world.guest != NULL && !peers->closing &&
        peers->world.guest(peers->world.guest_user, who)) {
        peer = peer_node_new(peers, who->node);
        snprintf(peer->address, sizeof peer->address, "%s", who->address);
    }
    if (peer == NULL) {
        return refuse(shake, PEER_REFUSAL_UNKNOWN, "is no member of the cluster, or not as far as is known here yet");
    }
    if (peer->removed) {
        return refuse(shake, PEER_REFUSAL_REMOVED, "was removed from the cluster");
    }
    if (who->incarnation < peer->incarnation) {
        return refuse(shake, PEER_REFUSAL_OLD, "has been started again since this process of it began");
    }
    if ((!control && who->core >= links) || core != peers->self.core) {
        return refuse(shake, PEER_REFUSAL_CORE, "wants a core that cannot be reached by this connection");
    }
    struct peer_link *link = peer_link_find(peer, who->core);
    return link != NULL ? link : peer_link_new(peer, who->core);
}

/* The other node has more cores than we: our cores share its links. */
static void add_links(struct peer_link *link, uint32_t cores)
{
    const struct peers_net *peers = peers_of(link);
    if (link->core != peers->self.core || link->core == PEER_CORE_CONTROL || !dials(link)) {
        return;
    }
    for (uint32_t core = link->core + peers->self.cores; core < cores; core += peers->self.cores) {
        if (peer_link_find(link->peer, core) == NULL) {
            peer_link_new(link->peer, core);
        }
    }
}

void peer_link_up(struct peer_link *link, struct peer_conn *conn)
{
    struct peers_net *peers = peers_of(link);
    const struct handshake_peer *who = &conn->shake.peer;
    if (link->conn != conn) {
        peer_link_end(link, PEER_REFUSAL_REPLACED, "the same node has made a newer connection");
    }
    conn->link = link;
    link->conn = conn;
    link->life = ++peers->lives;
    link->incarnation = who->incarnation;
    link->up_ns = link->looked_ns = link->taken_ns = now_of(link);
    link->sent = link->taken = link->wants = 0;
    peers->stats.up++;
    link->peer->incarnation = who->incarnation;
    end_earlier(link->peer, link, who->incarnation);
    set_timer(link, peers->limits.alive_ms * NS_PER_MS);
    add_links(link, who->cores);
    LOG_INFO("peer.up", "node=%016" PRIx64 " incarnation=%" PRIu64 " core=%u life=%" PRIu64 " address=%s",
             link->peer->id, who->incarnation, link->core, link->life, link->peer->address);
    tell_up(link);
}

/* Frames. */

enum pdr_status peer_link_send(struct peer_link *link, enum peer_kind kind, struct pdr_bytes frame)
{
    struct peers_net *peers = peers_of(link);
    uint64_t unsent = peer_conn_unsent(link->conn);
    uint64_t most = peers->limits.queue_max / 100 * shares[kind];
    /* One that is larger than the queue goes when it is alone. */
    if (unsent > 0 && unsent + frame.size > most) {
        link->wants |= 1u << kind;
        peers->stats.overloaded++;
        return PDR_OVERLOADED;
    }
    peers->stats.sent++;
    peer_conn_send(link->conn, PEER_FRAME_CARRIED + (unsigned)kind, frame);
    return PDR_OK;
}

void peer_link_received(struct peer_link *link, unsigned kind, struct pdr_bytes payload)
{
    struct peers_net *peers = peers_of(link);
    const struct peers_owner *owner = kind < PEER_KIND_COUNT ? &peers->owners[kind] : NULL;
    if (owner == NULL || owner->handler == NULL || owner->handler->received == NULL) {
        return; /* of a newer version, which may not count on it */
    }
    peers->stats.received++;
    peers->calling++;
    owner->handler->received(owner->user, link->peer->id, link->life, payload);
    peers->calling--;
}

void peer_link_drained(struct peer_link *link)
{
    struct peers_net *peers = peers_of(link);
    uint32_t wants = link->wants;
    if (wants == 0 || peer_conn_unsent(link->conn) > peers->limits.queue_max / ROOM_SHARE) {
        return;
    }
    link->wants = 0;
    peers->calling++;
    for (unsigned k = 0; k < PEER_KIND_COUNT; k++) {
        const struct peers_owner *owner = &peers->owners[k];
        if ((wants & (1u << k)) != 0 && owner->handler->room != NULL) {
            owner->handler->room(owner->user, link->peer->id, link->life);
        }
    }
    peers->calling--;
}

void peer_link_flushed(struct peer_link *link)
{
    if (link->wants != 0 && peer_conn_unsent(link->conn) <= peers_of(link)->limits.queue_max / ROOM_SHARE) {
        set_timer(link, ROOM_NS);
    }
}
