/* consensus/raft_members.c: who the servers are, and changes of that, each a whole configuration in an entry.
 *
 * What a change must keep is checked before it is submitted, for the core only asserts it: one at a time, a voter
 * remains, and who becomes one has the log already, so that no quorum waits for it. Servers keep their places in the
 * configuration: the core's records of them are by place if their number stays the same. */
#include "consensus/raft_parts.h"
#include "core/base/check.h"

#define VOTER_LAG_MAX 64u /* entries that a standby may miss when it becomes a voter */

static const struct raft_server *find(const struct raft_configuration *configuration, uint64_t id)
{
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].id == id) {
            return &configuration->servers[i];
        }
    }
    return NULL;
}

static unsigned voters(const struct raft_configuration *configuration)
{
    unsigned count = 0;
    for (unsigned i = 0; i < configuration->n; i++) {
        count += configuration->servers[i].role == RAFT_VOTER;
    }
    return count;
}

static enum pdr_status may_add(const struct raft_node *node, const struct raft_membership *change, const char **why)
{
    const struct raft_configuration *now = &node->raft.configuration;
    size_t size = change->address == NULL ? 0 : strlen(change->address);
    if (change->id == 0 || size == 0 || size > RAFT_ADDRESS_MAX) {
        *why = "a server has an id and an address";
        return PDR_INVALID;
    }
    if (now->n >= RAFT_SERVERS_MAX) {
        *why = "there are too many servers";
        return PDR_INVALID;
    }
    for (unsigned i = 0; i < now->n; i++) {
        if (now->servers[i].id == change->id || strcmp(now->servers[i].address, change->address) == 0) {
            *why = "there is a server of that id or address";
            return PDR_INVALID;
        }
    }
    return PDR_OK;
}

static enum pdr_status may_assign(const struct raft_node *node, const struct raft_membership *change,
                                  const struct raft_server *server, const char **why)
{
    raft_index match = 0;
    if (change->role == RAFT_ROLE_VOTER) {
        if (server->role != RAFT_STANDBY) {
            *why = "only a standby becomes a voter";
            return PDR_INVALID;
        }
        if (raft_match_index(&node->raft, server->id, &match) != 0 ||
            match + VOTER_LAG_MAX < replica_log_last(node->log) ||
            match < node->raft.configuration_committed_index) { /* who does not know of itself cannot vote */
            *why = "the standby has not caught up yet";
            return PDR_UNAVAILABLE;
        }
    }
    if ((int)change->role == server->role) {
        *why = "the server has that role";
        return PDR_INVALID;
    }
    return PDR_OK;
}

static enum pdr_status may_change(const struct raft_node *node, const struct raft_membership *change, const char **why)
{
    const struct raft_configuration *now = &node->raft.configuration;
    if (node->leading == 0 || !node->ready || node->failed) {
        *why = "another server leads, or will soon";
        return PDR_MOVED;
    }
    if (node->changing != NULL || node->raft.configuration_uncommitted_index != 0) {
        *why = "another change is under way";
        return PDR_UNAVAILABLE;
    }
    if (raft_transferee(&node->raft) != 0) {
        *why = "leadership is being handed over";
        return PDR_UNAVAILABLE;
    }
    if (change->kind == RAFT_ADD) {
        return may_add(node, change, why);
    }
    const struct raft_server *server = find(now, change->id);
    if (server == NULL) {
        *why = "there is no server of that id";
        return PDR_INVALID;
    }
    if (server->role == RAFT_VOTER && voters(now) == 1) {
        *why = "it is the last voter";
        return PDR_INVALID;
    }
    if (server->id == node->id && server->role == RAFT_VOTER) {
        /* Who is no voter of its newest configuration does not stand for election, even if nobody else has that. */
        *why = "it leads: hand leadership over first";
        return PDR_UNAVAILABLE;
    }
    return change->kind == RAFT_ASSIGN ? may_assign(node, change, server, why) : PDR_OK;
}

static void add_server(struct raft_configuration *to, uint64_t id, const char *address, int role)
{
    CHECK(raft_configuration_add(to, id, address, role) == 0);
}

static void encode_change(struct raft_node *node, const struct raft_membership *change)
{
    const struct raft_configuration *now = &node->raft.configuration;
    struct raft_configuration next;
    raft_configuration_init(&next);
    for (unsigned i = 0; i < now->n; i++) {
        const struct raft_server *server = &now->servers[i];
        bool meant = server->id == change->id;
        if (!meant || change->kind == RAFT_ASSIGN) {
            add_server(&next, server->id, server->address, meant ? (int)change->role : server->role);
        }
    }
    if (change->kind == RAFT_ADD) {
        add_server(&next, change->id, change->address, RAFT_SPARE);
    }
    CHECK(raft_configuration_encode(&next, &node->change) == 0);
    raft_configuration_close(&next);
    CHECK(raft_config_check(pdr_bytes(node->change.base, node->change.len)));
}

enum pdr_status raft_node_change(struct raft_node *node, const struct raft_membership *change, raft_answered answered,
                                 void *user, const char **why)
{
    *why = "";
    enum pdr_status status = may_change(node, change, why);
    if (status == PDR_OK) {
        encode_change(node, change);
        node->changing = wish_new(pdr_bytes(NULL, 0), answered, user);
        if (!node->running) {
            node_settle(node);
        }
    }
    return status;
}

enum pdr_status raft_node_transfer(struct raft_node *node, uint64_t id, const char **why)
{
    struct raft_event event = {.type = RAFT_TRANSFER, .transfer = {.server_id = id}};
    const struct raft_configuration *now = &node->raft.configuration;
    const struct raft_server *server = find(now, id);
    *why = "";
    if (node->leading == 0 || !node->ready || node->failed) {
        *why = "another server leads, or will soon";
        return PDR_MOVED;
    }
    if (raft_transferee(&node->raft) != 0 || node->changing != NULL || node->running) {
        *why = "leadership is being handed over, or a change is under way";
        return PDR_UNAVAILABLE;
    }
    bool other = id == 0 ? voters(now) > 1 : server != NULL && server->role == RAFT_VOTER && id != node->id;
    if (!other) {
        *why = "there is no other voter of that id";
        return PDR_INVALID;
    }
    node_step(node, &event);
    node_settle(node);
    return PDR_OK;
}

uint32_t raft_node_members(const struct raft_node *node, struct raft_member *out, uint32_t max)
{
    const struct raft_configuration *now = &node->raft.configuration;
    for (uint32_t i = 0; i < now->n && i < max; i++) {
        out[i] =
            (struct raft_member){now->servers[i].id, (enum raft_role)now->servers[i].role, now->servers[i].address};
    }
    return now->n;
}

uint64_t raft_node_match(const struct raft_node *node, uint64_t id)
{
    raft_index match = 0;
    return raft_match_index(&node->raft, id, &match) == 0 ? match : 0;
}
