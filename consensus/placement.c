/* consensus/placement.c: from the input to a plan and from the plan to moves; between them, the steps:
 *
 *     build -> settle (placement_settle.c) -> copies, leaders (placement_balance.c) -> load (placement_load.c) -> emit
 */
#include "consensus/placement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/placement_parts.h"
#include "core/base/check.h"
#include "core/base/mem.h"

/* ---- changes ---- */

bool plan_may_touch(const struct plan *plan, const struct plan_shard *shard)
{
    return !shard->fixed && (shard->touched || plan->touched < plan->in->moves_max);
}

void plan_touch(struct plan *plan, struct plan_shard *shard, enum placement_reason reason)
{
    if (!shard->touched) {
        CHECK(plan_may_touch(plan, shard));
        shard->touched = true;
        shard->reason = reason;
        plan->touched++;
    }
}

/* The sums of its node, and the lists. `leads`: it is the leader's copy. */
static void link_copy(struct plan *plan, const struct plan_shard *shard, struct plan_copy *copy, bool leads)
{
    struct plan_node *node = &plan->nodes[copy->node];
    node->used[MEASURE_COPIES]++;
    node->used[MEASURE_LEADERS] += leads;
    node->used[MEASURE_LOAD] += leads ? shard->in->load : 0;
    list_push_back(leads ? &node->leads : &node->backs, &copy->link);
}

static void unlink_copy(struct plan *plan, const struct plan_shard *shard, struct plan_copy *copy, bool leads)
{
    struct plan_node *node = &plan->nodes[copy->node];
    node->used[MEASURE_COPIES]--;
    node->used[MEASURE_LEADERS] -= leads;
    node->used[MEASURE_LOAD] -= leads ? shard->in->load : 0;
    list_remove(&copy->link);
}

static bool had_copy(const struct plan *plan, const struct plan_shard *shard, uint32_t node)
{
    for (uint32_t i = 0; i < shard->in->count; i++) {
        if (shard->in->replicas[i] == plan->nodes[node].in->node) {
            return true;
        }
    }
    return false;
}

void plan_add(struct plan *plan, struct plan_shard *shard, uint32_t node)
{
    CHECK(shard->count < PLACEMENT_REPLICAS_MAX);
    struct plan_copy *copy = &shard->copies[shard->count++];
    *copy =
        (struct plan_copy){.node = node, .shard = (uint32_t)(shard - plan->shards), .had = had_copy(plan, shard, node)};
    link_copy(plan, shard, copy, false);
}

void plan_move(struct plan *plan, struct plan_shard *shard, uint32_t copy, uint32_t node)
{
    struct plan_copy *at = &shard->copies[copy];
    unlink_copy(plan, shard, at, shard->leader == copy);
    at->node = node;
    at->had = had_copy(plan, shard, node);
    link_copy(plan, shard, at, shard->leader == copy);
}

void plan_drop(struct plan *plan, struct plan_shard *shard, uint32_t copy)
{
    uint32_t last = shard->count - 1;
    unlink_copy(plan, shard, &shard->copies[copy], shard->leader == copy);
    if (shard->leader == copy) {
        shard->leader = NOWHERE;
    }
    if (copy != last) {
        bool leads = shard->leader == last;
        unlink_copy(plan, shard, &shard->copies[last], leads);
        shard->copies[copy] = shard->copies[last];
        link_copy(plan, shard, &shard->copies[copy], leads);
        shard->leader = leads ? copy : shard->leader;
    }
    shard->count--;
}

void plan_lead(struct plan *plan, struct plan_shard *shard, uint32_t copy)
{
    uint32_t before = shard->leader;
    if (before == copy) {
        return;
    }
    if (before != NOWHERE) {
        unlink_copy(plan, shard, &shard->copies[before], true);
        link_copy(plan, shard, &shard->copies[before], false);
    }
    if (copy != NOWHERE) {
        unlink_copy(plan, shard, &shard->copies[copy], false);
        link_copy(plan, shard, &shard->copies[copy], true);
    }
    shard->leader = copy;
}

int plan_compare_load(const struct plan *plan, uint32_t a, uint32_t b)
{
    const struct plan_node *m = &plan->nodes[a], *n = &plan->nodes[b];
    unsigned __int128 left = (unsigned __int128)m->used[MEASURE_LOAD] * n->weight;
    unsigned __int128 right = (unsigned __int128)n->used[MEASURE_LOAD] * m->weight;
    return left < right ? -1 : left > right;
}

/* splitmix64 of the two numbers, not the indexes: a node that comes changes nothing for the others. */
uint64_t plan_chance(const struct plan *plan, uint32_t shard, uint32_t node)
{
    uint64_t z = plan->nodes[node].in->node * 0x9e3779b97f4a7c15ull + plan->shards[shard].in->shard;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* ---- build ---- */

static int by_node(const void *a, const void *b)
{
    uint64_t x = ((const struct plan_node *)a)->in->node, y = ((const struct plan_node *)b)->in->node;
    return x < y ? -1 : x > y;
}

static int by_group(const void *a, const void *b)
{
    uint32_t x = ((const struct plan_group *)a)->in->group, y = ((const struct plan_group *)b)->in->group;
    return x < y ? -1 : x > y;
}

static int by_shard(const void *a, const void *b)
{
    uint32_t x = ((const struct plan_shard *)a)->in->shard, y = ((const struct plan_shard *)b)->in->shard;
    return x < y ? -1 : x > y;
}

static int by_zone(const void *a, const void *b)
{
    return strcmp((*(const struct plan_node *const *)a)->in->zone, (*(const struct plan_node *const *)b)->in->zone);
}

static void number_zones(struct plan *plan)
{
    struct plan_node **sorted = mem_new((plan->node_count + 1) * sizeof(struct plan_node *));
    for (uint32_t i = 0; i < plan->node_count; i++) {
        sorted[i] = &plan->nodes[i];
    }
    qsort(sorted, plan->node_count, sizeof(struct plan_node *), by_zone);
    for (uint32_t i = 0; i < plan->node_count; i++) {
        plan->zone_count += i == 0 || by_zone(&sorted[i - 1], &sorted[i]) != 0;
        sorted[i]->zone = plan->zone_count - 1;
    }
    mem_free(sorted);
    plan->zone_seen = mem_new((plan->zone_count + 1) * sizeof *plan->zone_seen);
    plan->zone_closed = mem_new((plan->zone_count + 1) * sizeof *plan->zone_closed);
}

static void build_nodes(struct plan *plan)
{
    plan->node_count = plan->in->member_count;
    plan->nodes = mem_new((plan->node_count + 1) * sizeof *plan->nodes);
    plan->up = mem_new((plan->node_count + 1) * sizeof *plan->up);
    plan->taken = mem_new(plan->node_count + 1);
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct placement_member *in = &plan->in->members[i];
        CHECK(in->node != 0 && in->weight >= 1 && in->weight <= PLACEMENT_WEIGHT_MAX && in->zone != NULL);
        plan->nodes[i].in = in;
        plan->nodes[i].weight = in->weight;
    }
    qsort(plan->nodes, plan->node_count, sizeof *plan->nodes, by_node);
    for (uint32_t i = 0; i < plan->node_count; i++) {
        CHECK(i == 0 || by_node(&plan->nodes[i - 1], &plan->nodes[i]) < 0);
        list_init(&plan->nodes[i].leads);
        list_init(&plan->nodes[i].backs);
        if (node_is_up(plan, i)) {
            plan->up[plan->up_count++] = i;
        }
    }
    number_zones(plan);
}

/* NOWHERE: no member. */
static uint32_t node_index(const struct plan *plan, uint64_t node)
{
    struct placement_member wanted = {.node = node};
    struct plan_node key = {.in = &wanted};
    const struct plan_node *found = bsearch(&key, plan->nodes, plan->node_count, sizeof key, by_node);
    return found == NULL ? NOWHERE : (uint32_t)(found - plan->nodes);
}

static bool has_labels(const struct placement_member *member, const struct placement_group *group)
{
    for (uint32_t i = 0; i < group->label_count; i++) {
        uint32_t j = 0;
        while (j < member->label_count && (strcmp(member->labels[j].key, group->labels[i].key) != 0 ||
                                           strcmp(member->labels[j].value, group->labels[i].value) != 0)) {
            j++;
        }
        if (j == member->label_count) {
            return false;
        }
    }
    return true;
}

static void build_groups(struct plan *plan)
{
    uint32_t words = plan->node_count / 32 + 1;
    plan->group_count = plan->in->group_count;
    plan->groups = mem_new((plan->group_count + 1) * sizeof *plan->groups);
    for (uint32_t i = 0; i < plan->group_count; i++) {
        plan->groups[i].in = &plan->in->groups[i];
    }
    qsort(plan->groups, plan->group_count, sizeof *plan->groups, by_group);
    for (uint32_t i = 0; i < plan->group_count; i++) {
        struct plan_group *group = &plan->groups[i];
        CHECK(group->in->replicas >= 1 && group->in->replicas <= PLACEMENT_REPLICAS_MAX);
        CHECK(i == 0 || by_group(group - 1, group) < 0);
        group->labelled_bits = mem_new(words * sizeof *group->labelled_bits);
        for (uint32_t n = 0; n < plan->node_count; n++) {
            if (has_labels(plan->nodes[n].in, group->in)) {
                group->labelled_bits[n / 32] |= 1u << (n % 32);
                group->eligible += node_is_up(plan, n);
                group->staying += node_stays(plan, n);
            }
        }
        uint32_t pin = group->in->pin == 0 ? NOWHERE : node_index(plan, group->in->pin);
        group->pin = pin != NOWHERE && may_hold(plan, i, pin) ? pin : NOWHERE;
    }
}

static void build_shard(struct plan *plan, struct plan_shard *shard)
{
    struct placement_group wanted = {.group = shard->in->group};
    struct plan_group key = {.in = &wanted};
    const struct plan_group *group = bsearch(&key, plan->groups, plan->group_count, sizeof key, by_group);
    CHECK(group != NULL && shard->in->count <= PLACEMENT_REPLICAS_MAX);
    shard->group = (uint32_t)(group - plan->groups);
    shard->fixed = shard->in->moving || group->eligible == 0;
    shard->leader = NOWHERE;
    for (uint32_t i = 0; i < shard->in->count; i++) {
        uint32_t node = node_index(plan, shard->in->replicas[i]);
        if (node == NOWHERE) {
            continue;
        }
        CHECK(shard_find(shard, node) == NOWHERE);
        plan_add(plan, shard, node);
        if (i == 0) {
            plan_lead(plan, shard, 0);
        }
    }
}

static void build_shards(struct plan *plan)
{
    plan->shard_count = plan->in->shard_count;
    plan->shards = mem_new((plan->shard_count + 1) * sizeof *plan->shards);
    for (uint32_t i = 0; i < plan->shard_count; i++) {
        plan->shards[i].in = &plan->in->shards[i];
    }
    qsort(plan->shards, plan->shard_count, sizeof *plan->shards, by_shard);
    for (uint32_t i = 0; i < plan->shard_count; i++) {
        CHECK(i == 0 || by_shard(&plan->shards[i - 1], &plan->shards[i]) < 0);
        build_shard(plan, &plan->shards[i]);
    }
}

static void release(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->group_count; i++) {
        mem_free(plan->groups[i].labelled_bits);
    }
    mem_free(plan->nodes);
    mem_free(plan->groups);
    mem_free(plan->shards);
    mem_free(plan->up);
    mem_free(plan->zone_seen);
    mem_free(plan->zone_closed);
    mem_free(plan->taken);
}

/* ---- emit ---- */

static bool is_changed(const struct plan *plan, const struct plan_shard *shard)
{
    const struct placement_shard *in = shard->in;
    uint32_t leader = shard_leader(shard), same = 0;
    for (uint32_t i = 0; i < shard->count; i++) {
        same += shard->copies[i].had;
    }
    return same != in->count || shard->count != in->count ||
           (in->count > 0 && (leader == NOWHERE || plan->nodes[leader].in->node != in->replicas[0]));
}

static struct placement_move move_of(const struct plan *plan, const struct plan_shard *shard)
{
    const struct placement_shard *in = shard->in;
    struct placement_move move = {.shard = in->shard, .reason = shard->reason, .before_count = in->count};
    memcpy(move.before, in->replicas, in->count * sizeof *in->replicas);
    for (uint32_t i = 0; i < in->count; i++) {
        uint32_t node = node_index(plan, in->replicas[i]);
        enum placement_state state = node == NOWHERE ? PLACEMENT_DOWN : plan->nodes[node].in->state;
        move.living += state == PLACEMENT_UP || state == PLACEMENT_DRAINING;
    }
    if (shard->leader != NOWHERE) {
        move.replicas[move.count++] = plan->nodes[shard_leader(shard)].in->node;
    }
    for (uint32_t i = 0; i < shard->count; i++) {
        if (i != shard->leader) {
            move.replicas[move.count++] = plan->nodes[shard->copies[i].node].in->node;
        }
    }
    return move;
}

static int by_urgency(const void *a, const void *b)
{
    const struct placement_move *m = a, *n = b;
    if (m->reason != n->reason) {
        return m->reason < n->reason ? -1 : 1;
    }
    if (m->reason == PLACEMENT_REPAIR && m->living != n->living) {
        return m->living < n->living ? -1 : 1;
    }
    return m->shard < n->shard ? -1 : 1;
}

static void emit_moves(const struct plan *plan, struct placement_plan *out)
{
    out->moves = mem_new((plan->touched + 1) * sizeof *out->moves);
    for (uint32_t i = 0; i < plan->shard_count; i++) {
        const struct plan_shard *shard = &plan->shards[i];
        if (shard->touched && is_changed(plan, shard)) {
            out->moves[out->move_count++] = move_of(plan, shard);
        }
    }
    qsort(out->moves, out->move_count, sizeof *out->moves, by_urgency);
}

/* "gpu=h100, disk=nvme", or as much of it as there is room for. */
static const char *labels_text(const struct placement_group *group, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < group->label_count && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s=%s", i == 0 ? "" : ", ", group->labels[i].key,
                                 group->labels[i].value);
    }
    return text;
}

/* False: it has what it asks for. */
static bool complain(const struct plan_group *group, struct placement_complaint *out)
{
    const struct placement_group *in = group->in;
    char labels[80], with[100] = "";
    if (in->label_count > 0) {
        snprintf(with, sizeof with, " with %s", labels_text(in, labels, sizeof labels));
    }
    out->group = in->group;
    if (group->eligible == 0) {
        snprintf(out->text, sizeof out->text, "group %.60s: no node%s is up; its shards stay where they are", in->name,
                 with);
    } else if (group->eligible < in->replicas) {
        snprintf(out->text, sizeof out->text, "group %.60s: %u replicas are wanted, and %u node%s%s up", in->name,
                 in->replicas, group->eligible, with, group->eligible == 1 ? " is" : "s are");
    } else if (in->pin != 0 && group->pin == NOWHERE) {
        snprintf(out->text, sizeof out->text, "group %.60s: node %016llx, to which it is pinned, is not up%s", in->name,
                 (unsigned long long)in->pin, in->label_count > 0 ? ", or has not its labels" : "");
    } else {
        return false;
    }
    return true;
}

static void emit_complaints(const struct plan *plan, struct placement_plan *out)
{
    out->complaints = mem_new((plan->group_count + 1) * sizeof *out->complaints);
    for (uint32_t i = 0; i < plan->group_count; i++) {
        out->complaint_count += complain(&plan->groups[i], &out->complaints[out->complaint_count]);
    }
}

void placement_plan(const struct placement *in, struct placement_plan *out)
{
    struct plan plan = {.in = in};
    *out = (struct placement_plan){0};
    build_nodes(&plan);
    build_groups(&plan);
    build_shards(&plan);
    plan_settle(&plan);
    plan_balance_copies(&plan);
    plan_balance_leaders(&plan);
    plan_balance_load(&plan);
    emit_moves(&plan, out);
    emit_complaints(&plan, out);
    release(&plan);
}

void placement_plan_release(struct placement_plan *plan)
{
    mem_free(plan->moves);
    mem_free(plan->complaints);
    *plan = (struct placement_plan){0};
}

const char *placement_reason_name(enum placement_reason reason)
{
    static const char *const names[] = {"repair", "drain", "constraint", "zone", "balance", "leaders", "load"};
    CHECK((unsigned)reason < sizeof names / sizeof *names);
    return names[reason];
}
