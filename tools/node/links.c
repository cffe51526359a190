/* tools/node/links.c: makes the links of each core, hands connections and members to their cores, ends all. */
#include "tools/node/links.h"

#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "net/carry/carry.h"
#include "core/shard/replicas.h"
#include "net/forward/forward.h"
#include "tools/node/node_parts.h"

/** The links of one core. */
struct core_links {
    struct node_links *all;
    struct core *core;
    struct transport *transport;
    struct peers_net *net; /* NULL: this core has none */
};

struct node_links {
    struct node *node;
    uint32_t cores;            /* the control core's come behind theirs */
    uint32_t awaited;          /* cores whose links have yet to end; the control core's thread */
    struct forward **forwards; /* by core */
    struct carrier **carriers; /* the same */
    struct core_links at[];
};

static struct core_links *links_at(struct node_links *links, uint32_t core)
{
    uint32_t index = core == PEER_CORE_CONTROL ? links->cores : core;
    return index <= links->cores ? &links->at[index] : NULL;
}

/* Connections, to the core that they are for. */

struct parcel {
    struct message message;
    struct core_links *to;
    intptr_t pending;
    size_t size;
    uint8_t first[];
};

static void refuse(struct core_links *links, intptr_t pending)
{
    links->transport->ops->discard(links->transport, pending);
}

static void unpack(struct message *message)
{
    struct parcel *parcel = LIST_ITEM(message, struct parcel, message);
    struct core_links *to = parcel->to;
    if (to->core->dead) {
        refuse(to, parcel->pending);
    } else {
        peers_adopt(to->net, parcel->pending, pdr_bytes(parcel->first, parcel->size));
    }
    mem_free(parcel);
}

static void hand_on(void *user, uint32_t core, intptr_t pending, struct pdr_bytes first)
{
    struct core_links *from = user, *to = links_at(from->all, core);
    if (to == NULL || to->net == NULL) {
        refuse(from, pending);
        return;
    }
    struct parcel *parcel = mem_new(sizeof *parcel + first.size);
    *parcel = (struct parcel){.message = {.deliver = unpack}, .to = to, .pending = pending, .size = first.size};
    if (first.size > 0) {
        memcpy(parcel->first, first.data, first.size);
    }
    loop_post(to->core->world.loop, &parcel->message);
}

static void enter(void *user, intptr_t pending, struct pdr_bytes first)
{
    peers_adopt(((struct core_links *)user)->net, pending, first);
}

/* Beginning. */

void node_links_flush_control(struct node *node)
{
    struct node_links *links = node->links;
    if (links != NULL && links->at[links->cores].net != NULL) {
        peers_flush(links->at[links->cores].net);
    }
}

static void open_core(struct core_links *links, const struct node_links_options *o, uint32_t index)
{
    struct node *node = links->all->node;
    struct core *core = links->core;
    const struct peers_world world = {.loop = core->world.loop,
                                      .wheel = &core->wheel,
                                      .rng = &core->rng,
                                      .transport = links->transport,
                                      .entropy = o->entropy != NULL ? o->entropy : secret_entropy,
                                      .entropy_user = o->entropy_user,
                                      .elsewhere = hand_on,
                                      .elsewhere_user = links,
                                      .guest = index == PEER_CORE_CONTROL ? o->guest : NULL,
                                      .guest_user = o->guest_user};
    const struct handshake_self self = {.secret = o->secret,
                                        .cluster = o->cluster,
                                        .address = o->address != NULL ? o->address : node->address,
                                        .node = o->node,
                                        .incarnation = o->incarnation,
                                        .core = index,
                                        .cores = links->all->cores};
    links->net = peers_new(&world, &o->limits, &self);
    core->world.peers = &links->net->peers;
}

/* Links of turns are known to other nodes, which have their own. */
static uint64_t first_turn_link(const struct node_links_options *o, uint32_t core)
{
    const uint64_t whose[] = {o->node, o->incarnation, core};
    return hash_bytes(pdr_bytes(whose, sizeof whose), 0) | 1;
}

/* Calls go to other nodes, and come from them; and so do shards. */
static void open_forward(struct node_links *links, const struct node_links_options *options, uint32_t index)
{
    struct core *core = links->at[index].core;
    core->next_turn_link = first_turn_link(options, index);
    core->world.moved = route_moved;
    core->world.map_taken = route_map_taken;
    core->world.recall = route_recall;
    links->forwards[index] = links->node->parts[index].forward = forward_new(core, &links->node->router);
    links->carriers[index] = carrier_new(core, links->carriers);
}

void node_links_open(struct node *node, const struct node_links_options *options)
{
    unsigned cores = node->world.cores;
    struct node_links *links = mem_new(sizeof *links + (cores + 1) * sizeof *links->at);
    *links = (struct node_links){.node = node, .cores = cores};
    links->forwards = mem_new(cores * sizeof(struct forward *));
    links->carriers = mem_new(cores * sizeof(struct carrier *));
    node->links = links;
    for (unsigned i = 0; i <= cores; i++) {
        links->at[i] =
            (struct core_links){.all = links,
                                .core = i < cores ? node->cores[i] : node->control,
                                .transport = i < cores ? node->world.transports[i] : options->control_transport};
    }
    for (unsigned i = 0; i < cores; i++) {
        open_core(&links->at[i], options, i);
        node->parts[i].peers = links->at[i].net;
        node->parts[i].conns.peers = (struct conn_peer_door){enter, &links->at[i]};
        open_forward(links, options, i);
        if (options->propose != NULL) {
            replicas_start(node->cores[i], &(struct replicas_options){.incarnation = options->incarnation,
                                                                      .propose = options->propose,
                                                                      .ask = options->ask,
                                                                      .user = node,
                                                                      .part_bytes = options->part_bytes});
        }
    }
    node->router.forwards = links->forwards;
    if (options->control_transport != NULL) {
        open_core(&links->at[cores], options, PEER_CORE_CONTROL);
    }
}

struct peers *node_links_of(struct node *node, uint32_t core)
{
    const struct core_links *links = node->links != NULL ? links_at(node->links, core) : NULL;
    return links != NULL && links->net != NULL ? &links->net->peers : NULL;
}

struct carrier *node_links_carrier(const struct node *node, uint32_t core)
{
    return node->links != NULL ? node->links->carriers[core] : NULL;
}

/* Members. */

struct members {
    struct message message;
    struct core_links *to;
    size_t count;
    struct peer_member at[]; /* then their addresses */
};

static void take_members(struct message *message)
{
    struct members *members = LIST_ITEM(message, struct members, message);
    if (!members->to->core->dead) {
        peers_members(members->to->net, members->at, members->count);
    }
    mem_free(members);
}

static void tell_members(struct core_links *to, const struct peer_member *from, size_t count)
{
    size_t size = sizeof(struct members) + count * sizeof *from, texts = 0;
    for (size_t i = 0; i < count; i++) {
        texts += strlen(from[i].address) + 1;
    }
    struct members *members = mem_new(size + texts);
    char *text = (char *)members + size;
    members->message.deliver = take_members;
    members->to = to;
    members->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(from[i].address) + 1;
        members->at[i] = from[i];
        members->at[i].address = memcpy(text, from[i].address, length);
        text += length;
    }
    loop_post(to->core->world.loop, &members->message);
}

void node_links_members(struct node *node, const struct peer_member *members, size_t count, size_t all)
{
    for (uint32_t i = 0; i <= node->links->cores; i++) {
        if (node->links->at[i].net != NULL) {
            tell_members(&node->links->at[i], members, i == node->links->cores ? count : all);
        }
    }
}

struct peers_stats node_links_stats(const struct node *node, uint32_t core)
{
    const struct core_links *links = node->links != NULL ? links_at(node->links, core) : NULL;
    return links != NULL && links->net != NULL ? links->net->stats : (struct peers_stats){0};
}

/* End. */

static void core_ended(struct node *node, uint64_t unused)
{
    if (--node->links->awaited == 0) {
        node_stop_step(node, 0);
    }
}

static void closed(void *user)
{
    node_to_control(user, 0, core_ended);
}

static void close_core(struct node *node, uint64_t index)
{
    if (index < node->links->cores) {
        forward_close(node->links->forwards[index]);
        carrier_close(node->links->carriers[index]);
    }
    peers_close(node->links->at[index].net, closed, node);
}

void node_links_close(struct node *node)
{
    struct node_links *links = node->links;
    bool control = links->at[links->cores].net != NULL;
    links->awaited = links->cores + control;
    node_to_all(node, close_core);
    if (control) {
        close_core(node, links->cores);
    }
}

void node_links_free(struct node *node)
{
    struct node_links *links = node->links;
    if (links == NULL) {
        return;
    }
    for (uint32_t i = 0; i <= links->cores; i++) {
        if (i < links->cores) {
            carrier_free(links->carriers[i]);
            forward_free(links->forwards[i]);
        }
        if (links->at[i].net != NULL) {
            peers_free(links->at[i].net);
        }
    }
    mem_free(links->carriers);
    mem_free(links->forwards);
    mem_free(links);
    node->links = NULL;
}
