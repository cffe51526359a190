/* core/shard/replicas_stats.c: what is counted as it happens is in struct replicas; the rest is looked at here. */
#include "core/shard/replicas_stats.h"

#include "core/shard/replicas_parts.h"

static void look_at(const struct shard_copy *copy, struct replicas_stats *out)
{
    out->tail_bytes += copy->tail_bytes;
    if (copy->replica == NULL) {
        return;
    }
    struct replica_state state = replog_state(copy->replica);
    out->copies++;
    if (state.primary) {
        out->led++;
        out->lacking += copy->row.isr.count < copy->row.targets.count;
        out->lag = state.lag > out->lag ? state.lag : out->lag;
    }
}

void replicas_stats(const struct core *core, struct replicas_stats *out)
{
    *out = (struct replicas_stats){0};
    if (core->replicas == NULL) {
        return;
    }
    *out = core->replicas->stats;
    for (uint32_t id = 0; id < core->shard_count; id++) {
        if (core->shards[id] != NULL && core->shards[id]->copy != NULL) {
            look_at(core->shards[id]->copy, out);
        }
    }
}
