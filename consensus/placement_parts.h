/* consensus/placement_parts.h: the cluster while a plan is made, for placement*.c alone.
 *
 * Everything is by index: nodes, groups and shards are sorted by their numbers first, so that the order of the input is
 * forgotten. Each step changes the plan through plan_add, plan_move, plan_drop and plan_lead, which keep the sums. */
#ifndef CONSENSUS_PLACEMENT_PARTS_H
#define CONSENSUS_PLACEMENT_PARTS_H

#include "consensus/placement.h"
#include "core/base/list.h"

#define NOWHERE UINT32_MAX

/* What is to be even. */
enum measure { MEASURE_COPIES, MEASURE_LEADERS, MEASURE_LOAD, MEASURES };

/** A replica of a shard. */
struct plan_copy {
    struct list link; /* in `leads` or `backs` of its node */
    uint32_t node, shard;
    bool had; /* the data is there already */
};

struct plan_shard {
    const struct placement_shard *in;
    uint32_t group;
    uint32_t count, leader; /* index among the copies; NOWHERE */
    bool fixed;             /* it moves already, or its group cannot be placed */
    bool touched;
    enum placement_reason reason; /* if touched */
    struct plan_copy copies[PLACEMENT_REPLICAS_MAX];
};

struct plan_node {
    const struct placement_member *in;
    uint32_t zone;
    uint64_t weight;
    uint64_t used[MEASURES];
    struct list leads, backs; /* copies */
};

struct plan_group {
    const struct placement_group *in;
    uint32_t *labelled_bits; /* nodes whose labels fit */
    uint32_t eligible;       /* nodes that are up and fit */
    uint32_t staying;        /* nodes that fit and are not to be emptied, up or down */
    uint32_t pin;            /* node, if it is up and fits; else NOWHERE */
};

struct plan {
    const struct placement *in;
    struct plan_node *nodes;
    struct plan_group *groups;
    struct plan_shard *shards;
    uint32_t node_count, zone_count, group_count, shard_count;
    uint32_t touched;
    uint32_t *up; /* nodes that are up */
    uint32_t up_count;
    uint32_t *zone_seen;   /* copies of one shard by zone, while it is marked */
    uint32_t *zone_closed; /* the search, by number, that found that its node can give nothing to that zone */
    uint32_t searches;
    bool *taken; /* nodes that have a copy of it */
};

/** Up nodes by how full they are, by weight; the emptiest first. */
struct ranking {
    const struct plan *plan;
    enum measure measure;
    uint32_t *order, *place; /* place[node] in order */
};

static inline bool node_is_up(const struct plan *plan, uint32_t node)
{
    return plan->nodes[node].in->state == PLACEMENT_UP;
}
/** It is not to be emptied, whether it is up or down. */
static inline bool node_stays(const struct plan *plan, uint32_t node)
{
    enum placement_state state = plan->nodes[node].in->state;
    return state != PLACEMENT_DRAINING && state != PLACEMENT_LEFT;
}
static inline bool group_has_labels(const struct plan_group *group, uint32_t node)
{
    return (group->labelled_bits[node / 32] >> (node % 32) & 1) != 0;
}
static inline bool may_hold(const struct plan *plan, uint32_t group, uint32_t node)
{
    return node_is_up(plan, node) && group_has_labels(&plan->groups[group], node);
}
/** Whether it may stay where it is: its node is up, or away for a short time, and has the labels. */
static inline bool copy_is_good(const struct plan *plan, const struct plan_shard *shard, uint32_t copy)
{
    uint32_t node = shard->copies[copy].node;
    enum placement_state state = plan->nodes[node].in->state;
    return (state == PLACEMENT_UP || state == PLACEMENT_AWAY) && group_has_labels(&plan->groups[shard->group], node);
}
static inline uint32_t shard_leader(const struct plan_shard *shard)
{
    return shard->leader == NOWHERE ? NOWHERE : shard->copies[shard->leader].node;
}
/** Where it has a copy; NOWHERE. */
static inline uint32_t shard_find(const struct plan_shard *shard, uint32_t node)
{
    for (uint32_t i = 0; i < shard->count; i++) {
        if (shard->copies[i].node == node) {
            return i;
        }
    }
    return NOWHERE;
}

/* placement.c */

/** Whether it may be changed: not if it is fixed, or the plan has its fill of moves. */
bool plan_may_touch(const struct plan *plan, const struct plan_shard *shard);
void plan_touch(struct plan *plan, struct plan_shard *shard, enum placement_reason reason);
void plan_add(struct plan *plan, struct plan_shard *shard, uint32_t node);
/** The copy goes to another node. If it led, it leads there. */
void plan_move(struct plan *plan, struct plan_shard *shard, uint32_t copy, uint32_t node);
/** The last copy takes its index. */
void plan_drop(struct plan *plan, struct plan_shard *shard, uint32_t copy);
/** NOWHERE: nobody leads. */
void plan_lead(struct plan *plan, struct plan_shard *shard, uint32_t copy);
/** plan_compare of load, which may be large. */
int plan_compare_load(const struct plan *plan, uint32_t a, uint32_t b);
/** How full by weight: below 0 if a is emptier. */
static inline int plan_compare(const struct plan *plan, enum measure measure, uint32_t a, uint32_t b)
{
    if (measure == MEASURE_LOAD) {
        return plan_compare_load(plan, a, b);
    }
    const struct plan_node *m = &plan->nodes[a], *n = &plan->nodes[b];
    uint64_t left = m->used[measure] * n->weight, right = n->used[measure] * m->weight;
    return left < right ? -1 : left > right;
}
/** Chance that is the same every time, so that equals are not always taken in the same order. */
uint64_t plan_chance(const struct plan *plan, uint32_t shard, uint32_t node);

/* placement_settle.c */

/** All but balance: the right number of copies, where they may be. The most urgent shards first. */
void plan_settle(struct plan *plan);

/* placement_balance.c */

void ranking_init(struct ranking *ranking, const struct plan *plan, enum measure measure);
void ranking_release(struct ranking *ranking);
/** What the node uses has changed. */
void ranking_changed(struct ranking *ranking, uint32_t node);
/** Whether `a` with `more_a` more is so much fuller than `b` with `more_b` more that one should go from a to b: by more
 * than 10 %, and it would be less full afterwards than `a` was. */
bool plan_uneven(const struct plan *plan, enum measure measure, uint32_t a, int more_a, uint32_t b, int more_b);
/** Whether that copy may go to that node: labels, zones, pins, and not twice on one. */
bool plan_may_move(const struct plan *plan, const struct plan_shard *shard, uint32_t copy, uint32_t node);
/** A copy at `from` that leads nothing and may go to `to`; NULL. */
struct plan_copy *plan_movable_back(struct plan *plan, uint32_t from, uint32_t to);
void plan_balance_copies(struct plan *plan);
void plan_balance_leaders(struct plan *plan);

/* placement_load.c */

void plan_balance_load(struct plan *plan);

#endif
