/* tests/unit/net/forward/test_forward.c: one core of node 1, whose links are in this file's hands: what it sends, and
 * what it makes of what others say. Nodes 2 and 3 own all but the shards that a test gives to 1. */
#include "net/forward/forward.h"

#include <stdio.h>

#include "core/base/mem.h"
#include "core/env/peer.h"
#include "core/shard/core.h"
#include "net/route.h"
#include "net/wire/call_frame.h"
#include "tests/lib/test.h"

#define SHARDS 4u
#define CALLS_MAX 32

struct sent {
    uint64_t node, life, number, known;
    unsigned kind;
    char method[32];
};

/** A clock, an inbox, links, and all that was sent. */
struct desk {
    struct loop loop;
    uint64_t now_ns;
    struct peers peers;
    const struct peer_handler *handler;
    void *handler_user;
    uint64_t lives[4]; /* by node; 0: down */
    enum pdr_status send_status;
    struct sent sent[CALLS_MAX];
    unsigned sent_count;
    struct core *core, *cores[1];
    struct router router;
    struct forward *forward, *forwards[1];
    struct cluster_map map, alone;
    struct cluster_owner owners[SHARDS];
    struct cluster_node nodes[3];
    unsigned finished;
    char order[CALLS_MAX]; /* methods' first letters, as they ended */
    enum pdr_status status;
    char text[192];
};

static struct desk *desk; /* of the test that runs */

static uint64_t now_ns(struct loop *loop)
{
    return desk->now_ns;
}

static void wake(struct loop *loop) {}

static void set_timer(struct loop *loop, uint64_t at_ns) {}

static uint64_t clock_now(struct clock *clock)
{
    return desk->now_ns;
}

static void listen(struct peers *peers, enum peer_kind kind, const struct peer_handler *handler, void *user)
{
    desk->handler = handler;
    desk->handler_user = user;
}

static uint64_t life(const struct peers *peers, uint64_t node)
{
    return desk->lives[node];
}

static enum pdr_status take_frame(struct peers *peers, uint64_t node, uint64_t of_life, enum peer_kind kind,
                                  struct pdr_bytes frame)
{
    struct call_frame_call call;
    const char *why;
    if (of_life != desk->lives[node]) {
        return PDR_UNAVAILABLE;
    }
    if (desk->send_status != PDR_OK) {
        return desk->send_status;
    }
    REQUIRE(desk->sent_count < CALLS_MAX);
    struct sent *sent = &desk->sent[desk->sent_count++];
    *sent = (struct sent){
        .node = node, .life = of_life, .kind = call_frame_kind(frame), .number = call_frame_number(frame)};
    if (sent->kind == CALL_FRAME_CALL) {
        REQUIRE(call_frame_get_call(frame, &call, &why) == PDR_OK);
        sent->known = call.known;
        snprintf(sent->method, sizeof sent->method, "%.*s", (int)call.method.size, (const char *)call.method.data);
    }
    return PDR_OK;
}

static void hold(struct peers *peers, uint64_t node, uint64_t of_life, bool held) {}

static const struct actor_class *no_class(void *registry, struct pdr_bytes type)
{
    return NULL;
}

static void begin(struct desk *d)
{
    static const struct loop_ops loop_ops = {now_ns, wake, set_timer};
    static const struct peers_ops peers_ops = {listen, life, take_frame, hold};
    static struct clock clock = {.now_ns = clock_now, .coarse_ns = clock_now};
    *d = (struct desk){.loop = {.ops = &loop_ops}, .now_ns = NS_PER_S, .peers = {.ops = &peers_ops}};
    desk = d;
    inbox_init(&d->loop.inbox);
    for (uint32_t i = 0; i < SHARDS; i++) {
        d->owners[i] = (struct cluster_owner){.node = 2 + i % 2, .epoch = 1, .cv = 5};
    }
    for (uint32_t i = 0; i < 3; i++) {
        d->nodes[i] = (struct cluster_node){.node = i + 1, .address = pdr_str("host:7077"), .name = pdr_str("name")};
    }
    d->map = (struct cluster_map){.version = 10,
                                  .shard_count = SHARDS,
                                  .cores = 1,
                                  .self = 1,
                                  .owner_count = SHARDS,
                                  .owners = d->owners,
                                  .node_count = 3,
                                  .nodes = d->nodes};
    d->alone = cluster_map_alone(SHARDS, 1);
    struct core_world world = {.loop = &d->loop,
                               .clock = &clock,
                               .map = &d->alone,
                               .find_class = no_class,
                               .route = route,
                               .router = &d->router,
                               .moved = route_moved,
                               .peers = &d->peers};
    struct core_limits limits = {0};
    d->core = d->cores[0] = core_new(0, 1, SHARDS, &world, &limits, 1);
    d->core->map = &d->map; /* only now: it has no shards to open, and lets in all that comes */
    d->router = (struct router){.cores = d->cores, .forwards = d->forwards};
    d->forward = d->forwards[0] = forward_new(d->core, &d->router);
    d->lives[2] = d->lives[3] = 1;
}

static void end(struct desk *d)
{
    core_kill(d->core);
    inbox_deliver(&d->loop.inbox);
    forward_free(d->forward);
    core_free(d->core);
}

static void tick(struct desk *d, uint64_t ms)
{
    d->now_ns += ms * NS_PER_MS;
    timerwheel_advance(&d->core->wheel, d->now_ns);
    inbox_deliver(&d->loop.inbox);
    forward_flush(d->forward);
}

static void finished(struct call *call)
{
    struct desk *d = call->owner;
    d->order[d->finished++] = *(const char *)call->method.data;
    d->status = call->status;
    snprintf(d->text, sizeof d->text, "%s", call->text);
    call_free(&d->core->calls, call);
}

/* To the first actor whose shard is that. */
static struct call *call_for(struct desk *d, uint32_t shard, const char *method)
{
    static char address[24];
    struct pdr_ref ref;
    const char *why;
    struct pdr_bytes none = pdr_bytes(NULL, 0);
    for (int i = 0;; i++) {
        snprintf(address, sizeof address, "type/k%d", i);
        REQUIRE(pdr_ref_parse(pdr_str(address), &ref, &why) == PDR_OK);
        if (pdr_ref_hash(ref.key) % SHARDS == shard) {
            break;
        }
    }
    struct call *call =
        call_new(&d->core->calls, d->core, &ref, pdr_str(address), pdr_str(method), pdr_str("\x90"), none, NULL, 0, 0);
    call->deadline_ns = d->now_ns + NS_PER_S;
    call->finish = finished;
    call->owner = d;
    return call;
}

static void call(struct desk *d, uint32_t shard, const char *method)
{
    route(&d->router, d->core, call_for(d, shard, method));
}

static void hear(struct desk *d, uint64_t node, uint64_t of_life, const pdr_writer *frame)
{
    d->handler->received(d->handler_user, node, of_life, pdr_written(frame));
}

static void hear_answer(struct desk *d, uint64_t node, uint64_t of_life, uint64_t number)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    call_frame_put_answer(&w, &(struct call_frame_answer){.number = number, .reply = pdr_str("\x2a")});
    hear(d, node, of_life, &w);
    pdr_writer_release(&w);
}

static void hear_moved(struct desk *d, uint64_t node, uint64_t number, uint64_t owner, uint64_t cv)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    call_frame_put_moved(
        &w, &(struct call_frame_moved){.number = number, .node = owner, .epoch = 2, .cv = cv, .version = cv});
    hear(d, node, d->lives[node], &w);
    pdr_writer_release(&w);
}

static void lose(struct desk *d, uint64_t node)
{
    uint64_t was = d->lives[node];
    d->lives[node] = 0;
    d->handler->gone(d->handler_user, node, was, "it was unplugged");
}

static void come_up(struct desk *d, uint64_t node, uint64_t as)
{
    d->lives[node] = as;
    d->handler->up(d->handler_user, node, as);
}

static void expect_sent(const struct desk *d, unsigned index, uint64_t node, const char *method)
{
    REQUIRE(index < d->sent_count);
    EXPECT_INT(d->sent[index].node, node);
    EXPECT_STR(d->sent[index].method, method);
}

/* Calls of ours. */

TEST(sent_and_answered)
{
    struct desk d;
    begin(&d);
    call(&d, 0, "a");
    REQUIRE(d.sent_count == 1);
    expect_sent(&d, 0, 2, "a");
    EXPECT_INT(d.sent[0].known, 10);
    hear_answer(&d, 3, 1, d.sent[0].number); /* not whom we asked */
    hear_answer(&d, 2, 9, d.sent[0].number); /* nor in this life */
    EXPECT_INT(d.finished, 0);
    EXPECT_INT(forward_stats(d.forward)->garbage, 2);
    hear_answer(&d, 2, 1, d.sent[0].number);
    EXPECT(d.finished == 1 && d.status == PDR_OK);
    hear_answer(&d, 2, 1, d.sent[0].number); /* nor twice */
    EXPECT_INT(d.finished, 1);
    end(&d);
}

TEST(moved_is_followed)
{
    struct desk d;
    begin(&d);
    call(&d, 0, "a");
    hear_moved(&d, 2, d.sent[0].number, 3, 12);
    tick(&d, 0);
    REQUIRE(d.sent_count == 2);
    expect_sent(&d, 1, 3, "a");
    EXPECT_INT(d.sent[1].known, 12);
    call(&d, 0, "b"); /* it is remembered */
    expect_sent(&d, 2, 3, "b");
    EXPECT_INT(d.finished, 0);
    d.map.version = 12; /* until a map is as new: which says that it came back */
    d.owners[0].cv = 13;
    forward_map_changed(d.forward);
    call(&d, 0, "c");
    EXPECT_INT(d.sent_count, 3); /* not before 3 has answered the others */
    hear_answer(&d, 3, 1, d.sent[1].number);
    hear_answer(&d, 3, 1, d.sent[2].number);
    tick(&d, 0);
    expect_sent(&d, 3, 2, "c");
    end(&d);
}

/* Who answers with what we knew already is asked again, but not in circles. */
TEST(moved_to_nothing_newer)
{
    struct desk d;
    begin(&d);
    call(&d, 0, "a");
    for (int i = 0; i < 5; i++) {
        hear_moved(&d, 2, d.sent[d.sent_count - 1].number, 3, 4);
        tick(&d, 0);
        EXPECT_INT(d.sent_count, i + 1);
        tick(&d, 60);
        EXPECT_INT(d.sent_count, i + 2);
        expect_sent(&d, d.sent_count - 1, 2, "a");
    }
    EXPECT_INT(forward_stats(d.forward)->garbage, 5);
    end(&d);
}

TEST(order_across_a_move)
{
    struct desk d;
    begin(&d);
    call(&d, 0, "a");
    call(&d, 0, "b");
    hear_moved(&d, 2, d.sent[1].number, 3, 12); /* of b; what becomes of a is not known yet */
    tick(&d, 0);
    call(&d, 0, "c");
    tick(&d, 0);
    EXPECT_INT(d.sent_count, 2);
    hear_moved(&d, 2, d.sent[0].number, 3, 12);
    tick(&d, 0);
    REQUIRE(d.sent_count == 5);
    expect_sent(&d, 2, 3, "a");
    expect_sent(&d, 3, 3, "b");
    expect_sent(&d, 4, 3, "c");
    call(&d, 0, "d");
    expect_sent(&d, 5, 3, "d");
    end(&d);
}

/* The earlier owner has run it, and says so late. */
TEST(order_behind_an_answer)
{
    struct desk d;
    begin(&d);
    call(&d, 0, "a");
    call(&d, 0, "b");
    hear_moved(&d, 2, d.sent[1].number, 3, 12);
    tick(&d, 5);
    EXPECT_INT(d.sent_count, 2);
    hear_answer(&d, 2, 1, d.sent[0].number);
    tick(&d, 0);
    expect_sent(&d, 2, 3, "b");
    end(&d);
}

/* A call of a turn must not wait for one that may wait for that turn. */
TEST(turns_are_not_held)
{
    static const uint64_t link = 77;
    struct desk d;
    begin(&d);
    call(&d, 0, "a");
    call(&d, 0, "b");
    hear_moved(&d, 2, d.sent[1].number, 3, 12);
    tick(&d, 0);
    struct call *plain = call_for(&d, 0, "t");
    struct pdr_ref ref = {pdr_bytes(plain->address.data, 4),
                          pdr_bytes((const char *)plain->address.data + 5, plain->address.size - 5)};
    struct call *nested = call_new(&d.core->calls, d.core, &ref, plain->address, plain->method, plain->args,
                                   pdr_str("type/x"), &link, 1, 0);
    nested->deadline_ns = plain->deadline_ns;
    nested->finish = finished;
    nested->owner = &d;
    call_free(&d.core->calls, plain);
    route(&d.router, d.core, nested);
    tick(&d, 0);
    expect_sent(&d, 2, 3, "t");
    EXPECT_INT(d.sent_count, 3);
    end(&d);
}

TEST(lost_links)
{
    struct desk d;
    begin(&d);
    struct call *reader = call_for(&d, 0, "r"), *session = call_for(&d, 0, "s");
    reader->is_read = true;
    session->session.on = true;
    session->session.id = (struct session_id){1, 2, 3, 4};
    session->session.n = 5;
    session->session.ack_below = session->session.print = 0;
    call(&d, 0, "w");
    route(&d.router, d.core, reader);
    route(&d.router, d.core, session);
    EXPECT_INT(d.sent_count, 3);
    lose(&d, 2);
    EXPECT(d.finished == 1 && d.order[0] == 'w' && d.status == PDR_UNAVAILABLE);
    EXPECT_STR(d.text, "the link to the actor's node was lost before its answer came: the call has run, or not");
    EXPECT_INT(d.sent_count, 3);
    call(&d, 0, "x"); /* behind them */
    come_up(&d, 2, 2);
    REQUIRE(d.sent_count == 6);
    expect_sent(&d, 3, 2, "r");
    expect_sent(&d, 4, 2, "s");
    expect_sent(&d, 5, 2, "x");
    EXPECT(d.sent[4].life == 2 && d.sent[4].number != d.sent[2].number);
    hear_answer(&d, 2, 2, d.sent[2].number); /* of the life before */
    EXPECT_INT(d.finished, 1);
    hear_answer(&d, 2, 2, d.sent[4].number);
    EXPECT(d.finished == 2 && d.order[1] == 's');
    end(&d);
}

TEST(full_links)
{
    struct desk d;
    begin(&d);
    d.send_status = PDR_OVERLOADED;
    call(&d, 0, "a");
    call(&d, 0, "b");
    d.send_status = PDR_OK;
    call(&d, 0, "c"); /* nobody goes past those that wait */
    call(&d, 1, "x"); /* another node */
    EXPECT_INT(d.sent_count, 1);
    d.handler->room(d.handler_user, 2, 1);
    REQUIRE(d.sent_count == 4);
    expect_sent(&d, 1, 2, "a");
    expect_sent(&d, 2, 2, "b");
    expect_sent(&d, 3, 2, "c");
    end(&d);
}

TEST(too_many_wait)
{
    struct desk d;
    begin(&d);
    d.lives[2] = 0;
    for (int i = 0; i < LIMIT_FORWARD_WAITING_MAX; i++) {
        call(&d, 0, "a");
    }
    EXPECT_INT(d.finished, 0);
    call(&d, 0, "z");
    EXPECT(d.finished == 1 && d.status == PDR_OVERLOADED);
    EXPECT_STR(d.text, "too many calls for other nodes wait on this core (limit forward_waiting_max)");
    end(&d);
}

TEST(deadlines)
{
    struct desk d;
    begin(&d);
    d.lives[2] = 0;
    call(&d, 0, "a");
    d.owners[1].node = 0; /* of nobody */
    call(&d, 1, "b");
    tick(&d, 999);
    EXPECT_INT(d.finished, 0);
    tick(&d, 3);
    EXPECT_INT(d.finished, 2);
    EXPECT_INT(d.status, PDR_UNAVAILABLE);
    EXPECT_INT(forward_stats(d.forward)->expired, 2);
    EXPECT_INT(d.sent_count, 0);
    end(&d);
}

TEST(a_map_comes)
{
    struct desk d;
    begin(&d);
    d.owners[0].node = 0;
    call(&d, 0, "a");
    tick(&d, 1);
    d.owners[0] = (struct cluster_owner){3, 2, 11};
    d.map.version = 11;
    forward_map_changed(d.forward);
    tick(&d, 0);
    expect_sent(&d, 0, 3, "a");
    d.lives[3] = 0; /* what waits for a link follows the shard, too */
    d.handler->gone(d.handler_user, 3, 1, "it was unplugged");
    call(&d, 0, "b");
    EXPECT_INT(d.sent_count, 1);
    d.owners[0] = (struct cluster_owner){2, 3, 12};
    forward_map_changed(d.forward);
    tick(&d, 0);
    expect_sent(&d, 1, 2, "b");
    end(&d);
}

TEST(who_asks_is_told)
{
    struct desk d;
    begin(&d);
    struct call *direct = call_for(&d, 0, "a");
    direct->is_direct = true;
    route(&d.router, d.core, direct);
    EXPECT(d.finished == 1 && d.status == PDR_MOVED && d.sent_count == 0);
    EXPECT_STR(d.text, "shard 0 is at host:7077");
    end(&d);
}

/* Its core does not have the shard open yet. */
TEST(not_open_here)
{
    struct desk d;
    begin(&d);
    struct call *call = call_for(&d, 0, "a");
    call->shard = 0;
    call->at = d.core;
    call->status = PDR_MOVED;
    d.owners[0] = (struct cluster_owner){1, 2, 11};
    call_finish(call);
    EXPECT_INT(d.finished, 0);
    tick(&d, 2);
    EXPECT(d.finished == 1 && d.status == PDR_NOT_FOUND); /* it was let in, and there is no such type */
    end(&d);
}

/* Calls of others. */

static void hear_call(struct desk *d, uint32_t shard, uint64_t number, uint64_t known)
{
    struct call *like = call_for(d, shard, "v");
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    call_frame_put_call(&w, &(struct call_frame_call){.number = number,
                                                      .known = known,
                                                      .left_us = 1000000,
                                                      .shard = shard,
                                                      .address = like->address,
                                                      .method = like->method,
                                                      .args = like->args});
    hear(d, 2, d->lives[2], &w);
    pdr_writer_release(&w);
    call_free(&d->core->calls, like);
}

TEST(visits_are_served_or_sent_back)
{
    struct desk d;
    begin(&d);
    d.owners[2] = (struct cluster_owner){1, 1, 5};
    hear_call(&d, 2, 100, 99); /* it is here, however much newer the sender's map is */
    REQUIRE(d.sent_count == 1);
    EXPECT(d.sent[0].kind == CALL_FRAME_ANSWER && d.sent[0].number == 100);
    hear_call(&d, 1, 101, 4); /* it is not, as we know from a newer row */
    REQUIRE(d.sent_count == 2);
    EXPECT(d.sent[1].kind == CALL_FRAME_MOVED && d.sent[1].number == 101);
    hear_call(&d, 1, 102, 20); /* it is not, as far as we know: but we know less */
    tick(&d, 10);
    EXPECT_INT(d.sent_count, 2);
    d.map.version = 20;
    d.owners[1] = (struct cluster_owner){1, 2, 20};
    forward_map_changed(d.forward);
    tick(&d, 0);
    EXPECT_INT(d.sent_count, 2); /* its core has to have heard of it, too */
    tick(&d, 0);
    REQUIRE(d.sent_count == 3);
    EXPECT(d.sent[2].kind == CALL_FRAME_ANSWER && d.sent[2].number == 102);
    EXPECT_INT(forward_stats(d.forward)->redirected, 1);
    end(&d);
}

/* Never on to a third node. */
TEST(visits_are_not_sent_on)
{
    struct desk d;
    begin(&d);
    hear_call(&d, 1, 100, 20);
    tick(&d, 500);
    EXPECT_INT(d.sent_count, 0);
    tick(&d, 600);
    REQUIRE(d.sent_count == 1);
    EXPECT(d.sent[0].kind == CALL_FRAME_ANSWER && d.sent[0].node == 2);
    end(&d);
}

TEST(visits_leave_with_their_link)
{
    struct desk d;
    begin(&d);
    hear_call(&d, 1, 100, 20);
    lose(&d, 2);
    come_up(&d, 2, 2);
    d.owners[1] = (struct cluster_owner){1, 2, 20};
    d.map.version = 20;
    forward_map_changed(d.forward);
    tick(&d, 2000);
    EXPECT_INT(d.sent_count, 0);
    end(&d);
}

TEST(answers_wait_for_room)
{
    struct desk d;
    begin(&d);
    d.owners[2] = (struct cluster_owner){1, 1, 5};
    d.send_status = PDR_OVERLOADED;
    hear_call(&d, 2, 100, 5);
    hear_call(&d, 2, 101, 5);
    d.send_status = PDR_OK;
    hear_call(&d, 2, 102, 5);
    EXPECT_INT(d.sent_count, 0);
    d.handler->room(d.handler_user, 2, 1);
    REQUIRE(d.sent_count == 3);
    EXPECT(d.sent[0].number == 100 && d.sent[1].number == 101 && d.sent[2].number == 102);
    end(&d);
}

TEST(nonsense)
{
    static const uint8_t cut[] = {CALL_FRAME_CALL, 9, 0, 0, 0, 0, 0, 0, 0, 1};
    struct desk d;
    begin(&d);
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    hear(&d, 2, 1, &w);
    pdr_write_raw(&w, cut, sizeof cut);
    hear(&d, 2, 1, &w);
    REQUIRE(d.sent_count == 1); /* it has a number at least, so it hears what is wrong */
    EXPECT(d.sent[0].kind == CALL_FRAME_ANSWER && d.sent[0].number == 9);
    pdr_writer_clear(&w);
    call_frame_put_call(&w, &(struct call_frame_call){.number = 10,
                                                      .left_us = 1,
                                                      .address = pdr_str("_sys/node"),
                                                      .method = pdr_str("status"),
                                                      .args = pdr_str("\x90")});
    hear(&d, 2, 1, &w);
    EXPECT_INT(d.sent_count, 2);
    pdr_writer_clear(&w);
    call_frame_put_call(&w, &(struct call_frame_call){.number = 11,
                                                      .left_us = 1,
                                                      .role = TELL_SENT,
                                                      .tell_from = SHARDS,
                                                      .address = pdr_str("type/k"),
                                                      .method = pdr_str("m"),
                                                      .args = pdr_str("\x90")});
    hear(&d, 2, 1, &w);
    EXPECT_INT(d.sent_count, 3);
    EXPECT_INT(forward_stats(d.forward)->garbage, 3);
    pdr_writer_release(&w);
    end(&d);
}

TEST(a_stop_refuses_what_waits)
{
    struct desk d;
    begin(&d);
    d.lives[2] = 0;
    d.owners[1].node = 0;
    call(&d, 0, "a");
    call(&d, 1, "b");
    forward_close(d.forward);
    EXPECT(d.finished == 2 && d.status == PDR_UNAVAILABLE);
    EXPECT_STR(d.text, "the node is stopping");
    call(&d, 0, "c");
    EXPECT_INT(d.finished, 3);
    EXPECT_INT(d.core->calls.live, 0);
    end(&d);
}

TEST_MAIN()
