/* core/env/clock_os.c: the operating system's clocks. */
#include <time.h>

#include "core/env/clock.h"

static uint64_t now_ns(struct clock *clock)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int64_t wall_ms(struct clock *clock)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* No counter is read: the kernel leaves the time of its last tick in memory that every process sees. */
static uint64_t coarse_ns(struct clock *clock)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct clock *clock_os(void)
{
    static struct clock clock = {now_ns, wall_ms, coarse_ns};
    return &clock;
}
