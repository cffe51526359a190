/* tests/integration/test_peers.c: two nodes' links over real sockets, through the port that serves clients too. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/env/loop_uv.h"
#include "core/shard/core.h"
#include "net/conn/conn.h"
#include "net/peer/peers.h"
#include "net/wire/codec.h"
#include "tests/lib/test.h"

#define LARGE (5u << 20)

struct node {
    struct loop_uv *loop;
    struct core core; /* what connections want to know of it: clock and wheel */
    struct conns conns;
    struct rng rng;
    struct transport *transport;
    struct listener *listener;
    struct peers_net *net;
    struct handshake_self self;
    uint64_t life, gones, frames, bytes, clients_closed;
    bool echoes, closed, conns_closed;
    char address[64], why[320];
};

static void up(void *user, uint64_t id, uint64_t life)
{
    ((struct node *)user)->life = life;
}

static void received(void *user, uint64_t id, uint64_t life, struct pdr_bytes frame)
{
    struct node *n = user;
    n->frames++;
    n->bytes += frame.size;
    if (n->echoes) {
        EXPECT_INT(peer_send(&n->net->peers, id, life, PEER_CALL, frame), PDR_OK);
    }
}

static void gone(void *user, uint64_t id, uint64_t life, const char *why)
{
    struct node *n = user;
    n->gones++;
    n->life = 0;
    snprintf(n->why, sizeof n->why, "%s", why);
}

static const struct peer_handler handler = {.up = up, .received = received, .gone = gone};

static bool before_sleep(void *user)
{
    struct node *n = user;
    timerwheel_advance(&n->core.wheel, core_now_ns(&n->core));
    conns_flush(&n->conns);
    peers_flush(n->net);
    loop_set_timer(n->core.world.loop, timerwheel_next_ns(&n->core.wheel));
    return false;
}

static void on_timer(void *user) {}

static void accepted(void *user, intptr_t pending)
{
    conns_adopt(&((struct node *)user)->conns, pending);
}

static void enter(void *user, intptr_t pending, struct pdr_bytes first)
{
    peers_adopt(((struct node *)user)->net, pending, first);
}

static struct node *node_new(uint64_t id, const struct secret *secret)
{
    static const struct conn_identity identity = {"node", "cluster", "0"};
    static const struct conn_limits limits = {
        .connections_max = 10, .outstanding_max = 10, .unsent_max = 1000, .unread_max = 1000, .unread_ms = 1000};
    const char *why = "";
    struct node *n = mem_new(sizeof *n);
    log_set_level(LOG_ERROR);
    n->loop = loop_uv_new(clock_os());
    REQUIRE(n->loop != NULL);
    n->core.world.loop = loop_uv_loop(n->loop);
    loop_own(n->core.world.loop, n, on_timer, before_sleep);
    timerwheel_init(&n->core.wheel, core_now_ns(&n->core));
    rng_seed(&n->rng, id);
    n->transport = transport_uv_new(n->core.world.loop);
    conns_init(&n->conns, &n->core, NULL, n->transport, &limits, &identity);
    n->conns.peers = (struct conn_peer_door){enter, n};
    REQUIRE(n->transport->ops->listen(n->transport, "127.0.0.1:0", accepted, n, &n->listener, &why) == PDR_OK);
    snprintf(n->address, sizeof n->address, "127.0.0.1:%u", n->transport->ops->listener_port(n->listener));
    n->self = (struct handshake_self){
        .secret = secret, .cluster = "blue", .address = n->address, .node = id, .incarnation = 1, .cores = 1};
    const struct peers_world world = {.loop = n->core.world.loop,
                                      .wheel = &n->core.wheel,
                                      .rng = &n->rng,
                                      .transport = n->transport,
                                      .entropy = secret_entropy};
    n->net = peers_new(&world, &(struct peers_limits){0}, &n->self);
    peer_listen(&n->net->peers, PEER_CALL, &handler, n);
    return n;
}

static void know(struct node *n, const struct node *other)
{
    peers_members(n->net, &(struct peer_member){.node = other->self.node, .address = other->address}, 1);
}

static void turn(struct node *n)
{
    before_sleep(n); /* timers are not the loop's here: nobody runs it */
    uv_run(loop_uv_raw(n->loop), UV_RUN_NOWAIT);
}

static void turns(struct node *a, struct node *b)
{
    turn(a);
    turn(b);
    usleep(100);
}

/* Both loops in turns, until it comes true. */
#define RUN_UNTIL(a, b, want)                                                                                          \
    do {                                                                                                               \
        for (int tries_ = 0; !(want) && tries_ < 50000; tries_++) {                                                    \
            turns(a, b);                                                                                               \
        }                                                                                                              \
        REQUIRE(want);                                                                                                 \
    } while (0)

static void set_true(void *user)
{
    *(bool *)user = true;
}

static void close_both(struct node *a, struct node *b)
{
    struct node *nodes[] = {a, b};
    for (int i = 0; i < 2; i++) {
        nodes[i]->transport->ops->unlisten(nodes[i]->listener);
        peers_close(nodes[i]->net, set_true, &nodes[i]->closed);
        conns_close(&nodes[i]->conns, set_true, &nodes[i]->conns_closed);
    }
    RUN_UNTIL(a, b, a->closed && b->closed && a->conns_closed && b->conns_closed);
    for (int i = 0; i < 2; i++) {
        struct node *n = nodes[i];
        peers_free(n->net);
        conns_free(&n->conns);
        EXPECT_INT(n->core.wheel.count, 0);
        n->transport->ops->free(n->transport);
        loop_uv_free(n->loop);
        mem_free(n);
    }
}

static struct secret *secret_of(const char *text)
{
    struct secret *secret;
    const char *why;
    REQUIRE(secret_new(pdr_str(text), &secret, &why) == PDR_OK);
    return secret;
}

TEST(frames_there_and_back)
{
    struct secret *secret = secret_of("the secret of blue");
    struct node *low = node_new(1, secret), *high = node_new(2, secret);
    know(low, high);
    know(high, low);
    RUN_UNTIL(low, high, low->life != 0 && high->life != 0);
    EXPECT_INT(low->conns.stats.peers, 1);
    EXPECT_INT(low->conns.count, 0);
    low->echoes = true;
    void *large = mem_new(LARGE);
    for (int i = 0; i < 100; i++) {
        EXPECT_INT(peer_send(&high->net->peers, 1, 0, PEER_CALL, pdr_str("a small one")), PDR_OK);
    }
    RUN_UNTIL(low, high, high->frames == 100);
    EXPECT_INT(peer_send(&high->net->peers, 1, 0, PEER_CALL, pdr_bytes(large, LARGE)), PDR_OK);
    RUN_UNTIL(low, high, high->frames == 101);
    EXPECT_INT(high->bytes, 100 * 11 + LARGE);
    mem_free(large);
    close_both(low, high);
    secret_free(secret);
}

/* One stops, and starts again under the same address; the other one finds it. */
TEST(comes_back)
{
    struct secret *secret = secret_of("the secret of blue");
    struct node *low = node_new(1, secret), *high = node_new(2, secret);
    know(low, high);
    know(high, low);
    RUN_UNTIL(low, high, low->life != 0 && high->life != 0);
    uint64_t before = high->life;
    peers_members(low->net, NULL, 0); /* forgets it, and says so */
    RUN_UNTIL(low, high, high->gones == 1);
    EXPECT_STR(high->why, "the node is no member of the cluster, not yet or not any more");
    RUN_UNTIL(low, high, high->net->stats.refused_by >= 2);
    EXPECT_INT(high->life, 0);
    know(low, high);
    RUN_UNTIL(low, high, low->life != 0 && high->life != 0);
    EXPECT(high->life > before);
    close_both(low, high);
    secret_free(secret);
}

TEST(stranger)
{
    struct secret *secret = secret_of("the secret of blue"), *other = secret_of("the secret of red.");
    struct node *low = node_new(1, secret), *high = node_new(2, other);
    know(low, high);
    know(high, low);
    RUN_UNTIL(low, high, low->net->stats.refused >= 3 && high->net->stats.refused_by >= 3);
    EXPECT_INT(low->net->stats.up + high->net->stats.up, 0);
    close_both(low, high);
    secret_free(secret);
    secret_free(other);
}

TEST_MAIN()
