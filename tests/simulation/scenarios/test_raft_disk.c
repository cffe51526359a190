/* tests/simulation/scenarios/test_raft_disk.c: the log of the directory's server on a real node, told by hand. What is
 * found at each start is judged by sim_raft.c. */
#include "core/shard/core.h"
#include "core/shard/shard.h"
#include "tests/simulation/scenarios/scenario.h"
#include "tools/node/node_parts.h"

#define MIB (1u << 20)
#define CONFIG_SIZE 24u /* of sim_raft's servers */

static struct run *open_run(uint64_t seed, uint64_t segment_kib)
{
    struct node_options node = {.journal = SCENARIO_JOURNAL(segment_kib)};
    node.journal.bytes_max = 256 * MIB;
    struct run *run = scenario_open(seed, &node, 1, false);
    sim_raft_on(run->node.raft);
    run_for(run, 20 * NS_PER_MS);
    return run;
}

static struct core *owner_of(const struct run *run)
{
    const struct node *node = run->node.node;
    return node->cores[0]->directory != NULL ? node->cores[0] : node->cores[1];
}

static void wish(struct run *run, int count)
{
    for (int i = 0; i < count; i++) {
        sim_raft_wish(run->node.raft);
    }
}

static bool is_answered(const struct run *run)
{
    return run->node.raft->outstanding == 0 && run->node.raft->wished == 0;
}

/* Within that time, in steps of a millisecond. */
static bool wait_for_answers(struct run *run, int ms)
{
    while (ms-- > 0 && !is_answered(run) && run_for(run, NS_PER_MS)) {
    }
    return is_answered(run);
}

static void crash_and_start(struct run *run, bool power)
{
    sim_node_crash(&run->node, power);
    REQUIRE(sim_node_start(&run->node));
}

static void make_room(struct run *run)
{
    sim_disk_set_capacity(run->node.media.sim_disk, UINT64_MAX);
    run->node.media.store_fails = false;
}

TEST(is_read_back)
{
    struct run *run = open_run(1, 64);
    for (int i = 0; i < 20; i++) {
        wish(run, 5);
        EXPECT(wait_for_answers(run, 1000));
        uint64_t answered = run->node.raft->answered;
        crash_and_start(run, i % 2 == 0);
        EXPECT_INT(run->node.raft->states[run->node.raft->state_count - 1].number, answered);
    }
    EXPECT(run_finish(run));
    scenario_close(run);
}

/* While one is under way the others gather, and are one entry; each is answered, in order. */
TEST(batches_that_wait_share_an_entry)
{
    struct run *run = open_run(2, 64);
    struct core *owner = owner_of(run);
    sim_disk_set_delay(run->node.media.sim_disk, 5 * NS_PER_MS);
    uint64_t entries = owner->directory->last_seq, answered = run->node.raft->answered;
    wish(run, 8);
    EXPECT(wait_for_answers(run, 1000));
    EXPECT_INT(run->node.raft->answered - answered, 8);
    EXPECT_INT(owner->directory->last_seq - entries, 2);
    EXPECT(run_finish(run));
    scenario_close(run);
}

/* The largest batch: more than one entry holds, yet found whole or not at all, wherever a crash comes. */
TEST(sixteen_mib_and_more_are_one_batch)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct run *run = open_run(seed, 4096);
        struct core *owner = owner_of(run);
        wish(run, 3);
        EXPECT(wait_for_answers(run, 1000));
        uint64_t entries = owner->directory->last_seq;
        sim_raft_install(run->node.raft, RAFT_SNAPSHOT_SIZE_MAX - CONFIG_SIZE, 3, 700000);
        if (seed <= 2) {
            EXPECT(wait_for_answers(run, 2000));
            EXPECT_INT(owner->directory->last_seq - entries, 2);
            EXPECT_INT(owner->uncommitted_bytes, 0);
        } else {
            run_for(run, seed * 100 * NS_PER_US);
        }
        crash_and_start(run, seed % 2 == 0);
        wish(run, 1);
        EXPECT(wait_for_answers(run, 2000));
        EXPECT(run_finish(run));
        scenario_close(run);
    }
}

/* R74: all wait, in order, and is_full says so; when there is room they are written. */
TEST(waits_for_room)
{
    for (uint64_t seed = 10; seed < 14; seed++) {
        struct run *run = open_run(seed, 64);
        struct sim_raft *raft = run->node.raft;
        run->sim.lacks_space = true;
        sim_disk_set_capacity(run->node.media.sim_disk, sim_disk_used(run->node.media.sim_disk));
        run->node.media.store_fails = true;
        for (int ms = 0; ms < 10000 && !raft->disk->ops->is_full(raft->disk) && run_for(run, NS_PER_MS); ms++) {
            wish(run, 2);
        }
        EXPECT(raft->disk->ops->is_full(raft->disk));
        EXPECT(owner_of(run)->stats.rollbacks > 0);
        wish(run, 3);
        run_for(run, NS_PER_S);
        uint64_t answered = raft->answered;
        run_for(run, 3 * NS_PER_S);
        EXPECT_INT(raft->answered, answered);
        EXPECT(raft->outstanding > 1);
        if (seed % 2 == 0) { /* else it stops as it is */
            make_room(run);
            EXPECT(wait_for_answers(run, 5000));
            EXPECT(!raft->disk->ops->is_full(raft->disk));
            EXPECT_INT(raft->answered, raft->number);
        }
        sim_node_stop(&run->node, 50);
        for (int ms = 0; ms < 5000 && run->node.stops == 0 && run_for(run, NS_PER_MS); ms++) {
        }
        EXPECT_INT(run->node.stops, 1);
        make_room(run);
        EXPECT(run_finish(run));
        scenario_close(run);
    }
}

/* A store that takes nothing lets the log grow, but not for ever: what it lacks is in memory. */
TEST(waits_for_the_store)
{
    struct run *run = open_run(20, 4096);
    struct sim_raft *raft = run->node.raft;
    struct core *owner = owner_of(run);
    owner->limits.unapplied_bytes_max = MIB;
    run->node.media.store_fails = true;
    for (int i = 0; i < 12 && !raft->disk->ops->is_full(raft->disk); i++) {
        sim_raft_install(raft, RAFT_SNAPSHOT_SIZE_MAX - CONFIG_SIZE, 0, 0);
        wait_for_answers(run, 1000);
    }
    EXPECT(raft->disk->ops->is_full(raft->disk));
    EXPECT(owner->unapplied_bytes < 90 * MIB);
    EXPECT_INT(owner->stats.rollbacks, 0);
    make_room(run);
    EXPECT(wait_for_answers(run, 5000));
    EXPECT(run_finish(run));
    scenario_close(run);
}

/* In a stop: when the core has gone to rest nothing is answered, and nothing waits for what is not. */
TEST(nothing_is_answered_after_the_end)
{
    uint32_t late = 0;
    for (uint64_t seed = 30; seed < 50; seed++) {
        struct run *run = open_run(seed, 64);
        struct sim_raft *raft = run->node.raft;
        uint64_t answered = 0, number = 0;
        bool at_rest = false;
        run->stopping = true;
        sim_node_stop(&run->node, 50);
        for (int step = 0; step < 100000 && run->node.state != SIM_NODE_DOWN && run_for(run, 20 * NS_PER_US); step++) {
            const struct core *owner = run->node.node != NULL ? owner_of(run) : NULL;
            if (owner != NULL && owner->frozen && owner->idle == NULL && run->node.node->stop > STOP_CONNS &&
                !at_rest) {
                at_rest = true; /* and the control core knows: what was sent to it before has come, too */
                answered = raft->answered;
                number = raft->number;
            }
            wish(run, 1);
        }
        EXPECT_INT(run->node.state, SIM_NODE_DOWN);
        EXPECT(at_rest);
        EXPECT_INT(raft->answered, answered);
        late += raft->number > number;
        run->stopping = false;
        REQUIRE(sim_node_start(&run->node));
        wish(run, 1);
        EXPECT(wait_for_answers(run, 1000));
        EXPECT(run_finish(run));
        scenario_close(run);
    }
    EXPECT(late > 0);
}

/* It goes away while the node runs on, with a parcel wherever it may be. */
TEST(leaves_at_any_moment)
{
    for (uint64_t seed = 60; seed < 100; seed++) {
        struct run *run = open_run(seed, 64);
        run_add(run, "counter", 0)->think_ns = NS_PER_MS;
        sim_disk_set_delay(run->node.media.sim_disk, NS_PER_MS);
        wish(run, 5);
        run_for(run, sim_draw(&run->sim, 5000) * NS_PER_US);
        sim_raft_down(run->node.raft);
        if (seed % 4 == 0) {
            crash_and_start(run, false);
        }
        run_for(run, 100 * NS_PER_MS);
        EXPECT(run_finish(run));
        scenario_close(run);
    }
}

TEST_MAIN()
