/* tests/unit/consensus/test_lease_holder.c: until when a node believes its lease. */
#include "consensus/lease_holder.h"

#include "tests/lib/test.h"

#define T0 (5 * NS_PER_S)
#define MS NS_PER_MS
#define WORTH_NS (LEASE_NS / 100 * 99) /* L * (1 - RHO) */

static struct lease_renew sent_at(struct lease_holder *h, uint64_t now_ns)
{
    struct lease_renew renew = {0};
    REQUIRE(lease_holder_renew(h, now_ns, 0, &renew));
    return renew;
}

static struct lease_grant grant_of(struct lease_renew renew, uint64_t dir_index)
{
    return (struct lease_grant){renew.renew_no, dir_index, LEASE_NS};
}

TEST(renews_four_times_a_lease)
{
    struct lease_holder h;
    struct lease_renew renew;
    lease_holder_init(&h, 7, 3, T0);
    REQUIRE(lease_holder_renew(&h, T0, 42, &renew));
    EXPECT(renew.node == 7 && renew.incarnation == 3 && renew.feed_index == 42);
    EXPECT(!lease_holder_renew(&h, T0 + LEASE_RENEW_NS - 1, 42, &renew));
    EXPECT(lease_holder_renew(&h, T0 + LEASE_RENEW_NS, 42, &renew));
    lease_holder_hurry(&h);
    EXPECT(lease_holder_renew(&h, T0 + LEASE_RENEW_NS + 1, 42, &renew));
}

TEST(counts_from_the_sending_less_the_drift)
{
    struct lease_holder h;
    lease_holder_init(&h, 1, 1, T0);
    struct lease_grant grant = grant_of(sent_at(&h, T0), 0);
    EXPECT(!lease_holder_valid(&h, T0, 0));
    EXPECT(lease_holder_granted(&h, T0 + 400 * MS, &grant));
    EXPECT_INT(lease_holder_until(&h, 0), T0 + WORTH_NS);
    EXPECT(lease_holder_valid(&h, T0 + WORTH_NS - 1, 0) && !lease_holder_valid(&h, T0 + WORTH_NS, 0));
}

TEST(a_late_grant_is_worth_nothing)
{
    struct lease_holder h;
    lease_holder_init(&h, 1, 1, T0);
    struct lease_grant grant = grant_of(sent_at(&h, T0), 0);
    EXPECT(!lease_holder_granted(&h, T0 + LEASE_NS, &grant));
    EXPECT(!lease_holder_valid(&h, T0 + LEASE_NS, 0));
}

TEST(only_what_was_sent_is_answered)
{
    struct lease_holder before, h;
    lease_holder_init(&before, 1, 1, T0);
    lease_holder_init(&h, 1, 2, T0);
    struct lease_grant to_the_one_before = grant_of(sent_at(&before, T0), 0);
    struct lease_grant own = grant_of(sent_at(&h, T0), 0), none = {0}, never = {own.renew_no + 1, 0, LEASE_NS};
    EXPECT(!lease_holder_granted(&h, T0, &to_the_one_before));
    EXPECT(!lease_holder_granted(&h, T0, &none));
    EXPECT(!lease_holder_granted(&h, T0, &never));
    EXPECT_INT(lease_holder_until(&h, UINT64_MAX), 0);
    for (unsigned i = 1; i <= LEASE_HOLDER_SENT; i++) {
        sent_at(&h, T0 + i * LEASE_RENEW_NS);
    }
    EXPECT(!lease_holder_granted(&h, T0, &own)); /* too long ago to be remembered */
}

TEST(a_length_beyond_all_bounds_is_cut)
{
    struct lease_holder h;
    lease_holder_init(&h, 1, 1, T0);
    struct lease_grant grant = {sent_at(&h, T0).renew_no, 0, UINT64_MAX};
    EXPECT(lease_holder_granted(&h, T0, &grant));
    EXPECT_INT(lease_holder_until(&h, 0), T0 + LEASE_HOLDER_LENGTH_NS_MAX / 100 * 99);
}

TEST(counts_only_where_the_feed_has_got_to)
{
    struct lease_holder h;
    lease_holder_init(&h, 1, 1, T0);
    struct lease_grant one = grant_of(sent_at(&h, T0), 10), two = grant_of(sent_at(&h, T0 + 250 * MS), 20);
    lease_holder_granted(&h, T0, &one);
    lease_holder_granted(&h, T0 + 250 * MS, &two);
    EXPECT_INT(lease_holder_until(&h, 9), 0);
    EXPECT_INT(lease_holder_until(&h, 19), T0 + WORTH_NS);
    EXPECT_INT(lease_holder_until(&h, 20), T0 + 250 * MS + WORTH_NS);
}

TEST(order_and_copies_do_not_matter)
{
    struct lease_holder h;
    lease_holder_init(&h, 1, 1, T0);
    struct lease_grant one = grant_of(sent_at(&h, T0), 1), two = grant_of(sent_at(&h, T0 + 250 * MS), 1);
    EXPECT(lease_holder_granted(&h, T0 + 260 * MS, &two));
    lease_holder_granted(&h, T0 + 270 * MS, &one);
    lease_holder_granted(&h, T0 + 280 * MS, &two);
    EXPECT_INT(lease_holder_until(&h, 1), T0 + 250 * MS + WORTH_NS);
}

TEST(what_is_dropped_is_gone)
{
    struct lease_holder h;
    lease_holder_init(&h, 1, 1, T0);
    struct lease_grant grant = grant_of(sent_at(&h, T0), 0);
    lease_holder_granted(&h, T0, &grant);
    lease_holder_drop(&h);
    EXPECT(!lease_holder_valid(&h, T0, UINT64_MAX));
    EXPECT(!lease_holder_granted(&h, T0, &grant));
}

TEST(a_stalled_node_knows_it_at_the_next_check)
{
    struct lease_holder h;
    lease_holder_init(&h, 1, 1, T0);
    struct lease_grant grant = grant_of(sent_at(&h, T0), 0);
    lease_holder_granted(&h, T0, &grant);
    struct lease_notice notice = lease_holder_check(&h, T0 + 50 * MS, 0);
    EXPECT(notice.began && !notice.ended && notice.stalled_ns == 0);
    notice = lease_holder_check(&h, T0 + 250 * MS, 0);
    EXPECT(!notice.began && !notice.ended && notice.stalled_ns == 200 * MS);
    notice = lease_holder_check(&h, T0 + 20 * NS_PER_S, 0); /* SIGSTOP */
    EXPECT(!notice.began && notice.ended && notice.stalled_ns == 19750 * MS);
    notice = lease_holder_check(&h, T0 + 20 * NS_PER_S + 50 * MS, 0);
    EXPECT(!notice.began && !notice.ended && notice.stalled_ns == 0);
}

TEST_MAIN()
