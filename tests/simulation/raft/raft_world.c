/* tests/simulation/raft/raft_world.c: draws the world of a seed, and takes it through its two phases. */
#include "tests/simulation/raft/raft_world.h"

#include "tests/simulation/run.h"

#define PHASE_1_NS_MIN (2 * NS_PER_S)
#define PHASE_1_NS_MAX (14 * NS_PER_S)
#define LIVENESS_NS (10 * NS_PER_S) /* after the faults are over there is a leader, and all members agree */

static void draw(struct raft_world *world)
{
    struct sim *sim = &world->sim;
    world->stormy = sim_chance(sim, 30); /* leaders come and go: elections are hardly longer than writes and letters */
    world->founder_count = (uint32_t)(sim_chance(sim, 10) ? 1 : sim_between(sim, 3, 5));
    world->pad_max = (uint32_t)(sim_chance(sim, 3) ? 40000 : sim_draw(sim, 200));
    world->state_pad = (uint32_t)(sim_chance(sim, 3) ? 270000 : sim_draw(sim, 500));
    world->commands_every_ns = sim_between(sim, 4 * NS_PER_MS, 60 * NS_PER_MS);
    world->changes_every_ns = sim_chance(sim, 80) ? sim_between(sim, 50 * NS_PER_MS, 900 * NS_PER_MS) : 0;
}

/* Not the same for all: who leads may have entries that others have in a snapshot, and the other way round. */
static void draw_settings(struct raft_world *world, struct raft_settings *settings)
{
    struct sim *sim = &world->sim;
    settings->heartbeat_ms = world->stormy ? 20 : 50;
    settings->election_ms = world->stormy ? (uint32_t)sim_between(sim, 60, 90) : 300;
    settings->snapshot_threshold = (uint32_t)(sim_chance(sim, 70) ? sim_between(sim, 3, 60) : 1000);
    settings->snapshot_trailing = (uint32_t)sim_between(sim, 1, 24);
    settings->snapshot_retry_ms = 700;
    settings->in_flight_max = (uint32_t)(sim_chance(sim, 50) ? sim_between(sim, 8, 32) : 256);
    settings->no_pre_vote = sim_chance(sim, world->stormy ? 50 : 10);
}

static void open_world(struct raft_world *world, const struct run_options *options)
{
    sim_init(&world->sim, options->seed, options->story);
    raft_checker_init(&world->checker, &world->sim);
    list_init(&world->letters);
    draw(world);
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        raft_server_init(world, i);
        draw_settings(world, &world->servers[i].settings);
        bool voter = i < 3 || sim_chance(&world->sim, 50);
        world->founders[i] = (struct raft_member){world->servers[i].id, voter ? RAFT_ROLE_VOTER : RAFT_ROLE_STANDBY,
                                                  world->servers[i].address};
    }
    if (options->no_faults) {
        world->delay_ns = NS_PER_MS;
    } else {
        raft_faults_init(world);
    }
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        raft_server_start(&world->servers[i]);
    }
    raft_clients_init(world);
}

static void close_world(struct raft_world *world)
{
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        raft_server_release(&world->servers[i]);
    }
    raft_links_release(world);
    raft_clients_release(world);
    raft_checker_release(&world->checker);
    sim_release(&world->sim);
}

/* The one that is ready and of the newest term; NULL: none. */
static struct raft_server *leader_of(struct raft_world *world)
{
    struct raft_server *leader = NULL;
    uint64_t term = 0;
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        struct raft_server *server = &world->servers[i];
        if (server->node != NULL && raft_node_state(server->node).ready && raft_node_state(server->node).term > term) {
            leader = server;
            term = raft_node_state(server->node).term;
        }
    }
    return leader;
}

/* All members with the log have all of it, as the leader has: so it is not one that was deposed and does not know. */
static bool have_caught_up(struct raft_world *world, const struct raft_server *leader)
{
    struct raft_member members[RAFT_SERVERS_MAX];
    struct raft_node_state state = raft_node_state(leader->node);
    uint32_t count = raft_node_members(leader->node, members, RAFT_SERVERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const struct raft_server *server = raft_world_server(world, members[i].id);
        bool has = server != NULL && server->node != NULL &&
                   raft_node_state(server->node).applied_index == state.last_index;
        if (members[i].role != RAFT_ROLE_SPARE && !has) {
            return false;
        }
    }
    return !state.changing;
}

static bool agree(struct raft_world *world, const struct raft_server *leader)
{
    if (!have_caught_up(world, leader)) {
        return false;
    }
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        const struct raft_server *server = &world->servers[i];
        if (server->node != NULL &&
            raft_node_state(server->node).applied_index == raft_node_state(leader->node).applied_index) {
            SIM_CHECK(&world->sim, server->state.hash == leader->state.hash, "servers %llu and %llu are not the same",
                      (unsigned long long)server->id, (unsigned long long)leader->id);
            raft_checker_sees(&world->checker, &server->state, world->checker.acknowledged_count, server->id);
        }
    }
    return true;
}

/* For the story: what each server thinks. */
static void tell_all(struct raft_world *world)
{
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        const struct raft_server *server = &world->servers[i];
        if (server->node == NULL) {
            sim_tell(&world->sim, "server %llu is down", (unsigned long long)server->id);
            continue;
        }
        struct raft_node_state state = raft_node_state(server->node);
        struct raft_member members[RAFT_SERVERS_MAX];
        uint32_t count = raft_node_members(server->node, members, RAFT_SERVERS_MAX);
        sim_tell(&world->sim,
                 "server %llu: term %llu%s%s%s, leader %llu, last %llu, stored %llu, committed %llu, applied %llu, "
                 "snapshot %llu",
                 (unsigned long long)server->id, (unsigned long long)state.term, state.leader ? ", leads" : "",
                 state.ready ? ", ready" : "", state.changing ? ", changing" : "", (unsigned long long)state.leader_id,
                 (unsigned long long)state.last_index, (unsigned long long)state.stored_index,
                 (unsigned long long)state.commit_index, (unsigned long long)state.applied_index,
                 (unsigned long long)state.snapshot_index);
        for (uint32_t k = 0; k < count; k++) {
            sim_tell(&world->sim, "  %llu: role %d, matches %llu", (unsigned long long)members[k].id,
                     (int)members[k].role, (unsigned long long)raft_node_match(server->node, members[k].id));
        }
    }
}

static void settle(struct raft_world *world)
{
    uint64_t until = world->sim.now_ns + LIVENESS_NS, acknowledged = world->checker.acknowledged_count;
    bool proposed = false;
    raft_faults_heal(world);
    while (!world->sim.failed) {
        sim_run_until(&world->sim, world->sim.now_ns + 50 * NS_PER_MS);
        struct raft_server *leader = leader_of(world);
        if (leader != NULL && agree(world, leader)) {
            if (proposed && world->checker.acknowledged_count > acknowledged) {
                return;
            }
            acknowledged = proposed ? acknowledged : world->checker.acknowledged_count;
            proposed = raft_clients_propose(leader) || proposed;
            raft_clients_read(leader);
        }
        if (world->sim.failed || world->sim.now_ns >= until) {
            tell_all(world);
        }
        SIM_CHECK(&world->sim, world->sim.now_ns < until, "no %s for %llu s, though nothing is broken any more",
                  leader == NULL ? "leader" : "agreement", (unsigned long long)(LIVENESS_NS / NS_PER_S));
    }
}

bool raft_world_run(const struct run_options *options, struct run_result *result)
{
    struct raft_world *world = mem_new(sizeof *world);
    open_world(world, options);
    sim_run_until(&world->sim, sim_between(&world->sim, PHASE_1_NS_MIN, PHASE_1_NS_MAX));
    settle(world);
    *result = (struct run_result){.passed = !world->sim.failed,
                                  .trace = world->sim.trace,
                                  .steps = world->sim.steps,
                                  .simulated_ns = world->sim.now_ns,
                                  .crashes = world->reached.raft_crashes,
                                  .done = world->reached.raft_committed,
                                  .not_done = world->reached.raft_not_leader + world->reached.raft_refused,
                                  .unknown = world->reached.raft_unknown,
                                  .raft_reached = world->reached};
    memcpy(result->why, world->sim.why, sizeof result->why);
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        result->starts += world->servers[i].starts;
    }
    close_world(world);
    mem_free(world);
    return result->passed;
}
