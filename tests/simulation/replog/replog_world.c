/* tests/simulation/replog/replog_world.c: draws the world of a seed, and takes it through its two phases. */
#include "tests/simulation/replog/replog_world.h"

#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "tests/simulation/run.h"

#define PHASE_1_NS_MIN (2 * NS_PER_S)
#define PHASE_1_NS_MAX (20 * NS_PER_S)
#define LIVENESS_NS (30 * NS_PER_S)
#define LEAVE_NS (3 * NS_PER_S)

/* Logs of what was written. */

const struct written *written_at(const struct written_log *log, uint64_t seq)
{
    return seq > 0 && seq <= log->count ? &log->at[seq - 1] : NULL;
}

uint64_t written_chain(const struct written_log *log, uint64_t seq)
{
    const struct written *written = written_at(log, seq);
    return written != NULL ? written->chain : 0;
}

void written_put(struct written_log *log, uint64_t seq, uint64_t epoch, uint64_t number)
{
    uint64_t parts[4] = {written_chain(log, seq - 1), epoch, seq, number};
    if (seq != log->count + 1) {
        return; /* a gap: whoever counts sees it */
    }
    if (log->count == log->capacity) {
        log->capacity = log->capacity * 2 + 64;
        log->at = mem_grow(log->at, log->capacity * sizeof *log->at);
    }
    log->at[log->count++] = (struct written){epoch, number, hash_bytes(pdr_bytes(parts, sizeof parts), 1)};
}

void written_cut(struct written_log *log, uint64_t seq)
{
    log->count = seq < log->count ? seq : log->count;
}

void written_copy(struct written_log *to, const struct written_log *from, uint64_t count)
{
    to->count = 0;
    for (uint64_t seq = 1; seq <= count; seq++) {
        const struct written *written = written_at(from, seq);
        written_put(to, seq, written->epoch, written->number);
    }
}

void written_release(struct written_log *log)
{
    mem_free(log->at);
    *log = (struct written_log){0};
}

/* The run. */

static void draw(struct replog_world *world)
{
    struct sim *sim = &world->sim;
    world->node_count = (uint32_t)sim_between(sim, 3, REPLOG_NODES_MAX);
    world->shards = (uint32_t)sim_between(sim, 1, REPLOG_SHARDS_MAX);
    world->copies_wanted = (uint8_t)sim_between(sim, sim_chance(sim, 20) ? 1 : 2, 3);
    world->min_isr = (uint8_t)(world->copies_wanted == 1 ? 1 : sim_between(sim, 1, 2));
    world->pad_max = (uint32_t)(sim_chance(sim, 20) ? 4000 : 100);
    world->window_bytes = (uint32_t)(sim_chance(sim, 50) ? sim_between(sim, 1, 2000) : 1u << 20);
    world->group_bytes = (uint32_t)(sim_chance(sim, 50) ? sim_between(sim, 100, 2000) : 1u << 20);
    world->room_bytes = (uint32_t)(sim_chance(sim, 30) ? sim_between(sim, 200, 4000) : 1u << 20);
    world->chunk_entries = (uint32_t)sim_between(sim, 4, 64);
    world->writes_every_ns = sim_between(sim, 2 * NS_PER_MS, 60 * NS_PER_MS);
    world->moves_every_ns = sim_chance(sim, 60) ? sim_between(sim, 100 * NS_PER_MS, 3 * NS_PER_S) : 0;
    world->undecided = sim_chance(sim, 50);
    world->rest_percent = sim_chance(sim, 30) ? (unsigned)sim_between(sim, 1, 30) : 0;
    world->delay_ns = NS_PER_MS;
    world->feed_ns = 5 * NS_PER_MS;
    world->late_ns = 50 * NS_PER_MS;
}

static void open_world(struct replog_world *world, const struct run_options *options)
{
    sim_init(&world->sim, options->seed, options->story);
    list_init(&world->flying);
    draw(world);
    for (uint32_t i = 0; i < world->node_count; i++) {
        replog_node_init(world, i);
    }
    if (!options->no_faults) {
        replog_faults_init(world);
    }
    replog_links_init(world);
    replog_directory_init(world);
    replog_clients_init(world);
}

static void close_world(struct replog_world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        replog_node_crash(&world->nodes[i]);
    }
    for (uint32_t i = 0; i < world->node_count; i++) {
        replog_node_release(&world->nodes[i]);
    }
    replog_links_release(world);
    replog_directory_release(world);
    for (uint32_t i = 0; i < world->shards; i++) {
        written_release(&world->judged[i].acknowledged);
        mem_free(world->judged[i].made);
    }
    sim_release(&world->sim);
}

/* First everything must come to where it should be, with clients at work; then, without, to rest. */
static void settle(struct replog_world *world)
{
    uint64_t until = world->sim.now_ns + LIVENESS_NS, acknowledged = 0;
    const char *why = "";
    replog_faults_heal(world);
    sim_run_until(&world->sim, world->sim.now_ns + 5 * NS_PER_S);
    acknowledged = world->reached.replog_acknowledged;
    sim_run_until(&world->sim, world->sim.now_ns + 5 * NS_PER_S);
    SIM_CHECK(&world->sim, world->reached.replog_acknowledged > acknowledged,
              "nothing is broken any more, and nothing is acknowledged");
    sim_cancel(&world->sim, &world->write);
    sim_cancel(&world->sim, &world->read);
    while (!world->sim.failed && why != NULL) {
        sim_run_until(&world->sim, world->sim.now_ns + 50 * NS_PER_MS);
        why = replog_judge_unsettled(world);
        SIM_CHECK(&world->sim, world->sim.now_ns < until, "nothing is broken any more for %llu s, and yet: %s",
                  (unsigned long long)(LIVENESS_NS / NS_PER_S), why != NULL ? why : "");
    }
}

/* Whoever says that it leaves leads nothing soon, and nobody waits for it who need not. */
static void leave(struct replog_world *world)
{
    struct replog_node *node = &world->nodes[sim_draw(&world->sim, world->node_count)];
    if (world->sim.failed) {
        return;
    }
    sim_tell(&world->sim, "node %u leaves", node->place);
    replog_leave(node->replog);
    sim_run_until(&world->sim, world->sim.now_ns + LEAVE_NS);
    SIM_CHECK(&world->sim, replog_has_left(node->replog), "node %u does not get away", node->place);
    for (uint32_t shard = 0; shard < world->shards; shard++) {
        const struct cluster_shard *row = &world->judged[shard].row;
        bool is_needed = row->isr.count == 1 || row->isr.count <= row->min_isr;
        SIM_CHECK(&world->sim, row->isr.count == 1 || row->primary != node->id, "node %u still leads shard %u",
                  node->place, shard);
        SIM_CHECK(&world->sim, is_needed || !copies_have(&row->isr, node->id), "shard %u waits for node %u", shard,
                  node->place);
    }
}

bool replog_world_run(const struct run_options *options, struct run_result *result)
{
    struct replog_world *world = mem_new(sizeof *world);
    open_world(world, options);
    sim_run_until(&world->sim, sim_between(&world->sim, PHASE_1_NS_MIN, PHASE_1_NS_MAX));
    settle(world);
    leave(world);
    if (world->sim.failed) {
        replog_judge_tell(world);
    }
    *result = (struct run_result){.passed = !world->sim.failed,
                                  .trace = world->sim.trace,
                                  .steps = world->sim.steps,
                                  .simulated_ns = world->sim.now_ns,
                                  .crashes = world->reached.replog_crashes,
                                  .done = world->reached.replog_acknowledged,
                                  .not_done = world->reached.replog_refused,
                                  .unknown = world->reached.replog_unknown,
                                  .replog_reached = world->reached};
    memcpy(result->why, world->sim.why, sizeof result->why);
    for (uint32_t i = 0; i < world->node_count; i++) {
        result->starts += world->nodes[i].incarnation;
    }
    close_world(world);
    mem_free(world);
    return result->passed;
}
