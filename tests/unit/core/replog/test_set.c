/* tests/unit/core/replog/test_set.c: who must have an entry before it is acknowledged (replication.md R23). */
#include "core/replog/set.h"

#include "tests/lib/test.h"

static const struct copies trio = {3, {{1, 11}, {2, 12}, {3, 13}}};

TEST(all_of_the_set_have_it)
{
    const struct set_ack acks[] = {{2, 12, 7}, {3, 13, 5}, {4, 14, 1}};
    EXPECT_INT(set_committed(&trio, 1, 9, acks, 3), 5);
    EXPECT_INT(set_committed(&trio, 1, 4, acks, 3), 4);
    EXPECT(set_follows(&trio, 1, acks, 3));
}

TEST(who_does_not_follow_holds_all)
{
    const struct set_ack acks[] = {{2, 12, 7}};
    EXPECT_INT(set_committed(&trio, 1, 9, acks, 1), 0);
    EXPECT(!set_follows(&trio, 1, acks, 1));
}

TEST(another_copy_of_the_node_does_not_count)
{
    const struct set_ack acks[] = {{2, 12, 7}, {3, 99, 7}};
    EXPECT_INT(set_committed(&trio, 1, 9, acks, 2), 0);
    EXPECT(!set_follows(&trio, 1, acks, 2));
}

TEST(a_node_alone_commits_what_it_has)
{
    const struct copies self = {1, {{1, 11}}};
    EXPECT_INT(set_committed(&self, 1, 9, NULL, 0), 9);
    EXPECT(set_follows(&self, 1, NULL, 0));
}

TEST(covering_is_by_copy)
{
    const struct copies two = {2, {{3, 13}, {1, 11}}}, other = {2, {{3, 99}, {1, 11}}}, moved = {1, {{2, 13}}};
    EXPECT(set_covers(&trio, &two));
    EXPECT(!set_covers(&two, &trio));
    EXPECT(!set_covers(&trio, &other));
    EXPECT(!set_covers(&trio, &moved));
}

TEST_MAIN()
