/* tests/simulation/raft/raft_faults.c: which faults a run has, and how often: each seed draws its own mixture. */
#include "tests/simulation/raft/raft_world.h"

static void crash(struct raft_world *world, struct raft_server *server)
{
    bool all = sim_chance(&world->sim, 15);
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        if (all || &world->servers[i] == server) {
            raft_server_crash_for_a_while(&world->servers[i]);
        }
    }
}

static void cut(struct raft_world *world, uint32_t place)
{
    uint64_t how = sim_draw(&world->sim, 3);
    uint32_t other = (uint32_t)sim_draw(&world->sim, RAFT_WORLD_SERVERS);
    world->reached.raft_cuts++;
    if (how == 0) { /* one link, one way */
        world->cut[place][other] = true;
        return;
    }
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) { /* all it hears, or all it says, or both */
        world->cut[i][place] = world->cut[i][place] || how == 1 || sim_chance(&world->sim, 50);
        world->cut[place][i] = world->cut[place][i] || how == 2;
    }
}

static void mend(struct raft_world *world)
{
    memset(world->cut, 0, sizeof world->cut);
}

static bool leads(const struct raft_server *server)
{
    return server->node != NULL && raft_node_state(server->node).leader;
}

static void fill(struct raft_world *world, struct raft_server *server)
{
    world->reached.raft_full_disks++;
    raft_media_set_full(&server->media, true, sim_chance(&world->sim, 50));
    sim_after(&world->sim, &server->space, sim_between(&world->sim, 10 * NS_PER_MS, 2 * NS_PER_S));
}

/* In turn: a leader's disk stalls and nobody hears it, so that another is elected; the new one finds it again while its
 * writes still wait, and replaces what they are of. */
static void depose(struct raft_world *world)
{
    struct raft_server *leader = NULL;
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        leader = leads(&world->servers[i]) ? &world->servers[i] : leader;
    }
    world->deposing = !world->deposing;
    mend(world);
    if (world->deposing && leader != NULL) {
        for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
            world->cut[leader->place][i] = true;
        }
        raft_media_set_full(&leader->media, true, true);
        sim_after(&world->sim, &leader->space, sim_between(&world->sim, 900 * NS_PER_MS, 1600 * NS_PER_MS));
    }
}

static void fault(struct sim_event *event)
{
    struct raft_world *world = LIST_ITEM(event, struct raft_world, fault);
    struct raft_server *server = &world->servers[sim_draw(&world->sim, RAFT_WORLD_SERVERS)];
    uint64_t all = world->crash_weight + world->pause_weight + world->cut_weight + world->full_weight;
    uint64_t at = sim_draw(&world->sim, all);
    if (world->deposes && sim_chance(&world->sim, 90)) {
        depose(world);
        sim_after(&world->sim, event, sim_between(&world->sim, 500 * NS_PER_MS, 800 * NS_PER_MS));
        return;
    }
    if (sim_chance(&world->sim, 30)) {
        mend(world);
    }
    if (at < world->crash_weight) {
        crash(world, server);
    } else if ((at -= world->crash_weight) < world->pause_weight) {
        world->reached.raft_pauses++;
        raft_server_sleep(server, sim_between(&world->sim, NS_PER_MS, 1500 * NS_PER_MS));
    } else if (at - world->pause_weight < world->cut_weight) {
        cut(world, server->place);
    } else {
        fill(world, server);
    }
    sim_after(&world->sim, event, sim_delay(&world->sim, world->faults_every_ns));
}

static unsigned draw_weight(struct sim *sim)
{
    return sim_chance(sim, 60) ? (unsigned)sim_between(sim, 1, 10) : 0;
}

void raft_faults_init(struct raft_world *world)
{
    struct sim *sim = &world->sim;
    world->deposes = sim_chance(sim, 10);
    world->loss_percent = sim_chance(sim, 60) ? (unsigned)sim_draw(sim, 15) : 0;
    world->double_percent = sim_chance(sim, 50) ? (unsigned)sim_draw(sim, sim_chance(sim, 30) ? 50 : 10) : 0;
    world->overtake_percent = sim_chance(sim, 50) ? (unsigned)sim_draw(sim, sim_chance(sim, 30) ? 50 : 6) : 0;
    world->delay_ns = sim_between(sim, 50 * NS_PER_US, 15 * NS_PER_MS);
    world->crash_weight = draw_weight(sim);
    world->write_crash_percent = sim_chance(sim, 40) ? (unsigned)sim_between(sim, 1, 6) : 0;
    world->restart_ns = sim_between(sim, 5 * NS_PER_MS, sim_chance(sim, 50) ? 40 * NS_PER_MS : 400 * NS_PER_MS);
    world->pause_weight = draw_weight(sim);
    world->cut_weight = draw_weight(sim);
    world->full_weight = draw_weight(sim) / 2;
    world->faults_every_ns = sim_between(sim, 40 * NS_PER_MS, 800 * NS_PER_MS);
    world->fault = (struct sim_event){.fire = fault, .name = "raft.fault"};
    if (world->crash_weight + world->pause_weight + world->cut_weight + world->full_weight > 0) {
        sim_after(sim, &world->fault, sim_delay(sim, world->faults_every_ns));
    }
}

void raft_faults_heal(struct raft_world *world)
{
    world->healed = true;
    world->write_crash_percent = 0;
    world->delay_ns = NS_PER_MS; /* or elections might go on for ever in a stormy one, and rightly */
    sim_cancel(&world->sim, &world->fault);
    sim_cancel(&world->sim, &world->propose);
    sim_cancel(&world->sim, &world->change);
    mend(world);
    world->loss_percent = world->double_percent = world->overtake_percent = 0;
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        struct raft_server *server = &world->servers[i];
        sim_cancel(&world->sim, &server->space);
        sim_cancel(&world->sim, &server->die);
        raft_media_set_full(&server->media, false, false);
        server->media.write_ns = NS_PER_MS;
        server->asleep_until_ns = 0;
        if (server->node == NULL && !server->retired && !world->sim.failed) {
            sim_after(&world->sim, &server->restart, NS_PER_MS);
        }
    }
}
