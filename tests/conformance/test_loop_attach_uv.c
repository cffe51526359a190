/* tests/conformance/test_loop_attach_uv.c: loop_attach_uv.c passes the loop suite: guests on libuv loops that this file
 * makes and runs, as a program does that has a loop already. */
#include <pthread.h>

#include "core/base/list.h"
#include "core/env/loop_attach_uv.h"
#include "tests/conformance/loop_suite.h"
#include "tests/lib/test.h"

struct host {
    uv_loop_t uv;
    struct loop *guest;
};

struct attach_world {
    struct loop_world world;
    struct host main, other;
    bool stopped;
    struct message end;
    uv_timer_t limit;
};

static void *run_other(void *user)
{
    uv_run(&((struct attach_world *)user)->other.uv, UV_RUN_DEFAULT);
    return NULL;
}

static void end_other(struct message *message)
{
    uv_stop(&LIST_ITEM(message, struct attach_world, end)->other.uv);
}

static void too_long(uv_timer_t *limit)
{
    uv_stop(limit->loop);
}

static bool run(struct loop_world *world, uint64_t limit_ms)
{
    struct attach_world *w = (struct attach_world *)world;
    pthread_t thread;
    w->stopped = false;
    w->end.deliver = end_other;
    uv_timer_init(&w->main.uv, &w->limit);
    uv_timer_start(&w->limit, too_long, limit_ms, 0);
    REQUIRE(pthread_create(&thread, NULL, run_other, w) == 0);
    uv_run(&w->main.uv, UV_RUN_DEFAULT);
    loop_post(world->other, &w->end);
    pthread_join(thread, NULL);
    uv_close((uv_handle_t *)&w->limit, NULL);
    return w->stopped;
}

static void stop(struct loop_world *world)
{
    struct attach_world *w = (struct attach_world *)world;
    w->stopped = true;
    uv_stop(&w->main.uv);
}

static void host_open(struct host *host)
{
    REQUIRE(uv_loop_init(&host->uv) == 0);
    host->guest = loop_attach(&host->uv, clock_os());
    REQUIRE(host->guest != NULL);
}

static void detached(void *user)
{
    ((struct host *)user)->guest = NULL;
}

/* Nothing of the guest is left: the loop has no handle more, and can be closed. */
static void host_close(struct host *host)
{
    loop_detach(host->guest, detached, host);
    EXPECT_INT(uv_run(&host->uv, UV_RUN_DEFAULT), 0);
    EXPECT(host->guest == NULL);
    EXPECT_INT(uv_loop_close(&host->uv), 0);
}

static void with_world(void (*scene)(struct loop_world *world))
{
    struct attach_world w = {.world = {.clock = clock_os(), .work = work_uv(), .run = run, .stop = stop}};
    host_open(&w.main);
    host_open(&w.other);
    w.world.main = w.main.guest;
    w.world.other = w.other.guest;
    scene(&w.world);
    loop_own(w.main.guest, NULL, NULL, NULL); /* what the scene's owner was is gone */
    loop_own(w.other.guest, NULL, NULL, NULL);
    host_close(&w.main);
    host_close(&w.other);
}

static bool detach_now(void *user)
{
    struct host *host = user;
    loop_detach(host->guest, detached, host);
    return true; /* even so the loop ends */
}

TEST(a_guest_may_leave_at_the_end_of_a_turn)
{
    struct host host;
    host_open(&host);
    loop_own(host.guest, &host, NULL, detach_now);
    EXPECT_INT(uv_run(&host.uv, UV_RUN_DEFAULT), 0);
    EXPECT(host.guest == NULL);
    EXPECT_INT(uv_loop_close(&host.uv), 0);
}

TEST(two_guests_share_a_loop)
{
    struct host host;
    host_open(&host);
    struct loop *second = loop_attach(&host.uv, clock_os());
    struct host second_host = {.guest = second};
    REQUIRE(second != NULL && second != host.guest);
    loop_own(host.guest, &host, NULL, detach_now);
    loop_own(second, &second_host, NULL, detach_now);
    EXPECT_INT(uv_run(&host.uv, UV_RUN_DEFAULT), 0);
    EXPECT(host.guest == NULL && second_host.guest == NULL);
    EXPECT_INT(uv_loop_close(&host.uv), 0);
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
