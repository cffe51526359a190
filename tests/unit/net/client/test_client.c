/* tests/unit/net/client/test_client.c: the callback form against a scripted node on the same libuv loop. */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "tests/unit/net/client/scripted_node.h"

#include <perdure/client.h>

struct world {
    uv_loop_t loop;
    struct scripted_node node;
    pdr_client *client;
    bool closed;
};

/* How a call ended: a copy, since slices end with the callback. */
struct ended {
    unsigned times;
    enum pdr_status status;
    char code[64], message[512];
    uint64_t retry_ms;
    uint8_t result[256];
    size_t result_size;
    struct world *world; /* what the callback does next */
    void (*then)(struct world *world);
};

static void copy_text(char *to, size_t size, struct pdr_bytes text)
{
    snprintf(to, size, "%.*s", (int)text.size, text.size > 0 ? (const char *)text.data : "");
}

static void on_outcome(void *user, const struct pdr_outcome *outcome)
{
    struct ended *e = user;
    e->times++;
    e->status = outcome->status;
    e->retry_ms = outcome->retry_ms;
    copy_text(e->code, sizeof e->code, outcome->code);
    copy_text(e->message, sizeof e->message, outcome->message);
    e->result_size = outcome->result.size;
    if (outcome->result.size > 0 && outcome->result.size <= sizeof e->result) {
        memcpy(e->result, outcome->result.data, outcome->result.size);
    }
    if (e->then != NULL) {
        e->then(e->world);
    }
}

static void world_open(struct world *w, const struct pdr_client_options *options)
{
    struct pdr_client_options all = options != NULL ? *options : (struct pdr_client_options){0};
    const char *why = "";
    memset(w, 0, sizeof *w);
    REQUIRE(uv_loop_init(&w->loop) == 0);
    node_listen(&w->node, &w->loop, NULL);
    all.node = w->node.address;
    REQUIRE(pdr_client_open(&w->loop, &all, &w->client, &why) == PDR_OK);
}

static void on_closed(void *user)
{
    struct world *w = user;
    EXPECT(!w->closed);
    w->closed = true;
    w->client = NULL;
}

static void end_loop(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    EXPECT_INT(uv_loop_close(loop), 0); /* nothing is left open */
}

static void world_close(struct world *w)
{
    if (w->client != NULL) {
        pdr_client_close(w->client, on_closed, w);
        EXPECT(!w->closed);
    }
    while (!w->closed) {
        uv_run(&w->loop, UV_RUN_ONCE);
    }
    node_stop(&w->node, &w->loop);
    end_loop(&w->loop);
}

static void until(struct world *w, const unsigned *count, unsigned wanted)
{
    uint64_t end = uv_hrtime() + 10000000000;
    while (*count < wanted && uv_hrtime() < end) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    EXPECT_INT(*count, wanted);
}

static void for_ms(struct world *w, uint64_t ms)
{
    uint64_t end = uv_hrtime() + ms * 1000000;
    while (uv_hrtime() < end) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
}

static const uint8_t args_seven[] = {0x91, 0x07};

static enum pdr_status call(struct world *w, const char *method, struct ended *e)
{
    return pdr_client_call(w->client, pdr_str("a/b"), method, pdr_bytes(args_seven, sizeof args_seven), NULL,
                           on_outcome, e);
}

static void call_and_wait(struct world *w, const char *method, struct ended *e)
{
    *e = (struct ended){0};
    REQUIRE(call(w, method, e) == PDR_OK);
    EXPECT_INT(e->times, 0); /* later, never from inside */
    until(w, &e->times, 1);
}

TEST(answer)
{
    struct world w;
    struct ended e;
    world_open(&w, NULL);
    call_and_wait(&w, "echo", &e);
    EXPECT_INT(e.status, PDR_OK);
    EXPECT(e.result_size == 1 && e.result[0] == 0x07);
    EXPECT_INT(pdr_client_outstanding(w.client), 0);
    EXPECT_INT(w.node.hello_deadline_ms, 0); /* nothing to say */
    world_close(&w);
}

TEST(errors)
{
    struct world w;
    struct ended e;
    world_open(&w, NULL);
    call_and_wait(&w, "fail", &e);
    EXPECT_INT(e.status, PDR_ACTOR);
    EXPECT_STR(e.code, "poor");
    EXPECT_STR(e.message, "there is no money");
    EXPECT_INT(e.retry_ms, 7);
    call_and_wait(&w, "text", &e);
    EXPECT_INT(e.status, PDR_ACTOR);
    EXPECT_STR(e.message, "just text");
    call_and_wait(&w, "ok", &e);
    EXPECT_INT(e.status, PDR_ACTOR); /* never a success */
    EXPECT_STR(e.code, "ok");
    world_close(&w);
}

/* All calls of a turn leave in one write. */
TEST(batch)
{
    struct world w;
    struct ended e[200], first;
    world_open(&w, NULL);
    call_and_wait(&w, "echo", &first);
    unsigned before = w.node.received_pieces;
    memset(e, 0, sizeof e);
    for (int i = 0; i < 200; i++) {
        REQUIRE(call(&w, "echo", &e[i]) == PDR_OK);
    }
    EXPECT_INT(pdr_client_outstanding(w.client), 200);
    until(&w, &e[199].times, 1);
    EXPECT_INT(w.node.received_pieces - before, 1);
    for (int i = 0; i < 200; i++) {
        EXPECT(e[i].times == 1 && e[i].status == PDR_OK);
    }
    world_close(&w);
}

TEST(tell)
{
    struct world w;
    struct ended e;
    world_open(&w, NULL);
    EXPECT_INT(pdr_client_tell(w.client, pdr_str("a/b"), "note", pdr_bytes(NULL, 0)), PDR_UNAVAILABLE);
    EXPECT(pdr_client_refusal(w.client)[0] != '\0');
    call_and_wait(&w, "echo", &e);
    EXPECT_INT(pdr_client_tell(w.client, pdr_str("a/b"), "note", pdr_bytes(NULL, 0)), PDR_OK);
    until(&w, &w.node.notifications, 1);
    world_close(&w);
}

/* A deadline other than the connection's goes along; the connection's is said once. */
TEST(deadline_travels)
{
    struct world w;
    struct ended e = {0};
    struct pdr_call_options own = {.deadline_ms = 1234};
    uint64_t got;
    world_open(&w, &(struct pdr_client_options){.deadline_ms = 4000});
    call_and_wait(&w, "within", &e); /* made before the connection: what is left of it goes along */
    EXPECT(pdr_value_uint(pdr_bytes(e.result, e.result_size), &got) && got > 3000 && got <= 4000);
    EXPECT_INT(w.node.hello_deadline_ms, 4000);
    call_and_wait(&w, "within", &e);
    EXPECT(pdr_value_uint(pdr_bytes(e.result, e.result_size), &got) && got == 0);
    e = (struct ended){0};
    REQUIRE(pdr_client_call(w.client, pdr_str("a/b"), "within", pdr_bytes(NULL, 0), &own, on_outcome, &e) == PDR_OK);
    until(&w, &e.times, 1);
    EXPECT(pdr_value_uint(pdr_bytes(e.result, e.result_size), &got) && got == 1234);
    world_close(&w);
}

/* The connection itself is called directly, whatever the deadline, and however long it took to connect. */
TEST(calls_of_the_connection)
{
    struct world w;
    struct ended e[2] = {{0}};
    static const uint8_t hello[] = "\x91\x81\xab"
                                   "deadline_ms"
                                   "\xcd\x03\xe8";
    struct pdr_call_options own = {.deadline_ms = 2345};
    struct pdr_bytes args = pdr_bytes(hello, sizeof hello - 1);
    world_open(&w, NULL);
    for (int i = 0; i < 2; i++) { /* before the connection, and after */
        w.node.hello_deadline_ms = 0;
        REQUIRE(pdr_client_call(w.client, pdr_str("_sys/conn"), "hello", args, &own, on_outcome, &e[i]) == PDR_OK);
        until(&w, &e[i].times, 1);
        EXPECT_INT(e[i].status, PDR_OK);
        EXPECT_INT(w.node.hello_deadline_ms, 1000);
    }
    world_close(&w);
}

TEST(deadline_ends_a_call)
{
    struct world w;
    struct ended e, late = {0}, next = {0};
    struct pdr_call_options soon = {.deadline_ms = 40};
    world_open(&w, NULL);
    call_and_wait(&w, "echo", &e);
    uint64_t began = uv_hrtime();
    REQUIRE(pdr_client_call(w.client, pdr_str("a/b"), "late", pdr_bytes(NULL, 0), &soon, on_outcome, &late) == PDR_OK);
    until(&w, &late.times, 1);
    EXPECT(uv_hrtime() - began >= 40000000);
    EXPECT_INT(late.status, PDR_DEADLINE);
    EXPECT_STR(late.code, "deadline_exceeded");
    EXPECT(strstr(late.message, "40 ms") != NULL && strstr(late.message, w.node.address) != NULL);
    EXPECT_INT(pdr_client_outstanding(w.client), 0);
    REQUIRE(call(&w, "silent", &next) == PDR_OK); /* takes the slot; the late answer comes now, and is not for it */
    for_ms(&w, 50);
    EXPECT_INT(next.times, 0);
    EXPECT_INT(late.times, 1);
    world_close(&w);
    EXPECT_INT(next.status, PDR_CANCELLED);
}

TEST(answers_nobody_waits_for)
{
    struct world w;
    struct ended e;
    world_open(&w, NULL);
    call_and_wait(&w, "twice", &e);
    for_ms(&w, 20);
    EXPECT_INT(e.times, 1);
    call_and_wait(&w, "stranger", &e);
    EXPECT_INT(e.status, PDR_OK);
    world_close(&w);
}

/* What was sent may have been applied: it ends, and is not sent again. What comes next goes to a new connection. */
static void expect_lost(const char *method, const char *why)
{
    struct world w;
    struct ended e[2] = {{0}}, after;
    world_open(&w, NULL);
    REQUIRE(call(&w, "silent", &e[0]) == PDR_OK);
    REQUIRE(call(&w, method, &e[1]) == PDR_OK);
    until(&w, &e[0].times, 1);
    until(&w, &e[1].times, 1);
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(e[i].status, PDR_UNAVAILABLE);
        EXPECT_STR(e[i].code, "unavailable");
        EXPECT(strstr(e[i].message, why) != NULL);
        EXPECT(strstr(e[i].message, "may have been applied") != NULL);
    }
    EXPECT_INT(w.node.requests, 2);
    call_and_wait(&w, "echo", &after);
    EXPECT_INT(after.status, PDR_OK);
    EXPECT_INT(w.node.requests, 3);
    EXPECT_INT(w.node.connections, 2);
    world_close(&w);
}

TEST(lost_hang_up)
{
    expect_lost("hang_up", "connection closed by peer");
}
TEST(lost_torn)
{
    expect_lost("torn", "connection closed by peer");
}
TEST(lost_farewell)
{
    expect_lost("farewell", "unavailable: the node is stopping");
}
TEST(lost_garbage)
{
    expect_lost("garbage", "not MessagePack-RPC");
}

/* Calls wait for the node to come, and are sent once, with what is left of their deadlines. */
TEST(waits_for_node)
{
    struct world w;
    struct ended early[4] = {{0}}, e;
    struct pdr_call_options soon = {.deadline_ms = 60}, own = {.deadline_ms = 20000};
    char address[64];
    uint64_t left;
    world_open(&w, NULL);
    call_and_wait(&w, "echo", &e);
    snprintf(address, sizeof address, "%s", w.node.address);
    node_stop(&w.node, &w.loop);
    for_ms(&w, 50);
    REQUIRE(call(&w, "within", &early[0]) == PDR_OK);
    REQUIRE(pdr_client_call(w.client, pdr_str("a/b"), "echo", pdr_bytes(NULL, 0), &soon, on_outcome, &early[1]) ==
            PDR_OK);
    REQUIRE(call(&w, "echo", &early[2]) == PDR_OK);
    REQUIRE(pdr_client_call(w.client, pdr_str("a/b"), "within", pdr_bytes(NULL, 0), &own, on_outcome, &early[3]) ==
            PDR_OK);
    until(&w, &early[1].times, 1);
    EXPECT_INT(early[1].status, PDR_UNAVAILABLE);
    EXPECT(strstr(early[1].message, "connection refused") != NULL && strstr(early[1].message, "was not sent") != NULL);
    EXPECT_INT(early[0].times, 0);
    node_listen(&w.node, &w.loop, address);
    until(&w, &early[0].times, 1);
    until(&w, &early[2].times, 1);
    EXPECT(pdr_value_uint(pdr_bytes(early[0].result, early[0].result_size), &left) && left > 20000 && left < 29990);
    EXPECT(early[2].status == PDR_OK && early[2].result_size == 1 && early[2].result[0] == 0x07);
    until(&w, &early[3].times, 1);
    EXPECT(pdr_value_uint(pdr_bytes(early[3].result, early[3].result_size), &left) && left > 10000 && left < 19990);
    EXPECT_INT(w.node.requests, 3); /* the one whose caller has gone is not sent */
    world_close(&w);
}

/* A node that closes at once is not stormed. */
TEST(back_off)
{
    struct world w;
    world_open(&w, NULL);
    w.node.refuses = true;
    for_ms(&w, 400);
    EXPECT(w.node.connections >= 2 && w.node.connections <= 30);
    world_close(&w);
}

/* A listener whose queue is full: who connects is not answered at all. */
static void make_deaf(int *fds, unsigned count, char *address, size_t size)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t own_size = sizeof own;
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(fds[0], (struct sockaddr *)&own, sizeof own) == 0 && listen(fds[0], 0) == 0);
    REQUIRE(getsockname(fds[0], (struct sockaddr *)&own, &own_size) == 0);
    snprintf(address, size, "127.0.0.1:%u", (unsigned)ntohs(own.sin_port));
    for (unsigned i = 1; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(fds[i], (struct sockaddr *)&own, sizeof own) != 0) {
            EXPECT_INT(errno, EINPROGRESS);
        }
    }
}

TEST(connect_timeout)
{
    uv_loop_t loop;
    pdr_client *client;
    const char *why;
    struct ended e = {0};
    char address[64];
    int fds[4];
    make_deaf(fds, 4, address, sizeof address);
    struct pdr_client_options options = {.node = address, .connect_timeout_ms = 30};
    struct pdr_call_options soon = {.deadline_ms = 150};
    REQUIRE(uv_loop_init(&loop) == 0);
    REQUIRE(pdr_client_open(&loop, &options, &client, &why) == PDR_OK);
    REQUIRE(pdr_client_call(client, pdr_str("a/b"), "echo", pdr_bytes(NULL, 0), &soon, on_outcome, &e) == PDR_OK);
    while (e.times == 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    EXPECT_INT(e.status, PDR_UNAVAILABLE);
    EXPECT(strstr(e.message, address) != NULL && strstr(e.message, "(no answer within 30 ms)") != NULL);
    pdr_client_close(client, NULL, NULL);
    end_loop(&loop);
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
}

TEST(refused_calls)
{
    struct world w;
    struct ended e = {0};
    struct pdr_bytes to = pdr_str("a/b"), none = pdr_bytes(NULL, 0);
    struct pdr_call_options long_one = {.deadline_ms = PDR_DEADLINE_MS_MAX + 1};
    char long_method[80];
    memset(long_method, 'm', sizeof long_method);
    long_method[sizeof long_method - 1] = '\0';
    world_open(&w, &(struct pdr_client_options){.outstanding_max = 2});
    EXPECT_STR(pdr_client_refusal(w.client), "");
#define REFUSED(status, words, ...)                                                                                    \
    EXPECT_INT(pdr_client_call(w.client, __VA_ARGS__, on_outcome, &e), status);                                        \
    EXPECT(strstr(pdr_client_refusal(w.client), words) != NULL)
    REFUSED(PDR_INVALID, "TYPE/KEY", pdr_str("nowhere"), "echo", none, NULL);
    REFUSED(PDR_INVALID, "type", pdr_str("A/b"), "echo", none, NULL);
    REFUSED(PDR_INVALID, "method", to, "", none, NULL);
    REFUSED(PDR_INVALID, "'.'", to, "x.echo", none, NULL);
    REFUSED(PDR_INVALID, "method", to, long_method, none, NULL);
    REFUSED(PDR_INVALID, "array", to, "echo", pdr_bytes("\xc0", 1), NULL);
    REFUSED(PDR_INVALID, "array", to, "echo", pdr_bytes("\x91\x01\x02", 3), NULL);
    REFUSED(PDR_INVALID, "array", to, "echo", pdr_bytes("\x92\x01", 2), NULL);
    REFUSED(PDR_INVALID, "deadline", to, "echo", none, &long_one);
    static uint8_t large[LIMIT_PAYLOAD_BYTES_MAX + 6] = {0x91, 0xc6, 0x00, 0x10, 0x00, 0x00};
    REFUSED(PDR_TOO_LARGE, "payload_bytes_max", to, "echo", pdr_bytes(large, sizeof large), NULL);
    EXPECT(call(&w, "silent", &e) == PDR_OK && call(&w, "silent", &e) == PDR_OK);
    REFUSED(PDR_OVERLOADED, "outstanding_max", to, "echo", none, NULL);
#undef REFUSED
    EXPECT_INT(e.times, 0);
    world_close(&w);
    EXPECT_INT(e.times, 2);
}

/* Bytes that wait for a connection are bounded too; what is refused leaves nothing behind. */
TEST(unsent_is_bounded)
{
    struct world w;
    struct ended e[16] = {{0}};
    pdr_writer args;
    int taken = 0;
    pdr_writer_init(&args, NULL, 0, 0);
    pdr_write_array(&args, 1);
    uint8_t *body = calloc(1, 1000000);
    pdr_write_bin(&args, pdr_bytes(body, 1000000));
    world_open(&w, NULL);
    while (taken < 16 && pdr_client_call(w.client, pdr_str("a/b"), "echo", pdr_written(&args), NULL, on_outcome,
                                         &e[taken]) == PDR_OK) {
        taken++;
    }
    EXPECT_INT(taken, LIMIT_UNSENT_BYTES_MAX / 1000000 + 1);
    EXPECT(strstr(pdr_client_refusal(w.client), "unsent_bytes_max") != NULL);
    for (int i = 0; i < taken; i++) {
        until(&w, &e[i].times, 1);
        EXPECT(e[i].status == PDR_OK && e[i].result_size == 1000005);
    }
    free(body);
    pdr_writer_release(&args);
    world_close(&w);
}

/* Whichever allocation fails on the way of a large call and its answer: it ends once, and the next one works. */
TEST(every_allocation_fails)
{
    static uint8_t args[300000] = {0x91, 0xc6, 0x00, 0x04, 0x93, 0xda};
    struct pdr_call_options soon = {.deadline_ms = 300};
    unsigned failed = 0;
    for (unsigned long n = 1; n <= 20; n++) {
        struct world w;
        struct ended e = {0}, next;
        world_open(&w, NULL);
        call_and_wait(&w, "echo", &next);
        pdr_writer_release(&w.node.in);
        pdr_writer_init(&w.node.in, malloc(1u << 20), 1u << 20, 0); /* the node is not what is tested */
        w.node.in.on_heap = true;
        mem_fail_after(n);
        enum pdr_status status =
            pdr_client_call(w.client, pdr_str("a/b"), "echo", pdr_bytes(args, sizeof args), &soon, on_outcome, &e);
        EXPECT(status == PDR_OK || status == PDR_OVERLOADED);
        if (status == PDR_OK) {
            until(&w, &e.times, 1);
        }
        mem_fail_after(0);
        failed += status != PDR_OK || e.status != PDR_OK;
        call_and_wait(&w, "echo", &next);
        EXPECT_INT(next.status, PDR_OK);
        EXPECT_INT(e.times, status == PDR_OK);
        world_close(&w);
    }
    EXPECT(failed >= 5 && failed < 20);
}

/* Without descriptors there is no connection; the call says so. */
TEST(no_descriptors)
{
    uv_loop_t loop;
    pdr_client *client;
    const char *why;
    struct ended e = {0};
    struct pdr_call_options soon = {.deadline_ms = 80};
    struct rlimit before, none;
    REQUIRE(uv_loop_init(&loop) == 0);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = (struct rlimit){0, before.rlim_max};
    REQUIRE(pdr_client_open(&loop, &(struct pdr_client_options){.node = "127.0.0.1:1"}, &client, &why) == PDR_OK);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    REQUIRE(pdr_client_call(client, pdr_str("a/b"), "echo", pdr_bytes(NULL, 0), &soon, on_outcome, &e) == PDR_OK);
    while (e.times == 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    EXPECT_INT(e.status, PDR_UNAVAILABLE);
    EXPECT(strstr(e.message, "too many open files") != NULL);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    pdr_client_close(client, NULL, NULL);
    end_loop(&loop);
}

TEST(no_memory_for_a_call)
{
    struct world w;
    struct ended e = {0};
    uint8_t args[600] = {0x91, 0xc5, 0x02, 0x54};
    world_open(&w, NULL);
    mem_fail_after(2); /* the buffer of frames has grown once, and cannot grow again */
    EXPECT_INT(pdr_client_call(w.client, pdr_str("a/b"), "echo", pdr_bytes(args, sizeof args), NULL, on_outcome, &e),
               PDR_OVERLOADED);
    mem_fail_after(0);
    EXPECT(strstr(pdr_client_refusal(w.client), "memory") != NULL);
    EXPECT_INT(pdr_client_outstanding(w.client), 0);
    call_and_wait(&w, "echo", &e);
    EXPECT_INT(e.status, PDR_OK);
    EXPECT_INT(w.node.requests, 1);
    world_close(&w);
}

static void close_client(struct world *w)
{
    pdr_client *client = w->client;
    w->client = NULL;
    pdr_client_close(client, on_closed, w);
}

/* Closing from inside a callback, with others outstanding and answers still in the read buffer. */
TEST(close_inside)
{
    struct world w;
    struct ended e[5] = {{0}};
    world_open(&w, NULL);
    e[2].world = &w;
    e[2].then = close_client;
    for (int i = 0; i < 5; i++) {
        REQUIRE(call(&w, "echo", &e[i]) == PDR_OK);
    }
    until(&w, &e[4].times, 1);
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(e[i].times, 1);
        EXPECT_INT(e[i].status, i <= 2 ? PDR_OK : PDR_CANCELLED);
    }
    world_close(&w);
}

static struct ended again;

static void call_again(struct world *w)
{
    EXPECT_INT(call(w, "echo", &again), PDR_CANCELLED);
}

TEST(call_while_closing)
{
    struct world w;
    struct ended e = {.then = call_again};
    again = (struct ended){0};
    world_open(&w, NULL);
    e.world = &w;
    REQUIRE(call(&w, "silent", &e) == PDR_OK);
    world_close(&w);
    EXPECT_INT(e.status, PDR_CANCELLED);
    EXPECT_INT(again.times, 0);
}

/* The callback that hears of the loss closes the client. */
TEST(close_when_lost)
{
    struct world w;
    struct ended e[3] = {{0}};
    world_open(&w, NULL);
    e[0].world = &w;
    e[0].then = close_client;
    REQUIRE(call(&w, "silent", &e[0]) == PDR_OK);
    REQUIRE(call(&w, "silent", &e[1]) == PDR_OK);
    REQUIRE(call(&w, "hang_up", &e[2]) == PDR_OK);
    until(&w, &e[2].times, 1);
    EXPECT(e[0].status == PDR_UNAVAILABLE && e[1].status == PDR_CANCELLED && e[2].status == PDR_CANCELLED);
    world_close(&w);
}

static void call_in_loss(struct world *w)
{
    EXPECT_INT(call(w, "echo", &again), PDR_OK);
}

/* A call that is made because another was lost is a new one, and works. */
TEST(call_when_lost)
{
    struct world w;
    struct ended e = {.then = call_in_loss};
    again = (struct ended){0};
    world_open(&w, NULL);
    e.world = &w;
    REQUIRE(call(&w, "hang_up", &e) == PDR_OK);
    until(&w, &again.times, 1);
    EXPECT_INT(e.status, PDR_UNAVAILABLE);
    EXPECT_INT(again.status, PDR_OK);
    world_close(&w);
}

/* Closing in every state: before the connection, and while waiting for the next attempt. */
TEST(close_unconnected)
{
    struct world w;
    struct ended e = {0};
    world_open(&w, NULL);
    REQUIRE(call(&w, "echo", &e) == PDR_OK);
    world_close(&w);
    EXPECT_INT(e.status, PDR_CANCELLED);
    world_open(&w, NULL);
    w.node.refuses = true;
    for_ms(&w, 30);
    world_close(&w);
}

/* The last tells leave before the connection closes. */
TEST(close_flushes)
{
    struct world w;
    struct ended e;
    world_open(&w, NULL);
    call_and_wait(&w, "echo", &e);
    for (int i = 0; i < 10; i++) {
        EXPECT_INT(pdr_client_tell(w.client, pdr_str("a/b"), "note", pdr_bytes(NULL, 0)), PDR_OK);
    }
    pdr_client_close(w.client, on_closed, &w);
    until(&w, &w.node.notifications, 10);
    w.client = NULL;
    world_close(&w);
}

TEST(bad_options)
{
    uv_loop_t loop;
    pdr_client *client;
    static const char *const nodes[] = {"", "localhost", "localhost:http", "[::1]", "a b:1"};
    struct pdr_client_options options = {.node = "127.0.0.1:1", .outstanding_max = 65537};
    const char *why = NULL;
    REQUIRE(uv_loop_init(&loop) == 0);
    for (size_t i = 1; i < sizeof nodes / sizeof *nodes; i++) {
        EXPECT_INT(pdr_client_open(&loop, &(struct pdr_client_options){.node = nodes[i]}, &client, &why), PDR_INVALID);
        EXPECT(why != NULL && strstr(why, nodes[i]) != NULL);
    }
    EXPECT_INT(pdr_client_open(&loop, &options, &client, &why), PDR_INVALID);
    EXPECT(strstr(why, "outstanding_max") != NULL);
    char long_node[400];
    memset(long_node, 'n', sizeof long_node);
    memcpy(long_node + sizeof long_node - 3, ":1", 3);
    EXPECT_INT(pdr_client_open(&loop, &(struct pdr_client_options){.node = long_node}, &client, &why), PDR_INVALID);
    EXPECT(strstr(why, "too long") != NULL);
    options = (struct pdr_client_options){.node = "127.0.0.1:1", .deadline_ms = PDR_DEADLINE_MS_MAX + 1};
    EXPECT_INT(pdr_client_open(&loop, &options, &client, &why), PDR_INVALID);
    EXPECT(strstr(why, "deadline_ms") != NULL);
    end_loop(&loop);
}

/* Where the node is, when nobody says: $PERDURE_NODE. */
TEST(node_of_environment)
{
    struct world w = {0};
    struct ended e;
    const char *why;
    REQUIRE(uv_loop_init(&w.loop) == 0);
    node_listen(&w.node, &w.loop, NULL);
    setenv("PERDURE_NODE", w.node.address, 1);
    REQUIRE(pdr_client_open(&w.loop, NULL, &w.client, &why) == PDR_OK);
    call_and_wait(&w, "echo", &e);
    EXPECT_INT(e.status, PDR_OK);
    world_close(&w);
}

/* Slots are used again and again, with fewer of them than calls. */
TEST(many_calls)
{
    struct world w;
    struct ended e[8];
    world_open(&w, &(struct pdr_client_options){.outstanding_max = 8});
    for (int round = 0; round < 200; round++) {
        memset(e, 0, sizeof e);
        for (int i = 0; i < 8; i++) {
            REQUIRE(call(&w, i % 3 == 0 ? "fail" : "echo", &e[i]) == PDR_OK);
        }
        for (int i = 0; i < 8; i++) {
            until(&w, &e[i].times, 1);
            EXPECT_INT(e[i].status, i % 3 == 0 ? PDR_ACTOR : PDR_OK);
        }
    }
    world_close(&w);
}

TEST_MAIN()
