/* tests/bench/peer_link.c: one link between two nodes over loopback, a thread each: the time of a frame of 100 bytes
 * there and back, one at a time; and how many a second arrive when as many as the queue takes are under way.
 *
 *     bench_peer_link [SECONDS]            as nodes do it
 *     bench_peer_link_unsealed [SECONDS]   with seals that cost nothing (peer_link_unsealed.c): what the seal costs */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/env/loop_uv.h"
#include "net/peer/peers.h"

#define FRAME_SIZE 100
#define BATCH 200 /* frames a tick, where throughput is measured */

enum phase { WAIT, ROUND_TRIPS, FLOOD, OVER };

struct node {
    struct loop_uv *loop;
    struct timerwheel wheel;
    struct rng rng;
    struct transport *transport;
    struct listener *listener;
    struct peers_net *net;
    uint64_t other, life;
    bool leads, full;
    uint64_t received;
    _Atomic(enum phase) phase; /* of who leads */
    _Atomic uint64_t round_trips, flooded;
    uint8_t frame[FRAME_SIZE];
    pthread_t thread;
};

static void send_one(struct node *n)
{
    (void)peer_send(&n->net->peers, n->other, 0, PEER_CALL, pdr_bytes(n->frame, sizeof n->frame));
}

static void up(void *user, uint64_t other, uint64_t life)
{
    struct node *n = user;
    n->life = life;
}

static void received(void *user, uint64_t other, uint64_t life, struct pdr_bytes frame)
{
    struct node *n = user;
    n->received++;
    if (n->leads) {
        atomic_fetch_add(&n->round_trips, 1);
        if (atomic_load(&n->phase) == ROUND_TRIPS) {
            send_one(n);
        }
    } else if (((const uint8_t *)frame.data)[0] == ROUND_TRIPS) {
        send_one(n);
    } else {
        atomic_fetch_add(&n->flooded, 1);
    }
}

static void room(void *user, uint64_t other, uint64_t life)
{
    ((struct node *)user)->full = false;
}

static const struct peer_handler handler = {.up = up, .received = received, .room = room};

static void flood(struct node *n)
{
    n->frame[0] = FLOOD;
    for (int i = 0; i < BATCH && !n->full; i++) {
        n->full = peer_send(&n->net->peers, n->other, 0, PEER_CALL, pdr_bytes(n->frame, sizeof n->frame)) ==
                  PDR_OVERLOADED;
    }
}

static bool before_sleep(void *user)
{
    struct node *n = user;
    enum phase phase = atomic_load(&n->phase);
    timerwheel_advance(&n->wheel, loop_now_ns(loop_uv_loop(n->loop)));
    if (n->leads && n->life != 0 && phase == ROUND_TRIPS && n->frame[0] != ROUND_TRIPS) {
        n->frame[0] = ROUND_TRIPS;
        send_one(n);
    }
    bool floods = n->leads && n->life != 0 && phase == FLOOD;
    if (floods) {
        flood(n);
    }
    peers_flush(n->net);
    if (phase == OVER) {
        loop_uv_stop(n->loop);
    }
    loop_set_timer(loop_uv_loop(n->loop), timerwheel_next_ns(&n->wheel));
    return floods && !n->full;
}

static void on_timer(void *user) {}

static void accepted(void *user, intptr_t pending)
{
    peers_adopt(((struct node *)user)->net, pending, pdr_bytes(NULL, 0));
}

static void node_open(struct node *n, uint64_t id, uint64_t other, const struct secret *secret)
{
    n->loop = loop_uv_new(clock_os());
    n->other = other;
    loop_own(loop_uv_loop(n->loop), n, on_timer, before_sleep);
    timerwheel_init(&n->wheel, loop_now_ns(loop_uv_loop(n->loop)));
    rng_seed(&n->rng, id);
    n->transport = transport_uv_new(loop_uv_loop(n->loop));
    const struct peers_world world = {.loop = loop_uv_loop(n->loop),
                                      .wheel = &n->wheel,
                                      .rng = &n->rng,
                                      .transport = n->transport,
                                      .entropy = secret_entropy};
    const struct handshake_self self = {
        .secret = secret, .cluster = "bench", .address = "", .node = id, .incarnation = 1, .cores = 1};
    n->net = peers_new(&world, &(struct peers_limits){0}, &self);
    peer_listen(&n->net->peers, PEER_CALL, &handler, n);
}

static void *run(void *user)
{
    loop_uv_run(((struct node *)user)->loop);
    return NULL;
}

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* What is counted in so many ms, after as many again to settle down. */
static uint64_t measure(struct node *leader, enum phase phase, _Atomic uint64_t *counter, long ms)
{
    atomic_store(&leader->phase, phase);
    loop_uv_loop(leader->loop)->ops->wake(loop_uv_loop(leader->loop));
    wait_ms(ms / 2);
    uint64_t before = atomic_load(counter);
    wait_ms(ms);
    return atomic_load(counter) - before;
}

int main(int argc, char **argv)
{
    long ms = argc > 1 ? atol(argv[1]) * 1000 : 2000;
    struct node *low = mem_new(sizeof *low), *high = mem_new(sizeof *high);
    struct secret *secret;
    const char *why;
    char address[64];
    log_set_level(LOG_WARN);
    if (secret_new(pdr_str("the secret of a benchmark"), &secret, &why) != PDR_OK) {
        return 1;
    }
    node_open(low, 1, 2, secret);
    node_open(high, 2, 1, secret);
    high->leads = true;
    if (low->transport->ops->listen(low->transport, "127.0.0.1:0", accepted, low, &low->listener, &why) != PDR_OK) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    snprintf(address, sizeof address, "127.0.0.1:%u", low->transport->ops->listener_port(low->listener));
    peers_members(low->net, &(struct peer_member){.node = 2, .address = address}, 1);
    peers_members(high->net, &(struct peer_member){.node = 1, .address = address}, 1);
    pthread_create(&low->thread, NULL, run, low);
    pthread_create(&high->thread, NULL, run, high);
    loop_uv_loop(high->loop)->ops->wake(loop_uv_loop(high->loop));
    wait_ms(300);
    uint64_t trips = measure(high, ROUND_TRIPS, &high->round_trips, ms);
    atomic_store(&high->phase, WAIT);
    uint64_t frames = measure(high, FLOOD, &low->flooded, ms);
    printf("frames of %d bytes: there and back %.2f us; one way %.0f a second, %.0f ns each\n", FRAME_SIZE,
           trips > 0 ? (double)ms * 1000 / (double)trips : 0, (double)frames * 1000 / (double)ms,
           frames > 0 ? (double)ms * 1e6 / (double)frames : 0);
    exit(0); /* threads and all */
}
