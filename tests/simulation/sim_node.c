/* tests/simulation/sim_node.c: lives of a node. */
#include "tests/simulation/sim_node.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "tools/node/node_parts.h"

#define PORT 7077

/* A crash leaves turns that never go on. What such a method had allocated by itself would be gone with its process. */
PDR_API const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:actors/builtin/kv.c\n";
}

static struct sim_loop *loop_at(struct sim_node *n, unsigned k)
{
    return k < n->cores ? &n->core_loops[k] : k == n->cores ? &n->control_loop : &n->journal_loop;
}

static unsigned loop_count(const struct sim_node *n)
{
    return n->cores + 2;
}

static void halt(struct sim_node *n)
{
    for (unsigned k = 0; k < loop_count(n); k++) {
        sim_loop_stop(loop_at(n, k));
    }
}

/* R27: the process ends at once; what it was doing is not finished. */
static void fatal(void *user, const char *why)
{
    struct sim_node *n = user;
    SIM_CHECK(n->sim, n->expects_fatal, "the node ended itself: %s", why);
    n->reached.fatals++;
    n->expects_fatal = false;
    halt(n);
    sim_after(n->sim, &n->fatal, 0);
}

/* media.dies_at: the power goes between two operations of disk and store. */
static void media_died(void *user)
{
    struct sim_node *n = user;
    halt(n);
    sim_after(n->sim, &n->fatal, 0);
}

static void fatal_now(struct sim_event *event)
{
    struct sim_node *n = LIST_ITEM(event, struct sim_node, fatal);
    if (n->state != SIM_NODE_DOWN) {
        sim_node_crash(n, n->media.dead);
        if (n->ended != NULL) {
            n->ended(n->user, n);
        }
    }
}

static void count_reached(struct sim_node *n)
{
    struct sim_reached *r = &n->reached;
    for (unsigned k = 0; k < n->cores; k++) {
        const struct core *core = n->node->cores[k];
        const struct conn_stats *conns = &n->node->parts[k].conns.stats;
        r->loads += core->stats.loads;
        r->passivations += core->stats.passivations;
        r->evictions += core->stats.evictions;
        r->rollbacks += core->stats.rollbacks;
        r->overloaded += core->stats.overloaded;
        r->deadlines += core->stats.deadlines;
        r->applies += core->stats.applies;
        r->garbage += conns->garbage;
        r->refused += conns->refused;
        r->cut_turns += core->frozen ? core->turns_open : 0;
        r->crashed_turns += core->frozen ? 0 : core->turns_open;
    }
    r->backups = n->backup.made;
    r->raft_batches = n->raft->batches;
    r->raft_refused = n->raft->refused;
    r->recycles += n->media.renames;
    r->store_refused += n->media.refusals;
}

/* The process is gone: its events, its connections, then its memory. */
static void take_down(struct sim_node *n, bool power)
{
    halt(n);
    sim_cancel(n->sim, &n->fatal);
    sim_cancel(n->sim, &n->stopped);
    sim_media_die(&n->media);
    sim_work_drop(&n->work);
    sim_net_crash(n->net, n->host, power);
    if (n->node != NULL) {
        count_reached(n);
        sim_raft_down(n->raft);
        if (n->on_down != NULL) {
            n->on_down(n->user, n);
        }
        node_free(n->node);
        n->node = NULL;
    }
    halt(n); /* node_free posts to loops that stand still */
    sim_net_reap(n->net, n->host);
    for (unsigned k = 0; k < n->cores; k++) {
        n->transports[k]->ops->free(n->transports[k]);
        n->transports[k] = NULL;
    }
    n->control_transport->ops->free(n->control_transport);
    n->control_transport = NULL;
    n->state = SIM_NODE_DOWN;
}

static void stopped_now(struct sim_event *event)
{
    struct sim_node *n = LIST_ITEM(event, struct sim_node, stopped);
    if (n->on_stopped != NULL) {
        n->on_stopped(n->user, n);
    }
    take_down(n, false);
    n->stops++;
    if (n->ended != NULL) {
        n->ended(n->user, n);
    }
}

static void stopped(void *user)
{
    struct sim_node *n = user;
    sim_after(n->sim, &n->stopped, 0); /* node_free must not run inside the control loop's turn */
}

static void make_loops(struct sim_node *n)
{
    unsigned postpone = (unsigned)sim_draw(n->sim, 3) * 10;
    for (unsigned k = 0; k < loop_count(n); k++) {
        sim_loop_init(loop_at(n, k), n->sim, &n->clock, n->host * 16 + k);
        loop_at(n, k)->postpone_percent = postpone;
    }
    for (unsigned k = 0; k < n->cores; k++) {
        n->transports[k] = sim_net_transport(n->net, &n->core_loops[k], n->host);
        n->loops[k] = &n->core_loops[k].loop;
    }
    n->control_transport = sim_net_transport(n->net, &n->control_loop, n->host);
    uint64_t typical_ns = n->work.typical_ns;
    sim_work_init(&n->work, n->sim, n->host);
    n->work.typical_ns = typical_ns;
}

static bool open_node(struct sim_node *n)
{
    const char *why = "";
    struct node_world world = {
        .clock = &n->clock.clock,
        .work = &n->work.work,
        .cores = n->cores,
        .core_loops = n->loops,
        .transports = n->transports,
        .control_loop = &n->control_loop.loop,
        .journal_loop = &n->journal_loop.loop,
        .disk = &n->media.disk,
        .store = &n->media.store,
        .backups = &n->backup.place,
        .seed = rng_next(&n->sim->rng),
    };
    if (node_open(&world, &n->options, &n->node, &why) != PDR_OK) {
        n->node = NULL;
        snprintf(n->refused, sizeof n->refused, "%s", why);
        SIM_CHECK(n->sim, n->media.dead || n->media.store_fails || n->may_refuse, "the node does not start: %s", why);
    }
    return n->node != NULL && !n->media.dead;
}

bool sim_node_start(struct sim_node *n)
{
    CHECK(n->state == SIM_NODE_DOWN);
    if (n->power_went) {
        sim_net_power_on(n->net, n->host);
        sim_clock_reboot(&n->clock);
        n->power_went = false;
    }
    n->starts++;
    n->sim->lives++;
    make_loops(n);
    sim_media_begin(&n->media, &n->journal_loop);
    sim_note(n->sim, "node.start", n->host, n->starts);
    n->state = SIM_NODE_UP;
    n->refused[0] = 0;
    if (n->before_open != NULL) {
        n->before_open(n->user, n);
    }
    if (!open_node(n)) {
        n->reached.failed_starts++;
        sim_node_crash(n, true);
        return false;
    }
    sim_raft_up(n->raft, n->node, &n->control_loop);
    if (n->opened != NULL) {
        n->opened(n->user, n);
    }
    for (unsigned k = 0; k < loop_count(n); k++) {
        sim_loop_run(loop_at(n, k));
    }
    if (n->on_started != NULL) {
        n->on_started(n->user, n);
    }
    return true;
}

void sim_node_crash(struct sim_node *n, bool power)
{
    if (n->state == SIM_NODE_DOWN) {
        return;
    }
    sim_note(n->sim, power ? "node.power" : "node.kill", n->host, n->crashes);
    n->crashes++;
    n->expects_fatal = false;
    n->power_went = power;
    take_down(n, power);
    sim_media_crash(&n->media, power);
}

void sim_node_stop(struct sim_node *n, uint64_t drain_ms)
{
    if (n->state == SIM_NODE_UP) {
        sim_note(n->sim, "node.stop", n->host, drain_ms);
        n->state = SIM_NODE_STOPPING;
        n->sim->lacks_space = true;
        node_stop(n->node, drain_ms, stopped, n);
    }
}

void sim_node_pause(struct sim_node *n, uint64_t until_ns)
{
    if (n->state == SIM_NODE_DOWN) {
        return;
    }
    sim_note(n->sim, "node.pause", n->host, until_ns);
    for (unsigned k = 0; k < loop_count(n); k++) {
        sim_loop_starve(loop_at(n, k), until_ns);
    }
    sim_work_pause(&n->work, until_ns);
}

void sim_node_init(struct sim_node *n, struct sim *sim, struct sim_net *net, const char *name, unsigned cores,
                   const struct node_options *options)
{
    CHECK(cores >= 1 && cores <= SIM_CORES_MAX);
    *n = (struct sim_node){.sim = sim, .net = net, .cores = cores, .options = *options};
    n->host = sim_net_host(net, name);
    snprintf(n->address, sizeof n->address, "%s:%d", name, PORT);
    n->options.listen = n->address;
    n->options.fatal = fatal;
    n->options.fatal_user = n;
    n->fatal = (struct sim_event){.fire = fatal_now, .name = "node.fatal", .subject = n->host};
    n->stopped = (struct sim_event){.fire = stopped_now, .name = "node.stopped", .subject = n->host};
    sim_clock_init(&n->clock, sim);
    sim_media_init(&n->media, sim, n->host);
    sim_backup_init(&n->backup, &n->media);
    n->raft = mem_new(sizeof *n->raft);
    sim_raft_init(n->raft, sim, n->host);
    n->media.died = media_died;
    n->media.user = n;
    sim_work_init(&n->work, sim, n->host);
}

void sim_node_release(struct sim_node *n)
{
    if (n->state != SIM_NODE_DOWN) {
        take_down(n, false);
    }
    sim_backup_release(&n->backup);
    mem_free(n->raft);
    sim_media_release(&n->media);
}
