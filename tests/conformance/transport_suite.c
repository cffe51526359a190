/* tests/conformance/transport_suite.c: the cases of transport_suite.h. */
#include "tests/conformance/transport_suite.h"

#include <stdlib.h>

#include <perdure/value.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

#define SOON_MS 10000u
#define BIG (3u << 20)

/* One end of a connection, and what it was told. */
struct end {
    struct transport *transport;
    struct stream *stream; /* NULL once closed */
    pdr_writer got;
    unsigned opened, drained, closed;
    size_t got_when_closed;
    char why[256];
    bool echoes, pauses, closes;
    struct transport *moves_to; /* with the first piece it receives */
    bool moved;
    unsigned pieces;
};

static void move_end(struct end *e, struct transport *to);

static void on_opened(void *user)
{
    struct end *e = user;
    EXPECT(e->closed == 0);
    e->opened++;
}

static void on_received(void *user, struct pdr_bytes data)
{
    struct end *e = user;
    EXPECT(data.size > 0);
    EXPECT(e->closed == 0);
    pdr_write_raw(&e->got, data.data, data.size);
    e->pieces++;
    if (e->moves_to != NULL && !e->moved) {
        e->moved = true;
        move_end(e, e->moves_to);
    }
    if (e->echoes) {
        e->transport->ops->write(e->stream, data);
    }
    if (e->pauses) {
        e->transport->ops->pause(e->stream);
    }
    if (e->closes) {
        e->transport->ops->close(e->stream, 0);
        EXPECT(e->closed == 0);
    }
}

static void on_drained(void *user)
{
    struct end *e = user;
    EXPECT(e->transport->ops->unsent(e->stream) == 0);
    e->drained++;
}

static void on_closed(void *user, const char *why)
{
    struct end *e = user;
    EXPECT(e->closed == 0);
    e->closed++;
    e->stream = NULL;
    e->got_when_closed = e->got.size;
    snprintf(e->why, sizeof e->why, "%s", why);
}

static const struct stream_handler handler = {on_opened, on_received, on_drained, on_closed};

/* A listener and one connection through it. */
struct pair {
    struct transport_world *world;
    struct listener *listener;
    struct transport *adopter;
    char address[128];
    struct end client, server;
    bool discards;
    unsigned accepted;
};

static void on_accepted(void *user, intptr_t pending)
{
    struct pair *p = user;
    p->accepted++;
    if (p->discards) {
        p->adopter->ops->discard(p->adopter, pending);
        return;
    }
    p->server.transport = p->adopter;
    p->server.stream = p->adopter->ops->adopt(p->adopter, pending, &handler, &p->server);
    EXPECT(p->server.stream != NULL);
}

static void pair_listen(struct pair *p, struct transport_world *world)
{
    const char *why;
    struct transport *t = world->server;
    *p = (struct pair){.world = world, .adopter = t};
    REQUIRE(t->ops->listen(t, world->listen_address, on_accepted, p, &p->listener, &why) == PDR_OK);
    uint16_t port = t->ops->listener_port(p->listener);
    REQUIRE(port != 0);
    world->connect_address(world, port, p->address, sizeof p->address);
}

static void end_connect(struct end *e, struct transport *t, const char *address)
{
    const char *why = "";
    e->transport = t;
    e->stream = t->ops->connect(t, address, &handler, e, &why);
    REQUIRE(e->stream != NULL);
    EXPECT(e->opened == 0 && e->closed == 0);
}

static bool are_open(void *user)
{
    struct pair *p = user;
    return p->client.opened == 1 && p->server.stream != NULL;
}

static void pair_open(struct pair *p, struct transport_world *world)
{
    pair_listen(p, world);
    end_connect(&p->client, world->client, p->address);
    REQUIRE(world->run(world, are_open, p, SOON_MS));
}

static bool is_closed(void *user)
{
    return ((struct end *)user)->closed == 1;
}

static bool never(void *user)
{
    return false;
}

static void end_close(struct transport_world *world, struct end *e)
{
    if (e->stream != NULL) {
        e->transport->ops->close(e->stream, 0);
        EXPECT(e->closed == 0);
        REQUIRE(world->run(world, is_closed, e, SOON_MS));
    }
    pdr_writer_release(&e->got);
}

static void pair_close(struct pair *p)
{
    end_close(p->world, &p->client);
    end_close(p->world, &p->server);
    p->world->server->ops->unlisten(p->listener);
}

struct wanted {
    struct end *end;
    size_t size;
};

static bool has_got(void *user)
{
    struct wanted *w = user;
    return w->end->got.size >= w->size;
}

static bool wait_for(struct transport_world *world, struct end *e, size_t size)
{
    struct wanted wanted = {e, size};
    return world->run(world, has_got, &wanted, SOON_MS);
}

/* Bytes that tell their place. */
static struct pdr_bytes make_bytes(size_t size, uint64_t seed)
{
    uint8_t *data = malloc(size);
    struct rng rng;
    rng_seed(&rng, seed);
    REQUIRE(data != NULL);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(rng_next(&rng) >> 32);
    }
    return pdr_bytes(data, size);
}

static void drop_bytes(struct pdr_bytes bytes)
{
    free((void *)bytes.data);
}

static void end_write(struct end *e, struct pdr_bytes data)
{
    e->transport->ops->write(e->stream, data);
}

/* Fills a stream whose peer does not read, until bytes stay behind. */
static size_t write_until_unsent(struct end *e, struct pdr_bytes data)
{
    size_t written = 0;
    for (int i = 0; i < 64 && e->transport->ops->unsent(e->stream) == 0; i++) {
        end_write(e, data);
        written += data.size;
    }
    REQUIRE(e->transport->ops->unsent(e->stream) > 0);
    return written;
}

/* The cases. */

void transport_suite_echo(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    p.server.echoes = true;
    struct pdr_bytes data = make_bytes(100000, 1);
    for (size_t at = 0; at < data.size; at += 12345) {
        size_t left = data.size - at;
        end_write(&p.client, pdr_bytes((const char *)data.data + at, left < 12345 ? left : 12345));
        if (at % 2 == 0) {
            EXPECT(wait_for(world, &p.client, at));
        }
    }
    EXPECT(wait_for(world, &p.client, data.size));
    EXPECT(pdr_bytes_equal(pdr_written(&p.client.got), data));
    EXPECT(p.server.opened == 0); /* only who connects is told */
    drop_bytes(data);
    pair_close(&p);
}

void transport_suite_half_sent(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    end_write(&p.client, pdr_str("half of a fra"));
    EXPECT(wait_for(world, &p.server, 13));
    p.client.transport->ops->close(p.client.stream, 1000);
    EXPECT(world->run(world, is_closed, &p.server, SOON_MS));
    EXPECT(pdr_bytes_equal(pdr_written(&p.server.got), pdr_str("half of a fra")));
    EXPECT(world->run(world, is_closed, &p.client, SOON_MS));
    pair_close(&p);
}

void transport_suite_both_ways(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    struct pdr_bytes there = make_bytes(BIG, 2), back = make_bytes(BIG, 3);
    end_write(&p.client, there);
    end_write(&p.server, back);
    EXPECT(wait_for(world, &p.client, BIG));
    EXPECT(wait_for(world, &p.server, BIG));
    EXPECT(pdr_bytes_equal(pdr_written(&p.server.got), there));
    EXPECT(pdr_bytes_equal(pdr_written(&p.client.got), back));
    drop_bytes(there);
    drop_bytes(back);
    pair_close(&p);
}

static bool is_drained(void *user)
{
    return ((struct end *)user)->drained > 0;
}

void transport_suite_slow_reader(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    struct pdr_bytes data = make_bytes(1u << 20, 4);
    p.client.transport->ops->pause(p.client.stream);
    size_t written = write_until_unsent(&p.server, data);
    for (int i = 0; i < 100; i++) { /* small ones behind the large ones */
        end_write(&p.server, pdr_bytes(data.data, 10));
        written += 10;
    }
    uint64_t unsent = p.server.transport->ops->unsent(p.server.stream);
    EXPECT(!world->run(world, is_drained, &p.server, 50));
    EXPECT(p.server.transport->ops->unsent(p.server.stream) > 0);
    EXPECT(p.server.transport->ops->unsent(p.server.stream) <= unsent);
    EXPECT_INT(p.client.got.size, 0);
    p.client.transport->ops->resume(p.client.stream);
    EXPECT(world->run(world, is_drained, &p.server, SOON_MS));
    EXPECT(wait_for(world, &p.client, written));
    EXPECT_INT(p.server.drained, 1);
    EXPECT_INT(p.client.got.size, written);
    EXPECT(memcmp(p.client.got.data + written - 10, data.data, 10) == 0);
    drop_bytes(data);
    pair_close(&p);
}

void transport_suite_pause(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    p.server.transport->ops->pause(p.server.stream);
    p.server.transport->ops->pause(p.server.stream);
    end_write(&p.client, pdr_str("not now"));
    EXPECT(!world->run(world, never, NULL, 50));
    EXPECT_INT(p.server.got.size, 0);
    p.server.transport->ops->resume(p.server.stream); /* calls of pause are not counted */
    EXPECT(wait_for(world, &p.server, 7));
    EXPECT(pdr_bytes_equal(pdr_written(&p.server.got), pdr_str("not now")));
    pair_close(&p);
}

void transport_suite_pause_inside(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    p.server.pauses = true;
    struct pdr_bytes data = make_bytes(BIG, 5);
    end_write(&p.client, data);
    EXPECT(wait_for(world, &p.server, 1));
    EXPECT(!world->run(world, never, NULL, 50));
    EXPECT_INT(p.server.pieces, 1);
    EXPECT(p.server.got.size < BIG);
    p.server.pauses = false;
    p.server.transport->ops->resume(p.server.stream);
    EXPECT(wait_for(world, &p.server, BIG));
    EXPECT(pdr_bytes_equal(pdr_written(&p.server.got), data));
    drop_bytes(data);
    pair_close(&p);
}

void transport_suite_close_fires(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    p.client.transport->ops->close(p.client.stream, 0);
    EXPECT_INT(p.client.closed, 0);
    EXPECT(world->run(world, is_closed, &p.client, SOON_MS));
    EXPECT_STR(p.client.why, "");
    EXPECT(world->run(world, is_closed, &p.server, SOON_MS));
    EXPECT(p.server.why[0] != '\0');
    pair_close(&p);
}

void transport_suite_peer_closes(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    struct pdr_bytes data = make_bytes(100000, 6);
    end_write(&p.server, data);
    p.server.transport->ops->close(p.server.stream, 5000);
    EXPECT(world->run(world, is_closed, &p.client, SOON_MS));
    EXPECT_STR(p.client.why, "connection closed by peer");
    EXPECT_INT(p.client.got_when_closed, data.size);
    EXPECT(world->run(world, is_closed, &p.server, SOON_MS));
    EXPECT_STR(p.server.why, "");
    drop_bytes(data);
    pair_close(&p);
}

void transport_suite_close_inside(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    p.server.closes = true;
    end_write(&p.client, pdr_str("the last you hear"));
    EXPECT(world->run(world, is_closed, &p.server, SOON_MS));
    EXPECT(world->run(world, is_closed, &p.client, SOON_MS));
    EXPECT_INT(p.server.pieces, 1);
    pair_close(&p);
}

void transport_suite_linger_delivers(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    struct pdr_bytes data = make_bytes(1u << 20, 7);
    p.client.transport->ops->pause(p.client.stream);
    size_t written = write_until_unsent(&p.server, data);
    p.server.transport->ops->pause(p.server.stream);
    end_write(&p.client, pdr_str("more, which nobody wants to read")); /* unread bytes must not become a reset */
    p.server.transport->ops->close(p.server.stream, 8000);
    end_write(&p.server, pdr_str("ignored"));
    EXPECT(!world->run(world, is_closed, &p.server, 50));
    p.client.transport->ops->resume(p.client.stream);
    EXPECT(world->run(world, is_closed, &p.client, SOON_MS));
    EXPECT_INT(p.client.got_when_closed, written);
    EXPECT(memcmp(p.client.got.data + written - data.size, data.data, data.size) == 0);
    EXPECT(world->run(world, is_closed, &p.server, SOON_MS));
    EXPECT_INT(p.server.drained, 0); /* its owner has closed it */
    EXPECT_INT(p.server.got.size, 0);
    drop_bytes(data);
    pair_close(&p);
}

void transport_suite_linger_ends(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    struct pdr_bytes data = make_bytes(1u << 20, 8);
    p.client.transport->ops->pause(p.client.stream);
    write_until_unsent(&p.server, data);
    p.server.transport->ops->close(p.server.stream, 30);
    EXPECT(world->run(world, is_closed, &p.server, SOON_MS));
    EXPECT_STR(p.server.why, "");
    p.client.transport->ops->resume(p.client.stream);
    EXPECT(world->run(world, is_closed, &p.client, SOON_MS));
    drop_bytes(data);
    pair_close(&p);
}

void transport_suite_reset(struct transport_world *world)
{
    struct pair p;
    if (world->reset == NULL) {
        return;
    }
    pair_open(&p, world);
    end_write(&p.client, pdr_str("[0, 1, \"coun"));
    EXPECT(wait_for(world, &p.server, 12));
    world->reset(world, p.client.stream);
    for (int i = 0; i < 3 && p.server.stream != NULL; i++) {
        end_write(&p.server, pdr_str("is anybody there?"));
    }
    EXPECT(world->run(world, is_closed, &p.server, SOON_MS));
    EXPECT(strstr(p.server.why, "reset") != NULL || strstr(p.server.why, "pipe") != NULL);
    pair_close(&p);
}

void transport_suite_refused(struct transport_world *world)
{
    struct pair p;
    struct end e = {0};
    pair_listen(&p, world);
    world->server->ops->unlisten(p.listener); /* the port is known, and nobody's */
    end_connect(&e, world->client, p.address);
    EXPECT(world->run(world, is_closed, &e, SOON_MS));
    EXPECT_INT(e.opened, 0);
    EXPECT_STR(e.why, "connection refused");
    end_close(world, &e);
}

void transport_suite_malformed(struct transport_world *world)
{
    static const char *const texts[] = {
        "", ":", "7077", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", ":7077"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *why = NULL;
        struct listener *listener;
        EXPECT(world->client->ops->connect(world->client, texts[i], &handler, NULL, &why) == NULL);
        EXPECT(why != NULL && why[0] != '\0');
        why = NULL;
        EXPECT(world->server->ops->listen(world->server, texts[i], on_accepted, NULL, &listener, &why) != PDR_OK);
        EXPECT(why != NULL && why[0] != '\0');
    }
}

void transport_suite_close_early(struct transport_world *world)
{
    struct pair p;
    pair_listen(&p, world);
    p.discards = true;
    end_connect(&p.client, world->client, p.address);
    p.client.transport->ops->close(p.client.stream, 1000);
    EXPECT(world->run(world, is_closed, &p.client, SOON_MS));
    EXPECT_INT(p.client.opened, 0);
    EXPECT_STR(p.client.why, "");
    pair_close(&p);
}

void transport_suite_adopt_elsewhere(struct transport_world *world)
{
    struct pair p;
    pair_listen(&p, world);
    p.adopter = world->server_other;
    p.server.echoes = true;
    end_connect(&p.client, world->client, p.address);
    REQUIRE(world->run(world, are_open, &p, SOON_MS));
    end_write(&p.client, pdr_str("hello"));
    EXPECT(wait_for(world, &p.client, 5));
    pair_close(&p);
}

/* `e` goes on as a stream of `to`. */
static void move_end(struct end *e, struct transport *to)
{
    intptr_t pending = e->transport->ops->detach(e->stream);
    REQUIRE(pending != -1);
    e->transport = to;
    e->stream = to->ops->adopt(to, pending, &handler, e);
    REQUIRE(e->stream != NULL);
}

void transport_suite_detach(struct transport_world *world)
{
    struct pair p;
    pair_open(&p, world);
    end_write(&p.client, pdr_str("hello"));
    REQUIRE(wait_for(world, &p.server, 5));
    move_end(&p.server, world->server_other);
    p.server.echoes = true;
    end_write(&p.client, pdr_str("there"));
    EXPECT(wait_for(world, &p.client, 5));
    EXPECT(pdr_bytes_equal(pdr_written(&p.server.got), pdr_str("hellothere")));
    EXPECT_INT(p.server.closed, 0);
    pair_close(&p);
}

void transport_suite_detach_inside(struct transport_world *world)
{
    struct pair p;
    struct pdr_bytes sent = make_bytes(BIG, 17);
    pair_open(&p, world);
    p.server.moves_to = world->server;
    end_write(&p.client, sent);
    EXPECT(wait_for(world, &p.server, sent.size));
    EXPECT(pdr_bytes_equal(pdr_written(&p.server.got), sent));
    EXPECT(p.server.moved && p.server.closed == 0);
    end_close(world, &p.client);
    EXPECT(world->run(world, is_closed, &p.server, SOON_MS));
    drop_bytes(sent);
    pair_close(&p);
}

void transport_suite_discarded(struct transport_world *world)
{
    struct pair p;
    pair_listen(&p, world);
    p.discards = true;
    end_connect(&p.client, world->client, p.address);
    EXPECT(world->run(world, is_closed, &p.client, SOON_MS));
    EXPECT(p.client.why[0] != '\0');
    EXPECT_INT(p.accepted, 1);
    pair_close(&p);
}

void transport_suite_unlisten(struct transport_world *world)
{
    struct pair p;
    struct end late = {0};
    pair_open(&p, world);
    world->server->ops->unlisten(p.listener);
    end_connect(&late, world->client, p.address);
    EXPECT(world->run(world, is_closed, &late, SOON_MS));
    EXPECT_INT(p.accepted, 1);
    p.server.echoes = true;
    end_write(&p.client, pdr_str("still here"));
    EXPECT(wait_for(world, &p.client, 10));
    end_close(world, &late);
    end_close(world, &p.client);
    end_close(world, &p.server);
}

void transport_suite_two_listeners(struct transport_world *world)
{
    struct pair p;
    const char *why = NULL;
    struct listener *second;
    char address[128];
    pair_listen(&p, world);
    snprintf(address, sizeof address, "%s", world->listen_address);
    char *colon = strrchr(address, ':');
    REQUIRE(colon != NULL);
    snprintf(colon + 1, sizeof address - (size_t)(colon + 1 - address), "%u",
             (unsigned)world->server->ops->listener_port(p.listener));
    EXPECT(world->server->ops->listen(world->server, address, on_accepted, &p, &second, &why) != PDR_OK);
    EXPECT(why != NULL && strstr(why, address) != NULL);
    pair_close(&p);
}

#define MANY 200

struct crowd {
    struct end clients[MANY], servers[MANY];
    unsigned accepted;
    struct transport *transport;
};

static void on_many_accepted(void *user, intptr_t pending)
{
    struct crowd *crowd = user;
    REQUIRE(crowd->accepted < MANY);
    struct end *e = &crowd->servers[crowd->accepted++];
    e->transport = crowd->transport;
    e->echoes = true;
    e->stream = e->transport->ops->adopt(e->transport, pending, &handler, e);
}

static bool all_open(void *user)
{
    struct crowd *crowd = user;
    unsigned open = 0;
    for (unsigned i = 0; i < MANY; i++) {
        open += crowd->clients[i].opened;
    }
    return open == MANY && crowd->accepted == MANY;
}

static bool all_echoed(void *user)
{
    struct crowd *crowd = user;
    for (unsigned i = 0; i < MANY; i++) {
        if (crowd->clients[i].got.size < sizeof i) {
            return false;
        }
    }
    return true;
}

void transport_suite_many(struct transport_world *world)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    struct listener *listener;
    const char *why;
    char address[128];
    REQUIRE(crowd != NULL);
    crowd->transport = world->server;
    REQUIRE(world->server->ops->listen(world->server, world->listen_address, on_many_accepted, crowd, &listener,
                                       &why) == PDR_OK);
    world->connect_address(world, world->server->ops->listener_port(listener), address, sizeof address);
    for (unsigned i = 0; i < MANY; i++) {
        end_connect(&crowd->clients[i], world->client, address);
    }
    REQUIRE(world->run(world, all_open, crowd, SOON_MS));
    for (unsigned i = 0; i < MANY; i++) {
        end_write(&crowd->clients[i], pdr_bytes(&i, sizeof i));
    }
    EXPECT(world->run(world, all_echoed, crowd, SOON_MS));
    for (unsigned i = 0; i < MANY; i++) {
        EXPECT(pdr_bytes_equal(pdr_written(&crowd->clients[i].got), pdr_bytes(&i, sizeof i)));
        end_close(world, &crowd->clients[i]);
        end_close(world, &crowd->servers[i]);
    }
    world->server->ops->unlisten(listener);
    free(crowd);
}

void transport_suite_peer_name(struct transport_world *world)
{
    struct pair p;
    char name[128] = "", tiny[4];
    pair_open(&p, world);
    p.client.transport->ops->peer_name(p.client.stream, name, sizeof name);
    EXPECT_STR(name, p.address);
    p.server.transport->ops->peer_name(p.server.stream, name, sizeof name);
    EXPECT(strchr(name, ':') != NULL);
    p.server.transport->ops->peer_name(p.server.stream, tiny, sizeof tiny);
    EXPECT(strlen(tiny) < sizeof tiny);
    pair_close(&p);
}
