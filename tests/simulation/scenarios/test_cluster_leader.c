/* tests/simulation/scenarios/test_cluster_leader.c: the directory's leader dies, and nobody else has to notice. */
#include "core/base/log.h"
#include "tests/lib/test.h"
#include "tests/simulation/cluster/cluster_world.h"
#include "tests/simulation/run.h"

#define NODES 40u
#define SEEDS 5u
#define STEP_NS (5 * NS_PER_MS)

static struct cluster_host *leader_of(struct cluster_world *world)
{
    for (uint32_t i = 0; i < world->size; i++) {
        if (world->nodes[i].member != NULL && member_leading(world->nodes[i].member) != NULL) {
            return &world->nodes[i];
        }
    }
    return NULL;
}

/* Once the clients have asked for the shards, and ask for nothing more. */
static bool settle(struct cluster_world *world)
{
    uint64_t until = world->sim.now_ns + 20 * NS_PER_S;
    bool is_settled = false;
    sim_run_until(&world->sim, world->sim.now_ns + 3 * NS_PER_S);
    sim_cancel(&world->sim, &world->ask);
    while (world->sim.now_ns < until && !is_settled) {
        sim_run_until(&world->sim, world->sim.now_ns + STEP_NS);
        is_settled = cluster_judge_unsettled(world) == NULL;
    }
    return is_settled;
}

struct seen {
    bool lapsed, down;
};

/* Which of the living had no lease, and which the leader has taken for dead. */
static void look(struct cluster_world *world, struct seen *seen)
{
    const struct cluster_host *leader = leader_of(world);
    for (uint32_t i = 0; i < world->size; i++) {
        const struct cluster_host *node = &world->nodes[i];
        const struct cluster_member *row =
            leader != NULL ? cluster_rows_member(&member_view(leader->member)->rows, node->id) : NULL;
        if (node->member != NULL) {
            seen[i].lapsed |= sim_clock_now_ns(&node->clock) >= member_lease_until(node->member);
            seen[i].down |= row != NULL && row->state != MEMBER_UP;
        }
    }
}

TEST(a_leaders_death_costs_hardly_anybody_a_lease_and_nobody_its_place)
{
    uint32_t lapsed = 0, down = 0;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run_options options = {.seed = seed, .no_faults = true, .nodes = NODES, .shards = 64, .voters = 5};
        struct cluster_world *world = cluster_world_open(&options);
        struct seen seen[NODES] = {{false, false}};
        EXPECT(settle(world));
        cluster_host_crash(leader_of(world));
        uint64_t until = world->sim.now_ns + 4 * NS_PER_S;
        while (world->sim.now_ns < until) {
            sim_run_until(&world->sim, world->sim.now_ns + STEP_NS);
            look(world, seen);
        }
        EXPECT(!world->sim.failed && leader_of(world) != NULL);
        for (uint32_t i = 0; i < NODES; i++) {
            lapsed += seen[i].lapsed;
            down += seen[i].down;
        }
        cluster_world_close(world);
    }
    printf("%u of %u were without a lease for a while, %u were taken for dead\n", lapsed, SEEDS * NODES, down);
    EXPECT(lapsed <= SEEDS * NODES / 4); /* votes may be split once, and then it takes longer than a lease */
    EXPECT(down == 0);
}

TEST_MAIN()
