/* tests/unit/net/client/test_blocking.c: the blocking form, against a scripted node on a thread of its own. */
#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/net/client/scripted_node.h"

#include <perdure/client.h>

struct world {
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t stop;
    bool stopping;
    struct scripted_node node;
    pdr_blocking *client;
};

static void *serve(void *user)
{
    struct world *w = user;
    while (!w->stopping) {
        uv_run(&w->loop, UV_RUN_ONCE);
    }
    return NULL;
}

static void on_stop(uv_async_t *async)
{
    ((struct world *)async->data)->stopping = true;
}

static void node_run(struct world *w, const char *address)
{
    w->stopping = false;
    REQUIRE(uv_loop_init(&w->loop) == 0);
    REQUIRE(uv_async_init(&w->loop, &w->stop, on_stop) == 0);
    w->stop.data = w;
    node_listen(&w->node, &w->loop, address);
    REQUIRE(pthread_create(&w->thread, NULL, serve, w) == 0);
}

static void node_end(struct world *w)
{
    uv_async_send(&w->stop);
    pthread_join(w->thread, NULL);
    node_stop(&w->node, &w->loop);
    uv_close((uv_handle_t *)&w->stop, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    EXPECT_INT(uv_loop_close(&w->loop), 0);
}

static void world_open(struct world *w, uint64_t deadline_ms)
{
    const char *why = "";
    memset(w, 0, sizeof *w);
    node_run(w, NULL);
    struct pdr_client_options options = {.node = w->node.address, .deadline_ms = deadline_ms};
    REQUIRE(pdr_blocking_open(&options, &w->client, &why) == PDR_OK);
}

static void world_close(struct world *w)
{
    pdr_blocking_close(w->client);
    node_end(w);
}

static enum pdr_status call(struct world *w, const char *method, struct pdr_outcome *outcome)
{
    return pdr_blocking_call(w->client, pdr_str("a/b"), method, pdr_bytes("\x91\x07", 2), NULL, outcome);
}

TEST(call)
{
    struct world w;
    struct pdr_outcome outcome;
    world_open(&w, 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(call(&w, "echo", &outcome), PDR_OK);
        EXPECT(pdr_bytes_equal(outcome.result, pdr_bytes("\x07", 1)));
    }
    EXPECT_INT(call(&w, "fail", &outcome), PDR_ACTOR);
    EXPECT(pdr_bytes_equal(outcome.code, pdr_str("poor")));
    EXPECT(pdr_bytes_equal(outcome.message, pdr_str("there is no money")));
    EXPECT_INT(outcome.retry_ms, 7);
    world_close(&w);
}

TEST(refused)
{
    struct world w;
    struct pdr_outcome outcome;
    world_open(&w, 0);
    EXPECT_INT(call(&w, "no.dots", &outcome), PDR_INVALID);
    EXPECT_INT(outcome.status, PDR_INVALID);
    EXPECT(pdr_bytes_equal(outcome.code, pdr_str("invalid")));
    EXPECT(outcome.message.size > 0);
    world_close(&w);
}

TEST(deadline)
{
    struct world w;
    struct pdr_outcome outcome;
    world_open(&w, 50);
    EXPECT_INT(call(&w, "silent", &outcome), PDR_DEADLINE);
    EXPECT_INT(call(&w, "echo", &outcome), PDR_OK);
    world_close(&w);
}

TEST(nobody_there)
{
    struct world w = {0};
    const char *why = NULL;
    char address[64];
    node_run(&w, NULL);
    snprintf(address, sizeof address, "%s", w.node.address);
    node_end(&w);
    struct pdr_client_options options = {.node = address};
    EXPECT_INT(pdr_blocking_open(&options, &w.client, &why), PDR_UNAVAILABLE);
    EXPECT(why != NULL && strstr(why, address) != NULL && strstr(why, "connection refused") != NULL);
    options.node = "nonsense";
    EXPECT_INT(pdr_blocking_open(&options, &w.client, &why), PDR_INVALID);
    EXPECT(strstr(why, "nonsense") != NULL);
}

TEST(lost)
{
    struct world w;
    struct pdr_outcome outcome;
    world_open(&w, 0);
    EXPECT_INT(call(&w, "hang_up", &outcome), PDR_UNAVAILABLE);
    EXPECT_INT(call(&w, "echo", &outcome), PDR_OK);
    world_close(&w);
}

/* The node was restarted between two calls: the second notices before it is sent, and so is not lost. */
TEST(restarted_meanwhile)
{
    struct world w;
    struct pdr_outcome outcome;
    char address[64];
    world_open(&w, 5000);
    EXPECT_INT(call(&w, "echo", &outcome), PDR_OK);
    snprintf(address, sizeof address, "%s", w.node.address);
    node_end(&w);
    node_run(&w, address);
    EXPECT_INT(call(&w, "echo", &outcome), PDR_OK);
    world_close(&w);
}

/* When tell has returned the bytes are the kernel's: closing at once loses nothing. */
TEST(tell)
{
    struct world w;
    struct pdr_outcome outcome;
    uint8_t *args = calloc(1, 1000005);
    REQUIRE(args != NULL);
    world_open(&w, 0);
    memcpy(args, "\x91\xc6\x00\x0f\x42\x3f", 6);
    for (int i = 0; i < 20; i++) {
        EXPECT_INT(pdr_blocking_tell(w.client, pdr_str("a/b"), "note", pdr_bytes(args, 1000005)), PDR_OK);
    }
    EXPECT_INT(pdr_blocking_tell(w.client, pdr_str("a/b"), "note", pdr_bytes("\xc0", 1)), PDR_INVALID);
    pdr_blocking_close(w.client);
    struct pdr_client_options options = {.node = w.node.address};
    const char *why;
    REQUIRE(pdr_blocking_open(&options, &w.client, &why) == PDR_OK);
    EXPECT_INT(call(&w, "echo", &outcome), PDR_OK);
    pdr_blocking_close(w.client);
    node_end(&w);
    EXPECT_INT(w.node.notifications, 20);
    free(args);
}

TEST_MAIN()
