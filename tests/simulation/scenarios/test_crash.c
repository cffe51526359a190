/* tests/simulation/scenarios/test_crash.c: crashes where they hurt: in the middle of a group, at each single operation
 * of disk and store, in recovery, in a checkpoint. The workloads judge: nothing acknowledged is lost, no turn is
 * halved. */
#include "tests/simulation/scenarios/scenario.h"

static struct run *open_run(uint64_t seed)
{
    struct node_options node = {.idle_ms = 20, .memory_max = 1u << 20, .journal = SCENARIO_JOURNAL(64)};
    struct run *run = scenario_open(seed, &node, 3, false);
    for (uint32_t client = 0; client < 3; client++) {
        run_add(run, "counter", client)->think_ns = NS_PER_MS;
        run_add(run, "sim_bank", client)->think_ns = NS_PER_MS;
        run_add(run, "kv", client)->think_ns = NS_PER_MS;
    }
    return run;
}

static void restart_at_once(struct run *run)
{
    run_restart_after(run, NS_PER_MS);
    run_for(run, 2 * NS_PER_MS);
}

static uint64_t acknowledged(const struct run *run)
{
    uint64_t done = 0;
    for (uint32_t i = 0; i < run->workload_count; i++) {
        done += run->workloads[i]->done;
    }
    return done;
}

TEST(in_the_middle_of_a_group)
{
    struct run *run = open_run(11);
    for (int i = 0; i < 60 && !run->sim.failed; i++) {
        run_for(run, sim_draw(&run->sim, 400 * NS_PER_MS));
        while (run->node.state == SIM_NODE_UP && list_empty(&run->node.media.pending) && sim_step(&run->sim)) {
        }
        sim_node_crash(&run->node, i % 3 != 0); /* a write is under way */
        restart_at_once(run);
    }
    EXPECT(run_finish(run));
    EXPECT(run->node.crashes >= 60);
    EXPECT(acknowledged(run) > 300);
    scenario_close(run);
}

/* The power goes at the n-th operation of a life, for each n: groups, chores, steps of the store, flushes. */
TEST(at_each_operation)
{
    struct run *run = open_run(12);
    for (uint64_t n = 1; n <= 120 && !run->sim.failed; n++) {
        uint64_t crashes = run->node.crashes;
        run->node.media.dies_at = n;
        if (run->node.state == SIM_NODE_DOWN) {
            run_restart_after(run, NS_PER_MS);
        }
        for (int ms = 0; ms < 20000 && run->node.crashes == crashes && run_for(run, NS_PER_MS); ms++) {
        }
        EXPECT(run->node.crashes > crashes);
    }
    EXPECT(run_finish(run));
    EXPECT(acknowledged(run) > 300);
    scenario_close(run);
}

/* Each start dies one operation later than the one before, until one does not. */
TEST(in_recovery)
{
    struct run *run = open_run(13);
    uint64_t died = 0;
    for (int i = 0; i < 15 && !run->sim.failed; i++) {
        run_for(run, sim_draw(&run->sim, NS_PER_S));
        sim_node_crash(&run->node, true);
        for (uint64_t n = 1; n < 40; n++) {
            run->node.media.dies_at = n;
            if (sim_node_start(&run->node)) {
                break;
            }
            died++;
        }
        run->node.media.dies_at = UINT64_MAX;
        if (run->node.state == SIM_NODE_DOWN) {
            restart_at_once(run);
        }
    }
    EXPECT(died > 15);
    EXPECT(run_finish(run));
    scenario_close(run);
}

static uint64_t flush_jobs(const struct run *run)
{
    return run->node.work.submitted;
}

/* Killed while jobs (applies, flushes, loads) are at the pool. */
TEST(in_a_checkpoint)
{
    struct run *run = open_run(14);
    for (int i = 0; i < 50 && !run->sim.failed; i++) {
        run_for(run, 200 * NS_PER_MS + sim_draw(&run->sim, 300 * NS_PER_MS));
        uint64_t before = flush_jobs(run);
        while (run->node.state == SIM_NODE_UP && flush_jobs(run) == before && sim_step(&run->sim)) {
        }
        for (uint64_t more = sim_draw(&run->sim, 60); more > 0; more--) {
            sim_step(&run->sim);
        }
        sim_node_crash(&run->node, i % 2 == 0);
        restart_at_once(run);
    }
    EXPECT(run_finish(run));
    scenario_close(run);
}

TEST(again_and_again_before_anything_is_done)
{
    struct run *run = open_run(15);
    run_for(run, NS_PER_S);
    for (int i = 0; i < 60 && !run->sim.failed; i++) {
        sim_node_crash(&run->node, i % 2 == 0);
        run_restart_after(run, NS_PER_MS);
        run_for(run, NS_PER_MS + sim_draw(&run->sim, 3 * NS_PER_MS));
    }
    EXPECT(run_finish(run));
    scenario_close(run);
}

/* Bits flip in a log that lies still. Either nobody needs them, or the node refuses to start and says where (R71); it
 * never goes on with less than was acknowledged. */
TEST(a_flipped_bit_is_never_taken_for_a_torn_tail)
{
    unsigned refused = 0;
    for (uint64_t seed = 100; seed < 116; seed++) {
        struct run *run = open_run(seed);
        const char *name;
        uint64_t offset;
        run_for(run, 500 * NS_PER_MS);
        for (uint32_t i = 0; i < run->workload_count; i++) {
            run->workloads[i]->think_ns = 3600 * NS_PER_S; /* quiet: an empty group covers the last real one */
        }
        run_for(run, 2 * NS_PER_S);
        sim_node_crash(&run->node, true);
        for (int bits = 0; bits < 12; bits++) {
            EXPECT(sim_disk_flip(run->node.media.sim_disk, &name, &offset));
        }
        run->node.may_refuse = true;
        if (sim_node_start(&run->node)) {
            EXPECT(run_finish(run));
        } else {
            EXPECT(strstr(run->node.refused, ".log") != NULL);
            refused++;
        }
        scenario_close(run);
    }
    EXPECT(refused >= 3);
}

TEST_MAIN()
