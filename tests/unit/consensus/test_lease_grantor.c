/* tests/unit/consensus/test_lease_grantor.c: whom a leader grants, and when it says that a lease is over. */
#include "consensus/lease_grantor.h"

#include "tests/lib/test.h"

#define T0 (9 * NS_PER_S)
#define MS NS_PER_MS
#define LEASE_MS (LEASE_NS / MS)
#define WAIT_MS (unsigned)((LEASE_MS * 101 + 99) / 100) /* L * (1 + RHO) */

static struct lease_grantor g;
static uint64_t now;
static uint64_t numbers;

static void leader_with(unsigned nodes, bool ready)
{
    now = T0;
    numbers = 0;
    lease_grantor_init(&g, now);
    for (unsigned n = nodes; n >= 1; n--) {
        lease_grantor_register(&g, now, n, 1);
    }
    if (ready) {
        lease_grantor_ready(&g);
    }
}

static void pass(unsigned ms)
{
    while (ms > 0) {
        unsigned tick = ms < 50 ? ms : 50;
        now += tick * MS;
        ms -= tick;
        lease_grantor_tick(&g, now);
    }
}

static enum lease_renewed renew(uint64_t node, uint64_t incarnation)
{
    struct lease_renew renew = {node, incarnation, ++numbers, 77};
    return lease_grantor_renew(&g, &renew);
}

/* Runs a round; how many were granted. */
static unsigned round_and_grants(void)
{
    unsigned count = 0;
    struct lease_granted out;
    lease_grantor_round_done(&g, lease_grantor_round(&g, now), true);
    while (lease_grantor_grant(&g, now, 5, &out)) {
        count++;
    }
    return count;
}

static uint64_t next_over(void)
{
    struct lease_over over = {0, 0};
    lease_grantor_next_over(&g, &over);
    return over.node * 100 + over.incarnation;
}

TEST(a_new_leader_waits_out_what_others_may_have_granted)
{
    leader_with(1, true);
    pass(WAIT_MS - 1);
    EXPECT(!lease_grantor_is_over(&g, 1, 1));
    EXPECT(!lease_grantor_take(&g, 1, 1));
    pass(1);
    EXPECT_INT(next_over(), 101);
    EXPECT_INT(next_over(), 0); /* once */
    EXPECT(lease_grantor_is_over(&g, 1, 1));
    lease_grantor_release(&g);
}

TEST(nothing_is_granted_or_taken_before_its_own_entry_is_applied)
{
    leader_with(1, false);
    EXPECT(renew(1, 1) == LEASE_RENEWED_WAITS);
    EXPECT_INT(round_and_grants(), 0);
    lease_grantor_ready(&g);
    EXPECT_INT(round_and_grants(), 1);
    lease_grantor_release(&g);
    leader_with(1, false);
    pass(WAIT_MS);
    EXPECT(!lease_grantor_is_over(&g, 1, 1) && next_over() == 0);
    lease_grantor_ready(&g);
    EXPECT_INT(next_over(), 101);
    lease_grantor_release(&g);
}

TEST(a_grant_counts_from_its_sending)
{
    leader_with(1, true);
    pass(500);
    renew(1, 1);
    now += 30 * MS; /* between two ticks */
    EXPECT_INT(round_and_grants(), 1);
    now += 20 * MS;
    lease_grantor_tick(&g, now);
    pass(WAIT_MS - 21);
    EXPECT(!lease_grantor_is_over(&g, 1, 1));
    pass(1);
    EXPECT(lease_grantor_is_over(&g, 1, 1));
    lease_grantor_release(&g);
}

TEST(one_round_serves_all_and_begins_after_they_arrived)
{
    struct lease_granted out;
    leader_with(40, true);
    for (uint64_t n = 1; n <= 39; n++) {
        renew(n, 1);
    }
    uint64_t round = lease_grantor_round(&g, now);
    EXPECT(round != 0);
    renew(40, 1);
    EXPECT_INT(lease_grantor_round(&g, now + LEASE_ROUND_NS), 0); /* one at a time */
    lease_grantor_round_done(&g, round, true);
    for (uint64_t n = 1; n <= 39; n++) {
        REQUIRE(lease_grantor_grant(&g, now, 5, &out));
        EXPECT(out.node == n && out.grant.renew_no == n && out.grant.dir_index == 5 && out.grant.length_ns == LEASE_NS);
    }
    EXPECT(!lease_grantor_grant(&g, now, 5, &out));
    EXPECT_INT(lease_grantor_round(&g, now + LEASE_ROUND_NS - 1), 0); /* one per 50 ms */
    now += LEASE_ROUND_NS;
    EXPECT_INT(round_and_grants(), 1);
    EXPECT_INT(lease_grantor_round(&g, now + LEASE_ROUND_NS), 0); /* nobody asks */
    lease_grantor_release(&g);
}

TEST(a_round_that_failed_is_held_again)
{
    struct lease_granted out;
    leader_with(1, true);
    renew(1, 1);
    lease_grantor_round_done(&g, lease_grantor_round(&g, now), false);
    EXPECT(!lease_grantor_grant(&g, now, 5, &out));
    now += LEASE_ROUND_NS;
    uint64_t lost = lease_grantor_round(&g, now);
    EXPECT(lost != 0);
    now += LEASE_NS; /* Raft has forgotten it */
    uint64_t round = lease_grantor_round(&g, now);
    EXPECT(round == lost + 1);
    lease_grantor_round_done(&g, lost, true);
    EXPECT(!lease_grantor_grant(&g, now, 5, &out));
    lease_grantor_round_done(&g, round, true);
    EXPECT(lease_grantor_grant(&g, now, 5, &out));
    lease_grantor_release(&g);
}

TEST(a_node_that_is_taken_from_is_granted_nothing)
{
    leader_with(1, true);
    pass(WAIT_MS);
    REQUIRE(lease_grantor_take(&g, 1, 1));
    REQUIRE(lease_grantor_take(&g, 1, 1)); /* another shard */
    renew(1, 1);
    EXPECT(!lease_grantor_take(&g, 1, 1)); /* it lives: no third one */
    EXPECT_INT(round_and_grants(), 0);
    lease_grantor_taken(&g, 1);
    pass(50);
    EXPECT_INT(round_and_grants(), 0);
    lease_grantor_taken(&g, 1);
    pass(50);
    EXPECT_INT(round_and_grants(), 1);
    lease_grantor_release(&g);
}

TEST(who_waits_for_a_quorum_is_alive)
{
    leader_with(2, true);
    renew(2, 1);
    pass(5 * WAIT_MS); /* no quorum */
    EXPECT_INT(next_over(), 101);
    EXPECT_INT(next_over(), 0);
    EXPECT(!lease_grantor_is_over(&g, 2, 1));
    lease_grantor_release(&g);
}

TEST(a_lease_dies_with_its_process)
{
    leader_with(1, true);
    renew(1, 1);
    EXPECT_INT(round_and_grants(), 1);
    lease_grantor_register(&g, now, 1, 2);
    EXPECT(lease_grantor_is_over(&g, 1, 1) && !lease_grantor_is_over(&g, 1, 2));
    EXPECT_INT(next_over(), 101);
    EXPECT(renew(1, 1) == LEASE_RENEWED_SUPERSEDED);
    EXPECT(renew(1, 3) == LEASE_RENEWED_UNKNOWN);
    EXPECT(renew(1, 2) == LEASE_RENEWED_WAITS);
    lease_grantor_register(&g, now, 1, 2); /* a snapshot says it again */
    pass(50);
    EXPECT_INT(round_and_grants(), 1);
    pass(WAIT_MS);
    EXPECT_INT(next_over(), 102);
    lease_grantor_release(&g);
}

TEST(strangers_copies_and_removed_nodes_get_nothing)
{
    struct lease_renew again = {1, 1, 9, 0};
    leader_with(2, true);
    EXPECT(renew(3, 1) == LEASE_RENEWED_UNKNOWN);
    EXPECT(!lease_grantor_is_over(&g, 3, 1));
    EXPECT(lease_grantor_renew(&g, &again) == LEASE_RENEWED_WAITS);
    EXPECT(lease_grantor_renew(&g, &again) == LEASE_RENEWED_OLD);
    again.renew_no = 8;
    EXPECT(lease_grantor_renew(&g, &again) == LEASE_RENEWED_OLD);
    lease_grantor_remove(&g, 1);
    EXPECT_INT(round_and_grants(), 0);
    EXPECT(renew(1, 1) == LEASE_RENEWED_REMOVED);
    pass(WAIT_MS);
    EXPECT(lease_grantor_is_over(&g, 1, 1));
    EXPECT(lease_grantor_node(&g, 1)->removed && lease_grantor_node(&g, 3) == NULL);
    lease_grantor_release(&g);
}

TEST(a_clock_that_jumps_is_not_believed)
{
    leader_with(1, true);
    now += 3600 * NS_PER_S;
    lease_grantor_tick(&g, now);
    EXPECT(!lease_grantor_is_over(&g, 1, 1));
    pass(WAIT_MS - 1);
    EXPECT(!lease_grantor_is_over(&g, 1, 1));
    pass(1);
    EXPECT(lease_grantor_is_over(&g, 1, 1));
    now -= NS_PER_S; /* nor one that goes back */
    lease_grantor_tick(&g, now);
    EXPECT(lease_grantor_is_over(&g, 1, 1));
    lease_grantor_release(&g);
}

TEST(a_leader_that_stalled_does_not_condemn)
{
    leader_with(1, true);
    pass(WAIT_MS - 10); /* about to be over, and its renewal is on the way */
    now += 3 * NS_PER_S;
    lease_grantor_tick(&g, now);
    pass(LEASE_MS - 50); /* three renewals could have come */
    EXPECT(!lease_grantor_is_over(&g, 1, 1));
    pass(50);
    EXPECT(lease_grantor_is_over(&g, 1, 1));
    lease_grantor_release(&g);
}

TEST(a_slow_leader_still_takes_from_the_dead)
{
    unsigned ticks = 0;
    leader_with(1, true);
    while (!lease_grantor_is_over(&g, 1, 1) && ticks++ < 1000) {
        now += 200 * MS; /* each of its turns */
        lease_grantor_tick(&g, now);
    }
    EXPECT_INT(ticks, LEASE_LONG_TICKS + (WAIT_MS + 99) / 100);
    lease_grantor_release(&g);
}

TEST(says_how_far_a_node_has_come)
{
    leader_with(300, true);
    renew(250, 1);
    REQUIRE(lease_grantor_node(&g, 250) != NULL);
    EXPECT_INT(lease_grantor_node(&g, 250)->feed_index, 77);
    lease_grantor_release(&g);
}

TEST_MAIN()
