/* tests/simulation/cluster/cluster_carry.c: primaries that carry out what the directory's targets say, as a shard's
 * primary does when it has copied the data (replication.md R41, R42, R50, R65): a step a shard at a time, each a CAS on
 * its row. There is no data here, so a copy is made by saying so. */
#include "core/base/mem.h"
#include "tests/simulation/cluster/cluster_world.h"

#define EVERY_NS (60 * NS_PER_MS)
#define EVERY_NS_LARGE (150 * NS_PER_MS)
#define AGAIN_PERCENT 10 /* of looks at a row for which a step was proposed already: its answer may never come */
#define DEADLINE_MS 1000u

static bool is_up(const struct cluster_rows *rows, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(rows, node);
    return member != NULL && member->state == MEMBER_UP;
}

static uint64_t pause_ns(struct cluster_host *host)
{
    return sim_delay(&host->world->sim, host->world->is_large ? EVERY_NS_LARGE : EVERY_NS);
}

/* A target that is up and has no copy: a copy is made. True: `out` is the step. */
static bool step_add(struct cluster_host *host, const struct cluster_rows *rows, const struct cluster_shard *shard,
                     struct command *out)
{
    for (uint32_t i = 0; i < shard->targets.count; i++) {
        uint64_t node = shard->targets.at[i];
        if (!copies_have(&shard->isr, node) && is_up(rows, node) && shard->isr.count < LIMIT_COPIES_MAX) {
            *out = (struct command){.kind = COMMAND_ADD,
                                    .add = {shard->shard, shard->cv, node, rng_next(&host->world->sim.rng) | 1}};
            return true;
        }
    }
    return false;
}

static bool step_transfer(const struct cluster_rows *rows, const struct cluster_shard *shard, struct command *out)
{
    bool leaves = !ids_have(&shard->targets, shard->primary);
    for (uint32_t i = 0; i < shard->targets.count && (i == 0 || leaves); i++) {
        uint64_t node = shard->targets.at[i];
        if (node != shard->primary && copies_have(&shard->isr, node) && is_up(rows, node)) {
            *out = (struct command){.kind = COMMAND_TRANSFER, .transfer = {shard->shard, shard->cv, node}};
            return true;
        }
        if (node == shard->primary) {
            return false;
        }
    }
    return false;
}

/* Those that are dead, and those that are no targets, as far as there are others enough. */
static bool step_remove(const struct cluster_rows *rows, const struct cluster_shard *shard, struct command *out)
{
    for (uint32_t i = 0; i < shard->isr.count && shard->isr.count > shard->min_isr; i++) {
        const struct copy *copy = &shard->isr.at[i];
        bool goes = shard->isr.count > shard->targets.count && !ids_have(&shard->targets, copy->node);
        if (copy->node != shard->primary && (goes || !is_up(rows, copy->node))) {
            *out = (struct command){.kind = COMMAND_REMOVE, .remove = {shard->shard, shard->cv, copy->rid}};
            return true;
        }
    }
    return false;
}

static void answered(void *user, const struct member_answer *answer)
{
    struct cluster_world *world = user;
    world->reached.cluster_carried += answer->outcome == LETTER_DONE && answer->code == DIRECTORY_DONE;
}

static void carry_shard(struct cluster_host *host, const struct cluster_rows *rows, const struct cluster_shard *shard)
{
    struct command command;
    if (shard->primary != host->id || shard->incarnation != host->incarnation ||
        (host->carried_cv[shard->shard] == shard->cv && !sim_chance(&host->world->sim, AGAIN_PERCENT))) {
        return;
    }
    host->carried_cv[shard->shard] = shard->cv;
    if (!step_add(host, rows, shard, &command) && !step_transfer(rows, shard, &command) &&
        !step_remove(rows, shard, &command)) {
        return;
    }
    if (command.kind == COMMAND_TRANSFER) {
        host->released_cv[shard->shard] = shard->cv;
        host->is_stale = host->is_unjudged = true;
    }
    member_propose(host->member, &command, DEADLINE_MS, answered, host->world);
}

static void carry(struct sim_event *event)
{
    struct cluster_host *host = LIST_ITEM(event, struct cluster_host, carry);
    const struct cluster_rows *rows = &member_view(host->member)->rows;
    if (host->asleep_until_ns <= host->world->sim.now_ns && !host->ending) {
        const struct row_list *shards = &rows->of[ROW_SHARD];
        for (uint32_t i = 0; i < shards->count; i++) {
            carry_shard(host, rows, &shards->at[i]->entry.shard);
        }
        cluster_host_arm(host);
    }
    sim_after(&host->world->sim, event, pause_ns(host));
}

void cluster_carry_start(struct cluster_host *host)
{
    if (host->carried_cv == NULL) {
        host->carried_cv = mem_new(host->world->shards * sizeof *host->carried_cv);
        host->released_cv = mem_new(host->world->shards * sizeof *host->released_cv);
    }
    host->carry = (struct sim_event){.fire = carry, .name = "cluster.carry", .subject = host->place};
    if (!host->world->no_moves) {
        sim_after(&host->world->sim, &host->carry, pause_ns(host));
    }
}

void cluster_carry_stop(struct cluster_host *host)
{
    sim_cancel(&host->world->sim, &host->carry);
}
