/* The client under a session, against a scripted node on the same libuv loop. */
#include <perdure/client.h>

#include "core/base/mem.h"
#include "tests/unit/net/client/scripted_node.h"

struct world {
    uv_loop_t loop;
    struct scripted_node node;
    pdr_client *client;
    bool closed;
};

struct ended {
    unsigned times;
    enum pdr_status status;
    char message[512];
};

static void on_outcome(void *user, const struct pdr_outcome *outcome)
{
    struct ended *e = user;
    e->times++;
    e->status = outcome->status;
    snprintf(e->message, sizeof e->message, "%.*s", (int)outcome->message.size,
             outcome->message.size > 0 ? (const char *)outcome->message.data : "");
}

static void on_closed(void *user)
{
    ((struct world *)user)->closed = true;
}

static void world_open(struct world *w, uint32_t outstanding_max)
{
    const char *why = "";
    memset(w, 0, sizeof *w);
    REQUIRE(uv_loop_init(&w->loop) == 0);
    node_listen(&w->node, &w->loop, NULL);
    w->node.session = "first";
    struct pdr_client_options options = {.node = w->node.address, .session = true, .outstanding_max = outstanding_max};
    REQUIRE(pdr_client_open(&w->loop, &options, &w->client, &why) == PDR_OK);
}

static void world_close(struct world *w)
{
    pdr_client_close(w->client, on_closed, w);
    while (!w->closed) {
        uv_run(&w->loop, UV_RUN_ONCE);
    }
    node_stop(&w->node, &w->loop);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    EXPECT_INT(uv_loop_close(&w->loop), 0);
}

static void until(struct world *w, const unsigned *count, unsigned wanted)
{
    uint64_t end = uv_hrtime() + 10000000000;
    while (*count < wanted && uv_hrtime() < end) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    EXPECT_INT(*count, wanted);
}

static enum pdr_status call(struct world *w, const char *method, uint64_t deadline_ms, struct ended *e)
{
    const struct pdr_call_options options = {.deadline_ms = deadline_ms};
    *e = (struct ended){0};
    return pdr_client_call(w->client, pdr_str("a/b"), method, pdr_bytes("\x91\x07", 2), &options, on_outcome, e);
}

TEST(a_session_is_opened_before_the_first_call)
{
    struct world w;
    struct ended e;
    world_open(&w, 0);
    REQUIRE(call(&w, "echo", 0, &e) == PDR_OK);
    until(&w, &e.times, 1);
    EXPECT_INT(e.status, PDR_OK);
    EXPECT_INT(w.node.hellos, 1);
    EXPECT_STR(w.node.asked_session, "");
    EXPECT_INT(w.node.number, 1);
    REQUIRE(call(&w, "echo", 5000, &e) == PDR_OK);
    until(&w, &e.times, 1);
    EXPECT_INT(w.node.number, 2); /* with options too */
    world_close(&w);
}

TEST(what_has_no_answer_is_sent_again)
{
    struct world w;
    struct ended silent, drop;
    world_open(&w, 0);
    REQUIRE(call(&w, "silent", 60000, &silent) == PDR_OK);
    REQUIRE(call(&w, "drop", 0, &drop) == PDR_OK);
    until(&w, &drop.times, 1);
    EXPECT_INT(drop.status, PDR_OK);
    EXPECT_INT(w.node.drops, 2);
    EXPECT_INT(w.node.number, 2); /* the same as before */
    EXPECT_INT(w.node.hellos, 2);
    EXPECT_STR(w.node.asked_session, "first");
    EXPECT_INT(w.node.ack_below, 1); /* `silent` is still open */
    EXPECT_INT(silent.times, 0);
    EXPECT_INT(w.node.requests, 4);
    world_close(&w);
    EXPECT_INT(silent.status, PDR_CANCELLED);
}

/* The first copy may have run: that the second was refused says nothing of it. */
TEST(a_refused_copy_is_no_outcome)
{
    struct world w;
    struct ended e;
    world_open(&w, 0);
    REQUIRE(call(&w, "drop_busy", 0, &e) == PDR_OK);
    until(&w, &e.times, 1);
    EXPECT_INT(e.status, PDR_OK);
    EXPECT_INT(w.node.requests, 3);
    EXPECT_INT(w.node.number, 1);
    world_close(&w);
}

TEST(a_final_failure_is_one)
{
    struct world w;
    struct ended e;
    world_open(&w, 0);
    REQUIRE(call(&w, "drop_final", 0, &e) == PDR_OK);
    until(&w, &e.times, 1);
    EXPECT_INT(e.status, PDR_OVERLOADED);
    EXPECT_INT(w.node.requests, 2);
    world_close(&w);
}

TEST(a_session_that_is_over_leaves_calls_unknown)
{
    struct world w;
    struct ended drop, echo;
    world_open(&w, 0);
    REQUIRE(call(&w, "echo", 0, &echo) == PDR_OK);
    until(&w, &echo.times, 1);
    w.node.hello_error = "session_expired"; /* next time */
    w.node.session = "second";
    REQUIRE(call(&w, "drop", 0, &drop) == PDR_OK);
    until(&w, &drop.times, 1);
    EXPECT_INT(drop.status, PDR_SESSION);
    EXPECT(strstr(drop.message, "may have been applied") != NULL);
    EXPECT_INT(w.node.drops, 1); /* and is not sent again */
    REQUIRE(call(&w, "echo", 0, &echo) == PDR_OK);
    until(&w, &echo.times, 1);
    EXPECT_INT(echo.status, PDR_OK);
    EXPECT_INT(w.node.hellos, 3);
    EXPECT_STR(w.node.asked_session, "");
    world_close(&w);
}

TEST(a_refused_hello_is_tried_again)
{
    struct world w;
    struct ended e;
    world_open(&w, 0);
    w.node.hello_error = "overloaded";
    REQUIRE(call(&w, "echo", 0, &e) == PDR_OK);
    until(&w, &e.times, 1);
    EXPECT_INT(e.status, PDR_OK);
    EXPECT_INT(w.node.hellos, 2);
    world_close(&w);
}

TEST(without_a_session_nothing_is_sent)
{
    struct world w;
    struct ended e;
    world_open(&w, 0);
    w.node.session = NULL; /* hello is answered without one */
    REQUIRE(call(&w, "echo", 300, &e) == PDR_OK);
    until(&w, &e.times, 1);
    EXPECT_INT(e.status, PDR_UNAVAILABLE);
    EXPECT(strstr(e.message, "was not sent") != NULL);
    EXPECT_INT(w.node.requests, 0);
    world_close(&w);
}

TEST(answers_are_acknowledged)
{
    struct world w;
    struct ended e;
    world_open(&w, 0);
    for (int i = 0; i < 200; i++) {
        REQUIRE(call(&w, "echo", 0, &e) == PDR_OK);
        until(&w, &e.times, 1);
    }
    EXPECT(w.node.ack_below > 100 && w.node.ack_below <= 201);
    world_close(&w);
}

/* A call is refused while one that is as old as the ring is long has no answer. */
TEST(the_span_is_kept)
{
    struct world w;
    struct ended silent, e;
    world_open(&w, 4);
    REQUIRE(call(&w, "silent", 60000, &silent) == PDR_OK);
    for (int i = 0; i < 3; i++) {
        REQUIRE(call(&w, "echo", 0, &e) == PDR_OK);
        until(&w, &e.times, 1);
    }
    EXPECT_INT(call(&w, "echo", 0, &e), PDR_OVERLOADED);
    world_close(&w);
}

TEST(more_outstanding_than_a_session_spans)
{
    const struct pdr_client_options options = {.node = "127.0.0.1:1", .session = true, .outstanding_max = 4097};
    const char *why = "";
    pdr_client *client;
    uv_loop_t loop;
    REQUIRE(uv_loop_init(&loop) == 0);
    EXPECT_INT(pdr_client_open(&loop, &options, &client, &why), PDR_INVALID);
    EXPECT(strstr(why, "session_span") != NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_INT(uv_loop_close(&loop), 0);
}

TEST(no_memory_to_keep_a_call)
{
    struct world w;
    struct ended e;
    world_open(&w, 0);
    REQUIRE(call(&w, "echo", 0, &e) == PDR_OK);
    until(&w, &e.times, 1);
    mem_fail_after(1);
    enum pdr_status status = call(&w, "echo", 0, &e);
    mem_fail_after(0);
    EXPECT_INT(status, PDR_OVERLOADED);
    EXPECT_INT(pdr_client_outstanding(w.client), 0);
    REQUIRE(call(&w, "echo", 0, &e) == PDR_OK);
    until(&w, &e.times, 1);
    EXPECT_INT(e.status, PDR_OK);
    world_close(&w);
}

TEST_MAIN()
