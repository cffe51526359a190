/* tests/simulation/cluster/cluster_faults.c: which faults a run has, and how often: each seed draws its own mixture. */
#include "tests/simulation/cluster/cluster_world.h"

static void crash_one(struct cluster_world *world, struct cluster_host *node)
{
    if (node->member != NULL) {
        world->reached.cluster_crashes++;
        cluster_host_crash(node);
        sim_after(&world->sim, &node->restart, sim_delay(&world->sim, 400 * NS_PER_MS));
    }
}

static void crash(struct cluster_world *world, struct cluster_host *node)
{
    bool all = sim_chance(&world->sim, 5);
    for (uint32_t i = 0; i < CLUSTER_WORLD_NODES; i++) {
        if (all || &world->nodes[i] == node) {
            crash_one(world, &world->nodes[i]);
        }
    }
}

static void cut(struct cluster_world *world, uint32_t place)
{
    uint64_t how = sim_draw(&world->sim, 4);
    uint32_t other = (uint32_t)sim_draw(&world->sim, CLUSTER_WORLD_NODES);
    world->reached.cluster_cuts++;
    for (uint32_t i = 0; i < CLUSTER_WORLD_NODES; i++) {
        if (how == 0 ? i == other : sim_chance(&world->sim, how == 1 ? 100 : 50)) {
            world->cut[i][place] = world->cut[i][place] || how != 2;
            world->cut[place][i] = world->cut[place][i] || how != 3;
        }
    }
}

static void mend(struct cluster_world *world)
{
    memset(world->cut, 0, sizeof world->cut);
}

/* An operator: drains a node, and removes it when nothing is left; here nothing is moved, so it may be refused. */
static void expelled(void *user, const struct member_answer *answer)
{
    struct cluster_host *node = user;
    if (answer->outcome == LETTER_DONE && answer->code == DIRECTORY_DONE) {
        node->world->reached.cluster_expelled++;
    } else if (answer->outcome != LETTER_UNKNOWN) {
        node->removed = false; /* it stays */
    }
}

static void ignored(void *user, const struct member_answer *answer) {}

static void leave(struct cluster_world *world, struct cluster_host *node)
{
    struct cluster_host *asked = &world->nodes[sim_draw(&world->sim, world->node_count)];
    uint32_t left = 0;
    for (uint32_t i = 0; i < CLUSTER_WORLD_NODES; i++) {
        left += world->nodes[i].exists && !world->nodes[i].removed && !world->nodes[i].leaving;
    }
    if (asked->member == NULL || asked == node || !node->exists || node->removed || left <= 3) {
        return;
    }
    if (!node->leaving) {
        struct command command = {.kind = COMMAND_DRAIN, .drain = {node->id, true}};
        node->leaving = true;
        member_propose(asked->member, &command, 60000, ignored, NULL);
    } else {
        struct command command = {.kind = COMMAND_EXPEL, .expel = {node->id}};
        node->removed = true; /* until it is refused */
        member_propose(asked->member, &command, 2000, expelled, node);
    }
    cluster_host_arm(asked);
}

/* A machine that was not there. */
static void join(struct cluster_world *world)
{
    if (world->node_count < CLUSTER_WORLD_NODES) {
        cluster_host_start(&world->nodes[world->node_count++]);
    }
}

static void fault(struct sim_event *event)
{
    struct cluster_world *world = LIST_ITEM(event, struct cluster_world, fault);
    struct cluster_host *node = &world->nodes[sim_draw(&world->sim, world->node_count)];
    unsigned weights[] = {world->crash_weight, world->pause_weight, world->cut_weight,
                          world->full_weight,  world->leave_weight, 1};
    uint64_t all = 0, which = 0;
    for (uint32_t i = 0; i < 6; i++) {
        all += weights[i];
    }
    for (uint64_t at = sim_draw(&world->sim, all); at >= weights[which]; which++) {
        at -= weights[which];
    }
    if (sim_chance(&world->sim, 40)) {
        mend(world);
    }
    if (which == 0) {
        crash(world, node);
    } else if (which == 1) {
        world->reached.cluster_pauses++;
        node->asleep_until_ns = world->sim.now_ns + sim_between(&world->sim, NS_PER_MS, 2500 * NS_PER_MS);
    } else if (which == 2) {
        cut(world, node->place);
    } else if (which == 3) {
        world->reached.cluster_full_disks++;
        raft_media_set_full(&node->media, true, sim_chance(&world->sim, 50));
        sim_after(&world->sim, &node->space, sim_between(&world->sim, 10 * NS_PER_MS, 2 * NS_PER_S));
    } else if (which == 4) {
        leave(world, node);
    } else {
        join(world);
    }
    sim_after(&world->sim, event, sim_delay(&world->sim, world->faults_every_ns));
}

static unsigned draw_weight(struct sim *sim)
{
    return sim_chance(sim, 60) ? (unsigned)sim_between(sim, 1, 10) : 0;
}

void cluster_faults_init(struct cluster_world *world)
{
    struct sim *sim = &world->sim;
    world->loss_percent = sim_chance(sim, 50) ? (unsigned)sim_draw(sim, 15) : 0;
    world->double_percent = sim_chance(sim, 30) ? (unsigned)sim_draw(sim, 10) : 0;
    world->delay_ns = sim_between(sim, 50 * NS_PER_US, 15 * NS_PER_MS);
    world->crash_weight = draw_weight(sim);
    world->pause_weight = draw_weight(sim);
    world->cut_weight = draw_weight(sim);
    world->full_weight = draw_weight(sim) / 2;
    world->leave_weight = draw_weight(sim) / 2;
    world->faults_every_ns = sim_between(sim, 100 * NS_PER_MS, 2000 * NS_PER_MS);
    world->fault = (struct sim_event){.fire = fault, .name = "cluster.fault"};
    sim_after(sim, &world->fault, NS_PER_S);
}

void cluster_faults_heal(struct cluster_world *world)
{
    world->healed = true;
    sim_cancel(&world->sim, &world->fault);
    mend(world);
    world->loss_percent = world->double_percent = 0;
    for (uint32_t i = 0; i < CLUSTER_WORLD_NODES; i++) {
        struct cluster_host *node = &world->nodes[i];
        sim_cancel(&world->sim, &node->space);
        raft_media_set_full(&node->media, false, false);
        node->asleep_until_ns = 0;
        if (node->exists && node->member == NULL) { /* one that may have been removed hears whether it was */
            sim_after(&world->sim, &node->restart, NS_PER_MS);
        }
    }
}
