/* tests/unit/consensus/test_placement_random.c: what holds for every cluster, over many drawn ones. */
#include "consensus/placement.h"

#include "tests/lib/placing.h"
#include "tests/lib/test.h"

#define RUNS 600
#define PLANS_MAX 2000 /* a plan may be as small as one move */

static struct placing one, two;

static void say(uint64_t seed)
{
    if (one.why[0] != 0) {
        fprintf(stderr, "seed %llu (%u nodes, %u shards): %s\n", (unsigned long long)seed, one.member_count,
                one.shard_count, one.why);
    }
}

/* Each plan is good, they come to an end, and then nothing could be done better. */
TEST(every_plan_is_good_and_the_last_one_is_empty)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + RUNS; seed++) {
        placing_draw(&one, seed, 24, 150);
        bool settled = placing_settle(&one, PLANS_MAX) > 0 && placing_at_rest(&one);
        say(seed);
        REQUIRE(settled);
    }
}

static bool same_plan(const struct placement_plan *a, const struct placement_plan *b)
{
    if (a->move_count != b->move_count || a->complaint_count != b->complaint_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->move_count; i++) {
        if (memcmp(&a->moves[i], &b->moves[i], sizeof *a->moves) != 0) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->complaint_count; i++) {
        if (strcmp(a->complaints[i].text, b->complaints[i].text) != 0) {
            return false;
        }
    }
    return true;
}

TEST(the_order_of_the_input_does_not_matter)
{
    uint64_t moves = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + RUNS; seed++) {
        struct placement_plan a, b;
        placing_draw(&one, seed, 24, 150);
        two = one;
        placing_shuffle(&two);
        placing_plan(&one, &a);
        placing_plan(&two, &b);
        bool same = same_plan(&a, &b);
        moves += a.move_count;
        placement_plan_release(&a);
        placement_plan_release(&b);
        if (!same) {
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        }
        REQUIRE(same);
    }
    EXPECT(moves > RUNS);
}

/* Equal nodes or weighted ones, one zone or as many as replicas: every share within 10 %. */
TEST(regular_clusters_become_even)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 40; seed++) {
        uint32_t replicas = 1 + (uint32_t)(seed % 5), nodes = replicas * (2 + (uint32_t)(seed % 7));
        placing_regular(&one, seed, nodes, seed % 3 == 0 ? replicas : 0, nodes * 20, replicas);
        for (uint32_t i = 0; i < one.member_count && seed % 3 == 1; i++) {
            one.members[i].weight = 2 + i % 2;
        }
        bool fine = placing_settle(&one, 10) > 0 && placing_even(&one);
        say(seed);
        REQUIRE(fine);
    }
}

/* Whatever a node had: copies, or leads. */
static uint64_t most(uint64_t have, uint64_t percent)
{
    return have + have * percent / 100 + 2;
}

TEST(a_node_more_takes_its_share_and_nothing_else_moves)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 30; seed++) {
        uint32_t nodes = 6 + (uint32_t)(seed % 25);
        placing_regular(&one, seed, nodes, seed % 2 == 0 ? 3 : 0, nodes * 32, 3);
        REQUIRE(placing_settle(&one, 10) > 0);
        uint64_t node = placing_add_node(&one, 0)->node, share = nodes * 32ull * 3 / (nodes + 1);
        one.copied = one.led = 0;
        bool fine = placing_settle(&one, 10) > 0 && (seed % 2 == 0 || placing_even(&one));
        say(seed);
        REQUIRE(fine);
        EXPECT_INT(placing_sum(&one, node).copies, one.copied); /* all that was copied was for it */
        EXPECT(one.copied <= most(share, 0));
        EXPECT(one.led <= most(nodes * 32ull / (nodes + 1), 50)); /* paths of more than one step */
    }
}

TEST(a_node_less_moves_what_it_had)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 30; seed++) {
        uint32_t nodes = 6 + (uint32_t)(seed % 25);
        placing_regular(&one, seed, nodes, seed % 2 == 0 ? 3 : 0, nodes * 32, 3);
        REQUIRE(placing_settle(&one, 10) > 0);
        struct placement_member *gone = &one.members[seed % nodes];
        gone->state = seed % 4 < 2 ? PLACEMENT_DOWN : PLACEMENT_DRAINING;
        struct placing_sum had = placing_sum(&one, gone->node);
        one.copied = one.led = 0;
        bool fine = placing_settle(&one, 10) > 0 && (seed % 2 == 0 || placing_even(&one));
        say(seed);
        REQUIRE(fine);
        EXPECT_INT(placing_sum(&one, gone->node).copies, 0);
        EXPECT(one.copied >= had.copies && one.copied <= most(had.copies, 5));
        EXPECT(one.led >= had.leads && one.led <= most(had.leads, 60));
    }
}

/* Few shards do most of the work: nodes are even in load, or what they have too much is one shard's, and what they lead
 * beside it, by count, is among the coolest. */
TEST(hot_shards_are_spread)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 30; seed++) {
        uint32_t nodes = 4 + (uint32_t)(seed % 25);
        uint64_t total = 0;
        placing_regular(&one, seed, nodes, seed % 2 == 0 ? 3 : 0, nodes * 32, 3);
        REQUIRE(placing_settle(&one, 10) > 0);
        for (uint32_t i = 0; i < one.shard_count; i++) {
            one.shards[i].load = 100 + (uint32_t)(100000 / (1 + rng_below(&one.rng, one.shard_count)));
            total += one.shards[i].load;
        }
        bool fine = placing_settle(&one, 40) > 0 && (seed % 2 == 0 || placing_even(&one));
        say(seed);
        REQUIRE(fine);
        for (uint32_t i = 0; i < nodes; i++) {
            struct placing_sum sum = placing_sum(&one, one.members[i].node);
            uint64_t share = total / nodes;
            EXPECT(sum.load <= share * 11 / 10 || sum.load - sum.hottest <= share / 2);
        }
    }
}

TEST_MAIN()
