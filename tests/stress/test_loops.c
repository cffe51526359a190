/* tests/stress/test_loops.c: four libuv loops, a thread each, that post to one another, set timers and run jobs on the
 * pool, all at once. What belongs to a loop is plain memory, so TSan sees any touch from elsewhere. */
#include <pthread.h>
#include <stdlib.h>

#include "core/base/list.h"
#include "core/base/rng.h"
#include "core/env/loop_uv.h"
#include "core/env/work.h"
#include "tests/lib/test.h"

#define LOOPS 4
#define TOKENS 64 /* that wander from loop to loop */
#define HOPS 2000 /* each */
#define JOB_EVERY 50

struct place {
    struct loop_uv *loop;
    pthread_t thread;
    struct rng rng;
    uint64_t hops, jobs, ticks, turns; /* its own thread's alone */
    struct message stop;
};

struct token {
    struct message message;
    struct job job;
    struct place *at;
    int hops;
    uint64_t computed; /* by the last job */
};

static struct place places[LOOPS];
static struct token tokens[TOKENS];
static int finished; /* place 0's */

static void stop(struct message *message)
{
    loop_uv_stop(LIST_ITEM(message, struct place, stop)->loop);
}

static void finish(struct message *message) /* on place 0 */
{
    if (++finished == TOKENS) {
        for (int i = 0; i < LOOPS; i++) {
            places[i].stop.deliver = stop;
            loop_post(loop_uv_loop(places[i].loop), &places[i].stop);
        }
    }
}

static void arrive(struct message *message);

static void hop(struct token *token)
{
    struct place *next = &places[rng_below(&token->at->rng, LOOPS)];
    token->message.deliver = arrive;
    if (token->hops == HOPS) {
        token->message.deliver = finish;
        next = &places[0];
    }
    token->at = next;
    loop_post(loop_uv_loop(next->loop), &token->message);
}

static void compute(struct job *job) /* on the pool */
{
    struct token *token = LIST_ITEM(job, struct token, job);
    token->computed = (uint64_t)token->hops * 3;
}

static void computed(struct job *job)
{
    struct token *token = LIST_ITEM(job, struct token, job);
    EXPECT(token->computed == (uint64_t)token->hops * 3);
    EXPECT(pthread_equal(pthread_self(), token->at->thread));
    token->at->jobs++;
    hop(token);
}

static void arrive(struct message *message)
{
    struct token *token = LIST_ITEM(message, struct token, message);
    token->hops++;
    token->at->hops++;
    if (token->hops % JOB_EVERY == 0) {
        token->job = (struct job){.run = compute, .done = computed};
        work_submit(work_uv(), loop_uv_loop(token->at->loop), &token->job);
    } else {
        hop(token);
    }
}

static void tick(void *user)
{
    struct place *place = user;
    struct loop *loop = loop_uv_loop(place->loop);
    place->ticks++;
    loop_set_timer(loop, loop_now_ns(loop) + 1 + rng_below(&place->rng, 3 * NS_PER_MS));
}

static bool before_sleep(void *user)
{
    struct place *place = user;
    place->turns++;
    return rng_below(&place->rng, 16) == 0;
}

static void *run(void *user)
{
    struct place *place = user;
    place->thread = pthread_self();
    tick(place);
    loop_uv_run(place->loop);
    return NULL;
}

TEST(tokens_wander_over_four_loops)
{
    pthread_t threads[LOOPS];
    uint64_t hops = 0, jobs = 0;
    for (int i = 0; i < LOOPS; i++) {
        places[i].loop = loop_uv_new(clock_os());
        REQUIRE(places[i].loop != NULL);
        rng_seed(&places[i].rng, test_seed() + (uint64_t)i);
        loop_own(loop_uv_loop(places[i].loop), &places[i], tick, before_sleep);
    }
    for (int i = 0; i < TOKENS; i++) {
        tokens[i].message.deliver = arrive;
        tokens[i].at = &places[i % LOOPS];
        loop_post(loop_uv_loop(tokens[i].at->loop), &tokens[i].message);
    }
    for (int i = 0; i < LOOPS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run, &places[i]) == 0);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < LOOPS; i++) {
        hops += places[i].hops;
        jobs += places[i].jobs;
        EXPECT(places[i].hops > 0 && places[i].turns > 0 && places[i].ticks > 0);
        loop_uv_free(places[i].loop);
    }
    EXPECT_INT(finished, TOKENS);
    EXPECT_INT(hops, TOKENS * HOPS);
    EXPECT_INT(jobs, TOKENS * HOPS / JOB_EVERY);
}

TEST_MAIN()
