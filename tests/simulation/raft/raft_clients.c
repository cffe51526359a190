/* tests/simulation/raft/raft_clients.c: who proposes, who reads, and the manager who changes roles, one change at a
 * time. */
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/mem.h"
#include "tests/simulation/raft/raft_world.h"

/* A proposal, a read or a change that was not answered yet. */
struct asked {
    struct list node;
    struct raft_server *server;
    uint64_t number; /* of a submission; of a read: how many were acknowledged when it began */
    struct raft_membership change;
};

static struct asked *ask(struct raft_server *server, uint64_t number)
{
    struct asked *asked = mem_new(sizeof *asked);
    asked->server = server;
    asked->number = number;
    list_push_back(&server->world->asked, &asked->node);
    return asked;
}

static void forget(struct asked *asked)
{
    list_remove(&asked->node);
    mem_free(asked);
}

static void count_outcome(struct raft_world *world, enum raft_outcome outcome)
{
    world->reached.raft_committed += outcome == RAFT_COMMITTED;
    world->reached.raft_unknown += outcome == RAFT_UNKNOWN;
    world->reached.raft_not_leader += outcome == RAFT_NOT_LEADER;
    world->reached.raft_refused += outcome == RAFT_REFUSED;
}

static void proposed(void *user, struct raft_answer answer)
{
    struct asked *asked = user;
    struct raft_world *world = asked->server->world;
    count_outcome(world, answer.outcome);
    if (answer.outcome == RAFT_COMMITTED) {
        SIM_CHECK(&world->sim, raft_state_has(&asked->server->state, asked->number),
                  "submission %llu is acknowledged before it is applied", (unsigned long long)asked->number);
        raft_checker_acknowledged(&world->checker, answer.index, asked->number);
    }
    forget(asked);
}

bool raft_clients_propose(struct raft_server *server)
{
    static const uint8_t zeros[1u << 20];
    struct raft_world *world = server->world;
    struct raft_bytes command = {0};
    if (server->node == NULL || server->asleep_until_ns > world->sim.now_ns || world->submitted >= RAFT_COMMANDS_MAX) {
        return false;
    }
    uint64_t number = ++world->submitted;
    raft_bytes_put_64(&command, number);
    raft_bytes_put(&command, zeros, sim_draw(&world->sim, world->pad_max + 1));
    raft_node_propose(server->node, raft_bytes_slice(&command), proposed, ask(server, number));
    raft_bytes_release(&command);
    raft_server_arm(server);
    return true;
}

static void was_read(void *user, struct raft_answer answer)
{
    struct asked *asked = user;
    struct raft_world *world = asked->server->world;
    if (answer.outcome == RAFT_COMMITTED) {
        world->reached.raft_reads++;
        raft_checker_sees(&world->checker, &asked->server->state, asked->number, asked->server->id);
    }
    forget(asked);
}

void raft_clients_read(struct raft_server *server)
{
    if (server->node != NULL && server->asleep_until_ns <= server->world->sim.now_ns) {
        raft_node_read(server->node, was_read, ask(server, server->world->checker.acknowledged_count));
        raft_server_arm(server);
    }
}

/* Mostly somebody who believes to lead; there may be more than one. */
static struct raft_server *choose(struct raft_world *world)
{
    uint32_t from = (uint32_t)sim_draw(&world->sim, RAFT_WORLD_SERVERS);
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS && sim_chance(&world->sim, 95); i++) {
        struct raft_server *server = &world->servers[(from + i) % RAFT_WORLD_SERVERS];
        if (server->node != NULL && raft_node_state(server->node).leader) {
            return server;
        }
    }
    return &world->servers[from];
}

static void propose(struct sim_event *event)
{
    struct raft_world *world = LIST_ITEM(event, struct raft_world, propose);
    struct raft_server *server = choose(world);
    uint64_t burst = sim_chance(&world->sim, 10) ? sim_between(&world->sim, 2, 40) : 1;
    for (uint64_t i = 0; i < burst; i++) {
        raft_clients_propose(server);
        if (sim_chance(&world->sim, 15)) {
            raft_clients_read(server);
        }
    }
    sim_after(&world->sim, event, sim_delay(&world->sim, world->commands_every_ns));
}

/* A removed server's machine gets a new disk, and a new name. */
static void retire(struct raft_server *server)
{
    raft_server_crash(server);
    raft_media_wipe(&server->media);
    server->id += 100;
    snprintf(server->address, sizeof server->address, "s%llu", (unsigned long long)server->id);
    sim_after(&server->world->sim, &server->restart, sim_delay(&server->world->sim, 300 * NS_PER_MS));
}

static void retire_later(struct sim_event *event)
{
    retire(LIST_ITEM(event, struct raft_server, restart));
    LIST_ITEM(event, struct raft_server, restart)->retired = false;
}

static void changed(void *user, struct raft_answer answer)
{
    struct asked *asked = user;
    struct raft_world *world = asked->server->world;
    if (answer.outcome == RAFT_COMMITTED) {
        world->reached.raft_changes++;
        struct raft_server *gone = raft_world_server(world, asked->change.id);
        if (asked->change.kind == RAFT_REMOVE && gone != NULL) {
            world->reached.raft_removed++;
            gone->retired = true; /* by `change`: this one may be the one that just answered */
        }
    }
    forget(asked);
}

static bool draw_change(struct raft_world *world, const struct raft_server *leader, struct raft_membership *out)
{
    struct raft_member members[RAFT_SERVERS_MAX];
    uint32_t count = raft_node_members(leader->node, members, RAFT_SERVERS_MAX), voters = 0;
    for (uint32_t i = 0; i < count; i++) {
        voters += members[i].role == RAFT_ROLE_VOTER;
    }
    const struct raft_server *other = &world->servers[sim_draw(&world->sim, RAFT_WORLD_SERVERS)];
    const struct raft_member *member = NULL;
    for (uint32_t i = 0; i < count; i++) {
        member = members[i].id == other->id ? &members[i] : member;
    }
    *out = (struct raft_membership){.kind = RAFT_ASSIGN, .id = other->id};
    if (member == NULL) {
        out->kind = RAFT_ADD;
        out->address = other->address;
        return !other->retired;
    }
    switch (member->role) {
    case RAFT_ROLE_SPARE:
        out->role = RAFT_ROLE_STANDBY;
        break;
    case RAFT_ROLE_STANDBY:
        out->role = sim_chance(&world->sim, voters < 5 ? 85 : 0) ? RAFT_ROLE_VOTER : RAFT_ROLE_SPARE;
        break;
    default:
        out->role = sim_chance(&world->sim, 50) ? RAFT_ROLE_STANDBY : RAFT_ROLE_SPARE;
        out->kind = sim_chance(&world->sim, 40) ? RAFT_REMOVE : RAFT_ASSIGN;
        return voters > 1 && sim_chance(&world->sim, voters > 3 ? 60 : 20);
    }
    if (sim_chance(&world->sim, 10)) {
        out->kind = RAFT_REMOVE;
    }
    return true;
}

static void change(struct sim_event *event)
{
    struct raft_world *world = LIST_ITEM(event, struct raft_world, change);
    struct raft_server *leader = choose(world);
    struct raft_membership membership;
    const char *why = "";
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        struct raft_server *server = &world->servers[i];
        if (server->retired && sim_chance(&world->sim, 30)) {
            sim_cancel(&world->sim, &server->restart);
            retire_later(&server->restart);
        }
    }
    sim_after(&world->sim, event, sim_delay(&world->sim, world->changes_every_ns));
    if (leader->node == NULL || leader->asleep_until_ns > world->sim.now_ns || !raft_node_state(leader->node).ready) {
        return;
    }
    if (sim_chance(&world->sim, 25)) {
        uint64_t to = sim_chance(&world->sim, 50) ? 0 : world->servers[sim_draw(&world->sim, RAFT_WORLD_SERVERS)].id;
        world->reached.raft_transfers += raft_node_transfer(leader->node, to, &why) == PDR_OK;
    } else if (draw_change(world, leader, &membership)) {
        struct asked *asked = ask(leader, 0);
        asked->change = membership;
        sim_note(&world->sim, "raft.change", (uint32_t)membership.kind, membership.id);
        if (raft_node_change(leader->node, &membership, changed, asked, &why) != PDR_OK) {
            forget(asked);
        }
    }
    raft_server_arm(leader);
}

void raft_clients_init(struct raft_world *world)
{
    list_init(&world->asked);
    world->propose = (struct sim_event){.fire = propose, .name = "raft.propose"};
    world->change = (struct sim_event){.fire = change, .name = "raft.manage"};
    sim_after(&world->sim, &world->propose, sim_delay(&world->sim, 300 * NS_PER_MS));
    if (world->changes_every_ns != 0) {
        sim_after(&world->sim, &world->change, sim_delay(&world->sim, world->changes_every_ns));
    }
}

void raft_clients_release(struct raft_world *world)
{
    while (!list_empty(&world->asked)) {
        forget(LIST_ITEM(world->asked.next, struct asked, node));
    }
}
