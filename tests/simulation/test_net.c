/* tests/simulation/test_net.c: the simulated network passes the cases that TCP passes, and fails as it should. */
#include <stdlib.h>

#include "tests/conformance/transport_suite.h"
#include "tests/lib/test.h"
#include "tests/simulation/sim_net.h"

struct world {
    struct transport_world suite;
    struct sim sim;
    struct sim_net *net;
    struct sim_clock clock;
    struct sim_loop loops[3];
};

static bool world_run(struct transport_world *suite, bool (*done)(void *user), void *user, uint64_t limit_ms)
{
    struct world *w = (struct world *)suite;
    uint64_t until_ns = w->sim.now_ns + limit_ms * NS_PER_MS;
    while (!done(user)) {
        if (w->sim.heap_count == 0 || w->sim.heap[0]->at_ns > until_ns) {
            w->sim.now_ns = until_ns;
            return false;
        }
        sim_step(&w->sim);
    }
    return true;
}

static void connect_address(struct transport_world *suite, uint16_t port, char *text, unsigned long size)
{
    snprintf(text, size, "server:%u", port);
}

static void reset(struct transport_world *suite, struct stream *stream)
{
    sim_net_reset_stream(stream);
}

static bool before_sleep(void *user)
{
    return false;
}

static void on_timer(void *user) {}

static void world_open(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    sim_init(&w->sim, seed, NULL);
    sim_clock_init(&w->clock, &w->sim);
    w->net = sim_net_new(&w->sim);
    *sim_net_shape(w->net) =
        (struct sim_net_shape){.window_max = 1u << (9 + seed % 9), .chunk_max = 1u << (1 + seed % 16)};
    uint32_t server = sim_net_host(w->net, "server"), client = sim_net_host(w->net, "client");
    struct transport **const transports[] = {&w->suite.server, &w->suite.server_other, &w->suite.client};
    for (uint32_t i = 0; i < 3; i++) {
        sim_loop_init(&w->loops[i], &w->sim, &w->clock, i);
        loop_own(&w->loops[i].loop, w, on_timer, before_sleep);
        w->loops[i].postpone_percent = 10;
        *transports[i] = sim_net_transport(w->net, &w->loops[i], i < 2 ? server : client);
        sim_loop_run(&w->loops[i]);
    }
    w->suite.run = world_run;
    w->suite.listen_address = "server:0";
    w->suite.connect_address = connect_address;
    w->suite.reset = reset;
}

static void world_close(struct world *w)
{
    EXPECT_INT(sim_net_open_count(w->net), 0);
    w->suite.server->ops->free(w->suite.server);
    w->suite.server_other->ops->free(w->suite.server_other);
    w->suite.client->ops->free(w->suite.client);
    sim_net_free(w->net);
    for (int i = 0; i < 3; i++) {
        sim_loop_stop(&w->loops[i]);
    }
    EXPECT_INT(w->sim.heap_count, 0);
    sim_release(&w->sim);
}

/* Each case over several seeds: other windows, other pieces. */
static void run_case(void (*run)(struct transport_world *world))
{
    struct world *w = malloc(sizeof *w);
    REQUIRE(w != NULL);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        world_open(w, seed);
        run(&w->suite);
        world_run(&w->suite, (bool (*)(void *))before_sleep, NULL, 60000); /* farewells that are still under way */
        world_close(w);
    }
    free(w);
}

TEST(echo)
{
    run_case(transport_suite_echo);
}

TEST(half_sent)
{
    run_case(transport_suite_half_sent);
}

TEST(both_ways)
{
    run_case(transport_suite_both_ways);
}

TEST(slow_reader)
{
    run_case(transport_suite_slow_reader);
}

TEST(pause)
{
    run_case(transport_suite_pause);
}

TEST(pause_inside)
{
    run_case(transport_suite_pause_inside);
}

TEST(close_fires)
{
    run_case(transport_suite_close_fires);
}

TEST(peer_closes)
{
    run_case(transport_suite_peer_closes);
}

TEST(close_inside)
{
    run_case(transport_suite_close_inside);
}

TEST(linger_delivers)
{
    run_case(transport_suite_linger_delivers);
}

TEST(linger_ends)
{
    run_case(transport_suite_linger_ends);
}

TEST(reset)
{
    run_case(transport_suite_reset);
}

TEST(refused)
{
    run_case(transport_suite_refused);
}

TEST(malformed)
{
    run_case(transport_suite_malformed);
}

TEST(close_early)
{
    run_case(transport_suite_close_early);
}

TEST(adopt_elsewhere)
{
    run_case(transport_suite_adopt_elsewhere);
}

TEST(detach)
{
    run_case(transport_suite_detach);
}

TEST(detach_inside)
{
    run_case(transport_suite_detach_inside);
}

TEST(discarded)
{
    run_case(transport_suite_discarded);
}

TEST(unlisten)
{
    run_case(transport_suite_unlisten);
}

TEST(two_listeners)
{
    run_case(transport_suite_two_listeners);
}

TEST(many)
{
    run_case(transport_suite_many);
}

TEST(peer_name)
{
    run_case(transport_suite_peer_name);
}

/* What only the simulator can do. */

struct talk {
    struct transport *server;
    struct stream *client, *accepted;
    size_t got;
    bool client_closed, server_closed;
    char why[64];
};

static void client_opened(void *user) {}
static void client_received(void *user, struct pdr_bytes data) {}
static void client_closed(void *user, const char *why)
{
    struct talk *talk = user;
    talk->client_closed = true;
    talk->client = NULL;
    snprintf(talk->why, sizeof talk->why, "%s", why);
}
static const struct stream_handler client_handler = {client_opened, client_received, NULL, client_closed};

static void server_received(void *user, struct pdr_bytes data)
{
    ((struct talk *)user)->got += data.size;
}
static void server_closed(void *user, const char *why)
{
    struct talk *talk = user;
    talk->server_closed = true;
    talk->accepted = NULL;
}
static const struct stream_handler server_handler = {NULL, server_received, NULL, server_closed};

static void accepted(void *user, intptr_t pending)
{
    struct talk *talk = user;
    talk->accepted = talk->server->ops->adopt(talk->server, pending, &server_handler, talk);
}

static bool is_up(void *user)
{
    return ((struct talk *)user)->accepted != NULL;
}

static bool has_100(void *user)
{
    return ((struct talk *)user)->got >= 100;
}

static bool both_closed(void *user)
{
    struct talk *talk = user;
    return talk->client_closed && talk->server_closed;
}

static struct listener *start_talk(struct world *w, struct talk *talk)
{
    struct listener *listener;
    const char *why;
    *talk = (struct talk){.server = w->suite.server};
    REQUIRE(talk->server->ops->listen(talk->server, "server:7", accepted, talk, &listener, &why) == PDR_OK);
    talk->client = w->suite.client->ops->connect(w->suite.client, "server:7", &client_handler, talk, &why);
    REQUIRE(talk->client != NULL);
    REQUIRE(world_run(&w->suite, is_up, talk, 1000));
    return listener;
}

TEST(a_cut_holds_bytes_until_it_heals)
{
    static const char data[100] = {0};
    struct world *w = malloc(sizeof *w);
    struct talk talk;
    world_open(w, 3);
    sim_net_shape(w->net)->window_max = 4096;
    struct listener *listener = start_talk(w, &talk);
    world_run(&w->suite, (bool (*)(void *))before_sleep, NULL, 100);
    sim_net_cut(w->net, 1, 0);
    w->suite.client->ops->write(talk.client, pdr_bytes(data, sizeof data));
    EXPECT(!world_run(&w->suite, has_100, &talk, 1500));
    EXPECT_INT(talk.got, 0);
    sim_net_heal(w->net);
    EXPECT(world_run(&w->suite, has_100, &talk, 1000));
    w->suite.client->ops->close(talk.client, 0);
    EXPECT(world_run(&w->suite, both_closed, &talk, 1000));
    w->suite.server->ops->unlisten(listener);
    world_close(w);
    free(w);
}

TEST(a_long_cut_breaks_the_sender)
{
    static const char data[100] = {0};
    struct world *w = malloc(sizeof *w);
    struct talk talk;
    world_open(w, 4);
    struct listener *listener = start_talk(w, &talk);
    world_run(&w->suite, (bool (*)(void *))before_sleep, NULL, 100);
    sim_net_cut(w->net, 1, 0);
    w->suite.client->ops->write(talk.client, pdr_bytes(data, sizeof data));
    EXPECT(!world_run(&w->suite, both_closed, &talk, 30000));
    EXPECT(talk.client_closed && !talk.server_closed);
    EXPECT_STR(talk.why, "connection timed out");
    sim_net_heal(w->net);
    EXPECT(world_run(&w->suite, both_closed, &talk, 1000));
    w->suite.server->ops->unlisten(listener);
    world_close(w);
    free(w);
}

TEST(a_reset_loses_the_end_of_what_is_under_way)
{
    static const char data[1000] = {0};
    struct world *w = malloc(sizeof *w);
    unsigned torn = 0;
    for (uint64_t seed = 1; seed < 40; seed++) {
        struct talk talk;
        world_open(w, seed);
        struct listener *listener = start_talk(w, &talk);
        world_run(&w->suite, (bool (*)(void *))before_sleep, NULL, 100);
        w->suite.client->ops->write(talk.client, pdr_bytes(data, sizeof data));
        EXPECT(sim_net_reset(w->net));
        EXPECT(world_run(&w->suite, both_closed, &talk, 1000));
        torn += talk.got > 0 && talk.got < sizeof data;
        w->suite.server->ops->unlisten(listener);
        world_run(&w->suite, (bool (*)(void *))before_sleep, NULL, 1000);
        world_close(w);
    }
    EXPECT(torn > 3);
    free(w);
}

TEST(a_crash_is_silent_for_the_dead_and_heard_by_the_living)
{
    struct world *w = malloc(sizeof *w);
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct talk talk;
        world_open(w, seed);
        start_talk(w, &talk);
        world_run(&w->suite, (bool (*)(void *))before_sleep, NULL, 100);
        sim_net_crash(w->net, 0, seed % 2 == 0);
        EXPECT(!world_run(&w->suite, both_closed, &talk, 30000));
        EXPECT(talk.client_closed && !talk.server_closed);
        sim_net_reap(w->net, 0);
        world_close(w);
    }
    free(w);
}

TEST(the_same_seed_has_the_same_trace)
{
    uint64_t traces[2];
    struct world *w = malloc(sizeof *w);
    for (int i = 0; i < 2; i++) {
        world_open(w, 5);
        transport_suite_both_ways(&w->suite);
        transport_suite_many(&w->suite);
        traces[i] = w->sim.trace;
        world_run(&w->suite, (bool (*)(void *))before_sleep, NULL, 60000);
        world_close(w);
    }
    EXPECT(traces[0] == traces[1]);
    free(w);
}

TEST_MAIN()
