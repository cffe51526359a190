/* consensus/leader_roles.c: Raft's own group, kept as roles.h wants it, and shown in the members' rows. */
#include "consensus/leader_parts.h"
#include "consensus/roles.h"

#include <stdio.h>

#include "core/base/hash_bytes.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"

#define ROLES_NS (200 * NS_PER_MS)
#define ASIDE_NS NS_PER_S

static enum roles_health health_of(const struct leader *l, const struct cluster_member *member)
{
    if (member->state == MEMBER_REMOVED || (member->draining && member->state == MEMBER_DOWN)) {
        return ROLES_GONE;
    }
    if (member->draining) {
        return ROLES_LEAVING;
    }
    if (member->state == MEMBER_UP) {
        return ROLES_UP;
    }
    uint64_t since_ns = leader_down_since(l, member->node);
    bool is_long = since_ns != 0 && leader_now(l) - since_ns >= l->options.settings.repair_ms * NS_PER_MS;
    return is_long ? ROLES_LOST : ROLES_DOWN;
}

static uint32_t zone_of(const struct cluster_member *member)
{
    struct pdr_bytes zone;
    return pairs_get(member->labels, pdr_str("zone"), &zone) ? (uint32_t)hash_bytes(zone, 0) | 1u : 0;
}

static const struct raft_member *server_of(const struct raft_member *servers, uint32_t count, uint64_t node)
{
    for (uint32_t i = 0; i < count; i++) {
        if (servers[i].id == node) {
            return &servers[i];
        }
    }
    return NULL;
}

/* All members, those removed only while they are servers. */
static uint32_t nodes_of(const struct leader *l, const struct raft_member *servers, uint32_t server_count,
                         struct roles_node *out)
{
    const struct row_list *members = &leader_rows(l)->of[ROW_MEMBER];
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        const struct raft_member *server = server_of(servers, server_count, member->node);
        if (server == NULL && member->state == MEMBER_REMOVED) {
            continue;
        }
        out[count++] = (struct roles_node){member->node, health_of(l, member), server != NULL,
                                           server != NULL ? server->role : RAFT_ROLE_SPARE, zone_of(member)};
    }
    return count;
}

static void change_over(void *user, struct raft_answer answer)
{
    struct errand *errand = user;
    list_remove(&errand->node);
    if (errand->leader != NULL) {
        errand->leader->changing = false;
    }
    mem_free(errand);
}

static void change(struct leader *l, const struct roles_step *step)
{
    static const enum raft_membership_kind kinds[] = {
        [ROLES_ADD] = RAFT_ADD, [ROLES_ASSIGN] = RAFT_ASSIGN, [ROLES_REMOVE] = RAFT_REMOVE};
    char address[LIMIT_ADDRESS_BYTES_MAX + 1];
    const struct cluster_member *member = cluster_rows_member(leader_rows(l), step->id);
    struct raft_membership change = {kinds[step->action], step->id, address, step->role};
    const char *why;
    snprintf(address, sizeof address, "%.*s", member != NULL ? (int)member->address.size : 0,
             member != NULL ? (const char *)member->address.data : "");
    struct errand *errand = mem_new(sizeof *errand);
    *errand = (struct errand){.leader = l, .kind = ERRAND_ROLE, .about = step->id};
    list_push_back(&l->errands, &errand->node);
    l->changing = true;
    if (raft_node_change(server_raft(l->options.server), &change, change_over, errand, &why) != PDR_OK) {
        l->changing = false;
        list_remove(&errand->node);
        mem_free(errand);
        LOG_DEBUG("directory.role_waits", "node=%016llx why=\"%s\"", (unsigned long long)step->id, why);
    }
}

/* The members' rows follow what is so: they are for people, and for nodes that look for a server. */
static void show(struct leader *l, const struct raft_member *servers, uint32_t server_count)
{
    static const enum member_role shown[] = {
        [RAFT_ROLE_STANDBY] = ROLE_STANDBY, [RAFT_ROLE_VOTER] = ROLE_VOTER, [RAFT_ROLE_SPARE] = ROLE_SPARE};
    const struct row_list *members = &leader_rows(l)->of[ROW_MEMBER];
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        const struct raft_member *server = server_of(servers, server_count, member->node);
        enum member_role role = server != NULL ? shown[server->role] : ROLE_SPARE;
        if (member->state != MEMBER_REMOVED && member->role != role) {
            struct command command = {.kind = COMMAND_ROLE, .role = {member->node, (uint8_t)role}};
            leader_propose(l, &command, ERRAND_ROLE, member->node, 0, false);
            return; /* one at a time */
        }
    }
}

/* A leader without room on its disk can propose nothing: nobody is promoted, joins or moves. Whoever has most of the
 * log, and so has room, does better. */
static void consider_stepping_aside(struct leader *l, struct raft_node *raft)
{
    uint64_t now_ns = leader_now(l);
    const char *why;
    if (!raft_node_state(raft).full) {
        l->full_ns = 0;
    } else if (l->full_ns == 0) {
        l->full_ns = now_ns;
    } else if (now_ns - l->full_ns >= ASIDE_NS && !MUTATION(205)) {
        l->full_ns = now_ns; /* if nothing comes of it, again */
        if (raft_node_transfer(raft, 0, &why) == PDR_OK) {
            LOG_WARN("directory.no_space", "the disk of its leader is full, so another is to lead");
        } else {
            LOG_DEBUG("directory.transfer_waits", "to=any why=\"%s\"", why);
        }
    }
}

void leader_roles_tick(struct leader *l)
{
    struct raft_member servers[RAFT_SERVERS_MAX];
    const struct cluster_info *info = cluster_rows_info(leader_rows(l));
    uint64_t now_ns = leader_now(l);
    if (info == NULL || now_ns - l->roles_ns < ROLES_NS) {
        return;
    }
    l->roles_ns = now_ns;
    struct raft_node *raft = server_raft(l->options.server);
    consider_stepping_aside(l, raft);
    if (l->changing) {
        return;
    }
    uint32_t server_count = raft_node_members(raft, servers, RAFT_SERVERS_MAX);
    if (raft_node_state(raft).changing) {
        return;
    }
    struct roles_node *nodes = mem_grow(NULL, (leader_rows(l)->of[ROW_MEMBER].count + 1) * sizeof *nodes);
    uint32_t count = nodes_of(l, servers, server_count, nodes);
    struct roles_step step = roles_next(nodes, count, info->voters, l->options.id);
    mem_free(nodes);
    show(l, servers, server_count);
    const char *why;
    if (step.action == ROLES_TRANSFER) {
        if (raft_node_transfer(raft, step.id, &why) != PDR_OK) {
            LOG_DEBUG("directory.transfer_waits", "to=%016llx why=\"%s\"", (unsigned long long)step.id, why);
        }
    } else if (step.action != ROLES_NOTHING) {
        change(l, &step);
    }
}
