/* consensus/placement_settle.c: each shard gets as many copies as its group wants, where they may be.
 *
 * A copy of a shard is one of these:
 *   good   on a node that is up (or away for a short time) and has the labels: kept
 *   alive  on a node that lives, and may not hold it: it drains, or has not the labels. Goes when as many others live.
 *   gone   on a node that is down: goes when another takes its place */
#include <string.h>

#include "consensus/placement_parts.h"
#include "core/base/check.h"
#include "core/base/mem.h"

enum quality { GOOD, ALIVE, GONE };

static enum quality quality(const struct plan *plan, const struct plan_shard *shard, uint32_t copy)
{
    if (copy_is_good(plan, shard, copy)) {
        return GOOD;
    }
    enum placement_state state = plan->nodes[shard->copies[copy].node].in->state;
    return state == PLACEMENT_UP || state == PLACEMENT_DRAINING ? ALIVE : GONE;
}

static uint32_t count_quality(const struct plan *plan, const struct plan_shard *shard, enum quality wanted)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < shard->count; i++) {
        count += quality(plan, shard, i) == wanted;
    }
    return count;
}

static bool is_alive(const struct plan *plan, const struct plan_shard *shard, uint32_t copy)
{
    enum placement_state state = plan->nodes[shard->copies[copy].node].in->state;
    return state == PLACEMENT_UP || state == PLACEMENT_DRAINING;
}

static uint32_t count_alive(const struct plan *plan, const struct plan_shard *shard)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < shard->count; i++) {
        count += is_alive(plan, shard, i);
    }
    return count;
}

/* ---- where to ---- */

/* Notes where its copies are, the good ones by zone; undone with mark(…, false). */
static void mark(struct plan *plan, const struct plan_shard *shard, bool on)
{
    for (uint32_t i = 0; i < shard->count; i++) {
        uint32_t node = shard->copies[i].node;
        plan->taken[node] = on;
        if (!on) {
            plan->zone_seen[plan->nodes[node].zone] = 0;
        } else if (quality(plan, shard, i) == GOOD) {
            plan->zone_seen[plan->nodes[node].zone]++;
        }
    }
}

/* The best node for another copy of the marked shard: in the zone that has least of it, then the emptiest, then by
 * chance. NOWHERE if there is none. */
static uint32_t pick(const struct plan *plan, const struct plan_shard *shard)
{
    uint32_t best = NOWHERE, best_seen = 0, index = (uint32_t)(shard - plan->shards);
    uint64_t best_chance = 0;
    const struct plan_group *group = &plan->groups[shard->group];
    for (uint32_t i = 0; i < plan->up_count; i++) {
        uint32_t node = plan->up[i], seen = plan->zone_seen[plan->nodes[node].zone];
        if (plan->taken[node] || !group_has_labels(group, node) || (best != NOWHERE && seen > best_seen)) {
            continue;
        }
        int fuller = best == NOWHERE || seen < best_seen ? -1 : plan_compare(plan, MEASURE_COPIES, node, best);
        if (fuller > 0) {
            continue;
        }
        uint64_t chance = plan_chance(plan, index, node);
        if (fuller < 0 || chance < best_chance) {
            best = node;
            best_seen = seen;
            best_chance = chance;
        }
    }
    return best;
}

static uint32_t pick_unmarked(struct plan *plan, const struct plan_shard *shard)
{
    mark(plan, shard, true);
    uint32_t node = pick(plan, shard);
    mark(plan, shard, false);
    return node;
}

/* The good copy that can best be spared: one that is away, in the zone that has most, no leader, on the fullest node.
 * Never the pin's. */
static uint32_t spare(struct plan *plan, const struct plan_shard *shard, bool only_up)
{
    uint32_t best = NOWHERE;
    mark(plan, shard, true);
    for (uint32_t i = 0; i < shard->count; i++) {
        uint32_t node = shard->copies[i].node;
        bool up = node_is_up(plan, node);
        if (quality(plan, shard, i) != GOOD || node == plan->groups[shard->group].pin || (only_up && !up)) {
            continue;
        }
        if (best == NOWHERE) {
            best = i;
            continue;
        }
        uint32_t other = shard->copies[best].node;
        uint32_t seen = plan->zone_seen[plan->nodes[node].zone], most = plan->zone_seen[plan->nodes[other].zone];
        bool best_up = node_is_up(plan, other);
        bool leads = i == shard->leader, best_leads = best == shard->leader;
        bool better = up != best_up         ? best_up
                      : seen != most        ? seen > most
                      : leads != best_leads ? best_leads
                                            : plan_compare(plan, MEASURE_COPIES, node, other) > 0;
        best = better ? i : best;
    }
    mark(plan, shard, false);
    return best;
}

/* ---- the steps of one shard ---- */

/* Another one leads, for whoever has the data rather than the copy that is made. */
static void replace(struct plan *plan, struct plan_shard *shard, uint32_t copy, uint32_t node,
                    enum placement_reason reason)
{
    plan_touch(plan, shard, reason);
    if (shard->leader == copy) {
        plan_lead(plan, shard, NOWHERE);
    }
    plan_move(plan, shard, copy, node);
}

static void drop(struct plan *plan, struct plan_shard *shard, uint32_t copy, enum placement_reason reason)
{
    plan_touch(plan, shard, reason);
    plan_drop(plan, shard, copy);
}

static enum placement_reason reason_of(const struct plan *plan, const struct plan_shard *shard, uint32_t copy)
{
    if (quality(plan, shard, copy) == GONE) {
        return PLACEMENT_REPAIR;
    }
    enum placement_state state = plan->nodes[shard->copies[copy].node].in->state;
    return state == PLACEMENT_AWAY       ? PLACEMENT_REPAIR
           : state == PLACEMENT_DRAINING ? PLACEMENT_DRAIN
                                         : PLACEMENT_CONSTRAINT;
}

/* As many good copies as there may be: more than wanted go, missing ones are made. */
static void settle_count(struct plan *plan, struct plan_shard *shard, uint32_t wanted)
{
    uint32_t good = count_quality(plan, shard, GOOD);
    for (; good > wanted; good--) {
        drop(plan, shard, spare(plan, shard, false), PLACEMENT_CONSTRAINT);
    }
    for (enum quality bad = GONE; bad >= ALIVE; bad--) {
        for (uint32_t i = 0; i < shard->count && good < wanted; i++) {
            if (quality(plan, shard, i) == bad) {
                replace(plan, shard, i, pick_unmarked(plan, shard), reason_of(plan, shard, i));
                good++;
            }
        }
    }
    for (; good < wanted; good++) {
        plan_touch(plan, shard, PLACEMENT_REPAIR);
        plan_add(plan, shard, pick_unmarked(plan, shard));
    }
}

/* What is neither good nor needed any more. Nodes that an operator empties count no longer: of three nodes one can be
 * drained, or removed when it is dead, though three replicas are wanted. Those that are merely down still count. */
static void settle_rest(struct plan *plan, struct plan_shard *shard, uint32_t alive_before)
{
    const struct plan_group *group = &plan->groups[shard->group];
    uint32_t replicas = group->in->replicas, most = replicas < group->staying ? replicas : group->staying;
    bool complete = count_quality(plan, shard, GOOD) >= most;
    for (uint32_t i = shard->count; i-- > 0;) {
        enum quality q = quality(plan, shard, i);
        uint32_t wanted = node_stays(plan, shard->copies[i].node) ? replicas : most;
        wanted = alive_before < wanted ? alive_before : wanted;
        bool goes = q == GONE ? complete : q == ALIVE && count_alive(plan, shard) > wanted;
        if (goes) {
            drop(plan, shard, i, reason_of(plan, shard, i));
        }
    }
}

static void settle_pin(struct plan *plan, struct plan_shard *shard)
{
    uint32_t pin = plan->groups[shard->group].pin;
    if (pin == NOWHERE || shard_find(shard, pin) != NOWHERE) {
        return;
    }
    uint32_t copy = spare(plan, shard, false);
    CHECK(copy != NOWHERE); /* settle_count has made some */
    replace(plan, shard, copy, pin, PLACEMENT_CONSTRAINT);
}

/* A zone with two more of it than another that could take one gives one. */
static void settle_zones(struct plan *plan, struct plan_shard *shard)
{
    for (uint32_t moved = 0; moved < shard->count; moved++) {
        uint32_t copy = spare(plan, shard, true);
        if (copy == NOWHERE) {
            return;
        }
        mark(plan, shard, true);
        uint32_t most = plan->zone_seen[plan->nodes[shard->copies[copy].node].zone];
        uint32_t node = most < 2 ? NOWHERE : pick(plan, shard);
        bool improves = node != NOWHERE && plan->zone_seen[plan->nodes[node].zone] + 1 < most;
        mark(plan, shard, false);
        if (!improves) {
            return;
        }
        replace(plan, shard, copy, node, PLACEMENT_ZONE);
    }
}

/* The higher, the rather. 0: may not lead while another may. */
static unsigned fitness(const struct plan *plan, const struct plan_shard *shard, uint32_t copy)
{
    uint32_t node = shard->copies[copy].node, pin = plan->groups[shard->group].pin;
    bool may_lead = quality(plan, shard, copy) == GOOD && node_is_up(plan, node);
    bool had = shard->copies[copy].had;
    return node == pin ? 8 : may_lead ? 4 + had : is_alive(plan, shard, copy) ? 2 + had : 0;
}

static void settle_leader(struct plan *plan, struct plan_shard *shard)
{
    uint32_t best = shard->leader;
    for (uint32_t i = 0; i < shard->count; i++) {
        unsigned fit = fitness(plan, shard, i), best_fit = best == NOWHERE ? 0 : fitness(plan, shard, best);
        bool emptier = best != NOWHERE && best != shard->leader &&
                       plan_compare(plan, MEASURE_LEADERS, shard->copies[i].node, shard->copies[best].node) < 0;
        if (best == NOWHERE || fit > best_fit || (fit == best_fit && emptier)) {
            best = i;
        }
    }
    if (best != shard->leader) {
        uint32_t from = shard->leader;
        plan_touch(plan, shard, from == NOWHERE ? PLACEMENT_REPAIR : reason_of(plan, shard, from));
        plan_lead(plan, shard, best);
    }
}

static void settle(struct plan *plan, struct plan_shard *shard)
{
    const struct plan_group *group = &plan->groups[shard->group];
    uint32_t away = 0, alive_before = count_alive(plan, shard);
    for (uint32_t i = 0; i < shard->count; i++) {
        away += quality(plan, shard, i) == GOOD && !node_is_up(plan, shard->copies[i].node);
    }
    if (shard->count < shard->in->count) {
        plan_touch(plan, shard, PLACEMENT_REPAIR); /* it was on a node that is no member any more */
    }
    uint32_t possible = group->eligible + away;
    settle_count(plan, shard, possible < group->in->replicas ? possible : group->in->replicas);
    settle_pin(plan, shard);
    settle_rest(plan, shard, alive_before);
    settle_zones(plan, shard);
    settle_leader(plan, shard);
}

/* How many live of a shard that misses some; beyond all of those, the others. */
static uint32_t urgency(const struct plan *plan, const struct plan_shard *shard)
{
    uint32_t alive = count_alive(plan, shard);
    bool misses = count_quality(plan, shard, GONE) > 0 || shard->count < shard->in->count ||
                  shard->count < plan->groups[shard->group].in->replicas;
    return misses ? alive : PLACEMENT_REPLICAS_MAX + 1;
}

void plan_settle(struct plan *plan)
{
    uint8_t *urgencies = mem_new(plan->shard_count + 1);
    for (uint32_t i = 0; i < plan->shard_count; i++) {
        urgencies[i] = (uint8_t)urgency(plan, &plan->shards[i]);
    }
    for (uint32_t level = 0; level <= PLACEMENT_REPLICAS_MAX + 1; level++) {
        for (uint32_t i = 0; i < plan->shard_count; i++) {
            if (urgencies[i] == level && plan_may_touch(plan, &plan->shards[i])) {
                settle(plan, &plan->shards[i]);
            }
        }
    }
    mem_free(urgencies);
}
