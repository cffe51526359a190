/* tests/simulation/scenarios/test_cluster_moves.c: what operators do to a cluster that has no troubles: nodes are
 * drained and removed, rebalancing is paused and goes on; and a cluster at rest is left alone. */
#include "core/base/log.h"
#include "tests/lib/test.h"
#include "tests/simulation/cluster/cluster_world.h"
#include "tests/simulation/run.h"

#define NODES 7u
#define SHARDS 40u
#define STEP_NS (20 * NS_PER_MS)

static struct cluster_world *open_world(uint64_t seed)
{
    struct run_options options = {.seed = seed, .no_faults = true, .nodes = NODES, .shards = SHARDS, .voters = 3};
    log_set_level((enum log_level)(LOG_ERROR + 1));
    struct cluster_world *world = cluster_world_open(&options);
    sim_run_until(&world->sim, 3 * NS_PER_S);
    sim_cancel(&world->sim, &world->ask);
    return world;
}

static bool settle(struct cluster_world *world)
{
    uint64_t until = world->sim.now_ns + 20 * NS_PER_S;
    const char *why = "";
    while (world->sim.now_ns < until && why != NULL) {
        sim_run_until(&world->sim, world->sim.now_ns + STEP_NS);
        why = cluster_judge_unsettled(world);
    }
    if (why != NULL) {
        printf("not settled: %s\n", why);
    }
    return why == NULL;
}

static const struct cluster_rows *rows_of(const struct cluster_world *world)
{
    return &member_view(world->nodes[0].member)->rows;
}

static void answered(void *user, const struct member_answer *answer)
{
    *(int *)user = answer->outcome == LETTER_DONE ? (int)answer->code : -1;
}

/* Through the first node, whoever leads. */
static int operate(struct cluster_world *world, struct command command)
{
    int code = -2;
    uint64_t until = world->sim.now_ns + 5 * NS_PER_S;
    member_propose(world->nodes[0].member, &command, 3000, answered, &code);
    cluster_host_arm(&world->nodes[0]);
    while (code == -2 && world->sim.now_ns < until) {
        sim_run_until(&world->sim, world->sim.now_ns + STEP_NS);
    }
    return code;
}

static int drain(struct cluster_world *world, uint32_t place, bool draining)
{
    return operate(world, (struct command){.kind = COMMAND_DRAIN, .drain = {world->nodes[place].id, draining}});
}

static uint32_t copies_on(const struct cluster_world *world, uint32_t place)
{
    const struct row_list *shards = &rows_of(world)->of[ROW_SHARD];
    uint32_t count = 0;
    for (uint32_t i = 0; i < shards->count; i++) {
        count += copies_have(&shards->at[i]->entry.shard.isr, world->nodes[place].id) ||
                 ids_have(&shards->at[i]->entry.shard.targets, world->nodes[place].id);
    }
    return count;
}

TEST(a_cluster_at_rest_is_left_alone)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cluster_world *world = open_world(seed);
        EXPECT(settle(world));
        uint64_t index = member_view(world->nodes[0].member)->index;
        sim_run_until(&world->sim, world->sim.now_ns + 12 * NS_PER_S); /* more than two looks without a reason */
        EXPECT(member_view(world->nodes[0].member)->index == index && !world->sim.failed);
        cluster_world_close(world);
    }
}

TEST(a_node_is_drained_and_then_removed_for_ever)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cluster_world *world = open_world(seed);
        struct command expel = {.kind = COMMAND_EXPEL, .expel = {world->nodes[4].id}};
        EXPECT(settle(world) && copies_on(world, 4) > 0);
        EXPECT(operate(world, expel) == DIRECTORY_IN_USE);
        EXPECT(drain(world, 4, true) == DIRECTORY_DONE);
        EXPECT(settle(world));
        EXPECT(copies_on(world, 4) == 0);
        sim_run_until(&world->sim, world->sim.now_ns + 2 * NS_PER_S); /* rows tell of its role a little later */
        world->nodes[4].removed = true;
        EXPECT(operate(world, expel) == DIRECTORY_DONE);
        sim_run_until(&world->sim, world->sim.now_ns + 2 * NS_PER_S); /* its next renewal tells it */
        EXPECT(settle(world) && world->reached.cluster_ended == 1 && !world->sim.failed);
        cluster_world_close(world);
    }
}

TEST(a_pause_holds_back_balance_and_nothing_else)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cluster_world *world = open_world(seed);
        EXPECT(settle(world) && drain(world, 3, true) == DIRECTORY_DONE && settle(world));
        EXPECT(operate(world, (struct command){.kind = COMMAND_PAUSE, .pause = {true}}) == DIRECTORY_DONE);
        EXPECT(drain(world, 3, false) == DIRECTORY_DONE);
        sim_run_until(&world->sim, world->sim.now_ns + 8 * NS_PER_S);
        EXPECT(copies_on(world, 3) == 0); /* it would take its share, and may not */
        EXPECT(drain(world, 5, true) == DIRECTORY_DONE && settle(world));
        EXPECT(copies_on(world, 5) == 0); /* a drain goes on */
        EXPECT(operate(world, (struct command){.kind = COMMAND_PAUSE, .pause = {false}}) == DIRECTORY_DONE);
        EXPECT(settle(world) && copies_on(world, 3) > 0 && !world->sim.failed);
        cluster_world_close(world);
    }
}

/* Three wanted, three there. */
TEST(a_node_that_is_dead_for_good_can_be_given_up_and_removed)
{
    struct cluster_world *world = open_world(9);
    EXPECT(settle(world));
    for (uint32_t place = 3; place < NODES; place++) {
        EXPECT(drain(world, place, true) == DIRECTORY_DONE);
    }
    EXPECT(settle(world));
    cluster_host_crash(&world->nodes[2]);
    EXPECT(drain(world, 2, true) == DIRECTORY_DONE);
    sim_run_until(&world->sim, world->sim.now_ns + 6 * NS_PER_S);
    EXPECT(copies_on(world, 2) == 0);
    world->nodes[2].removed = true;
    EXPECT(operate(world, (struct command){.kind = COMMAND_EXPEL, .expel = {world->nodes[2].id}}) == DIRECTORY_DONE);
    EXPECT(!world->sim.failed);
    cluster_world_close(world);
}

TEST_MAIN()
