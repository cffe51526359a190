/* tests/simulation/scenarios/test_overload.c: more work than there is room for, and peers that do not keep to the
 * rules. */
#include "tests/simulation/scenarios/scenario.h"

TEST(full_mailboxes_are_an_answer)
{
    struct node_options node = {.mailbox_max = 3, .queued_max = 8, .fibers_max = 6, .journal = SCENARIO_JOURNAL(256)};
    struct run *run = scenario_open(1, &node, 4, false);
    struct workload *slow[4], *chain = run_add(run, "sim_chain", 3);
    for (uint32_t i = 0; i < 4; i++) {
        slow[i] = run_add(run, "overload", i);
        slow[i]->outstanding_max = 100;
    }
    run_for(run, 10 * NS_PER_S);
    for (uint32_t i = 0; i < 4; i++) {
        EXPECT(slow[i]->codes[PDR_OVERLOADED] > 100);
        EXPECT(slow[i]->done > 20);
    }
    EXPECT(chain->done > 0);
    EXPECT_INT(run->node.crashes, 0);
    EXPECT(run_finish(run));
    scenario_close(run);
}

/* With room for two activations and a life of a millisecond, every call loads its actor anew. */
TEST(actors_that_come_and_go)
{
    struct node_options node = {.memory_max = 256u << 10, .idle_ms = 1, .journal = SCENARIO_JOURNAL(256)};
    struct run *run = scenario_open(2, &node, 3, false);
    for (uint32_t i = 0; i < 3; i++) {
        run_add(run, "kv", i);
        run_add(run, "sim_cached", i);
        run_add(run, "sim_bank", i);
    }
    run_for(run, 20 * NS_PER_S);
    EXPECT(run_finish(run));
    scenario_close(run);
}

TEST(hostile_peers_hurt_only_themselves)
{
    struct node_options node = {.journal = SCENARIO_JOURNAL(256)};
    struct run *run = scenario_open(3, &node, 3, true);
    struct workload *hostile = run_add(run, "hostile", 0), *good = run_add(run, "echo", 1);
    hostile->think_ns = NS_PER_MS;
    run_add(run, "hostile", 2);
    run_for(run, 10 * NS_PER_S);
    EXPECT(run->clients[0].connects > 10);
    EXPECT_INT(run->clients[1].connects, 1);
    EXPECT(good->done > 1000);
    EXPECT_INT(good->unknown, 0);
    EXPECT_INT(run->node.crashes, 0);
    EXPECT(run_finish(run));
    scenario_close(run);
}

/* A client that asks and does not read: the node stops reading it, and nobody else notices. */
TEST(a_slow_reader_is_not_read)
{
    struct node_options node = {.outstanding_max = 16, .journal = SCENARIO_JOURNAL(256)};
    struct run *run = scenario_open(4, &node, 2, true);
    sim_net_shape(run->net)->window_max = 4096;
    struct workload *slow = run_add(run, "echo", 0), *good = run_add(run, "echo", 1);
    slow->outstanding_max = 200;
    run_for(run, NS_PER_S);
    sim_loop_starve(&run->clients[0].loop, run->sim.now_ns + 5 * NS_PER_S);
    uint64_t done = good->done;
    run_for(run, 5 * NS_PER_S);
    EXPECT(good->done - done > 500);
    EXPECT(run_finish(run));
    scenario_close(run);
}

TEST_MAIN()
