/* tests/simulation/replog/replog_faults.c: which faults a run has, and how often: each seed draws its own mixture. */
#include "tests/simulation/replog/replog_world.h"

/* Whether the copy is on its node's disk. */
static bool is_whole(const struct replog_world *world, const struct cluster_shard *row, const struct copy *copy)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (world->nodes[i].id == copy->node) {
            return world->nodes[i].copies[row->shard].control.rid == copy->rid && !ids_have(&row->lost, copy->rid);
        }
    }
    return false;
}

/* One lost disk at a time is survived, until the directory has heard of it, if all else in sync is whole. With min_isr
 * 1 not even that: the one whose disk is lost may be promoted before anybody knows, and the other put out of isr. */
static bool may_be_wiped(const struct replog_world *world, const struct replog_node *node)
{
    for (uint32_t shard = 0; shard < world->shards; shard++) {
        const struct cluster_shard *row = &world->judged[shard].row;
        if (node->copies[shard].wiped.count == LIMIT_COPIES_MAX) {
            return false;
        }
        uint32_t whole = 0, others = row->isr.count - (copies_have(&row->isr, node->id) ? 1u : 0u);
        for (uint32_t i = 0; i < row->isr.count; i++) {
            whole += row->isr.at[i].node != node->id && is_whole(world, row, &row->isr.at[i]);
        }
        if (whole == 0 || whole < others) {
            return false;
        }
    }
    return world->min_isr > 1;
}

static void crash(struct replog_world *world, struct replog_node *node)
{
    bool all = sim_chance(&world->sim, 15);
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (all || &world->nodes[i] == node) {
            replog_node_crash_for_a_while(&world->nodes[i]);
        }
    }
    if (node->replog == NULL && sim_chance(&world->sim, world->wipe_percent) && may_be_wiped(world, node)) {
        world->reached.replog_wiped++;
        sim_note(&world->sim, "replog.wipe", node->place, 0);
        replog_disk_wipe(node);
    }
}

/* In good order: it says so, and has a while. */
static void leave(struct replog_world *world, struct replog_node *node)
{
    if (node->replog != NULL && !sim_is_set(&node->end)) {
        replog_leave(node->replog);
        sim_after(&world->sim, &node->end, sim_between(&world->sim, NS_PER_MS, NS_PER_S));
    }
}

static void cut(struct replog_world *world, uint32_t place)
{
    world->reached.replog_cuts++;
    bool all = sim_chance(&world->sim, 50);
    uint32_t other = (uint32_t)sim_draw(&world->sim, world->node_count);
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (all || i == other) {
            replog_links_cut(world, place, i, true);
        }
    }
}

void replog_faults_isolate(struct replog_node *node)
{
    node->feed_cut = true;
    for (uint32_t i = 0; i < node->world->node_count; i++) {
        replog_links_cut(node->world, node->place, i, true);
    }
}

static void mend(struct replog_world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        world->nodes[i].dir_cut = world->nodes[i].feed_cut = false;
        for (uint32_t k = i + 1; k < world->node_count; k++) {
            replog_links_cut(world, i, k, false);
        }
    }
}

/* Another server leads the directory: it knows nothing of what was granted (R5). */
static void change_leader(struct replog_world *world)
{
    struct lease_grantor *grantor = &world->grantor;
    uint64_t now_ns = sim_clock_now_ns(&world->leader_clock);
    world->reached.replog_leaders++;
    lease_grantor_release(grantor);
    lease_grantor_init(grantor, now_ns);
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct cluster_member *member = cluster_rows_member(directory_rows(world->directory), world->nodes[i].id);
        if (member != NULL) {
            lease_grantor_register(grantor, now_ns, member->node, member->incarnation);
        }
    }
    lease_grantor_ready(grantor);
}

static void fill(struct replog_world *world, struct replog_node *node)
{
    if (node->replog != NULL && !node->is_full) {
        world->reached.replog_full_disks++;
        node->is_full = true;
        sim_after(&world->sim, &node->space, sim_between(&world->sim, 10 * NS_PER_MS, 3 * NS_PER_S));
    }
}

static void fault(struct sim_event *event)
{
    struct replog_world *world = LIST_ITEM(event, struct replog_world, fault);
    struct replog_node *node = &world->nodes[sim_draw(&world->sim, world->node_count)];
    const unsigned weights[] = {world->crash_weight,   world->pause_weight, world->cut_weight,
                                world->dir_cut_weight, world->full_weight,  world->leader_weight};
    uint64_t all = 0;
    uint32_t which = 0;
    for (uint32_t i = 0; i < 6; i++) {
        all += weights[i];
    }
    uint64_t at = sim_draw(&world->sim, all);
    while (at >= weights[which]) {
        at -= weights[which++];
    }
    if (sim_chance(&world->sim, 40)) {
        mend(world);
    }
    switch (which) {
    case 0:
        if (sim_chance(&world->sim, 30)) {
            leave(world, node);
        } else {
            crash(world, node);
        }
        break;
    case 1:
        world->reached.replog_pauses++;
        node->asleep_until_ns = world->sim.now_ns + sim_between(&world->sim, NS_PER_MS, 2500 * NS_PER_MS);
        break;
    case 2:
        cut(world, node->place);
        break;
    case 3:
        node->dir_cut = sim_chance(&world->sim, 40);
        node->feed_cut = !node->dir_cut;
        break;
    case 4:
        fill(world, node);
        break;
    default:
        change_leader(world);
        break;
    }
    sim_after(&world->sim, event, sim_delay(&world->sim, world->faults_every_ns));
}

static unsigned draw_weight(struct sim *sim)
{
    return sim_chance(sim, 60) ? (unsigned)sim_between(sim, 1, 10) : 0;
}

void replog_faults_init(struct replog_world *world)
{
    struct sim *sim = &world->sim;
    bool wild = sim_chance(sim, 50); /* links that do worse than they promise */
    world->loss_percent = wild && sim_chance(sim, 60) ? (unsigned)sim_draw(sim, 15) : 0;
    world->double_percent = wild && sim_chance(sim, 60) ? (unsigned)sim_draw(sim, 30) : 0;
    world->overtake_percent = wild && sim_chance(sim, 60) ? (unsigned)sim_draw(sim, 20) : 0;
    world->answer_loss_percent = sim_chance(sim, 50) ? (unsigned)sim_draw(sim, 30) : 0;
    world->trusts_no_clocks = sim_chance(sim, 15);
    world->late_moves = sim_chance(sim, 30);
    world->hasty = sim_chance(sim, 30);
    world->wipe_percent = sim_chance(sim, 40) ? (unsigned)sim_between(sim, 5, 60) : 0;
    world->delay_ns = sim_between(sim, 50 * NS_PER_US, sim_chance(sim, 30) ? 40 * NS_PER_MS : 3 * NS_PER_MS);
    world->late_ns = sim_between(sim, 20 * NS_PER_MS, 2500 * NS_PER_MS);
    world->feed_ns = sim_between(sim, NS_PER_MS, sim_chance(sim, 30) ? 400 * NS_PER_MS : 30 * NS_PER_MS);
    world->crash_weight = draw_weight(sim);
    world->pause_weight = draw_weight(sim);
    world->cut_weight = draw_weight(sim);
    world->dir_cut_weight = draw_weight(sim) / 2;
    world->full_weight = draw_weight(sim) / 2;
    world->leader_weight = draw_weight(sim) / 4;
    world->restart_ns = sim_between(sim, 20 * NS_PER_MS, sim_chance(sim, 50) ? 300 * NS_PER_MS : 3 * NS_PER_S);
    world->faults_every_ns = sim_between(sim, 60 * NS_PER_MS, 1500 * NS_PER_MS);
    world->fault = (struct sim_event){.fire = fault, .name = "replog.fault"};
    if (world->crash_weight + world->pause_weight + world->cut_weight + world->dir_cut_weight + world->full_weight +
            world->leader_weight >
        0) {
        sim_after(sim, &world->fault, sim_delay(sim, world->faults_every_ns));
    }
}

void replog_faults_heal(struct replog_world *world)
{
    world->healed = true;
    sim_cancel(&world->sim, &world->fault);
    sim_cancel(&world->sim, &world->operate);
    sim_after(&world->sim, &world->write, NS_PER_MS);
    mend(world);
    world->loss_percent = world->double_percent = world->overtake_percent = world->answer_loss_percent = 0;
    world->delay_ns = NS_PER_MS;
    world->feed_ns = 5 * NS_PER_MS;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct replog_node *node = &world->nodes[i];
        node->sync_ns = NS_PER_MS;
        node->asleep_until_ns = 0;
        if (sim_is_set(&node->end)) {
            replog_node_crash_for_a_while(node);
        }
        if (node->replog != NULL) {
            sim_after(&world->sim, &node->feed, NS_PER_MS);
        }
        if (node->replog == NULL) {
            sim_after(&world->sim, &node->restart, NS_PER_MS);
        } else if (node->is_full) {
            sim_after(&world->sim, &node->space, NS_PER_MS);
        }
    }
}
