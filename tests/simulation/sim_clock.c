/* tests/simulation/sim_clock.c: clocks that are wrong within what replication.md section 0 allows. */
#include "tests/simulation/sim_clock.h"

#define MILLION 1000000
#define WALL_MS_2026 1767225600000ll

/* Shown = zero + true * rate; whole milliseconds first, so that no product overflows. */
static uint64_t elapsed(const struct sim_clock *clock, uint64_t true_ns)
{
    uint64_t rate = (uint64_t)(MILLION + clock->drift_ppm);
    return true_ns / MILLION * rate + true_ns % MILLION * rate / MILLION;
}

uint64_t sim_clock_now_ns(const struct sim_clock *clock)
{
    return clock->zero_ns + elapsed(clock, clock->sim->now_ns);
}

uint64_t sim_clock_true_ns(const struct sim_clock *clock, uint64_t at_ns)
{
    if (at_ns <= sim_clock_now_ns(clock)) {
        return clock->sim->now_ns;
    }
    uint64_t shown = at_ns - clock->zero_ns, rate = (uint64_t)(MILLION + clock->drift_ppm);
    uint64_t true_ns = shown / rate * MILLION + shown % rate * MILLION / rate;
    while (elapsed(clock, true_ns) < shown) {
        true_ns++; /* both divisions rounded down */
    }
    return true_ns;
}

static uint64_t now_ns(struct clock *clock)
{
    return sim_clock_now_ns((struct sim_clock *)clock);
}

static int64_t wall_ms(struct clock *clock)
{
    struct sim_clock *own = (struct sim_clock *)clock;
    return WALL_MS_2026 + own->wall_offset_ms + (int64_t)(elapsed(own, own->sim->now_ns) / NS_PER_MS);
}

void sim_clock_init(struct sim_clock *clock, struct sim *sim)
{
    *clock = (struct sim_clock){.clock = {now_ns, wall_ms, now_ns}, .sim = sim};
    clock->drift_ppm = (int64_t)sim_draw(sim, 2 * SIM_CLOCK_DRIFT_PPM_MAX + 1) - SIM_CLOCK_DRIFT_PPM_MAX;
    clock->zero_ns = sim_draw(sim, 100) * 3600 * NS_PER_S + sim_draw(sim, NS_PER_S);
    clock->wall_offset_ms = (int64_t)sim_draw(sim, 2000) - 1000;
}

void sim_clock_reboot(struct sim_clock *clock)
{
    uint64_t gone = elapsed(clock, clock->sim->now_ns);
    uint64_t shows = NS_PER_S + sim_draw(clock->sim, 60 * NS_PER_S);
    clock->zero_ns = shows - gone; /* modulo 2^64: the sum comes out right */
}

void sim_clock_jump(struct sim_clock *clock)
{
    int64_t hour_ms = 3600 * 1000;
    clock->wall_offset_ms += (int64_t)sim_draw(clock->sim, (uint64_t)hour_ms * 2) - hour_ms;
}
