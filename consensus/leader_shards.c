/* consensus/leader_shards.c: shards whose primary is gone get another; who has no home yet waits here for one. */
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

bool leader_shards_propose(struct leader *l, const struct command *command, enum errand_kind kind, uint64_t about,
                           bool taken)
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
    if (leader_shards_propose(l, &command, ERRAND_PROMOTE, shard->primary, true)) {
        return true;
    }
    lease_grantor_taken(&l->grantor, shard->primary);
    return false;
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

/* False: too much is under way. */
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
    bool is_done = promote_waiting(l) && leader_placement_homes(l);
    l->scan_again = l->scan_again || !is_done;
}
