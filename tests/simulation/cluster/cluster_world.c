/* tests/simulation/cluster/cluster_world.c: draws the world of a seed, and takes it through its two phases. */
#include "tests/simulation/cluster/cluster_world.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "tests/simulation/run.h"

#define PHASE_1_NS_MIN (4 * NS_PER_S)
#define PHASE_1_NS_MAX (20 * NS_PER_S)
#define MAKE_WAY_NS (20 * NS_PER_S)
#define LIVENESS_NS(world) ((world)->is_large ? 40 * NS_PER_S : 15 * NS_PER_S)

static int by_id(const void *a, const void *b, void *user)
{
    const struct cluster_host *nodes = user;
    uint64_t one = nodes[*(const uint32_t *)a].id, other = nodes[*(const uint32_t *)b].id;
    return one < other ? -1 : one > other;
}

static void draw_sizes(struct cluster_world *world, const struct run_options *options)
{
    struct sim *sim = &world->sim;
    world->shards = options->shards != 0 ? options->shards : (uint32_t)sim_between(sim, 1, CLUSTER_SMALL_SHARDS);
    world->size = world->is_large ? options->nodes : CLUSTER_SMALL_NODES;
    world->voters = options->voters != 0 ? (uint8_t)options->voters : 3;
    world->nodes = mem_new(world->size * sizeof *world->nodes);
    world->by_id = mem_new(world->size * sizeof *world->by_id);
    world->links = mem_new((size_t)world->size * world->size * sizeof *world->links);
    world->acknowledged_cv = mem_new(world->shards * sizeof *world->acknowledged_cv);
    world->seen_primary = mem_new(world->shards * sizeof *world->seen_primary);
    world->seen = mem_new(world->shards * sizeof *world->seen);
    world->min_isr = (uint8_t)sim_between(sim, 1, 2);
    world->holder = mem_new(world->shards * sizeof *world->holder);
}

/* In a large world a few join later; all are there at the beginning if nothing goes wrong. */
static uint32_t first_nodes(struct cluster_world *world, const struct run_options *options)
{
    if (!world->is_large) {
        return (uint32_t)sim_between(&world->sim, 1, 7);
    }
    return options->no_faults ? world->size : world->size - (uint32_t)sim_draw(&world->sim, world->size / 10 + 1);
}

struct cluster_world *cluster_world_open(const struct run_options *options)
{
    struct cluster_world *world = mem_new(sizeof *world);
    struct sim *sim = &world->sim;
    world->is_large = options->nodes != 0;
    world->no_moves = options->no_moves;
    sim_init(sim, options->seed, options->story);
    list_init(&world->frames);
    for (uint32_t i = 0; i < CLUSTER_ID_SIZE; i++) {
        world->cluster[i] = (uint8_t)rng_next(&sim->rng);
    }
    draw_sizes(world, options);
    world->raft.snapshot_threshold = (uint32_t)(sim_chance(sim, 50) ? sim_between(sim, 4, 80) : 1000);
    world->raft.snapshot_trailing = (uint32_t)sim_between(sim, 1, 24);
    world->raft.snapshot_retry_ms = 700;
    world->asks_every_ns = sim_between(sim, 5 * NS_PER_MS, 100 * NS_PER_MS);
    world->node_count = first_nodes(world, options);
    for (uint32_t i = 0; i < world->size; i++) {
        cluster_host_init(world, i);
        world->by_id[i] = i;
    }
    qsort_r(world->by_id, world->size, sizeof *world->by_id, by_id, world->nodes);
    world->delay_ns = NS_PER_MS;
    if (!options->no_faults) {
        cluster_faults_init(world);
    }
    for (uint32_t i = 0; i < world->node_count; i++) { /* in any order, at once */
        world->nodes[i].exists = true;
        sim_after(sim, &world->nodes[i].restart, sim_delay(sim, 20 * NS_PER_MS));
    }
    cluster_clients_init(world);
    cluster_load_init(world);
    cluster_judge_init(world);
    return world;
}

void cluster_world_close(struct cluster_world *world)
{
    for (uint32_t i = 0; i < world->size; i++) {
        cluster_host_release(&world->nodes[i]);
    }
    cluster_load_release(world);
    cluster_links_release(world);
    sim_release(&world->sim);
    mem_free(world->nodes);
    mem_free(world->by_id);
    mem_free(world->links);
    mem_free(world->acknowledged_cv);
    mem_free(world->seen_primary);
    mem_free(world->seen);
    mem_free(world->holder);
    mem_free(world);
}

/* It stays as it should be for a while, not for a moment. */
static void settle(struct cluster_world *world)
{
    uint64_t until = world->sim.now_ns + LIVENESS_NS(world);
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
                  (unsigned long long)(LIVENESS_NS(world) / NS_PER_S), why != NULL ? why : "it changes back and forth");
    }
}

static bool another_leads(const struct cluster_world *world, const struct cluster_host *but)
{
    bool does = false;
    for (uint32_t i = 0; i < world->size; i++) {
        const struct cluster_host *node = &world->nodes[i];
        does = does || (node != but && node->member != NULL && member_leading(node->member) != NULL);
    }
    return does;
}

/* Whoever leads, and has no room, makes way for one that has: else nothing could change any more. (That another leads
 * it may not be able to write down, and so goes on in vain.) */
static void fill_the_leader(struct cluster_world *world)
{
    struct raft_member servers[RAFT_SERVERS_MAX];
    struct cluster_host *leader = world->sim.failed ? NULL : cluster_judge_leader(world);
    uint32_t voters = 0, count;
    if (leader == NULL || world->is_large) {
        return;
    }
    count = raft_node_members(server_raft(member_server(leader->member)), servers, RAFT_SERVERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        voters += servers[i].role == RAFT_ROLE_VOTER;
    }
    if (voters < 3) {
        return;
    }
    sim_tell(&world->sim, "the disk of node %u, which leads, is full", leader->place);
    raft_media_set_full(&leader->media, true, false);
    sim_after(&world->sim, &world->ask, NS_PER_MS);
    uint64_t until = world->sim.now_ns + MAKE_WAY_NS;
    while (!world->sim.failed && !another_leads(world, leader) && world->sim.now_ns < until) {
        sim_run_until(&world->sim, world->sim.now_ns + 50 * NS_PER_MS);
    }
    SIM_CHECK(&world->sim, another_leads(world, leader), "node %u leads on, and its disk is full", leader->place);
}

bool cluster_world_run(const struct run_options *options, struct run_result *result)
{
    struct cluster_world *world = cluster_world_open(options);
    sim_run_until(&world->sim, sim_between(&world->sim, PHASE_1_NS_MIN, PHASE_1_NS_MAX));
    settle(world);
    cluster_load_settle(world, cluster_judge_rows);
    fill_the_leader(world);
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
    for (uint32_t i = 0; i < world->size; i++) {
        result->starts += world->nodes[i].incarnation;
    }
    cluster_world_close(world);
    return result->passed;
}
