/* tests/conformance/test_loop_uv.c: loop_uv.c and work_uv.c pass the loop suite; `other` runs on its own thread. */
#include <pthread.h>

#include "core/base/list.h"
#include "core/env/loop_uv.h"
#include "tests/conformance/loop_suite.h"
#include "tests/lib/test.h"

struct uv_world {
    struct loop_world world;
    struct loop_uv *main, *other;
    bool stopped;
    struct message end;
};

static void *run_other(void *user)
{
    loop_uv_run(((struct uv_world *)user)->other);
    return NULL;
}

static void end_other(struct message *message)
{
    loop_uv_stop(LIST_ITEM(message, struct uv_world, end)->other);
}

static void too_long(uv_timer_t *limit)
{
    loop_uv_stop(((struct uv_world *)limit->data)->main);
}

static bool run(struct loop_world *world, uint64_t limit_ms)
{
    struct uv_world *w = (struct uv_world *)world;
    pthread_t thread;
    uv_timer_t limit = {.data = w};
    w->stopped = false;
    w->end.deliver = end_other;
    uv_timer_init(loop_uv_raw(w->main), &limit);
    uv_timer_start(&limit, too_long, limit_ms, 0);
    REQUIRE(pthread_create(&thread, NULL, run_other, w) == 0);
    loop_uv_run(w->main);
    loop_post(world->other, &w->end);
    pthread_join(thread, NULL);
    uv_close((uv_handle_t *)&limit, NULL);
    uv_run(loop_uv_raw(w->main), UV_RUN_NOWAIT); /* forgets the handle, which is of this function's stack */
    return w->stopped;
}

static void stop(struct loop_world *world)
{
    struct uv_world *w = (struct uv_world *)world;
    w->stopped = true;
    loop_uv_stop(w->main);
}

static void with_world(void (*scene)(struct loop_world *world))
{
    struct uv_world w = {.world = {.clock = clock_os(), .work = work_uv(), .run = run, .stop = stop}};
    w.main = loop_uv_new(clock_os());
    w.other = loop_uv_new(clock_os());
    REQUIRE(w.main != NULL && w.other != NULL);
    w.world.main = loop_uv_loop(w.main);
    w.world.other = loop_uv_loop(w.other);
    scene(&w.world);
    loop_uv_free(w.main);
    loop_uv_free(w.other);
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
