/* tests/simulation/forward/world.c: sites, their maps, their clients. */
#include "tests/simulation/forward/world.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/shard/core.h"
#include "core/shard/shard.h"
#include "core/shard/duty.h"
#include "core/shard/lease.h"
#include "net/carry/carry.h"
#include "tests/simulation/checkers/leak.h"
#include "tests/simulation/run.h"
#include "tests/simulation/sim_types.h"
#include "tools/node/links.h"
#include "tools/node/node_parts.h"

#define CLUSTER "00112233445566778899aabbccddeeff"
#define DRAIN_MS 40000u
#define MAP_MS_MAX 1500u
#define SESSION_IDLE_MS 60000u

static void entropy(void *user, void *out, size_t size)
{
    struct site *site = user;
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)out)[i] = (uint8_t)rng_next(&site->world->sim.rng);
    }
}

/* Maps. */

/* What somebody may have heard before the present row: nothing, or another owner; but never himself. */
static struct cluster_owner rumour(struct world *w, const struct site *of, uint32_t shard)
{
    uint32_t other = (uint32_t)sim_draw(&w->sim, w->site_count);
    if (other == of->index || other == w->owner[shard] || sim_chance(&w->sim, 40)) {
        return (struct cluster_owner){0};
    }
    return (struct cluster_owner){.node = w->sites[other].id, .epoch = 1, .cv = 1};
}

/* As the directory has it; to who is to own it, and has no copy yet, it is nobody's. */
static struct cluster_owner row(const struct world *w, const struct site *of, uint32_t shard)
{
    if (mover_hides(&w->mover, of->index, shard)) {
        return (struct cluster_owner){0};
    }
    return (struct cluster_owner){w->sites[w->owner[shard]].id, w->epoch[shard], w->cv[shard]};
}

static struct site_map *make_map(struct site *site, unsigned stale_percent)
{
    struct world *w = site->world;
    struct site_map *m = mem_new(sizeof *m);
    for (uint32_t i = 0; i < w->site_count; i++) {
        m->nodes[i] = (struct cluster_node){.node = w->sites[i].id,
                                            .alive = true,
                                            .name = pdr_str("site"),
                                            .address = pdr_str(w->sites[i].node.address)};
    }
    for (uint32_t s = 0; s < CLUSTER_SHARDS; s++) {
        bool is_stale = w->owner[s] != site->index && sim_chance(&w->sim, stale_percent);
        m->owners[s] = is_stale ? rumour(w, site, s) : row(w, site, s);
    }
    m->map = (struct cluster_map){.version = stale_percent > 0 ? 1 : w->version,
                                  .shard_count = CLUSTER_SHARDS,
                                  .cores = site->node.cores,
                                  .self = site->id,
                                  .owner_count = CLUSTER_SHARDS,
                                  .node_count = w->site_count,
                                  .owners = m->owners,
                                  .nodes = m->nodes};
    list_push_back(&site->maps, &m->node);
    return m;
}

struct map_letter {
    struct message message;
    struct core *core;
    const struct cluster_map *map;
};

static void take_map(struct message *message)
{
    struct map_letter *letter = LIST_ITEM(message, struct map_letter, message);
    struct core *core = letter->core;
    if (!core->dead) {
        core_take_map(core, letter->map);
        core_take_lease(core, UINT64_MAX);
    }
    mem_free(letter);
}

static void send_map(struct site *site, unsigned core, unsigned stale_percent)
{
    struct map_letter *letter = mem_new(sizeof *letter);
    *letter = (struct map_letter){.message = {.deliver = take_map},
                                  .core = site->node.node->cores[core],
                                  .map = &make_map(site, stale_percent)->map};
    loop_post(letter->core->world.loop, &letter->message);
}

static void map_comes(struct sim_event *event)
{
    struct coming_map *coming = LIST_ITEM(event, struct coming_map, event);
    if (coming->site->node.node != NULL) {
        send_map(coming->site, coming->core, 0);
    }
}

static void free_maps(struct site *site)
{
    struct list *node;
    while ((node = list_pop(&site->maps)) != NULL) {
        mem_free(LIST_ITEM(node, struct site_map, node));
    }
}

static void let_maps_come(struct site *site, uint64_t within_ms)
{
    for (unsigned k = 0; k < site->node.cores; k++) {
        sim_after(&site->world->sim, &site->coming[k].event, sim_draw(&site->world->sim, within_ms * NS_PER_MS));
    }
}

void world_tell_maps(struct world *w, uint64_t within_ms)
{
    for (uint32_t i = 0; i < w->site_count; i++) {
        let_maps_come(&w->sites[i], within_ms);
    }
}

/* Rows are written anew, though the owner stays: a copy came or went. */
static void directory_goes_on(struct world *w)
{
    for (uint32_t n = 1 + (uint32_t)sim_draw(&w->sim, 20); n > 0; n--) {
        w->cv[sim_draw(&w->sim, CLUSTER_SHARDS)] = ++w->version;
    }
    world_tell_maps(w, 200);
}

/* Sites. */

static void opened(void *user, struct sim_node *n)
{
    struct site *site = user;
    struct world *w = site->world;
    const struct node_links_options options = {
        .secret = w->secret,
        .cluster = CLUSTER,
        .node = site->id,
        .incarnation = n->starts,
        .control_transport = n->control_transport,
        .limits = {.queue_max = 1u << (14 + sim_draw(&w->sim, 9)), .backoff_ms_max = 100u << sim_draw(&w->sim, 4)},
        .entropy = entropy,
        .entropy_user = site};
    struct peer_member members[SITES_MAX];
    w->sim.lives = 0; /* what the end of one node leaves unknown, another one may still run: nothing is settled by it */
    if (w->directory) {
        return;
    }
    for (uint32_t s = 0; s < CLUSTER_SHARDS; s++) { /* each start of the owner is another epoch (R34) */
        if (w->owner[s] == site->index) {
            w->epoch[s]++;
            w->cv[s] = ++w->version;
        }
    }
    node_links_open(n->node, &options);
    for (uint32_t i = 0; i < w->site_count; i++) {
        members[i] = (struct peer_member){.node = w->sites[i].id, .address = w->sites[i].node.address};
    }
    node_links_members(n->node, members, w->site_count, w->site_count);
    for (unsigned k = 0; k < n->cores; k++) {
        send_map(site, k, 1 + (unsigned)sim_draw(&w->sim, 60));
    }
    for (uint32_t s = 0; s < CLUSTER_SHARDS; s++) { /* the directory promotes it again */
        w->cv[s] = w->owner[s] == site->index ? ++w->version : w->cv[s];
    }
    for (uint32_t i = 0; i < w->site_count; i++) {
        let_maps_come(&w->sites[i], MAP_MS_MAX);
    }
}

static void count(struct site *site)
{
    for (unsigned k = 0; site->node.node != NULL && k < site->node.cores; k++) {
        const struct forward_stats *stats = forward_stats(site->node.node->parts[k].forward);
#define COUNT(field, metric, text) site->world->stats.field += stats->field;
        FORWARD_COUNTERS(COUNT)
#undef COUNT
        if (site->world->directory && site->node.node->links != NULL) {
            const struct carry_stats *carries = carrier_stats(node_links_carrier(site->node.node, k));
            site->world->moves += carries->taken;
            site->world->given_up += carries->given_up;
        }
    }
}

static void crash(struct site *site, bool power)
{
    count(site);
    mover_lets_go(&site->world->mover, site->index);
    sim_node_crash(&site->node, power);
    free_maps(site);
}

static void restart_after(struct site *site, uint64_t ns)
{
    if (!sim_is_set(&site->restart)) {
        sim_after(&site->world->sim, &site->restart, ns);
    }
}

static void start_again(struct sim_event *event)
{
    struct site *site = LIST_ITEM(event, struct site, restart);
    if (site->node.state == SIM_NODE_DOWN && !sim_node_start(&site->node)) {
        restart_after(site, 100 * NS_PER_MS);
    }
}

static void ended(void *user, struct sim_node *n)
{
    struct site *site = user;
    free_maps(site);
    if (!site->world->stopping) {
        restart_after(site, sim_between(&site->world->sim, NS_PER_MS, 500 * NS_PER_MS));
    }
}

static void stopped(void *user, struct sim_node *n)
{
    struct site *site = user;
    count(site);
    mover_lets_go(&site->world->mover, site->index);
    site->has_stopped = true;
    leak_check(&site->world->sim, n->node, site->world->stopping, n->media.refusals > 0);
}

static void site_init(struct world *w, uint32_t index)
{
    struct site *site = &w->sites[index];
    struct node_options options = {.name = "site", .types = sim_types};
    char name[16];
    unsigned cores;
    snprintf(name, sizeof name, "n%u", index);
    swarm_draw_node(&w->sim, &options, &cores);
    options.session_idle_ms = SESSION_IDLE_MS; /* beyond all cuts: who is alive must never lose its session */
    options.connections_max = 0;
    site->world = w;
    site->index = index;
    site->id = options.self = 1 + sim_draw(&w->sim, UINT64_MAX - 1);
    list_init(&site->maps);
    sim_node_init(&site->node, &w->sim, w->net, name, cores, &options);
    site->node.opened = opened;
    site->node.ended = ended;
    site->node.on_stopped = stopped;
    site->node.user = site;
    if (w->directory) {
        directory_site_init(site);
    }
    site->restart = (struct sim_event){.fire = start_again, .name = "restart", .subject = index};
    for (unsigned k = 0; k < SIM_CORES_MAX; k++) {
        site->coming[k] =
            (struct coming_map){.event = {.fire = map_comes, .name = "map", .subject = index}, .site = site, .core = k};
    }
}

/* Clients. */

/* What needs no look into the one node that there is elsewhere. */
static const struct workload_class *const classes[] = {
    &workload_counter, &workload_cached, &workload_bank, &workload_step,   &workload_kv,
    &workload_echo,    &workload_chain,  &workload_once, &workload_ledger, &workload_lock,
    &workload_queue,   &workload_news,   &workload_beat, &workload_knot,   &workload_order};
#define CLASS_COUNT (sizeof classes / sizeof *classes)

static struct workload *add(struct world *w, uint32_t cls, uint32_t client)
{
    if (w->workload_count == WORKLOADS_MAX || (classes[cls]->raw_only && w->clients[client].real != NULL)) {
        return NULL;
    }
    if (classes[cls]->ledger_size > 0 && w->ledgers[cls] == NULL) {
        w->ledgers[cls] = mem_new(classes[cls]->ledger_size);
    }
    struct workload *load = workload_open(classes[cls], &w->clients[client], w->ledgers[cls], client, w->client_count);
    load->node = &w->sites[client % w->site_count].node;
    w->workloads[w->workload_count++] = load;
    return load;
}

static void draw_workloads(struct world *w, const char *only)
{
    for (uint32_t client = 0; client < w->client_count; client++) {
        uint32_t had = 0;
        for (uint32_t i = 0; i < 2; i++) {
            uint32_t cls = (uint32_t)sim_draw(&w->sim, CLASS_COUNT);
            for (uint32_t k = 0; only != NULL && k < CLASS_COUNT; k++) {
                cls = strcmp(classes[k]->name, only) == 0 ? k : cls;
            }
            if ((had & (1u << cls)) != 0 || (classes[cls]->alone && had != 0)) {
                continue;
            }
            had |= 1u << cls;
            if (add(w, cls, client) != NULL && classes[cls]->alone) {
                break;
            }
        }
    }
}

void world_init(struct world *w, const struct world_options *options)
{
    const char *why;
    char name[16];
    memset(w, 0, sizeof *w);
    sim_init(&w->sim, options->seed, options->story);
    w->net = sim_net_new(&w->sim);
    CHECK(secret_new(pdr_str("the secret of the cluster"), &w->secret, &why) == PDR_OK);
    swarm_draw_net(&w->sim, w->net);
    w->site_count = 2 + (uint32_t)sim_draw(&w->sim, SITES_MAX - 1);
    w->version = 10;
    w->directory = options->directory;
    w->copies = options->copies != 0 ? options->copies : 1;
    mover_init(&w->mover, w);
    for (uint32_t s = 0; s < CLUSTER_SHARDS; s++) {
        w->owner[s] = (uint32_t)sim_draw(&w->sim, w->site_count);
        w->cv[s] = 2 + sim_draw(&w->sim, 8);
        w->epoch[s] = 1;
    }
    for (uint32_t i = 0; i < w->site_count; i++) {
        site_init(w, i);
    }
    for (uint32_t i = 0; i < w->site_count; i++) {
        start_again(&w->sites[i].restart);
    }
    w->client_count = 2 + (uint32_t)sim_draw(&w->sim, CLIENTS_MAX - 1);
    for (uint32_t i = 0; i < w->client_count; i++) {
        snprintf(name, sizeof name, "c%u", i);
        sim_client_open(&w->clients[i], &w->sim, w->net, sim_net_host(w->net, name),
                        w->sites[i % w->site_count].node.address, sim_chance(&w->sim, 60));
    }
    if (options->elections) {
        elections_open(w);
    } else {
        draw_workloads(w, options->workload);
    }
}

/* Faults. */

static uint32_t draw_host(struct world *w)
{
    uint64_t k = sim_draw(&w->sim, w->site_count + 1);
    if (k == w->site_count && w->electors != NULL) {
        return elections_host(w);
    }
    return k < w->site_count ? w->sites[k].node.host : w->clients[sim_draw(&w->sim, w->client_count)].host;
}

static void starve(struct world *w, struct sim_node *n)
{
    unsigned k = (unsigned)sim_draw(&w->sim, n->cores + 2);
    struct sim_loop *loop = k < n->cores ? &n->core_loops[k] : k == n->cores ? &n->control_loop : &n->journal_loop;
    if (n->state != SIM_NODE_DOWN) {
        sim_loop_starve(loop, w->sim.now_ns + sim_between(&w->sim, NS_PER_MS, 2500 * NS_PER_MS));
    }
}

/* Or has room again. */
static void full_disk(struct world *w, struct sim_node *n, bool full)
{
    struct sim_disk *disk = n->media.sim_disk;
    sim_disk_set_capacity(disk, full ? sim_disk_used(disk) + sim_draw(&w->sim, 2) * 64 * 1024 : UINT64_MAX);
    n->media.store_fails = full && sim_chance(&w->sim, 70); /* log and store share it */
    w->sim.lacks_space = w->sim.lacks_space || full;
}

static void fill_one_disk(struct world *w)
{
    uint64_t full = sim_draw(&w->sim, 2 * w->site_count);
    for (uint32_t i = 0; i < w->site_count; i++) {
        full_disk(w, &w->sites[i].node, i == full);
    }
}

void world_fault(struct world *w)
{
    struct sim *sim = &w->sim;
    struct site *site = &w->sites[sim_draw(sim, w->site_count)];
    sim->has_orphans = true;
    switch (sim_draw(sim, w->directory ? 18 : 16)) {
    case 0:
    case 1:
        if (site->node.state != SIM_NODE_DOWN) {
            w->crashes++;
            crash(site, sim_chance(sim, 40));
            restart_after(site, sim_between(sim, NS_PER_MS, (sim_chance(sim, 70) ? 50 : 2000) * NS_PER_MS));
        }
        break;
    case 2:
        w->stops += site->node.state == SIM_NODE_UP;
        sim_node_stop(&site->node, sim_draw(sim, 2000));
        break;
    case 3:
    case 4:
        sim_net_cut(w->net, draw_host(w), draw_host(w));
        break;
    case 5:
    case 6:
        sim_net_heal(w->net);
        break;
    case 7:
    case 8:
        sim_net_reset(w->net);
        break;
    case 9:
        sim_node_pause(&site->node, sim->now_ns + sim_between(sim, NS_PER_MS, 4000 * NS_PER_MS));
        break;
    case 10:
        starve(w, &site->node);
        break;
    case 11:
        if (w->directory) {
            directory_drain(w, sim_chance(sim, 60));
        } else {
            directory_goes_on(w);
        }
        break;
    case 16:
    case 17:
        fill_one_disk(w);
        break;
    default:
        if (w->directory) {
            directory_move(w);
        } else {
            mover_begin(&w->mover);
        }
        break;
    }
}

void world_heal(struct world *w)
{
    w->healed = true;
    sim_net_heal(w->net);
    for (uint32_t i = 0; i < w->site_count; i++) {
        full_disk(w, &w->sites[i].node, false);
        if (w->sites[i].node.state == SIM_NODE_DOWN) {
            restart_after(&w->sites[i], NS_PER_MS);
        }
    }
    for (uint32_t i = 0; i < w->workload_count; i++) {
        workload_finish(w->workloads[i]);
    }
}

bool world_is_finished(const struct world *w)
{
    for (uint32_t i = 0; i < w->workload_count; i++) {
        if (!w->workloads[i]->finished || w->workloads[i]->outstanding > 0) {
            return false;
        }
    }
    return true;
}

void world_judge(struct world *w)
{
    bool judged[CLASSES_MAX] = {false};
    for (uint32_t i = 0; i < w->workload_count; i++) {
        struct workload *load = w->workloads[i];
        uint32_t cls = 0;
        while (classes[cls] != load->cls) {
            cls++;
        }
        w->done += load->done;
        w->unknown += load->unknown;
        if (load->cls->judge != NULL && !judged[cls]) {
            load->cls->judge(load);
        }
        judged[cls] = true;
    }
}

static void close_clients(struct world *w)
{
    for (uint32_t i = 0; i < w->client_count && !w->clients_closed; i++) {
        sim_client_close(&w->clients[i]);
    }
    if (w->electors != NULL) {
        elections_close(w);
    }
    w->clients_closed = true;
}

static uint64_t count_sessions(const struct world *w)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < w->site_count; i++) {
        const struct sim_node *n = &w->sites[i].node;
        for (unsigned k = 0; n->node != NULL && k < n->cores; k++) {
            const struct core *core = n->node->cores[k];
            for (uint32_t s = 0; s < core->shard_count; s++) {
                count += core->shards[s] != NULL ? core->shards[s]->sessions.count : 0;
            }
        }
    }
    return count;
}

/* The last touch, the home's idle time, and each shard's next question; of a shard that moves meanwhile all of it,
 * anew. */
#define FORGET_TIMES 12u
void world_forget(struct world *w)
{
    uint64_t before = count_sessions(w), until_ns = w->sim.now_ns + FORGET_TIMES * SESSION_IDLE_MS * NS_PER_MS;
    close_clients(w);
    while (!w->sim.failed && count_sessions(w) > 0 && w->sim.now_ns < until_ns) {
        sim_run_until(&w->sim, w->sim.now_ns + NS_PER_S);
    }
    SIM_CHECK(&w->sim, count_sessions(w) == 0,
              "%llu records of sessions are left of %llu, %u s after their clients went",
              (unsigned long long)count_sessions(w), (unsigned long long)before, FORGET_TIMES * SESSION_IDLE_MS / 1000);
}

bool world_stop(struct world *w)
{
    w->stopping = true;
    for (uint32_t i = 0; i < w->site_count; i++) {
        w->sites[i].has_stopped = w->sites[i].node.state == SIM_NODE_DOWN; /* or it may be about to */
    }
    for (uint32_t i = 0; i < w->site_count; i++) {
        struct site *site = &w->sites[i];
        uint64_t until_ns = w->sim.now_ns + 2 * DRAIN_MS * NS_PER_MS;
        sim_node_stop(&site->node, DRAIN_MS);
        while (site->node.state != SIM_NODE_DOWN && w->sim.now_ns < until_ns) {
            if (!sim_run_until(&w->sim, w->sim.now_ns + 10 * NS_PER_MS)) {
                return false;
            }
        }
        SIM_CHECK(&w->sim, site->node.state == SIM_NODE_DOWN && site->has_stopped, "node %u did not stop", i);
    }
    return !w->sim.failed;
}

void world_release(struct world *w)
{
    w->stopping = true;
    mover_release(&w->mover);
    close_clients(w);
    for (uint32_t i = 0; i < w->site_count; i++) {
        sim_cancel(&w->sim, &w->sites[i].restart);
        mover_lets_go(&w->mover, i);
        sim_node_release(&w->sites[i].node);
        free_maps(&w->sites[i]);
    }
    for (uint32_t i = 0; i < w->workload_count; i++) {
        workload_close(w->workloads[i]);
    }
    for (uint32_t i = 0; i < CLASS_COUNT; i++) {
        if (w->ledgers[i] != NULL && classes[i]->close_ledger != NULL) {
            classes[i]->close_ledger(w->ledgers[i]);
        }
        mem_free(w->ledgers[i]);
    }
    secret_free(w->secret);
    sim_net_free(w->net);
    sim_release(&w->sim);
}
