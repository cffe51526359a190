/* tests/simulation/test_ways.c: the real client among several nodes that move shards, die and are cut off. The nodes
 * are stand-ins: each takes any call and passes it on to the actor, in order and after a while; what they answer to
 * `_sys/directory.map` is written by the code of the real one. Checked throughout:
 *
 *   order   when a call is applied, each earlier one of the same actor has been applied, or has ended for its caller
 *   once    a call is applied at most once, and ends exactly once; one that "was not sent" is never applied
 *   ways    when all is quiet, calls go straight to owners, and by as few connections as there are nodes */
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/cluster_map.h"
#include "net/client/client.h"
#include "net/wire/codec.h"
#include "net/wire/frame.h"
#include "net/wire/rpc.h"
#include "tests/lib/test.h"
#include "tests/simulation/sim_net.h"
#include "tools/node/map_answer.h"

#define NODES_MAX 5u
#define SHARDS 16u
#define ACTORS 12u
#define CALLS_MAX 20000u
#define NOBODY UINT32_MAX

struct world;

struct conn {
    struct list node;
    struct node_of *at; /* NULL: its node has died since */
    struct stream *stream;
    struct frame_scan scan;
    pdr_writer in;
};

struct node_of {
    struct world *world;
    uint32_t number, host;
    char name[16], address[24];
    struct sim_clock clock;
    struct sim_loop loop;
    struct transport *transport;
    struct listener *listener;
    bool is_up;
    struct sim_event restart;
    struct list conns;
    uint32_t open_count, taken, taken_straight; /* connections; calls, and those of its own shards */
    uint64_t known;                             /* version of its map */
    uint32_t owners[SHARDS];                    /* ... nodes by number */
};

/* A call in a node's hands: on its way to the actor, then its answer. */
struct job {
    struct sim_event event;
    struct list node;
    struct world *world;
    struct conn *conn;
    uint64_t msgid;
    uint32_t number, entry;
    bool is_applied;
};

struct call {
    struct world *world;
    uint32_t actor;
    bool is_applied, has_ended;
    bool was_not_sent;
    enum pdr_status status;
};

struct world {
    struct sim sim;
    struct sim_net *net;
    uint32_t node_count;
    struct node_of nodes[NODES_MAX];
    uint64_t version;
    uint32_t owners[SHARDS];
    uint64_t arrives_ns[NODES_MAX][ACTORS]; /* the last call that a node has passed on to an actor */
    struct list conns_gone, jobs;
    bool is_calm, is_quiet; /* no faults any more; and all that they left is over */

    uint32_t host;
    struct sim_clock clock;
    struct sim_loop loop;
    struct transport *transport;
    pdr_client *client;
    struct message message;
    bool is_posted;
    struct sim_event next_calls, next_fault;
    uint32_t call_count, ended_count, failed_count;
    uint32_t floor; /* all calls below it are applied or have ended */
    struct call calls[CALLS_MAX];
};

static void actor_key(uint32_t actor, char *key)
{
    snprintf(key, 16, "k%u", actor);
}

static uint32_t shard_of(uint32_t actor)
{
    char key[16];
    actor_key(actor, key);
    return cluster_shard(SHARDS, pdr_ref_hash(pdr_str(key)));
}

/* Answers. */

static void send(const struct conn *conn, pdr_writer *frame)
{
    if (conn->stream != NULL) {
        conn->at->transport->ops->write(conn->stream, pdr_written(frame));
    }
    pdr_writer_release(frame);
}

static void answer(const struct conn *conn, uint64_t msgid, pdr_value result)
{
    pdr_writer frame = {0};
    codec_response(&frame, msgid, result);
    send(conn, &frame);
}

static void answer_map(const struct conn *conn, const struct frame *frame)
{
    const struct node_of *n = conn->at;
    struct world *w = n->world;
    uint64_t version;
    if (pdr_value_uint(pdr_value_at(frame->args, 0), &version) && version == n->known) {
        answer(conn, frame->msgid, pdr_bytes("\xc0", 1));
        return;
    }
    struct cluster_node nodes[NODES_MAX];
    struct cluster_owner owners[SHARDS];
    struct cluster_map map = {.version = n->known,
                              .shard_count = SHARDS,
                              .cores = 1,
                              .self = n->number + 1,
                              .owner_count = SHARDS,
                              .node_count = w->node_count,
                              .owners = owners,
                              .nodes = nodes};
    for (uint32_t i = 0; i < w->node_count; i++) {
        nodes[i] = (struct cluster_node){.node = i + 1, .address = pdr_str(w->nodes[i].address)};
    }
    for (uint32_t i = 0; i < SHARDS; i++) {
        owners[i] = (struct cluster_owner){.node = n->owners[i] == NOBODY ? 0 : n->owners[i] + 1};
    }
    pdr_writer result = {0};
    map_answer_write(&result, &map, 0, pdr_bytes(NULL, 0));
    answer(conn, frame->msgid, pdr_written(&result));
    pdr_writer_release(&result);
}

/* Calls in the hands of nodes. */

static void apply(struct world *w, const struct job *job)
{
    struct call *call = &w->calls[job->number];
    SIM_CHECK(&w->sim, !call->is_applied, "call %u is applied again", job->number);
    SIM_CHECK(&w->sim, !call->was_not_sent, "call %u is applied, and its caller was told that it was not sent",
              job->number);
    call->is_applied = true;
    while (w->floor < w->call_count && (w->calls[w->floor].is_applied || w->calls[w->floor].has_ended)) {
        w->floor++;
    }
    for (uint32_t i = w->floor; i < job->number; i++) {
        const struct call *earlier = &w->calls[i];
        SIM_CHECK(&w->sim, earlier->actor != call->actor || earlier->is_applied || earlier->has_ended,
                  "call %u of actor %u is applied by way of node %u before call %u, which nobody has given up",
                  job->number, call->actor, job->entry, i);
    }
}

static void job_fired(struct sim_event *event)
{
    struct job *job = LIST_ITEM(event, struct job, event);
    struct world *w = job->world;
    if (!job->is_applied) {
        apply(w, job);
        job->is_applied = true;
        sim_after(&w->sim, &job->event,
                  sim_delay(&w->sim, NS_PER_MS) * (!w->is_calm && sim_chance(&w->sim, 2) ? 500 : 1));
        return;
    }
    answer(job->conn, job->msgid, pdr_bytes("\xc0", 1));
    list_remove(&job->node);
    mem_free(job);
}

static void take_call(struct conn *conn, uint64_t msgid, pdr_value args)
{
    struct node_of *n = conn->at;
    struct world *w = n->world;
    uint64_t number;
    CHECK(pdr_value_uint(pdr_value_at(args, 0), &number) && number < w->call_count);
    uint32_t actor = w->calls[number].actor;
    bool is_owner = w->owners[shard_of(actor)] == n->number;
    struct job *job = mem_new(sizeof *job);
    *job = (struct job){.event = {.fire = job_fired, .name = "call", .subject = (uint32_t)number},
                        .world = w,
                        .conn = conn,
                        .msgid = msgid,
                        .number = (uint32_t)number,
                        .entry = n->number};
    list_push_back(&w->jobs, &job->node);
    n->taken++;
    n->taken_straight += is_owner;
    uint64_t at_ns = w->sim.now_ns + sim_delay(&w->sim, (is_owner ? 50 : 20000) * NS_PER_US);
    uint64_t *last_ns = &w->arrives_ns[n->number][actor];
    *last_ns = at_ns > *last_ns ? at_ns : *last_ns + 1;
    sim_at(&w->sim, &job->event, *last_ns);
}

static void take_frame(struct conn *conn, const struct frame *frame)
{
    struct rpc_call call;
    const char *why;
    if (frame->kind != FRAME_REQUEST) {
        return; /* hello */
    }
    if (pdr_bytes_equal(frame->target, pdr_str("_sys/directory.map"))) {
        answer_map(conn, frame);
    } else if (pdr_bytes_equal(frame->target, pdr_str("_sys/conn.call"))) {
        CHECK(rpc_parse_call(frame->args, &call, &why) == PDR_OK);
        take_call(conn, frame->msgid, call.args);
    } else {
        take_call(conn, frame->msgid, frame->args);
    }
}

/* Connections of nodes. */

static void received(void *user, struct pdr_bytes data)
{
    struct conn *conn = user;
    size_t done = 0, used = 1;
    pdr_write_raw(&conn->in, data.data, data.size);
    while (used > 0 && done < conn->in.size) {
        struct frame frame;
        const char *why;
        struct pdr_bytes rest = pdr_bytes(conn->in.data + done, conn->in.size - done);
        CHECK(frame_decode(&conn->scan, rest, &frame, &used, &why) == PDR_OK);
        if (used > 0) {
            take_frame(conn, &frame);
        }
        done += used;
    }
    memmove(conn->in.data, conn->in.data + done, conn->in.size - done);
    conn->in.size -= done;
}

static void let_go(struct conn *conn)
{
    list_remove(&conn->node);
    list_push_back(&conn->at->world->conns_gone, &conn->node); /* jobs may know it */
    conn->at->open_count--;
    conn->stream = NULL;
}

static void closed(void *user, const char *why)
{
    let_go(user);
}

static void accepted(void *user, intptr_t pending)
{
    static const struct stream_handler handler = {.received = received, .closed = closed};
    struct node_of *n = user;
    struct conn *conn = mem_new(sizeof *conn);
    *conn = (struct conn){.at = n};
    list_push_back(&n->conns, &conn->node);
    n->open_count++;
    conn->stream = n->transport->ops->adopt(n->transport, pending, &handler, conn);
}

/* Nodes. */

static bool never_again(void *user)
{
    return false;
}

static void on_timer(void *user) {}

static void learn(struct node_of *n)
{
    n->known = n->world->version;
    memcpy(n->owners, n->world->owners, sizeof n->owners);
}

static void start(struct node_of *n)
{
    struct world *w = n->world;
    const char *why;
    sim_loop_init(&n->loop, &w->sim, &n->clock, n->number);
    loop_own(&n->loop.loop, n, on_timer, never_again);
    n->transport = sim_net_transport(w->net, &n->loop, n->host);
    list_init(&n->conns);
    sim_loop_run(&n->loop);
    CHECK(n->transport->ops->listen(n->transport, n->address, accepted, n, &n->listener, &why) == PDR_OK);
    n->is_up = true;
}

static void restart_fired(struct sim_event *event)
{
    start(LIST_ITEM(event, struct node_of, restart));
}

static void crash(struct node_of *n)
{
    struct world *w = n->world;
    n->is_up = false;
    sim_loop_stop(&n->loop);
    sim_net_crash(w->net, n->host, false);
    while (!list_empty(&n->conns)) {
        let_go(LIST_ITEM(n->conns.next, struct conn, node));
    }
    sim_net_reap(w->net, n->host);
    n->transport->ops->free(n->transport);
}

/* Faults. */

static void move_shards(struct world *w)
{
    uint32_t moves = 1 + (uint32_t)sim_draw(&w->sim, SHARDS);
    w->version++;
    while (moves-- > 0) {
        uint32_t to = (uint32_t)sim_draw(&w->sim, w->node_count + 1);
        w->owners[sim_draw(&w->sim, SHARDS)] = to == w->node_count ? NOBODY : to;
    }
    for (uint32_t i = 0; i < w->node_count; i++) {
        if (sim_chance(&w->sim, 70)) {
            learn(&w->nodes[i]);
        }
    }
}

static void fault_fired(struct sim_event *event)
{
    struct world *w = LIST_ITEM(event, struct world, next_fault);
    struct node_of *n = &w->nodes[sim_draw(&w->sim, w->node_count)];
    switch (sim_draw(&w->sim, 6)) {
    case 0:
    case 1:
        move_shards(w);
        break;
    case 2:
        sim_net_reset(w->net);
        break;
    case 3:
        if (n->is_up) {
            crash(n);
            sim_after(&w->sim, &n->restart, sim_draw(&w->sim, 3 * NS_PER_S));
        }
        break;
    case 4:
        sim_net_cut(w->net, w->host, n->host);
        break;
    default:
        sim_net_heal(w->net);
        break;
    }
    sim_after(&w->sim, event, sim_draw(&w->sim, 600 * NS_PER_MS));
}

/* The client. */

static void ended(void *user, const struct pdr_outcome *outcome)
{
    struct call *call = user;
    struct world *w = call->world;
    uint32_t number = (uint32_t)(call - w->calls);
    SIM_CHECK(&w->sim, !call->has_ended, "call %u has ended twice", number);
    SIM_CHECK(&w->sim, outcome->status != PDR_OK || call->is_applied, "call %u is answered and was not applied",
              number);
    call->has_ended = true;
    call->status = outcome->status;
    call->was_not_sent = outcome->message.size > 0 &&
                         memmem(outcome->message.data, outcome->message.size, "was not sent", 12) != NULL;
    SIM_CHECK(&w->sim, !call->was_not_sent || !call->is_applied, "call %u was sent, and its caller was told otherwise",
              number);
    w->ended_count++;
    w->failed_count += outcome->status != PDR_OK;
    SIM_CHECK(&w->sim,
              outcome->status == PDR_OK ||
                  (!w->is_quiet && (outcome->status == PDR_UNAVAILABLE || outcome->status == PDR_DEADLINE)),
              "call %u ended with %s: %.*s", number, pdr_status_wire(outcome->status), (int)outcome->message.size,
              (const char *)outcome->message.data);
}

static void call(struct world *w)
{
    struct call *call = &w->calls[w->call_count];
    char to[24];
    uint8_t room[16];
    pdr_writer args;
    struct pdr_call_options options = {.deadline_ms = sim_chance(&w->sim, 50) ? 0 : 4000};
    *call = (struct call){.world = w, .actor = (uint32_t)sim_draw(&w->sim, sim_chance(&w->sim, 30) ? 2 : ACTORS)};
    snprintf(to, sizeof to, "a/k%u", call->actor);
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_uint(&args, w->call_count);
    w->call_count++;
    CHECK(pdr_client_call(w->client, pdr_str(to), "do", pdr_written(&args), &options, ended, call) == PDR_OK);
}

static void deliver(struct message *message)
{
    struct world *w = LIST_ITEM(message, struct world, message);
    w->is_posted = false;
    for (uint64_t n = sim_draw(&w->sim, 6); n > 0 && w->call_count < CALLS_MAX; n--) {
        call(w);
    }
}

static void next_calls(struct sim_event *event)
{
    struct world *w = LIST_ITEM(event, struct world, next_calls);
    if (!w->is_posted) {
        w->is_posted = true;
        loop_post(&w->loop.loop, &w->message);
    }
    sim_after(&w->sim, event, sim_draw(&w->sim, (w->is_quiet ? 200 : 20) * NS_PER_MS));
}

/* The world. */

static void open_nodes(struct world *w)
{
    w->node_count = 1 + (uint32_t)sim_draw(&w->sim, NODES_MAX);
    for (uint32_t i = 0; i < SHARDS; i++) {
        w->owners[i] = (uint32_t)sim_draw(&w->sim, w->node_count);
    }
    w->version = 1;
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct node_of *n = &w->nodes[i];
        *n = (struct node_of){.world = w, .number = i};
        snprintf(n->name, sizeof n->name, "node%u", i);
        snprintf(n->address, sizeof n->address, "node%u:7077", i);
        n->host = sim_net_host(w->net, n->name);
        n->restart = (struct sim_event){.fire = restart_fired, .name = "node.restart", .subject = i};
        sim_clock_init(&n->clock, &w->sim);
        learn(n);
        start(n);
    }
}

static struct world *open_world(uint64_t seed)
{
    const char *why;
    struct world *w = mem_new(sizeof *w);
    sim_init(&w->sim, seed, NULL);
    w->net = sim_net_new(&w->sim);
    *sim_net_shape(w->net) =
        (struct sim_net_shape){.window_max = 1u << (12 + seed % 7), .chunk_max = 1u << (3 + seed % 12)};
    list_init(&w->conns_gone);
    list_init(&w->jobs);
    open_nodes(w);
    w->host = sim_net_host(w->net, "client");
    sim_clock_init(&w->clock, &w->sim);
    sim_loop_init(&w->loop, &w->sim, &w->clock, 100);
    w->transport = sim_net_transport(w->net, &w->loop, w->host);
    struct pdr_client_options options = {.node = w->node_count > 1 && seed % 2 == 0 ? "node1:7077,node0:7077"
                                                                                    : "node0:7077"};
    CHECK(client_open_on(&w->loop.loop, w->transport, &options, seed, &w->client, &why) == PDR_OK);
    sim_loop_run(&w->loop);
    w->message.deliver = deliver;
    w->next_calls = (struct sim_event){.fire = next_calls, .name = "calls"};
    w->next_fault = (struct sim_event){.fire = fault_fired, .name = "fault"};
    sim_after(&w->sim, &w->next_calls, 0);
    sim_after(&w->sim, &w->next_fault, NS_PER_S);
    return w;
}

static void close_world(struct world *w)
{
    w->is_quiet = false;
    sim_cancel(&w->sim, &w->next_calls);
    sim_loop_stop(&w->loop);
    sim_net_crash(w->net, w->host, false);
    client_discard(w->client);
    sim_net_reap(w->net, w->host);
    w->transport->ops->free(w->transport);
    for (uint32_t i = 0; i < w->node_count; i++) {
        sim_cancel(&w->sim, &w->nodes[i].restart);
        if (w->nodes[i].is_up) {
            crash(&w->nodes[i]);
        }
    }
    while (!list_empty(&w->jobs)) {
        struct job *job = LIST_ITEM(w->jobs.next, struct job, node);
        sim_cancel(&w->sim, &job->event);
        list_remove(&job->node);
        mem_free(job);
    }
    while (!list_empty(&w->conns_gone)) {
        struct conn *conn = LIST_ITEM(w->conns_gone.next, struct conn, node);
        list_remove(&conn->node);
        pdr_writer_release(&conn->in);
        mem_free(conn);
    }
    sim_run_until(&w->sim, w->sim.now_ns + 60 * NS_PER_S);
    sim_net_free(w->net);
    sim_release(&w->sim);
    mem_free(w);
}

/* Every shard has an owner, and everybody knows which. */
static void calm_down(struct world *w)
{
    w->is_calm = true;
    sim_cancel(&w->sim, &w->next_fault);
    sim_net_heal(w->net);
    w->version++;
    for (uint32_t i = 0; i < SHARDS; i++) {
        w->owners[i] = w->owners[i] == NOBODY ? 0 : w->owners[i];
    }
    for (uint32_t i = 0; i < w->node_count; i++) {
        learn(&w->nodes[i]);
    }
    sim_run_until(&w->sim, w->sim.now_ns + 40 * NS_PER_S); /* the longest deadline is over */
}

static void check_ways(struct world *w)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        const struct node_of *n = &w->nodes[i];
        SIM_CHECK(&w->sim, n->taken == n->taken_straight, "node %u had to pass on %u of %u calls", i,
                  n->taken - n->taken_straight, n->taken);
        SIM_CHECK(&w->sim, n->open_count <= 1, "node %u has %u connections of one client", i, n->open_count);
        SIM_CHECK(&w->sim, n->is_up, "node %u is down", i);
    }
}

struct totals {
    uint64_t calls, failed, passed_on, taken;
};

static void run_seed(uint64_t seed, struct totals *totals)
{
    struct world *w = open_world(seed);
    sim_run_until(&w->sim, w->sim.now_ns + 12 * NS_PER_S);
    calm_down(w);
    totals->failed += w->failed_count;
    w->is_quiet = true;
    sim_run_until(&w->sim, w->sim.now_ns + 130 * NS_PER_S); /* links that nobody needs are closed */
    for (uint32_t i = 0; i < w->node_count; i++) {
        totals->taken += w->nodes[i].taken;
        totals->passed_on += w->nodes[i].taken - w->nodes[i].taken_straight;
        w->nodes[i].taken = w->nodes[i].taken_straight = 0;
    }
    sim_run_until(&w->sim, w->sim.now_ns + 3 * NS_PER_S);
    check_ways(w);
    totals->calls += w->call_count;
    SIM_CHECK(&w->sim, w->call_count < CALLS_MAX, "the table of calls is full");
    if (w->sim.failed) {
        printf("seed %" PRIu64 ": %s\n", seed, w->sim.why);
    }
    EXPECT(!w->sim.failed);
    close_world(w);
}

TEST(straight_and_in_order)
{
    struct totals totals = {0};
    for (uint64_t seed = test_seed(); seed < test_seed() + 40; seed++) {
        run_seed(seed, &totals);
    }
    printf("calls %" PRIu64 ", failed %" PRIu64 ", passed on %" PRIu64 " of %" PRIu64 "\n", totals.calls, totals.failed,
           totals.passed_on, totals.taken);
    EXPECT(totals.failed > 0 && totals.failed < totals.calls / 4);
    EXPECT(totals.passed_on > 0 && totals.passed_on < totals.taken / 2);
}

TEST_MAIN()
