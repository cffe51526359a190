/* tests/simulation/cluster/cluster_host.c: one machine: a member, its disk and its clock. */
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "tests/simulation/cluster/cluster_world.h"

struct cluster_host *cluster_world_node(const struct cluster_world *world, uint64_t id)
{
    uint32_t low = 0, high = world->size;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (world->nodes[world->by_id[middle]].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    struct cluster_host *node = low < world->size ? &world->nodes[world->by_id[low]] : NULL;
    return node != NULL && node->id == id && node->exists ? node : NULL;
}

static void hook_send(void *user, uint64_t to, enum peer_kind kind, struct pdr_bytes frame)
{
    cluster_links_send(user, to, kind, frame);
}

static void hook_changed(void *user, bool rows, bool lease)
{
    struct cluster_host *node = user;
    node->is_unjudged = true;
    node->is_stale = node->is_stale || rows;
    if (node->member != NULL) {
        cluster_clients_changed(node);
    }
}

static void hook_must_end(void *user, const char *why)
{
    struct cluster_host *node = user;
    struct cluster_world *world = node->world;
    sim_tell(&world->sim, "node %u must end: %s", node->place, why);
    SIM_CHECK(&world->sim, node->removed, "node %u was not removed, and must end: %s", node->place, why);
    world->reached.cluster_ended++;
    node->ending = true;
}

static void hook_registered(void *user, uint64_t boot)
{
    struct cluster_host *node = user;
    if (node->boot == boot) {
        node->known = boot;
        node->boot = rng_next(&node->world->sim.rng) | 1;
    }
}

/* Its event may free it. */
static void ticked(struct sim_event *event)
{
    struct cluster_host *node = LIST_ITEM(event, struct cluster_host, tick);
    if (node->asleep_until_ns > node->world->sim.now_ns) {
        sim_at(&node->world->sim, event, node->asleep_until_ns);
        return;
    }
    cluster_host_works(node, true);
    member_tick(node->member);
    cluster_host_works(node, false);
    if (node->ending) {
        cluster_host_crash(node);
    } else {
        cluster_host_arm(node);
    }
}

void cluster_host_arm(struct cluster_host *node)
{
    if (node->member != NULL) {
        uint64_t soon = node->world->sim.now_ns + 1;
        uint64_t due = node->ending ? soon : sim_clock_true_ns(&node->clock, member_due_ns(node->member));
        sim_at(&node->world->sim, &node->tick, due > soon ? due : soon);
        cluster_judge_owners(node);
    }
}

static void restarted(struct sim_event *event)
{
    cluster_host_start(LIST_ITEM(event, struct cluster_host, restart));
}

static void spaced(struct sim_event *event)
{
    raft_media_set_full(&LIST_ITEM(event, struct cluster_host, space)->media, false, false);
}

static uint64_t media_asleep(void *user)
{
    struct cluster_host *node = user;
    return node->asleep_until_ns > node->world->sim.now_ns ? node->asleep_until_ns : 0;
}

static void media_answered(void *user)
{
    cluster_host_arm(user);
}

static void media_given(void *user) {}

void cluster_host_init(struct cluster_world *world, uint32_t place)
{
    struct cluster_host *node = &world->nodes[place];
    struct sim *sim = &world->sim;
    node->world = world;
    node->place = place;
    node->id = rng_next(&sim->rng) | 1;
    node->boot = rng_next(&sim->rng) | 1;
    node->zone = (char)('a' + sim_draw(sim, 3));
    snprintf(node->name, sizeof node->name, "node-%u", place);
    snprintf(node->address, sizeof node->address, "10.0.%u.%u:7077", (place + 1) / 256, (place + 1) % 256);
    sim_clock_init(&node->clock, sim);
    raft_media_init(&node->media, sim, place, sim_between(sim, 50 * NS_PER_US, 5 * NS_PER_MS));
    node->media.asleep_until = media_asleep;
    node->media.answered = media_answered;
    node->media.given = media_given;
    node->media.user = node;
    node->tick = (struct sim_event){.fire = ticked, .name = "cluster.tick", .subject = place};
    node->restart = (struct sim_event){.fire = restarted, .name = "cluster.restart", .subject = place};
    node->space = (struct sim_event){.fire = spaced, .name = "cluster.space", .subject = place};
}

static struct pairs labels_of(const struct cluster_host *node, uint8_t *room, size_t size)
{
    pdr_writer writer;
    pdr_writer_init(&writer, room, size, size);
    pdr_write_map(&writer, 1);
    pdr_write_cstr(&writer, "zone");
    pdr_write_str(&writer, pdr_bytes(&node->zone, 1));
    CHECK(!writer.failed);
    struct pdr_bytes written = pdr_written(&writer);
    return (struct pairs){{written.data, written.size}};
}

void cluster_host_start(struct cluster_host *node)
{
    struct cluster_world *world = node->world;
    uint8_t room[32];
    const char *why;
    if (node->member != NULL || node->ending) {
        return;
    }
    node->exists = true;
    node->incarnation++; /* tools/node/identity.h keeps it on disk */
    struct member_options options = {
        .id = node->id,
        .incarnation = node->incarnation,
        .boot = node->boot,
        .known = node->known,
        .name = pdr_str(node->name),
        .address = pdr_str(node->address),
        .labels = labels_of(node, room, sizeof room),
        .cluster = node->place == 0 ? (const char *)world->cluster : NULL,
        .found = {.shards = 1, .replicas = 3, .min_isr = 1, .voters = world->voters},
        .seed = rng_next(&world->sim.rng),
        .clock = &node->clock.clock,
        .disk = &node->media.disk,
        .raft = world->raft,
        .leader = {.repair_ms = 2000,
                   .moves = !world->no_moves,
                   .away_ms = 1500,
                   .moves_total = world->is_large ? 1024 : 8,
                   .moves_per_node = world->is_large ? 64 : 4,
                   .load_rest_ms = CLUSTER_LOAD_REST_MS},
        .hooks = {node, hook_send, hook_changed, hook_registered, hook_must_end},
    };
    for (uint32_t i = 0; i < world->size && i < CLUSTER_SMALL_NODES; i++) { /* as --join has them: one is there */
        options.seeds[options.seed_count++] = world->nodes[i].id;
    }
    enum pdr_status status = member_start(&options, &node->member, &why);
    SIM_CHECK(&world->sim, status == PDR_OK, "node %u does not start: %s", node->place, why);
    if (status != PDR_OK) {
        node->member = NULL;
        return;
    }
    sim_note(&world->sim, "cluster.start", node->place, node->incarnation);
    cluster_carry_start(node);
    cluster_load_start(node);
    cluster_host_arm(node);
}

void cluster_host_crash(struct cluster_host *node)
{
    if (node->member != NULL) {
        sim_note(&node->world->sim, "cluster.crash", node->place, 0);
        sim_cancel(&node->world->sim, &node->tick);
        cluster_carry_stop(node);
        cluster_load_stop(node);
        cluster_clients_forget(node);
        raft_media_crash(&node->media);
        member_free(node->member);
        node->member = NULL;
        node->asleep_until_ns = 0;
        node->claim_count = 0;
    }
}

void cluster_host_release(struct cluster_host *node)
{
    cluster_host_crash(node);
    sim_cancel(&node->world->sim, &node->restart);
    sim_cancel(&node->world->sim, &node->space);
    raft_media_release(&node->media);
    mem_free(node->claims);
    mem_free(node->carried_cv);
    mem_free(node->released_cv);
}
