/* tests/simulation/test_engine.c: the heap of events, clocks, loops and jobs of the simulator. */
#include <stdlib.h>

#include "core/base/list.h"
#include "tests/lib/test.h"
#include "tests/simulation/sim_work.h"

#define EVENTS 500

struct mark {
    struct sim_event event;
    struct sim *sim;
    unsigned *fired;
    uint64_t at_ns;
};

static void mark_fired(struct sim_event *event)
{
    struct mark *mark = (struct mark *)event;
    EXPECT_INT(mark->sim->now_ns, mark->at_ns);
    ++*mark->fired;
}

TEST(events_fire_in_order_of_time)
{
    struct sim sim;
    struct mark marks[EVENTS];
    unsigned fired = 0, cancelled = 0;
    uint64_t last = 0;
    sim_init(&sim, 7, NULL);
    for (int i = 0; i < EVENTS; i++) {
        marks[i] = (struct mark){{.fire = mark_fired, .name = "mark"}, &sim, &fired, sim_draw(&sim, 100)};
        sim_at(&sim, &marks[i].event, marks[i].at_ns);
    }
    for (int i = 0; i < EVENTS; i += 3) {
        sim_cancel(&sim, &marks[i].event);
        cancelled++;
    }
    for (int i = 1; i < EVENTS; i += 3) {
        marks[i].at_ns = 100 + sim_draw(&sim, 100);
        sim_at(&sim, &marks[i].event, marks[i].at_ns);
    }
    while (sim_step(&sim)) {
        EXPECT(sim.now_ns >= last);
        last = sim.now_ns;
    }
    EXPECT_INT(fired, EVENTS - cancelled);
    sim_release(&sim);
}

TEST(ties_are_drawn)
{
    unsigned first_first = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sim sim;
        unsigned fired[2] = {0};
        sim_init(&sim, seed, NULL);
        struct mark a = {{.fire = mark_fired, .name = "a"}, &sim, &fired[0], 5};
        struct mark b = {{.fire = mark_fired, .name = "b"}, &sim, &fired[1], 5};
        sim_at(&sim, &a.event, 5);
        sim_at(&sim, &b.event, 5);
        sim_step(&sim);
        first_first += fired[0];
        sim_step(&sim);
        EXPECT(fired[0] == 1 && fired[1] == 1);
        sim_release(&sim);
    }
    EXPECT(first_first > 20 && first_first < 80);
}

TEST(clocks_run_wrong_within_one_percent)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct sim sim;
        struct sim_clock clock;
        sim_init(&sim, seed, NULL);
        sim_clock_init(&clock, &sim);
        uint64_t begin = sim_clock_now_ns(&clock);
        sim_run_until(&sim, 1000 * NS_PER_S);
        uint64_t gone = sim_clock_now_ns(&clock) - begin;
        EXPECT(gone >= 990 * NS_PER_S && gone <= 1010 * NS_PER_S);
        sim_clock_reboot(&clock);
        begin = sim_clock_now_ns(&clock);
        EXPECT(begin <= 62 * NS_PER_S);
        for (int i = 0; i < 20; i++) {
            uint64_t at_ns = begin + sim_draw(&sim, 100 * NS_PER_S);
            uint64_t true_ns = sim_clock_true_ns(&clock, at_ns);
            sim.now_ns = true_ns > sim.now_ns ? true_ns : sim.now_ns;
            EXPECT(sim_clock_now_ns(&clock) >= at_ns); /* a timer never fires early */
        }
        int64_t wall = clock_wall_ms(&clock.clock);
        sim_clock_jump(&clock);
        EXPECT(llabs(clock_wall_ms(&clock.clock) - wall) <= 3600000);
        sim_release(&sim);
    }
}

/* Loops. */

struct node {
    struct sim sim;
    struct sim_clock clock;
    struct sim_loop loops[2];
    struct sim_work work;
    unsigned turns, timers, more;
};

static bool before_sleep(void *user)
{
    struct node *n = user;
    n->turns++;
    return n->more > 0 && n->more-- > 0;
}

static void on_timer(void *user)
{
    ((struct node *)user)->timers++;
}

static void node_open(struct node *n, uint64_t seed)
{
    memset(n, 0, sizeof *n);
    sim_init(&n->sim, seed, NULL);
    sim_clock_init(&n->clock, &n->sim);
    sim_work_init(&n->work, &n->sim, 0);
    for (uint32_t i = 0; i < 2; i++) {
        sim_loop_init(&n->loops[i], &n->sim, &n->clock, i);
        loop_own(&n->loops[i].loop, n, on_timer, before_sleep);
        n->loops[i].postpone_percent = 30;
        sim_loop_run(&n->loops[i]);
    }
}

static void node_close(struct node *n)
{
    sim_work_drop(&n->work);
    sim_loop_stop(&n->loops[0]);
    sim_loop_stop(&n->loops[1]);
    EXPECT_INT(n->sim.heap_count, 0);
    sim_release(&n->sim);
}

#define MESSAGES 200

struct numbered {
    struct message message;
    struct node *node;
    unsigned number, *expected;
};

static void deliver(struct message *message)
{
    struct numbered *m = (struct numbered *)message;
    EXPECT_INT(m->number, *m->expected);
    ++*m->expected;
}

TEST(messages_arrive_once_and_in_order)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct node n;
        struct numbered messages[MESSAGES];
        unsigned arrived = 0;
        node_open(&n, seed);
        for (unsigned i = 0; i < MESSAGES; i++) {
            messages[i] = (struct numbered){{.deliver = deliver}, &n, i, &arrived};
            loop_post(&n.loops[1].loop, &messages[i].message);
            if (sim_chance(&n.sim, 30)) {
                sim_step(&n.sim);
            }
        }
        sim_run_until(&n.sim, n.sim.now_ns + NS_PER_S);
        EXPECT_INT(arrived, MESSAGES);
        node_close(&n);
    }
}

TEST(a_timer_fires_once_and_not_early)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct node n;
        node_open(&n, seed);
        sim_run_until(&n.sim, NS_PER_MS);
        uint64_t at_ns = loop_now_ns(&n.loops[0].loop) + 50 * NS_PER_MS;
        loop_set_timer(&n.loops[0].loop, at_ns);
        while (n.timers == 0 && sim_step(&n.sim)) {
        }
        EXPECT_INT(n.timers, 1);
        EXPECT(loop_now_ns(&n.loops[0].loop) >= at_ns);
        EXPECT(loop_now_ns(&n.loops[0].loop) <= at_ns + NS_PER_MS);
        loop_set_timer(&n.loops[0].loop, at_ns + NS_PER_S);
        loop_set_timer(&n.loops[0].loop, LOOP_NEVER);
        sim_run_until(&n.sim, 10 * NS_PER_S);
        EXPECT_INT(n.timers, 1);
        node_close(&n);
    }
}

TEST(before_sleep_is_called_again_while_there_is_more)
{
    struct node n;
    node_open(&n, 2);
    sim_run_until(&n.sim, NS_PER_S);
    unsigned turns = n.turns;
    EXPECT_INT(turns, 2); /* the first turn of each loop */
    n.more = 10;
    loop_set_timer(&n.loops[0].loop, loop_now_ns(&n.loops[0].loop) + 1);
    sim_run_until(&n.sim, 2 * NS_PER_S);
    EXPECT_INT(n.turns, turns + 11);
    node_close(&n);
}

TEST(a_starved_loop_stands_still)
{
    struct node n;
    unsigned arrived = 0;
    struct numbered m = {{.deliver = deliver}, &n, 0, &arrived};
    node_open(&n, 3);
    sim_run_until(&n.sim, NS_PER_S);
    sim_loop_starve(&n.loops[1], n.sim.now_ns + NS_PER_S);
    loop_post(&n.loops[1].loop, &m.message);
    sim_run_until(&n.sim, n.sim.now_ns + NS_PER_S - 1);
    EXPECT_INT(arrived, 0);
    sim_run_until(&n.sim, n.sim.now_ns + NS_PER_S);
    EXPECT_INT(arrived, 1);
    node_close(&n);
}

/* Jobs. */

#define JOBS 50

struct task {
    struct job job;
    struct node *node;
    unsigned number, *order, *count;
    uint64_t ran_ns;
};

static void task_run(struct job *job)
{
    struct task *task = (struct task *)job;
    EXPECT_INT(task->ran_ns, 0);
    task->ran_ns = task->node->sim.now_ns;
}

static void task_done(struct job *job)
{
    struct task *task = (struct task *)job;
    EXPECT(task->ran_ns > 0 && task->node->sim.now_ns > task->ran_ns);
    EXPECT(task->node->loops[0].in_turn);
    task->order[(*task->count)++] = task->number;
}

TEST(jobs_are_done_once_later_and_out_of_order)
{
    struct node n;
    struct task tasks[JOBS];
    unsigned order[JOBS], count = 0, moved = 0;
    node_open(&n, 4);
    for (unsigned i = 0; i < JOBS; i++) {
        tasks[i] = (struct task){{task_run, task_done, {0}}, &n, i, order, &count, 0};
        work_submit(&n.work.work, &n.loops[0].loop, &tasks[i].job);
    }
    EXPECT_INT(count, 0);
    sim_run_until(&n.sim, 10 * NS_PER_S);
    EXPECT_INT(count, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        moved += order[i] != i;
    }
    EXPECT(moved > JOBS / 4);
    node_close(&n);
}

TEST(jobs_of_a_crashed_world_are_forgotten)
{
    struct node n;
    struct task tasks[JOBS];
    unsigned order[JOBS], count = 0;
    node_open(&n, 5);
    for (unsigned i = 0; i < JOBS; i++) {
        tasks[i] = (struct task){{task_run, task_done, {0}}, &n, i, order, &count, 0};
        work_submit(&n.work.work, &n.loops[0].loop, &tasks[i].job);
    }
    while (count < JOBS / 2 && sim_step(&n.sim)) {
    }
    unsigned before = count;
    sim_work_drop(&n.work);
    sim_run_until(&n.sim, 10 * NS_PER_S);
    EXPECT_INT(count, before);
    node_close(&n);
}

TEST_MAIN()
