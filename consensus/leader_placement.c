/* consensus/leader_placement.c: where shards ought to be: placement.h over the rows, as proposals.
 *
 *     rows --placement_rows--> struct placement --placement_plan--> moves --placement_start--> ASSIGN, TARGETS
 *
 * A shard's first home is its copies, which are empty; from then on the leader says no more than its targets, and the
 * primary carries them out. What is under way is seen from the rows, so nothing is remembered, and another leader goes
 * on where this one ended. Only first homes are kept, as a queue: a thousand of them are planned at once, and proposed
 * as there is room. */
#include "consensus/leader_parts.h"

#include "core/base/check.h"
#include "core/base/hash_bytes.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"

#define HOMES_MAX 2048u /* of one plan: some 40 ms of a leader with 16,384 shards and 1,000 nodes */
#define HOMES_AGAIN_NS (100 * NS_PER_MS)
#define MOVES_MAX 256u /* of one plan */
/* A plan that finds nothing to do takes some 0.5 us a shard: so it is a hundredth of a core at most. */
#define MOVES_AGAIN_NS (100 * NS_PER_MS)
#define MOVES_AGAIN_SHARD_NS (50 * NS_PER_US)
#define LOOK_NS (5 * NS_PER_S) /* a node that is down is given up, and no row says so */

static bool is_away(void *user, uint64_t node)
{
    const struct leader *l = user;
    uint64_t since_ns = leader_down_since(l, node);
    return since_ns != 0 && leader_now(l) - since_ns < l->options.settings.away_ms * NS_PER_MS;
}

static void read_rows(struct leader *l, bool homes_only, struct placement_rows *out)
{
    struct placement_rows_options options = {.rows = leader_rows(l),
                                             .copies_max = l->options.settings.copies_max,
                                             .homes_only = homes_only,
                                             .busy = l->is_proposed,
                                             .busy_count = l->shards,
                                             .is_away = is_away,
                                             .user = l};
    placement_rows_read(&options, out);
}

static uint32_t members_up(const struct leader *l)
{
    const struct row_list *members = &leader_rows(l)->of[ROW_MEMBER];
    uint32_t up = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        up += members->at[i]->entry.member.state == MEMBER_UP;
    }
    return up;
}

/* What a group cannot have is told when it is so for the first time, and when it is something else; not while the first
 * node has yet to register. */
static void tell_complaints(struct leader *l, const struct placement_plan *plan)
{
    uint64_t hash = 0;
    if (members_up(l) == 0) {
        return;
    }
    for (uint32_t i = 0; i < plan->complaint_count; i++) {
        hash = hash_bytes(pdr_str(plan->complaints[i].text), hash + 1);
    }
    for (uint32_t i = 0; i < plan->complaint_count && hash != l->plan.complaints; i++) {
        LOG_INFO("placement.wants", "why=\"%s\"", plan->complaints[i].text);
    }
    l->plan.complaints = hash;
}

/* First homes. */

static const struct cluster_group *group_of(const struct leader *l, uint32_t shard)
{
    const struct row_list *groups = &leader_rows(l)->of[ROW_GROUP];
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct cluster_group *group = &groups->at[i]->entry.group;
        if (shard - group->first < group->shards) {
            return group;
        }
    }
    return NULL;
}

/* Of the default group of a cluster that was founded on data: the founder has it, and nobody else. */
static bool is_at_home(const struct leader *l, uint32_t shard)
{
    const struct cluster_group *group = cluster_rows_info(leader_rows(l))->home != 0 ? group_of(l, shard) : NULL;
    return group != NULL && group->first == 0;
}

static bool may_hold(const struct leader *l, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(leader_rows(l), node);
    return member != NULL && member->state == MEMBER_UP && !member->draining;
}

/* False: too much is under way. What has become wrong since it was planned is left out, and planned again. */
static bool assign(struct leader *l, const struct placement_move *home)
{
    const struct cluster_group *group = group_of(l, home->shard);
    struct command command = {.kind = COMMAND_ASSIGN};
    struct command_assign *assign = &command.assign;
    CHECK(group != NULL && home->count > 0);
    assign->shard = home->shard;
    for (uint32_t i = 0; i < home->count; i++) {
        if (!may_hold(l, home->replicas[i]) && !is_at_home(l, home->shard)) {
            l->plan.homes_stale = true;
            return true;
        }
        copies_add(&assign->isr, (struct copy){home->replicas[i], rng_next(l->options.rng) | 1});
        ids_add(&assign->targets, home->replicas[i]);
    }
    assign->primary = home->replicas[0];
    assign->min_isr = (uint8_t)(group->min_isr < home->count ? group->min_isr : home->count);
    l->plan.assigning++; /* the answer may come before the call returns */
    if (!leader_shards_propose(l, &command, ERRAND_ASSIGN, assign->primary, false)) {
        l->plan.assigning--;
        return false;
    }
    return true;
}

void leader_placement_answered(struct leader *l, enum errand_kind kind, bool done)
{
    if (kind == ERRAND_ASSIGN) {
        l->plan.assigning--;
        l->plan.homes_stale = l->plan.homes_stale || !done;
    } else if (kind == ERRAND_SHARD) {
        l->plan.changing--;
        l->plan.moves_stale = true;
    }
}

/* What was proposed may be applied long after it, and carried out before anybody looks again. TOUCH moves nothing. */
void leader_placement_changed(struct leader *l, enum command_kind by)
{
    l->plan.moved_ns = by != COMMAND_TOUCH ? leader_now(l) : l->plan.moved_ns;
}

static bool is_empty(const struct leader *l, uint32_t shard)
{
    return !l->is_proposed[shard] && cluster_rows_shard(leader_rows(l), shard) == NULL;
}

/* False: too much is under way. */
static bool assign_at_home(struct leader *l)
{
    uint64_t home = cluster_rows_info(leader_rows(l))->home;
    const struct cluster_member *member = cluster_rows_member(leader_rows(l), home);
    for (uint32_t i = 0; i < l->waiting_count && member != NULL && member->state == MEMBER_UP; i++) {
        struct placement_move move = {.shard = l->waiting[i], .count = 1, .replicas = {home}};
        if (is_empty(l, move.shard) && is_at_home(l, move.shard) && !assign(l, &move)) {
            return false;
        }
    }
    return true;
}

static bool has_empty(const struct leader *l)
{
    for (uint32_t i = 0; i < l->waiting_count; i++) {
        if (is_empty(l, l->waiting[i]) && !is_at_home(l, l->waiting[i])) {
            return true;
        }
    }
    return false;
}

static void plan_homes(struct leader *l)
{
    struct placement_rows rows;
    struct placement_plan plan;
    read_rows(l, true, &rows);
    rows.placement.moves_max = HOMES_MAX;
    placement_plan(&rows.placement, &plan);
    tell_complaints(l, &plan);
    mem_free(l->plan.homes);
    l->plan.homes = plan.moves;
    l->plan.home_count = plan.move_count;
    l->plan.home_next = 0;
    l->plan.homes_ns = leader_now(l);
    l->plan.homes_stale = plan.move_count == HOMES_MAX; /* there may be more */
    plan.moves = NULL;
    placement_plan_release(&plan);
    placement_rows_release(&rows);
}

/* Who founds a cluster may want its first shards on all of its first nodes. */
static bool is_awaiting_nodes(const struct leader *l)
{
    return leader_rows(l)->of[ROW_SHARD].count == 0 && members_up(l) < cluster_rows_info(leader_rows(l))->expect;
}

bool leader_placement_homes(struct leader *l)
{
    if (is_awaiting_nodes(l)) {
        return true;
    }
    struct leader_plan *p = &l->plan;
    if (!assign_at_home(l)) {
        return false;
    }
    for (;;) {
        while (p->home_next < p->home_count) {
            const struct placement_move *home = &p->homes[p->home_next];
            if (is_empty(l, home->shard) && !assign(l, home)) {
                return false;
            }
            p->home_next++;
        }
        bool is_soon = p->home_count < HOMES_MAX && leader_now(l) - p->homes_ns < HOMES_AGAIN_NS;
        if (p->assigning > 0 || !p->homes_stale || is_soon || !has_empty(l)) {
            return true; /* the next plan counts what this one has placed */
        }
        plan_homes(l);
    }
}

/* Moves. */

/* As leader_propose, and counted. */
static bool change_shard(struct leader *l, const struct command *command)
{
    l->plan.changing++; /* the answer may come before the call returns */
    if (!leader_shards_propose(l, command, ERRAND_SHARD, 0, false)) {
        l->plan.changing--;
        return false;
    }
    return true;
}

static bool set_targets(struct leader *l, const struct placement_move *move)
{
    const struct cluster_shard *shard = cluster_rows_shard(leader_rows(l), move->shard);
    struct command command = {.kind = COMMAND_TARGETS, .targets = {.shard = move->shard, .cv = shard->cv}};
    for (uint32_t i = 0; i < move->count; i++) {
        ids_add(&command.targets.targets, move->replicas[i]);
    }
    LOG_DEBUG("placement.move", "shard=%u why=%s from=%016llx to=%016llx", move->shard,
              placement_reason_name(move->reason), (unsigned long long)shard->primary,
              (unsigned long long)move->replicas[0]);
    return change_shard(l, &command);
}

static void start_moves(struct leader *l, const struct placement_rows *rows, const struct placement_plan *plan)
{
    const struct leader_settings *settings = &l->options.settings;
    bool is_paused = cluster_rows_info(leader_rows(l))->paused && !MUTATION(181);
    struct placement_throttle throttle = {is_paused ? PLACEMENT_PAUSE_BALANCE : PLACEMENT_RUN, settings->moves_total,
                                          settings->moves_per_node};
    uint32_t *start = mem_new((plan->move_count + 1) * sizeof *start);
    uint32_t count = placement_start(plan->moves, plan->move_count, rows->flying, rows->flying_count, &throttle, start);
    for (uint32_t i = 0; i < count; i++) {
        const struct placement_move *move = &plan->moves[start[i]];
        if (cluster_rows_shard(leader_rows(l), move->shard) != NULL && !set_targets(l, move)) {
            break; /* the next plan goes on */
        }
    }
    mem_free(start);
}

/* What a shard of the group can have, and ought to. */
static uint32_t min_isr_of(const struct placement_rows *rows, uint32_t group)
{
    uint32_t most = rows->groups[group]->min_isr, copies = rows->placed_groups[group].replicas;
    most = most < copies ? most : copies; /* a second copy that is there while a shard moves is none to be waited for */
    return most < rows->staying[group] ? most : rows->staying[group];
}

/* As a cluster grows from one node, or an operator takes nodes away: never because nodes are down, for then a copy
 * that acknowledges alone is just what min_isr is against. */
static void keep_min_isr(struct leader *l, const struct placement_rows *rows)
{
    for (uint32_t i = 0; i < rows->placement.shard_count; i++) {
        const struct placement_shard *placed = &rows->shards[i];
        const struct cluster_shard *shard = cluster_rows_shard(leader_rows(l), placed->shard);
        uint32_t most = min_isr_of(rows, placed->group);
        if (shard == NULL || l->is_proposed[placed->shard] || most == 0 || most == shard->min_isr ||
            most > shard->isr.count) {
            continue;
        }
        struct command command = {.kind = COMMAND_MIN_ISR, .min_isr = {placed->shard, shard->cv, (uint8_t)most}};
        if (!change_shard(l, &command)) {
            return;
        }
    }
}

/* Nothing else is to be done: does something move because of its load? All of the plan begins at once: half of it would
 * leave counts uneven, and shards would be moved back for that. */
static void plan_by_load(struct leader *l, struct placement_rows *rows, struct placement_plan *plan)
{
    const struct leader_settings *settings = &l->options.settings;
    if (cluster_rows_info(leader_rows(l))->paused || !leader_load_is_due(l, &rows->placement)) {
        return;
    }
    placement_plan_release(plan);
    leader_load_put(l, rows);
    rows->placement.moves_max = settings->moves_per_node < settings->moves_total ? settings->moves_per_node
                                                                                 : settings->moves_total;
    placement_plan(&rows->placement, plan);
    if (!leader_load_is_worth(l, rows, plan)) {
        plan->move_count = 0;
    }
}

static void plan_moves(struct leader *l)
{
    struct placement_rows rows;
    struct placement_plan plan;
    read_rows(l, false, &rows);
    rows.placement.moves_max = MOVES_MAX;
    placement_plan(&rows.placement, &plan);
    tell_complaints(l, &plan);
    if (plan.move_count == 0 && rows.flying_count == 0) {
        plan_by_load(l, &rows, &plan);
    }
    if (plan.move_count > 0 || rows.flying_count > 0) {
        l->plan.moved_ns = leader_now(l);
    }
    start_moves(l, &rows, &plan);
    keep_min_isr(l, &rows);
    placement_plan_release(&plan);
    placement_rows_release(&rows);
}

void leader_placement_tick(struct leader *l)
{
    const struct cluster_info *info = cluster_rows_info(leader_rows(l));
    uint64_t now_ns = leader_now(l), since_ns = now_ns - l->plan.moves_ns;
    if (!l->options.settings.moves || info == NULL || l->shards < info->next_shard) {
        return;
    }
    /* Planned from the rows, what is proposed and not yet in them would be planned a second time. */
    bool is_due = l->plan.changing == 0 && since_ns >= MOVES_AGAIN_NS + info->next_shard * MOVES_AGAIN_SHARD_NS;
    if (is_due && (l->plan.moves_stale || since_ns >= LOOK_NS)) {
        l->plan.moves_stale = false;
        l->plan.moves_ns = now_ns;
        plan_moves(l);
    }
}

void leader_placement_release(struct leader *l)
{
    mem_free(l->plan.homes);
}
