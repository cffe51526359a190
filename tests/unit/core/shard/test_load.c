/* tests/unit/core/shard/test_load.c: what shards did, averaged; and who did most. */
#include "core/shard/load.h"

#include "core/base/rng.h"
#include "core/shard/core.h"
#include "core/shard/shard.h"
#include "tests/lib/test.h"

#define SHARDS 100u
#define CORE_US 1000000u /* of load: a core that does nothing else */

static uint64_t now_ns;

static uint64_t tell_now(struct loop *loop)
{
    return now_ns;
}

static const struct loop_ops loop_ops = {.now_ns = tell_now};
static struct loop loop = {.ops = &loop_ops};

struct world {
    struct core core;
    struct shard shards[SHARDS];
    struct shard *by_id[SHARDS];
    struct load_report report;
};

/* Every second shard is another core's. */
static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    now_ns = 5 * NS_PER_S;
    w->core.world.loop = &loop;
    w->core.shards = w->by_id;
    w->core.shard_count = SHARDS;
    for (uint32_t id = 0; id < SHARDS; id += 2) {
        w->by_id[id] = &w->shards[id];
        w->shards[id].state = DUTY_OPEN;
    }
    load_measure(&w->core, &w->report);
    EXPECT(w->report.total == 0 && w->report.shards == SHARDS / 2 && w->report.hot_count == 0);
}

static void pass(struct world *w, uint64_t ms)
{
    now_ns += ms * NS_PER_MS;
    load_measure(&w->core, &w->report);
}

static bool is_about(uint64_t value, uint64_t wanted)
{
    return value * 100 >= wanted * 97 && value * 100 <= wanted * 103;
}

TEST(a_steady_shard_comes_to_what_it_does)
{
    struct world w;
    begin(&w);
    for (int i = 0; i < 30; i++) {
        w.shards[6].ran_ns = 200 * NS_PER_MS;
        w.shards[6].arrived = 50000 / LOAD_CALL_US;
        pass(&w, 1000);
    }
    EXPECT(is_about(w.report.total, CORE_US / 4));
    EXPECT(w.report.hot_count == 1 && w.report.hot[0].shard == 6 && w.report.hot[0].load == w.report.total);
    for (int i = 0; i < 60; i++) {
        pass(&w, 1000);
    }
    EXPECT(w.report.total == 0 && w.report.hot_count == 0); /* and to nothing, when it does nothing */
}

TEST(a_burst_is_not_what_a_shard_is)
{
    struct world w;
    begin(&w);
    w.shards[0].ran_ns = NS_PER_S;
    pass(&w, 1000);
    EXPECT(w.report.total > CORE_US / 10 && w.report.total <= CORE_US / 4);
}

TEST(how_often_it_is_measured_makes_no_difference)
{
    struct world often, seldom;
    begin(&often);
    for (int i = 0; i < 1200; i++) {
        often.shards[0].ran_ns = 10 * NS_PER_MS;
        pass(&often, 50);
    }
    begin(&seldom);
    for (int i = 0; i < 20; i++) {
        seldom.shards[0].ran_ns = 600 * NS_PER_MS;
        pass(&seldom, 3000);
    }
    EXPECT(is_about(often.report.total, CORE_US / 5) && is_about(seldom.report.total, CORE_US / 5));
}

TEST(no_number_overflows)
{
    struct world w;
    begin(&w);
    w.shards[0].ran_ns = UINT64_MAX;
    w.shards[0].arrived = UINT32_MAX;
    pass(&w, 0);
    EXPECT(w.report.total == 0); /* no time has passed in which it could have been */
    w.shards[0].ran_ns = UINT64_MAX;
    pass(&w, 3600 * 1000);
    EXPECT(w.report.total <= UINT32_MAX && w.report.hot_count == 1);
}

TEST(only_what_is_served_counts)
{
    struct world w;
    begin(&w);
    w.shards[0].ran_ns = w.shards[2].ran_ns = 100 * NS_PER_MS;
    w.shards[2].state = DUTY_CLOSED;
    pass(&w, 1000);
    EXPECT(w.report.shards == SHARDS / 2 - 1 && w.report.hot_count == 1 && w.report.hot[0].shard == 0);
}

static void expect_order(const struct load_report *report)
{
    for (uint32_t i = 1; i < report->hot_count; i++) {
        const struct load_hot *a = &report->hot[i - 1], *b = &report->hot[i];
        EXPECT(a->load > b->load || (a->load == b->load && a->shard < b->shard));
    }
}

/* Two cores' reports together are what one core that had all shards would say. */
TEST(the_hottest_of_cores_are_those_of_the_node)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int round = 0; round < 100; round++) {
        struct load_report parts[2] = {{.total = 0}}, all = {.total = 0};
        for (uint32_t id = 0; id < SHARDS; id++) {
            uint32_t load = (uint32_t)rng_below(&rng, 60);
            struct load_report one = {.total = load, .shards = 1, .hot_count = load > 0, .hot = {{id, load}}};
            load_report_add(&parts[id % 2], &one);
            load_report_add(&all, &one);
        }
        EXPECT(all.hot_count == LOAD_HOT_MAX);
        expect_order(&all);
        load_report_add(&parts[0], &parts[1]);
        EXPECT(memcmp(&parts[0], &all, sizeof all) == 0);
    }
}

TEST_MAIN()
