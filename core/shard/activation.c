/* core/shard/activation.c: actors in memory: found, made, kept in order of use, given up. */
#include "core/shard/activation.h"

#include <stdio.h>

#include "core/base/check.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/commit.h"
#include "core/shard/duty.h"
#include "core/shard/mailbox.h"
#include "core/shard/replicas.h"
#include "core/shard/turn.h"

#define ENTRY_OVERHEAD 40u /* struct state_entry, its pointer, the heap's own */
#define SWEEP_MAX 20000u   /* at a time, so that a sweep does not hold the tick up */

uint64_t activation_hash(struct pdr_bytes address)
{
    return hash_bytes(address, 0);
}

struct activation *activation_find(struct core *core, struct pdr_bytes address, uint64_t hash)
{
    for (struct hash_node *node = hash_first(&core->activations, hash); node != NULL; node = hash_next(node)) {
        struct activation *a = LIST_ITEM(node, struct activation, by_address);
        if (pdr_bytes_equal(activation_address(a), address)) {
            return a;
        }
    }
    return NULL;
}

void activation_account(struct activation *a)
{
    size_t charge = sizeof *a + a->address_size + a->cls->memory_size + a->values.bytes +
                    (size_t)a->values.count * ENTRY_OVERHEAD +
                    (a->extra != NULL ? sizeof *a->extra + a->extra->timer_bytes : 0);
    a->core->memory_used += charge - a->charged;
    a->charged = (uint32_t)charge;
}

struct activation_extra *activation_extra(struct activation *a)
{
    if (a->extra == NULL) {
        a->extra = mem_new(sizeof *a->extra);
        a->extra->activation = a;
        list_init(&a->extra->timers);
        list_init(&a->extra->aside);
        list_init(&a->extra->node);
        list_init(&a->extra->large);
    }
    return a->extra;
}

static void load(struct activation *a)
{
    a->state = ACTIVATION_LOADING;
    list_push_back(&a->core->loading, &a->node);
}

/* Types are few, and become known to a core with their first actor. */
static void type_stats_make(struct core *core, const struct actor_class *cls)
{
    if (cls->index >= core->type_count) {
        core->types = mem_grow(core->types, (cls->index + 1) * sizeof *core->types);
        memset(core->types + core->type_count, 0, (cls->index + 1 - core->type_count) * sizeof *core->types);
        core->type_count = cls->index + 1;
    }
}

struct activation *activation_new(struct core *core, const struct actor_class *cls, const struct call *call)
{
    size_t size = offsetof(struct activation, address) + call->address.size;
    if (cls->memory_size > 0) {
        size = activation_memory_at(call->address.size) + cls->memory_size;
    }
    struct activation *a = mem_try(size < sizeof *a ? sizeof *a : size);
    if (a == NULL) {
        return NULL;
    }
    *a = (struct activation){
        .cls = cls,
        .core = core,
        .shard = core->shards[call->shard],
        .address_size = (uint16_t)call->address.size,
        .type_size = (uint8_t)call->type_size,
        .state = ACTIVATION_IDLE,
    };
    CHECK(a->shard != NULL);
    memcpy(a->address, call->address.data, call->address.size);
    list_init(&a->mailbox);
    list_init(&a->node);
    state_init(&a->values, !cls->logged);
    hash_insert(&core->activations, &a->by_address, activation_hash(call->address));
    core->stats.activations++;
    type_stats_make(core, cls);
    activation_account(a);
    if (cls->logged) {
        load(a);
    } else {
        list_push_back(&core->lru, &a->node);
    }
    return a;
}

void activation_free(struct activation *a)
{
    struct core *core = a->core;
    CHECK(a->turn == NULL && a->mailbox_count == 0);
    actor_timers_free(a);
    if (a->extra != NULL) {
        list_remove(&a->extra->node);
        list_remove(&a->extra->large);
    }
    hash_remove(&core->activations, &a->by_address);
    list_remove(&a->node);
    core->memory_used -= a->charged;
    state_release(&a->values);
    if (a->shard->state == DUTY_CLOSING) {
        duty_gone(a->shard);
    }
    mem_free(a->extra);
    mem_free(a);
}

bool activation_is_clean(const struct activation *a)
{
    return (a->last_seq <= a->shard->applied_seq || MUTATION(7)) && a->turn == NULL && a->mailbox_count == 0;
}

void activation_fail_mailbox(struct activation *a, enum pdr_status status, const char *why)
{
    struct call *call;
    while ((call = mailbox_pop(a)) != NULL) {
        call->retry_ms = status == PDR_OVERLOADED ? 50 : 0;
        call_fail(call, status, "%s", why);
        call_finish(call);
    }
}

static void keep_for_turns(void *user, struct state_entry *entry)
{
    turn_keep(user, NULL, entry);
}

/* An open turn (a reader that interleaves) may have read the store when it was older: what has reached it since then
 * stays, so that the turn finds it. */
static uint64_t seen_by_all(const struct activation *a)
{
    uint64_t seq = a->shard->applied_seq;
    for (const struct turn *turn = a->turn; turn != NULL && !MUTATION(24); turn = turn->older) {
        seq = turn->applied_seq < seq ? turn->applied_seq : seq;
    }
    return seq;
}

bool activation_is_large(const struct activation *a, enum keys_kind kind)
{
    const struct state *values = &a->values;
    const struct core_limits *limits = &a->core->limits;
    if (kind != KEYS_REMINDER) {
        return values->bytes > limits->resident_state_max;
    }
    return state_count(values, kind) > limits->resident_reminders_max ||
           (values->bytes > limits->resident_state_max && state_kind_bytes(values, kind) > limits->resident_state_max);
}

/* A large actor keeps in memory only what the store doesn't have; nor does one that is written without pause grow. What
 * must stay until the store has it goes when it has: activation_applied. */
static void trim(struct activation *a)
{
    static const enum keys_kind kinds[] = {KEYS_REMINDER, KEYS_USER};
    struct state *values = &a->values;
    const struct core_limits *limits = &a->core->limits;
    bool is_small = values->bytes <= limits->resident_state_max && values->count <= limits->resident_reminders_max;
    if (is_small || !a->cls->logged) { /* nearly always */
        return;
    }
    bool is_large = false;
    for (int i = 0; i < 2; i++) {
        if (!activation_is_large(a, kinds[i])) {
            continue;
        }
        uint64_t seen_seq = MUTATION(43) && kinds[i] == KEYS_REMINDER ? UINT64_MAX : seen_by_all(a);
        bool is_early = values->removed_seq > seen_seq; /* deletions left no tombstone: not before the store has them */
        if (!is_early) {
            state_drop_applied(values, kinds[i], seen_seq, keep_for_turns, a);
        }
        is_large |= activation_is_large(a, kinds[i]);
    }
    bool may_shrink = is_large && a->last_seq > a->shard->applied_seq; /* not so what is volatile, or events */
    if (may_shrink && list_alone(&activation_extra(a)->large)) {
        list_push_back(&a->core->large, &a->extra->large);
    }
}

void activation_applied(struct core *core)
{
    struct list early, *node;
    list_init(&early);
    while ((node = list_pop(&core->large)) != NULL) {
        struct activation *a = LIST_ITEM(node, struct activation_extra, large)->activation;
        if (a->state != ACTIVATION_IDLE) {
            continue; /* trimmed when it rests */
        }
        if (a->last_seq > a->shard->applied_seq) {
            list_push_back(&early, node);
            continue;
        }
        trim(a);
        activation_account(a);
    }
    list_splice(&core->large, &early);
}

void activation_rest(struct activation *a)
{
    struct core *core = a->core;
    a->worked = false;
    if (a->doomed) {
        if (a->turn == NULL) {
            activation_reload(a);
        }
        return;
    }
    trim(a);
    activation_account(a);
    a->used_ms = core_now_ns(core) / NS_PER_MS;
    if (a->mailbox_count > 0) {
        list_push_back(&core->runnable, &a->node);
        return;
    }
    if (a->turn != NULL) {
        return;
    }
    a->state = ACTIVATION_IDLE;
    list_push_back(&core->lru, &a->node);
}

void activation_reload(struct activation *a)
{
    struct shard *shard = a->shard;
    uint64_t kept = a->last_seq < replicas_kept(shard) ? a->last_seq : replicas_kept(shard);
    CHECK(a->turn == NULL);
    if (shard->state == DUTY_CLOSING) {
        duty_leave(a);
        return;
    }
    shard->load_barrier = shard->load_barrier < kept ? kept : shard->load_barrier;
    list_remove(&a->node);
    actor_timers_free(a);
    mailbox_watch(a);
    a->doomed = false;
    a->activated = false;
    a->last_seq = 0;
    a->reminder_count = 0;
    state_release(&a->values);
    activation_account(a);
    load(a);
}

void activation_passivate(struct activation *a)
{
    a->passivating = true;
    activation_schedule(a);
}

static bool may_go(const struct activation *a, uint64_t now_ms)
{
    const struct core *core = a->core;
    bool is_short = core->memory_used >= core->limits.memory_max - core->limits.memory_max / 8;
    bool is_old = now_ms - a->used_ms >= core->limits.idle_ms && !activation_has_timers(a);
    return is_short || is_old || core->stopping;
}

void activation_sweep(struct core *core)
{
    uint64_t now_ms = core_now_ns(core) / NS_PER_MS;
    struct list *node = core->lru.next;
    bool blocked = false;
    for (uint32_t n = 0; node != &core->lru && n < SWEEP_MAX; n++) {
        struct activation *a = LIST_ITEM(node, struct activation, node);
        node = node->next;
        if (!may_go(a, now_ms)) {
            if (!activation_has_timers(a) || now_ms - a->used_ms < core->limits.idle_ms) {
                break; /* the rest was used later */
            }
            a->used_ms = now_ms; /* its timers keep it, but not those behind it */
            list_remove(&a->node);
            list_push_back(&core->lru, &a->node);
            continue;
        }
        if (!activation_is_clean(a)) {
            blocked = true;
            continue;
        }
        if (now_ms - a->used_ms < core->limits.idle_ms) {
            core->stats.evictions++;
        }
        if (a->activated && a->cls->has_passivate) {
            activation_passivate(a);
        } else {
            core->stats.passivations++;
            activation_free(a);
        }
    }
    if (blocked) {
        apply_now(core); /* they wait for the store */
    }
}
