/* tests/unit/core/journal/test_gather.c: who waits for whom, and how long. */
#include "core/journal/gather.h"

#include "tests/lib/test.h"

#define SYNC 1000000u

/* Groups whose answered callers never come back: how many of them were held up. */
static int waits_in_vain(struct gather *gather, int groups)
{
    int waits = 0;
    for (int i = 0; i < groups; i++) {
        gather_begin(gather, 10, 10, SYNC);
        if (gather_wait(gather, 10, 1)) {
            waits++;
            EXPECT(!gather_wait(gather, 10, gather->until_ns));
        }
    }
    return waits;
}

TEST(the_first_group_does_not_wait)
{
    struct gather gather = {0};
    EXPECT(!gather_wait(&gather, 1, 1));
}

TEST(who_is_alone_does_not_wait)
{
    struct gather gather = {0};
    for (uint64_t now = 1; now < 10; now++) {
        gather_begin(&gather, 1, 0, SYNC);
        EXPECT(!gather_wait(&gather, 1, now));
    }
}

TEST(two_crowds_become_one)
{
    struct gather gather = {0};
    gather_begin(&gather, 8, 56, SYNC);
    EXPECT(gather_wait(&gather, 56, 1));
    EXPECT(gather_wait(&gather, 63, 2));
    EXPECT(!gather_wait(&gather, 64, 3));
    gather_begin(&gather, 64, 0, SYNC);
    EXPECT(gather_wait(&gather, 8, 4)); /* of the one crowd the first that are back wait for the others */
    EXPECT(!gather_wait(&gather, 64, 5));
}

TEST(half_a_sync_is_the_most)
{
    struct gather gather = {0};
    gather_begin(&gather, 10, 10, SYNC);
    EXPECT(gather_wait(&gather, 10, 1000));
    EXPECT_INT((int)(gather.until_ns - 1000), SYNC / 2);
    EXPECT(gather_wait(&gather, 19, gather.until_ns - 1));
    EXPECT(!gather_wait(&gather, 19, gather.until_ns));
}

TEST(a_fast_disk_is_not_waited_for)
{
    struct gather gather = {0};
    gather_begin(&gather, 8, 56, SYNC / 10);
    EXPECT(!gather_wait(&gather, 56, 1));
}

TEST(a_slow_disk_has_a_bound_too)
{
    struct gather gather = {0};
    gather_begin(&gather, 10, 10, 10000u * SYNC);
    EXPECT(gather_wait(&gather, 10, 1));
    EXPECT(gather.until_ns <= 1000001);
}

TEST(what_does_not_pay_is_left_off)
{
    struct gather gather = {0};
    EXPECT(waits_in_vain(&gather, 1000) < 30);
}

TEST(what_pays_again_is_taken_up)
{
    struct gather gather = {0};
    int waits = 0;
    waits_in_vain(&gather, 100);
    for (int i = 0; i < 200; i++) {
        gather_begin(&gather, 10, 10, SYNC);
        waits += gather_wait(&gather, 10, 1);
        EXPECT(!gather_wait(&gather, 20, 2));
    }
    EXPECT(waits > 100);
}

TEST_MAIN()
