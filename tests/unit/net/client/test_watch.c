/* tests/unit/net/client/test_watch.c: watches against a scripted node on the same libuv loop. */
#include "tests/unit/net/client/scripted_node.h"

#include <perdure/client.h>

struct world {
    uv_loop_t loop;
    struct scripted_node node;
    pdr_client *client;
    unsigned closed;
};

/* What one watch has come to. */
struct seen {
    unsigned events, ended;
    uint64_t event, seq;
    enum pdr_status status;
    char code[64];
    struct world *world; /* what the callbacks do next */
    void (*then)(struct seen *seen);
};

static void on_event(void *user, pdr_value event, uint64_t seq)
{
    struct seen *seen = user;
    EXPECT_INT(seen->ended, 0);
    seen->events++;
    seen->seq = seq;
    EXPECT(pdr_value_uint(event, &seen->event));
    if (seen->then != NULL) {
        seen->then(seen);
    }
}

static void on_ended(void *user, const struct pdr_outcome *outcome)
{
    struct seen *seen = user;
    seen->ended++;
    seen->status = outcome->status;
    snprintf(seen->code, sizeof seen->code, "%.*s", (int)outcome->code.size, (const char *)outcome->code.data);
}

static void on_closed(void *user)
{
    struct world *w = user;
    w->closed++;
    w->client = NULL;
}

static void world_open_with(struct world *w, const struct pdr_client_options *options)
{
    struct pdr_client_options all = *options;
    const char *why = "";
    memset(w, 0, sizeof *w);
    REQUIRE(uv_loop_init(&w->loop) == 0);
    node_listen(&w->node, &w->loop, NULL);
    all.node = w->node.address;
    REQUIRE(pdr_client_open(&w->loop, &all, &w->client, &why) == PDR_OK);
}

static void world_open(struct world *w)
{
    world_open_with(w, &(struct pdr_client_options){0});
}

static void until(struct world *w, const unsigned *count, unsigned wanted)
{
    uint64_t end = uv_hrtime() + 10000000000;
    while (*count < wanted && uv_hrtime() < end) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    EXPECT_INT(*count, wanted);
}

static void world_close(struct world *w)
{
    if (w->client != NULL) {
        pdr_client_close(w->client, on_closed, w);
    }
    until(w, &w->closed, 1);
    node_stop(&w->node, &w->loop);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    EXPECT_INT(uv_loop_close(&w->loop), 0); /* nothing is left open */
}

static void watch(struct world *w, const char *address, const uint64_t *after, struct seen *seen)
{
    struct pdr_watch_options options = {.after = after};
    seen->world = w;
    EXPECT_INT(pdr_client_watch(w->client, pdr_str(address), &options, on_event, on_ended, seen), PDR_OK);
}

static void count_answer(void *user, const struct pdr_outcome *outcome)
{
    (*(unsigned *)user)++;
}

/* All that was sent before has been taken, at both ends. */
static void settle(struct world *w)
{
    unsigned answers = 0;
    REQUIRE(pdr_client_call(w->client, pdr_str("a/b"), "echo", pdr_bytes("\x91\x07", 2), NULL, count_answer,
                            &answers) == PDR_OK);
    until(w, &answers, 1);
}

static void lose_connection(struct world *w)
{
    unsigned connections = w->node.connections;
    node_close(&w->node);
    until(w, &w->node.connections, connections + 1);
}

TEST(events_come_to_whom_they_are_for)
{
    struct world w;
    struct seen one = {0}, other = {0};
    world_open(&w);
    watch(&w, "a/1", NULL, &one); /* before there is a connection */
    until(&w, &w.node.watches, 1);
    EXPECT(!w.node.has_after);
    watch(&w, "a/2.x", NULL, &other);
    settle(&w);
    node_emit(&w.node, "a/1", 5);
    node_emit(&w.node, "a/2.x", 9);
    node_emit(&w.node, "a/3", 1);
    node_emit(&w.node, "a/1", 6);
    settle(&w);
    EXPECT(one.events == 2 && one.event == 6 && one.seq == 6);
    EXPECT(other.events == 1 && other.event == 9 && other.seq == 9);
    world_close(&w);
    EXPECT(one.ended == 1 && one.status == PDR_CANCELLED);
    EXPECT(other.ended == 1 && other.status == PDR_CANCELLED);
}

TEST(a_new_connection_goes_on_behind_the_last_event)
{
    struct world w;
    struct seen seen = {0};
    uint64_t after = 3;
    world_open(&w);
    watch(&w, "a/1", &after, &seen);
    settle(&w);
    EXPECT(w.node.has_after && w.node.watched_after == 3);
    node_emit(&w.node, "a/1", 7);
    until(&w, &seen.events, 1);
    lose_connection(&w);
    until(&w, &w.node.watches, 2);
    EXPECT(w.node.has_after && w.node.watched_after == 7);
    node_emit(&w.node, "a/1", 8);
    until(&w, &seen.events, 2);
    EXPECT_INT(seen.ended, 0);
    world_close(&w);
}

/* The answer says where the watch began. */
TEST(what_comes_before_the_first_event_is_not_lost_either)
{
    struct world w;
    struct seen seen = {0};
    world_open(&w);
    w.node.seq = 41;
    watch(&w, "a/1", NULL, &seen);
    settle(&w);
    lose_connection(&w);
    until(&w, &w.node.watches, 2);
    EXPECT(w.node.has_after && w.node.watched_after == 41);
    world_close(&w);
}

TEST(a_node_without_numbers)
{
    struct world w;
    struct seen seen = {0};
    world_open(&w);
    w.node.no_seqs = true;
    watch(&w, "a/1", NULL, &seen);
    settle(&w);
    node_emit(&w.node, "a/1", 7);
    until(&w, &seen.events, 1);
    EXPECT(seen.event == 7 && seen.seq == 0);
    lose_connection(&w);
    until(&w, &w.node.watches, 2);
    EXPECT(!w.node.has_after);
    world_close(&w);
}

TEST(refused_for_good_ends_it)
{
    struct world w;
    struct seen seen = {0};
    world_open(&w);
    watch(&w, "a/refused", NULL, &seen);
    until(&w, &seen.ended, 1);
    EXPECT_INT(seen.status, PDR_NOT_FOUND);
    EXPECT_STR(seen.code, "not_found");
    lose_connection(&w);
    settle(&w);
    EXPECT_INT(w.node.watches, 1);
    world_close(&w);
    EXPECT_INT(seen.ended, 1);
}

TEST(refused_for_now_is_asked_again)
{
    struct world w;
    struct seen seen = {0};
    world_open(&w);
    watch(&w, "a/busy", NULL, &seen);
    until(&w, &w.node.watches, 2);
    settle(&w);
    node_emit(&w.node, "a/busy", 1);
    until(&w, &seen.events, 1);
    world_close(&w);
}

TEST(no_answer_is_asked_again)
{
    struct world w;
    struct seen seen = {0};
    world_open_with(&w, &(struct pdr_client_options){.deadline_ms = 100});
    settle(&w);
    watch(&w, "a/mute", NULL, &seen);
    until(&w, &w.node.watches, 2);
    EXPECT_INT(w.node.unwatches, 1); /* it may have begun */
    EXPECT_INT(seen.ended, 0);
    world_close(&w);
}

TEST(unwatched)
{
    struct world w;
    struct seen early = {0}, late = {0}, again = {0};
    world_open(&w);
    pdr_client_unwatch(w.client, pdr_str("a/nobody"));
    watch(&w, "a/1", NULL, &early); /* not wanted before it was sent */
    pdr_client_unwatch(w.client, pdr_str("a/1"));
    until(&w, &w.node.unwatches, 1);
    EXPECT_INT(w.node.watches, 1);
    watch(&w, "a/1", NULL, &late);
    settle(&w);
    pdr_client_unwatch(w.client, pdr_str("a/1"));
    watch(&w, "a/1", NULL, &again);
    settle(&w);
    EXPECT_INT(w.node.unwatches, 2);
    node_emit(&w.node, "a/1", 1);
    settle(&w);
    EXPECT(early.events == 0 && late.events == 0 && again.events == 1);
    world_close(&w);
    EXPECT(early.ended == 0 && late.ended == 0 && again.ended == 1);
}

/* Who asks anew before the answer to the first question has come keeps its watch. */
TEST(unwatched_and_watched_while_the_answer_is_on_its_way)
{
    struct world w;
    struct seen first = {0}, second = {0};
    world_open(&w);
    watch(&w, "a/1", NULL, &first);
    pdr_client_unwatch(w.client, pdr_str("a/1"));
    watch(&w, "a/1", NULL, &second);
    until(&w, &w.node.watches, 2);
    settle(&w);
    EXPECT_INT(w.node.unwatches, 0);
    node_emit(&w.node, "a/1", 1);
    settle(&w);
    EXPECT(first.events == 0 && second.events == 1);
    world_close(&w);
}

static void unwatch_itself(struct seen *seen)
{
    pdr_client_unwatch(seen->world->client, pdr_str("a/1"));
}

static void close_client(struct seen *seen)
{
    pdr_client_close(seen->world->client, on_closed, seen->world);
}

TEST(callbacks_may_end_it)
{
    struct world w;
    struct seen one = {.then = unwatch_itself}, other = {.then = close_client};
    world_open(&w);
    watch(&w, "a/1", NULL, &one);
    watch(&w, "a/2", NULL, &other);
    settle(&w);
    node_emit(&w.node, "a/1", 1);
    node_emit(&w.node, "a/1", 2);
    settle(&w);
    EXPECT(one.events == 1 && one.ended == 0);
    node_emit(&w.node, "a/2", 3);
    node_emit(&w.node, "a/2", 4);
    until(&w, &other.ended, 1);
    EXPECT(other.events == 1 && other.status == PDR_CANCELLED);
    until(&w, &w.closed, 1);
    world_close(&w);
}

TEST(refused_watches)
{
    struct world w;
    struct seen seen = {0};
    char address[32];
    world_open(&w);
#define REFUSED(status, words, address)                                                                                \
    EXPECT_INT(pdr_client_watch(w.client, pdr_str(address), NULL, on_event, on_ended, &seen), status);                 \
    EXPECT(strstr(pdr_client_refusal(w.client), words) != NULL)
    REFUSED(PDR_INVALID, "TYPE/KEY", "nowhere");
    watch(&w, "a/1", NULL, &seen);
    REFUSED(PDR_INVALID, "already", "a/1");
    for (unsigned i = 2; i <= PDR_WATCHES_MAX; i++) {
        snprintf(address, sizeof address, "a/%u", i);
        watch(&w, address, NULL, &seen);
    }
    REFUSED(PDR_OVERLOADED, "1024", "a/more");
    pdr_client_close(w.client, on_closed, &w);
    REFUSED(PDR_CANCELLED, "closed", "b/1");
#undef REFUSED
    until(&w, &w.closed, 1);
    EXPECT_INT(seen.ended, PDR_WATCHES_MAX);
    world_close(&w);
}

TEST_MAIN()
