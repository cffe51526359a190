/* consensus/leader_shards.c: shards whose primary is gone get another, and empty ones their first. */
#include "consensus/leader_parts.h"

#include "core/base/check.h"
#include "core/base/mem.h"

#define SCAN_NS (100 * NS_PER_MS) /* a lease ends, and no row says so */

static void make_room(struct leader *l, uint32_t shards)
{
    if (shards > l->shards) {
        l->is_proposed = mem_grow(l->is_proposed, shards * sizeof *l->is_proposed);
        l->is_waiting = mem_grow(l->is_waiting, shards * sizeof *l->is_waiting);
        memset(l->is_proposed + l->shards, 0, (shards - l->shards) * sizeof *l->is_proposed);
        memset(l->is_waiting + l->shards, 0, (shards - l->shards) * sizeof *l->is_waiting);
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
    uint64_t home = cluster_rows_info(leader_rows(l))->home;
    uint32_t count = 0;
    if (home != 0 && group->first == 0) { /* the default group's data is there already */
        *out = home;
        return is_up(l, home) ? 1 : 0;
    }
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

/* The group that has the shard; mostly the one that had the shard before. */
static const struct cluster_group *group_of(const struct leader *l, uint32_t shard, const struct cluster_group *last)
{
    const struct row_list *groups = &leader_rows(l)->of[ROW_GROUP];
    if (last != NULL && shard - last->first < last->shards) {
        return last;
    }
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct cluster_group *group = &groups->at[i]->entry.group;
        if (shard - group->first < group->shards) {
            return group;
        }
    }
    return NULL;
}

/* Those that wait. */

static void wait_for(struct leader *l, uint32_t shard)
{
    if (l->is_waiting[shard]) {
        return;
    }
    if (l->waiting_count == l->waiting_capacity) {
        l->waiting_capacity = l->waiting_capacity == 0 ? 64 : 2 * l->waiting_capacity;
        l->waiting = mem_grow(l->waiting, l->waiting_capacity * sizeof *l->waiting);
    }
    l->is_waiting[shard] = true;
    l->waiting[l->waiting_count++] = shard;
}

void leader_shards_changed(struct leader *l, const struct cluster_shard *shard)
{
    make_room(l, shard->shard + 1);
    if (needs_primary(l, shard)) {
        wait_for(l, shard->shard);
    }
}

/* In order of their ids: shards have rows in that order, and those without one are the gaps. */
static void look_at_all(struct leader *l, uint32_t next_shard)
{
    const struct row_list *shards = &leader_rows(l)->of[ROW_SHARD];
    memset(l->is_waiting, 0, l->shards * sizeof *l->is_waiting);
    l->waiting_count = 0;
    l->look_at_all = false;
    for (uint32_t id = 0, i = 0; id < next_shard; id++) {
        const struct cluster_shard *shard = i < shards->count ? &shards->at[i]->entry.shard : NULL;
        bool has_row = shard != NULL && shard->shard == id;
        i += has_row;
        if (!has_row || needs_primary(l, shard)) {
            wait_for(l, id);
        }
    }
}

/* All these return false when too much is under way. */

static bool promote_waiting(struct leader *l)
{
    for (uint32_t i = 0; i < l->waiting_count; i++) {
        const struct cluster_shard *shard = cluster_rows_shard(leader_rows(l), l->waiting[i]);
        if (shard != NULL && !l->is_proposed[shard->shard] && needs_primary(l, shard) && !promote(l, shard)) {
            return false;
        }
    }
    return true;
}

static bool assign_waiting(struct leader *l)
{
    const struct cluster_group *group = NULL;
    uint64_t nodes[LIMIT_MEMBERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->waiting_count; i++) {
        uint32_t shard = l->waiting[i];
        if (l->is_proposed[shard] || cluster_rows_shard(leader_rows(l), shard) != NULL) {
            continue;
        }
        const struct cluster_group *own = group_of(l, shard, group);
        if (own != group) {
            count = own != NULL ? homes(l, own, nodes, LIMIT_MEMBERS_MAX) : 0;
            group = own;
        }
        if (count > 0 && !assign(l, group, shard, nodes, count)) { /* none: nobody fits, or nobody is there yet */
            return false;
        }
    }
    return true;
}

/* Those that have what they waited for are done. */
static void drop_served(struct leader *l)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->waiting_count; i++) {
        const struct cluster_shard *shard = cluster_rows_shard(leader_rows(l), l->waiting[i]);
        if (shard == NULL || needs_primary(l, shard)) {
            l->waiting[count++] = l->waiting[i];
        } else {
            l->is_waiting[shard->shard] = false;
        }
    }
    l->waiting_count = count;
}

void leader_shards_tick(struct leader *l)
{
    const struct cluster_info *info = cluster_rows_info(leader_rows(l));
    if (info == NULL || (!l->scan_again && leader_now(l) - l->scanned_ns < SCAN_NS)) {
        return;
    }
    l->scan_again = false;
    l->scanned_ns = leader_now(l);
    make_room(l, info->next_shard);
    if (l->look_at_all) {
        look_at_all(l, info->next_shard);
    } else {
        drop_served(l);
    }
    bool is_done = promote_waiting(l) && assign_waiting(l);
    l->scan_again = l->scan_again || !is_done;
}
