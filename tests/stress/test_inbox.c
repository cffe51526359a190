/* tests/stress/test_inbox.c: the inbox under real threads: nothing lost or doubled, each producer's order kept, and the
 * wake: a consumer that sleeps until a push said "it was empty" never sleeps over a message, nor one that says when it
 * is awake. TSan sees the rest. */
#include "core/env/inbox.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

#define PRODUCERS 4
#define EACH 100000

struct parcel {
    struct message message;
    struct scene *scene;
    int producer, number;
    uint64_t payload; /* plain memory: only the inbox orders it */
};

struct scene {
    struct inbox inbox;
    sem_t wake;
    bool freeing;
    int next[PRODUCERS];
    int delivered;
};

struct producer {
    pthread_t thread;
    struct scene *scene;
    int id;
    int wakes;
    struct parcel *parcels; /* NULL: each is allocated, and freed by the consumer */
};

static uint64_t payload_of(int producer, int number)
{
    return (uint64_t)producer * 1000003 + (uint64_t)number * 7919;
}

static void deliver(struct message *message)
{
    struct parcel *parcel = (struct parcel *)message;
    struct scene *scene = parcel->scene;
    EXPECT_INT(parcel->number, scene->next[parcel->producer]);
    EXPECT(parcel->payload == payload_of(parcel->producer, parcel->number));
    scene->next[parcel->producer] = parcel->number + 1;
    scene->delivered++;
    if (scene->freeing) {
        free(parcel);
    }
}

static void *produce(void *user)
{
    struct producer *producer = user;
    struct rng rng;
    rng_seed(&rng, (uint64_t)producer->id);
    for (int i = 0; i < EACH; i++) {
        struct parcel *parcel = producer->parcels != NULL ? &producer->parcels[i] : malloc(sizeof *parcel);
        *parcel = (struct parcel){{NULL, deliver}, producer->scene, producer->id, i, payload_of(producer->id, i)};
        if (inbox_push(&producer->scene->inbox, &parcel->message)) {
            producer->wakes++;
            sem_post(&producer->scene->wake);
        }
        if (rng_below(&rng, 64) == 0) {
            sched_yield(); /* so that the inbox is often empty, and the wake counts */
        }
    }
    return NULL;
}

/* Sleeps until it is woken; false when that takes so long that a wake must have been lost. */
static bool sleep_until_woken(sem_t *wake)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 30;
    return sem_timedwait(wake, &limit) == 0;
}

/* As a loop does: looks about while awake, and sleeps only when that was agreed. Returns how often it slept. */
static int consume_awake(struct scene *scene)
{
    int sleeps = 0;
    while (scene->delivered < PRODUCERS * EACH) {
        inbox_awake(&scene->inbox);
        while (inbox_deliver(&scene->inbox) > 0) {
        }
        if (scene->delivered < PRODUCERS * EACH && inbox_asleep(&scene->inbox)) {
            sleeps++;
            REQUIRE(sleep_until_woken(&scene->wake));
        }
    }
    return sleeps;
}

static int consume_asleep(struct scene *scene)
{
    int batches = 0;
    while (scene->delivered < PRODUCERS * EACH) {
        REQUIRE(sleep_until_woken(&scene->wake));
        batches += inbox_deliver(&scene->inbox) > 0;
    }
    return batches;
}

static void stress(bool freeing, int (*consume)(struct scene *scene))
{
    static struct scene scene;
    struct producer producers[PRODUCERS] = {{.id = 0}};
    int wakes = 0;
    scene = (struct scene){.freeing = freeing};
    inbox_init(&scene.inbox);
    REQUIRE(sem_init(&scene.wake, 0, 0) == 0);
    for (int i = 0; i < PRODUCERS; i++) {
        struct parcel *parcels = freeing ? NULL : calloc(EACH, sizeof *parcels);
        producers[i] = (struct producer){.scene = &scene, .id = i, .parcels = parcels};
        REQUIRE(pthread_create(&producers[i].thread, NULL, produce, &producers[i]) == 0);
    }
    int sleeps = consume(&scene);
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        wakes += producers[i].wakes;
        EXPECT_INT(scene.next[i], EACH);
        free(producers[i].parcels);
    }
    EXPECT_INT(inbox_deliver(&scene.inbox), 0);
    EXPECT_INT(scene.delivered, PRODUCERS * EACH);
    EXPECT_INT(sleeps, wakes); /* every sleep was ended by exactly one push that found the inbox empty */
    sem_destroy(&scene.wake);
}

TEST(four_producers_one_consumer)
{
    stress(false, consume_asleep);
}

/* The consumer frees what a producer still touches, if the inbox lets it. */
TEST(the_consumer_frees)
{
    stress(true, consume_asleep);
}

TEST(a_consumer_that_says_when_it_is_awake)
{
    stress(true, consume_awake);
}

TEST_MAIN()
