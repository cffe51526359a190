/* consensus/placement_load.c: nodes that work too much hand hot shards on.
 *
 * A shard's load is counted where it leads. A node that has over 10 % more than its share hands one on to a node that
 * has a copy already, if the counts of leaders stay even; else it exchanges a hotter shard for a cooler one of a node
 * that works little, which leaves the counts as they are; where it would not, a third shard's copy goes back. Each step
 * makes the busier of the two less busy. */
#include <stdlib.h>
#include <string.h>

#include "consensus/placement_parts.h"
#include "core/base/mem.h"

#define PARTNERS_MAX 8u /* of the least busy nodes, that one exchanges with */
#define WITHIN_PERCENT 10u
#define NEAR_MAX 4u   /* shards tried on either side of the one whose load suits best */
#define BACK_PART 8u  /* a third move is worth being nearer to even by that part of what is to go */
#define GAIN_PART 64u /* an exchange is worth at least this part of what the node has too much */

struct load_step {
    struct plan *plan;
    struct ranking ranking;
    unsigned __int128 total, weight; /* of all nodes that are up */
    struct plan_shard **sorted;      /* what a partner leads, the coolest first */
    uint32_t sorted_count;
    struct plan_copy *back_of_to, *back_of_from; /* what a partner, or who exchanges with it, could give back; NULL */
};

/** An exchange of leaders between two nodes. */
struct exchange {
    struct plan_shard *hot, *cool;
    struct plan_copy *back; /* goes the other way; NULL: no need of it */
    uint64_t off;           /* how far it is from making the two even */
};

static uint64_t load_of(const struct plan *plan, uint32_t node)
{
    return plan->nodes[node].used[MEASURE_LOAD];
}

/* What it has beyond its share, if that is more than so many per cent of it. */
static uint64_t excess(const struct load_step *s, uint32_t node, uint32_t percent)
{
    unsigned __int128 share = s->total * s->plan->nodes[node].weight / s->weight, load = load_of(s->plan, node);
    return load * 100 > share * (100 + percent) ? (uint64_t)(load - share) : 0;
}

/* Moving so much load from a to b leaves b less busy than a was. */
static bool improves(const struct plan *plan, uint32_t a, uint32_t b, uint64_t load)
{
    unsigned __int128 before = (unsigned __int128)load_of(plan, a) * plan->nodes[b].weight;
    return load > 0 && (unsigned __int128)(load_of(plan, b) + load) * plan->nodes[a].weight < before;
}

/* So much load from a to b makes them even by weight; a is the busier one. */
static uint64_t difference(const struct plan *plan, uint32_t a, uint32_t b)
{
    uint64_t weight_a = plan->nodes[a].weight, weight_b = plan->nodes[b].weight;
    unsigned __int128 more = (unsigned __int128)load_of(plan, a) * weight_b;
    unsigned __int128 less = (unsigned __int128)load_of(plan, b) * weight_a;
    return more > less ? (uint64_t)((more - less) / (weight_a + weight_b)) : 0;
}

static bool may_change(const struct plan *plan, const struct plan_shard *shard)
{
    return plan_may_touch(plan, shard) && plan->groups[shard->group].pin == NOWHERE && shard->leader != NOWHERE;
}

/* Whether the node could lead it, with the copy it has or with the leader's. */
static bool may_lead_at(const struct plan *plan, const struct plan_shard *shard, uint32_t node)
{
    return may_change(plan, shard) &&
           (shard_find(shard, node) != NOWHERE ? may_hold(plan, shard->group, node)
                                               : plan_may_move(plan, shard, shard->leader, node));
}

static void lead_at(struct load_step *s, struct plan_shard *shard, uint32_t node)
{
    uint32_t from = shard_leader(shard), copy = shard_find(shard, node);
    plan_touch(s->plan, shard, PLACEMENT_LOAD);
    if (copy != NOWHERE) {
        plan_lead(s->plan, shard, copy);
    } else {
        plan_move(s->plan, shard, shard->leader, node);
    }
    ranking_changed(&s->ranking, from);
    ranking_changed(&s->ranking, node);
}

/* Whether one unit more for `to` and one less for `from` leaves none that the steps for counts would change back. */
static bool keeps_even(const struct plan *plan, enum measure measure, uint32_t from, uint32_t to)
{
    if (plan_uneven(plan, measure, to, 1, from, -1)) {
        return false;
    }
    for (uint32_t i = 0; i < plan->up_count; i++) {
        uint32_t other = plan->up[i];
        if (other != from && other != to &&
            (plan_uneven(plan, measure, to, 1, other, 0) || plan_uneven(plan, measure, other, 0, from, -1))) {
            return false;
        }
    }
    return true;
}

/* ---- hand on ---- */

/* One shard to a node that has a copy of it: what comes nearest to making the two even. */
static bool hand_on_load(struct load_step *s, uint32_t from)
{
    struct plan *plan = s->plan;
    uint32_t best_to = NOWHERE;
    struct plan_shard *best = NULL;
    uint64_t best_off = 0;
    const struct list *leads = &plan->nodes[from].leads;
    for (struct list *at = leads->next; at != leads; at = at->next) {
        struct plan_shard *shard = &plan->shards[LIST_ITEM(at, struct plan_copy, link)->shard];
        for (uint32_t i = 0; i < shard->count && may_change(plan, shard); i++) {
            uint32_t to = shard->copies[i].node;
            uint64_t load = shard->in->load, wanted = to == from ? 0 : difference(plan, from, to);
            uint64_t off = load > wanted ? load - wanted : wanted - load;
            if (to != from && may_hold(plan, shard->group, to) && (best == NULL || off < best_off) &&
                improves(plan, from, to, load) && keeps_even(plan, MEASURE_LEADERS, from, to)) {
                best = shard;
                best_to = to;
                best_off = off;
            }
        }
    }
    if (best == NULL) {
        return false;
    }
    lead_at(s, best, best_to);
    return true;
}

/* ---- exchange ---- */

static int by_load(const void *a, const void *b)
{
    const struct plan_shard *x = *(struct plan_shard *const *)a, *y = *(struct plan_shard *const *)b;
    if (x->in->load != y->in->load) {
        return x->in->load < y->in->load ? -1 : 1;
    }
    return x->in->shard < y->in->shard ? -1 : 1;
}

static void sort_leads(struct load_step *s, uint32_t node)
{
    const struct list *leads = &s->plan->nodes[node].leads;
    s->sorted_count = 0;
    for (struct list *at = leads->next; at != leads; at = at->next) {
        s->sorted[s->sorted_count++] = &s->plan->shards[LIST_ITEM(at, struct plan_copy, link)->shard];
    }
    qsort(s->sorted, s->sorted_count, sizeof(struct plan_shard *), by_load);
}

/* The first of the sorted whose load is that or more. */
static uint32_t place_of_load(const struct load_step *s, uint64_t load)
{
    uint32_t low = 0, high = s->sorted_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->sorted[middle]->in->load < load) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* If only one of the two takes its copy along, a node gets a copy more; if that makes them uneven, it has to give one
 * back. That is of another shard: the one that takes its copy along has none there, and the other leads there. */
static bool keeps_copies(const struct load_step *s, uint32_t from, uint32_t to, struct exchange *exchange)
{
    int to_gets = (shard_find(exchange->hot, to) == NOWHERE) - (shard_find(exchange->cool, from) == NOWHERE);
    exchange->back = NULL;
    if (to_gets == 0 || keeps_even(s->plan, MEASURE_COPIES, to_gets > 0 ? from : to, to_gets > 0 ? to : from)) {
        return true;
    }
    exchange->back = to_gets > 0 ? s->back_of_to : s->back_of_from;
    return exchange->back != NULL;
}

static bool has_room(const struct plan *plan, const struct exchange *exchange)
{
    uint32_t fresh = !exchange->hot->touched + !exchange->cool->touched;
    fresh += exchange->back != NULL && !plan->shards[exchange->back->shard].touched;
    return fresh <= plan->in->moves_max - plan->touched;
}

/* The best cool shard of `to` for this hot one of `from`, among those whose load suits. */
static void try_hot(const struct load_step *s, uint32_t from, uint32_t to, struct plan_shard *hot,
                    struct exchange *best)
{
    const struct plan *plan = s->plan;
    uint64_t wanted = difference(plan, from, to), load = hot->in->load;
    uint32_t middle = place_of_load(s, load > wanted ? load - wanted : 0);
    uint32_t first = middle > NEAR_MAX ? middle - NEAR_MAX : 0;
    for (uint32_t i = first; i < s->sorted_count && i < middle + NEAR_MAX; i++) {
        struct plan_shard *cool = s->sorted[i];
        if (cool->in->load >= load) {
            return;
        }
        uint64_t gain = load - cool->in->load, off = gain > wanted ? gain - wanted : wanted - gain;
        struct exchange exchange = {hot, cool, NULL, off};
        if ((best->hot == NULL || off < best->off) && improves(plan, from, to, gain) &&
            gain > excess(s, from, WITHIN_PERCENT) / GAIN_PART && may_lead_at(plan, cool, from) &&
            keeps_copies(s, from, to, &exchange) && has_room(plan, &exchange)) {
            exchange.off += exchange.back != NULL ? wanted / BACK_PART : 0;
            *best = best->hot == NULL || exchange.off < best->off ? exchange : *best;
        }
    }
}

/* False: nothing that `from` leads could be led from `to`. */
static bool try_partner(struct load_step *s, uint32_t from, uint32_t to, struct exchange *best)
{
    bool possible = false;
    const struct list *leads = &s->plan->nodes[from].leads;
    for (struct list *at = leads->next; at != leads; at = at->next) {
        struct plan_shard *hot = &s->plan->shards[LIST_ITEM(at, struct plan_copy, link)->shard];
        if (may_lead_at(s->plan, hot, to)) {
            if (!possible) {
                sort_leads(s, to);
                s->back_of_to = plan_movable_back(s->plan, to, from);
                s->back_of_from = plan_movable_back(s->plan, from, to);
                possible = true;
            }
            try_hot(s, from, to, hot, best);
        }
    }
    return possible;
}

static void give_back(struct plan *plan, const struct plan_copy *copy, uint32_t to)
{
    struct plan_shard *shard = &plan->shards[copy->shard];
    plan_touch(plan, shard, PLACEMENT_LOAD);
    plan_move(plan, shard, (uint32_t)(copy - shard->copies), to);
}

static bool exchange_load(struct load_step *s, uint32_t from)
{
    struct plan *plan = s->plan;
    for (uint32_t i = 0, partners = 0; i < plan->up_count && partners < PARTNERS_MAX; i++) {
        uint32_t to = s->ranking.order[i];
        if (to == from || plan_compare(plan, MEASURE_LOAD, to, from) >= 0) {
            return false;
        }
        struct exchange best = {NULL, NULL, NULL, 0};
        partners += try_partner(s, from, to, &best);
        if (best.hot != NULL) {
            if (best.back != NULL) {
                give_back(plan, best.back, best.back->node == to ? from : to);
            }
            lead_at(s, best.hot, to);
            lead_at(s, best.cool, from);
            return true;
        }
    }
    return false;
}

void plan_balance_load(struct plan *plan)
{
    struct load_step s = {.plan = plan};
    for (uint32_t i = 0; i < plan->up_count; i++) {
        s.total += load_of(plan, plan->up[i]);
        s.weight += plan->nodes[plan->up[i]].weight;
    }
    if (s.total == 0) {
        return;
    }
    bool *stuck = mem_new(plan->node_count + 1);
    s.sorted = mem_new((plan->shard_count + 1) * sizeof(struct plan_shard *));
    ranking_init(&s.ranking, plan, MEASURE_LOAD);
    for (uint32_t i = 0; i < plan->up_count && plan->in->load_over > WITHIN_PERCENT; i++) {
        stuck[plan->up[i]] = excess(&s, plan->up[i], plan->in->load_over) == 0;
    }
    for (uint32_t i = plan->up_count; i > 0 && plan->touched < plan->in->moves_max;) {
        uint32_t node = s.ranking.order[i - 1];
        if (excess(&s, node, WITHIN_PERCENT) == 0) {
            break; /* so have all below it */
        }
        bool gave = !stuck[node] && (hand_on_load(&s, node) || exchange_load(&s, node));
        stuck[node] |= !gave;
        i = gave ? plan->up_count : i - 1;
    }
    ranking_release(&s.ranking);
    mem_free(s.sorted);
    mem_free(stuck);
}
