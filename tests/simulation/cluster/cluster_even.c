/* tests/simulation/cluster/cluster_even.c: where the shards are in the end: as many copies as there can be, none on a
 * node that leaves, none that could go to a node with much less. And on the way: no move that a pause forbids. It knows
 * nothing of how plans are made. */
#include "core/base/mem.h"
#include "tests/simulation/cluster/cluster_world.h"

#define LATE_NS (4 * NS_PER_S) /* what was proposed before something became known may be applied so long after */

static bool stays(const struct cluster_member *member)
{
    return member->state != MEMBER_REMOVED && !member->draining;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t count_staying(const struct cluster_rows *rows)
{
    const struct row_list *members = &rows->of[ROW_MEMBER];
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        count += stays(&members->at[i]->entry.member);
    }
    return count;
}

static const char *unsettled_copies(const struct cluster_rows *rows, const struct cluster_shard *shard,
                                    const struct cluster_group *group, uint32_t staying)
{
    uint32_t wanted = least(group->replicas, staying);
    if (shard->min_isr != least(group->min_isr, staying)) {
        return "a shard's min_isr is not its group's";
    }
    if (shard->isr.count != wanted || shard->targets.count != wanted) {
        return "a shard has more copies or fewer than it should";
    }
    for (uint32_t i = 0; i < shard->targets.count; i++) {
        if (!copies_have(&shard->isr, shard->targets.at[i])) {
            return "a shard is not where its targets say";
        }
        if (!stays(cluster_rows_member(rows, shard->targets.at[i]))) {
            return "a node that leaves has copies yet";
        }
    }
    return shard->primary == shard->targets.at[0] ? NULL : "a shard is led by another than it should be";
}

static uint32_t in_zone(const struct cluster_rows *rows, const struct cluster_shard *shard, struct pdr_bytes zone)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < shard->targets.count; i++) {
        const struct cluster_member *member = cluster_rows_member(rows, shard->targets.at[i]);
        count += pdr_bytes_equal(cluster_member_zone(member), zone);
    }
    return count;
}

/* Whether the copy could go there: no group of this world has labels, so zones alone forbid it. */
static bool could_go(const struct cluster_rows *rows, const struct cluster_shard *shard,
                     const struct cluster_member *from, const struct cluster_member *to)
{
    struct pdr_bytes zone_from = cluster_member_zone(from), zone_to = cluster_member_zone(to);
    return ids_have(&shard->targets, from->node) && !ids_have(&shard->targets, to->node) &&
           (pdr_bytes_equal(zone_from, zone_to) || in_zone(rows, shard, zone_to) < in_zone(rows, shard, zone_from));
}

static const char *uneven(const struct cluster_rows *rows, const uint32_t *copies)
{
    const struct row_list *members = &rows->of[ROW_MEMBER], *shards = &rows->of[ROW_SHARD];
    for (uint32_t i = 0; i < members->count * members->count; i++) {
        uint32_t a = i / members->count, b = i % members->count;
        const struct cluster_member *from = &members->at[a]->entry.member, *to = &members->at[b]->entry.member;
        if (!stays(from) || !stays(to) || copies[a] * 10 <= copies[b] * 11 || copies[b] + 1 >= copies[a]) {
            continue;
        }
        for (uint32_t k = 0; k < shards->count; k++) {
            if (could_go(rows, &shards->at[k]->entry.shard, from, to)) {
                return "a node has over 10 % more copies than another, and one could go there";
            }
        }
    }
    return NULL;
}

static const char *unsettled_balance(const struct cluster_rows *rows)
{
    const struct row_list *members = &rows->of[ROW_MEMBER], *shards = &rows->of[ROW_SHARD];
    uint32_t *copies = mem_new((members->count + 1) * sizeof *copies);
    for (uint32_t i = 0; i < members->count; i++) {
        for (uint32_t k = 0; k < shards->count; k++) {
            copies[i] += ids_have(&shards->at[k]->entry.shard.targets, members->at[i]->entry.member.node);
        }
    }
    const char *why = uneven(rows, copies);
    mem_free(copies);
    return why;
}

static const struct cluster_group *group_of(const struct cluster_rows *rows, uint32_t shard)
{
    const struct row_list *groups = &rows->of[ROW_GROUP];
    uint32_t i = 0;
    while (shard - groups->at[i]->entry.group.first >= groups->at[i]->entry.group.shards) {
        i++;
    }
    return &groups->at[i]->entry.group;
}

const char *cluster_even_unsettled(const struct cluster_rows *rows)
{
    const struct row_list *shards = &rows->of[ROW_SHARD];
    uint32_t staying = count_staying(rows);
    const char *why = NULL;
    if (staying == 0) {
        return NULL; /* nowhere to go */
    }
    for (uint32_t i = 0; i < shards->count && why == NULL; i++) {
        const struct cluster_shard *shard = &shards->at[i]->entry.shard;
        why = unsettled_copies(rows, shard, group_of(rows, shard->shard), staying);
    }
    const struct cluster_info *info = cluster_rows_info(rows);
    return why != NULL || info == NULL || info->paused ? why : unsettled_balance(rows);
}

/* On the way. */

static bool is_old(const struct cluster_world *world, uint64_t since_ns)
{
    return since_ns != 0 && world->sim.now_ns - since_ns >= LATE_NS;
}

/* Where it was to be until now there was nothing wrong but balance. */
static bool was_fine(const struct cluster_world *world, const struct cluster_rows *rows, const struct ids *targets,
                     uint32_t wanted)
{
    for (uint32_t i = 0; i < targets->count; i++) {
        const struct cluster_member *member = cluster_rows_member(rows, targets->at[i]);
        if (!stays(member) || !is_old(world, cluster_world_node(world, member->node)->up_ns)) {
            return false;
        }
    }
    return targets->count == wanted;
}

static void note_shard(struct cluster_world *world, const struct cluster_rows *rows, const struct cluster_shard *shard,
                       uint32_t staying)
{
    const struct cluster_group *group = group_of(rows, shard->shard);
    struct cluster_seen *seen = &world->seen[shard->shard];
    bool is_moved = seen->targets.count > 0 && memcmp(&seen->targets, &shard->targets, sizeof seen->targets) != 0;
    world->reached.cluster_moves += is_moved;
    SIM_CHECK(&world->sim,
              !is_moved || !is_old(world, world->paused_ns) ||
                  !was_fine(world, rows, &seen->targets, least(group->replicas, staying)),
              "shard %u is moved for balance, and that is paused", shard->shard);
    SIM_CHECK(&world->sim, shard->min_isr >= seen->min_isr || staying < seen->min_isr,
              "min_isr of shard %u falls to %u, and %u nodes are to stay", shard->shard, shard->min_isr, staying);
    *seen = (struct cluster_seen){shard->targets, shard->min_isr};
}

void cluster_even_note(struct cluster_world *world, const struct cluster_rows *rows)
{
    const struct cluster_info *info = cluster_rows_info(rows);
    const struct row_list *shards = &rows->of[ROW_SHARD];
    uint32_t staying = count_staying(rows);
    if (info == NULL || !info->paused) {
        world->paused_ns = 0;
    } else if (world->paused_ns == 0) {
        world->paused_ns = world->sim.now_ns;
    }
    for (uint32_t i = 0; i < shards->count; i++) {
        note_shard(world, rows, &shards->at[i]->entry.shard, staying);
    }
}
