/* tests/unit/core/base/test_timerwheel.c: the wheel against a plain array of what must fire when. */
#include "core/base/timerwheel.h"

#include <stdlib.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

#define MS 1000000ull

struct probe {
    struct timer timer;
    struct timerwheel *wheel;
    uint64_t at_ns;
    int id, fired;
};

static int fired_order[4096], fired_count;

static void note(struct timer *timer)
{
    struct probe *probe = (struct probe *)timer;
    probe->fired++;
    fired_order[fired_count++ % 4096] = probe->id;
}

static void set(struct timerwheel *wheel, struct probe *probe, uint64_t at_ns)
{
    probe->wheel = wheel;
    probe->at_ns = at_ns;
    timer_set(wheel, &probe->timer, at_ns);
}

TEST(never_early_and_at_most_a_millisecond_late)
{
    /* clang-format off */
    static const uint64_t delays[] = {1, MS - 1, MS, MS + 1, 63 * MS, 64 * MS, 65 * MS, 4095 * MS, 4096 * MS,
                                      4097 * MS, 262143 * MS, 262144 * MS, 3600000 * MS, 86400000 * MS,
                                      1ull << 50, 1ull << 56, 1ull << 60};
    static const uint64_t starts[] = {0, 1, MS - 1, 63 * MS, 64 * MS - 1, 4095 * MS + 7, 123456789123456789ull,
                                      ((1ull << 36) - 5) * MS}; /* the last: where six levels of 64 come round */
    /* clang-format on */
    for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
        for (size_t d = 0; d < sizeof delays / sizeof *delays; d++) {
            struct timerwheel wheel;
            struct probe probe = {.fired = 0};
            uint64_t at = starts[s] + delays[d], late = (at / MS + (at % MS != 0)) * MS;
            timerwheel_init(&wheel, starts[s]);
            timer_init(&probe.timer, note);
            set(&wheel, &probe, at);
            timerwheel_advance(&wheel, at - 1);
            EXPECT_INT(probe.fired, 0);
            EXPECT(timerwheel_next_ns(&wheel) <= late);
            timerwheel_advance(&wheel, late);
            EXPECT_INT(probe.fired, 1);
            EXPECT(!timer_is_set(&probe.timer));
            EXPECT(timerwheel_next_ns(&wheel) == UINT64_MAX);
        }
    }
}

/* Sleeping exactly until next_ns, again and again, is enough; and takes few wake-ups. */
TEST(next_ns_leads_to_every_timer)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int round = 0; round < 3000; round++) {
        struct timerwheel wheel;
        struct probe probe = {.fired = 0};
        uint64_t now = rng_next(&rng) >> (8 + rng_below(&rng, 40)),
                 at = now + (rng_next(&rng) >> (8 + rng_below(&rng, 40)));
        timerwheel_init(&wheel, now);
        timer_init(&probe.timer, note);
        set(&wheel, &probe, at);
        int wakes = 0;
        while (probe.fired == 0 && wakes++ < 20) {
            uint64_t next = timerwheel_next_ns(&wheel);
            REQUIRE(next > now && next < at + 2 * MS);
            now = next;
            timerwheel_advance(&wheel, now);
            REQUIRE(probe.fired == 0 || now >= at);
        }
        EXPECT(probe.fired == 1 && wakes <= TIMERWHEEL_LEVELS);
    }
}

TEST(a_past_time_fires_at_the_next_millisecond)
{
    struct timerwheel wheel;
    struct probe probe = {.fired = 0};
    timerwheel_init(&wheel, 1000 * MS);
    timer_init(&probe.timer, note);
    set(&wheel, &probe, 5 * MS);
    EXPECT(timerwheel_next_ns(&wheel) == 1001 * MS);
    timerwheel_advance(&wheel, 1000 * MS + 999999);
    EXPECT_INT(probe.fired, 0);
    timerwheel_advance(&wheel, 1001 * MS);
    EXPECT_INT(probe.fired, 1);
}

TEST(time_that_goes_back_is_ignored)
{
    struct timerwheel wheel;
    struct probe probe = {.fired = 0};
    timerwheel_init(&wheel, 1000 * MS);
    timer_init(&probe.timer, note);
    set(&wheel, &probe, 1010 * MS);
    timerwheel_advance(&wheel, 1005 * MS);
    timerwheel_advance(&wheel, 1 * MS);
    EXPECT_INT(probe.fired, 0);
    timerwheel_advance(&wheel, 1010 * MS);
    EXPECT_INT(probe.fired, 1);
}

/* Set from near and far, before and after the wheel turned: equal times keep their order, across every level. */
TEST(equal_times_fire_in_the_order_set)
{
    static const uint64_t ats[] = {64, 65, 4096, 4097, 100000, 262144, 262145, 16777216};
    for (size_t i = 0; i < sizeof ats / sizeof *ats; i++) {
        struct timerwheel wheel;
        struct probe probes[60];
        uint64_t ahead = ats[i];
        timerwheel_init(&wheel, 0);
        fired_count = 0;
        for (int n = 0; n < 60; n++) {
            timerwheel_advance(&wheel, (ats[i] - ahead) * MS);
            ahead = n % 2 == 1 && ahead > 1 ? ahead / 2 : ahead; /* two from each distance, ever nearer */
            probes[n] = (struct probe){.id = n};
            timer_init(&probes[n].timer, note);
            set(&wheel, &probes[n], ats[i] * MS);
        }
        timerwheel_advance(&wheel, ats[i] * MS);
        EXPECT_INT(fired_count, 60);
        for (int k = 0; k < 60; k++) {
            EXPECT_INT(fired_order[k], k);
        }
    }
}

TEST(set_again_replaces_and_cancel_forgets)
{
    struct timerwheel wheel;
    struct probe probe = {.fired = 0};
    timerwheel_init(&wheel, 0);
    timer_init(&probe.timer, note);
    timer_cancel(&wheel, &probe.timer); /* not set: nothing happens */
    set(&wheel, &probe, 10 * MS);
    set(&wheel, &probe, 20 * MS);
    EXPECT_INT(wheel.count, 1);
    timerwheel_advance(&wheel, 15 * MS);
    EXPECT_INT(probe.fired, 0);
    timer_cancel(&wheel, &probe.timer);
    EXPECT_INT(wheel.count, 0);
    EXPECT(timerwheel_next_ns(&wheel) == UINT64_MAX);
    timerwheel_advance(&wheel, 100 * MS);
    EXPECT_INT(probe.fired, 0);
}

/* A deadline that is met is cancelled: that must leave no reason to wake up. */
TEST(cancelled_timers_wake_nobody)
{
    struct timerwheel wheel;
    struct probe near = {.fired = 0}, far = {.fired = 0};
    timerwheel_init(&wheel, 7 * MS);
    timer_init(&near.timer, note);
    timer_init(&far.timer, note);
    set(&wheel, &far, 30000 * MS);
    uint64_t without = timerwheel_next_ns(&wheel);
    set(&wheel, &near, 9 * MS);
    EXPECT(timerwheel_next_ns(&wheel) == 9 * MS);
    timer_cancel(&wheel, &near.timer);
    EXPECT(timerwheel_next_ns(&wheel) == without);
}

static void set_again(struct timer *timer)
{
    struct probe *probe = (struct probe *)timer;
    if (++probe->fired < 5) {
        set(probe->wheel, probe, probe->at_ns); /* for "now", which is past */
    }
}

TEST(a_timer_may_set_itself_while_it_fires)
{
    struct timerwheel wheel;
    struct probe probe = {.fired = 0};
    timerwheel_init(&wheel, 0);
    timer_init(&probe.timer, set_again);
    set(&wheel, &probe, 10 * MS);
    timerwheel_advance(&wheel, 10 * MS);
    EXPECT_INT(probe.fired, 1); /* the loop is not held */
    timerwheel_advance(&wheel, 100 * MS);
    EXPECT_INT(probe.fired, 5);
}

static struct probe *victim;

static void cancel_victim(struct timer *timer)
{
    struct probe *probe = (struct probe *)timer;
    probe->fired++;
    timer_cancel(probe->wheel, &victim->timer);
}

/* Both are due at once, so the second is already taken out of its slot when the first fires. */
TEST(a_timer_may_cancel_another_that_is_due)
{
    struct timerwheel wheel;
    struct probe first = {.fired = 0}, second = {.fired = 0}, third = {.fired = 0};
    timerwheel_init(&wheel, 0);
    timer_init(&first.timer, cancel_victim);
    timer_init(&second.timer, note);
    timer_init(&third.timer, note);
    victim = &second;
    set(&wheel, &first, 10 * MS);
    set(&wheel, &second, 10 * MS);
    set(&wheel, &third, 10 * MS);
    timerwheel_advance(&wheel, 10 * MS);
    EXPECT(first.fired == 1 && second.fired == 0 && third.fired == 1);
    EXPECT_INT(wheel.count, 0);
}

static void free_itself(struct timer *timer)
{
    fired_count++;
    free(timer);
}

TEST(a_timer_may_be_freed_while_it_fires)
{
    struct timerwheel wheel;
    timerwheel_init(&wheel, 0);
    fired_count = 0;
    for (int i = 0; i < 10; i++) {
        struct timer *timer = malloc(sizeof *timer);
        timer_init(timer, free_itself);
        timer_set(&wheel, timer, 10 * MS);
    }
    timerwheel_advance(&wheel, 64 * MS);
    EXPECT_INT(fired_count, 10);
}

/* The model: an array. Random sets, cancels and leaps of time. */
TEST(random_use_agrees_with_an_array)
{
    enum { N = 300 };
    static struct probe probes[N];
    static bool armed[N];
    struct timerwheel wheel;
    struct rng rng;
    uint64_t now = 12345678901ull;
    rng_seed(&rng, test_seed());
    timerwheel_init(&wheel, now);
    for (int i = 0; i < N; i++) {
        probes[i].id = i;
        timer_init(&probes[i].timer, note);
    }
    for (int step = 0; step < 100000; step++) {
        int i = (int)rng_below(&rng, N);
        if (rng_chance(&rng, 50)) {
            set(&wheel, &probes[i], now + (rng_next(&rng) >> (14 + rng_below(&rng, 40))));
            armed[i] = true;
        } else if (rng_chance(&rng, 50)) {
            timer_cancel(&wheel, &probes[i].timer);
            armed[i] = false;
        } else {
            uint64_t before = now, last_at = 0;
            now = rng_chance(&rng, 50) ? timerwheel_next_ns(&wheel)
                                       : now + (rng_next(&rng) >> (24 + rng_below(&rng, 30)));
            now = now == UINT64_MAX ? before : now;
            fired_count = 0;
            timerwheel_advance(&wheel, now);
            for (int k = 0; k < fired_count; k++) { /* in the order of their milliseconds */
                uint64_t at = (probes[fired_order[k]].at_ns + MS - 1) / MS;
                at = at > before / MS ? at : before / MS + 1;
                REQUIRE(at >= last_at && armed[fired_order[k]]);
                last_at = at;
                armed[fired_order[k]] = false;
            }
            uint64_t waiting = 0;
            for (int k = 0; k < N; k++) {
                bool due = (probes[k].at_ns + MS - 1) / MS <= now / MS && now / MS > before / MS;
                REQUIRE(!armed[k] || !due);
                REQUIRE(armed[k] == (timer_is_set(&probes[k].timer) != 0));
                waiting += armed[k];
            }
            REQUIRE(wheel.count == waiting);
        }
    }
}

TEST_MAIN()
