/* tests/simulation/peers/world.c: nodes that start, crash and meet. */
#include "tests/simulation/peers/world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "net/peer/peer_link.h"

#define CLUSTER "00112233445566778899aabbccddeeff"

static void entropy(void *user, void *out, size_t size)
{
    struct core_of *c = user;
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)out)[i] = (uint8_t)rng_next(&c->rng);
    }
}

/* Cores. */

static void check_bounds(struct core_of *c)
{
    struct world *w = c->node->world;
    uint32_t strangers = 0;
    for (struct list *node = c->net->conns.next; node != &c->net->conns; node = node->next) {
        struct peer_conn *conn = LIST_ITEM(node, struct peer_conn, node);
        uint64_t unsent = conn->state == PEER_CONN_ENDING ? 0 : peer_conn_unsent(conn);
        strangers += conn->is_stranger;
        SIM_CHECK(&w->sim, unsent <= c->net->limits.queue_max + w->filler_max + 4096,
                  "%" PRIu64 " bytes wait for a node, more than the queue may hold", unsent);
    }
    SIM_CHECK(&w->sim, strangers == c->net->strangers && strangers <= LIMIT_PEER_STRANGERS_MAX * 2,
              "%u strangers are connected, and %u were counted", strangers, c->net->strangers);
}

static bool before_sleep(void *user)
{
    struct core_of *c = user;
    if (c->net == NULL) {
        return false;
    }
    timerwheel_advance(&c->wheel, loop_now_ns(&c->loop.loop));
    peers_flush(c->net);
    check_bounds(c);
    loop_set_timer(&c->loop.loop, timerwheel_next_ns(&c->wheel));
    return false;
}

static void on_timer(void *user) {}

static void sees(const struct node_of *viewer, struct peer_member *members, size_t *count)
{
    const struct world *w = viewer->world;
    for (uint32_t i = 0; i < w->node_count; i++) {
        const struct node_of *n = &w->nodes[i];
        members[(*count)++] = (struct peer_member){
            .node = n->id,
            .incarnation = n->flaw == FLAW_OLD ? UINT64_MAX : n->known_incarnation,
            .address = n->seen_address,
            .removed = n->flaw == FLAW_REMOVED,
        };
    }
    members[(*count)++] = (struct peer_member){.node = PHANTOM_LOW, .address = attacker_address(w->attacker)};
    members[(*count)++] = (struct peer_member){.node = PHANTOM_HIGH, .address = attacker_address(w->attacker)};
}

static void tell_members(struct core_of *c)
{
    struct peer_member members[NODES_MAX + 2];
    size_t count = 0;
    sees(c->node, members, &count);
    if (c->node->flaw == FLAW_OLD || c->node->flaw == FLAW_REMOVED) {
        for (size_t i = 0; i < count; i++) { /* it knows nothing of that */
            members[i].removed = false;
            members[i].incarnation = 0;
        }
    }
    peers_members(c->net, members, count);
    c->members_changed = false;
}

static void work(struct timer *timer)
{
    struct core_of *c = LIST_ITEM(timer, struct core_of, work);
    if (c->members_changed) {
        tell_members(c);
    }
    traffic_work(timer);
}

/* Connections, from the listener to the core that they are for. */

struct parcel {
    struct message message;
    struct core_of *core;
    intptr_t pending;
    size_t size;
    uint8_t first[];
};

static void unpack(struct message *message)
{
    struct parcel *p = LIST_ITEM(message, struct parcel, message);
    if (p->core->node->is_up) {
        peers_adopt(p->core->net, p->pending, pdr_bytes(p->first, p->size));
    } /* else the network has closed it, as all that the node had */
    mem_free(p);
}

static void hand_on(void *user, uint32_t index, intptr_t pending, struct pdr_bytes first)
{
    struct node_of *n = ((struct core_of *)user)->node;
    uint32_t slot = index == PEER_CORE_CONTROL ? n->core_count : index;
    if (slot >= n->slot_count) { /* no control core here */
        n->cores[0].transport->ops->discard(n->cores[0].transport, pending);
        return;
    }
    struct parcel *p = mem_new(sizeof *p + first.size);
    *p = (struct parcel){.message = {.deliver = unpack}, .core = &n->cores[slot]};
    p->pending = pending;
    p->size = first.size;
    if (first.size > 0) {
        memcpy(p->first, first.data, first.size);
    }
    loop_post(&n->cores[slot].loop.loop, &p->message);
}

static void accepted(void *user, intptr_t pending)
{
    struct node_of *n = user;
    hand_on(&n->cores[0], n->next_core++ % n->core_count, pending, pdr_bytes(NULL, 0));
}

/* A node's life. */

static void core_start(struct core_of *c)
{
    struct node_of *n = c->node;
    struct world *w = n->world;
    sim_loop_init(&c->loop, &w->sim, &n->clock, n->number * 8 + c->slot);
    loop_own(&c->loop.loop, c, on_timer, before_sleep);
    c->loop.postpone_percent = 5;
    timerwheel_init(&c->wheel, sim_clock_now_ns(&n->clock));
    rng_seed(&c->rng, rng_next(&w->sim.rng));
    c->transport = sim_net_transport(w->net, &c->loop, n->host);
    const struct peers_world stands_on = {.loop = &c->loop.loop,
                                          .wheel = &c->wheel,
                                          .rng = &c->rng,
                                          .transport = c->transport,
                                          .entropy = entropy,
                                          .entropy_user = c,
                                          .elsewhere = hand_on,
                                          .elsewhere_user = c};
    const struct handshake_self self = {.secret = n->flaw == FLAW_SECRET ? w->other_secret : w->secret,
                                        .cluster = n->flaw == FLAW_CLUSTER ? "another" : CLUSTER,
                                        .address = n->address,
                                        .node = n->id,
                                        .incarnation = n->incarnation,
                                        .core = c->index,
                                        .cores = n->core_count};
    c->net = peers_new(&stands_on, &w->limits, &self);
    c->members_changed = true;
    c->closed = false;
    traffic_begin(c);
    timer_init(&c->work, work);
    sim_loop_run(&c->loop);
    timer_set(&c->wheel, &c->work, sim_clock_now_ns(&n->clock) + NS_PER_MS);
    loop_set_timer(&c->loop.loop, sim_clock_now_ns(&n->clock) + NS_PER_MS);
}

void node_start(struct node_of *n)
{
    const char *why;
    if (n->power_went) {
        sim_net_power_on(n->world->net, n->host);
        sim_clock_reboot(&n->clock);
        n->power_went = false;
    }
    n->starts++;
    n->incarnation++;
    sim_note(&n->world->sim, "node.start", n->host, n->incarnation);
    for (uint32_t k = 0; k < n->slot_count; k++) {
        core_start(&n->cores[k]);
    }
    struct transport *t = n->cores[0].transport;
    CHECK(t->ops->listen(t, n->address, accepted, n, &n->listener, &why) == PDR_OK);
    n->is_up = true;
}

void node_crash(struct node_of *n, bool power)
{
    struct world *w = n->world;
    sim_note(&w->sim, "node.crash", n->host, power);
    n->is_up = false;
    for (uint32_t k = 0; k < n->slot_count; k++) {
        sim_loop_stop(&n->cores[k].loop);
        inbox_deliver(&n->cores[k].loop.loop.inbox);
    }
    sim_net_crash(w->net, n->host, power);
    for (uint32_t k = 0; k < n->slot_count; k++) {
        peers_free(n->cores[k].net);
        n->cores[k].net = NULL;
        traffic_end(&n->cores[k]);
    }
    sim_net_reap(w->net, n->host);
    for (uint32_t k = 0; k < n->slot_count; k++) {
        n->cores[k].transport->ops->free(n->cores[k].transport);
    }
    n->power_went = power;
}

/* The whole. */

static void node_init(struct world *w, uint32_t number)
{
    struct node_of *n = &w->nodes[number];
    struct sim *sim = &w->sim;
    *n = (struct node_of){.world = w, .number = number, .id = 2 + sim_draw(sim, PHANTOM_HIGH - 2)};
    snprintf(n->name, sizeof n->name, "node%u", number);
    snprintf(n->address, sizeof n->address, "node%u:%d", number, PORT);
    snprintf(n->seen_address, sizeof n->seen_address, "node%u:%d", number, PORT);
    n->host = sim_net_host(w->net, n->name);
    n->core_count = 1 + (uint32_t)sim_draw(sim, CORES_MAX);
    n->slot_count = n->core_count + 1;
    if (number >= 2 && sim_chance(sim, 35)) {
        n->flaw = (enum flaw)(1 + sim_draw(sim, FLAW_COUNT - 1));
    }
    sim_clock_init(&n->clock, sim);
    for (uint32_t k = 0; k < n->slot_count; k++) {
        n->cores[k].node = n;
        n->cores[k].slot = k;
        n->cores[k].index = k < n->core_count ? k : PEER_CORE_CONTROL;
        list_init(&n->cores[k].answers);
    }
}

void world_init(struct world *w, uint64_t seed, FILE *story)
{
    const char *why;
    memset(w, 0, sizeof *w);
    sim_init(&w->sim, seed, story);
    struct sim *sim = &w->sim;
    w->net = sim_net_new(sim);
    *sim_net_shape(w->net) =
        (struct sim_net_shape){.window_max = 1u << (9 + sim_draw(sim, 10)), .chunk_max = 1u << (2 + sim_draw(sim, 15))};
    CHECK(secret_new(pdr_str("the secret of the cluster"), &w->secret, &why) == PDR_OK);
    CHECK(secret_new(pdr_str("the secret of another cluster"), &w->other_secret, &why) == PDR_OK);
    w->limits =
        (struct peers_limits){.queue_max = 1u << (12 + sim_draw(sim, 9)), .backoff_ms_max = 100u << sim_draw(sim, 5)};
    w->filler_max = 1u << (5 + sim_draw(sim, 12));
    w->node_count = 2 + (uint32_t)sim_draw(sim, NODES_MAX - 1);
    w->attacker = attacker_new(w);
    for (uint32_t i = 0; i < w->node_count; i++) {
        node_init(w, i);
    }
    if (sim_chance(sim, 70)) {
        attacker_stand_before(w->attacker, &w->nodes[sim_draw(sim, w->node_count)]);
    }
    for (uint32_t i = 0; i < w->node_count; i++) {
        node_start(&w->nodes[i]);
    }
}

void world_release(struct world *w)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        if (w->nodes[i].is_up) {
            node_crash(&w->nodes[i], false);
        }
    }
    attacker_free(w->attacker);
    sim_run_until(&w->sim, w->sim.now_ns + 60 * NS_PER_S); /* knocks that are under way find nobody */
    SIM_CHECK(&w->sim, sim_net_open_count(w->net) == 0 || w->sim.failed, "connections are left at the end");
    sim_net_free(w->net);
    SIM_CHECK(&w->sim, w->sim.heap_count == 0 || w->sim.failed, "events are left at the end");
    secret_free(w->secret);
    secret_free(w->other_secret);
    mem_free(w->pairings);
    sim_release(&w->sim);
}

/* Links. */

static bool link_is_up(const struct core_of *c, uint64_t node, uint32_t core)
{
    const struct peer_node *peer = peer_node_find(c->net, node);
    const struct peer_link *link = peer != NULL ? peer_link_find(peer, core) : NULL;
    return link != NULL && link->life != 0;
}

/* All links of the two that end at core `c` of the one. */
static bool is_linked(const struct core_of *c, const struct node_of *to)
{
    const struct node_of *n = c->node;
    uint32_t links = n->core_count > to->core_count ? n->core_count : to->core_count;
    if (c->index == PEER_CORE_CONTROL) {
        return link_is_up(c, to->id, PEER_CORE_CONTROL);
    }
    for (uint32_t core = c->index; core < links; core += n->core_count) {
        if (!link_is_up(c, to->id, core)) {
            return false;
        }
    }
    return true;
}

bool world_is_whole(const struct world *w)
{
    for (uint32_t a = 0; a < w->node_count; a++) {
        for (uint32_t b = 0; b < w->node_count; b++) {
            const struct node_of *n = &w->nodes[a];
            if (a == b || n->flaw != FLAW_NONE || w->nodes[b].flaw != FLAW_NONE) {
                continue;
            }
            for (uint32_t k = 0; k < n->slot_count; k++) {
                if (!is_linked(&n->cores[k], &w->nodes[b])) {
                    return false;
                }
            }
        }
    }
    return true;
}

static void core_closed(void *user)
{
    ((struct core_of *)user)->closed = true;
}

static bool all_closed(const struct world *w)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        for (uint32_t k = 0; k < w->nodes[i].slot_count; k++) {
            if (!w->nodes[i].cores[k].closed) {
                return false;
            }
        }
    }
    return true;
}

bool world_close(struct world *w)
{
    uint64_t until_ns = w->sim.now_ns + 60 * NS_PER_S;
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct node_of *n = &w->nodes[i];
        n->cores[0].transport->ops->unlisten(n->listener);
        n->listener = NULL;
        for (uint32_t k = 0; k < n->slot_count; k++) {
            timer_cancel(&n->cores[k].wheel, &n->cores[k].work);
            peers_close(n->cores[k].net, core_closed, &n->cores[k]);
        }
    }
    while (!all_closed(w) && w->sim.now_ns < until_ns && !w->sim.failed) {
        sim_run_until(&w->sim, w->sim.now_ns + 10 * NS_PER_MS);
    }
    for (uint32_t i = 0; i < w->node_count; i++) {
        for (uint32_t k = 0; k < w->nodes[i].slot_count; k++) {
            const struct core_of *c = &w->nodes[i].cores[k];
            SIM_CHECK(&w->sim, !c->closed || c->wheel.count == 0, "a timer is left after all links were closed");
        }
    }
    return all_closed(w);
}
