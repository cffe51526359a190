/* tests/conformance/test_loop_sim.c: the simulator's loops and jobs pass the loop suite, each case under many seeds. */
#include "tests/conformance/loop_suite.h"
#include "tests/lib/test.h"
#include "tests/simulation/sim_loop.h"
#include "tests/simulation/sim_work.h"

#define SEEDS 50

struct sim_world {
    struct loop_world world;
    struct sim sim;
    struct sim_clock clock;
    struct sim_loop main, other;
    struct sim_work work;
    bool stopped;
};

static bool run(struct loop_world *world, uint64_t limit_ms)
{
    struct sim_world *w = (struct sim_world *)world;
    uint64_t end_ns = w->sim.now_ns + limit_ms * NS_PER_MS;
    w->stopped = false;
    sim_loop_run(&w->main);
    sim_loop_run(&w->other);
    while (!w->stopped && w->sim.now_ns < end_ns && sim_step(&w->sim)) {
    }
    return w->stopped;
}

static void stop(struct loop_world *world)
{
    ((struct sim_world *)world)->stopped = true;
}

static void with_seed(void (*scene)(struct loop_world *world), uint64_t seed)
{
    static struct sim_world w;
    w = (struct sim_world){.stopped = false};
    sim_init(&w.sim, seed, NULL);
    sim_clock_init(&w.clock, &w.sim);
    sim_loop_init(&w.main, &w.sim, &w.clock, 1);
    sim_loop_init(&w.other, &w.sim, &w.clock, 2);
    sim_work_init(&w.work, &w.sim, 1);
    w.main.postpone_percent = w.other.postpone_percent = (unsigned)(seed % 4 * 15);
    w.world = (struct loop_world){.main = &w.main.loop,
                                  .other = &w.other.loop,
                                  .clock = &w.clock.clock,
                                  .work = &w.work.work,
                                  .run = run,
                                  .stop = stop};
    scene(&w.world);
    EXPECT_STR(w.sim.failed ? w.sim.why : "", "");
    sim_work_drop(&w.work);
    sim_loop_stop(&w.main);
    sim_loop_stop(&w.other);
    sim_release(&w.sim);
}

static void with_world(void (*scene)(struct loop_world *world))
{
    for (uint64_t i = 0; i < SEEDS; i++) {
        with_seed(scene, test_seed() + i);
    }
}

/* clang-format off */
TEST(posted_before) { with_world(loop_suite_posted_before); }
TEST(order) { with_world(loop_suite_order); }
TEST(at_home) { with_world(loop_suite_at_home); }
TEST(wakes) { with_world(loop_suite_wakes); }
TEST(freed) { with_world(loop_suite_freed); }
TEST(flush) { with_world(loop_suite_flush); }
TEST(busy) { with_world(loop_suite_busy); }
TEST(busy_is_fair) { with_world(loop_suite_busy_is_fair); }
TEST(post_at_the_end) { with_world(loop_suite_post_at_the_end); }
TEST(timer_exact) { with_world(loop_suite_timer_exact); }
TEST(timer_never) { with_world(loop_suite_timer_never); }
TEST(timer_moves) { with_world(loop_suite_timer_moves); }
TEST(timer_past) { with_world(loop_suite_timer_past); }
TEST(timer_each_turn) { with_world(loop_suite_timer_each_turn); }
TEST(now_stands) { with_world(loop_suite_now_stands); }
TEST(now_moves) { with_world(loop_suite_now_moves); }
TEST(now_after_sleep) { with_world(loop_suite_now_after_sleep); }
TEST(jobs) { with_world(loop_suite_jobs); }
TEST(jobs_follow) { with_world(loop_suite_jobs_follow); }
/* clang-format on */

TEST_MAIN()
