/* core/shard/core.c: one core thread: deliver, schedule, commit, flush; start and stop. */
#include "core/shard/core.h"

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/cluster_map.h"
#include "core/shard/activation.h"
#include "core/shard/apply.h"
#include "core/shard/aside.h"
#include "core/shard/commit.h"
#include "core/shard/duty.h"
#include "core/shard/lease.h"
#include "core/shard/mailbox.h"
#include "core/shard/reminders.h"
#include "core/shard/replicas.h"
#include "core/shard/sessions.h"
#include "core/shard/tells.h"
#include "core/shard/turn.h"
#include "core/shard/watch.h"

#define TICK_BUDGET 2048 /* calls a tick, so that sockets and completions are not kept waiting */
#define SWEEP_MS 250u
#define RECALL_MS 500u

static void set_defaults(struct core_limits *l)
{
#define DEFAULT(field, value) l->field = l->field == 0 ? (value) : l->field
    DEFAULT(idle_ms, 60000);
    DEFAULT(memory_max, 1ull << 30);
    DEFAULT(mailbox_max, 1024);
    DEFAULT(queued_max, 65536);
    DEFAULT(fibers_max, 10000);
    DEFAULT(resident_state_max, LIMIT_RESIDENT_BYTES_MAX);
    DEFAULT(resident_reminders_max, LIMIT_RESIDENT_REMINDERS_MAX);
    DEFAULT(uncommitted_entries_max, LIMIT_UNCOMMITTED_ENTRIES_MAX);
    DEFAULT(uncommitted_bytes_max, LIMIT_UNCOMMITTED_BYTES_MAX);
    DEFAULT(unapplied_bytes_max, LIMIT_UNAPPLIED_BYTES_MAX);
    DEFAULT(outbox_max, 16384);
    DEFAULT(tells_max, 16384);
    DEFAULT(apply_bytes, 4u << 20);
    DEFAULT(apply_delay_ms, 100);
    DEFAULT(sessions_max, 100000);
    DEFAULT(session_bytes_max, l->memory_max / 4);
    DEFAULT(session_idle_ms, 3600000);
#undef DEFAULT
}

static void sweep(struct timer *timer)
{
    struct core *core = LIST_ITEM(timer, struct core, idle_timer);
    activation_sweep(core);
    log_flush(false);
    timer_set(&core->wheel, timer, core_now_ns(core) + SWEEP_MS * NS_PER_MS);
}

static void apply_due(struct timer *timer)
{
    apply_again(LIST_ITEM(timer, struct core, apply_timer));
}

struct core *core_new(unsigned index, unsigned cores, uint32_t shard_count, const struct core_world *world,
                      const struct core_limits *limits, uint64_t seed)
{
    struct core *core = mem_new(sizeof *core);
    core->world = *world;
    core->limits = *limits;
    set_defaults(&core->limits);
    core->map = world->map;
    core->is_member = world->map != NULL && world->map->self != 0;
    core->index = index;
    core->until_sampled = 1;
    core->next_turn_link = ((uint64_t)index << 48) + 1;
    rng_seed(&core->rng, seed);
    timerwheel_init(&core->wheel, clock_now_ns(world->clock));
    call_pool_init(&core->calls);
    hash_init(&core->activations);
    hash_init(&core->watched);
    struct list *const heads[] = {&core->lru,    &core->runnable,  &core->ready,     &core->waiting,     &core->jobs,
                                  &core->asides, &core->in_flight, &core->unapplied, &core->checkpoints, &core->loading,
                                  &core->cold,   &core->large,     &core->changing,  &core->lease_waits};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        list_init(heads[i]);
    }
    timer_init(&core->idle_timer, sweep);
    timer_init(&core->apply_timer, apply_due);
    sessions_init(core);
    if (world->journal == NULL) {
        return core;
    }
    core->core_count = cores;
    core->apply_until = UINT64_MAX;
    core->apply = apply_new(shard_count);
    core->fibers = fiber_pool_new(core->limits.fibers_max, 256);
    core->tells = tells_new(core);
    if (core->is_member) {
        replicas_new(core);
    }
    shards_grow(core, shard_count);
    if (KEYS_SHARD_DIRECTORY % cores == index) {
        core->directory = shard_new(core, KEYS_SHARD_DIRECTORY);
    }
    timer_set(&core->wheel, &core->idle_timer, clock_now_ns(world->clock) + SWEEP_MS * NS_PER_MS);
    return core;
}

/* What waits on a fiber that will never run again. */
static void discard_turns(struct list *turns)
{
    struct list *node;
    while ((node = list_pop(turns)) != NULL) {
        turn_discard(LIST_ITEM(node, struct turn, node));
    }
}

static void discard_gate(struct shard *shard)
{
    struct list *node;
    while (shard != NULL && (node = list_pop(&shard->gate)) != NULL) {
        struct gate_wait *wait = LIST_ITEM(node, struct gate_wait, node);
        wait->open(wait, PDR_CANCELLED);
    }
}

static void discard_gates(struct core *core)
{
    for (uint32_t id = 0; id < core->shard_count; id++) {
        discard_gate(core->shards[id]);
    }
    discard_gate(core->directory);
}

static bool discard_activation(struct hash_node *node, void *user)
{
    struct activation *a = LIST_ITEM(node, struct activation, by_address);
    struct call *call;
    while ((call = mailbox_next(a, NULL)) != NULL) {
        list_remove(&call->node);
        timer_cancel(&a->core->wheel, &call->timer); /* its neighbours in the wheel are freed after it */
        call_discard(call);
    }
    a->mailbox_count = 0;
    activation_free(a);
    return true;
}

void core_kill(struct core *core)
{
    core->dead = true;
}

void core_free(struct core *core)
{
    struct list *node;
    CHECK(core->dead);
    tells_forget(core);
    duty_discard(core);
    lease_discard(core);
    discard_gates(core);
    discard_turns(&core->waiting);
    discard_turns(&core->ready);
    while ((node = list_pop(&core->jobs)) != NULL) {
        struct core_job *job = LIST_ITEM(node, struct core_job, node);
        job->discard(job);
    }
    hash_each(&core->activations, discard_activation, NULL);
    hash_release(&core->activations);
    replicas_free(core);
    reminders_free(core);
    watch_free(core);
    sessions_free(core);
    apply_release(core);
    commit_free(core);
    if (core->fibers != NULL) {
        fiber_pool_free(core->fibers);
    }
    tells_free(core);
    shards_free(core);
    mem_free(core->directory);
    mem_free(core->types);
    call_pool_release(&core->calls);
    mem_free(core);
}

/* Stage 4. */

static void arrive(struct message *message)
{
    struct call *call = LIST_ITEM(message, struct call, message);
    core_deliver(call->at, call);
}

void core_send(struct core *to, struct call *call)
{
    call->at = to;
    call->message.deliver = arrive;
    loop_post(to->world.loop, &call->message);
}

void call_discard(struct call *call)
{
    pdr_writer_release(&call->reply);
    if (call->data != call->inline_data) {
        mem_free(call->data);
    }
    mem_free(call);
}

/* Of a call that is sent again under its session an earlier copy may have run, though this one was refused. */
static void say_unknown(struct call *call)
{
    if (call->is_again && !call->session.is_final && pdr_status_retry(call->status) != PDR_RETRY_NEVER) {
        call_fail(call, PDR_UNAVAILABLE, "the call was sent again, and refused (%s); it may have been applied before",
                  pdr_status_wire(call->status));
    }
}

/* On its home core. Most have their outcome; of some it turns out only now that they were sent to the wrong place. */
static void end_call(struct call *call)
{
    const struct core_world *world = &call->home->world;
    bool is_of_shard = call->kind != CALL_ACTOR || !call_is_system(call);
    if (call->status == PDR_MOVED && world->moved != NULL && !call->is_direct && is_of_shard) {
        world->moved(world->router, call->home, call);
        return;
    }
    if (call->status != PDR_OK) {
        say_unknown(call);
    }
    call->finish(call);
}

static void come_home(struct message *message)
{
    struct call *call = LIST_ITEM(message, struct call, message);
    call->at = call->home;
    if (call->home->dead) {
        call_discard(call);
        return;
    }
    end_call(call);
}

void call_finish(struct call *call)
{
    call->state = CALL_MADE;
    if (call->at->dead) {
        call_discard(call);
        return;
    }
    if (call->status != PDR_OK) {
        call->at->stats.errors[call->status]++;
    } else if (call->at->is_member) {
        CHECK(!call->is_leased || core_now_ns(call->at) < call->at->lease_until_ns); /* I8 */
    }
    if (call->at == call->home) {
        end_call(call);
        return;
    }
    call->message.deliver = come_home;
    loop_post(call->home->world.loop, &call->message);
}

static void refuse(struct call *call, enum pdr_status status, const char *why)
{
    call_fail(call, status, "%s", why);
    call_finish(call);
}

/* Memory is short and sweeping could not help: what is in memory is in use. */
static bool memory_is_short(struct core *core)
{
    if (core->memory_used < core->limits.memory_max) {
        return false;
    }
    if (core->swept_ns != core_now_ns(core)) { /* once a tick: it looks at many */
        core->swept_ns = core_now_ns(core);
        activation_sweep(core);
    }
    return core->memory_used >= core->limits.memory_max;
}

struct activation *core_activate(struct core *core, struct call *call)
{
    struct pdr_bytes type = pdr_bytes(call->address.data, call->type_size);
    const struct actor_class *cls = core->world.find_class(core->world.registry, type);
    if (cls == NULL) {
        call_fail(call, PDR_NOT_FOUND, "there is no type %.*s on this node; `perdure types` lists them", (int)type.size,
                  (const char *)type.data);
        return NULL;
    }
    if (memory_is_short(core)) {
        core->stats.overloaded++;
        call->retry_ms = 100;
        call_fail(call, PDR_OVERLOADED, "no memory for another active actor (limit memory = %llu bytes a core)",
                  (unsigned long long)core->limits.memory_max);
        return NULL;
    }
    struct activation *a = activation_new(core, cls, call);
    if (a == NULL) {
        call_fail(call, PDR_OVERLOADED, "the machine has no memory for another active actor");
    }
    return a;
}

void activation_schedule(struct activation *a)
{
    if (a->state == ACTIVATION_IDLE) {
        a->state = ACTIVATION_BUSY;
        list_remove(&a->node); /* out of lru */
        list_push_back(&a->core->runnable, &a->node);
    } else if (a->state == ACTIVATION_BUSY && !a->worked && list_alone(&a->node)) {
        list_push_back(&a->core->runnable, &a->node);
    }
}

void core_deliver(struct core *core, struct call *call)
{
    call->at = core;
    if (core->dead) {
        call_discard(call);
        return;
    }
    core->stats.calls++;
    if (core->is_member && !duty_admits(core, call)) {
        return;
    }
    if (call->tell.role != TELL_NONE) {
        tells_deliver(core, call);
        return;
    }
    bool from_client = call->chain_count == 0 && call->caller.size == 0;
    if (core->frozen || (core->stopping && from_client)) {
        refuse(call, PDR_UNAVAILABLE, "the node is stopping");
        return;
    }
    if (call->kind != CALL_ACTOR) {
        sessions_serve(core, call);
        return;
    }
    if (call->session.on) {
        sessions_expect(core, call);
    }
    struct activation *a = activation_find(core, call->address, activation_hash(call->address));
    if (a == NULL) {
        a = core_activate(core, call);
        if (a == NULL) {
            call_finish(call);
            return;
        }
    }
    if (mailbox_push(a, call) != PDR_OK) {
        if (call->status == PDR_OVERLOADED && MUTATION(13)) {
            return;
        }
        call_finish(call);
        return;
    }
    activation_schedule(a);
}

/* The scheduler: a fiber runs one runnable activation after another; when a turn on it waits, another fiber goes on. */

static bool is_anybody_runnable(const struct core *core)
{
    return !list_empty(&core->asides) || !list_empty(&core->runnable);
}

static void worker(void *user)
{
    struct core *core = user;
    while (core->budget > 0 && is_anybody_runnable(core)) {
        struct list *node = list_pop(&core->asides);
        if (node != NULL) {
            aside_run(LIST_ITEM(node, struct activation_extra, node)->activation);
        } else {
            node = list_pop(&core->runnable);
            turn_run_activation(LIST_ITEM(node, struct activation, node));
        }
    }
}

/* All fibers wait: their calls may be behind the ones we can't start, so those are answered, not kept. */
static void shed(struct core *core)
{
    struct list *node = list_pop(&core->asides);
    core->budget--;
    if (node != NULL) {
        aside_shed(LIST_ITEM(node, struct activation_extra, node)->activation);
        return;
    }
    struct activation *a = LIST_ITEM(list_pop(&core->runnable), struct activation, node);
    core->stats.overloaded++;
    activation_fail_mailbox(a, PDR_OVERLOADED, "too many turns wait on this core (limit turns)");
    activation_rest(a);
}

static void run(struct core *core)
{
    core->slice_ns = clock_coarse_ns(core->world.clock);
    while (core->budget > 0) {
        struct list *node = list_pop(&core->ready);
        if (node != NULL) {
            core->budget--;
            turn_resume(LIST_ITEM(node, struct turn, node));
            continue;
        }
        if (!is_anybody_runnable(core)) {
            return;
        }
        struct fiber *fiber = fiber_new(core->fibers, worker, core);
        if (fiber == NULL) {
            shed(core);
        } else {
            fiber_run(fiber);
        }
    }
}

static bool is_drained(struct core *core)
{
    return (core->turns_open == 0 && core->queued == 0) || core_now_ns(core) >= core->drain_until_ns;
}

/* Whoever has one may wait for what this node would have to acknowledge. Its row stays: it is sent once more. */
static void recall(struct core *core)
{
    if (core->world.recall != NULL && core_now_ns(core) >= core->recall_ns) {
        core->world.recall(core->world.router, core);
    }
}

static bool is_applied(struct core *core)
{
    if (core->open != NULL || !list_empty(&core->in_flight)) {
        return false;
    }
    bool has_stopped = replicas_stop(core);
    if (tells_in_flight(core) > 0) {
        recall(core);
        return false;
    }
    if (!has_stopped) {
        return false;
    }
    if (core->failed_step != NULL) { /* a full disk */
        apply_give_up(core);
    } else if (!apply_is_done(core)) {
        apply_now(core);
        return false;
    }
    return list_empty(&core->jobs); /* the pool reads for turns that were cut off */
}

static void stop_step(struct core *core)
{
    if (core->idle == NULL && core->frozen && core->open == NULL && list_empty(&core->in_flight)) {
        (void)replicas_stop(core); /* who came after that */
    }
    if (core->idle == NULL || !(core->frozen ? is_applied(core) : is_drained(core))) {
        return;
    }
    void (*idle)(void *) = core->idle;
    core->idle = NULL;
    if (core->frozen) {
        tells_forget(core);
    }
    idle(core->idle_user);
}

static void settled(struct journal_batch *batch, enum pdr_status status)
{
    struct core *core = LIST_ITEM(batch, struct core, settling);
    core->settled = true; /* also without room: reads go on (R74) */
    if (status != PDR_OK) {
        commit_refuse(core);
    }
}

void core_start(struct core *core)
{
    static const uint64_t nothing;
    reminders_start(core);
    sessions_start(core);
    core->settled = MUTATION(19);
    core->settling = (struct journal_batch){.home = core->world.loop, .records = &nothing, .done = settled};
    journal_submit(core->world.journal, &core->settling);
    tells_start(core);
}

/* What recovery found is durable, and the tells that wait are known. */
static bool is_open(struct core *core)
{
    return core->settled && tells_are_known(core) && !core->frozen;
}

bool core_tick(struct core *core)
{
    timerwheel_advance(&core->wheel, core_now_ns(core));
    if (core->is_member) {
        duty_go_on(core);
    }
    if (is_open(core)) {
        tells_open(core);
        core->budget = TICK_BUDGET;
        run(core);
        while (!list_empty(&core->loading)) {
            loader_probe(core);
            run(core);
        }
        loader_submit(core);
    }
    if (core->fibers != NULL) {
        replicas_settle(core);
        commit_submit(core);
        replicas_flush(core);
        apply_consider(core);
    }
    if (core->world.flush != NULL) {
        core->world.flush(core->world.flush_user);
    }
    if (core->stopping) {
        stop_step(core);
    }
    loop_set_timer(core->world.loop, timerwheel_next_ns(&core->wheel));
    return is_open(core) && (is_anybody_runnable(core) || !list_empty(&core->ready));
}

void core_stop(struct core *core, uint64_t drain_ms, void (*idle)(void *user), void *user)
{
    core->stopping = true;
    core->drain_until_ns = core_now_ns(core) + drain_ms * NS_PER_MS;
    core->idle = idle;
    core->idle_user = user;
    if (core->world.journal != NULL) {
        activation_sweep(core);
        timer_set(&core->wheel, &core->idle_timer,
                  core->drain_until_ns < core_now_ns(core) + SWEEP_MS * NS_PER_MS
                      ? core->drain_until_ns
                      : core_now_ns(core) + SWEEP_MS * NS_PER_MS);
    }
}

void core_freeze(struct core *core, void (*idle)(void *user), void *user)
{
    core->frozen = true;
    core->recall_ns = core_now_ns(core) + RECALL_MS * NS_PER_MS;
    if (core->is_member) {
        duty_stop(core);
    }
    core->idle = idle;
    core->idle_user = user;
}
