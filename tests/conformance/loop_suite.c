/* tests/conformance/loop_suite.c: the cases of loop_suite.h. What a case counts is touched on main's thread alone,
 * unless it says otherwise. */
#include "tests/conformance/loop_suite.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/list.h"
#include "tests/lib/test.h"

#define LIMIT_MS 20000

static void run(struct loop_world *world)
{
    REQUIRE(world->run(world, LIMIT_MS));
}

static void never_timer(void *user)
{
    EXPECT(!"the timer was not set");
}

static bool sleep_on(void *user)
{
    return false;
}

/* Messages. */

struct letter {
    struct message message;
    struct mail *mail;
    int number;
    bool from_other;
};

struct mail {
    struct loop_world *world;
    struct letter *letters;
    int count, awaited;
    int next_own, next_other;
    struct message begin;
};

static void arrive(struct message *message)
{
    struct letter *letter = LIST_ITEM(message, struct letter, message);
    struct mail *mail = letter->mail;
    int *next = letter->from_other ? &mail->next_other : &mail->next_own;
    EXPECT_INT(letter->number, *next);
    *next = letter->number + 1;
    if (mail->next_own + mail->next_other == mail->awaited) {
        mail->world->stop(mail->world);
    }
}

static struct letter *letters_new(struct mail *mail, int count, bool from_other)
{
    struct letter *letters = calloc((size_t)count, sizeof *letters);
    for (int i = 0; i < count; i++) {
        letters[i] = (struct letter){.message.deliver = arrive, .mail = mail, .number = i, .from_other = from_other};
    }
    return letters;
}

void loop_suite_posted_before(struct loop_world *world)
{
    struct mail mail = {.world = world, .awaited = 100};
    struct letter *letters = letters_new(&mail, 100, false);
    loop_own(world->main, NULL, never_timer, sleep_on);
    for (int i = 0; i < 100; i++) {
        loop_post(world->main, &letters[i].message);
    }
    run(world);
    EXPECT_INT(mail.next_own, 100);
    free(letters);
}

static void send_all(struct message *begin) /* on the other loop */
{
    struct mail *mail = LIST_ITEM(begin, struct mail, begin);
    for (int i = 0; i < mail->count; i++) {
        loop_post(mail->world->main, &mail->letters[i].message);
    }
}

void loop_suite_order(struct loop_world *world)
{
    enum { N = 20000 };
    struct mail mail = {.world = world, .count = N, .awaited = 2 * N, .begin.deliver = send_all};
    struct letter *own = letters_new(&mail, N, false);
    mail.letters = letters_new(&mail, N, true);
    loop_own(world->main, NULL, never_timer, sleep_on);
    loop_own(world->other, NULL, never_timer, sleep_on);
    loop_post(world->other, &mail.begin);
    for (int i = 0; i < N; i++) {
        loop_post(world->main, &own[i].message);
    }
    run(world);
    EXPECT(mail.next_own == N && mail.next_other == N);
    free(own);
    free(mail.letters);
}

struct home {
    struct loop_world *world;
    pthread_t main_thread, other_thread;
    struct message to_main, to_other, back;
};

static void back_home(struct message *message)
{
    struct home *home = LIST_ITEM(message, struct home, back);
    EXPECT(pthread_equal(pthread_self(), home->main_thread));
    home->world->stop(home->world);
}

static void at_other(struct message *message)
{
    struct home *home = LIST_ITEM(message, struct home, to_other);
    home->other_thread = pthread_self();
    loop_post(home->world->main, &home->back);
}

static void at_main(struct message *message)
{
    struct home *home = LIST_ITEM(message, struct home, to_main);
    home->main_thread = pthread_self();
    loop_post(home->world->other, &home->to_other);
}

void loop_suite_at_home(struct loop_world *world)
{
    struct home home = {
        .world = world, .to_main.deliver = at_main, .to_other.deliver = at_other, .back.deliver = back_home};
    loop_own(world->main, NULL, never_timer, sleep_on);
    loop_own(world->other, NULL, never_timer, sleep_on);
    loop_post(world->main, &home.to_main);
    run(world);
    EXPECT(pthread_equal(home.main_thread, pthread_self())); /* main runs where it is told to */
}

static void post_first(void *user) /* the other loop's timer */
{
    struct mail *mail = user;
    loop_post(mail->world->main, &mail->letters[0].message);
}

static void sleep_a_little(struct message *begin) /* on the other loop */
{
    struct mail *mail = LIST_ITEM(begin, struct mail, begin);
    struct loop *other = mail->world->other;
    loop_set_timer(other, loop_now_ns(other) + 20 * NS_PER_MS);
}

void loop_suite_wakes(struct loop_world *world)
{
    struct mail mail = {.world = world, .awaited = 1, .begin.deliver = sleep_a_little};
    mail.letters = letters_new(&mail, 1, false);
    loop_own(world->main, NULL, never_timer, sleep_on);
    loop_own(world->other, &mail, post_first, sleep_on);
    loop_post(world->other, &mail.begin);
    run(world);
    EXPECT_INT(mail.next_own, 1);
    free(mail.letters);
}

static void arrive_and_free(struct message *message)
{
    struct letter *letter = LIST_ITEM(message, struct letter, message);
    struct mail *mail = letter->mail;
    free(letter);
    if (++mail->next_own == mail->awaited) {
        mail->world->stop(mail->world);
    }
}

void loop_suite_freed(struct loop_world *world)
{
    struct mail mail = {.world = world, .awaited = 1000};
    loop_own(world->main, NULL, never_timer, sleep_on);
    for (int i = 0; i < 1000; i++) {
        struct letter *letter = letters_new(&mail, 1, false);
        letter->message.deliver = arrive_and_free;
        loop_post(world->main, &letter->message);
    }
    run(world);
    EXPECT_INT(mail.next_own, 1000);
}

/* The end of a turn. */

struct scene {
    struct loop_world *world;
    int delivered, flushed, turns, fired, turns_at_fire;
    bool more;
    uint64_t at_ns;
    struct message message, to_other;
};

static void scene_stop(struct scene *scene)
{
    scene->world->stop(scene->world);
}

static bool flush(void *user)
{
    struct scene *scene = user;
    scene->turns++;
    scene->flushed = scene->delivered;
    return false;
}

static void deliver_more(struct message *message)
{
    struct scene *scene = LIST_ITEM(message, struct scene, message);
    scene->delivered++;
    if (scene->delivered < 100) {
        loop_post(scene->world->main, message); /* to itself: the next turn's, or this one's */
    } else {
        loop_set_timer(scene->world->main, loop_now_ns(scene->world->main) + 5 * NS_PER_MS);
    }
}

static void all_flushed(void *user)
{
    struct scene *scene = user;
    EXPECT_INT(scene->flushed, 100);
    scene_stop(scene);
}

void loop_suite_flush(struct loop_world *world)
{
    struct scene scene = {.world = world, .message.deliver = deliver_more};
    loop_own(world->main, &scene, all_flushed, flush);
    loop_post(world->main, &scene.message);
    run(world);
    EXPECT(scene.delivered == 100 && scene.flushed == 100);
}

static bool busy_for_a_while(void *user)
{
    struct scene *scene = user;
    scene->turns++;
    if (scene->turns == 1000) {
        loop_set_timer(scene->world->main, loop_now_ns(scene->world->main) + 20 * NS_PER_MS);
    }
    return scene->turns < 1000;
}

static void note_turns(void *user)
{
    struct scene *scene = user;
    scene->turns_at_fire = scene->turns;
    scene_stop(scene);
}

void loop_suite_busy(struct loop_world *world)
{
    struct scene scene = {.world = world};
    loop_own(world->main, &scene, note_turns, busy_for_a_while);
    run(world);
    EXPECT(scene.turns_at_fire >= 1000);
    EXPECT(scene.turns_at_fire < 1010); /* it slept; a timer may need a look or two at the clock */
}

static bool always_busy(void *user)
{
    ((struct scene *)user)->turns++;
    return true;
}

static void stop_when_fair(struct scene *scene)
{
    if (scene->fired == 1 && scene->delivered == 1) {
        scene_stop(scene);
    }
}

static void note_fired(void *user)
{
    struct scene *scene = user;
    scene->fired++;
    stop_when_fair(scene);
}

static void note_delivered(struct message *message)
{
    struct scene *scene = LIST_ITEM(message, struct scene, message);
    scene->delivered++;
    stop_when_fair(scene);
}

static void post_to_main(void *user) /* the other loop's timer */
{
    struct scene *scene = user;
    loop_post(scene->world->main, &scene->message);
}

void loop_suite_busy_is_fair(struct loop_world *world)
{
    struct scene scene = {.world = world, .message.deliver = note_delivered};
    loop_own(world->main, &scene, note_fired, always_busy);
    loop_own(world->other, &scene, post_to_main, sleep_on);
    loop_set_timer(world->main, clock_now_ns(world->clock) + 10 * NS_PER_MS);
    loop_set_timer(world->other, clock_now_ns(world->clock) + 5 * NS_PER_MS);
    run(world);
    EXPECT(scene.fired == 1 && scene.delivered == 1);
}

static bool post_ten(void *user)
{
    struct scene *scene = user;
    if (scene->turns == scene->delivered && scene->turns < 10) {
        scene->turns++;
        loop_post(scene->world->main, &scene->message);
    }
    return false;
}

static void stop_at_ten(struct message *message)
{
    struct scene *scene = LIST_ITEM(message, struct scene, message);
    if (++scene->delivered == 10) {
        scene_stop(scene);
    }
}

void loop_suite_post_at_the_end(struct loop_world *world)
{
    struct scene scene = {.world = world, .message.deliver = stop_at_ten};
    loop_own(world->main, &scene, never_timer, post_ten);
    run(world);
    EXPECT_INT(scene.delivered, 10);
}

/* The timer. */

static const uint64_t delays_ns[] = {1, 999, 400000, 999999, 1000000, 1000001, 2500000, 7000000, 15999999};
#define DELAYS (int)(sizeof delays_ns / sizeof *delays_ns)

static void arm_next(struct scene *scene)
{
    scene->at_ns = clock_now_ns(scene->world->clock) + delays_ns[scene->fired];
    loop_set_timer(scene->world->main, scene->at_ns);
}

static void fired_in_time(void *user)
{
    struct scene *scene = user;
    EXPECT(clock_now_ns(scene->world->clock) >= scene->at_ns);
    EXPECT(loop_now_ns(scene->world->main) >= scene->at_ns);
    if (++scene->fired < DELAYS) {
        arm_next(scene);
    } else {
        scene_stop(scene);
    }
}

void loop_suite_timer_exact(struct loop_world *world)
{
    struct scene scene = {.world = world};
    loop_own(world->main, &scene, fired_in_time, sleep_on);
    arm_next(&scene);
    run(world);
    EXPECT_INT(scene.fired, DELAYS);
}

/* The other loop's timer, later than main's would have been, ends the case. */
static void stop_main(struct message *message)
{
    scene_stop(LIST_ITEM(message, struct scene, message));
}

void loop_suite_timer_never(struct loop_world *world)
{
    struct scene scene = {.world = world, .message.deliver = stop_main};
    uint64_t now_ns = clock_now_ns(world->clock);
    loop_own(world->main, &scene, never_timer, sleep_on);
    loop_own(world->other, &scene, post_to_main, sleep_on);
    loop_set_timer(world->main, now_ns + 5 * NS_PER_MS);
    loop_set_timer(world->main, LOOP_NEVER);
    loop_set_timer(world->main, LOOP_NEVER);
    loop_set_timer(world->other, now_ns + 20 * NS_PER_MS);
    run(world);
    EXPECT_INT(scene.fired, 0);
}

static void move_timer(struct scene *scene)
{
    struct loop *main = scene->world->main;
    uint64_t now_ns = clock_now_ns(scene->world->clock);
    scene->at_ns = now_ns + 8 * NS_PER_MS;
    if (scene->fired == 0) { /* sooner */
        loop_set_timer(main, now_ns + 3600 * NS_PER_S);
    } else if (scene->fired == 1) { /* later */
        loop_set_timer(main, now_ns + 2 * NS_PER_MS);
    } else { /* there and back */
        loop_set_timer(main, now_ns + 2 * NS_PER_MS);
        loop_set_timer(main, LOOP_NEVER);
        loop_set_timer(main, now_ns + 3600 * NS_PER_S);
    }
    loop_set_timer(main, scene->at_ns);
}

static void moved_fires(void *user)
{
    struct scene *scene = user;
    EXPECT(clock_now_ns(scene->world->clock) >= scene->at_ns);
    if (++scene->fired < 3) {
        move_timer(scene);
    } else {
        scene_stop(scene);
    }
}

void loop_suite_timer_moves(struct loop_world *world)
{
    struct scene scene = {.world = world};
    loop_own(world->main, &scene, moved_fires, sleep_on);
    move_timer(&scene);
    run(world);
    EXPECT_INT(scene.fired, 3);
}

static void past_fires(void *user)
{
    struct scene *scene = user;
    if (++scene->fired < 10) {
        uint64_t now_ns = loop_now_ns(scene->world->main);
        loop_set_timer(scene->world->main, scene->fired < 5 ? 1 : now_ns); /* first the very time that fired before */
    } else {
        scene_stop(scene);
    }
}

void loop_suite_timer_past(struct loop_world *world)
{
    struct scene scene = {.world = world};
    loop_own(world->main, &scene, past_fires, sleep_on);
    loop_set_timer(world->main, 1);
    run(world);
    EXPECT_INT(scene.fired, 10);
}

static bool set_each_turn(void *user)
{
    struct scene *scene = user;
    scene->turns++;
    loop_set_timer(scene->world->main, scene->at_ns + (uint64_t)scene->turns % 3); /* moved a little, all the time */
    return scene->turns % 7 != 0;
}

static void each_turn_fires(void *user)
{
    struct scene *scene = user;
    EXPECT(clock_now_ns(scene->world->clock) >= scene->at_ns);
    scene->at_ns = clock_now_ns(scene->world->clock) + 3 * NS_PER_MS;
    if (++scene->fired == 5) {
        scene_stop(scene);
    }
}

void loop_suite_timer_each_turn(struct loop_world *world)
{
    struct scene scene = {.world = world, .at_ns = clock_now_ns(world->clock) + 3 * NS_PER_MS};
    loop_own(world->main, &scene, each_turn_fires, set_each_turn);
    run(world);
    EXPECT(scene.fired >= 5);
}

static void now_is_the_same(struct message *message)
{
    struct scene *scene = LIST_ITEM(message, struct scene, message);
    uint64_t before_ns = loop_now_ns(scene->world->main);
    volatile int spent = 0;
    for (int i = 0; i < 1000000; i++) {
        spent++;
    }
    EXPECT(loop_now_ns(scene->world->main) == before_ns);
    scene->delivered++;
    scene_stop(scene);
}

void loop_suite_now_stands(struct loop_world *world)
{
    struct scene scene = {.world = world, .message.deliver = now_is_the_same};
    loop_own(world->main, &scene, never_timer, sleep_on);
    loop_post(world->main, &scene.message);
    run(world);
    EXPECT_INT(scene.delivered, 1);
}

static void now_is_later(void *user)
{
    struct scene *scene = user;
    uint64_t now_ns = loop_now_ns(scene->world->main);
    EXPECT(now_ns >= scene->at_ns + 2 * NS_PER_MS);
    EXPECT(now_ns <= clock_now_ns(scene->world->clock));
    scene->at_ns = now_ns;
    if (++scene->fired == 5) {
        scene_stop(scene);
    } else {
        loop_set_timer(scene->world->main, now_ns + 2 * NS_PER_MS);
    }
}

void loop_suite_now_moves(struct loop_world *world)
{
    struct scene scene = {.world = world, .at_ns = clock_now_ns(world->clock)};
    loop_own(world->main, &scene, now_is_later, sleep_on);
    loop_set_timer(world->main, scene.at_ns + 2 * NS_PER_MS);
    run(world);
    EXPECT_INT(scene.fired, 5);
}

/* Main reads its time, sends the other loop to sleep, sleeps itself, and is woken. */
static void read_now(struct message *message)
{
    struct scene *scene = LIST_ITEM(message, struct scene, message);
    uint64_t now_ns = loop_now_ns(scene->world->main);
    if (++scene->delivered == 1) {
        scene->at_ns = clock_now_ns(scene->world->clock);
        EXPECT(now_ns <= scene->at_ns);
        loop_post(scene->world->other, &scene->to_other);
    } else {
        EXPECT(now_ns >= scene->at_ns + 10 * NS_PER_MS);
        scene_stop(scene);
    }
}

static void other_sleeps(struct message *message)
{
    struct scene *scene = LIST_ITEM(message, struct scene, to_other);
    loop_set_timer(scene->world->other, clock_now_ns(scene->world->clock) + 10 * NS_PER_MS);
}

void loop_suite_now_after_sleep(struct loop_world *world)
{
    struct scene scene = {.world = world, .message.deliver = read_now, .to_other.deliver = other_sleeps};
    loop_own(world->main, &scene, never_timer, sleep_on);
    loop_own(world->other, &scene, post_to_main, sleep_on);
    loop_post(world->main, &scene.message);
    run(world);
    EXPECT_INT(scene.delivered, 2);
}

/* Jobs. */

struct errand {
    struct job job;
    struct errands *all;
    int run, done;
};

struct errands {
    struct loop_world *world;
    struct errand items[200];
    int count, done;
    pthread_t main_thread;
    struct message begin;
};

static void errand_run(struct job *job) /* on whatever thread */
{
    ((struct errand *)job)->run++;
}

static void errand_done(struct job *job)
{
    struct errand *errand = (struct errand *)job;
    EXPECT(pthread_equal(pthread_self(), errand->all->main_thread));
    EXPECT_INT(errand->run, 1); /* what the job wrote is seen */
    errand->done++;
    if (++errand->all->done == errand->all->count) {
        errand->all->world->stop(errand->all->world);
    }
}

static void submit_all(struct message *begin)
{
    struct errands *all = LIST_ITEM(begin, struct errands, begin);
    for (int i = 0; i < all->count; i++) {
        work_submit(all->world->work, all->world->main, &all->items[i].job);
    }
}

static struct errands *errands_new(struct loop_world *world, int count, void (*done)(struct job *job))
{
    struct errands *all = calloc(1, sizeof *all);
    *all = (struct errands){.world = world, .count = count, .main_thread = pthread_self(), .begin.deliver = submit_all};
    for (int i = 0; i < count; i++) {
        all->items[i] = (struct errand){.job = {.run = errand_run, .done = done}, .all = all};
    }
    loop_own(world->main, NULL, never_timer, sleep_on);
    loop_post(world->main, &all->begin);
    return all;
}

void loop_suite_jobs(struct loop_world *world)
{
    struct errands *all = errands_new(world, 200, errand_done);
    run(world);
    for (int i = 0; i < 200; i++) {
        EXPECT(all->items[i].run == 1 && all->items[i].done == 1);
    }
    free(all);
}

static void submit_again(struct job *job)
{
    struct errand *errand = (struct errand *)job;
    EXPECT_INT(errand->run, errand->done + 1);
    if (++errand->done == 20) {
        errand->all->world->stop(errand->all->world);
    } else {
        work_submit(errand->all->world->work, errand->all->world->main, job);
    }
}

void loop_suite_jobs_follow(struct loop_world *world)
{
    struct errands *all = errands_new(world, 1, submit_again);
    run(world);
    EXPECT_INT(all->items[0].done, 20);
    free(all);
}
