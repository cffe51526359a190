/* core/shard/load.c: averages of what shards did, and which of them did most. */
#include "core/shard/load.h"

#include "core/shard/core.h"
#include "core/shard/shard.h"

#define PASSED_MS_MAX 60000u /* of a core that stood still for longer: what was before is forgotten by then */

static bool is_hotter(const struct load_hot *a, const struct load_hot *b)
{
    return a->load != b->load ? a->load > b->load : a->shard < b->shard;
}

static void add_hot(struct load_report *report, struct load_hot hot)
{
    uint32_t at = report->hot_count;
    if (hot.load == 0 || (at == LOAD_HOT_MAX && !is_hotter(&hot, &report->hot[at - 1]))) {
        return;
    }
    if (at < LOAD_HOT_MAX) {
        report->hot_count++;
    } else {
        at--;
    }
    for (; at > 0 && is_hotter(&hot, &report->hot[at - 1]); at--) {
        report->hot[at] = report->hot[at - 1];
    }
    report->hot[at] = hot;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The average takes in what was since the last time, by how long that was. */
static void average(struct shard *shard, uint64_t passed_ns)
{
    uint64_t worked_us = shard->ran_ns / NS_PER_US + (uint64_t)shard->arrived * LOAD_CALL_US;
    uint64_t passed_us = passed_ns / NS_PER_US + 1, passed_ms = least(passed_ns / NS_PER_MS, PASSED_MS_MAX);
    uint64_t rate = worked_us < UINT32_MAX ? worked_us * 1000000 / passed_us : UINT32_MAX;
    uint64_t load = (shard->load * (uint64_t)LOAD_MEMORY_MS + least(rate, UINT32_MAX) * passed_ms) /
                    (LOAD_MEMORY_MS + passed_ms);
    shard->load = (uint32_t)least(load, UINT32_MAX);
    shard->ran_ns = 0;
    shard->arrived = 0;
}

void load_measure(struct core *core, struct load_report *out)
{
    uint64_t now_ns = core_now_ns(core), passed_ns = now_ns - core->load_ns;
    bool is_first = core->load_ns == 0;
    *out = (struct load_report){.total = 0};
    core->load_ns = now_ns;
    for (uint32_t id = 0; id < core->shard_count; id++) {
        struct shard *shard = core->shards[id];
        if (shard == NULL) {
            continue;
        }
        average(shard, is_first ? 0 : passed_ns);
        if (shard_serves(shard)) {
            out->total += shard->load;
            out->shards++;
            add_hot(out, (struct load_hot){id, shard->load});
        }
    }
}

void load_report_add(struct load_report *to, const struct load_report *from)
{
    to->total += from->total;
    to->shards += from->shards;
    for (uint32_t i = 0; i < from->hot_count; i++) {
        add_hot(to, from->hot[i]);
    }
}
