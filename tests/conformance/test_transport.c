/* tests/conformance/test_transport.c: TCP on libuv passes the transport suite, with three loops in one thread; and what
 * is TCP's own: names, IPv6, descriptors that run out. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/env/loop_uv.h"
#include "tests/conformance/transport_suite.h"
#include "tests/lib/test.h"

struct uv_world {
    struct transport_world world;
    struct loop_uv *loops[3];
};

static bool run(struct transport_world *world, bool (*done)(void *user), void *user, uint64_t limit_ms)
{
    struct uv_world *w = (struct uv_world *)world;
    uint64_t end_ns = uv_hrtime() + limit_ms * 1000000;
    for (;;) {
        for (int i = 0; i < 3; i++) {
            uv_run(loop_uv_raw(w->loops[i]), UV_RUN_NOWAIT);
        }
        if (done(user)) {
            return true;
        }
        if (uv_hrtime() >= end_ns) {
            return false;
        }
        usleep(100);
    }
}

static void connect_address(struct transport_world *world, uint16_t port, char *text, unsigned long size)
{
    snprintf(text, size, "127.0.0.1:%u", (unsigned)port);
}

/* The stream's descriptor is the socket that is connected to that peer: the seam does not tell it. */
static void reset(struct transport_world *world, struct stream *stream)
{
    char name[64];
    world->client->ops->peer_name(stream, name, sizeof name);
    unsigned port = (unsigned)strtoul(strchr(name, ':') + 1, NULL, 10);
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && ntohs(peer.sin_port) == port) {
            struct linger hard = {1, 0};
            REQUIRE(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0);
            world->client->ops->close(stream, 0); /* with that option, closing is a reset */
            return;
        }
    }
    REQUIRE(!"the stream has a socket");
}

static void world_open(struct uv_world *w)
{
    *w = (struct uv_world){
        .world = {.run = run, .listen_address = "127.0.0.1:0", .connect_address = connect_address, .reset = reset}};
    for (int i = 0; i < 3; i++) {
        w->loops[i] = loop_uv_new(clock_os());
        REQUIRE(w->loops[i] != NULL);
    }
    w->world.server = transport_uv_new(loop_uv_loop(w->loops[0]));
    w->world.server_other = transport_uv_new(loop_uv_loop(w->loops[1]));
    w->world.client = transport_uv_new(loop_uv_loop(w->loops[2]));
}

static void world_close(struct uv_world *w)
{
    w->world.server->ops->free(w->world.server);
    w->world.server_other->ops->free(w->world.server_other);
    w->world.client->ops->free(w->world.client);
    for (int i = 0; i < 3; i++) {
        loop_uv_free(w->loops[i]);
    }
}

static void with_world(void (*run_case)(struct transport_world *world))
{
    struct uv_world w;
    world_open(&w);
    run_case(&w.world);
    world_close(&w);
}

TEST(echo)
{
    with_world(transport_suite_echo);
}
TEST(half_sent)
{
    with_world(transport_suite_half_sent);
}
TEST(both_ways)
{
    with_world(transport_suite_both_ways);
}
TEST(slow_reader)
{
    with_world(transport_suite_slow_reader);
}
TEST(pause)
{
    with_world(transport_suite_pause);
}
TEST(pause_inside)
{
    with_world(transport_suite_pause_inside);
}
TEST(close_fires)
{
    with_world(transport_suite_close_fires);
}
TEST(peer_closes)
{
    with_world(transport_suite_peer_closes);
}
TEST(close_inside)
{
    with_world(transport_suite_close_inside);
}
TEST(linger_delivers)
{
    with_world(transport_suite_linger_delivers);
}
TEST(linger_ends)
{
    with_world(transport_suite_linger_ends);
}
TEST(reset)
{
    with_world(transport_suite_reset);
}
TEST(refused)
{
    with_world(transport_suite_refused);
}
TEST(malformed)
{
    with_world(transport_suite_malformed);
}
TEST(close_early)
{
    with_world(transport_suite_close_early);
}
TEST(adopt_elsewhere)
{
    with_world(transport_suite_adopt_elsewhere);
}
TEST(detach)
{
    with_world(transport_suite_detach);
}
TEST(detach_inside)
{
    with_world(transport_suite_detach_inside);
}
TEST(discarded)
{
    with_world(transport_suite_discarded);
}
TEST(unlisten)
{
    with_world(transport_suite_unlisten);
}
TEST(two_listeners)
{
    with_world(transport_suite_two_listeners);
}
TEST(many)
{
    with_world(transport_suite_many);
}
TEST(peer_name)
{
    with_world(transport_suite_peer_name);
}

/* TCP's own. */

static void ignore_accepted(void *user, intptr_t pending)
{
    int *count = user;
    close((int)pending);
    ++*count;
}

static void note_closed(void *user, const char *why)
{
    snprintf(user, 256, "%s", why);
}

static bool is_noted(void *user)
{
    return *(char *)user != '\1';
}

static void note_opened(void *user) {}

static const struct stream_handler noting = {.opened = note_opened, .closed = note_closed};

static bool connects(struct uv_world *w, const char *address, char *why)
{
    const char *no = "";
    why[0] = '\1';
    struct transport *t = w->world.client;
    REQUIRE(t->ops->connect(t, address, &noting, why, &no) != NULL);
    EXPECT(run(&w->world, is_noted, why, 10000));
    return strcmp(why, "connection closed by peer") == 0;
}

/* Asks for the peer's name as soon as it is connected. */
struct named {
    struct transport *transport;
    struct stream *stream;
    char name[128];
    bool closed;
};

static void named_opened(void *user)
{
    struct named *n = user;
    n->transport->ops->peer_name(n->stream, n->name, sizeof n->name);
}

static void named_closed(void *user, const char *why)
{
    ((struct named *)user)->closed = true;
}

static bool named_is_closed(void *user)
{
    return ((struct named *)user)->closed;
}

TEST(ipv6)
{
    static const struct stream_handler handler = {.opened = named_opened, .closed = named_closed};
    struct uv_world w;
    struct listener *listener;
    const char *no;
    char address[64];
    int accepted = 0;
    world_open(&w);
    struct transport *t = w.world.server;
    bool has_ipv6 = t->ops->listen(t, "[::1]:0", ignore_accepted, &accepted, &listener, &no) == PDR_OK;
    if (has_ipv6) {
        struct named n = {.transport = w.world.client};
        snprintf(address, sizeof address, "[::1]:%u", (unsigned)t->ops->listener_port(listener));
        n.stream = n.transport->ops->connect(n.transport, address, &handler, &n, &no);
        REQUIRE(n.stream != NULL);
        EXPECT(run(&w.world, named_is_closed, &n, 10000));
        EXPECT_STR(n.name, address);
        EXPECT_INT(accepted, 1);
        t->ops->unlisten(listener);
    }
    EXPECT(t->ops->listen(t, "::1:7077", ignore_accepted, &accepted, &listener, &no) == PDR_INVALID);
    EXPECT(strstr(no, "[::1]:7077") != NULL);
    world_close(&w);
}

/* localhost is ::1 and 127.0.0.1: the address that refuses is passed over. */
TEST(names)
{
    struct uv_world w;
    struct listener *listener;
    const char *no;
    char address[64], why[256];
    int accepted = 0;
    world_open(&w);
    struct transport *t = w.world.server;
    REQUIRE(t->ops->listen(t, "127.0.0.1:0", ignore_accepted, &accepted, &listener, &no) == PDR_OK);
    snprintf(address, sizeof address, "localhost:%u", (unsigned)t->ops->listener_port(listener));
    EXPECT(connects(&w, address, why));
    EXPECT_INT(accepted, 1);
    EXPECT(!connects(&w, "no-such-host.invalid:7077", why));
    EXPECT(why[0] != '\0');
    t->ops->unlisten(listener);
    world_close(&w);
}

/* Closing while the name is looked up. */
TEST(close_in_lookup)
{
    struct uv_world w;
    const char *no;
    char why[256] = "\1";
    world_open(&w);
    struct transport *t = w.world.client;
    struct stream *stream = t->ops->connect(t, "localhost:1", &noting, why, &no);
    REQUIRE(stream != NULL);
    t->ops->close(stream, 0);
    EXPECT(run(&w.world, is_noted, why, 1000));
    EXPECT_STR(why, "");
    world_close(&w);
}

/* One more address that cannot be listened to says what to do. */
TEST(listen_says_what_to_do)
{
    struct uv_world w;
    struct listener *listener;
    const char *no = "";
    world_open(&w);
    struct transport *t = w.world.server;
    EXPECT(t->ops->listen(t, "192.0.2.1:0", ignore_accepted, NULL, &listener, &no) == PDR_UNAVAILABLE);
    EXPECT(strstr(no, "192.0.2.1:0") != NULL && strstr(no, "0.0.0.0") != NULL);
    world_close(&w);
}

static bool is_accepted(void *user)
{
    return *(int *)user > 0;
}

static uint64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* Without descriptors the listener waits instead of spinning, and takes up its work when there are some again. */
TEST(no_descriptors)
{
    struct uv_world w;
    struct listener *listener;
    const char *no;
    char address[64];
    int accepted = 0;
    world_open(&w);
    struct transport *t = w.world.server;
    REQUIRE(t->ops->listen(t, "127.0.0.1:0", ignore_accepted, &accepted, &listener, &no) == PDR_OK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(t->ops->listener_port(listener)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    snprintf(address, sizeof address, "%u", (unsigned)ntohs(to.sin_port));
    struct rlimit before, none;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = (rlim_t)fd + 1;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    while (dup(0) >= 0) { /* holes below the limit */
    }
    REQUIRE(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    uint64_t began_ns = cpu_ns();
    EXPECT(!run(&w.world, is_accepted, &accepted, 300));
    EXPECT(cpu_ns() - began_ns < 150000000);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT(run(&w.world, is_accepted, &accepted, 5000));
    close(fd);
    t->ops->unlisten(listener);
    world_close(&w);
}

TEST_MAIN()
