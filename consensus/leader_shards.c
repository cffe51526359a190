/* consensus/leader_shards.c: shards whose primary is gone get another, and empty ones their first. */
#include "consensus/leader_parts.h"

#include "core/base/check.h"
#include "core/base/mem.h"

#define SCAN_NS (100 * NS_PER_MS) /* a lease ends, and no row says so */

static void make_room(struct leader *l, uint32_t shards)
{
    if (shards > l->shards) {
        l->is_proposed = mem_grow(l->is_proposed, shards * sizeof *l->is_proposed);
        memset(l->is_proposed + l->shards, 0, (shards - l->shards) * sizeof *l->is_proposed);
        l->shards = shards;
    }
}

static bool propose(struct leader *l, const struct command *command, enum errand_kind kind, uint64_t about, bool taken)
{
    uint32_t shard = command->cas.shard;
    l->is_proposed[shard] = true; /* the answer may come before leader_propose returns */
    if (!leader_propose(l, command, kind, about, shard, taken)) {
        l->is_proposed[shard] = false;
        return false;
    }
    return true;
}

/* Promotions (R40). */

static bool is_up(const struct leader *l, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(leader_rows(l), node);
    return member != NULL && member->state == MEMBER_UP;
}

/* Its process has ended (R34), or its lease has. */
static bool needs_primary(const struct leader *l, const struct cluster_shard *shard)
{
    const struct cluster_member *primary = cluster_rows_member(leader_rows(l), shard->primary);
    return primary == NULL || primary->state != MEMBER_UP || primary->incarnation != shard->incarnation;
}

/* The old one, if it is back: its caches are warm, and nobody has to learn another address. Else anyone in sync. */
static uint64_t successor(const struct leader *l, const struct cluster_shard *shard)
{
    uint64_t best = 0;
    for (uint32_t i = 0; i < shard->isr.count; i++) {
        const struct copy *copy = &shard->isr.at[i];
        if (!ids_have(&shard->lost, copy->rid) && is_up(l, copy->node) && (best == 0 || copy->node == shard->primary)) {
            best = copy->node;
        }
    }
    return best;
}

/* False: too much is under way. */
static bool promote(struct leader *l, const struct cluster_shard *shard)
{
    uint64_t heir = successor(l, shard);
    if (heir == 0 || !lease_grantor_take(&l->grantor, shard->primary, shard->incarnation)) {
        return true; /* a later look will find more */
    }
    struct command command = {.kind = COMMAND_PROMOTE, .promote = {shard->shard, shard->cv, heir}};
    if (propose(l, &command, ERRAND_PROMOTE, shard->primary, true)) {
        return true;
    }
    lease_grantor_taken(&l->grantor, shard->primary);
    return false;
}

/* First homes. */

static bool has_labels(const struct cluster_member *member, const struct cluster_group *group)
{
    struct pdr_bytes rest = pairs_items(group->labels), value;
    struct pair wanted;
    if (group->node != 0 && group->node != member->node) {
        return false;
    }
    while (pairs_next(&rest, &wanted)) {
        if (!pairs_get(member->labels, wanted.key, &value) || !pdr_bytes_equal(value, wanted.value)) {
            return false;
        }
    }
    return true;
}

static bool may_hold(const struct cluster_member *member, const struct cluster_group *group)
{
    return member->state == MEMBER_UP && !member->draining && has_labels(member, group);
}

/* Those that may hold a shard of the group, in order of their ids: shards go around them. */
static uint32_t homes(const struct leader *l, const struct cluster_group *group, uint64_t *out, uint32_t max)
{
    const struct row_list *members = &leader_rows(l)->of[ROW_MEMBER];
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count && count < max; i++) {
        if (may_hold(&members->at[i]->entry.member, group)) {
            out[count++] = members->at[i]->entry.member.node;
        }
    }
    return count;
}

static bool assign(struct leader *l, const struct cluster_group *group, uint32_t shard, const uint64_t *nodes,
                   uint32_t count)
{
    struct command command = {.kind = COMMAND_ASSIGN};
    struct command_assign *assign = &command.assign;
    uint32_t copies = group->replicas, most = l->options.settings.copies_max;
    copies = most != 0 && most < copies ? most : copies;
    copies = count < copies ? count : copies;
    assign->shard = shard;
    for (uint32_t i = 0; i < copies; i++) {
        uint64_t node = nodes[(shard + i) % count];
        copies_add(&assign->isr, (struct copy){node, rng_next(l->options.rng) | 1});
        ids_add(&assign->targets, node);
    }
    assign->primary = nodes[shard % count];
    assign->min_isr = (uint8_t)(group->min_isr < copies ? group->min_isr : copies);
    return propose(l, &command, ERRAND_ASSIGN, assign->primary, false);
}

/* False: too much is under way. */
static bool assign_group(struct leader *l, const struct cluster_group *group)
{
    const struct cluster_rows *rows = leader_rows(l);
    uint64_t nodes[LIMIT_MEMBERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->shards; i++) {
        uint32_t shard = group->first + i;
        if (l->is_proposed[shard] || cluster_rows_shard(rows, shard) != NULL) {
            continue;
        }
        count = count == 0 ? homes(l, group, nodes, LIMIT_MEMBERS_MAX) : count;
        if (count == 0) {
            return true; /* nobody fits, or nobody is there yet */
        }
        if (!assign(l, group, shard, nodes, count)) {
            return false;
        }
    }
    return true;
}

void leader_shards_tick(struct leader *l)
{
    const struct cluster_rows *rows = leader_rows(l);
    const struct cluster_info *info = cluster_rows_info(rows);
    bool is_done = true;
    if (info == NULL || (!l->scan_again && leader_now(l) - l->scanned_ns < SCAN_NS)) {
        return;
    }
    l->scan_again = false;
    l->scanned_ns = leader_now(l);
    make_room(l, info->next_shard);
    const struct row_list *shards = &rows->of[ROW_SHARD];
    for (uint32_t i = 0; i < shards->count && is_done; i++) {
        const struct cluster_shard *shard = &shards->at[i]->entry.shard;
        if (!l->is_proposed[shard->shard] && needs_primary(l, shard)) {
            is_done = promote(l, shard);
        }
    }
    const struct row_list *groups = &rows->of[ROW_GROUP];
    for (uint32_t i = 0; i < groups->count && is_done && shards->count < info->next_shard; i++) {
        is_done = assign_group(l, &groups->at[i]->entry.group);
    }
    l->scan_again = l->scan_again || !is_done;
}
