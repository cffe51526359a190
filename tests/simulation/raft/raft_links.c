/* tests/simulation/raft/raft_links.c: a letter is an event. It may be lost, doubled, late, now and then overtaken, and
 * it outlives the process that sent it. */
#include "core/base/check.h"
#include "consensus/raft_wire.h"
#include "core/base/mem.h"
#include "tests/simulation/raft/raft_world.h"

struct flying {
    struct sim_event event;
    struct list node;
    struct raft_world *world;
    uint64_t to;
    size_t size;
    uint8_t bytes[];
};

static void arrived(struct sim_event *event)
{
    struct flying *letter = LIST_ITEM(event, struct flying, event);
    struct raft_server *server = raft_world_server(letter->world, letter->to);
    const char *why = "";
    if (server != NULL && server->node != NULL && server->asleep_until_ns > letter->world->sim.now_ns) {
        sim_at(&letter->world->sim, event, server->asleep_until_ns);
        return;
    }
    list_remove(&letter->node);
    if (server != NULL && server->node != NULL) {
        enum pdr_status status = raft_node_receive(server->node, pdr_bytes(letter->bytes, letter->size), &why);
        SIM_CHECK(&letter->world->sim, status == PDR_OK, "a letter was refused: %s", why);
        raft_server_arm(server);
    }
    mem_free(letter);
}

static void fly(struct raft_world *world, const struct raft_server *from, uint64_t to, struct pdr_bytes bytes)
{
    uint64_t *newest = &world->newest_ns[from->place][raft_world_server(world, to)->place];
    uint64_t at = world->sim.now_ns + sim_delay(&world->sim, world->delay_ns);
    struct flying *letter = mem_new(sizeof *letter + bytes.size);
    letter->event = (struct sim_event){.fire = arrived, .name = "raft.letter", .subject = (uint32_t)to};
    letter->world = world;
    letter->to = to;
    letter->size = bytes.size;
    memcpy(letter->bytes, bytes.data, bytes.size);
    list_push_back(&world->letters, &letter->node);
    if (!sim_chance(&world->sim, world->overtake_percent)) {
        at = *newest = at > *newest ? at : *newest + 1;
    }
    sim_at(&world->sim, &letter->event, at);
}

static void tell(const struct raft_server *from, uint64_t to, struct pdr_bytes bytes, const char *fate)
{
    static const char *const kinds[] = {"?", "append", "result", "vote", "vote_result", "snapshot", "timeout", "hello"};
    struct raft_wire_reader reader = {to, RAFT_NUMBER_MAX / 2};
    struct raft_letter letter;
    const char *why = "";
    if (from->world->sim.story != NULL && raft_wire_read(&reader, bytes, &letter, &why) == PDR_OK) {
        sim_tell(&from->world->sim, "  %llu.%llu to %llu.%llu: %s %llu, term %llu: %llu %llu %llu %u%s",
                 (unsigned long long)letter.from, (unsigned long long)letter.from_life, (unsigned long long)to,
                 (unsigned long long)letter.to_life, kinds[letter.kind], (unsigned long long)letter.number,
                 (unsigned long long)letter.term, (unsigned long long)letter.append.prev_index,
                 (unsigned long long)letter.append.prev_term, (unsigned long long)letter.append.commit,
                 letter.append.count, fate);
    }
}

void raft_links_send(struct raft_server *from, uint64_t to, struct pdr_bytes letter)
{
    struct raft_world *world = from->world;
    struct raft_server *server = raft_world_server(world, to);
    sim_fold(&world->sim, letter);
    bool lost = server == NULL || world->cut[from->place][server->place] ||
                sim_chance(&world->sim, world->loss_percent);
    tell(from, to, letter, lost ? ", lost" : "");
    if (lost) {
        return;
    }
    fly(world, from, to, letter);
    if (sim_chance(&world->sim, world->double_percent)) {
        fly(world, from, to, letter);
    }
}

void raft_links_release(struct raft_world *world)
{
    struct list *node;
    while ((node = list_pop(&world->letters)) != NULL) {
        struct flying *letter = LIST_ITEM(node, struct flying, node);
        sim_cancel(&world->sim, &letter->event);
        mem_free(letter);
    }
}
