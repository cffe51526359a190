/* tests/unit/consensus/test_placement.c: single situations, and what is said about those that cannot be helped. */
#include "consensus/placement.h"

#include "tests/lib/placing.h"
#include "tests/lib/test.h"

static struct placing p;
static struct placement_plan plan;
static const struct placement_label gpu = {"gpu", "h100"};

/* Nodes 1 to n in one zone or in a, b, c, ...; shards that are not placed. */
static void cluster(uint32_t nodes, uint32_t zones, uint32_t shards, uint32_t replicas)
{
    placing_regular(&p, test_seed(), nodes, zones, shards, replicas);
    for (uint32_t i = 0; i < nodes; i++) {
        p.members[i].node = i + 1;
    }
}

static void place(uint32_t shard, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t nodes[] = {a, b, c};
    for (uint32_t i = 0; i < 3 && nodes[i] != 0; i++) {
        p.shards[shard].replicas[p.shards[shard].count++] = nodes[i];
    }
}

static void make_plan(void)
{
    placement_plan_release(&plan);
    placing_plan(&p, &plan);
    EXPECT(placing_judge(&p, &plan));
    EXPECT_STR(p.why, "");
}

/* "repair 3 1": there is one move, after which 3 leads and 1 has a copy. */
static const char *only_move(void)
{
    static char text[200];
    size_t used = 0;
    REQUIRE(plan.move_count == 1);
    const struct placement_move *m = &plan.moves[0];
    used += (size_t)snprintf(text, sizeof text, "%s", placement_reason_name(m->reason));
    for (uint32_t i = 0; i < m->count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, " %llu", (unsigned long long)m->replicas[i]);
    }
    return text;
}

static bool sent_to(const struct placement_move *move, uint64_t node)
{
    for (uint32_t i = 0; i < move->count; i++) {
        if (move->replicas[i] == node) {
            return true;
        }
    }
    return false;
}

TEST(an_empty_cluster_has_no_moves)
{
    cluster(0, 0, 0, 3);
    p.group_count = 0;
    make_plan();
    EXPECT(plan.move_count == 0 && plan.complaint_count == 0);
}

TEST(one_node_holds_all_and_says_what_is_missing)
{
    cluster(1, 0, 1, 3);
    make_plan();
    EXPECT_STR(only_move(), "repair 1");
    REQUIRE(plan.complaint_count == 1);
    EXPECT_STR(plan.complaints[0].text, "group default: 3 replicas are wanted, and 1 node is up");
    placing_apply(&p, &plan);
    make_plan();
    EXPECT_INT(plan.move_count, 0);
}

TEST(a_second_node_gets_a_copy_and_leads_half)
{
    cluster(1, 0, 4, 2);
    REQUIRE(placing_settle(&p, 3) > 0);
    placing_add_node(&p, 0)->node = 2;
    REQUIRE(placing_settle(&p, 3) > 0);
    EXPECT(placing_sum(&p, 2).copies == 4 && placing_sum(&p, 2).leads == 2);
}

TEST(who_has_the_data_leads_when_the_leader_is_down)
{
    cluster(4, 0, 1, 3);
    place(0, 1, 2, 3);
    p.members[0].state = PLACEMENT_DOWN;
    make_plan();
    EXPECT(plan.move_count == 1 && plan.moves[0].reason == PLACEMENT_REPAIR && plan.moves[0].living == 2);
    EXPECT(sent_to(&plan.moves[0], 4) && !sent_to(&plan.moves[0], 1) && plan.moves[0].replicas[0] != 4);
}

TEST(a_node_that_is_away_keeps_its_copies_and_leads_nothing)
{
    cluster(4, 0, 1, 3);
    place(0, 1, 2, 3);
    p.members[0].state = PLACEMENT_AWAY;
    make_plan();
    EXPECT(plan.move_count == 1 && plan.moves[0].count == 3 && sent_to(&plan.moves[0], 1));
    EXPECT(plan.moves[0].replicas[0] == 2 || plan.moves[0].replicas[0] == 3);
}

TEST(a_copy_that_is_gone_is_kept_in_mind_until_another_takes_its_place)
{
    cluster(3, 0, 1, 3);
    place(0, 1, 2, 3);
    p.members[2].state = PLACEMENT_DOWN;
    make_plan();
    EXPECT_INT(plan.move_count, 0);
    EXPECT_STR(plan.complaints[0].text, "group default: 3 replicas are wanted, and 2 nodes are up");
}

TEST(a_draining_node_is_emptied_but_not_at_the_cost_of_a_copy_that_another_could_have)
{
    cluster(4, 0, 1, 3);
    place(0, 1, 2, 3);
    p.members[0].state = PLACEMENT_DRAINING;
    p.members[3].state = PLACEMENT_DOWN; /* it will come back, or be drained as well */
    make_plan();
    EXPECT(plan.move_count == 1 && plan.moves[0].count == 3 && plan.moves[0].replicas[0] != 1); /* only led elsewhere */
    placing_apply(&p, &plan);
    p.members[3].state = PLACEMENT_UP;
    make_plan();
    EXPECT(plan.move_count == 1 && plan.moves[0].reason == PLACEMENT_DRAIN);
    EXPECT(sent_to(&plan.moves[0], 4) && !sent_to(&plan.moves[0], 1));
}

TEST(one_of_three_nodes_can_be_drained_and_a_dead_one_given_up)
{
    static const enum placement_state states[] = {PLACEMENT_DRAINING, PLACEMENT_LEFT};
    for (unsigned i = 0; i < 2; i++) {
        cluster(3, 0, 1, 3);
        place(0, 1, 2, 3);
        p.members[0].state = states[i];
        make_plan();
        EXPECT(plan.move_count == 1 && plan.moves[0].count == 2 && !sent_to(&plan.moves[0], 1));
    }
}

TEST(a_node_that_is_no_member_has_nothing)
{
    cluster(3, 0, 1, 2);
    place(0, 77, 2, 0);
    make_plan();
    EXPECT(plan.move_count == 1 && plan.moves[0].reason == PLACEMENT_REPAIR && plan.moves[0].replicas[0] == 2);
    EXPECT(plan.moves[0].count == 2 && !sent_to(&plan.moves[0], 77));
}

TEST(labels_are_honoured_or_nothing_moves)
{
    cluster(4, 0, 2, 2);
    p.groups[0].labels = &gpu;
    p.groups[0].label_count = 1;
    place(0, 1, 2, 0);
    make_plan();
    EXPECT_INT(plan.move_count, 0);
    REQUIRE(plan.complaint_count == 1);
    EXPECT_STR(plan.complaints[0].text, "group default: no node with gpu=h100 is up; its shards stay where they are");
    for (uint32_t i = 2; i < 4; i++) {
        p.members[i].labels = &gpu;
        p.members[i].label_count = 1;
    }
    make_plan();
    EXPECT(plan.move_count == 2 && plan.complaint_count == 0);
    for (uint32_t i = 0; i < 2; i++) {
        EXPECT(plan.moves[i].count == 2 && sent_to(&plan.moves[i], 3) && sent_to(&plan.moves[i], 4));
    }
    EXPECT(plan.moves[0].reason == PLACEMENT_REPAIR && plan.moves[1].reason == PLACEMENT_CONSTRAINT);
}

TEST(one_label_too_few_nodes_for)
{
    cluster(4, 0, 1, 3);
    p.groups[0].labels = &gpu;
    p.groups[0].label_count = 1;
    p.members[2].labels = &gpu;
    p.members[2].label_count = 1;
    make_plan();
    EXPECT_STR(only_move(), "repair 3");
    EXPECT_STR(plan.complaints[0].text, "group default: 3 replicas are wanted, and 1 node with gpu=h100 is up");
}

TEST(a_pin_leads_and_its_backups_are_anywhere)
{
    cluster(5, 0, 1, 3);
    p.groups[0].pin = 4;
    place(0, 1, 2, 3);
    make_plan();
    EXPECT(plan.move_count == 1 && plan.moves[0].count == 3 && plan.moves[0].replicas[0] == 4);
    EXPECT(plan.moves[0].reason == PLACEMENT_CONSTRAINT);
    placing_apply(&p, &plan);
    p.members[3].state = PLACEMENT_AWAY;
    make_plan();
    EXPECT(plan.move_count == 1 && plan.moves[0].replicas[0] != 4 && sent_to(&plan.moves[0], 4));
    REQUIRE(plan.complaint_count == 1);
    EXPECT_STR(plan.complaints[0].text, "group default: node 0000000000000004, to which it is pinned, is not up");
    placing_apply(&p, &plan);
    p.members[3].state = PLACEMENT_UP;
    make_plan();
    EXPECT(plan.move_count == 1 && plan.moves[0].replicas[0] == 4 && plan.complaint_count == 0);
}

TEST(copies_are_in_different_zones)
{
    cluster(6, 3, 1, 3); /* 1 and 4 are in a, 2 and 5 in b, 3 and 6 in c */
    place(0, 1, 4, 2);
    make_plan();
    EXPECT(plan.move_count == 1 && plan.moves[0].reason == PLACEMENT_ZONE && plan.moves[0].replicas[0] == 1);
    EXPECT(!sent_to(&plan.moves[0], 4) && (sent_to(&plan.moves[0], 3) || sent_to(&plan.moves[0], 6)));
}

TEST(fewer_zones_than_copies)
{
    cluster(6, 2, 30, 3);
    REQUIRE(placing_settle(&p, 3) > 0);
    for (uint32_t i = 0; i < 30; i++) {
        uint32_t odd = 0;
        for (uint32_t j = 0; j < 3; j++) {
            odd += p.shards[i].replicas[j] % 2;
        }
        EXPECT(odd == 1 || odd == 2);
    }
}

TEST(weights_are_shares)
{
    cluster(3, 0, 120, 1);
    p.members[0].weight = 1;
    p.members[1].weight = 2;
    p.members[2].weight = 3;
    REQUIRE(placing_settle(&p, 3) > 0);
    EXPECT_INT(placing_sum(&p, 1).copies, 20);
    EXPECT_INT(placing_sum(&p, 2).copies, 40);
    EXPECT_INT(placing_sum(&p, 3).copies, 60);
}

TEST(what_moves_already_is_counted_and_left_alone)
{
    cluster(2, 0, 4, 1);
    for (uint32_t i = 0; i < 4; i++) {
        place(i, 1, 0, 0);
    }
    p.shards[0].moving = p.shards[1].moving = p.shards[2].moving = true;
    make_plan();
    EXPECT_STR(only_move(), "balance 2");
    EXPECT_INT(plan.moves[0].shard, 3);
}

TEST(two_hot_shards_do_not_share_a_node)
{
    cluster(4, 0, 16, 1);
    REQUIRE(placing_settle(&p, 3) > 0);
    uint32_t hot = 0;
    for (uint32_t i = 0; i < 16 && hot < 3; i++) { /* three that are on one node */
        if (p.shards[i].replicas[0] == 1) {
            p.shards[i].load = 1000;
            hot++;
        }
    }
    REQUIRE(hot == 3);
    REQUIRE(placing_settle(&p, 5) > 0);
    for (uint64_t node = 1; node <= 4; node++) {
        EXPECT(placing_sum(&p, node).load <= 1000 && placing_sum(&p, node).copies == 4);
    }
}

/* Node 2 leads two and node 1 none, which has no copy of them: to exchange one would leave 11 copies and 9. */
TEST(a_third_shard_moves_if_an_exchange_would_leave_copies_uneven)
{
    static const uint8_t at[13][3] = {{3, 2, 4}, {3, 4, 1}, {3, 1, 2}, {2, 3, 4}, {2, 1, 3}, {2, 3, 4}, {2, 1, 4},
                                      {4, 1, 3}, {4, 1, 3}, {4, 1, 2}, {1, 2, 4}, {1, 2, 3}, {1, 2, 4}};
    cluster(4, 0, 13, 3);
    for (uint32_t i = 0; i < 13; i++) {
        place(i, at[i][0], at[i][1], at[i][2]);
        p.shards[i].load = i == 1 || i == 3 || i == 5 || i == 9 ? 1000 : 0;
    }
    p.moves_max = 2; /* then rather none than half of it */
    make_plan();
    EXPECT_INT(plan.move_count, 0);
    p.moves_max = 3;
    make_plan();
    EXPECT_INT(plan.move_count, 3);
    placing_apply(&p, &plan);
    for (uint64_t node = 1; node <= 4; node++) {
        EXPECT(placing_sum(&p, node).load < 2000);
    }
}

/* 115 of a share of 100: over what is to be reached, and within what is let be. */
TEST(who_is_a_little_over_its_share_is_let_be_if_asked)
{
    cluster(2, 0, 8, 1);
    REQUIRE(placing_settle(&p, 3) > 0);
    uint32_t first = 0;
    for (uint32_t i = 0; i < 8; i++) {
        bool is_first = p.shards[i].replicas[0] == 1;
        p.shards[i].load = is_first && first++ < 2 ? 50 : is_first ? 8 : 21;
    }
    p.load_over = 20;
    make_plan();
    EXPECT_INT(plan.move_count, 0);
    p.load_over = 0;
    make_plan();
    EXPECT(plan.move_count > 0 && plan.moves[0].reason == PLACEMENT_LOAD);
    p.load_over = 12;
    make_plan();
    EXPECT(plan.move_count > 0);
}

TEST(the_most_urgent_come_first_when_there_may_be_few)
{
    cluster(6, 0, 30, 3);
    REQUIRE(placing_settle(&p, 3) > 0);
    p.members[0].state = PLACEMENT_DRAINING;
    p.shards[20].count = 1;
    p.shards[25].count = 2;
    p.moves_max = 2;
    make_plan();
    REQUIRE(plan.move_count == 2);
    EXPECT(plan.moves[0].shard == 20 && plan.moves[0].living == 1 && plan.moves[1].shard == 25);
}

/* ---- what may begin ---- */

static const struct placement_throttle two_each = {PLACEMENT_RUN, 100, 2};
static uint32_t start[8];

static struct placement_move move_of(uint32_t shard, enum placement_reason reason, uint64_t from, uint64_t to)
{
    struct placement_move m = {.shard = shard, .reason = reason, .before_count = 1, .count = 1};
    m.before[0] = from;
    m.replicas[0] = to;
    return m;
}

TEST(no_node_takes_part_in_more_than_its_share)
{
    struct placement_move moves[] = {move_of(1, PLACEMENT_BALANCE, 1, 2), move_of(2, PLACEMENT_BALANCE, 1, 3),
                                     move_of(3, PLACEMENT_BALANCE, 1, 4), move_of(4, PLACEMENT_BALANCE, 5, 2),
                                     move_of(5, PLACEMENT_BALANCE, 6, 2), move_of(6, PLACEMENT_BALANCE, 6, 7)};
    EXPECT_INT(placement_start(moves, 6, NULL, 0, &two_each, start), 4);
    EXPECT(start[0] == 0 && start[1] == 1 && start[2] == 3 && start[3] == 5);
}

TEST(what_flies_counts_and_is_not_begun_again)
{
    struct placement_move flying[] = {move_of(9, PLACEMENT_BALANCE, 1, 2), move_of(8, PLACEMENT_BALANCE, 3, 2)};
    struct placement_move moves[] = {move_of(9, PLACEMENT_BALANCE, 1, 5), move_of(7, PLACEMENT_BALANCE, 4, 2),
                                     move_of(6, PLACEMENT_BALANCE, 4, 1)};
    struct placement_throttle three = {PLACEMENT_RUN, 3, 2};
    EXPECT_INT(placement_start(moves, 3, flying, 2, &two_each, start), 1);
    EXPECT_INT(start[0], 2);
    three.total = 2;
    EXPECT_INT(placement_start(moves, 3, flying, 2, &three, start), 0);
}

TEST(a_pause_stops_what_is_not_needed)
{
    struct placement_move moves[] = {move_of(1, PLACEMENT_REPAIR, 1, 2), move_of(2, PLACEMENT_DRAIN, 3, 4),
                                     move_of(3, PLACEMENT_CONSTRAINT, 5, 6), move_of(4, PLACEMENT_ZONE, 7, 8),
                                     move_of(5, PLACEMENT_LOAD, 9, 10)};
    struct placement_throttle paused = {PLACEMENT_PAUSE_BALANCE, 100, 2};
    EXPECT_INT(placement_start(moves, 5, NULL, 0, &paused, start), 3);
    paused.pause = PLACEMENT_PAUSE_ALL;
    EXPECT_INT(placement_start(moves, 5, NULL, 0, &paused, start), 0);
}

TEST(a_copy_that_is_only_dropped_costs_nobody)
{
    struct placement_move drop = {.shard = 1, .reason = PLACEMENT_CONSTRAINT, .before_count = 2, .count = 1};
    struct placement_throttle none_each = {PLACEMENT_RUN, 1, 0};
    drop.before[0] = drop.replicas[0] = 1;
    drop.before[1] = 2;
    EXPECT_INT(placement_start(&drop, 1, NULL, 0, &none_each, start), 1);
}

TEST_MAIN()
