/* consensus/lease_grantor.c: renewals wait for a quorum round; leases end in counted time.
 *
 *     renew --> waiting_no --round--> asked_no --confirmed--> due_no --grant--> end_ns moves on
 *                                        |                      |
 *                                     refused: waits again   node is taken from: waits again
 *
 * A node whose renewal is anywhere on that way is alive, and its lease is not said to be over. */
#include "consensus/lease_grantor.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"

void lease_grantor_init(struct lease_grantor *grantor, uint64_t now_ns)
{
    *grantor = (struct lease_grantor){.ticked_ns = now_ns};
}

void lease_grantor_release(struct lease_grantor *grantor)
{
    mem_free(grantor->nodes);
    *grantor = (struct lease_grantor){0};
}

/* Where it is, or would be. */
static uint32_t place_of(const struct lease_grantor *grantor, uint64_t node)
{
    uint32_t low = 0, high = grantor->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (grantor->nodes[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct lease_node *find(const struct lease_grantor *grantor, uint64_t node)
{
    uint32_t place = place_of(grantor, node);
    return place < grantor->count && grantor->nodes[place].node == node ? &grantor->nodes[place] : NULL;
}

const struct lease_node *lease_grantor_node(const struct lease_grantor *grantor, uint64_t node)
{
    return find(grantor, node);
}

static struct lease_node *add(struct lease_grantor *grantor, uint64_t node)
{
    uint32_t place = place_of(grantor, node);
    if (grantor->count == grantor->capacity) {
        grantor->capacity = grantor->capacity == 0 ? 16 : grantor->capacity * 2;
        grantor->nodes = mem_grow(grantor->nodes, grantor->capacity * sizeof *grantor->nodes);
    }
    struct lease_node *at = &grantor->nodes[place];
    memmove(at + 1, at, (grantor->count - place) * sizeof *at);
    *at = (struct lease_node){.node = node};
    grantor->count++;
    return at;
}

/* What `counted_ns` will at most be when the tick that holds `now_ns` is counted up to there. */
static uint64_t counted_at(const struct lease_grantor *grantor, uint64_t now_ns)
{
    uint64_t since = now_ns > grantor->ticked_ns ? now_ns - grantor->ticked_ns : 0;
    return grantor->counted_ns + (since < LEASE_TICK_NS_MAX ? since : LEASE_TICK_NS_MAX);
}

/* R11: L * (1 + RHO) from now. */
static uint64_t end_from(const struct lease_grantor *grantor, uint64_t now_ns)
{
    return counted_at(grantor, now_ns) + LEASE_NS + (MUTATION(110) ? 0 : LEASE_NS * LEASE_DRIFT_PERCENT / 100);
}

uint64_t lease_grantor_moment(const struct lease_grantor *grantor, uint64_t now_ns)
{
    return counted_at(grantor, now_ns);
}

bool lease_grantor_passed(const struct lease_grantor *grantor, uint64_t moment, uint64_t length_ns)
{
    uint64_t end_ns = moment + length_ns + length_ns * LEASE_DRIFT_PERCENT / 100;
    return grantor->ready && grantor->counted_ns >= end_ns && grantor->counted_ns >= grantor->grace_ns;
}

void lease_grantor_register(struct lease_grantor *grantor, uint64_t now_ns, uint64_t node, uint64_t incarnation)
{
    CHECK(incarnation != 0);
    struct lease_node *at = find(grantor, node);
    if (at != NULL && at->incarnation >= incarnation) {
        return; /* a snapshot of the directory tells again what is known */
    }
    uint64_t ended = at != NULL ? at->incarnation : 0;
    uint32_t takes = at != NULL ? at->takes : 0;
    if (at == NULL) {
        at = add(grantor, node);
    }
    *at = (struct lease_node){.node = node, .incarnation = incarnation, .ended = ended, .takes = takes};
    /* Another leader may have granted it something until this moment, and none later. */
    at->end_ns = MUTATION(112) ? grantor->counted_ns : end_from(grantor, now_ns);
}

void lease_grantor_left(struct lease_grantor *grantor, uint64_t node, uint64_t incarnation)
{
    struct lease_node *at = find(grantor, node);
    if (at != NULL && at->incarnation == incarnation) {
        at->left = true;
        at->waiting_no = at->asked_no = at->due_no = 0;
    }
}

void lease_grantor_remove(struct lease_grantor *grantor, uint64_t node)
{
    struct lease_node *at = find(grantor, node);
    if (at != NULL) {
        at->removed = true;
        at->waiting_no = at->asked_no = at->due_no = 0;
    }
}

void lease_grantor_ready(struct lease_grantor *grantor)
{
    grantor->ready = true;
}

enum lease_renewed lease_grantor_renew(struct lease_grantor *grantor, const struct lease_renew *renew)
{
    struct lease_node *at = find(grantor, renew->node);
    if (at == NULL || renew->incarnation > at->incarnation) {
        return LEASE_RENEWED_UNKNOWN;
    }
    if (renew->incarnation < at->incarnation) {
        return LEASE_RENEWED_SUPERSEDED;
    }
    if (at->removed) {
        return LEASE_RENEWED_REMOVED;
    }
    if (renew->renew_no <= at->seen_no || at->left) {
        return LEASE_RENEWED_OLD;
    }
    at->seen_no = renew->renew_no;
    at->feed_index = renew->feed_index;
    if (MUTATION(117) && grantor->round_open) {
        at->asked_no = renew->renew_no;
    } else {
        at->waiting_no = renew->renew_no;
    }
    return LEASE_RENEWED_WAITS;
}

/* A leader that stood still has not read the renewals that came meanwhile, and its peers may have given its connections
 * up: before anybody is condemned there is time for another renewal, the more the longer it was. */
static uint64_t grace_after(uint64_t gap_ns)
{
    return gap_ns < LEASE_RENEW_NS ? LEASE_RENEW_NS : gap_ns < LEASE_NS ? gap_ns : LEASE_NS;
}

/* A long tick counts nothing: perhaps the clock jumped, and no time has passed at all (R11 would let it count 100 ms,
 * which such a jump can take from a lease that runs). A leader that is always slow has many long ones in a row; a clock
 * does not jump ten times in a row, and then they count, 100 ms each, so that it can still take from the dead. */
void lease_grantor_tick(struct lease_grantor *grantor, uint64_t now_ns)
{
    uint64_t gap_ns = now_ns > grantor->ticked_ns ? now_ns - grantor->ticked_ns : 0;
    grantor->ticked_ns += gap_ns;
    if (gap_ns <= LEASE_TICK_NS_MAX || MUTATION(116)) {
        grantor->counted_ns += gap_ns;
        grantor->long_ticks = 0;
        return;
    }
    if (++grantor->long_ticks > LEASE_LONG_TICKS) {
        grantor->counted_ns += LEASE_TICK_NS_MAX;
        return;
    }
    uint64_t grace_ns = grantor->counted_ns + grace_after(gap_ns);
    if (grace_ns > grantor->grace_ns) {
        grantor->grace_ns = grace_ns;
    }
}

/* A round that is not answered for the length of a lease is given up: Raft may have forgotten it. */
static bool may_begin(const struct lease_grantor *grantor, uint64_t now_ns)
{
    uint64_t since = now_ns > grantor->round_ns ? now_ns - grantor->round_ns : 0;
    return grantor->ready && (grantor->round == 0 || since >= (grantor->round_open ? LEASE_NS : LEASE_ROUND_NS));
}

uint64_t lease_grantor_round(struct lease_grantor *grantor, uint64_t now_ns)
{
    if (!may_begin(grantor, now_ns)) {
        return 0;
    }
    bool wanted = false;
    for (uint32_t i = 0; i < grantor->count; i++) {
        struct lease_node *at = &grantor->nodes[i];
        if (at->waiting_no != 0) {
            at->asked_no = at->waiting_no;
            at->waiting_no = 0;
        }
        wanted |= at->asked_no != 0;
    }
    if (!wanted) {
        return 0;
    }
    grantor->round_open = true;
    grantor->round_ns = now_ns;
    return ++grantor->round;
}

static void wait_again(struct lease_node *at, uint64_t renew_no)
{
    if (renew_no > at->waiting_no) {
        at->waiting_no = renew_no;
    }
}

void lease_grantor_round_done(struct lease_grantor *grantor, uint64_t round, bool confirmed)
{
    if (!grantor->round_open || round != grantor->round) {
        return; /* one that was given up */
    }
    grantor->round_open = false;
    grantor->granting = 0;
    for (uint32_t i = 0; i < grantor->count; i++) {
        struct lease_node *at = &grantor->nodes[i];
        if (at->asked_no != 0 && confirmed) {
            at->due_no = at->asked_no;
        } else if (at->asked_no != 0) {
            wait_again(at, at->asked_no);
        }
        at->asked_no = 0;
    }
}

/* R5: while it is taken from, its renewals wait for a later round. */
bool lease_grantor_grant(struct lease_grantor *grantor, uint64_t now_ns, uint64_t dir_index, struct lease_granted *out)
{
    while (grantor->granting < grantor->count) {
        struct lease_node *at = &grantor->nodes[grantor->granting++];
        uint64_t renew_no = at->due_no;
        at->due_no = 0;
        if (renew_no != 0 && at->takes > 0 && !MUTATION(115)) {
            wait_again(at, renew_no);
        } else if (renew_no != 0) {
            at->end_ns = end_from(grantor, now_ns);
            at->told_over = false;
            *out = (struct lease_granted){at->node, at->incarnation, {renew_no, dir_index, LEASE_NS}};
            return true;
        }
    }
    return false;
}

static bool is_over(const struct lease_grantor *grantor, const struct lease_node *at)
{
    if (at->left) {
        return grantor->ready;
    }
    bool pending = at->waiting_no != 0 || at->asked_no != 0 || at->due_no != 0;
    return grantor->ready && !pending && grantor->counted_ns >= at->end_ns && grantor->counted_ns >= grantor->grace_ns;
}

bool lease_grantor_next_over(struct lease_grantor *grantor, struct lease_over *out)
{
    for (uint32_t i = 0; i < grantor->count && grantor->ready; i++) {
        struct lease_node *at = &grantor->nodes[i];
        if (at->ended != 0) {
            *out = (struct lease_over){at->node, at->ended};
            at->ended = 0;
            return true;
        }
        if (!at->told_over && is_over(grantor, at)) {
            *out = (struct lease_over){at->node, at->incarnation};
            at->told_over = true;
            return true;
        }
    }
    return false;
}

bool lease_grantor_is_over(const struct lease_grantor *grantor, uint64_t node, uint64_t incarnation)
{
    const struct lease_node *at = find(grantor, node);
    if (at == NULL || !grantor->ready || incarnation > at->incarnation) {
        return false;
    }
    return incarnation < at->incarnation || is_over(grantor, at);
}

bool lease_grantor_take(struct lease_grantor *grantor, uint64_t node, uint64_t incarnation)
{
    if (!lease_grantor_is_over(grantor, node, incarnation)) {
        return false;
    }
    find(grantor, node)->takes++;
    return true;
}

void lease_grantor_taken(struct lease_grantor *grantor, uint64_t node)
{
    struct lease_node *at = find(grantor, node);
    CHECK(at != NULL && at->takes > 0);
    at->takes--;
}
