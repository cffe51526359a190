/* tests/simulation/replog/replog_judge.c: replication.md section 12, after each event; and what clients may see. */
#include "core/base/mem.h"
#include "core/replog/set.h"
#include "tests/simulation/replog/replog_world.h"

#define EPOCHS_MAX 4096u

static const struct written_log *acknowledged(const struct replog_copy *copy)
{
    return &copy->node->world->judged[copy->shard].acknowledged;
}

/* I9: (epoch, seq) never names two batches. */
void replog_judge_made(struct replog_copy *copy, uint64_t epoch, uint64_t seq)
{
    struct replog_world *world = copy->node->world;
    struct replog_judged *judged = &world->judged[copy->shard];
    if (epoch >= EPOCHS_MAX) {
        sim_fail(&world->sim, "epoch %llu is reached", (unsigned long long)epoch);
        return;
    }
    if (epoch >= judged->made_count) {
        judged->made = mem_grow(judged->made, (epoch + 64) * sizeof *judged->made);
        memset(judged->made + judged->made_count, 0, (epoch + 64 - judged->made_count) * sizeof *judged->made);
        judged->made_count = epoch + 64;
    }
    SIM_CHECK(&world->sim, seq > judged->made[epoch], "entry (%llu, %llu) of shard %u is made twice (I9)",
              (unsigned long long)epoch, (unsigned long long)seq, copy->shard);
    judged->made[epoch] = seq;
    world->reached.replog_cut_replaced += seq <= judged->made_last && epoch > judged->made_last_epoch;
    if (epoch >= judged->made_last_epoch) {
        judged->made_last = seq;
        judged->made_last_epoch = epoch;
    }
}

void replog_judge_committed(struct replog_copy *copy, uint64_t seq, bool primary)
{
    struct replog_world *world = copy->node->world;
    struct replog_judged *judged = &world->judged[copy->shard];
    struct written_log *log = &judged->acknowledged;
    uint64_t before = log->count;
    for (uint64_t at = before + 1; at <= seq && primary; at++) {
        const struct written *written = written_at(&copy->live, at);
        if (written == NULL) {
            sim_fail(&world->sim, "node %u commits what it has not, of shard %u", copy->node->place, copy->shard);
            return;
        }
        written_put(log, at, written->epoch, written->number);
    }
    SIM_CHECK(&world->sim, seq <= log->count, "node %u hears of a commit of shard %u that nobody made",
              copy->node->place, copy->shard);
    uint64_t both = seq < log->count ? seq : log->count;
    SIM_CHECK(&world->sim, written_chain(&copy->live, both) == written_chain(log, both),
              "node %u has other entries of shard %u up to %llu than those that were acknowledged (I3)",
              copy->node->place, copy->shard, (unsigned long long)both);
}

/* A read sees what was acknowledged before it began, and nothing else than what is acknowledged. */
void replog_judge_read(struct replog_copy *copy, const struct waiting *read, const char *how)
{
    struct sim *sim = &copy->node->world->sim;
    const struct written_log *log = acknowledged(copy);
    SIM_CHECK(sim, read->seq >= read->sees,
              "a read of shard %u at node %u, %s, sees %llu entries, and %llu were acknowledged before (I2)",
              copy->shard, copy->node->place, how, (unsigned long long)read->seq, (unsigned long long)read->sees);
    SIM_CHECK(sim, read->seq <= log->count && read->chain == written_chain(log, read->seq),
              "a read of shard %u at node %u, %s, sees what was not acknowledged (I2)", copy->shard, copy->node->place,
              how);
}

/* I1: on the disk of each copy that the directory names. */
static void judge_in_sync(struct replog_world *world, const struct replog_judged *judged, const struct copy *in_sync)
{
    const struct replog_node *node = replog_world_node(world, in_sync->node);
    const struct replog_copy *copy = &node->copies[judged->row.shard];
    uint64_t count = judged->acknowledged.count;
    if (ids_have(&copy->wiped, in_sync->rid) || ids_have(&judged->row.lost, in_sync->rid)) {
        return; /* that disk is gone */
    }
    SIM_CHECK(&world->sim, copy->control.rid == in_sync->rid,
              "node %u is in sync, and has thrown away its copy of shard %u (I1)", node->place, copy->shard);
    SIM_CHECK(&world->sim,
              copy->disk.count >= count &&
                  written_chain(&copy->disk, count) == written_chain(&judged->acknowledged, count),
              "node %u is in sync, and of %llu acknowledged entries of shard %u it has %llu on disk, or others (I1)",
              node->place, (unsigned long long)count, copy->shard, (unsigned long long)copy->disk.count);
}

static void judge_primary(struct replog_copy *copy, const struct replica_state *state)
{
    struct replog_world *world = copy->node->world;
    const struct replog_judged *judged = &world->judged[copy->shard];
    SIM_CHECK(&world->sim, state->promised != judged->row.epoch || set_covers(&state->set, &judged->row.isr),
              "node %u is primary of shard %u and does not wait for all in sync (I4)", copy->node->place, copy->shard);
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct replog_copy *other = &world->nodes[i].copies[copy->shard];
        SIM_CHECK(&world->sim,
                  other == copy || other->replica == NULL || !replog_is_primary(other->replica) ||
                      replog_state(other->replica).promised != state->promised,
                  "nodes %u and %u are primary of shard %u in epoch %llu (I5)", copy->node->place, i, copy->shard,
                  (unsigned long long)state->promised);
    }
}

/* I2, I8: who may answer reads by its lease has all that was acknowledged, and is the only one. */
static void judge_leased(struct replog_copy *copy, uint32_t *holder)
{
    struct replog_world *world = copy->node->world;
    if (!replog_may_read(copy->replica) || !replog_node_has_lease(copy->node)) {
        return;
    }
    SIM_CHECK(&world->sim, *holder == 0, "nodes %u and %u may both answer reads of shard %u (I8)", *holder - 1,
              copy->node->place, copy->shard);
    *holder = copy->node->place + 1;
    SIM_CHECK(&world->sim, copy->committed == acknowledged(copy)->count,
              "node %u may answer reads of shard %u and has committed %llu of %llu (I2)", copy->node->place,
              copy->shard, (unsigned long long)copy->committed, (unsigned long long)acknowledged(copy)->count);
}

static void judge_copy(struct replog_copy *copy, uint32_t *holder)
{
    struct sim *sim = &copy->node->world->sim;
    if (copy->replica == NULL) {
        return;
    }
    struct replica_state state = replog_state(copy->replica);
    SIM_CHECK(sim,
              copy->applied <= acknowledged(copy)->count && copy->applied <= state.last_seq &&
                  written_chain(&copy->live, copy->applied) == written_chain(acknowledged(copy), copy->applied),
              "node %u has applied what was not acknowledged of shard %u (I3)", copy->node->place, copy->shard);
    SIM_CHECK(sim, copy->switching || copy->live.count == state.last_seq,
              "node %u has %llu entries of shard %u and counts %llu", copy->node->place,
              (unsigned long long)copy->live.count, copy->shard, (unsigned long long)state.last_seq);
    if (state.primary) {
        judge_primary(copy, &state);
        judge_leased(copy, holder);
    }
}

void replog_judge_all(struct replog_world *world)
{
    for (uint32_t shard = 0; shard < world->shards && !world->sim.failed; shard++) {
        const struct replog_judged *judged = &world->judged[shard];
        uint32_t holder = 0;
        for (uint32_t i = 0; i < world->node_count; i++) {
            judge_copy(&world->nodes[i].copies[shard], &holder);
        }
        for (uint32_t i = 0; i < judged->row.isr.count; i++) {
            judge_in_sync(world, judged, &judged->row.isr.at[i]);
        }
        SIM_CHECK(&world->sim, judged->row.cv == 0 || judged->row.isr.count >= judged->row.min_isr,
                  "fewer copies of shard %u are in sync than min_isr (I7)", shard);
    }
}

/* At the end. */

static const char *unsettled_shard(struct replog_world *world, const struct replog_judged *judged)
{
    const struct cluster_shard *row = &judged->row;
    struct replog_node *node = replog_world_node(world, row->primary);
    struct replog_copy *copy = &node->copies[row->shard];
    if (copy->replica == NULL || !replog_may_read(copy->replica)) {
        return "a shard's primary is not ready";
    }
    if (!replog_node_has_lease(node)) {
        return "a primary has no lease";
    }
    if (row->targets.at[0] != row->primary) {
        return "a shard is not led by whom it should be";
    }
    if (row->isr.count != row->targets.count) {
        return "a shard does not have the copies that it should";
    }
    for (uint32_t i = 0; i < row->isr.count; i++) {
        const struct replog_copy *other = &replog_world_node(world, row->isr.at[i].node)->copies[row->shard];
        if (!ids_have(&row->targets, row->isr.at[i].node)) {
            return "a shard has a copy where it should have none";
        }
        if (other->replica == NULL || other->committed != judged->acknowledged.count ||
            other->applied != other->committed) {
            return "a copy lags";
        }
    }
    for (uint32_t i = 0; i < REPLOG_WAITS_MAX; i++) {
        if (copy->waits[i].kind != WAITING_NONE) {
            return "a call has no answer";
        }
    }
    return NULL;
}

const char *replog_judge_unsettled(struct replog_world *world)
{
    const char *why = NULL;
    for (uint32_t shard = 0; shard < world->shards && why == NULL; shard++) {
        why = unsettled_shard(world, &world->judged[shard]);
    }
    return why;
}

void replog_judge_tell(struct replog_world *world)
{
    for (uint32_t shard = 0; shard < world->shards; shard++) {
        const struct cluster_shard *row = &world->judged[shard].row;
        sim_tell(&world->sim, "shard %u: epoch %llu cv %llu primary %llu min_isr %u, %llu acknowledged", shard,
                 (unsigned long long)row->epoch, (unsigned long long)row->cv, (unsigned long long)row->primary,
                 row->min_isr, (unsigned long long)world->judged[shard].acknowledged.count);
        for (uint32_t i = 0; i < row->isr.count; i++) {
            sim_tell(&world->sim, "  in sync: %llu as %llx%s", (unsigned long long)row->isr.at[i].node,
                     (unsigned long long)row->isr.at[i].rid, ids_have(&row->lost, row->isr.at[i].rid) ? ", lost" : "");
        }
        for (uint32_t i = 0; i < row->targets.count; i++) {
            sim_tell(&world->sim, "  target: %llu", (unsigned long long)row->targets.at[i]);
        }
        for (uint32_t i = 0; i < world->node_count; i++) {
            const struct replog_copy *copy = &world->nodes[i].copies[shard];
            if (copy->replica == NULL) {
                continue;
            }
            struct replica_state s = replog_state(copy->replica);
            sim_tell(
                &world->sim,
                "  node %u as %llx: promised %llu, last %llu, durable %llu, committed %llu, applied %llu, cv %llu%s%s%s"
                "%s%s",
                i, (unsigned long long)copy->rid, (unsigned long long)s.promised, (unsigned long long)s.last_seq,
                (unsigned long long)s.durable_seq, (unsigned long long)s.commit_seq, (unsigned long long)copy->applied,
                (unsigned long long)s.cv, s.primary ? ", primary" : "", s.ready ? ", ready" : "",
                s.follows ? ", follows" : "", s.released ? ", released" : "", s.full ? ", full" : "");
        }
    }
}
