/* tests/simulation/checkers/leak.c: counts what is left. */
#include "tests/simulation/checkers/leak.h"

#include "core/shard/core.h"
#include "core/shard/shard.h"
#include "tools/node/node_parts.h"

static void check_core(struct sim *sim, const struct core *core, bool drained, bool full)
{
    if (drained) {
        SIM_CHECK(sim, core->calls.live == 0, "core %u stopped with %llu calls", core->index,
                  (unsigned long long)core->calls.live);
        SIM_CHECK(sim, core->turns_open == 0 && core->queued == 0, "core %u stopped with %u turns and %u queued calls",
                  core->index, core->turns_open, core->queued);
        SIM_CHECK(sim, core->fibers == NULL || fiber_pool_busy(core->fibers) == 0, "core %u stopped with %zu fibers",
                  core->index, core->fibers == NULL ? 0 : fiber_pool_busy(core->fibers));
        SIM_CHECK(sim, list_empty(&core->jobs), "core %u stopped with a job at the work pool", core->index);
    }
    SIM_CHECK(sim, list_empty(&core->in_flight) && core->open == NULL,
              "core %u stopped with entries that are not in the log", core->index);
    SIM_CHECK(sim, list_empty(&core->unapplied) || full, "core %u stopped with entries that are not in the store",
              core->index);
    SIM_CHECK(sim, core->uncommitted_bytes == 0 && (core->unapplied_bytes == 0 || full),
              "core %u stopped with %llu uncommitted and %llu unapplied bytes", core->index,
              (unsigned long long)core->uncommitted_bytes, (unsigned long long)core->unapplied_bytes);
}

static void check_shard(struct sim *sim, const struct shard *shard, bool full)
{
    SIM_CHECK(sim, list_empty(&shard->gate), "shard %u stopped with somebody at its gate", shard->id);
    bool is_whole = (shard->applied_seq == shard->commit_seq || full) && shard->commit_seq == shard->last_seq;
    SIM_CHECK(sim, is_whole || shard->copy != NULL, /* what is not committed then stays in the log */
              "shard %u stopped at last=%llu commit=%llu applied=%llu", shard->id, (unsigned long long)shard->last_seq,
              (unsigned long long)shard->commit_seq, (unsigned long long)shard->applied_seq);
}

/* A listener's good-bye may be between two cores still: nobody waits for it, and node_free takes it as it is. */
static void deliver_all(const struct node *node)
{
    size_t more = 1;
    while (more > 0) {
        more = 0;
        for (unsigned i = 0; i < node->world.cores; i++) {
            more += inbox_deliver(&node->world.core_loops[i]->inbox);
        }
    }
}

void leak_check(struct sim *sim, const struct node *node, bool drained, bool full)
{
    for (unsigned i = 0; i < node->world.cores; i++) {
        const struct core *core = node->cores[i];
        check_core(sim, core, drained, full);
        for (uint32_t id = 0; id < core->shard_count; id++) {
            if (core->shards[id] != NULL) {
                check_shard(sim, core->shards[id], full);
            }
        }
        if (core->directory != NULL) {
            check_shard(sim, core->directory, full);
        }
    }
    check_core(sim, node->control, drained, full);
    deliver_all(node); /* behind the checks of calls and shards, which need no such help */
    for (unsigned i = 0; i < node->world.cores; i++) {
        SIM_CHECK(sim, !drained || node->parts[i].conns.count == 0, "core %u stopped with %u connections", i,
                  node->parts[i].conns.count);
    }
}
