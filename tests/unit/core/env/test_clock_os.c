/* tests/unit/core/env/test_clock_os.c: the system's clocks, against the system. */
#include <time.h>

#include "core/env/clock.h"
#include "tests/lib/test.h"

TEST(monotonic_time_goes_on)
{
    struct clock *clock = clock_os();
    uint64_t last_ns = clock_now_ns(clock), begin_ns = last_ns;
    for (int i = 0; i < 100000; i++) {
        uint64_t now_ns = clock_now_ns(clock);
        REQUIRE(now_ns >= last_ns);
        last_ns = now_ns;
    }
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
    EXPECT(clock_now_ns(clock) >= begin_ns + 20 * NS_PER_MS);
}

TEST(monotonic_time_counts_since_boot)
{
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    uint64_t now_ns = clock_now_ns(clock_os()), boot_ns = (uint64_t)boot.tv_sec * NS_PER_S + (uint64_t)boot.tv_nsec;
    EXPECT(now_ns >= boot_ns && now_ns < boot_ns + 10 * NS_PER_S);
}

TEST(wall_time_is_of_this_century)
{
    int64_t before_ms = (int64_t)time(NULL) * 1000, wall_ms = clock_wall_ms(clock_os());
    EXPECT(wall_ms >= before_ms - 1000 && wall_ms < before_ms + 60000);
}

TEST_MAIN()
