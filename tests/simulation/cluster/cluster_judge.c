/* tests/simulation/cluster/cluster_judge.c: what must be true of the cluster at every moment, and what in the end. */
#include <stdio.h>

#include "consensus/roles.h"
#include "core/base/mem.h"
#include "tests/simulation/cluster/cluster_world.h"

/* In a large world, each look is dear; what nodes do is judged in between. */
static uint64_t look_ns(const struct cluster_world *world)
{
    return world->is_large ? 50 * NS_PER_MS : 5 * NS_PER_MS;
}

/* As a node that answers a reader would look at it (R13, R15, R51). */
static bool is_own(const struct cluster_host *node, const struct cluster_shard *row)
{
    return row->primary == node->id && row->incarnation == node->incarnation &&
           node->released_cv[row->shard] != row->cv;
}

static bool has_lease(const struct cluster_host *node)
{
    return sim_clock_now_ns(&node->clock) < member_lease_until(node->member);
}

static bool may_serve(const struct cluster_host *node, uint32_t shard)
{
    if (node->member == NULL || !has_lease(node)) {
        return false;
    }
    const struct cluster_shard *row = cluster_rows_shard(&member_view(node->member)->rows, shard);
    return row != NULL && is_own(node, row);
}

static void two_owners(struct cluster_world *world, uint32_t one, uint32_t other, uint32_t shard)
{
    sim_fail(&world->sim, "nodes %u and %u both think that they may serve shard %u", one, other, shard);
}

/* All nodes and all shards. */
static void judge_all(struct cluster_world *world)
{
    memset(world->holder, 0, world->shards * sizeof *world->holder);
    for (uint32_t i = 0; i < world->size; i++) {
        const struct cluster_host *node = &world->nodes[i];
        if (node->member == NULL || !has_lease(node)) {
            continue;
        }
        const struct row_list *rows = &member_view(node->member)->rows.of[ROW_SHARD];
        for (uint32_t k = 0; k < rows->count; k++) {
            const struct cluster_shard *row = &rows->at[k]->entry.shard;
            uint32_t *holder = &world->holder[row->shard];
            if (!is_own(node, row)) {
                continue;
            }
            if (*holder != 0) {
                two_owners(world, *holder - 1, i, row->shard);
            }
            *holder = i + 1;
            world->reached.cluster_served++;
        }
    }
}

static void look_for_claims(struct cluster_host *node)
{
    const struct row_list *rows = &member_view(node->member)->rows.of[ROW_SHARD];
    if (node->claims == NULL) {
        node->claims = mem_grow(NULL, node->world->shards * sizeof *node->claims);
    }
    node->claim_count = 0;
    node->is_stale = false;
    for (uint32_t i = 0; i < rows->count; i++) {
        if (is_own(node, &rows->at[i]->entry.shard)) {
            node->claims[node->claim_count++] = rows->at[i]->entry.shard.shard;
        }
    }
}

/* That node's shards alone, and only if its rows or its lease have changed. Nothing is missed by it: with time alone a
 * node can only stop to serve. So if two may serve a shard now, then they may since the later of the two has changed;
 * it was judged then, and whoever held the shard by that time is the other, or was itself judged after the other. */
static void judge_changed(struct cluster_host *node)
{
    struct cluster_world *world = node->world;
    if (!node->is_unjudged) {
        return;
    }
    node->is_unjudged = false;
    if (!has_lease(node)) {
        return; /* it is judged again when it has one */
    }
    if (node->is_stale) {
        look_for_claims(node);
    }
    for (uint32_t i = 0; i < node->claim_count; i++) {
        uint32_t *holder = &world->holder[node->claims[i]];
        if (*holder != 0 && *holder != node->place + 1 && may_serve(&world->nodes[*holder - 1], node->claims[i])) {
            two_owners(world, *holder - 1, node->place, node->claims[i]);
        }
        *holder = node->place + 1;
    }
}

void cluster_judge_owners(struct cluster_host *node)
{
    if (node->world->is_large) {
        judge_changed(node);
    } else {
        judge_all(node->world);
    }
}

struct cluster_host *cluster_judge_leader(struct cluster_world *world)
{
    struct cluster_host *leader = NULL;
    for (uint32_t i = 0; i < world->size; i++) {
        struct cluster_host *node = &world->nodes[i];
        if (node->member != NULL && member_leading(node->member) != NULL) {
            if (leader != NULL) {
                return NULL; /* one of them does not know yet */
            }
            leader = node;
        }
    }
    return leader;
}

/* What has become of nodes and shards since the last look, by the rows of whoever leads. */
static void note_member(struct cluster_world *world, const struct cluster_member *row)
{
    struct cluster_host *node = cluster_world_node(world, row->node);
    if (node == NULL) {
        return;
    }
    if (node->seen.incarnation != 0) {
        bool is_same = node->seen.incarnation == row->incarnation;
        world->reached.cluster_restarts += !is_same;
        world->reached.cluster_downs += row->state == MEMBER_DOWN && node->seen.state == MEMBER_UP;
        world->reached.cluster_revivals += is_same && row->state == MEMBER_UP && node->seen.state == MEMBER_DOWN;
        world->reached.cluster_repairs += row->role == ROLE_VOTER && node->seen.role != ROLE_VOTER;
    }
    if (row->state != MEMBER_UP) {
        node->up_ns = 0;
    } else if (node->up_ns == 0) {
        node->up_ns = world->sim.now_ns;
    }
    node->seen = *row;
}

static void note_shard(struct cluster_world *world, const struct cluster_shard *row)
{
    uint64_t *primary = &world->seen_primary[row->shard];
    world->reached.cluster_promotions += *primary != 0 && *primary != row->primary;
    *primary = row->primary;
}

static void note_rows(struct cluster_world *world, const struct cluster_rows *rows)
{
    const struct row_list *members = &rows->of[ROW_MEMBER], *shards = &rows->of[ROW_SHARD];
    for (uint32_t i = 0; i < members->count; i++) {
        note_member(world, &members->at[i]->entry.member);
    }
    for (uint32_t i = 0; i < shards->count; i++) {
        note_shard(world, &shards->at[i]->entry.shard);
    }
    cluster_even_note(world, rows);
}

static void look(struct sim_event *event)
{
    struct cluster_world *world = LIST_ITEM(event, struct cluster_world, look);
    const struct cluster_host *leader = cluster_judge_leader(world);
    if (leader != NULL) {
        note_rows(world, &member_view(leader->member)->rows);
    }
    judge_all(world);
    sim_after(&world->sim, event, look_ns(world));
}

void cluster_judge_init(struct cluster_world *world)
{
    world->look = (struct sim_event){.fire = look, .name = "cluster.look"};
    sim_after(&world->sim, &world->look, look_ns(world));
}

/* The end. */

static const char *unsettled_node(const struct cluster_host *node, const struct cluster_host *leader)
{
    const struct cluster_view *view = member_view(node->member), *theirs = member_view(leader->member);
    const struct cluster_member *row = cluster_rows_member(&theirs->rows, node->id);
    if (!member_is_registered(node->member) || row == NULL || row->state != MEMBER_UP) {
        return "a node is not registered, or is thought to be down";
    }
    if (!has_lease(node)) {
        return "a node has no lease";
    }
    return view->index == theirs->index ? NULL : "a node's copy of the directory is behind";
}

static const char *unsettled_shards(struct cluster_world *world, const struct cluster_host *leader)
{
    const struct cluster_info *info = cluster_rows_info(&member_view(leader->member)->rows);
    for (uint32_t i = 0; info != NULL && i < info->next_shard; i++) { /* the clients' group may never have been made */
        const struct cluster_shard *shard = cluster_rows_shard(&member_view(leader->member)->rows, i);
        const struct cluster_host *primary = shard != NULL ? cluster_world_node(world, shard->primary) : NULL;
        if (primary == NULL || primary->member == NULL || primary->incarnation != shard->incarnation) {
            return "a shard has no living primary";
        }
    }
    return NULL;
}

static bool stays(const struct cluster_member *member)
{
    return member->state != MEMBER_REMOVED && !member->draining;
}

static const char *unsettled_servers(struct cluster_world *world, struct cluster_host *leader)
{
    struct raft_member servers[RAFT_SERVERS_MAX];
    uint32_t count = raft_node_members(server_raft(member_server(leader->member)), servers, RAFT_SERVERS_MAX);
    const struct row_list *members = &member_view(leader->member)->rows.of[ROW_MEMBER];
    uint32_t voters = 0, staying = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        staying += stays(&members->at[i]->entry.member);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct cluster_host *node = cluster_world_node(world, servers[i].id);
        voters += servers[i].role == RAFT_ROLE_VOTER;
        const struct cluster_member *row = cluster_rows_member(&member_view(leader->member)->rows, servers[i].id);
        if (node == NULL || row == NULL || (!stays(row) && staying > 0)) {
            return "a node that left is a server of the directory";
        }
        if (servers[i].role != RAFT_ROLE_SPARE && directory_hash(server_directory(member_server(node->member))) !=
                                                      directory_hash(server_directory(member_server(leader->member)))) {
            return "two servers have different directories";
        }
    }
    return voters == roles_voters(staying, world->voters) ? NULL : "there are not as many voters as there should be";
}

static bool was_removed(const struct cluster_host *node, const struct cluster_host *leader)
{
    const struct cluster_member *row = cluster_rows_member(&member_view(leader->member)->rows, node->id);
    return row != NULL && row->state == MEMBER_REMOVED;
}

const struct cluster_rows *cluster_judge_rows(struct cluster_world *world)
{
    const struct cluster_host *leader = cluster_judge_leader(world);
    return leader != NULL ? &member_view(leader->member)->rows : NULL;
}

const char *cluster_judge_unsettled(struct cluster_world *world)
{
    struct cluster_host *leader = cluster_judge_leader(world);
    const char *why = leader == NULL ? "nobody leads" : NULL;
    for (uint32_t i = 0; i < world->size && why == NULL; i++) {
        const struct cluster_host *node = &world->nodes[i];
        if (node->exists && !was_removed(node, leader)) {
            why = node->member == NULL ? "a node is down" : unsettled_node(node, leader);
        }
    }
    why = why != NULL ? why : unsettled_shards(world, leader);
    why = why != NULL ? why : unsettled_servers(world, leader);
    uint64_t index = leader != NULL ? member_view(leader->member)->index : 0, last = world->settled_index;
    world->settled_index = index;
    why = why != NULL || index == last ? why : "the directory changes yet";
    if (why == NULL && world->even_index != index && !world->no_moves) {
        why = cluster_even_unsettled(&member_view(leader->member)->rows);
        world->even_index = why == NULL ? index : 0; /* dear in a large world, and the same until rows change */
    }
    return why;
}

static void tell_copies(struct cluster_world *world, const struct cluster_shard *shard)
{
    for (uint32_t k = 0; shard != NULL && k < shard->isr.count; k++) {
        sim_tell(&world->sim, "  in sync: %u", cluster_world_node(world, shard->isr.at[k].node)->place);
    }
    for (uint32_t k = 0; shard != NULL && k < shard->targets.count; k++) {
        sim_tell(&world->sim, "  target: %u", cluster_world_node(world, shard->targets.at[k])->place);
    }
}

void cluster_judge_tell(struct cluster_world *world)
{
    const struct cluster_host *one = cluster_judge_leader(world);
    for (uint32_t i = 0; one != NULL && i < world->shards; i++) {
        const struct cluster_shard *shard = cluster_rows_shard(&member_view(one->member)->rows, i);
        const struct cluster_host *primary = shard != NULL ? cluster_world_node(world, shard->primary) : NULL;
        sim_tell(&world->sim, "shard %u: primary %d.%llu, epoch %llu, cv %llu", i,
                 primary != NULL ? (int)primary->place : -1, shard != NULL ? (unsigned long long)shard->incarnation : 0,
                 shard != NULL ? (unsigned long long)shard->epoch : 0,
                 shard != NULL ? (unsigned long long)shard->cv : 0);
        tell_copies(world, shard);
    }
    for (uint32_t i = 0; i < world->size; i++) {
        const struct cluster_host *node = &world->nodes[i];
        if (node->member == NULL) {
            continue;
        }
        const struct cluster_view *view = member_view(node->member);
        const struct cluster_member *row = cluster_rows_member(&view->rows, node->id);
        struct raft_node_state raft = raft_node_state(server_raft(member_server(node->member)));
        struct raft_member servers[RAFT_SERVERS_MAX];
        uint32_t count = raft_node_members(server_raft(member_server(node->member)), servers, RAFT_SERVERS_MAX);
        const struct cluster_host *leader = cluster_world_node(world, member_leader(node->member));
        sim_tell(
            &world->sim,
            "node %u.%llu%s%s%s: knows %llu, as state %d role %d; lease %lld ms; follows %d; term %llu%s%s, applied "
            "%llu of %llu",
            i, (unsigned long long)node->incarnation, node->leaving ? ", leaves" : "", node->removed ? ", removed" : "",
            member_is_registered(node->member) ? "" : ", not registered", (unsigned long long)view->index,
            row != NULL ? (int)row->state : -1, row != NULL ? (int)row->role : -1,
            ((long long)member_lease_until(node->member) - (long long)sim_clock_now_ns(&node->clock)) / 1000000,
            leader != NULL ? (int)leader->place : -1, (unsigned long long)raft.term, raft.leader ? ", leads" : "",
            raft.ready ? ", ready" : "", (unsigned long long)raft.applied_index, (unsigned long long)raft.last_index);
        for (uint32_t k = 0; k < count; k++) {
            const struct cluster_host *server = cluster_world_node(world, servers[k].id);
            sim_tell(&world->sim, "  server %d: role %d", server != NULL ? (int)server->place : -1,
                     (int)servers[k].role);
        }
    }
}
