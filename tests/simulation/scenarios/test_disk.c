/* tests/simulation/scenarios/test_disk.c: a disk that fails, and one that is full. */
#include "tests/simulation/scenarios/scenario.h"

static struct run *open_run(uint64_t seed, uint32_t clients)
{
    struct node_options node = {.idle_ms = 50, .journal = SCENARIO_JOURNAL(64)};
    return scenario_open(seed, &node, clients, false);
}

/* R27: the node ends itself; the next one finds everything that was acknowledged. */
TEST(a_failed_sync_ends_the_node)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct run *run = open_run(seed, 2);
        run_add(run, "counter", 0)->think_ns = NS_PER_MS;
        run_add(run, "sim_bank", 1)->think_ns = NS_PER_MS;
        for (uint64_t i = 1; i <= 5 && !run->sim.failed; i++) {
            run_for(run, NS_PER_S);
            run->node.expects_fatal = true;
            sim_disk_fail_next_sync(run->node.media.sim_disk);
            run_for(run, NS_PER_S);
            EXPECT_INT(run->node.reached.fatals, i);
        }
        run_for(run, NS_PER_S);
        EXPECT(run_finish(run));
        scenario_close(run);
    }
}

/* R74: writes are refused with `no_space`, and undone; reads go on; when there is room again, so do writes. */
TEST(full_and_back)
{
    for (uint64_t seed = 20; seed < 23; seed++) {
        struct run *run = open_run(seed, 3);
        struct workload *writer = run_add(run, "counter", 0), *bank = run_add(run, "sim_bank", 1);
        struct workload *cached = run_add(run, "sim_cached", 2);
        writer->think_ns = bank->think_ns = cached->think_ns = 5 * NS_PER_MS;
        run_for(run, NS_PER_S);
        for (int i = 0; i < 4 && !run->sim.failed; i++) {
            uint64_t refused = bank->codes[PDR_NO_SPACE];
            sim_disk_set_capacity(run->node.media.sim_disk, sim_disk_used(run->node.media.sim_disk));
            run->node.media.store_fails = true; /* so nothing can be recycled either */
            run_for(run, 6 * NS_PER_S);
            EXPECT(bank->codes[PDR_NO_SPACE] > refused);
            uint64_t done = bank->done;
            run_for(run, NS_PER_S);
            EXPECT(bank->done > done); /* audits */
            sim_disk_set_capacity(run->node.media.sim_disk, UINT64_MAX);
            run->node.media.store_fails = false;
            run_for(run, 4 * NS_PER_S);
            refused = bank->codes[PDR_NO_SPACE] + writer->codes[PDR_NO_SPACE];
            run_for(run, NS_PER_S);
            EXPECT_INT(bank->codes[PDR_NO_SPACE] + writer->codes[PDR_NO_SPACE], refused);
        }
        EXPECT_INT(run->node.crashes, 0);
        EXPECT(run_finish(run));
        scenario_close(run);
    }
}

/* A crash while writes are refused: what was undone stays undone. */
TEST(full_and_crashed)
{
    for (uint64_t seed = 30; seed < 36; seed++) {
        struct run *run = open_run(seed, 2);
        struct workload *bank = run_add(run, "sim_bank", 0);
        bank->think_ns = run_add(run, "counter", 1)->think_ns = NS_PER_MS;
        run_for(run, NS_PER_S);
        sim_disk_set_capacity(run->node.media.sim_disk, sim_disk_used(run->node.media.sim_disk));
        run->node.media.store_fails = true;
        for (int ms = 0; ms < 10000 && bank->codes[PDR_NO_SPACE] == 0 && run_for(run, NS_PER_MS); ms++) {
        }
        EXPECT(bank->codes[PDR_NO_SPACE] > 0);
        sim_node_crash(&run->node, seed % 2 == 0);
        sim_disk_set_capacity(run->node.media.sim_disk, UINT64_MAX);
        run->node.media.store_fails = false;
        run_restart_after(run, NS_PER_MS);
        run_for(run, NS_PER_S);
        EXPECT(run_finish(run));
        scenario_close(run);
    }
}

/* A stop that can't bring the store up to date leaves the entries to the log, whose segments then must stay: also when
 * the store takes a flush again, in the middle of the stop. */
TEST(stopped_while_full)
{
    for (uint64_t seed = 60; seed < 80; seed++) {
        struct run *run = open_run(seed, 2);
        struct workload *bank = run_add(run, "sim_bank", 0);
        bank->think_ns = run_add(run, "counter", 1)->think_ns = NS_PER_MS;
        run_for(run, NS_PER_S);
        run->node.media.store_fails = true;
        run_for(run, 500 * NS_PER_MS + sim_draw(&run->sim, NS_PER_S));
        run->node.media.store_fails = false;
        sim_node_stop(&run->node, 0);
        while (run->node.state == SIM_NODE_STOPPING && run_for(run, NS_PER_MS)) {
        }
        EXPECT_INT(run->node.stops, 1);
        run_for(run, NS_PER_S);
        EXPECT(run_finish(run));
        scenario_close(run);
    }
}

/* One sync takes as long as many calls: all of them share the next one. */
TEST(slow_disk_makes_large_groups)
{
    struct run *run = open_run(50, 2);
    struct workload *w = run_add(run, "counter", 0);
    w->outstanding_max = 64;
    w->think_ns = 100 * NS_PER_US;
    run_for(run, NS_PER_S);
    sim_disk_set_delay(run->node.media.sim_disk, 50 * NS_PER_MS);
    uint64_t done = w->done, operations = run->node.media.operations;
    run_for(run, 5 * NS_PER_S);
    EXPECT(w->done - done > 4 * (run->node.media.operations - operations));
    EXPECT(run_finish(run));
    scenario_close(run);
}

TEST_MAIN()
