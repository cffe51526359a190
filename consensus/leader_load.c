/* consensus/leader_load.c: when shards move because of what they do, and when not.
 *
 * Loads are measured, so they are never the same twice, and a shard that has just moved does not look yet like what it
 * will be. Moving costs more than standing a little uneven. So load is looked at only when nothing else is to be done
 * and nothing has moved for a while, all nodes that are up have lately said what they do, and what comes of it is worth
 * it; then a node that has been over its share by OVER_PERCENT comes back to within 10 %. */
#include "consensus/leader_parts.h"

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"

#define FRESH_NS (5 * NS_PER_S) /* of five reports one has come */
#define OVER_PERCENT 20u
#define WORTH_SHARE 8u    /* less than that part of a node's share is not worth a move */
#define WORTH_LOAD 20000u /* nor is less than that: two hundredths of a core */

void leader_load(struct leader *l, uint64_t from, const struct letter_load *letter)
{
    const struct cluster_member *member = cluster_rows_member(leader_rows(l), from);
    if (member == NULL || member->state == MEMBER_REMOVED || member->incarnation != letter->incarnation ||
        !loads_take(&l->loads, leader_now(l), from, letter)) {
        LOG_DEBUG("directory.load_refused", "from=%016llx", (unsigned long long)from);
    }
}

/* What it has said of late; NULL: nothing. */
static const struct load_said *said_by(const struct leader *l, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(leader_rows(l), node);
    const struct load_said *said = loads_of(&l->loads, node);
    bool is_fresh = said != NULL && member != NULL && said->incarnation == member->incarnation &&
                    leader_now(l) - said->heard_ns < FRESH_NS;
    return is_fresh ? said : NULL;
}

bool leader_load_of(const struct leader *l, uint64_t node, uint64_t *load)
{
    const struct load_said *said = said_by(l, node);
    *load = said != NULL ? said->report.total : 0;
    return said != NULL;
}

/* Of who says nothing it is not known that it does nothing. */
static bool have_all_said(const struct leader *l, const struct placement *in)
{
    for (uint32_t i = 0; i < in->member_count; i++) {
        if (in->members[i].state == PLACEMENT_UP && said_by(l, in->members[i].node) == NULL && !MUTATION(225)) {
            return false;
        }
    }
    return true;
}

bool leader_load_is_due(const struct leader *l, const struct placement *in)
{
    uint64_t rest_ns = l->options.settings.load_rest_ms * NS_PER_MS;
    return (leader_now(l) - l->plan.moved_ns >= rest_ns || MUTATION(226)) && have_all_said(l, in);
}

void leader_load_put(const struct leader *l, struct placement_rows *rows)
{
    for (uint32_t i = 0; i < rows->placement.shard_count; i++) {
        struct placement_shard *shard = &rows->shards[i];
        const struct load_said *said = shard->count > 0 ? said_by(l, shard->replicas[0]) : NULL;
        shard->load = said != NULL ? loads_shard(said, shard->shard) : 0;
    }
    rows->placement.load_over = OVER_PERCENT;
}

/* Whether it is worth it. */

struct sums {
    const struct placement *in;
    uint64_t *loads; /* by member */
    uint64_t total, weight;
};

static uint32_t place_of(const struct placement *in, uint64_t node)
{
    uint32_t i = 0;
    while (i < in->member_count && in->members[i].node != node) {
        i++;
    }
    return i;
}

/* What nodes that are up have beyond their shares, together. */
static uint64_t beyond(const struct sums *sums)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < sums->in->member_count; i++) {
        const struct placement_member *member = &sums->in->members[i];
        uint64_t share = member->state == PLACEMENT_UP ? sums->total * member->weight / sums->weight : UINT64_MAX;
        all += sums->loads[i] > share ? sums->loads[i] - share : 0;
    }
    return all;
}

static void add(struct sums *sums, uint64_t node, int64_t load)
{
    uint32_t at = place_of(sums->in, node);
    if (at < sums->in->member_count) {
        sums->loads[at] += (uint64_t)load;
    }
}

static uint32_t sum_up(const struct leader *l, struct sums *sums)
{
    uint32_t up = 0;
    for (uint32_t i = 0; i < sums->in->member_count; i++) {
        const struct placement_member *member = &sums->in->members[i];
        const struct load_said *said = said_by(l, member->node);
        sums->loads[i] = said != NULL ? said->report.total : 0;
        if (member->state == PLACEMENT_UP) {
            sums->total += sums->loads[i];
            sums->weight += member->weight;
            up++;
        }
    }
    return up;
}

bool leader_load_is_worth(const struct leader *l, const struct placement_rows *rows, const struct placement_plan *plan)
{
    struct sums sums = {.in = &rows->placement};
    sums.loads = mem_new((sums.in->member_count + 1) * sizeof *sums.loads);
    uint32_t up = sum_up(l, &sums);
    uint64_t before = up > 0 ? beyond(&sums) : 0;
    for (uint32_t i = 0; i < plan->move_count; i++) {
        const struct placement_move *move = &plan->moves[i];
        int64_t load = rows->shards[move->shard].load;
        add(&sums, move->before[0], -load);
        add(&sums, move->replicas[0], load);
    }
    uint64_t after = up > 0 ? beyond(&sums) : 0, least = up > 0 ? sums.total / up / WORTH_SHARE : 0;
    bool is_worth = plan->move_count > 0 &&
                    (before >= after + (least > WORTH_LOAD ? least : WORTH_LOAD) || MUTATION(227));
    if (is_worth) {
        LOG_INFO("placement.load", "moves=%u beyond=%llu after=%llu of=%llu", plan->move_count,
                 (unsigned long long)before, (unsigned long long)after, (unsigned long long)sums.total);
    }
    mem_free(sums.loads);
    return is_worth;
}
