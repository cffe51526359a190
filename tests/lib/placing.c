/* tests/lib/placing.c: clusters, and a judge. Slow and plain on purpose: it is what the plans are held against. */
#include "tests/lib/placing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const zone_names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static bool found(struct placing *p, const char *format, ...)
{
    if (p->why[0] != 0) {
        return false;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(p->why, sizeof p->why, format, args);
    va_end(args);
    return false;
}

/* ---- clusters ---- */

static void add_member(struct placing *p, uint64_t node, const char *zone)
{
    p->members[p->member_count++] =
        (struct placement_member){.node = node, .state = PLACEMENT_UP, .weight = 1, .zone = zone};
}

void placing_regular(struct placing *p, uint64_t seed, uint32_t nodes, uint32_t zones, uint32_t shards,
                     uint32_t replicas)
{
    memset(p, 0, sizeof *p);
    rng_seed(&p->rng, seed);
    for (uint32_t i = 0; i < nodes; i++) {
        add_member(p, rng_next(&p->rng) | 1, zones == 0 ? "" : zone_names[i % zones]);
    }
    p->groups[p->group_count++] = (struct placement_group){.group = 1, .name = "default", .replicas = replicas};
    for (uint32_t i = 0; i < shards; i++) {
        p->shards[p->shard_count++] = (struct placement_shard){.shard = i, .group = 1};
    }
    p->moves_max = UINT32_MAX;
}

struct placement_member *placing_add_node(struct placing *p, uint32_t zone_of)
{
    add_member(p, rng_next(&p->rng) | 1, p->members[zone_of].zone);
    return &p->members[p->member_count - 1];
}

struct placement_member *placing_member(struct placing *p, uint64_t node)
{
    for (uint32_t i = 0; i < p->member_count; i++) {
        if (p->members[i].node == node) {
            return &p->members[i];
        }
    }
    return NULL;
}

static uint32_t below(struct placing *p, uint32_t n)
{
    return (uint32_t)rng_below(&p->rng, n);
}

static void draw_member(struct placing *p, uint32_t zones, bool weights, bool troubles)
{
    static const struct placement_label gpu = {"gpu", "h100"}, nvme = {"disk", "nvme"};
    uint32_t i = p->member_count;
    add_member(p, rng_next(&p->rng) | 1, zones == 0 ? "" : zone_names[below(p, zones)]);
    struct placement_member *m = &p->members[i];
    m->weight = weights ? 1 + below(p, 8) : 1;
    m->state = troubles && rng_chance(&p->rng, 20) ? (enum placement_state)below(p, 5) : PLACEMENT_UP;
    m->labels = p->labels[i];
    if (rng_chance(&p->rng, 30)) {
        p->labels[i][m->label_count++] = gpu;
    }
    if (rng_chance(&p->rng, 50)) {
        p->labels[i][m->label_count++] = nvme;
    }
}

static void draw_groups(struct placing *p)
{
    static const struct placement_label wanted[] = {{"gpu", "h100"}, {"disk", "nvme"}, {"gpu", "none"}};
    static const char *const names[] = {"default", "two", "three", "four", "five"};
    uint32_t count = 1 + below(p, 5);
    for (uint32_t i = 0; i < count; i++) {
        struct placement_group *g = &p->groups[p->group_count++];
        *g = (struct placement_group){.group = 10 - i, .name = names[i], .replicas = 1 + below(p, 5)};
        if (i > 0 && rng_chance(&p->rng, 50)) {
            g->labels = &wanted[below(p, 3)];
            g->label_count = 1;
        }
        if (i > 0 && rng_chance(&p->rng, 30)) {
            g->pin = rng_chance(&p->rng, 10) ? 12 : p->members[below(p, p->member_count)].node;
        }
    }
}

static void draw_shard(struct placing *p, uint32_t shard, uint32_t nodes, bool placed)
{
    struct placement_shard *s = &p->shards[p->shard_count++];
    *s = (struct placement_shard){.shard = shard, .group = p->groups[below(p, p->group_count)].group};
    s->load = rng_chance(&p->rng, 50) ? 0 : 1 + below(p, 1 + below(p, 100000));
    s->moving = rng_chance(&p->rng, 2);
    uint32_t copies = !placed ? 0 : below(p, PLACEMENT_REPLICAS_MAX + 1);
    for (uint32_t i = 0; i < copies; i++) {
        uint64_t node = rng_chance(&p->rng, 2) ? 4 : p->members[below(p, nodes)].node;
        bool twice = false;
        for (uint32_t j = 0; j < s->count; j++) {
            twice |= s->replicas[j] == node;
        }
        if (!twice) {
            s->replicas[s->count++] = node;
        }
    }
}

void placing_draw(struct placing *p, uint64_t seed, uint32_t nodes_max, uint32_t shards_max)
{
    memset(p, 0, sizeof *p);
    rng_seed(&p->rng, seed);
    uint32_t nodes = 1 + below(p, nodes_max), zones = below(p, 9), shards = below(p, shards_max + 1);
    bool weights = below(p, 2) == 0, troubles = below(p, 4) != 0, placed = below(p, 2) == 0;
    for (uint32_t i = 0; i < nodes; i++) {
        draw_member(p, zones, weights, troubles);
    }
    draw_groups(p);
    for (uint32_t i = 0; i < shards; i++) {
        draw_shard(p, i * 3, 1 + below(p, nodes), placed);
    }
    p->moves_max = below(p, 2) == 0 ? UINT32_MAX : 1 + below(p, 100);
    p->load_over = rng_chance(&p->rng, 50) ? 0 : below(p, 60);
}

#define SHUFFLE(p, array, count)                                                                                       \
    for (uint32_t i = (count); i > 1; i--) {                                                                           \
        uint32_t j = below(p, i);                                                                                      \
        __typeof__((array)[0]) swapped = (array)[i - 1];                                                               \
        (array)[i - 1] = (array)[j];                                                                                   \
        (array)[j] = swapped;                                                                                          \
    }

void placing_shuffle(struct placing *p)
{
    SHUFFLE(p, p->members, p->member_count)
    SHUFFLE(p, p->groups, p->group_count)
    SHUFFLE(p, p->shards, p->shard_count)
}

/* ---- what may be where ---- */

static bool labels_fit(const struct placement_member *m, const struct placement_group *g)
{
    for (uint32_t i = 0; i < g->label_count; i++) {
        bool fits = false;
        for (uint32_t j = 0; j < m->label_count; j++) {
            fits |= strcmp(m->labels[j].key, g->labels[i].key) == 0 &&
                    strcmp(m->labels[j].value, g->labels[i].value) == 0;
        }
        if (!fits) {
            return false;
        }
    }
    return true;
}

static bool fits(const struct placement_member *m, const struct placement_group *g)
{
    return m->state == PLACEMENT_UP && labels_fit(m, g);
}

static const struct placement_group *group_of(const struct placing *p, uint32_t group)
{
    uint32_t i = 0;
    while (p->groups[i].group != group) {
        i++;
    }
    return &p->groups[i];
}

static struct placement_shard *shard_of(struct placing *p, uint32_t shard)
{
    uint32_t i = shard < p->shard_count && p->shards[shard].shard == shard ? shard : 0;
    while (i < p->shard_count && p->shards[i].shard != shard) {
        i++;
    }
    return i < p->shard_count ? &p->shards[i] : NULL;
}

static bool among(const uint64_t *nodes, uint32_t count, uint64_t node)
{
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i] == node) {
            return true;
        }
    }
    return false;
}

static uint32_t living(struct placing *p, const uint64_t *nodes, uint32_t count)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct placement_member *m = placing_member(p, nodes[i]);
        alive += m != NULL && (m->state == PLACEMENT_UP || m->state == PLACEMENT_DRAINING);
    }
    return alive;
}

static bool stays(const struct placement_member *m, const struct placement_group *g)
{
    return (m->state == PLACEMENT_UP || m->state == PLACEMENT_AWAY) && labels_fit(m, g);
}

/* Of those that may stay where they are. */
static uint32_t in_zone(struct placing *p, const struct placement_group *g, const uint64_t *nodes, uint32_t count,
                        const char *zone)
{
    uint32_t in = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct placement_member *m = placing_member(p, nodes[i]);
        in += stays(m, g) && strcmp(m->zone, zone) == 0;
    }
    return in;
}

/* ---- the judge ---- */

static bool judge_nodes(struct placing *p, const struct placement_move *move, const struct placement_group *g)
{
    for (uint32_t i = 0; i < move->count; i++) {
        const struct placement_member *m = placing_member(p, move->replicas[i]);
        if (m == NULL || among(move->replicas, i, m->node)) {
            return found(p, "shard %u is sent to no member, or twice to one", move->shard);
        }
        if (!fits(m, g) && !among(move->before, move->before_count, m->node)) {
            return found(p, "shard %u is sent where it may not be", move->shard);
        }
    }
    return true;
}

static bool is_emptied(const struct placement_member *m)
{
    return m->state == PLACEMENT_DRAINING || m->state == PLACEMENT_LEFT;
}

/* So many as live now, or are wanted; a node that is emptied may leave no more behind than there are others. */
static uint32_t living_wanted(struct placing *p, const struct placement_move *move, const struct placement_group *g,
                              uint32_t before)
{
    uint32_t wanted = before < g->replicas ? before : g->replicas, others = 0;
    bool leaves = false;
    for (uint32_t i = 0; i < p->member_count; i++) {
        others += labels_fit(&p->members[i], g) && !is_emptied(&p->members[i]);
    }
    for (uint32_t i = 0; i < move->before_count; i++) {
        const struct placement_member *m = placing_member(p, move->before[i]);
        leaves |= m != NULL && is_emptied(m) && !among(move->replicas, move->count, m->node);
    }
    return leaves && others < wanted ? others : wanted;
}

/* What is there, after the move, of what the group wants. */
static bool judge_counts(struct placing *p, const struct placement_move *move, const struct placement_group *g)
{
    uint32_t before = living(p, move->before, move->before_count), after = living(p, move->replicas, move->count);
    uint32_t good = 0, possible = 0;
    for (uint32_t i = 0; i < p->member_count; i++) {
        possible += fits(&p->members[i], g);
    }
    for (uint32_t i = 0; i < move->count; i++) {
        good += stays(placing_member(p, move->replicas[i]), g);
    }
    if (after < living_wanted(p, move, g, before)) {
        return found(p, "shard %u has %u living replicas and will have %u", move->shard, before, after);
    }
    if (possible == 0) {
        return found(p, "shard %u moves, and its group cannot be placed", move->shard);
    }
    if (good < (possible < g->replicas ? possible : g->replicas) ||
        (good == g->replicas && move->count > good && after > g->replicas)) {
        return found(p, "shard %u gets %u of %u replicas, and %u nodes are there", move->shard, good, g->replicas,
                     possible);
    }
    return true;
}

static bool judge_leader(struct placing *p, const struct placement_move *move, const struct placement_group *g)
{
    const struct placement_member *pin = g->pin == 0 ? NULL : placing_member(p, g->pin);
    uint32_t leaders = 0;
    for (uint32_t i = 0; i < move->count; i++) {
        leaders += fits(placing_member(p, move->replicas[i]), g);
    }
    if ((leaders > 0 && !fits(placing_member(p, move->replicas[0]), g)) ||
        (pin != NULL && fits(pin, g) && move->replicas[0] != g->pin)) {
        return found(p, "shard %u is led from where it should not be", move->shard);
    }
    return true;
}

static bool judge_zones(struct placing *p, const struct placement_move *move, const struct placement_group *g)
{
    for (uint32_t i = 0; i < p->member_count; i++) {
        const struct placement_member *m = &p->members[i];
        if (!fits(m, g) || among(move->replicas, move->count, m->node) || move->count != g->replicas ||
            in_zone(p, g, move->replicas, move->count, m->zone) > 0) {
            continue;
        }
        for (uint32_t j = 0; j < move->count; j++) {
            const struct placement_member *other = placing_member(p, move->replicas[j]);
            if (fits(other, g) && other->node != g->pin &&
                in_zone(p, g, move->replicas, move->count, other->zone) > 1) {
                return found(p, "shard %u is twice in a zone, and another has none", move->shard);
            }
        }
    }
    return true;
}

static bool judge_move(struct placing *p, const struct placement_move *move)
{
    struct placement_shard *s = shard_of(p, move->shard);
    const struct placement_group *g = group_of(p, s->group);
    if (s->moving || move->before_count != s->count || move->living != living(p, s->replicas, s->count) ||
        memcmp(move->before, s->replicas, s->count * sizeof *s->replicas) != 0) {
        return found(p, "shard %u is moving, or not as the plan says", move->shard);
    }
    return judge_nodes(p, move, g) && judge_counts(p, move, g) && judge_leader(p, move, g) && judge_zones(p, move, g);
}

void placing_plan(const struct placing *p, struct placement_plan *plan)
{
    struct placement in = {.members = p->members,
                           .groups = p->groups,
                           .shards = p->shards,
                           .member_count = p->member_count,
                           .group_count = p->group_count,
                           .shard_count = p->shard_count,
                           .moves_max = p->moves_max,
                           .load_over = p->load_over};
    placement_plan(&in, plan);
}

static bool judge_complaints(struct placing *p, const struct placement_plan *plan)
{
    for (uint32_t i = 0; i < p->group_count; i++) {
        const struct placement_group *g = &p->groups[i];
        const struct placement_member *pin = g->pin == 0 ? NULL : placing_member(p, g->pin);
        uint32_t possible = 0, said = 0;
        for (uint32_t j = 0; j < p->member_count; j++) {
            possible += fits(&p->members[j], g);
        }
        for (uint32_t j = 0; j < plan->complaint_count; j++) {
            said += plan->complaints[j].group == g->group && strstr(plan->complaints[j].text, g->name) != NULL;
        }
        bool wrong = possible < g->replicas || (g->pin != 0 && (pin == NULL || !fits(pin, g)));
        if (said != wrong) {
            return found(p, "group %s: %u complaints, and %s", g->name, said, wrong ? "it has reason to" : "no reason");
        }
    }
    return true;
}

bool placing_judge(struct placing *p, const struct placement_plan *plan)
{
    if (plan->move_count > p->moves_max) {
        return found(p, "%u moves, and %u were allowed", plan->move_count, p->moves_max);
    }
    for (uint32_t i = 0; i < plan->move_count; i++) {
        if (!judge_move(p, &plan->moves[i])) {
            return false;
        }
        if (i > 0 && plan->moves[i].reason < plan->moves[i - 1].reason) {
            return found(p, "the moves are not in order of urgency");
        }
    }
    return judge_complaints(p, plan);
}

void placing_apply(struct placing *p, const struct placement_plan *plan)
{
    for (uint32_t i = 0; i < plan->move_count; i++) {
        const struct placement_move *move = &plan->moves[i];
        struct placement_shard *s = shard_of(p, move->shard);
        for (uint32_t j = 0; j < move->count; j++) {
            p->copied += !among(s->replicas, s->count, move->replicas[j]);
        }
        p->led += s->count > 0 && move->replicas[0] != s->replicas[0];
        memcpy(s->replicas, move->replicas, move->count * sizeof *s->replicas);
        s->count = move->count;
    }
}

unsigned placing_settle(struct placing *p, unsigned plans_max)
{
    for (unsigned plans = 1; plans <= plans_max; plans++) {
        struct placement_plan plan;
        placing_plan(p, &plan);
        bool fine = placing_judge(p, &plan);
        uint32_t moves = plan.move_count;
        placing_apply(p, &plan);
        placement_plan_release(&plan);
        if (!fine) {
            return 0;
        }
        if (moves == 0) {
            return plans;
        }
    }
    found(p, "still moving after %u plans", plans_max);
    return 0;
}

/* ---- even ---- */

struct placing_sum placing_sum(const struct placing *p, uint64_t node)
{
    struct placing_sum sum = {0, 0, 0, 0};
    for (uint32_t i = 0; i < p->shard_count; i++) {
        const struct placement_shard *s = &p->shards[i];
        if (s->count > 0 && s->replicas[0] == node) {
            sum.leads++;
            sum.load += s->load;
            sum.hottest = s->load > sum.hottest ? s->load : sum.hottest;
        }
        sum.copies += among(s->replicas, s->count, node);
    }
    return sum;
}

static bool near(double have, double share)
{
    double slack = share / 10 < 1 ? 1 : share / 10;
    return have >= share - slack && have <= share + slack;
}

bool placing_even(struct placing *p)
{
    uint64_t weight = 0, copies = 0;
    for (uint32_t i = 0; i < p->member_count; i++) {
        weight += p->members[i].state == PLACEMENT_UP ? p->members[i].weight : 0;
    }
    for (uint32_t i = 0; i < p->shard_count; i++) {
        copies += p->shards[i].count;
    }
    for (uint32_t i = 0; i < p->member_count; i++) {
        const struct placement_member *m = &p->members[i];
        struct placing_sum sum = placing_sum(p, m->node);
        double part = m->state == PLACEMENT_UP ? (double)m->weight / (double)weight : 0;
        if (!near((double)sum.copies, part * (double)copies) || !near((double)sum.leads, part * p->shard_count)) {
            return found(p, "a node of weight %u of %llu has %llu of %llu copies and leads %llu of %u", m->weight,
                         (unsigned long long)weight, (unsigned long long)sum.copies, (unsigned long long)copies,
                         (unsigned long long)sum.leads, p->shard_count);
        }
    }
    return true;
}

static bool could_go(struct placing *p, const struct placement_shard *s, const struct placement_member *from,
                     const struct placement_member *to)
{
    const struct placement_group *g = group_of(p, s->group);
    if (s->moving || !fits(to, g) || g->pin == from->node || !among(s->replicas, s->count, from->node) ||
        among(s->replicas, s->count, to->node)) {
        return false;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        if (placing_member(p, s->replicas[i]) == NULL) {
            return false;
        }
    }
    return strcmp(from->zone, to->zone) == 0 ||
           in_zone(p, g, s->replicas, s->count, to->zone) < in_zone(p, g, s->replicas, s->count, from->zone);
}

bool placing_at_rest(struct placing *p)
{
    for (uint32_t i = 0; i < p->member_count; i++) {
        for (uint32_t j = 0; j < p->member_count; j++) {
            const struct placement_member *a = &p->members[i], *b = &p->members[j];
            uint64_t in_a = placing_sum(p, a->node).copies, in_b = placing_sum(p, b->node).copies;
            if (a->state != PLACEMENT_UP || in_a * b->weight * 10 <= in_b * a->weight * 11 ||
                (in_b + 1) * a->weight >= in_a * b->weight) {
                continue;
            }
            for (uint32_t k = 0; k < p->shard_count; k++) {
                if (could_go(p, &p->shards[k], a, b)) {
                    return found(p, "shard %u could go from a node with %llu copies to one with %llu",
                                 p->shards[k].shard, (unsigned long long)in_a, (unsigned long long)in_b);
                }
            }
        }
    }
    return true;
}
