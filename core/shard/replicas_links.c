/* core/shard/replicas_links.c: between core/replog and the links of its core. A link leads to one core of the other
 * node; where nodes have different numbers of cores some of a frame's messages are for shards of another core, and go
 * there by its inbox. What is told of links goes through here, so that what the machine noted is settled after it. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/replog/message.h"
#include "core/shard/replicas_parts.h"

static struct replicas *replicas_of(const struct peers *shim)
{
    return LIST_ITEM((struct peers *)(uintptr_t)shim, struct replicas, shim);
}

static struct peers *links_of(const struct peers *shim)
{
    return replicas_of(shim)->core->world.peers;
}

static void up(void *user, uint64_t node, uint64_t life)
{
    struct replicas *r = user;
    r->handler->up(r->handler_user, node, life);
    replicas_settle(r->core);
}

static void room(void *user, uint64_t node, uint64_t life)
{
    struct replicas *r = user;
    r->handler->room(r->handler_user, node, life);
    replicas_settle(r->core);
}

static void gone(void *user, uint64_t node, uint64_t life, const char *why)
{
    struct replicas *r = user;
    r->handler->gone(r->handler_user, node, life, why);
    replicas_settle(r->core);
}

static void take(struct replicas *r, uint64_t node, uint64_t life, struct pdr_bytes frame)
{
    r->handler->received(r->handler_user, node, life, frame);
    replicas_settle(r->core);
}

/* Messages for another core. */
struct hop {
    struct message message;
    struct core *to;
    uint64_t node;
    size_t size;
    uint8_t bytes[];
};

static void hop_arrived(struct message *message)
{
    struct hop *hop = LIST_ITEM(message, struct hop, message);
    struct core *core = hop->to;
    uint64_t life = core->dead ? 0 : peer_life(core->world.peers, hop->node);
    if (life != 0 && !core->frozen) { /* without a link there is no way to answer: it is said again */
        take(core->replicas, hop->node, life, pdr_bytes(hop->bytes, hop->size));
    }
    mem_free(hop);
}

static void hop_to(struct core *to, uint64_t node, struct pdr_bytes bytes)
{
    struct hop *hop = mem_new(sizeof *hop + bytes.size);
    *hop = (struct hop){.message = {.deliver = hop_arrived}, .to = to, .node = node, .size = bytes.size};
    memcpy(hop->bytes, bytes.data, bytes.size);
    loop_post(to->world.loop, &hop->message);
}

/* Runs of messages for one core stay together, and in order. */
static void sort(struct replicas *r, uint64_t node, uint64_t life, struct pdr_bytes frame)
{
    const struct core *core = r->core;
    struct replog_message message;
    struct fault fault;
    while (frame.size > 0) {
        const uint8_t *begin = frame.data;
        uint32_t target = core->index;
        size_t size = 0;
        for (struct pdr_bytes rest = frame; rest.size > 0 && message_next(&rest, &message, &fault) == PDR_OK;) {
            uint32_t whose = message.head.shard % core->core_count;
            if (size > 0 && whose != target) {
                break;
            }
            target = whose;
            size = (size_t)((const uint8_t *)rest.data - begin);
        }
        if (size == 0) {
            LOG_WARN("replog.frame", "node=%016llx; a message makes no sense; the rest of the frame is ignored",
                     (unsigned long long)node);
            return;
        }
        if (target == core->index) {
            take(r, node, life, pdr_bytes(begin, size));
        } else {
            hop_to(core->world.cores[target], node, pdr_bytes(begin, size));
        }
        frame = pdr_bytes(begin + size, frame.size - size);
    }
}

static void received(void *user, uint64_t node, uint64_t life, struct pdr_bytes frame)
{
    struct replicas *r = user;
    if (r->core->dead || r->core->frozen) {
        return;
    }
    if (r->core->core_count == 1 || r->core->world.cores == NULL) {
        take(r, node, life, frame);
    } else {
        sort(r, node, life, frame);
    }
}

static void shim_listen(struct peers *shim, enum peer_kind kind, const struct peer_handler *handler, void *user)
{
    static const struct peer_handler ours = {.up = up, .received = received, .room = room, .gone = gone};
    struct replicas *r = replicas_of(shim);
    r->handler = handler;
    r->handler_user = user;
    peer_listen(r->core->world.peers, kind, &ours, r);
}

static uint64_t shim_life(const struct peers *shim, uint64_t node)
{
    return peer_life(links_of(shim), node);
}

static enum pdr_status shim_send(struct peers *shim, uint64_t node, uint64_t life, enum peer_kind kind,
                                 struct pdr_bytes frame)
{
    return peer_send(links_of(shim), node, life, kind, frame);
}

static void shim_hold(struct peers *shim, uint64_t node, uint64_t life, bool held)
{
    peer_hold(links_of(shim), node, life, held);
}

void shim_init(struct replicas *replicas)
{
    static const struct peers_ops ops = {shim_listen, shim_life, shim_send, shim_hold};
    replicas->shim.ops = &ops;
}
