/* tests/unit/core/env/test_loop_uv.c: how a libuv loop begins and ends; the loop suite (tests/conformance) has the
 * rest. */
#include "core/env/loop_uv.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/list.h"
#include "core/env/work.h"
#include "tests/lib/test.h"

struct scene {
    struct loop_uv *loop;
    int delivered, turns, turns_when_last_delivered;
    struct message stop, last, very_last;
    struct job job;
    bool ran, done;
};

static void deliver_very_last(struct message *message)
{
    struct scene *scene = LIST_ITEM(message, struct scene, very_last);
    scene->delivered++;
}

static void deliver_last(struct message *message)
{
    struct scene *scene = LIST_ITEM(message, struct scene, last);
    scene->delivered++;
    scene->turns_when_last_delivered = scene->turns;
}

/* The loop ends with this turn, and more is still to come. */
static void deliver_stop(struct message *message)
{
    struct scene *scene = LIST_ITEM(message, struct scene, stop);
    loop_uv_stop(scene->loop);
    loop_post(loop_uv_loop(scene->loop), &scene->last);
}

static bool count_turn(void *user)
{
    struct scene *scene = user;
    if (++scene->turns == scene->turns_when_last_delivered + 1 && scene->delivered == 1) {
        loop_post(loop_uv_loop(scene->loop), &scene->very_last);
    }
    return false;
}

static void nothing(void *user) {}

static struct scene *scene_new(void)
{
    struct scene *scene = calloc(1, sizeof *scene);
    scene->loop = loop_uv_new(clock_os());
    REQUIRE(scene->loop != NULL);
    scene->stop.deliver = deliver_stop;
    scene->last.deliver = deliver_last;
    scene->very_last.deliver = deliver_very_last;
    loop_own(loop_uv_loop(scene->loop), scene, nothing, count_turn);
    return scene;
}

static void scene_free(struct scene *scene)
{
    loop_uv_free(scene->loop);
    free(scene);
}

TEST(names_of_one_loop)
{
    struct scene *scene = scene_new();
    EXPECT(loop_uv_of(loop_uv_loop(scene->loop)) == loop_uv_raw(scene->loop));
    scene_free(scene);
}

/* What is posted while a loop stops is delivered, and what that asked for at the end of the turn is done. */
TEST(the_last_turn_ends_like_every_other)
{
    struct scene *scene = scene_new();
    loop_post(loop_uv_loop(scene->loop), &scene->stop);
    loop_uv_run(scene->loop);
    EXPECT_INT(scene->delivered, 2);
    EXPECT(scene->turns > scene->turns_when_last_delivered);
    scene_free(scene);
}

TEST(it_may_run_again)
{
    struct scene *scene = scene_new();
    for (int i = 1; i <= 3; i++) {
        scene->turns_when_last_delivered = -1;
        scene->delivered = 0;
        loop_post(loop_uv_loop(scene->loop), &scene->stop);
        loop_uv_run(scene->loop);
        EXPECT(scene->delivered >= 1);
    }
    scene_free(scene);
}

static void run_job(struct job *job)
{
    usleep(20000);
    LIST_ITEM(job, struct scene, job)->ran = true;
}

static void job_done(struct job *job)
{
    struct scene *scene = LIST_ITEM(job, struct scene, job);
    EXPECT(scene->ran);
    scene->done = true;
    loop_post(loop_uv_loop(scene->loop), &scene->last);
}

TEST(free_waits_for_jobs_and_delivers_what_they_post)
{
    struct scene *scene = scene_new();
    scene->job = (struct job){.run = run_job, .done = job_done};
    work_submit(work_uv(), loop_uv_loop(scene->loop), &scene->job);
    loop_uv_free(scene->loop);
    EXPECT(scene->done);
    EXPECT_INT(scene->delivered, 1);
    free(scene);
}

static void never(uv_timer_t *timer)
{
    EXPECT(!"this timer was closed before its time");
}

TEST(free_closes_what_others_left)
{
    struct scene *scene = scene_new();
    uv_timer_t timer;
    uv_timer_init(loop_uv_raw(scene->loop), &timer);
    uv_timer_start(&timer, never, 60000, 0);
    scene_free(scene);
    EXPECT(uv_is_closing((uv_handle_t *)&timer));
}

TEST(no_descriptors_means_no_loop)
{
    struct rlimit few;
    scene_free(scene_new()); /* the first loop of a process opens what libuv keeps, and libuv aborts if it cannot */
    REQUIRE(getrlimit(RLIMIT_NOFILE, &few) == 0);
    int open = dup(0); /* the first that is free */
    close(open);
    for (int more = 0; more < 6; more++) { /* however many it needs, one too few is an answer and no crash */
        struct rlimit tight = {(rlim_t)(open + more), few.rlim_max};
        REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
        struct loop_uv *loop = loop_uv_new(clock_os());
        if (loop != NULL) {
            loop_uv_free(loop);
        }
        EXPECT(more > 0 || loop == NULL);
    }
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    struct loop_uv *loop = loop_uv_new(clock_os());
    REQUIRE(loop != NULL);
    loop_uv_free(loop); /* that libuv loses an epoll descriptor with each failure is its own (1.44.2) */
}

TEST_MAIN()
