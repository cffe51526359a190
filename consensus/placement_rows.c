/* consensus/placement_rows.c: members, groups and shards, from the directory's rows. */
#include "consensus/placement_rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"

/* Texts end with 0 in placement.h. */

static const char *take_text(struct placement_rows *r, struct pdr_bytes text)
{
    char *at = r->texts + r->text_size;
    memcpy(at, text.size > 0 ? text.data : "", text.size);
    at[text.size] = 0;
    r->text_size += text.size + 1;
    return at;
}

static const struct placement_label *take_labels(struct placement_rows *r, struct pairs labels, uint32_t *count)
{
    struct placement_label *first = r->labels + r->label_count;
    struct pdr_bytes rest = pairs_items(labels);
    struct pair pair;
    *count = 0;
    while (pairs_next(&rest, &pair)) {
        first[*count] = (struct placement_label){take_text(r, pair.key), take_text(r, pair.value)};
        *count += 1;
    }
    r->label_count += *count;
    return first;
}

/* A pair that is encoded has a byte or more before each half, where a text here has one behind it. */
static void make_room(struct placement_rows *r, const struct cluster_rows *rows)
{
    const struct row_list *members = &rows->of[ROW_MEMBER], *groups = &rows->of[ROW_GROUP];
    size_t labels = 0, bytes = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        labels += pairs_count(member->labels);
        bytes += member->labels.map.size + cluster_member_zone(member).size + 1;
    }
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct cluster_group *group = &groups->at[i]->entry.group;
        labels += pairs_count(group->labels);
        bytes += group->labels.map.size + group->name.size + 1;
    }
    r->labels = mem_new((labels + 1) * sizeof *r->labels);
    r->texts = mem_new(bytes + 1);
    r->members = mem_new((members->count + 1) * sizeof *r->members);
    r->groups = mem_new((groups->count + 1) * sizeof(struct cluster_group *));
    r->placed_groups = mem_new((groups->count + 1) * sizeof *r->placed_groups);
    r->staying = mem_new((groups->count + 1) * sizeof *r->staying);
}

/* Members. */

static uint32_t weight_of(const struct cluster_member *member)
{
    struct pdr_bytes text;
    uint32_t weight = 0;
    if (!pairs_get(member->labels, pdr_str("weight"), &text) || text.size > 5) {
        return PLACEMENT_WEIGHT_DEFAULT;
    }
    for (size_t i = 0; i < text.size; i++) {
        char digit = ((const char *)text.data)[i];
        if (digit < '0' || digit > '9') {
            return PLACEMENT_WEIGHT_DEFAULT;
        }
        weight = weight * 10 + (uint32_t)(digit - '0');
    }
    return weight == 0 || weight > PLACEMENT_WEIGHT_MAX ? PLACEMENT_WEIGHT_DEFAULT : weight;
}

static enum placement_state state_of(const struct placement_rows_options *options, const struct cluster_member *member)
{
    if (member->draining && !MUTATION(180)) {
        return member->state == MEMBER_UP ? PLACEMENT_DRAINING : PLACEMENT_LEFT;
    }
    if (member->state == MEMBER_UP) {
        return PLACEMENT_UP;
    }
    bool is_away = options->is_away != NULL && options->is_away(options->user, member->node);
    return is_away ? PLACEMENT_AWAY : PLACEMENT_DOWN;
}

static void read_members(const struct placement_rows_options *options, struct placement_rows *r)
{
    const struct row_list *list = &options->rows->of[ROW_MEMBER];
    for (uint32_t i = 0; i < list->count; i++) {
        const struct cluster_member *row = &list->at[i]->entry.member;
        if (row->state != MEMBER_REMOVED) {
            struct placement_member *member = &r->members[r->placement.member_count++];
            *member = (struct placement_member){.node = row->node,
                                                .state = state_of(options, row),
                                                .weight = weight_of(row),
                                                .zone = take_text(r, cluster_member_zone(row))};
            member->labels = take_labels(r, row->labels, &member->label_count);
        }
    }
}

static const struct placement_member *member_of(const struct placement_rows *r, uint64_t node)
{
    uint32_t low = 0, high = r->placement.member_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (r->members[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < r->placement.member_count && r->members[low].node == node ? &r->members[low] : NULL;
}

/* Groups. */

bool placement_rows_fits(const struct cluster_member *member, const struct cluster_group *group)
{
    struct pdr_bytes rest = pairs_items(group->labels), value;
    struct pair wanted;
    while (pairs_next(&rest, &wanted)) {
        if (!pairs_get(member->labels, wanted.key, &value) || !pdr_bytes_equal(value, wanted.value)) {
            return false;
        }
    }
    return true;
}

static uint32_t count_staying(const struct cluster_rows *rows, const struct cluster_group *group)
{
    const struct row_list *list = &rows->of[ROW_MEMBER];
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct cluster_member *member = &list->at[i]->entry.member;
        bool stays = member->state != MEMBER_REMOVED && !member->draining;
        count += stays && placement_rows_fits(member, group) && !(MUTATION(182) && member->state != MEMBER_UP);
    }
    return count;
}

static int by_first(const void *a, const void *b)
{
    const struct cluster_group *one = *(const struct cluster_group *const *)a;
    const struct cluster_group *other = *(const struct cluster_group *const *)b;
    return one->first < other->first ? -1 : one->first > other->first;
}

static void read_groups(const struct placement_rows_options *options, struct placement_rows *r)
{
    const struct row_list *list = &options->rows->of[ROW_GROUP];
    uint32_t most = options->copies_max != 0 && options->copies_max < PLACEMENT_COPIES_MAX ? options->copies_max
                                                                                           : PLACEMENT_COPIES_MAX;
    for (uint32_t i = 0; i < list->count; i++) {
        r->groups[i] = &list->at[i]->entry.group;
    }
    qsort(r->groups, list->count, sizeof(struct cluster_group *), by_first);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct cluster_group *row = r->groups[i];
        struct placement_group *group = &r->placed_groups[i];
        *group = (struct placement_group){.group = i,
                                          .name = take_text(r, row->name),
                                          .replicas = row->replicas < most ? row->replicas : most,
                                          .pin = row->node};
        group->labels = take_labels(r, row->labels, &group->label_count);
        r->staying[i] = count_staying(options->rows, row);
    }
    r->placement.group_count = list->count;
}

/* Shards. */

static bool is_up(const struct cluster_rows *rows, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(rows, node);
    return member != NULL && member->state == MEMBER_UP;
}

bool placement_rows_flies(const struct cluster_rows *rows, const struct cluster_shard *shard)
{
    uint64_t first = shard->targets.count > 0 ? shard->targets.at[0] : shard->primary;
    for (uint32_t i = 0; i < shard->targets.count; i++) {
        if (!copies_have(&shard->isr, shard->targets.at[i]) && is_up(rows, shard->targets.at[i])) {
            return true;
        }
    }
    bool may_shrink = shard->isr.count > shard->targets.count && shard->isr.count > shard->min_isr;
    for (uint32_t i = 0; may_shrink && i < shard->isr.count; i++) {
        if (!ids_have(&shard->targets, shard->isr.at[i].node)) {
            return true;
        }
    }
    return first != shard->primary && copies_have(&shard->isr, first) && is_up(rows, first);
}

/* Whether a target is on a node that will not have it: what flies there flies in vain. */
static bool is_in_vain(const struct placement_rows *r, const struct placement_rows_options *options,
                       const struct cluster_shard *row, const struct cluster_group *group)
{
    const struct placement_member *pin = group->node != 0 ? member_of(r, group->node) : NULL;
    bool has_labels = pairs_count(group->labels) > 0;
    for (uint32_t i = 0; i < row->targets.count; i++) {
        const struct placement_member *member = member_of(r, row->targets.at[i]);
        if (member == NULL || (member->state != PLACEMENT_UP && member->state != PLACEMENT_AWAY) ||
            (has_labels && !placement_rows_fits(cluster_rows_member(options->rows, row->targets.at[i]), group))) {
            return true;
        }
    }
    return pin != NULL && pin->state == PLACEMENT_UP && row->targets.at[0] != pin->node;
}

static void copy_targets(const struct placement_rows *r, const struct cluster_shard *row, struct placement_shard *out)
{
    const struct placement_member *first = member_of(r, row->targets.at[0]);
    bool leads = first != NULL && first->state == PLACEMENT_UP;
    out->count = row->targets.count < PLACEMENT_COPIES_MAX ? row->targets.count : PLACEMENT_COPIES_MAX;
    memcpy(out->replicas, row->targets.at, out->count * sizeof *out->replicas);
    for (uint32_t i = 1; !leads && i < out->count; i++) {
        if (out->replicas[i] == row->primary) { /* it took over, and leads on until the first is back */
            out->replicas[i] = out->replicas[0];
            out->replicas[0] = row->primary;
        }
    }
}

static void note_flying(struct placement_rows *r, const struct cluster_shard *row, const struct placement_shard *shard)
{
    struct placement_move *move = &r->flying[r->flying_count++];
    *move = (struct placement_move){.shard = row->shard, .count = shard->count, .before_count = 1};
    memcpy(move->replicas, shard->replicas, sizeof move->replicas);
    move->before[0] = row->primary;
    for (uint32_t i = 0; i < row->isr.count && move->before_count < PLACEMENT_REPLICAS_MAX; i++) {
        if (row->isr.at[i].node != row->primary) {
            move->before[move->before_count++] = row->isr.at[i].node;
        }
    }
}

static void read_shard(const struct placement_rows_options *options, struct placement_rows *r,
                       const struct cluster_shard *row, uint32_t group, uint32_t id)
{
    struct placement_shard *shard = &r->shards[id];
    *shard = (struct placement_shard){.shard = id, .group = group};
    shard->moving = id < options->busy_count && options->busy[id];
    uint64_t home = cluster_rows_info(options->rows)->home;
    if (row == NULL && home != 0 && r->groups[group]->first == 0) { /* its data is there, and nowhere else */
        shard->moving = true;
        shard->count = 1;
        shard->replicas[0] = home;
    }
    if (row == NULL) {
        return;
    }
    copy_targets(r, row, shard);
    bool flies = placement_rows_flies(options->rows, row);
    bool in_vain = is_in_vain(r, options, row, r->groups[group]);
    shard->moving = shard->moving || options->homes_only || (flies && !in_vain);
    if (flies && !in_vain) {
        note_flying(r, row, shard);
    }
}

/* In order of their ids: rows are in that order, and those that were never assigned are the gaps. */
static void read_shards(const struct placement_rows_options *options, struct placement_rows *r)
{
    const struct cluster_info *info = cluster_rows_info(options->rows);
    const struct row_list *list = &options->rows->of[ROW_SHARD];
    uint32_t count = info == NULL ? 0 : info->next_shard, group = 0;
    r->shards = mem_new((count + 1) * sizeof *r->shards);
    r->flying = mem_new((list->count + 1) * sizeof *r->flying);
    for (uint32_t id = 0, i = 0; id < count; id++) {
        const struct cluster_shard *row = i < list->count ? &list->at[i]->entry.shard : NULL;
        row = row != NULL && row->shard == id ? row : NULL;
        while (id - r->groups[group]->first >= r->groups[group]->shards) {
            group++;
            CHECK(group < r->placement.group_count); /* groups have all ids between them */
        }
        read_shard(options, r, row, group, id);
        i += row != NULL;
    }
    r->placement.shard_count = count;
}

void placement_rows_read(const struct placement_rows_options *options, struct placement_rows *out)
{
    *out = (struct placement_rows){.placement = {.moves_max = UINT32_MAX}};
    make_room(out, options->rows);
    read_members(options, out);
    read_groups(options, out);
    read_shards(options, out);
    out->placement.members = out->members;
    out->placement.groups = out->placed_groups;
    out->placement.shards = out->shards;
}

void placement_rows_release(struct placement_rows *r)
{
    mem_free(r->flying);
    mem_free(r->staying);
    mem_free((void *)r->groups);
    mem_free(r->members);
    mem_free(r->placed_groups);
    mem_free(r->shards);
    mem_free(r->labels);
    mem_free(r->texts);
}
