/* tools/node/node.c: opens the layers upwards, closes them downwards. */
#include "tools/node/node.h"

#include <perdure/version.h>
#include <stdio.h>
#include <stdlib.h>

#include "actors/registry.h"
#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/commit.h"
#include "core/shard/core.h"
#include "core/shard/recover.h"
#include "core/shard/replicas.h"
#include "core/store/keys.h"
#include "net/conn/conn.h"
#include "net/forward/forward.h"
#include "net/route.h"
#include "tools/node/links.h"
#include "tools/node/membership.h"
#include "tools/node/node_parts.h"
#include "tools/node/sys_node.h"

#define HAND_OVER_MS 1000u /* within a stop */

static _Thread_local char node_why[512]; /* of the last failed node_open of this thread */

/* Messages of the control core to another and back. */
struct errand {
    struct message message;
    struct node *node;
    uint64_t argument;
    void (*run)(struct node *node, uint64_t argument);
};

/* Sends `run` to every core; each ends with errand_over on the control loop. */
static void run_errand(struct message *message)
{
    struct errand *errand = LIST_ITEM(message, struct errand, message);
    struct node *node = errand->node;
    uint64_t argument = errand->argument;
    void (*run)(struct node *, uint64_t) = errand->run;
    mem_free(errand);
    if (!node->cores[0]->dead) {
        run(node, argument);
    }
}

static void send(struct node *node, struct loop *to, uint64_t argument,
                 void (*run)(struct node *node, uint64_t argument))
{
    struct errand *errand = mem_new(sizeof *errand);
    *errand = (struct errand){.message = {.deliver = run_errand}, .node = node, .argument = argument, .run = run};
    loop_post(to, &errand->message);
}

static void to_core(struct node *node, uint64_t index, void (*run)(struct node *node, uint64_t argument))
{
    send(node, node->world.core_loops[index], index, run);
}

void node_to_control(struct node *node, uint64_t argument, void (*run)(struct node *node, uint64_t argument))
{
    send(node, node->world.control_loop, argument, run);
}

void node_to_all(struct node *node, void (*run)(struct node *node, uint64_t argument))
{
    for (unsigned i = 0; i < node->world.cores; i++) {
        to_core(node, i, run);
    }
}

void node_to_journal(struct node *node, void (*run)(struct node *node, uint64_t argument))
{
    send(node, node->world.journal_loop, 0, run);
}

/* Checkpoint: the store is flushed up to a position, so that the journal can recycle what is before it. */

struct flush_job {
    struct core_job job;
    struct node *node;
    enum pdr_status status;
};

static void flush_run(struct job *job)
{
    struct flush_job *flush = LIST_ITEM(job, struct flush_job, job.job);
    flush->status = MUTATION(8) ? PDR_OK : flush->node->store->ops->flush(flush->node->store);
}

static void flush_discard(struct core_job *job)
{
    mem_free(LIST_ITEM(job, struct flush_job, job));
}

static void checkpoint_over(struct node *node);

/* A log that is full must not wait for it. */
static void unreleasable(struct node *node)
{
    if (node->stop <= STOP_JOURNAL && node->journal != NULL) { /* else it is closing */
        journal_unreleasable(node->journal);
    }
}

static void flush_done(struct job *job)
{
    struct flush_job *flush = LIST_ITEM(job, struct flush_job, job.job);
    struct node *node = flush->node;
    list_remove(&flush->job.node);
    if (flush->status == PDR_OK) {
        if (node->journal != NULL) {
            journal_hold(node->journal, node->checkpoint_position < node->wanted_position);
            journal_release(node->journal, node->checkpoint_position);
        }
    } else {
        char why[160];
        node->store->ops->last_error(node->store, why, sizeof why);
        LOG_ERROR("store.flush_failed", "why=\"%s\"; the log keeps growing until it works", why);
        unreleasable(node);
        timer_set(&node->control->wheel, &node->checkpoint_timer, core_now_ns(node->control) + NS_PER_S);
    }
    mem_free(flush);
    checkpoint_over(node);
}

static void flush_store(struct node *node)
{
    struct flush_job *flush = mem_new(sizeof *flush);
    flush->job =
        (struct core_job){.job = {flush_run, flush_done, {0}}, .core = node->control, .discard = flush_discard};
    flush->node = node;
    list_push_back(&node->control->jobs, &flush->job.node);
    work_submit(node->world.work, node->world.control_loop, &flush->job.job);
}

static void core_answered(struct node *node, uint64_t index)
{
    if (node->core_positions[index] < node->checkpoint_position) {
        node->checkpoint_position = node->core_positions[index];
    }
    if (--node->checkpoint_awaited == 0) {
        flush_store(node);
    }
}

static void core_applied(void *user, uint64_t position)
{
    struct node_core *part = user;
    part->node->core_positions[part->index] = position;
    node_to_control(part->node, part->index, core_answered);
}

static void checkpoint_core(struct node *node, uint64_t index)
{
    core_checkpoint(node->cores[index], node->checkpoint_known, core_applied, &node->parts[index]);
}

static void start_checkpoint(struct node *node, uint64_t position)
{
    node->wanted_position = position;
    if (node->stop > STOP_TURNS) { /* until all is said a full log must not stay full */
        unreleasable(node);        /* the last one is made when all is quiet */
        return;
    }
    if (node->checkpointing) {
        node->checkpoint_again = true;
        return;
    }
    node->checkpointing = true;
    node->checkpoint_known = node->checkpoint_position = node->wanted_position;
    node->checkpoint_awaited = node->world.cores;
    node_to_all(node, checkpoint_core);
}

static void checkpoint_retry(struct timer *timer)
{
    struct node *node = LIST_ITEM(timer, struct node, checkpoint_timer);
    start_checkpoint(node, node->wanted_position);
}

/* On the journal's loop: all that is durable now was reported to its core before this message is. */
static void want_checkpoint(void *user)
{
    struct node *node = user;
    struct journal_stats stats;
    journal_stats(node->journal, &stats);
    node_to_control(node, stats.position, start_checkpoint);
}

static void journal_failed(void *user, const char *why)
{
    struct node *node = user;
    if (node->fatal != NULL) {
        node->fatal(node->fatal_user, why);
        return;
    }
    LOG_ERROR("journal.failed",
              "why=\"%s\"; ending the process: after a failed sync nothing is known of the data (R27)", why);
    abort();
}

/* Stop: downwards. Listener, leads go to others, cores drain, connections close, journal ends, store closes. */

static void journal_closed(void *user)
{
    struct node *node = user;
    node->journal = NULL;
    node_to_control(node, 0, node_stop_step);
}

static void close_journal(struct node *node, uint64_t unused)
{
    journal_close(node->journal, journal_closed, node);
}

static void part_over(struct node *node, uint64_t index)
{
    if (--node->stop_awaited == 0) {
        node_stop_step(node, 0);
    }
}

static void core_idle(void *user)
{
    struct node_core *part = user;
    part->is_applied = apply_is_done(part->node->cores[part->index]);
    part->held = replicas_oldest(part->node->cores[part->index]);
    node_to_control(part->node, part->index, part_over);
}

static void leads_over(void *user)
{
    struct node_core *part = user;
    node_to_control(part->node, part->index, part_over);
}

/* What has copies elsewhere goes on there, before anything here stops. */
static void hand_over_core(struct node *node, uint64_t index)
{
    replicas_leave(node->cores[index], HAND_OVER_MS, leads_over, &node->parts[index]);
}

static void stop_core(struct node *node, uint64_t index)
{
    core_stop(node->cores[index], node->drain_ms, core_idle, &node->parts[index]);
}

static void freeze_core(struct node *node, uint64_t index)
{
    core_freeze(node->cores[index], core_idle, &node->parts[index]);
}

static void close_conns(struct node *node, uint64_t index)
{
    conns_close(&node->parts[index].conns, core_idle, &node->parts[index]);
}

/* How far the log may be released by the last flush: not at all, if a core could not bring the store up to date; and
 * not what others have a say in, and have not said. */
static uint64_t last_position(const struct node *node)
{
    uint64_t position = node->wanted_position;
    for (unsigned i = 0; i < node->world.cores; i++) {
        if (!node->parts[i].is_applied && !MUTATION(18)) {
            return 0;
        }
        position = node->parts[i].held < position ? node->parts[i].held : position;
    }
    return position;
}

static void unlisten(struct node *node, uint64_t unused)
{
    if (node->listener != NULL) {
        node->world.transports[0]->ops->unlisten(node->listener);
        node->listener = NULL;
    }
    node_to_control(node, 0, node_stop_step);
}

/* Something of the node's own uses the store. */
static bool is_working(const struct node *node)
{
    return node->checkpointing || node->backup != NULL || !list_empty(&node->control->jobs);
}

void node_stop_step(struct node *node, uint64_t unused)
{
    switch (node->stop++) {
    case STOP_NO:
        backup_cancel(node);
        to_core(node, 0, unlisten);
        break;
    case STOP_LEADS:
        node->stop_awaited = node->world.cores;
        node_to_all(node, hand_over_core);
        break;
    case STOP_CORES:
        node->stop_awaited = node->world.cores;
        node_to_all(node, stop_core);
        break;
    case STOP_FAREWELL:
        membership_leave(node);
        break;
    case STOP_TURNS:
        node->stop_awaited = node->world.cores;
        node_to_all(node, freeze_core);
        break;
    case STOP_CONNS:
        node->stop_awaited = node->world.cores;
        node_to_all(node, close_conns);
        break;
    case STOP_LINKS:
        membership_close(node);
        if (node->links != NULL) {
            node_links_close(node);
        } else {
            node_to_control(node, 0, node_stop_step);
        }
        break;
    case STOP_FLUSH:
        node->stop_waits = true; /* node_job_over goes on */
        if (is_working(node)) {
            node->stop--;
        } else {
            node->checkpointing = true;
            node->checkpoint_position = last_position(node);
            flush_store(node);
        }
        break;
    case STOP_JOURNAL:
        node_to_journal(node, close_journal);
        break;
    default:
        node->stopped(node->stopped_user);
        break;
    }
}

void node_job_over(struct node *node)
{
    if (node->stop_waits && !is_working(node)) {
        node->stop_waits = false;
        node_stop_step(node, 0);
    }
}

static void checkpoint_over(struct node *node)
{
    node->checkpointing = false;
    if (node->checkpoint_again) {
        node->checkpoint_again = false;
        start_checkpoint(node, node->wanted_position);
    }
    node_job_over(node);
}

void node_stop(struct node *node, uint64_t drain_ms, void (*stopped)(void *user), void *user)
{
    node->drain_ms = drain_ms;
    node->stopped = stopped;
    node->stopped_user = user;
    node_to_control(node, 0, node_stop_step);
}

/* Start */

static void accept_on_core(struct message *message)
{
    struct accepted *accepted = LIST_ITEM(message, struct accepted, message);
    struct conns *conns = accepted->conns;
    intptr_t pending = accepted->pending;
    mem_free(accepted);
    if (conns->core->dead) {
        conns->transport->ops->discard(conns->transport, pending);
    } else {
        conns_adopt(conns, pending);
    }
}

/* Connections go round the cores. */
static void accepted(void *user, intptr_t pending)
{
    struct node *node = user;
    unsigned index = node->next_core++ % node->world.cores;
    struct conns *conns = &node->parts[index].conns;
    if (index == 0) {
        conns_adopt(conns, pending);
        return;
    }
    struct accepted *a = mem_new(sizeof *a);
    *a = (struct accepted){{.deliver = accept_on_core}, conns, pending};
    loop_post(node->world.core_loops[index], &a->message);
}

/* End of a tick. Connections first: they may read on, and make calls that leave with this very batch. */
static void flush(void *user)
{
    struct node_core *part = user;
    conns_flush(&part->conns);
    if (part->peers != NULL) {
        forward_flush(part->forward);
        peers_flush(part->peers);
    }
}

/* The same of the control core. */
static void flush_control(void *user)
{
    struct node *node = user;
    membership_tick(node);
    node_links_flush_control(node);
}

static void session_taken(void *user, const struct session_id *id, const struct session_holder *holder)
{
    struct node_core *part = user;
    if (holder->node == 0) {
        conn_session_taken(&part->conns, id, holder->number);
    } else if (part->forward != NULL) {
        forward_tell_taken(part->forward, holder->node, holder->life, id, holder->number);
    }
}

static bool tick(void *user)
{
    return core_tick(user);
}

static void on_timer(void *user) {}

static struct core_limits limits_of(const struct node_options *o, unsigned cores)
{
    return (struct core_limits){
        .idle_ms = o->idle_ms,
        .memory_max = (o->memory_max == 0 ? 1ull << 30 : o->memory_max) / cores,
        .mailbox_max = o->mailbox_max,
        .queued_max = o->queued_max,
        .tells_max = o->tells_max,
        .outbox_max = o->outbox_max,
        .resident_reminders_max = o->resident_reminders_max,
        .fibers_max = o->fibers_max,
        .slow_turn_ms = o->slow_turn_ms,
        .sessions_max = (o->sessions_max == 0 ? 100000 : o->sessions_max) / cores + 1,
        .session_idle_ms = o->session_idle_ms,
    };
}

static void make_cores(struct node *node, const struct node_options *options)
{
    const struct node_world *world = &node->world;
    struct core_limits limits = limits_of(options, world->cores);
    struct conn_limits conn_limits = {
        .connections_max = (options->connections_max == 0 ? 10000 : options->connections_max) / world->cores + 1,
        .outstanding_max = options->outstanding_max == 0 ? LIMIT_OUTSTANDING_MAX : options->outstanding_max,
        .unsent_max = LIMIT_UNSENT_BYTES_MAX,
        .unread_max = LIMIT_UNREAD_CORE_BYTES_MAX,
        .unread_ms = options->unread_ms == 0 ? 120000 : options->unread_ms,
    };
    struct core_world cw = {
        .clock = world->clock,
        .work = world->work,
        .journal = node->journal,
        .store = node->store,
        .map = &node->first,
        .find_class = registry_find,
        .registry = node->registry,
        .route = route,
        .router = &node->router,
        .cores = node->cores,
        .core_count = world->cores,
        .session_taken = session_taken,
        .flush = flush,
    };
    for (unsigned i = 0; i < world->cores; i++) {
        struct node_core *part = &node->parts[i];
        *part = (struct node_core){.node = node, .index = i};
        cw.loop = world->core_loops[i];
        cw.flush_user = part;
        node->cores[i] = core_new(i, world->cores, CLUSTER_SHARDS, &cw, &limits, world->seed + i);
        conns_init(&part->conns, node->cores[i], &node->router, world->transports[i], &conn_limits, &node->identity);
        loop_own(cw.loop, node->cores[i], on_timer, tick);
    }
    cw.loop = world->control_loop;
    cw.journal = NULL;
    cw.session_taken = NULL;
    cw.flush = flush_control;
    cw.flush_user = node;
    node->control = core_new(world->cores, world->cores, CLUSTER_SHARDS, &cw, &limits, world->seed ^ 0x5eed);
    loop_own(cw.loop, node->control, on_timer, tick);
}

static struct node *new_node(const struct node_world *world, const struct node_options *options)
{
    struct node *node = mem_new(sizeof *node);
    node->world = *world;
    node->store = world->store;
    node->fatal = options->fatal;
    node->fatal_user = options->fatal_user;
    node->started_ns = clock_now_ns(world->clock);
    snprintf(node->name, sizeof node->name, "%s", options->name != NULL ? options->name : "node");
    snprintf(node->cluster, sizeof node->cluster, "%s", options->cluster != NULL ? options->cluster : node->name);
    snprintf(node->id, sizeof node->id, "%s", options->id != NULL ? options->id : node->name);
    node->identity = (struct conn_identity){node->name, node->cluster, PDR_VERSION};
    node->labels = options->labels;
    node->first = options->membership == NULL ? cluster_map_alone(CLUSTER_SHARDS, world->cores)
                                              : membership_no_map(options->membership->node, world->cores);
    node->first.self = options->self != 0 ? options->self : node->first.self;
    node->cores = mem_new(world->cores * sizeof *node->cores);
    node->parts = mem_new(world->cores * sizeof *node->parts);
    node->core_positions = mem_new(world->cores * sizeof *node->core_positions);
    node->registry = registry_new();
    timer_init(&node->checkpoint_timer, checkpoint_retry);
    return node;
}

static void free_parts(struct node *node)
{
    registry_free(node->registry);
    mem_free(node->core_positions);
    mem_free(node->parts);
    mem_free(node->cores);
    mem_free(node);
}

/* Of a node that could not be opened: disk and store are its own already; an opened journal has the disk. */
static void free_unopened(struct node *node)
{
    if (node->listener != NULL) {
        node->world.transports[0]->ops->unlisten(node->listener);
    }
    if (node->journal != NULL) {
        journal_free(node->journal);
    } else {
        node->world.disk->ops->close(node->world.disk);
    }
    node->store->ops->close(node->store);
    free_parts(node);
}

static enum pdr_status add_types(struct node *node, const struct node_options *options, const char **why)
{
    registry_add_builtin(node->registry);
    for (const struct pdr_actor_type *const *type = options->types; type != NULL && *type != NULL; type++) {
        if (registry_add(node->registry, *type, why) != PDR_OK) {
            return PDR_INVALID;
        }
    }
    return PDR_OK;
}

/* Log and store to shards. */
static enum pdr_status recover(struct node *node, const struct node_options *options, struct recovery **recovery)
{
    const char *why = NULL;
    struct journal_hooks hooks = {node, journal_failed, want_checkpoint};
    struct journal_recovery found = {0};
    if (keys_check_format(node->store, &why) != PDR_OK ||
        recovery_new(node->store, CLUSTER_SHARDS, recovery, &why) != PDR_OK) {
        snprintf(node_why, sizeof node_why, "%s", why);
        return PDR_INTERNAL;
    }
    if (journal_open(node->world.disk, node->world.journal_loop, &options->journal, &hooks, recovery_record, *recovery,
                     &node->journal, &found) != PDR_OK) {
        snprintf(node_why, sizeof node_why, "%s", found.corrupt);
        return PDR_INTERNAL;
    }
    if (recovery_finish(*recovery, &why) != PDR_OK) {
        snprintf(node_why, sizeof node_why, "%s", why);
        return PDR_INTERNAL;
    }
    recovery_epochs_from(*recovery, options->epochs);
    LOG_INFO("node.recovered", "records=%llu applied=%llu torn_tail=%s", (unsigned long long)found.records,
             (unsigned long long)recovery_entries(*recovery), found.torn ? "cut" : "no");
    return PDR_OK;
}

enum pdr_status node_open(const struct node_world *world, const struct node_options *options, struct node **out,
                          const char **why)
{
    struct recovery *recovery = NULL;
    struct node *node = new_node(world, options);
    enum pdr_status status = add_types(node, options, why);
    if (status != PDR_OK) {
        free_unopened(node);
        return status;
    }
    /* first, for a port in use is the commonest fault; nobody is accepted before the loops run */
    status =
        world->transports[0]->ops->listen(world->transports[0], options->listen, accepted, node, &node->listener, why);
    if (status != PDR_OK) {
        snprintf(node_why, sizeof node_why, "%s", *why);
        goto failed;
    }
    status = recover(node, options, &recovery);
    if (status != PDR_OK) {
        goto failed;
    }
    make_cores(node, options);
    for (unsigned i = 0; i < world->cores; i++) {
        recovery_install(recovery, node->cores[i]);
        core_start(node->cores[i]);
    }
    recovery_free(recovery);
    recovery = NULL;
    node->router = (struct router){.cores = node->cores, .control = node->control, .system = node->system};
    sys_node_init(node);
    int host_size = (int)(strrchr(options->listen, ':') - options->listen); /* listen took it, so there is one */
    snprintf(node->address, sizeof node->address, "%.*s:%u", host_size, options->listen, (unsigned)node_port(node));
    if (options->membership != NULL && (status = membership_open(node, options->membership, why)) != PDR_OK) {
        node_free(node);
        return status;
    }
    *out = node;
    return PDR_OK;

failed:
    *why = node_why;
    if (recovery != NULL) {
        recovery_free(recovery);
    }
    free_unopened(node);
    return status;
}

uint16_t node_port(const struct node *node)
{
    return node->world.transports[0]->ops->listener_port(node->listener);
}

/* What is still on its way finds dead cores, and is freed. */
static void drain_inboxes(struct node *node)
{
    bool more = true;
    while (more) {
        more = inbox_deliver(&node->world.control_loop->inbox) > 0;
        for (unsigned i = 0; i < node->world.cores; i++) {
            more |= inbox_deliver(&node->world.core_loops[i]->inbox) > 0;
        }
    }
}

void node_free(struct node *node)
{
    for (unsigned i = 0; i < node->world.cores; i++) {
        core_kill(node->cores[i]);
    }
    core_kill(node->control);
    if (node->listener != NULL) {
        node->world.transports[0]->ops->unlisten(node->listener);
    }
    if (node->journal != NULL) {
        journal_free(node->journal);
    }
    drain_inboxes(node);
    membership_free(node);
    node_links_free(node);
    for (unsigned i = 0; i < node->world.cores; i++) {
        conns_free(&node->parts[i].conns);
        core_free(node->cores[i]);
    }
    core_free(node->control);
    sys_node_free(node); /* after the list of jobs, in which a survey may stand */
    node->store->ops->close(node->store);
    free_parts(node);
}
