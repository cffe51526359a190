/* tests/simulation/cluster/cluster_load.c: shards that work, some of them much more than others: nodes say so, as
 * core/shard/load.h has it, and never quite the same; some nodes, of an older version, say nothing.
 *
 * Judged when all else is over: hot shards of equal heat are spread over the nodes; a shard that has moved has time to
 * look like what it is; and whatever moves, it is more even afterwards than before, so there is an end of it. (Not that
 * after some time nothing moves: what is measured is never quite the same, and at times that shows a way which was
 * closed for long.) Where a node says nothing, nothing moves. */
#include "core/base/mem.h"
#include "tests/simulation/cluster/cluster_world.h"

#define HOT_PERCENT 25 /* of worlds */
#define SILENT_PERCENT 20
#define REPORT_NS (250 * NS_PER_MS)
#define HOT 300000u
#define COLD_MAX 1000u
#define NOISE_PERCENT 10u
#define MEMORY 4u /* reports: what is measured comes nearer by that part each time */
#define SPREAD_NS (80 * NS_PER_S)
#define PLAN_NS NS_PER_S /* all of a plan has begun, and the next may not have */

void cluster_load_init(struct cluster_world *world)
{
    struct sim *sim = &world->sim;
    world->heat = mem_new(world->shards * sizeof *world->heat);
    world->target_ns = mem_new(world->shards * sizeof *world->target_ns);
    world->target = mem_new(world->shards * sizeof *world->target);
    if (world->is_large || world->no_moves || !sim_chance(sim, HOT_PERCENT)) {
        return;
    }
    world->is_hot = true;
    for (uint32_t i = 0; i < world->shards; i++) {
        world->heat[i] = sim_chance(sim, 30) ? HOT : (uint32_t)sim_between(sim, 1, COLD_MAX);
    }
    for (uint32_t i = 0; i < world->size && sim_chance(sim, SILENT_PERCENT); i++) {
        world->nodes[sim_draw(sim, world->size)].is_silent = true;
    }
}

void cluster_load_release(struct cluster_world *world)
{
    mem_free(world->heat);
    mem_free(world->target_ns);
    mem_free(world->target);
    for (uint32_t i = 0; i < world->size; i++) {
        mem_free(world->nodes[i].load);
    }
}

static uint32_t noisy(struct sim *sim, uint32_t heat)
{
    uint32_t noise = heat * NOISE_PERCENT / 100;
    return heat - noise + (uint32_t)sim_draw(sim, 2 * noise + 1);
}

/* As many as a report may name are all that a small world has. */
static void measure(struct cluster_host *host, struct load_report *out)
{
    const struct cluster_rows *rows = &member_view(host->member)->rows;
    *out = (struct load_report){.total = 0};
    for (uint32_t i = 0; i < host->world->shards; i++) {
        const struct cluster_shard *shard = cluster_rows_shard(rows, i);
        bool is_ours = shard != NULL && shard->primary == host->id && shard->incarnation == host->incarnation;
        uint32_t rate = is_ours ? noisy(&host->world->sim, host->world->heat[i]) : 0;
        host->load[i] = (host->load[i] * (MEMORY - 1) + rate) / MEMORY;
        if (is_ours) {
            out->total += host->load[i];
            out->shards++;
        }
        if (is_ours && host->load[i] > 0) {
            out->hot[out->hot_count++] = (struct load_hot){i, host->load[i]};
        }
    }
}

static void report(struct sim_event *event)
{
    struct cluster_host *host = LIST_ITEM(event, struct cluster_host, report);
    struct load_report measured;
    if (host->asleep_until_ns <= host->world->sim.now_ns && !host->ending) {
        measure(host, &measured);
        member_load(host->member, &measured);
        cluster_host_arm(host);
    }
    sim_after(&host->world->sim, event, REPORT_NS);
}

void cluster_load_start(struct cluster_host *host)
{
    if (!host->world->is_hot || host->is_silent) {
        return;
    }
    mem_free(host->load);
    host->load = mem_new(host->world->shards * sizeof *host->load);
    host->report = (struct sim_event){.fire = report, .name = "cluster.load", .subject = host->place};
    sim_after(&host->world->sim, &host->report, sim_delay(&host->world->sim, REPORT_NS));
}

void cluster_load_stop(struct cluster_host *host)
{
    if (host->world->is_hot && !host->is_silent) {
        sim_cancel(&host->world->sim, &host->report);
    }
}

/* The end. */

static bool stays(const struct cluster_member *member)
{
    return member->state != MEMBER_REMOVED && !member->draining;
}

static uint32_t hot_of(const struct cluster_world *world, const struct cluster_rows *rows, uint64_t node)
{
    uint32_t hot = 0;
    for (uint32_t i = 0; i < world->shards; i++) {
        const struct cluster_shard *shard = cluster_rows_shard(rows, i);
        hot += shard != NULL && shard->targets.at[0] == node && world->heat[i] == HOT;
    }
    return hot;
}

static uint32_t silent(const struct cluster_world *world, const struct cluster_rows *rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->size; i++) {
        const struct cluster_member *member = cluster_rows_member(rows, world->nodes[i].id);
        count += member != NULL && stays(member) && world->nodes[i].is_silent;
    }
    return count;
}

/* Whether a shard that `from` leads could be led by `to` with no other copy moved: it has a copy, or the leader's may
 * go there without doubling a zone. */
static bool could_lead(const struct cluster_world *world, const struct cluster_shard *shard, uint64_t from, uint64_t to)
{
    char zone = cluster_world_node(world, to)->zone;
    bool is_free = true;
    for (uint32_t i = 0; i < shard->targets.count; i++) {
        uint64_t node = shard->targets.at[i];
        if (node == to) {
            return true;
        }
        is_free = is_free && (node == from || cluster_world_node(world, node)->zone != zone);
    }
    return is_free;
}

static bool could_give(const struct cluster_world *world, const struct cluster_rows *rows, uint64_t from, uint64_t to,
                       bool hot)
{
    for (uint32_t i = 0; i < world->shards; i++) {
        const struct cluster_shard *shard = cluster_rows_shard(rows, i);
        if (shard != NULL && shard->targets.at[0] == from && (world->heat[i] == HOT) == hot &&
            could_lead(world, shard, from, to)) {
            return true;
        }
    }
    return false;
}

/* A node with at least two hot shards more than another with which it could change one. */
static bool is_uneven(const struct cluster_world *world, const struct cluster_rows *rows)
{
    const struct row_list *members = &rows->of[ROW_MEMBER];
    for (uint32_t i = 0; i < members->count * members->count; i++) {
        const struct cluster_member *a = &members->at[i / members->count]->entry.member;
        const struct cluster_member *b = &members->at[i % members->count]->entry.member;
        if (stays(a) && stays(b) && hot_of(world, rows, a->node) > hot_of(world, rows, b->node) + 1 &&
            could_give(world, rows, a->node, b->node, true) && could_give(world, rows, b->node, a->node, false)) {
            return true;
        }
    }
    return false;
}

/* It falls with each hot shard that goes to a node with two fewer, and a plan that gains nothing leaves it. */
static uint64_t unevenness(const struct cluster_world *world, const struct cluster_rows *rows)
{
    const struct row_list *members = &rows->of[ROW_MEMBER];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        uint64_t hot = hot_of(world, rows, members->at[i]->entry.member.node);
        sum += hot * hot;
    }
    return sum;
}

/* True: a shard moves. */
static bool note_targets(struct cluster_world *world, const struct cluster_rows *rows, bool may_move)
{
    bool moves = false;
    for (uint32_t i = 0; i < world->shards; i++) {
        const struct cluster_shard *shard = cluster_rows_shard(rows, i);
        struct ids *last = &world->target[i];
        if (shard == NULL || memcmp(last, &shard->targets, sizeof *last) == 0) {
            continue;
        }
        uint64_t since_ns = world->sim.now_ns - world->target_ns[i];
        SIM_CHECK(&world->sim, last->count == 0 || may_move, "shard %u moves, and there is no reason for it", i);
        SIM_CHECK(&world->sim, last->count == 0 || since_ns >= CLUSTER_LOAD_REST_MS * NS_PER_MS,
                  "shard %u moves again %llu ms after it did", i, (unsigned long long)(since_ns / NS_PER_MS));
        world->reached.cluster_cooled += last->count > 0;
        moves = moves || last->count > 0;
        world->target_ns[i] = last->count > 0 ? world->sim.now_ns : 0;
        *last = shard->targets;
    }
    return moves;
}

/* A lease may run out though nothing is broken: a clock drifts as far as it may. Then shards are led by others, and who
 * comes back is given some again: of such an end nothing is judged from there. */
static bool is_disturbed(const struct cluster_rows *rows)
{
    const struct row_list *members = &rows->of[ROW_MEMBER];
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        if (member->state != MEMBER_UP && member->state != MEMBER_REMOVED) {
            return true;
        }
    }
    return false;
}

/* False: something else happened. */
static bool watch(struct cluster_world *world, const struct cluster_rows *(*rows)(struct cluster_world *world),
                  bool may_move)
{
    uint64_t until = world->sim.now_ns + SPREAD_NS, moved_ns = 0, uneven = unevenness(world, rows(world));
    while ((world->sim.now_ns < until || moved_ns != 0) && !world->sim.failed) {
        sim_run_until(&world->sim, world->sim.now_ns + 20 * NS_PER_MS);
        if (rows(world) == NULL || is_disturbed(rows(world))) {
            return false;
        }
        moved_ns = note_targets(world, rows(world), may_move) ? world->sim.now_ns : moved_ns;
        if (moved_ns != 0 && world->sim.now_ns - moved_ns >= PLAN_NS) {
            uint64_t before = uneven;
            uneven = unevenness(world, rows(world));
            SIM_CHECK(&world->sim, uneven < before, "shards have moved, and hot ones are spread no better than before");
            moved_ns = 0;
        }
    }
    return !world->sim.failed;
}

/* For the story. */
static void tell_heat(struct cluster_world *world, const struct cluster_rows *rows)
{
    for (uint32_t i = 0; i < world->shards; i++) {
        const struct cluster_shard *shard = cluster_rows_shard(rows, i);
        for (uint32_t k = 0; shard != NULL && k < shard->targets.count; k++) {
            const struct cluster_host *host = cluster_world_node(world, shard->targets.at[k]);
            sim_tell(&world->sim, "  shard %u, heat %u: target %u in zone %c", i, world->heat[i], host->place,
                     host->zone);
        }
    }
}

void cluster_load_settle(struct cluster_world *world, const struct cluster_rows *(*rows)(struct cluster_world *world))
{
    if (!world->is_hot || world->sim.failed || rows(world) == NULL) {
        return;
    }
    bool is_paused = cluster_rows_info(rows(world))->paused;
    note_targets(world, rows(world), true);
    bool may_move = !is_paused && silent(world, rows(world)) == 0;
    if (watch(world, rows, may_move)) {
        if (may_move && is_uneven(world, rows(world))) {
            tell_heat(world, rows(world));
        }
        SIM_CHECK(&world->sim, !may_move || !is_uneven(world, rows(world)),
                  "a node has two hot shards more than another, and keeps them");
    }
}
