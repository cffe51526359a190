/* tests/simulation/cluster/cluster_faults.c: which faults a run has, and how often: each seed draws its own mixture. */
#include "tests/simulation/cluster/cluster_world.h"

#define RACK 10u
#define SLOW_DISK_PERCENT 10 /* of a large world */

static void crash_one(struct cluster_world *world, struct cluster_host *node)
{
    if (node->member != NULL) {
        world->reached.cluster_crashes++;
        cluster_host_crash(node);
        sim_after(&world->sim, &node->restart, sim_delay(&world->sim, 400 * NS_PER_MS));
    }
}

/* One, or all; in a large world, a rack of them as well. */
static void crash(struct cluster_world *world, struct cluster_host *node)
{
    bool all = sim_chance(&world->sim, 5);
    bool rack = world->is_large && sim_chance(&world->sim, 20);
    for (uint32_t i = 0; i < world->size; i++) {
        if (all || &world->nodes[i] == node || (rack && i / RACK == node->place / RACK)) {
            crash_one(world, &world->nodes[i]);
        }
    }
}

static void cut(struct cluster_world *world, uint32_t place)
{
    uint64_t how = sim_draw(&world->sim, 4);
    uint32_t other = (uint32_t)sim_draw(&world->sim, world->size);
    world->reached.cluster_cuts++;
    for (uint32_t i = 0; i < world->size; i++) {
        if (how == 0 ? i == other : sim_chance(&world->sim, how == 1 ? 100 : 50)) {
            struct cluster_link *to = cluster_world_link(world, i, place), *from = cluster_world_link(world, place, i);
            to->is_cut = to->is_cut || how != 2;
            from->is_cut = from->is_cut || how != 3;
        }
    }
}

/* Of a large world: the network parts in two, both ways or one. */
static void part(struct cluster_world *world)
{
    uint32_t first = (uint32_t)sim_draw(&world->sim, world->size);
    uint32_t count = (uint32_t)sim_between(&world->sim, 1, world->size / 2);
    bool is_one_way = sim_chance(&world->sim, 40);
    world->reached.cluster_cuts++;
    for (uint32_t i = 0; i < world->size; i++) {
        for (uint32_t k = 0; k < world->size; k++) {
            bool i_is_in = (i + world->size - first) % world->size < count;
            bool k_is_in = (k + world->size - first) % world->size < count;
            if (i_is_in != k_is_in && (i_is_in || !is_one_way)) {
                cluster_world_link(world, i, k)->is_cut = true;
            }
        }
    }
}

static void mend(struct cluster_world *world)
{
    for (uint32_t i = 0; i < world->size * world->size; i++) {
        world->links[i].is_cut = false;
    }
}

/* An operator: drains a node, and removes it when nothing is left; if something is yet, it is refused. */
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

static void pause_moves(struct cluster_world *world, struct cluster_host *asked)
{
    if (asked->member != NULL) {
        struct command command = {.kind = COMMAND_PAUSE, .pause = {sim_chance(&world->sim, 50)}};
        member_propose(asked->member, &command, 2000, ignored, NULL);
        cluster_host_arm(asked);
    }
}

static void leave(struct cluster_world *world, struct cluster_host *node)
{
    struct cluster_host *asked = &world->nodes[sim_draw(&world->sim, world->node_count)];
    if (sim_chance(&world->sim, 15)) {
        pause_moves(world, asked);
        return;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < world->size; i++) {
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
    if (world->node_count < world->size) {
        cluster_host_start(&world->nodes[world->node_count++]);
    }
}

/* Anyone; in a large world, one of the directory's servers as often as one of the many others. */
static struct cluster_host *victim(struct cluster_world *world)
{
    struct cluster_host *node = &world->nodes[sim_draw(&world->sim, world->node_count)];
    if (world->is_large && sim_chance(&world->sim, 50)) {
        for (uint32_t i = 0; i < world->size; i++) {
            struct cluster_host *other = &world->nodes[(node->place + i) % world->size];
            if (other->seen.role != ROLE_SPARE) {
                return other;
            }
        }
    }
    return node;
}

static void fault(struct sim_event *event)
{
    struct cluster_world *world = LIST_ITEM(event, struct cluster_world, fault);
    struct cluster_host *node = victim(world);
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
    } else if (which == 2 && world->is_large && sim_chance(&world->sim, 40)) {
        part(world);
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
    world->faults_every_ns = sim_between(sim, 100 * NS_PER_MS, (world->is_large ? 500 : 2000) * NS_PER_MS);
    for (uint32_t i = 0; world->is_large && i < world->size; i++) {
        if (sim_chance(sim, SLOW_DISK_PERCENT)) {
            world->nodes[i].media.write_ns = sim_between(sim, 10 * NS_PER_MS, 80 * NS_PER_MS);
        }
    }
    world->fault = (struct sim_event){.fire = fault, .name = "cluster.fault"};
    sim_after(sim, &world->fault, NS_PER_S);
}

void cluster_faults_heal(struct cluster_world *world)
{
    world->healed = true;
    sim_cancel(&world->sim, &world->fault);
    mend(world);
    world->loss_percent = world->double_percent = 0;
    for (uint32_t i = 0; i < world->size; i++) {
        struct cluster_host *node = &world->nodes[i];
        sim_cancel(&world->sim, &node->space);
        raft_media_set_full(&node->media, false, false);
        node->asleep_until_ns = 0;
        if (node->exists && node->member == NULL) { /* one that may have been removed hears whether it was */
            sim_after(&world->sim, &node->restart, NS_PER_MS);
        }
    }
}
