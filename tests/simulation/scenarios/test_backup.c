/* tests/simulation/scenarios/test_backup.c: backups of a node that has much to do. */
#include "tests/simulation/scenarios/scenario.h"

TEST(has_what_was_acknowledged_and_no_effect_without_its_cause)
{
    struct node_options node = {.journal = SCENARIO_JOURNAL(256)};
    struct run *run = scenario_open(1, &node, 4, false);
    run_add(run, "sim_step", 2);
    run_add(run, "kv", 3);
    struct workload *backup = run_add(run, "backup", 0), *other = run_add(run, "backup", 1);
    run_for(run, 20 * NS_PER_S);
    EXPECT(run->node.backup.made > 20);
    EXPECT(backup->codes[PDR_OVERLOADED] + other->codes[PDR_OVERLOADED] > 0); /* one at a time */
    EXPECT(run_finish(run));
    scenario_close(run);
}

/* It is refused, and nothing waits for it; when there is space again it is made. */
TEST(of_a_store_that_takes_nothing)
{
    struct node_options node = {.journal = SCENARIO_JOURNAL(256)};
    struct run *run = scenario_open(2, &node, 1, false);
    struct workload *backup = run_add(run, "backup", 0);
    run_for(run, NS_PER_S);
    run->node.media.store_fails = true;
    run_for(run, NS_PER_S);
    uint64_t made = run->node.backup.made, refused = backup->codes[PDR_NO_SPACE];
    run_for(run, 5 * NS_PER_S);
    EXPECT_INT(run->node.backup.made, made);
    EXPECT(backup->codes[PDR_NO_SPACE] > refused);
    run->node.media.store_fails = false;
    run_for(run, 5 * NS_PER_S);
    EXPECT(run->node.backup.made > made);
    EXPECT(run_finish(run));
    scenario_close(run);
}

TEST(in_a_stop)
{
    struct node_options node = {.journal = SCENARIO_JOURNAL(256)};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct run *run = scenario_open(seed, &node, 2, false);
        run_add(run, "backup", 0)->outstanding_max = 8;
        run_add(run, "backup", 1)->outstanding_max = 8;
        run->node.work.typical_ns = 20 * NS_PER_MS;
        run_for(run, NS_PER_S / 4);
        EXPECT(run_finish(run));
        scenario_close(run);
    }
}

TEST_MAIN()
