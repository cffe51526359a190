/* tests/simulation/scenarios/test_moves.c: what a member's node does with each map and lease, one at a time
 * (core/shard/duty.h, lease.h). The directory is this file. */
#include "core/shard/duty_parts.h"
#include "core/shard/lease.h"
#include "tests/simulation/scenarios/scenario.h"
#include "tools/node/node_parts.h"

#define SELF 1u
#define OTHER 2u
#define NOT_YET (-1)

/* One call, and what became of it. */
struct ask {
    struct sim_source source;
    struct stage *stage;
    const char *to, *method;
    int64_t argument;
    uint64_t deadline_ms;
    int status; /* NOT_YET, or enum pdr_status */
    int64_t result;
};

struct stage {
    struct run *run;
    struct cluster_owner rows[CLUSTER_SHARDS];
    struct cluster_map *maps[16];
    uint32_t map_count;
    int released; /* NOT_YET, or what shard_release said */
};

static void outcome(void *user, const struct pdr_outcome *outcome)
{
    struct ask *ask = user;
    ask->status = (int)outcome->status;
    if (outcome->status == PDR_OK) {
        pdr_value_int(outcome->result, &ask->result);
    }
}

static void call(struct sim_source *source)
{
    struct ask *ask = LIST_ITEM(source, struct ask, source);
    struct sim_call_options options = {.deadline_ms = ask->deadline_ms};
    uint8_t room[16];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_int(&args, ask->argument);
    REQUIRE(sim_client_call(&ask->stage->run->clients[0], pdr_str(ask->to), ask->method, pdr_written(&args), &options,
                            outcome, ask));
    pdr_writer_release(&args);
}

static void begin(struct stage *stage, struct ask *ask, const char *to, const char *method, int64_t argument)
{
    *ask = (struct ask){.stage = stage, .to = to, .method = method, .argument = argument, .status = NOT_YET};
    sim_source_init(&ask->source, call);
    sim_loop_ready(&stage->run->clients[0].loop, &ask->source);
}

static void pass(struct stage *stage, uint64_t ms)
{
    EXPECT(run_for(stage->run, ms * NS_PER_MS));
}

/* What it answers by then. */
static int answer(struct stage *stage, struct ask *ask, const char *to, const char *method, int64_t argument)
{
    begin(stage, ask, to, method, argument);
    for (int i = 0; i < 100 && ask->status == NOT_YET; i++) {
        pass(stage, 5);
    }
    return ask->status;
}

static uint32_t shard_of(const char *key)
{
    return cluster_shard(CLUSTER_SHARDS, pdr_ref_hash(pdr_str(key)));
}

static struct core *core_of(const struct stage *stage, uint32_t shard)
{
    return stage->run->node.node->cores[shard % stage->run->node.cores];
}

static void used(void *user, struct core *core, const struct cluster_map *map) {}

static void tell_map(struct stage *stage)
{
    REQUIRE(stage->map_count < 16);
    struct cluster_map *map = calloc(1, sizeof *map + sizeof stage->rows);
    REQUIRE(map != NULL);
    *map = (struct cluster_map){.version = stage->map_count + 1,
                                .shard_count = CLUSTER_SHARDS,
                                .cores = stage->run->node.cores,
                                .self = SELF,
                                .owner_count = CLUSTER_SHARDS,
                                .owners = (struct cluster_owner *)(map + 1)};
    memcpy(map + 1, stage->rows, sizeof stage->rows);
    stage->maps[stage->map_count++] = map;
    for (unsigned i = 0; i < stage->run->node.cores; i++) {
        core_post_map(stage->run->node.node->cores[i], map, used, NULL);
    }
}

static void give(struct stage *stage, uint32_t shard, uint64_t node)
{
    stage->rows[shard] = (struct cluster_owner){node, stage->rows[shard].epoch + 1, stage->rows[shard].cv + 1};
    tell_map(stage);
    pass(stage, 20);
}

static void tell_lease(struct stage *stage, uint64_t ms)
{
    uint64_t now = sim_clock_now_ns(&stage->run->node.clock);
    for (unsigned i = 0; i < stage->run->node.cores; i++) {
        core_post_lease(stage->run->node.node->cores[i], now + ms * NS_PER_MS);
    }
    pass(stage, 1);
}

static struct stage *stage_open(uint64_t seed)
{
    struct node_options node = {.self = SELF, .journal = SCENARIO_JOURNAL(64)};
    struct stage *stage = calloc(1, sizeof *stage);
    REQUIRE(stage != NULL);
    stage->run = scenario_open(seed, &node, 1, true);
    stage->released = NOT_YET;
    pass(stage, 100);
    for (uint32_t shard = 0; shard < CLUSTER_SHARDS; shard++) {
        stage->rows[shard] = (struct cluster_owner){SELF, 1, 1};
    }
    return stage;
}

static void stage_close(struct stage *stage)
{
    EXPECT(run_finish(stage->run));
    scenario_close(stage->run);
    for (uint32_t i = 0; i < stage->map_count; i++) {
        free(stage->maps[i]);
    }
    free(stage);
}

/* R34: without a map nothing is served; what comes waits, or is sent away, and nothing of it runs twice. */
TEST(opens_what_the_map_gives)
{
    struct stage *stage = stage_open(1);
    struct ask ask, early;
    uint32_t shard = shard_of("a");
    EXPECT_INT(answer(stage, &ask, "counter/a", "add", 1), PDR_MOVED);
    tell_lease(stage, 60000);
    tell_map(stage);
    begin(stage, &early, "counter/a", "add", 1); /* arrives while it is being opened, or before */
    pass(stage, 100);
    EXPECT(early.status == PDR_OK || early.status == PDR_MOVED);
    int64_t n = early.status == PDR_OK;
    EXPECT_INT(answer(stage, &ask, "counter/a", "add", 1), PDR_OK);
    EXPECT_INT(ask.result, n + 1);
    give(stage, shard, OTHER);
    EXPECT_INT(core_of(stage, shard)->shards[shard]->state, DUTY_CLOSED);
    EXPECT_INT(answer(stage, &ask, "counter/a", "get", 0), PDR_MOVED);
    give(stage, shard, SELF);
    EXPECT_INT(answer(stage, &ask, "counter/a", "get", 0), PDR_OK);
    EXPECT_INT(ask.result, n + 1);
    EXPECT_INT(core_of(stage, shard)->shards[shard]->epoch, 3);
    stage_close(stage);
}

/* R43: of two rows the newer counts, and an epoch is served once. */
TEST(stale_rows_change_nothing)
{
    struct stage *stage = stage_open(2);
    struct ask ask;
    uint32_t shard = shard_of("a");
    tell_lease(stage, 60000);
    tell_map(stage);
    EXPECT_INT(answer(stage, &ask, "counter/a", "add", 1), PDR_OK);
    stage->rows[shard] = (struct cluster_owner){OTHER, 1, 2}; /* not above ours */
    tell_map(stage);
    EXPECT_INT(answer(stage, &ask, "counter/a", "add", 1), PDR_OK);
    stage->rows[shard] = (struct cluster_owner){OTHER, 5, 5};
    tell_map(stage);
    EXPECT_INT(answer(stage, &ask, "counter/a", "add", 1), PDR_MOVED);
    stage->rows[shard] = (struct cluster_owner){SELF, 4, 4}; /* was on its way while that came */
    tell_map(stage);
    EXPECT_INT(answer(stage, &ask, "counter/a", "add", 1), PDR_MOVED);
    stage->rows[shard] = (struct cluster_owner){SELF, 6, 6};
    tell_map(stage);
    pass(stage, 100);
    EXPECT_INT(answer(stage, &ask, "counter/a", "get", 0), PDR_OK);
    EXPECT_INT(ask.result, 2);
    stage_close(stage);
}

/* R15: reads wait for a lease, writes do not. */
TEST(reads_wait_for_a_lease)
{
    struct stage *stage = stage_open(3);
    struct ask add, get, late;
    tell_map(stage);
    pass(stage, 100);
    EXPECT_INT(answer(stage, &add, "counter/a", "add", 1), PDR_OK);
    begin(stage, &get, "counter/a", "get", 0);
    begin(stage, &late, "counter/a", "get", 0);
    late.deadline_ms = 50;
    pass(stage, 200);
    EXPECT(get.status == NOT_YET);
    EXPECT_INT(late.status, PDR_DEADLINE);
    EXPECT_INT(answer(stage, &add, "counter/a", "add", 1), PDR_OK);
    tell_lease(stage, 50);
    pass(stage, 20);
    EXPECT_INT(get.status, PDR_OK);
    EXPECT_INT(get.result, 1);
    pass(stage, 100); /* it is over */
    begin(stage, &get, "counter/a", "get", 0);
    pass(stage, 100);
    EXPECT(get.status == NOT_YET);
    give(stage, shard_of("a"), OTHER);
    EXPECT_INT(get.status, PDR_MOVED);
    tell_lease(stage, 60000);
    give(stage, shard_of("a"), SELF);
    stage_close(stage);
}

/* What is not committed does not leave, and may have happened; what was only read may be asked again. */
TEST(what_waits_at_the_gate_is_unknown)
{
    struct stage *stage = stage_open(4);
    struct ask add, get, ask;
    uint32_t shard = shard_of("a");
    tell_lease(stage, 60000);
    tell_map(stage);
    pass(stage, 100);
    EXPECT_INT(answer(stage, &ask, "counter/a", "add", 1), PDR_OK);
    sim_disk_set_delay(stage->run->node.media.sim_disk, 500 * NS_PER_MS);
    begin(stage, &add, "counter/a", "add", 1);
    pass(stage, 20);
    begin(stage, &get, "counter/a", "get", 0);
    pass(stage, 20);
    EXPECT(add.status == NOT_YET && get.status == NOT_YET);
    give(stage, shard, OTHER);
    EXPECT_INT(add.status, PDR_UNAVAILABLE);
    EXPECT_INT(get.status, PDR_MOVED);
    EXPECT_INT(core_of(stage, shard)->shards[shard]->state, DUTY_CLOSING); /* not before what is written is durable */
    sim_disk_set_delay(stage->run->node.media.sim_disk, 0);
    pass(stage, 6000);
    EXPECT_INT(core_of(stage, shard)->shards[shard]->state, DUTY_CLOSED);
    give(stage, shard, SELF);
    EXPECT_INT(answer(stage, &ask, "counter/a", "get", 0), PDR_OK);
    EXPECT_INT(ask.result, 2);
    stage_close(stage);
}

static void released(void *user, uint32_t shard, enum pdr_status status)
{
    ((struct stage *)user)->released = (int)status;
}

/* R50: calls wait, and go on here or elsewhere. */
TEST(released_and_resumed_or_taken)
{
    struct stage *stage = stage_open(5);
    struct ask ask, waits;
    uint32_t shard = shard_of("a");
    tell_lease(stage, 60000);
    tell_map(stage);
    pass(stage, 100);
    EXPECT_INT(answer(stage, &ask, "sim_cached/a", "add", 0), PDR_OK);
    for (int i = 0; i < 2; i++) {
        stage->released = NOT_YET;
        shard_release(core_of(stage, shard), shard, released, stage);
        pass(stage, 300); /* the tick of a timer, at the latest */
        EXPECT_INT(stage->released, PDR_OK);
        EXPECT_INT(core_of(stage, shard)->shards[shard]->state, DUTY_RELEASED);
        begin(stage, &waits, "sim_cached/a", "add", 0);
        pass(stage, 100);
        EXPECT(waits.status == NOT_YET);
        if (i == 0) {
            shard_resume(core_of(stage, shard), shard);
            pass(stage, 300);
            EXPECT_INT(waits.status, PDR_OK);
            EXPECT_INT(waits.result, 2);
        }
    }
    give(stage, shard, OTHER);
    EXPECT_INT(waits.status, PDR_MOVED);
    EXPECT(shard_of("a") == shard && activation_find(core_of(stage, shard), pdr_str("sim_cached/a"),
                                                     activation_hash(pdr_str("sim_cached/a"))) == NULL);
    give(stage, shard, SELF);
    EXPECT_INT(answer(stage, &ask, "sim_cached/a", "get", 0), PDR_OK);
    EXPECT_INT(ask.result, 2);
    stage_close(stage);
}

/* R51: what was read before leaves under no lease while the next owner may have the shard. */
TEST(released_answers_no_reads)
{
    struct stage *stage = stage_open(7);
    struct ask add, get;
    uint32_t shard = shard_of("a");
    tell_map(stage);
    pass(stage, 100);
    EXPECT_INT(answer(stage, &add, "counter/a", "add", 1), PDR_OK);
    begin(stage, &get, "counter/a", "get", 0);
    pass(stage, 50); /* it ran, and there is no lease */
    shard_release(core_of(stage, shard), shard, released, stage);
    pass(stage, 300);
    EXPECT_INT(stage->released, PDR_OK);
    tell_lease(stage, 60000);
    pass(stage, 50);
    EXPECT(get.status == NOT_YET);
    shard_resume(core_of(stage, shard), shard);
    pass(stage, 300);
    EXPECT_INT(get.status, PDR_OK);
    EXPECT_INT(get.result, 1);
    stage_close(stage);
}

/* A turn that lasts longer than anybody should wait keeps the shard; one that is cut has not happened. */
TEST(too_busy_to_be_released)
{
    struct stage *stage = stage_open(6);
    struct ask slow, ask;
    uint32_t shard = shard_of("a");
    tell_lease(stage, 60000);
    tell_map(stage);
    pass(stage, 100);
    begin(stage, &slow, "sim_slow/a", "wait", 700);
    pass(stage, 20);
    shard_release(core_of(stage, shard), shard, released, stage);
    pass(stage, 400);
    EXPECT_INT(stage->released, PDR_DEADLINE);
    EXPECT_INT(answer(stage, &ask, "counter/a", "add", 1), PDR_OK);
    pass(stage, 600);
    EXPECT_INT(slow.status, PDR_OK);
    begin(stage, &slow, "sim_slow/a", "wait", 2000);
    pass(stage, 20);
    give(stage, shard, OTHER);
    EXPECT_INT(slow.status, PDR_MOVED);
    give(stage, shard, SELF);
    stage_close(stage);
}

TEST_MAIN()
