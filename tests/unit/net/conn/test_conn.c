/* tests/unit/net/conn/test_conn.c: whose connection it is, its first byte tells. */
#include "net/conn/conn.h"

#include "core/shard/core.h"
#include "net/wire/codec.h"
#include "tests/unit/net/peer/scripted_peers.h"

struct world {
    struct secret *secret;
    struct side *side; /* for its transport and loop */
    struct core core;
    struct conns conns;
    unsigned entered;
    intptr_t pending;
    char first[64];
};

static void enter(void *user, intptr_t pending, struct pdr_bytes first)
{
    struct world *w = user;
    w->entered++;
    w->pending = pending;
    snprintf(w->first, sizeof w->first, "%.*s", (int)first.size, (const char *)first.data);
}

static struct world *world_new(bool has_door)
{
    static const struct conn_limits limits = {
        .connections_max = 10, .outstanding_max = 10, .unsent_max = 1000, .unread_max = 1000, .unread_ms = 1000};
    static const struct conn_identity identity = {"node", "cluster", "0"};
    struct world *w = mem_new(sizeof *w);
    w->secret = make_secret("nobody needs one here");
    struct handshake_self self = make_self(w->secret, 1);
    w->side = side_new(&self, &(struct peers_limits){0});
    w->core.world.loop = &w->side->loop;
    timerwheel_init(&w->core.wheel, w->side->now_ns);
    conns_init(&w->conns, &w->core, NULL, &w->side->transport, &limits, &identity);
    if (has_door) {
        w->conns.peers = (struct conn_peer_door){enter, w};
    }
    return w;
}

static void world_free(struct world *w)
{
    conns_free(&w->conns);
    side_free(w->side);
    secret_free(w->secret);
    mem_free(w);
}

static struct pipe_end *hears(struct world *w, const char *text)
{
    conns_adopt(&w->conns, 1);
    struct pipe_end *e = side_end(w->side, 0);
    e->handler->received(e->user, pdr_str(text));
    conns_flush(&w->conns);
    return e;
}

TEST(a_peer_goes_through_the_door)
{
    struct world *w = world_new(true);
    struct pipe_end *e = hears(w, "\xc1 and more");
    EXPECT_INT(w->entered, 1);
    EXPECT_INT(w->pending, 77);
    EXPECT_STR(w->first, "\xc1 and more");
    EXPECT(!e->used);
    EXPECT_INT(w->conns.count, 0);
    EXPECT_INT(w->conns.streams, 0);
    EXPECT_INT(w->conns.stats.peers, 1);
    EXPECT_INT(w->conns.stats.garbage, 0);
    world_free(w);
}

TEST(without_a_door_it_is_garbage)
{
    struct world *w = world_new(false);
    struct pipe_end *e = hears(w, "\xc1");
    EXPECT(e->closing);
    EXPECT_INT(w->conns.stats.garbage, 1);
    world_free(w);
}

/* Who has begun as a client stays one. */
TEST(only_the_first_byte_counts)
{
    struct world *w = world_new(true);
    pdr_writer hello;
    pdr_writer_init(&hello, NULL, 0, 0);
    codec_request(&hello, 1, pdr_str("_sys/conn"), pdr_str("hello"), pdr_bytes("\x90", 1));
    conns_adopt(&w->conns, 1);
    struct pipe_end *e = side_end(w->side, 0);
    e->handler->received(e->user, pdr_written(&hello));
    conns_flush(&w->conns);
    EXPECT(!e->closing && e->written.size > 0);
    e->handler->received(e->user, pdr_str("\xc1"));
    conns_flush(&w->conns);
    EXPECT(e->closing);
    EXPECT_INT(w->entered, 0);
    EXPECT_INT(w->conns.stats.garbage, 1);
    pdr_writer_release(&hello);
    world_free(w);
}

/* As many clients as there may be keep out one more, but no node; and who does not say which it is has a moment. */
TEST(clients_do_not_keep_nodes_out)
{
    struct world *w = world_new(true);
    for (int i = 0; i < 13; i++) {
        conns_adopt(&w->conns, 1);
    }
    struct pipe_end *node = side_end(w->side, 10), *client = side_end(w->side, 11), *silent = side_end(w->side, 12);
    client->handler->received(client->user, pdr_str("\x94"));
    conns_flush(&w->conns);
    EXPECT(client->closing && client->written.size > 0);
    node->handler->received(node->user, pdr_str("\xc1"));
    EXPECT_INT(w->entered, 1);
    conns_flush(&w->conns);
    EXPECT(!silent->closing);
    w->side->now_ns += 1001 * NS_PER_MS;
    timerwheel_advance(&w->core.wheel, w->side->now_ns);
    conns_flush(&w->conns);
    EXPECT(silent->closing && silent->written.size > 0);
    EXPECT(!side_end(w->side, 0)->closing);
    world_free(w);
}

TEST_MAIN()
