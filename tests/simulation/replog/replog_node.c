/* tests/simulation/replog/replog_node.c: one process: core/replog, its disk and clock, its lease, its copy of the
 * directory's rows. */
#include "core/base/mem.h"
#include "tests/simulation/replog/replog_world.h"

struct replog_node *replog_world_node(struct replog_world *world, uint64_t id)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (world->nodes[i].id == id) {
            return &world->nodes[i];
        }
    }
    return NULL;
}

bool replog_node_is_asleep(const struct replog_node *node)
{
    return node->asleep_until_ns > node->world->sim.now_ns;
}

bool replog_node_has_lease(const struct replog_node *node)
{
    return node->replog != NULL && lease_holder_valid(&node->lease, sim_clock_now_ns(&node->clock), node->feed_index);
}

/* True: it sleeps, and the event comes later. */
static bool sleeps(struct replog_node *node, struct sim_event *event)
{
    if (replog_node_is_asleep(node)) {
        sim_at(&node->world->sim, event, node->asleep_until_ns);
        return true;
    }
    return false;
}

void replog_node_worked(struct replog_node *node)
{
    struct sim *sim = &node->world->sim;
    if (!sim_is_set(&node->flush)) {
        sim_after(sim, &node->flush, sim_chance(sim, 50) ? 0 : sim_delay(sim, 50 * NS_PER_US));
    }
    replog_judge_all(node->world);
}

static void flush(struct sim_event *event)
{
    struct replog_node *node = LIST_ITEM(event, struct replog_node, flush);
    if (!sleeps(node, event)) {
        replog_flush(node->replog);
        replog_judge_all(node->world);
    }
}

static void tick(struct sim_event *event)
{
    struct replog_node *node = LIST_ITEM(event, struct replog_node, tick);
    if (!sleeps(node, event)) {
        lease_holder_check(&node->lease, sim_clock_now_ns(&node->clock), node->feed_index);
        replog_tick(node->replog, sim_clock_now_ns(&node->clock));
        replog_node_worked(node);
        sim_after(&node->world->sim, event, 50 * NS_PER_MS);
    }
}

static void apply(struct sim_event *event)
{
    struct replog_node *node = LIST_ITEM(event, struct replog_node, apply);
    if (!sleeps(node, event)) {
        replog_host_apply(node);
        replog_node_worked(node);
        sim_after(&node->world->sim, event, sim_delay(&node->world->sim, 30 * NS_PER_MS));
    }
}

static void renew(struct sim_event *event)
{
    struct replog_node *node = LIST_ITEM(event, struct replog_node, renew);
    if (!sleeps(node, event)) {
        replog_directory_renew(node);
        sim_after(&node->world->sim, event, 50 * NS_PER_MS);
    }
}

static void join(struct sim_event *event)
{
    struct replog_node *node = LIST_ITEM(event, struct replog_node, join);
    if (!sleeps(node, event) && !node->registered) {
        replog_directory_register(node);
        sim_after(&node->world->sim, event, sim_between(&node->world->sim, 100 * NS_PER_MS, 300 * NS_PER_MS));
    }
}

/* Rows of the directory, late, in order, some at a time; of several of a shard only the newest, now and then. */

void replog_copy_open(struct replog_copy *copy)
{
    struct replog_node *node = copy->node;
    const struct control *control = &copy->control;
    struct replica_options options = {.shard = copy->shard, .user = copy, .rid = control->rid};
    copy->applied = copy->committed = 0;
    if (control->rid == 0 || copy->deleted) { /* a new copy, empty */
        options.rid = sim_draw(&node->world->sim, UINT64_MAX - 1) + 1;
        written_cut(&copy->live, 0);
        replog_disk_submit(node,
                           &(struct disk_record){.kind = RECORD_RID, .shard = copy->shard, .number = options.rid});
    } else {
        written_copy(&copy->live, &copy->disk, copy->disk.count);
        copy->flushed = copy->flushed > copy->disk.count ? copy->disk.count : copy->flushed;
        copy->applied = copy->committed = copy->flushed;
        options.promised = control->promised;
        options.led = control->promised != control->cut_epoch;
        options.last_seq = copy->disk.count;
        options.applied_seq = copy->applied;
        options.history = control->history;
        options.history_count = control->history_count;
    }
    copy->rid = options.rid;
    copy->dropping = copy->deleted = false;
    copy->replica = replog_open(node->replog, &options);
    for (uint64_t seq = options.applied_seq + 1; seq <= options.last_seq; seq++) {
        const struct written *written = written_at(&copy->live, seq);
        replog_recovered(copy->replica, written->epoch, seq, pdr_bytes(&written->number, sizeof written->number));
    }
}

/* R65: the copy is closed first, so that it acknowledges nothing more; then the directory itself is asked. */
struct dropping {
    struct replog_later later;
    struct replog_copy *copy;
    struct replog_node *node;
    uint64_t incarnation;
};

static bool is_wanted(const struct replog_copy *copy, const struct cluster_shard *row)
{
    return copies_have(&row->isr, copy->node->id) || ids_have(&row->targets, copy->node->id);
}

static void drop(struct replog_later *later)
{
    struct dropping *dropping = LIST_ITEM(later, struct dropping, later);
    struct replog_copy *copy = dropping->copy;
    struct replog_node *node = dropping->node;
    const struct cluster_shard *row = &later->world->judged[copy->shard].row;
    if (node->replog == NULL || node->incarnation != dropping->incarnation || !copy->dropping) {
        return;
    }
    copy->dropping = false;
    if (is_wanted(copy, row) || node->is_full) {
        later->world->reached.replog_kept++;
        replog_copy_open(copy);
        replog_copy_row(copy, row);
    } else {
        later->world->reached.replog_dropped++;
        copy->deleted = true;
        sim_note(&later->world->sim, "replog.drop", node->place * 16 + copy->shard, 0);
        replog_disk_submit(node, &(struct disk_record){.kind = RECORD_DROP, .shard = copy->shard});
    }
    replog_node_worked(node);
}

static void consider_drop(struct replog_copy *copy)
{
    struct replog_node *node = copy->node;
    struct replica_state state = replog_state(copy->replica);
    if (is_wanted(copy, &copy->row) || state.leader_cv > copy->row.cv || node->record_count > 0 || copy->switching ||
        copy->control.rid != copy->rid || node->dir_cut) {
        return;
    }
    struct dropping *dropping = mem_new(sizeof *dropping);
    replog_copy_forget(copy);
    copy->dropping = true;
    dropping->later.arrive = drop;
    dropping->copy = copy;
    dropping->node = node;
    dropping->incarnation = node->incarnation;
    replog_later(node->world, &dropping->later, NULL, sim_between(&node->world->sim, NS_PER_MS, node->world->late_ns));
}

static void consider_misplaced(struct replog_copy *copy)
{
    struct replog_proposal proposal;
    if (copy->node->registered &&
        replog_misplaced(&copy->row, copy->node->id, copy->node->incarnation, copy->rid, &proposal)) {
        replog_host_propose(copy, &proposal);
    }
}

void replog_copy_row(struct replog_copy *copy, const struct cluster_shard *row)
{
    if (row->cv < copy->row.cv) {
        return;
    }
    copy->row = *row;
    if (copy->dropping) {
        return;
    }
    if (copy->replica == NULL && is_wanted(copy, row)) {
        replog_copy_open(copy);
    }
    if (copy->replica != NULL) {
        replog_row(copy->replica, row);
        consider_drop(copy);
    }
}

/* What a node sees to now and then. */
static void look_after(struct replog_copy *copy)
{
    if (sim_chance(&copy->node->world->sim, 10)) {
        consider_misplaced(copy);
        if (copy->replica != NULL) {
            consider_drop(copy);
        }
    }
}

static void feed(struct sim_event *event)
{
    struct replog_node *node = LIST_ITEM(event, struct replog_node, feed);
    struct replog_world *world = node->world;
    if (sleeps(node, event)) {
        return;
    }
    uint64_t left = world->change_count - node->feed_at;
    bool is_cut = node->dir_cut || node->feed_cut;
    uint64_t count = is_cut ? 0 : sim_chance(&world->sim, 50) ? left : sim_draw(&world->sim, left + 1);
    bool skips = sim_chance(&world->sim, 50);
    for (uint64_t i = 0; i < count; i++) {
        const struct replog_change *change = &world->changes[node->feed_at + i];
        bool newer = false;
        for (uint64_t k = i + 1; k < count && skips; k++) {
            newer = newer || world->changes[node->feed_at + k].row.shard == change->row.shard;
        }
        if (!newer) {
            replog_copy_row(&node->copies[change->row.shard], &change->row);
        }
        node->feed_index = change->dir_index;
    }
    node->feed_at += count;
    if (node->feed_at == world->change_count && !is_cut) {
        node->feed_index = directory_index(world->directory);
        for (uint32_t i = 0; i < world->shards; i++) {
            look_after(&node->copies[i]);
        }
    }
    replog_node_worked(node);
    sim_after(&world->sim, event, sim_delay(&world->sim, world->feed_ns));
}

/* Life. */

void replog_node_start(struct replog_node *node)
{
    struct replog_world *world = node->world;
    struct sim *sim = &world->sim;
    node->incarnation++;
    node->boot = sim_draw(sim, UINT64_MAX);
    node->registered = false;
    node->feed_at = node->feed_index = 0;
    node->asleep_until_ns = 0;
    sim_clock_reboot(&node->clock);
    sim_note(sim, "replog.start", node->place, node->incarnation);
    struct replog_options options = {.node = node->id,
                                     .incarnation = node->incarnation,
                                     .peers = &node->peers,
                                     .window_bytes = world->window_bytes,
                                     .group_bytes = world->group_bytes,
                                     .snapshot_window = 2};
    uint64_t now_ns = sim_clock_now_ns(&node->clock);
    node->replog = replog_new(&options, &replog_host_hooks, now_ns);
    lease_holder_init(&node->lease, node->id, node->incarnation, now_ns);
    for (uint32_t i = 0; i < world->shards; i++) {
        struct replog_copy *copy = &node->copies[i];
        copy->row = (struct cluster_shard){.shard = i};
        copy->rid = 0;
        copy->dropping = copy->deleted = false;
        if (copy->control.rid != 0) {
            replog_copy_open(copy);
        }
    }
    sim_after(sim, &node->tick, sim_delay(sim, 10 * NS_PER_MS));
    sim_after(sim, &node->apply, sim_delay(sim, 30 * NS_PER_MS));
    sim_after(sim, &node->renew, 1);
    sim_after(sim, &node->join, 1);
    sim_after(sim, &node->feed, sim_delay(sim, world->feed_ns));
}

static void restart(struct sim_event *event)
{
    struct replog_node *node = LIST_ITEM(event, struct replog_node, restart);
    if (node->replog == NULL) {
        replog_node_start(node);
    }
}

static void space(struct sim_event *event)
{
    struct replog_node *node = LIST_ITEM(event, struct replog_node, space);
    if (!sleeps(node, event)) {
        node->is_full = false;
        if (node->replog != NULL) {
            replog_host_space(node);
        }
    }
}

void replog_node_crash(struct replog_node *node)
{
    struct replog_world *world = node->world;
    struct sim_event *const events[] = {&node->tick,  &node->flush, &node->feed,  &node->apply,
                                        &node->renew, &node->join,  &node->space, &node->end};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        sim_cancel(&world->sim, events[i]);
    }
    if (node->replog == NULL) {
        return;
    }
    sim_note(&world->sim, "replog.crash", node->place, 0);
    replog_disk_crash(node);
    for (uint32_t i = 0; i < world->shards; i++) {
        struct replog_copy *copy = &node->copies[i];
        replog_clients_dropped(copy);
        copy->replica = NULL;
        copy->installing = copy->switching = copy->switch_lost = false;
        for (uint32_t k = 0; k < REPLOG_NODES_MAX; k++) {
            copy->outgoing[k].number = 0;
            written_release(&copy->outgoing[k].content);
        }
    }
    replog_free(node->replog);
    node->replog = NULL;
    node->is_full = false;
    node->asleep_until_ns = 0;
    replog_links_break(node);
}

void replog_node_crash_for_a_while(struct replog_node *node)
{
    struct replog_world *world = node->world;
    if (node->replog != NULL) {
        world->reached.replog_crashes++;
        replog_node_crash(node);
        sim_after(&world->sim, &node->restart, sim_delay(&world->sim, world->restart_ns));
        replog_judge_all(world);
    }
}

static void ended(struct sim_event *event)
{
    struct replog_node *node = LIST_ITEM(event, struct replog_node, end);
    if (!sleeps(node, event)) {
        node->world->reached.replog_left += replog_has_left(node->replog);
        replog_node_crash_for_a_while(node);
    }
}

void replog_node_init(struct replog_world *world, uint32_t place)
{
    struct replog_node *node = &world->nodes[place];
    node->world = world;
    node->place = place;
    node->id = 100 + place;
    node->sync_ns =
        sim_between(&world->sim, 30 * NS_PER_US, sim_chance(&world->sim, 20) ? 60 * NS_PER_MS : 5 * NS_PER_MS);
    sim_clock_init(&node->clock, &world->sim);
    replog_disk_init(node);
    node->tick = (struct sim_event){.fire = tick, .name = "replog.tick", .subject = place};
    node->flush = (struct sim_event){.fire = flush, .name = "replog.flush", .subject = place};
    node->feed = (struct sim_event){.fire = feed, .name = "replog.feed", .subject = place};
    node->apply = (struct sim_event){.fire = apply, .name = "replog.apply", .subject = place};
    node->renew = (struct sim_event){.fire = renew, .name = "replog.renew", .subject = place};
    node->join = (struct sim_event){.fire = join, .name = "replog.join", .subject = place};
    node->end = (struct sim_event){.fire = ended, .name = "replog.end", .subject = place};
    node->restart = (struct sim_event){.fire = restart, .name = "replog.restart", .subject = place};
    node->space = (struct sim_event){.fire = space, .name = "replog.space", .subject = place};
    for (uint32_t i = 0; i < world->shards; i++) {
        node->copies[i] = (struct replog_copy){.node = node, .shard = i, .control = {.shard = i}};
    }
}

void replog_node_release(struct replog_node *node)
{
    replog_node_crash(node);
    sim_cancel(&node->world->sim, &node->restart);
    for (uint32_t i = 0; i < node->world->shards; i++) {
        written_release(&node->copies[i].disk);
        written_release(&node->copies[i].live);
        written_release(&node->copies[i].incoming);
    }
    mem_free(node->records);
}
