/* consensus/placement_balance.c: counts of copies and of leaders are made even, a step from the fullest node at a time.
 *
 * A copy goes from a node to one that is emptier by more than 10 % and by enough that the step is one towards even. So
 * every step makes the sum of squares smaller, there is an end, and what is within 10 % stays where it is. Who leads is
 * changed along a path: from n to a in one shard, from a to b in another, and so on to a node that leads too little;
 * the shortest path is found breadth first, and the nodes between lead as much as before. */
#include <string.h>

#include "consensus/placement_parts.h"
#include "core/base/mem.h"

#define PASSES_MAX 4 /* a later plan goes on */

/* By more than 10 %. */
static bool is_fuller(const struct plan *plan, enum measure measure, uint32_t a, uint32_t b)
{
    const struct plan_node *m = &plan->nodes[a], *n = &plan->nodes[b];
    return m->used[measure] * n->weight * 10 > n->used[measure] * m->weight * 11;
}

bool plan_uneven(const struct plan *plan, enum measure measure, uint32_t a, int more_a, uint32_t b, int more_b)
{
    const struct plan_node *m = &plan->nodes[a], *n = &plan->nodes[b];
    uint64_t in_a = m->used[measure] + (uint64_t)(int64_t)more_a, in_b = n->used[measure] + (uint64_t)(int64_t)more_b;
    return in_a * n->weight * 10 > in_b * m->weight * 11 && (in_b + 1) * m->weight < in_a * n->weight;
}

/* ---- ranking ---- */

static bool ranks_below(const struct ranking *r, uint32_t a, uint32_t b)
{
    int fuller = plan_compare(r->plan, r->measure, a, b);
    return fuller != 0 ? fuller < 0 : a < b;
}

static void rank(struct ranking *r, uint32_t place, uint32_t node)
{
    r->order[place] = node;
    r->place[node] = place;
}

void ranking_changed(struct ranking *ranking, uint32_t node)
{
    uint32_t at = ranking->place[node];
    for (; at > 0 && ranks_below(ranking, node, ranking->order[at - 1]); at--) {
        rank(ranking, at, ranking->order[at - 1]);
    }
    for (; at + 1 < ranking->plan->up_count && ranks_below(ranking, ranking->order[at + 1], node); at++) {
        rank(ranking, at, ranking->order[at + 1]);
    }
    rank(ranking, at, node);
}

void ranking_init(struct ranking *ranking, const struct plan *plan, enum measure measure)
{
    *ranking = (struct ranking){.plan = plan, .measure = measure};
    ranking->order = mem_new((plan->up_count + 1) * sizeof *ranking->order);
    ranking->place = mem_new((plan->node_count + 1) * sizeof *ranking->place);
    for (uint32_t i = 0; i < plan->up_count; i++) {
        rank(ranking, i, plan->up[i]);
        for (uint32_t at = i; at > 0 && ranks_below(ranking, plan->up[i], ranking->order[at - 1]); at--) {
            rank(ranking, at, ranking->order[at - 1]);
            rank(ranking, at - 1, plan->up[i]);
        }
    }
}

void ranking_release(struct ranking *ranking)
{
    mem_free(ranking->order);
    mem_free(ranking->place);
}

/* ---- copies ---- */

/* Whether the shard is spread as well when that copy is in that zone. */
static bool may_move_to_zone(const struct plan *plan, const struct plan_shard *shard, uint32_t copy, uint32_t zone)
{
    uint32_t zone_from = plan->nodes[shard->copies[copy].node].zone, seen = 0, seen_from = 0;
    for (uint32_t i = 0; i < shard->count; i++) {
        uint32_t other = plan->nodes[shard->copies[i].node].zone;
        bool counts = i == copy || copy_is_good(plan, shard, i);
        seen += counts && other == zone;
        seen_from += counts && other == zone_from;
    }
    return zone == zone_from || seen < seen_from;
}

bool plan_may_move(const struct plan *plan, const struct plan_shard *shard, uint32_t copy, uint32_t node)
{
    return may_hold(plan, shard->group, node) && shard->copies[copy].node != plan->groups[shard->group].pin &&
           shard_find(shard, node) == NOWHERE && may_move_to_zone(plan, shard, copy, plan->nodes[node].zone);
}

/* The ring begins at that copy: what was before it could not go, and is looked at last the next time. */
static void turn_ring(struct list *ring, struct list *begin)
{
    ring->next->prev = ring->prev;
    ring->prev->next = ring->next;
    list_push_back(begin, ring);
}

/* A copy of the list that may go to the node; NULL. `closed`: its zone is what keeps all of them. */
static struct plan_copy *find_movable(const struct plan *plan, struct list *list, uint32_t node, bool *closed)
{
    for (struct list *at = list->next; at != list; at = at->next) {
        struct plan_copy *copy = LIST_ITEM(at, struct plan_copy, link);
        const struct plan_shard *shard = &plan->shards[copy->shard];
        uint32_t index = (uint32_t)(copy - shard->copies);
        if (plan_may_touch(plan, shard) && plan_may_move(plan, shard, index, node)) {
            turn_ring(list, at);
            return copy;
        }
        *closed = *closed && !may_move_to_zone(plan, shard, index, plan->nodes[node].zone);
    }
    return NULL;
}

struct plan_copy *plan_movable_back(struct plan *plan, uint32_t from, uint32_t to)
{
    bool closed = true;
    return find_movable(plan, &plan->nodes[from].backs, to, &closed);
}

/* Those that lead nothing rather. */
static bool give_copy_to(struct plan *plan, uint32_t from, uint32_t to)
{
    bool closed = true;
    struct plan_copy *copy = find_movable(plan, &plan->nodes[from].backs, to, &closed);
    if (copy == NULL) {
        copy = find_movable(plan, &plan->nodes[from].leads, to, &closed);
    }
    if (copy != NULL) {
        struct plan_shard *shard = &plan->shards[copy->shard];
        plan_touch(plan, shard, PLACEMENT_BALANCE);
        plan_move(plan, shard, (uint32_t)(copy - shard->copies), to);
    } else if (closed) {
        plan->zone_closed[plan->nodes[to].zone] = plan->searches;
    }
    return copy != NULL;
}

/* One copy goes from `from` to the emptiest node that can take one. */
static bool give_copy(struct plan *plan, struct ranking *ranking, uint32_t from)
{
    plan->searches++;
    for (uint32_t i = 0; i < plan->up_count; i++) {
        uint32_t to = ranking->order[i];
        if (!is_fuller(plan, MEASURE_COPIES, from, to)) {
            return false; /* nor than all behind it */
        }
        if (!plan_uneven(plan, MEASURE_COPIES, from, 0, to, 0) ||
            plan->zone_closed[plan->nodes[to].zone] == plan->searches) {
            continue; /* one is much, for a node of little weight */
        }
        if (give_copy_to(plan, from, to)) {
            ranking_changed(ranking, from);
            ranking_changed(ranking, to);
            return true;
        }
    }
    return false;
}

/* ---- leaders ---- */

/* A search along which leading may be handed on. */
struct search {
    uint32_t *queue;
    struct plan_copy **via; /* the copy at that node that would lead; NULL: not reached */
    uint32_t end;
};

static void search_reset(struct search *search, uint32_t from)
{
    for (uint32_t i = 1; i < search->end; i++) {
        search->via[search->queue[i]] = NULL;
    }
    search->queue[0] = from;
    search->end = 1;
}

static bool may_hand_on(const struct plan *plan, const struct plan_shard *shard)
{
    return plan_may_touch(plan, shard) && plan->groups[shard->group].pin == NOWHERE;
}

/* Nodes that could lead what `node` leads. The first of them that leads too little; NOWHERE. */
static uint32_t search_from(const struct plan *plan, struct search *search, uint32_t node)
{
    uint32_t origin = search->queue[0];
    const struct list *leads = &plan->nodes[node].leads;
    for (struct list *at = leads->next; at != leads; at = at->next) {
        struct plan_shard *shard = &plan->shards[LIST_ITEM(at, struct plan_copy, link)->shard];
        if (!may_hand_on(plan, shard)) {
            continue;
        }
        for (uint32_t i = 0; i < shard->count; i++) {
            uint32_t to = shard->copies[i].node;
            if (to == origin || search->via[to] != NULL || !may_hold(plan, shard->group, to)) {
                continue;
            }
            search->via[to] = &shard->copies[i];
            search->queue[search->end++] = to;
            if (plan_uneven(plan, MEASURE_LEADERS, origin, 0, to, 0)) {
                return to;
            }
        }
    }
    return NOWHERE;
}

/* From the end back to the origin, each shard is led by the copy through which it was reached. */
static bool hand_on(struct plan *plan, struct search *search, uint32_t to)
{
    uint32_t origin = search->queue[0], fresh = 0;
    for (uint32_t node = to; node != origin; node = shard_leader(&plan->shards[search->via[node]->shard])) {
        fresh += !plan->shards[search->via[node]->shard].touched;
    }
    if (fresh > plan->in->moves_max - plan->touched) {
        return false;
    }
    for (uint32_t node = to; node != origin;) {
        struct plan_copy *copy = search->via[node];
        struct plan_shard *shard = &plan->shards[copy->shard];
        node = shard_leader(shard);
        plan_touch(plan, shard, PLACEMENT_LEADERS);
        plan_lead(plan, shard, (uint32_t)(copy - shard->copies));
    }
    return true;
}

static bool give_lead(struct plan *plan, struct ranking *ranking, struct search *search, uint32_t from)
{
    if (!is_fuller(plan, MEASURE_LEADERS, from, ranking->order[0])) {
        return false;
    }
    search_reset(search, from);
    for (uint32_t i = 0; i < search->end; i++) {
        uint32_t to = search_from(plan, search, search->queue[i]);
        if (to != NOWHERE) {
            if (!hand_on(plan, search, to)) {
                return false;
            }
            ranking_changed(ranking, from);
            ranking_changed(ranking, to);
            return true;
        }
    }
    return false;
}

/* ---- both ---- */

/* The fullest node gives until it cannot, then the next; once more as long as that changed what others could do. */
static void balance(struct plan *plan, enum measure measure, struct search *search)
{
    struct ranking ranking;
    bool *stuck = mem_new(plan->node_count + 1), changed = true;
    ranking_init(&ranking, plan, measure);
    for (unsigned pass = 0; pass < PASSES_MAX && changed; pass++) {
        memset(stuck, 0, plan->node_count);
        changed = false;
        for (uint32_t i = plan->up_count; i > 0 && plan->touched < plan->in->moves_max;) {
            uint32_t from = ranking.order[i - 1];
            bool gave = !stuck[from] && (measure == MEASURE_COPIES ? give_copy(plan, &ranking, from)
                                                                   : give_lead(plan, &ranking, search, from));
            stuck[from] |= !gave;
            changed |= gave;
            i = gave ? plan->up_count : i - 1;
        }
    }
    ranking_release(&ranking);
    mem_free(stuck);
}

void plan_balance_copies(struct plan *plan)
{
    balance(plan, MEASURE_COPIES, NULL);
}

void plan_balance_leaders(struct plan *plan)
{
    struct search search = {
        .queue = mem_new((plan->node_count + 1) * sizeof *search.queue),
        .via = mem_new((plan->node_count + 1) * sizeof(struct plan_copy *)),
    };
    balance(plan, MEASURE_LEADERS, &search);
    mem_free(search.queue);
    mem_free(search.via);
}
