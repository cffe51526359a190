/* tests/simulation/cluster/cluster_world.c: draws the world of a seed, and takes it through its two phases. */
#include "tests/simulation/cluster/cluster_world.h"

#include "core/base/mem.h"
#include "tests/simulation/run.h"

#define PHASE_1_NS_MIN (4 * NS_PER_S)
#define PHASE_1_NS_MAX (20 * NS_PER_S)
#define LIVENESS_NS (15 * NS_PER_S)

static void open_world(struct cluster_world *world, const struct run_options *options)
{
    struct sim *sim = &world->sim;
    sim_init(sim, options->seed, options->story);
    list_init(&world->frames);
    for (uint32_t i = 0; i < CLUSTER_ID_SIZE; i++) {
        world->cluster[i] = (uint8_t)rng_next(&sim->rng);
    }
    world->shards = (uint32_t)sim_between(sim, 1, CLUSTER_WORLD_SHARDS);
    world->raft.snapshot_threshold = (uint32_t)(sim_chance(sim, 50) ? sim_between(sim, 4, 80) : 1000);
    world->raft.snapshot_trailing = (uint32_t)sim_between(sim, 1, 24);
    world->raft.snapshot_retry_ms = 700;
    world->asks_every_ns = sim_between(sim, 5 * NS_PER_MS, 100 * NS_PER_MS);
    world->node_count = (uint32_t)sim_between(sim, 1, 7);
    for (uint32_t i = 0; i < CLUSTER_WORLD_NODES; i++) {
        cluster_host_init(world, i);
    }
    world->delay_ns = NS_PER_MS;
    if (!options->no_faults) {
        cluster_faults_init(world);
    }
    for (uint32_t i = 0; i < world->node_count; i++) { /* in any order, at once */
        world->nodes[i].exists = true;
        sim_after(sim, &world->nodes[i].restart, sim_delay(sim, 20 * NS_PER_MS));
    }
    cluster_clients_init(world);
    cluster_judge_init(world);
}

static void close_world(struct cluster_world *world)
{
    for (uint32_t i = 0; i < CLUSTER_WORLD_NODES; i++) {
        cluster_host_release(&world->nodes[i]);
    }
    cluster_links_release(world);
    sim_release(&world->sim);
}

/* It stays as it should be for a while, not for a moment. */
static void settle(struct cluster_world *world)
{
    uint64_t until = world->sim.now_ns + LIVENESS_NS;
    const char *why = "";
    uint32_t settled = 0;
    cluster_faults_heal(world);
    sim_run_until(&world->sim, world->sim.now_ns + NS_PER_S);
    sim_cancel(&world->sim, &world->ask);
    while (!world->sim.failed && settled < 10) {
        sim_run_until(&world->sim, world->sim.now_ns + 50 * NS_PER_MS);
        why = cluster_judge_unsettled(world);
        settled = why == NULL ? settled + 1 : 0;
        if (world->sim.now_ns >= until) {
            cluster_judge_tell(world);
        }
        SIM_CHECK(&world->sim, world->sim.now_ns < until, "nothing is broken any more for %llu s, and yet: %s",
                  (unsigned long long)(LIVENESS_NS / NS_PER_S), why != NULL ? why : "it changes back and forth");
    }
}

bool cluster_world_run(const struct run_options *options, struct run_result *result)
{
    struct cluster_world *world = mem_new(sizeof *world);
    open_world(world, options);
    sim_run_until(&world->sim, sim_between(&world->sim, PHASE_1_NS_MIN, PHASE_1_NS_MAX));
    settle(world);
    *result = (struct run_result){.passed = !world->sim.failed,
                                  .trace = world->sim.trace,
                                  .steps = world->sim.steps,
                                  .simulated_ns = world->sim.now_ns,
                                  .crashes = world->reached.cluster_crashes,
                                  .done = world->reached.cluster_touched,
                                  .not_done = world->reached.cluster_nowhere + world->reached.cluster_refused,
                                  .unknown = world->reached.cluster_unknown,
                                  .cluster_reached = world->reached};
    memcpy(result->why, world->sim.why, sizeof result->why);
    for (uint32_t i = 0; i < CLUSTER_WORLD_NODES; i++) {
        result->starts += world->nodes[i].incarnation;
    }
    close_world(world);
    mem_free(world);
    return result->passed;
}
