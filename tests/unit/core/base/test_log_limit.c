/* tests/unit/core/base/test_log_limit.c: a burst passes, the rest is counted and told once, and events don't meet. */
#include "core/base/log_limit.h"

#include <stdio.h>

#include "tests/lib/test.h"

#define WINDOW LOG_LIMIT_WINDOW_NS

static unsigned pass(struct log_limit *limit, const char *event, unsigned times, uint64_t now)
{
    unsigned passed = 0;
    for (unsigned i = 0; i < times; i++) {
        passed += log_limit_pass(limit, event, 2, now);
    }
    return passed;
}

TEST(a_burst_passes_and_the_rest_is_told_when_the_window_ends)
{
    struct log_limit limit = {0};
    struct log_limit_event over;
    EXPECT_INT(pass(&limit, "a", 100, 5), LOG_LIMIT_BURST);
    EXPECT(!log_limit_over(&limit, 4 + WINDOW, &over));
    REQUIRE(log_limit_over(&limit, 5 + WINDOW, &over));
    EXPECT_STR(over.name, "a");
    EXPECT_INT(over.left_out, 100 - LOG_LIMIT_BURST);
    EXPECT_INT(over.level, 2);
    EXPECT(!log_limit_over(&limit, 6 + WINDOW, &over)); /* once */
    EXPECT_INT(pass(&limit, "a", 100, 7 + WINDOW), LOG_LIMIT_BURST);
}

TEST(events_have_windows_of_their_own)
{
    struct log_limit limit = {0};
    struct log_limit_event over;
    EXPECT_INT(pass(&limit, "a", 20, 0), LOG_LIMIT_BURST);
    EXPECT_INT(pass(&limit, "b", 20, 100), LOG_LIMIT_BURST);
    REQUIRE(log_limit_over(&limit, WINDOW, &over));
    EXPECT_STR(over.name, "a");
    EXPECT(!log_limit_over(&limit, WINDOW, &over));
    REQUIRE(log_limit_over(&limit, UINT64_MAX, &over)); /* the end of the thread */
    EXPECT_STR(over.name, "b");
}

TEST(a_slow_trickle_is_never_cut)
{
    struct log_limit limit = {0};
    for (uint64_t i = 0; i < 100; i++) {
        EXPECT(log_limit_pass(&limit, "a", 0, i * (WINDOW / LOG_LIMIT_BURST)));
    }
    EXPECT_INT(limit.left_out, 0);
}

/* More names than there are places: those that find none are written; ended windows give theirs up. */
TEST(places_run_out_and_come_back)
{
    struct log_limit limit = {0};
    char name[16];
    for (unsigned i = 0; i < LOG_LIMIT_EVENTS; i++) {
        snprintf(name, sizeof name, "event%u", i);
        EXPECT_INT(pass(&limit, name, 1, 0), 1);
    }
    EXPECT_INT(pass(&limit, "one more", 50, 1), 50);
    EXPECT_INT(pass(&limit, "one more", 50, WINDOW), LOG_LIMIT_BURST);
}

TEST(a_long_name_is_known_by_its_beginning)
{
    struct log_limit limit = {0};
    char name[LOG_LIMIT_NAME_MAX + 20];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    EXPECT_INT(pass(&limit, name, 50, 1), LOG_LIMIT_BURST);
}

TEST_MAIN()
