/* The client and a cluster of two: which node its calls reach. `a` is the node that it is given; the map says that all
 * shards are b's. */
#include <stdlib.h>

#include "core/cluster_map.h"
#include "tests/unit/net/client/scripted_node.h"
#include "tools/node/map_answer.h"

#include <perdure/client.h>

struct world {
    uv_loop_t loop;
    struct scripted_node a, b;
    pdr_writer map;
    pdr_client *client;
    bool closed;
};

struct ended {
    unsigned times;
    enum pdr_status status;
    char message[512];
    struct world *world; /* calls `again` when it has ended */
    struct ended *again;
};

static enum pdr_status call_as(struct world *w, const char *to, const char *method, struct ended *e);

static void on_outcome(void *user, const struct pdr_outcome *outcome)
{
    struct ended *e = user;
    e->times++;
    e->status = outcome->status;
    snprintf(e->message, sizeof e->message, "%.*s", (int)outcome->message.size,
             outcome->message.size > 0 ? (const char *)outcome->message.data : "");
    if (e->again != NULL) {
        EXPECT_INT(call_as(e->world, "a/k", "echo", e->again), PDR_OK);
    }
}

static enum pdr_status call_as(struct world *w, const char *to, const char *method, struct ended *e)
{
    return pdr_client_call(w->client, pdr_str(to), method, pdr_bytes("\x91\x07", 2), NULL, on_outcome, e);
}

static void on_closed(void *user)
{
    ((struct world *)user)->closed = true;
}

/* `owner` 1: a; 2: b; `nodes` is 1 or 2. */
static void write_map(struct world *w, uint64_t version, uint32_t nodes, uint64_t owner, uint64_t self)
{
    struct cluster_node all[2] = {{.node = 1, .address = pdr_str(w->a.address)},
                                  {.node = 2, .address = pdr_str(w->b.address)}};
    struct cluster_owner owners[4];
    for (int i = 0; i < 4; i++) {
        owners[i] = (struct cluster_owner){.node = owner};
    }
    struct cluster_map map = {.version = version,
                              .shard_count = 4,
                              .cores = 1,
                              .self = self,
                              .owner_count = 4,
                              .node_count = nodes,
                              .owners = owners,
                              .nodes = all};
    pdr_writer_clear(&w->map);
    map_answer_write(&w->map, &map, 0, pdr_bytes(NULL, 0));
    w->a.map = w->b.map = pdr_written(&w->map);
}

static void open_nodes(struct world *w)
{
    memset(w, 0, sizeof *w);
    REQUIRE(uv_loop_init(&w->loop) == 0);
    node_listen(&w->a, &w->loop, NULL);
    node_listen(&w->b, &w->loop, NULL);
    write_map(w, 1, 2, 2, 1);
}

static void open_client(struct world *w, const struct pdr_client_options *options)
{
    struct pdr_client_options all = options != NULL ? *options : (struct pdr_client_options){0};
    const char *why = "";
    all.node = all.node != NULL ? all.node : w->a.address;
    REQUIRE(pdr_client_open(&w->loop, &all, &w->client, &why) == PDR_OK);
}

static void world_open(struct world *w, const struct pdr_client_options *options)
{
    open_nodes(w);
    open_client(w, options);
}

static void world_close(struct world *w)
{
    pdr_client_close(w->client, on_closed, w);
    while (!w->closed) {
        uv_run(&w->loop, UV_RUN_ONCE);
    }
    node_stop(&w->a, &w->loop);
    node_stop(&w->b, &w->loop);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    EXPECT_INT(uv_loop_close(&w->loop), 0);
    pdr_writer_release(&w->map);
}

static void until(struct world *w, const unsigned *count, unsigned wanted)
{
    uint64_t end = uv_hrtime() + 10000000000;
    while (*count < wanted && uv_hrtime() < end) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    EXPECT(*count >= wanted);
}

static void call_and_wait(struct world *w, const char *to, struct ended *e)
{
    *e = (struct ended){0};
    REQUIRE(call_as(w, to, "echo", e) == PDR_OK);
    until(w, &e->times, 1);
    EXPECT_INT(e->status, PDR_OK);
}

/* Until calls go to the owner; what they are is of no interest. */
static void settle(struct world *w, struct scripted_node *owner)
{
    struct ended e;
    unsigned before = owner->requests;
    uint64_t end = uv_hrtime() + 10000000000;
    while (owner->requests == before && uv_hrtime() < end) {
        call_and_wait(w, "a/other", &e);
    }
    REQUIRE(owner->requests > before);
}

TEST(goes_straight_to_the_owner)
{
    struct world w;
    struct ended e;
    world_open(&w, NULL);
    call_and_wait(&w, "a/k", &e);
    EXPECT_INT(w.a.requests, 1); /* nobody waits for a map */
    settle(&w, &w.b);
    unsigned by_a = w.a.requests, by_b = w.b.requests;
    for (int i = 0; i < 5; i++) {
        call_and_wait(&w, "a/k", &e);
    }
    EXPECT_INT(w.a.requests, by_a);
    EXPECT_INT(w.b.requests, by_b + 5);
    EXPECT_INT(w.a.connections, 1);
    EXPECT_INT(w.b.connections, 1);
    EXPECT_INT(w.a.maps_asked, 1);
    EXPECT(!w.a.asked_version);
    EXPECT_INT(pdr_client_outstanding(w.client), 0);
    EXPECT_INT(pdr_client_tell(w.client, pdr_str("a/k"), "note", pdr_bytes(NULL, 0)), PDR_OK);
    until(&w, &w.b.notifications, 1);
    EXPECT_INT(w.a.notifications, 0);
    world_close(&w);
}

TEST(the_node_itself_is_the_owner)
{
    struct world w;
    struct ended e;
    open_nodes(&w);
    write_map(&w, 1, 2, 1, 1);
    open_client(&w, NULL);
    for (int i = 0; i < 20; i++) {
        call_and_wait(&w, "a/k", &e);
    }
    EXPECT_INT(w.a.requests, 20);
    EXPECT_INT(w.a.connections, 1); /* and not another one for the owner */
    EXPECT_INT(w.b.connections, 0);
    world_close(&w);
}

TEST(system_actors_are_the_nodes_own)
{
    struct world w;
    struct ended e;
    world_open(&w, NULL);
    settle(&w, &w.b);
    unsigned by_a = w.a.requests, by_b = w.b.requests;
    call_and_wait(&w, "_sys/node", &e);
    EXPECT_INT(w.a.requests, by_a + 1);
    EXPECT_INT(w.b.requests, by_b);
    world_close(&w);
}

/* Its default is the connection's: an owner must hear of it, too. */
TEST(owners_hear_of_the_deadline)
{
    struct world w;
    world_open(&w, &(struct pdr_client_options){.deadline_ms = 7000});
    settle(&w, &w.b);
    EXPECT_INT(w.b.hello_deadline_ms, 7000);
    world_close(&w);
}

TEST(one_connection_asks_for_nothing)
{
    struct world w;
    struct ended e;
    world_open(&w, &(struct pdr_client_options){.one_connection = true});
    for (int i = 0; i < 20; i++) {
        call_and_wait(&w, "a/k", &e);
    }
    EXPECT_INT(w.a.maps_asked, 0);
    EXPECT_INT(w.a.requests, 20);
    EXPECT_INT(w.b.connections, 0);
    world_close(&w);
}

/* The map is for finding another node later. */
TEST(a_session_keeps_to_its_connection)
{
    struct world w;
    struct ended e;
    open_nodes(&w);
    w.a.session = "first";
    open_client(&w, &(struct pdr_client_options){.session = true});
    for (int i = 0; i < 20; i++) {
        call_and_wait(&w, "a/k", &e);
    }
    EXPECT_INT(w.a.maps_asked, 1);
    EXPECT_INT(w.a.requests, 20);
    EXPECT_INT(w.b.connections, 0);
    world_close(&w);
}

TEST(a_session_goes_on_at_a_member)
{
    struct world w;
    struct ended e;
    open_nodes(&w);
    w.a.session = w.b.session = "first";
    open_client(&w, &(struct pdr_client_options){.session = true});
    call_and_wait(&w, "a/k", &e);
    until(&w, &w.a.maps_asked, 1);
    call_and_wait(&w, "a/k", &e); /* the map has come */
    node_stop(&w.a, &w.loop);
    call_and_wait(&w, "a/k", &e);
    EXPECT_INT(w.b.requests, 1);
    EXPECT_STR(w.b.asked_session, "first");
    node_listen(&w.a, &w.loop, NULL);
    world_close(&w);
}

TEST(an_older_node_is_not_asked_again)
{
    struct world w;
    struct ended e;
    open_nodes(&w);
    w.a.map = pdr_bytes(NULL, 0);
    open_client(&w, NULL);
    for (int i = 0; i < 20; i++) {
        call_and_wait(&w, "a/k", &e);
    }
    EXPECT_INT(w.a.maps_asked, 1);
    EXPECT_INT(w.b.connections, 0);
    world_close(&w);
}

TEST(what_is_no_map_does_no_harm)
{
    struct world w;
    struct ended e;
    open_nodes(&w);
    w.a.map = pdr_bytes("\x81\xa7version\x01", 10);
    open_client(&w, NULL);
    for (int i = 0; i < 20; i++) {
        call_and_wait(&w, "a/k", &e);
    }
    EXPECT_INT(w.a.requests, 20);
    EXPECT_INT(w.b.connections, 0);
    world_close(&w);
}

/* Nobody waits for an owner that does not answer. */
TEST(an_owner_that_cannot_be_reached)
{
    struct world w;
    struct ended e;
    open_nodes(&w);
    w.b.refuses = true;
    open_client(&w, NULL);
    for (int i = 0; i < 50; i++) {
        call_and_wait(&w, "a/k", &e);
    }
    EXPECT_INT(w.a.requests, 50);
    EXPECT(w.b.connections > 0);
    world_close(&w);
}

/* A call under way keeps its actor to the old way, and no other. */
TEST(no_call_overtakes_another)
{
    struct world w;
    struct ended silent = {0}, e;
    struct pdr_call_options soon = {.deadline_ms = 500};
    world_open(&w, NULL);
    REQUIRE(pdr_client_call(w.client, pdr_str("a/k"), "silent", pdr_bytes(NULL, 0), &soon, on_outcome, &silent) ==
            PDR_OK);
    settle(&w, &w.b);
    unsigned by_a = w.a.requests, by_b = w.b.requests;
    call_and_wait(&w, "a/k", &e);
    EXPECT_INT(silent.times, 0);
    EXPECT_INT(w.a.requests, by_a + 1);
    EXPECT_INT(w.b.requests, by_b);
    until(&w, &silent.times, 1);
    call_and_wait(&w, "a/k", &e);
    EXPECT_INT(w.a.requests, by_a + 1);
    EXPECT_INT(w.b.requests, by_b + 1);
    world_close(&w);
}

/* An actor that always has calls under way comes to its owner all the same. */
struct busy {
    struct world *world;
    bool over;
    unsigned answers, failures, last;
};

struct turn {
    struct busy *busy;
    unsigned number;
};

static void again(struct busy *b);

static void on_turn(void *user, const struct pdr_outcome *outcome)
{
    struct turn *turn = user;
    struct busy *b = turn->busy;
    b->failures += outcome->status != PDR_OK;
    b->answers++;
    EXPECT(b->over || turn->number > b->last || b->last == 0); /* both nodes answer at once, in order */
    b->last = turn->number;
    free(turn);
    if (!b->over) {
        again(b);
    }
}

static void again(struct busy *b)
{
    static unsigned number;
    struct turn *turn = malloc(sizeof *turn);
    REQUIRE(turn != NULL);
    *turn = (struct turn){b, ++number};
    REQUIRE(pdr_client_call(b->world->client, pdr_str("a/busy"), "echo", pdr_bytes("\x91\x07", 2), NULL, on_turn,
                            turn) == PDR_OK);
}

TEST(a_busy_actor_moves_over)
{
    struct world w;
    struct busy busy = {.world = &w};
    world_open(&w, NULL);
    for (int i = 0; i < 16; i++) {
        again(&busy);
    }
    until(&w, &w.b.requests, 1000);
    unsigned by_a = w.a.requests, answers = busy.answers;
    until(&w, &busy.answers, answers + 1000);
    EXPECT_INT(w.a.requests, by_a);
    EXPECT_INT(busy.failures, 0);
    busy.over = true;
    while (pdr_client_outstanding(w.client) > 0) {
        uv_run(&w.loop, UV_RUN_ONCE);
    }
    world_close(&w);
}

/* What is under way may wait for the call that is held: that is sent the old way soon. */
TEST(held_calls_do_not_wait_for_long)
{
    struct world w;
    struct ended silent = {0}, e[5] = {{0}};
    world_open(&w, NULL);
    REQUIRE(call_as(&w, "a/k", "silent", &silent) == PDR_OK);
    settle(&w, &w.b);
    unsigned by_a = w.a.requests;
    uint64_t began_ns = uv_hrtime();
    for (int i = 0; i < 5; i++) {
        REQUIRE(call_as(&w, "a/k", "echo", &e[i]) == PDR_OK);
    }
    for (int i = 0; i < 5; i++) {
        until(&w, &e[i].times, 1);
        EXPECT_INT(e[i].status, PDR_OK);
    }
    EXPECT(uv_hrtime() - began_ns < 1000000000);
    EXPECT_INT(w.a.requests, by_a + 5);
    EXPECT_INT(silent.times, 0);
    REQUIRE(call_as(&w, "a/k", "echo", &e[0]) == PDR_OK); /* not held: it was tried just now */
    until(&w, &e[0].times, 2);
    world_close(&w); /* with one under way */
    EXPECT_INT(silent.status, PDR_CANCELLED);
}

/* Its calls end; those made by their callbacks, while others have yet to end, do not wait for the lost connection. */
TEST(an_owner_is_lost)
{
    struct world w;
    struct ended e[3] = {{0}}, again[3] = {{0}};
    world_open(&w, NULL);
    settle(&w, &w.b);
    unsigned by_a = w.a.requests;
    for (int i = 0; i < 3; i++) {
        e[i].world = &w;
        e[i].again = &again[i];
        REQUIRE(call_as(&w, "a/k", i < 2 ? "silent" : "hang_up", &e[i]) == PDR_OK);
    }
    w.b.refuses = true;
    for (int i = 0; i < 3; i++) {
        until(&w, &again[i].times, 1);
        EXPECT_INT(e[i].status, PDR_UNAVAILABLE);
        EXPECT(strstr(e[i].message, "may have been applied") != NULL && strstr(e[i].message, w.b.address) != NULL);
        EXPECT_INT(again[i].status, PDR_OK);
    }
    EXPECT_INT(w.a.requests, by_a + 3);
    EXPECT(w.a.maps_asked >= 2 && w.a.asked_version); /* its shards may have moved */
    w.b.refuses = false;
    settle(&w, &w.b);
    world_close(&w);
}

/* What was made for an owner in the very turn in which it is lost was not sent, and goes by the given node. */
TEST(what_an_owner_did_not_get)
{
    struct world w;
    struct ended e = {0}, again = {0}, garbage = {0};
    world_open(&w, NULL);
    settle(&w, &w.b);
    unsigned by_a = w.a.requests;
    e.world = &w;
    e.again = &again;
    REQUIRE(call_as(&w, "a/k", "echo", &e) == PDR_OK);
    REQUIRE(call_as(&w, "a/k", "garbage", &garbage) == PDR_OK); /* comes together with the answer */
    w.b.refuses = true;
    until(&w, &again.times, 1);
    EXPECT_INT(e.status, PDR_OK);
    EXPECT_INT(again.status, PDR_OK);
    EXPECT_INT(w.a.requests, by_a + 1);
    until(&w, &garbage.times, 1);
    EXPECT_INT(garbage.status, PDR_UNAVAILABLE);
    world_close(&w);
}

/* It says that it will close: what is under way there may still be answered, and nothing new is sent. */
TEST(an_owner_says_farewell)
{
    struct world w;
    struct ended silent = {0}, e;
    world_open(&w, NULL);
    settle(&w, &w.b);
    unsigned by_a = w.a.requests, by_b = w.b.requests;
    REQUIRE(call_as(&w, "a/k", "silent", &silent) == PDR_OK);
    until(&w, &w.b.requests, by_b + 1);
    node_farewell(&w.b);
    do { /* until the client has read it */
        call_and_wait(&w, "a/other", &e);
    } while (w.a.requests == by_a);
    by_a = w.a.requests;
    by_b = w.b.requests;
    call_and_wait(&w, "a/other", &e);
    EXPECT_INT(w.a.requests, by_a + 1);
    call_and_wait(&w, "a/k", &e); /* not past the silent one */
    EXPECT_INT(w.b.requests, by_b + 1);
    EXPECT_INT(silent.times, 0);
    node_close(&w.b);
    until(&w, &silent.times, 1);
    EXPECT(strstr(silent.message, "the node is stopping") != NULL);
    settle(&w, &w.b);
    world_close(&w);
}

/* With the given node gone the client goes on by the owner, and has a member in its place soon. */
TEST(the_given_node_is_lost)
{
    struct world w;
    struct ended e;
    open_nodes(&w);
    write_map(&w, 1, 2, 1, 2); /* it is given b; all is a's */
    open_client(&w, &(struct pdr_client_options){.node = w.b.address});
    settle(&w, &w.a);
    node_stop(&w.b, &w.loop);
    for (int i = 0; i < 20; i++) {
        call_and_wait(&w, "a/k", &e);
    }
    EXPECT_INT(w.b.connections, 1);
    node_close(&w.a); /* the scripted node takes one connection at a time */
    unsigned connections = w.a.connections;
    until(&w, &w.a.connections, connections + 1);
    call_and_wait(&w, "a/k", &e);
    call_and_wait(&w, "_sys/node", &e); /* by the given node's place */
    node_listen(&w.b, &w.loop, NULL);
    world_close(&w);
}

TEST(the_first_of_a_list_that_answers)
{
    struct world w;
    struct ended e;
    char nodes[200];
    open_nodes(&w);
    snprintf(nodes, sizeof nodes, "127.0.0.1:1,%s,%s", w.a.address, w.b.address);
    open_client(&w, &(struct pdr_client_options){.node = nodes, .one_connection = true});
    call_and_wait(&w, "a/k", &e);
    EXPECT_INT(w.a.requests, 1);
    w.a.refuses = true;
    node_close(&w.a);
    uint64_t end = uv_hrtime() + 10000000000;
    while (w.b.requests == 0 && uv_hrtime() < end) {
        e = (struct ended){0};
        REQUIRE(call_as(&w, "a/k", "echo", &e) == PDR_OK);
        until(&w, &e.times, 1);
    }
    EXPECT(w.b.requests > 0);
    world_close(&w);
}

/* While there was one node its calls were not told apart; with several they go straight when those are answered. */
TEST(a_node_alone_becomes_several)
{
    struct world w;
    struct ended e, first = {0}, silent = {0};
    struct pdr_call_options soon = {.deadline_ms = 800};
    open_nodes(&w);
    write_map(&w, 1, 1, 1, 1);
    open_client(&w, NULL);
    call_and_wait(&w, "a/k", &e);
    write_map(&w, 2, 2, 2, 1);
    node_close(&w.a);
    REQUIRE(call_as(&w, "a/k", "echo", &first) == PDR_OK); /* fails, or waits for the next connection */
    REQUIRE(pdr_client_call(w.client, pdr_str("a/k"), "silent", pdr_bytes(NULL, 0), &soon, on_outcome, &silent) ==
            PDR_OK);
    until(&w, &w.a.maps_asked, 2);
    while (silent.times == 0) {
        EXPECT_INT(w.b.requests, 0);
        e = (struct ended){0};
        REQUIRE(call_as(&w, "a/other", "echo", &e) == PDR_OK);
        until(&w, &e.times, 1);
    }
    settle(&w, &w.b);
    world_close(&w);
}

TEST_MAIN()
