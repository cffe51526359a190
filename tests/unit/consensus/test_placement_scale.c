/* tests/unit/consensus/test_placement_scale.c: 1,000 nodes and 16,384 shards of three replicas: each plan takes less
 * than a second, and what it does is in proportion to what happened. */
#include "consensus/placement.h"

#include <time.h>

#include "tests/lib/placing.h"
#include "tests/lib/test.h"

#define NODES 1000u
#define SHARDS PLACING_SHARDS_MAX
#define COPIES (SHARDS * 3u)
#define SHARE (COPIES / NODES)

/* Ours are slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
#define PLAN_MS_MAX 20000
#else
#define PLAN_MS_MAX 1000
#endif

static struct placing p;

/* The judge is slow: it sees one move of a hundred. */
static void judge_some(const struct placement_plan *plan)
{
    struct placement_move some[SHARDS / 100 + 1];
    struct placement_plan sample = {some, plan->complaints, 0, plan->complaint_count};
    for (uint32_t i = 0; i < plan->move_count; i += 100) {
        some[sample.move_count++] = plan->moves[i];
    }
    EXPECT(placing_judge(&p, &sample));
    EXPECT_STR(p.why, "");
}

/* Returns the number of moves. */
static uint32_t plan_and_apply(const char *what)
{
    struct placement_plan plan;
    clock_t begun = clock(); /* of the processor: others use it, too */
    placing_plan(&p, &plan);
    long took_ms = (long)((clock() - begun) * 1000 / CLOCKS_PER_SEC);
    p.copied = p.led = 0;
    judge_some(&plan);
    placing_apply(&p, &plan);
    uint32_t moves = plan.move_count;
    printf("%-40s %4ld ms, %5u moves, %5llu copies, %5llu other leaders\n", what, took_ms, moves,
           (unsigned long long)p.copied, (unsigned long long)p.led);
    EXPECT(took_ms < PLAN_MS_MAX);
    placement_plan_release(&plan);
    return moves;
}

TEST(a_thousand_nodes)
{
    placing_regular(&p, test_seed(), NODES, 5, SHARDS, 3);
    EXPECT_INT(plan_and_apply("all anew"), SHARDS);
    EXPECT(placing_even(&p));
    EXPECT_INT(plan_and_apply("at rest"), 0);
    p.members[7].state = PLACEMENT_AWAY;
    plan_and_apply("a node away");
    EXPECT_INT(p.copied, 0);
    p.members[7].state = PLACEMENT_DOWN;
    plan_and_apply("the same node down");
    EXPECT(p.copied >= SHARE * 9 / 10 && p.copied <= SHARE * 11 / 10);
    p.members[7].state = PLACEMENT_UP;
    plan_and_apply("and up again, empty");
    EXPECT(p.copied >= SHARE * 8 / 10 && p.copied <= SHARE * 11 / 10);
    EXPECT(placing_even(&p));
    for (uint32_t i = 0; i < NODES; i += 5) {
        p.members[i].state = PLACEMENT_DOWN;
    }
    plan_and_apply("a zone of 200 down");
    EXPECT(p.copied >= COPIES / 5 && p.copied <= COPIES / 5 * 11 / 10);
    EXPECT(placing_even(&p));
    EXPECT_INT(plan_and_apply("at rest"), 0);
}

TEST(zones_of_different_size)
{
    placing_regular(&p, test_seed(), NODES, 3, SHARDS, 3);
    for (uint32_t i = 0; i < NODES; i++) {
        p.members[i].zone = i < 500 ? "a" : i < 800 ? "b" : "c";
    }
    EXPECT_INT(plan_and_apply("zones of 500, 300 and 200"), SHARDS);
    EXPECT_INT(placing_sum(&p, p.members[0].node).copies / 4, SHARDS / 500 / 4);
    EXPECT_INT(placing_sum(&p, p.members[999].node).copies / 8, SHARDS / 200 / 8);
    EXPECT_INT(plan_and_apply("at rest"), 0);
    p.members[999].state = PLACEMENT_DRAINING;
    plan_and_apply("a node of the small zone drains");
    EXPECT_INT(placing_sum(&p, p.members[999].node).copies, 0);
}

TEST(measured_load)
{
    uint64_t total = 0, over = 0;
    placing_regular(&p, test_seed(), NODES, 5, SHARDS, 3);
    plan_and_apply("all anew");
    for (uint32_t i = 0; i < SHARDS; i++) {
        p.shards[i].load = 1000 + (uint32_t)rng_below(&p.rng, 1 + rng_below(&p.rng, 10000));
        total += p.shards[i].load;
    }
    plan_and_apply("load is measured");
    EXPECT(placing_even(&p));
    for (uint32_t i = 0; i < NODES; i++) {
        over += placing_sum(&p, p.members[i].node).load > total / NODES * 11 / 10;
    }
    EXPECT_INT(over, 0);
    EXPECT_INT(plan_and_apply("at rest"), 0);
}

TEST(a_plan_of_a_few_moves)
{
    placing_regular(&p, test_seed(), NODES, 5, SHARDS, 3);
    p.moves_max = 100;
    EXPECT_INT(plan_and_apply("100 moves of all anew"), 100);
    p.moves_max = UINT32_MAX;
    plan_and_apply("the rest");
    EXPECT(placing_even(&p));
}

/* Everything is on three nodes of a cluster that has grown. */
TEST(three_nodes_become_a_thousand)
{
    placing_regular(&p, test_seed(), 3, 0, SHARDS, 3);
    plan_and_apply("three nodes");
    while (p.member_count < NODES) {
        placing_add_node(&p, 0);
    }
    plan_and_apply("they become a thousand");
    EXPECT(placing_even(&p));
    EXPECT_INT(plan_and_apply("at rest"), 0);
}

TEST_MAIN()
