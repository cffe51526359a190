/* tests/simulation/raft/raft_server.c: one process: a raft_node, its disk and clock, and its state machine. */
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/mem.h"
#include "tests/simulation/raft/raft_world.h"

struct raft_server *raft_world_server(struct raft_world *world, uint64_t id)
{
    for (uint32_t i = 0; i < RAFT_WORLD_SERVERS; i++) {
        if (world->servers[i].id == id) {
            return &world->servers[i];
        }
    }
    return NULL;
}

static void hook_send(void *user, uint64_t to, struct pdr_bytes letter)
{
    raft_links_send(user, to, letter);
}

static void hook_apply(void *user, uint64_t index, uint64_t term, struct pdr_bytes command)
{
    struct raft_server *server = user;
    raft_checker_applied(&server->world->checker, &server->state, index, get_le64(command.data));
}

static void hook_snapshot(void *user, struct raft_bytes *out)
{
    struct raft_server *server = user;
    const struct raft_state *state = &server->state;
    raft_bytes_put_64(out, state->index);
    raft_bytes_put_64(out, state->hash);
    raft_bytes_put_64(out, state->applied_words);
    raft_bytes_put(out, state->applied, state->applied_words * 8);
    uint32_t pad = server->world->state_pad;
    memset(raft_bytes_reserve(out, pad), 'p', pad);
    server->world->reached.raft_snapshots++;
}

static bool hook_restore(void *user, uint64_t index, struct pdr_bytes bytes)
{
    struct raft_server *server = user;
    struct raft_state *state = &server->state;
    struct raft_reader reader = raft_reader(bytes);
    raft_state_clear(state);
    state->index = raft_read_64(&reader);
    state->hash = raft_read_64(&reader);
    state->applied_words = raft_read_64(&reader);
    const uint8_t *words = raft_read(&reader, state->applied_words * 8);
    if (reader.short_of) {
        return false;
    }
    state->applied = mem_new(state->applied_words * 8 + 8);
    if (state->applied_words > 0) {
        memcpy(state->applied, words, state->applied_words * 8);
    }
    raft_checker_restored(&server->world->checker, state);
    server->world->reached.raft_installed += server->node != NULL;
    sim_note(&server->world->sim, "raft.restored", server->place, index);
    return true;
}

static void hook_changed(void *user)
{
    struct raft_server *server = user;
    struct raft_node_state state = raft_node_state(server->node);
    if (state.leader) {
        server->world->reached.raft_elections += state.ready;
        raft_checker_leads(&server->world->checker, state.term, server->id);
    }
    sim_note(&server->world->sim, state.leader ? state.ready ? "raft.ready" : "raft.leads" : "raft.follows",
             server->place, state.term);
}

static void hook_failed(void *user, const char *why)
{
    struct raft_server *server = user;
    sim_fail(&server->world->sim, "server %u failed: %s", server->place, why);
}

static uint64_t asleep_until(void *user)
{
    const struct raft_server *server = user;
    return server->asleep_until_ns > server->world->sim.now_ns ? server->asleep_until_ns : 0;
}

static void answered(void *user)
{
    raft_server_arm(user);
}

/* Crashes come when something is half written. */
static void given(void *user)
{
    struct raft_server *server = user;
    struct sim *sim = &server->world->sim;
    if (!sim_is_set(&server->die) && sim_chance(sim, server->world->write_crash_percent)) {
        sim_after(sim, &server->die, sim_delay(sim, server->media.write_ns * sim_between(sim, 1, 3)));
    }
}

static void die(struct sim_event *event)
{
    raft_server_crash_for_a_while(LIST_ITEM(event, struct raft_server, die));
}

static void tick(struct sim_event *event)
{
    struct raft_server *server = LIST_ITEM(event, struct raft_server, tick);
    uint64_t later = asleep_until(server);
    if (later != 0) {
        sim_at(&server->world->sim, event, later);
        return;
    }
    raft_node_tick(server->node);
    raft_server_arm(server);
}

void raft_server_arm(struct raft_server *server)
{
    if (server->node != NULL && !raft_node_state(server->node).failed) {
        sim_at(&server->world->sim, &server->tick, sim_clock_true_ns(&server->clock, raft_node_due_ns(server->node)));
    }
}

static void restart(struct sim_event *event)
{
    struct raft_server *server = LIST_ITEM(event, struct raft_server, restart);
    if (server->node == NULL) {
        raft_server_start(server);
    }
}

static void space(struct sim_event *event)
{
    raft_media_set_full(&LIST_ITEM(event, struct raft_server, space)->media, false, false);
}

void raft_server_init(struct raft_world *world, uint32_t place)
{
    struct raft_server *server = &world->servers[place];
    uint64_t slow_ns = sim_chance(&world->sim, world->stormy ? 60 : 20) ? 40 * NS_PER_MS : 8 * NS_PER_MS;
    uint64_t write_ns = sim_between(&world->sim, 50 * NS_PER_US, slow_ns);
    server->world = world;
    server->place = place;
    server->id = place + 1;
    snprintf(server->address, sizeof server->address, "s%llu", (unsigned long long)server->id);
    sim_clock_init(&server->clock, &world->sim);
    raft_media_init(&server->media, &world->sim, place, write_ns);
    server->media.asleep_until = asleep_until;
    server->media.answered = answered;
    server->media.given = given;
    server->media.user = server;
    server->die = (struct sim_event){.fire = die, .name = "raft.die", .subject = place};
    server->tick = (struct sim_event){.fire = tick, .name = "raft.tick", .subject = place};
    server->restart = (struct sim_event){.fire = restart, .name = "raft.restart", .subject = place};
    server->space = (struct sim_event){.fire = space, .name = "raft.space", .subject = place};
}

void raft_server_start(struct raft_server *server)
{
    struct raft_world *world = server->world;
    const char *why = "";
    struct raft_node_options options = {.id = server->id,
                                        .address = server->address,
                                        .seed = sim_draw(&world->sim, UINT32_MAX),
                                        .clock = &server->clock.clock,
                                        .disk = &server->media.disk,
                                        .hooks = {.user = server,
                                                  .send = hook_send,
                                                  .apply = hook_apply,
                                                  .snapshot = hook_snapshot,
                                                  .restore = hook_restore,
                                                  .changed = hook_changed,
                                                  .failed = hook_failed},
                                        .settings = server->settings};
    if (server->id <= world->founder_count) {
        options.founders = world->founders;
        options.founder_count = world->founder_count;
    }
    if (sim_chance(&world->sim, 30)) {
        sim_clock_reboot(&server->clock);
    }
    server->starts++;
    raft_state_clear(&server->state);
    sim_note(&world->sim, "raft.start", server->place, server->starts);
    if (raft_node_start(&options, &server->node, &why) != PDR_OK) {
        sim_fail(&world->sim, "server %u cannot start: %s", server->place, why);
        return;
    }
    raft_server_arm(server);
}

void raft_server_crash(struct raft_server *server)
{
    sim_cancel(&server->world->sim, &server->tick);
    sim_cancel(&server->world->sim, &server->die);
    server->asleep_until_ns = 0;
    if (server->node != NULL) {
        sim_note(&server->world->sim, "raft.crash", server->place, 0);
        raft_media_crash(&server->media);
        raft_node_free(server->node);
        server->node = NULL;
    }
}

void raft_server_crash_for_a_while(struct raft_server *server)
{
    if (server->node != NULL) {
        server->world->reached.raft_crashes++;
        raft_server_crash(server);
        sim_after(&server->world->sim, &server->restart, sim_delay(&server->world->sim, server->world->restart_ns));
    }
}

void raft_server_sleep(struct raft_server *server, uint64_t ns)
{
    server->asleep_until_ns = server->world->sim.now_ns + ns;
}

void raft_server_release(struct raft_server *server)
{
    raft_server_crash(server);
    sim_cancel(&server->world->sim, &server->restart);
    sim_cancel(&server->world->sim, &server->space);
    raft_media_release(&server->media);
    raft_state_clear(&server->state);
}
