/* consensus/roles.c: the next change of Raft's configuration, by rules tried in order. */
#include "consensus/roles.h"

#include <stddef.h>

#include "core/base/check.h"

struct roles {
    const struct roles_node *nodes;
    uint32_t count;
    uint64_t leader;
    uint32_t voters;  /* that there should be */
    uint32_t servers; /* standbys included */
    uint32_t healthy; /* voters that are up */
};

uint32_t roles_voters(uint32_t staying, uint32_t wanted)
{
    uint32_t most = staying < wanted ? staying : wanted;
    return most == 0 ? 1 : most - (most % 2 == 0);
}

static bool is_voter(const struct roles_node *node)
{
    return node->is_server && node->role == RAFT_ROLE_VOTER;
}

static bool is_to_go(const struct roles_node *node)
{
    return node->health == ROLES_LOST || node->health == ROLES_LEAVING || node->health == ROLES_GONE;
}

static bool can_vote(const struct roles_node *node)
{
    return is_voter(node) && (node->health == ROLES_UP || node->health == ROLES_LEAVING);
}

/* Can the others elect a leader? */
static bool can_spare(const struct roles *r, const struct roles_node *node)
{
    uint32_t voters = 0, up = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        voters += &r->nodes[i] != node && is_voter(&r->nodes[i]);
        up += &r->nodes[i] != node && can_vote(&r->nodes[i]);
    }
    return up > voters / 2;
}

/* How many voters that stay share its zone: where nobody knows of zones each node is one. */
static uint32_t neighbours(const struct roles *r, const struct roles_node *node)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct roles_node *other = &r->nodes[i];
        sum += other != node && is_voter(other) && !is_to_go(other) && other->zone != 0 && other->zone == node->zone;
    }
    return sum;
}

/* A server that is there before one that has to be added, then zones, then ids: so the order of nodes says nothing. */
static bool is_better(const struct roles *r, const struct roles_node *a, const struct roles_node *b)
{
    if (b == NULL) {
        return true;
    }
    uint32_t near_a = neighbours(r, a), near_b = neighbours(r, b);
    if (near_a != near_b) {
        return near_a < near_b;
    }
    if (a->is_server != b->is_server) {
        return a->is_server;
    }
    return a->id < b->id;
}

/* Who becomes a voter next, or (`outside`) who a server; NULL: nobody can. */
static const struct roles_node *candidate(const struct roles *r, bool outside)
{
    const struct roles_node *best = NULL;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct roles_node *node = &r->nodes[i];
        bool fits = outside ? !node->is_server : !is_voter(node);
        if (fits && node->health == ROLES_UP && is_better(r, node, best)) {
            best = node;
        }
    }
    return best;
}

static struct roles_step step(enum roles_action action, const struct roles_node *node, enum raft_role role)
{
    return (struct roles_step){action, node->id, role};
}

static const struct roles_node *first(const struct roles *r, bool (*is)(const struct roles_node *node))
{
    const struct roles_node *best = NULL;
    for (uint32_t i = 0; i < r->count; i++) {
        if (is(&r->nodes[i]) && (best == NULL || r->nodes[i].id < best->id)) {
            best = &r->nodes[i];
        }
    }
    return best;
}

static bool promote(const struct roles *r, struct roles_step *out)
{
    const struct roles_node *node = r->healthy < r->voters ? candidate(r, false) : NULL;
    if (node == NULL) {
        return false;
    }
    if (!node->is_server) {
        *out = step(ROLES_ADD, node, RAFT_ROLE_SPARE);
    } else { /* it has the log before it has a vote */
        *out = step(ROLES_ASSIGN, node, node->role == RAFT_ROLE_SPARE ? RAFT_ROLE_STANDBY : RAFT_ROLE_VOTER);
    }
    return true;
}

/* The leader cannot take itself away: another leads first. */
static struct roles_step take_away(const struct roles *r, const struct roles_node *node, enum roles_action action)
{
    if (node->id != r->leader) {
        return step(action, node, RAFT_ROLE_STANDBY);
    }
    const struct roles_node *heir = NULL;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct roles_node *other = &r->nodes[i];
        if (other != node && is_voter(other) && other->health == ROLES_UP && (heir == NULL || other->id < heir->id)) {
            heir = other;
        }
    }
    return heir != NULL ? step(ROLES_TRANSFER, heir, RAFT_ROLE_VOTER) : (struct roles_step){0};
}

/* Those that can't vote any more first. */
static bool is_dead_weight(const struct roles_node *node)
{
    return is_voter(node) && is_to_go(node) && !can_vote(node);
}

static bool is_voter_leaving(const struct roles_node *node)
{
    return is_voter(node) && node->health == ROLES_LEAVING;
}

static bool retire(const struct roles *r, struct roles_step *out)
{
    const struct roles_node *node = first(r, is_dead_weight);
    node = node != NULL ? node : first(r, is_voter_leaving);
    if (node == NULL || r->healthy < r->voters || !can_spare(r, node)) {
        return false;
    }
    *out = take_away(r, node, ROLES_REMOVE);
    return out->action != ROLES_NOTHING;
}

/* More voters than there should be, all of them well: those that share a zone go first, never the leader. */
static bool demote(const struct roles *r, struct roles_step *out)
{
    const struct roles_node *worst = NULL;
    uint32_t voters = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct roles_node *node = &r->nodes[i];
        voters += is_voter(node);
        if (is_voter(node) && node->id != r->leader && (worst == NULL || is_better(r, worst, node))) {
            worst = node;
        }
    }
    if (worst == NULL || voters <= r->voters || r->healthy <= r->voters || !can_spare(r, worst)) {
        return false;
    }
    *out = step(ROLES_ASSIGN, worst, RAFT_ROLE_STANDBY);
    return true;
}

static bool is_other_to_go(const struct roles_node *node)
{
    return node->is_server && !is_voter(node) && is_to_go(node);
}

static bool is_spare(const struct roles_node *node)
{
    return node->is_server && node->role == RAFT_ROLE_SPARE && node->health == ROLES_UP;
}

static bool is_standby(const struct roles_node *node)
{
    return node->is_server && node->role == RAFT_ROLE_STANDBY;
}

/* Those without a vote: as many as are missing to the wanted number, and no more. */
static bool standbys(const struct roles *r, struct roles_step *out)
{
    uint32_t servers = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        servers += r->nodes[i].is_server;
    }
    const struct roles_node *node = first(r, is_other_to_go);
    if (node != NULL) {
        *out = step(ROLES_REMOVE, node, RAFT_ROLE_SPARE);
        return true;
    }
    node = first(r, is_spare);
    if (node != NULL) {
        *out = servers > r->servers ? step(ROLES_REMOVE, node, RAFT_ROLE_SPARE)
                                    : step(ROLES_ASSIGN, node, RAFT_ROLE_STANDBY);
        return true;
    }
    node = first(r, is_standby);
    if (servers > r->servers && node != NULL) {
        *out = step(ROLES_REMOVE, node, RAFT_ROLE_SPARE);
        return true;
    }
    node = servers < r->servers ? candidate(r, true) : NULL; /* dear: each is held against each */
    if (node != NULL) {
        *out = step(ROLES_ADD, node, RAFT_ROLE_SPARE);
        return true;
    }
    return false;
}

struct roles_step roles_next(const struct roles_node *nodes, uint32_t count, uint32_t wanted, uint64_t leader)
{
    CHECK(wanted >= 1 && wanted <= ROLES_VOTERS_MAX);
    struct roles r = {.nodes = nodes, .count = count, .leader = leader};
    struct roles_step out = {0};
    uint32_t staying = 0;
    for (uint32_t i = 0; i < count; i++) {
        staying += nodes[i].health != ROLES_LEAVING && nodes[i].health != ROLES_GONE;
        r.healthy += is_voter(&nodes[i]) && nodes[i].health == ROLES_UP;
    }
    r.voters = roles_voters(staying, wanted);
    r.servers = staying < wanted ? staying : wanted;
    if (promote(&r, &out) || retire(&r, &out) || demote(&r, &out) || standbys(&r, &out)) {
        return out;
    }
    return (struct roles_step){0};
}
