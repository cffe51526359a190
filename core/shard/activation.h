/* core/shard/activation.h: an actor in memory.
 *
 *     LOADING --loaded--> IDLE <--call, turn ended--> BUSY
 *        |                  |                            |
 *        +---- failed ------+--> gone <--- rolled back --+
 *
 * LOADING: its state is being read. IDLE: nothing to do; in core->lru, may be passivated. BUSY: in core->runnable, or
 * turns run or wait. An activation with writes that the store does not have yet stays: it is the only copy to read. */
#ifndef CORE_SHARD_ACTIVATION_H
#define CORE_SHARD_ACTIVATION_H

#include <stddef.h>

#include "core/base/hash.h"
#include "core/shard/core.h"
#include "core/shard/shard.h"
#include "core/shard/state.h"

enum activation_state { ACTIVATION_LOADING, ACTIVATION_IDLE, ACTIVATION_BUSY };

/** What few actors have: kept apart, so that the others cost nothing for it. */
struct activation_extra {
    struct activation *activation;
    struct list timers;   /* struct actor_timer */
    uint32_t timer_bytes; /* of all of them */
    uint32_t tells;       /* durable ones among the calls in the mailbox */
    struct list aside;    /* calls that may enter while a turn waits (aside.h); counted in the mailbox */
    struct list node;     /* core->asides */
    struct list large;    /* core->large */
};

struct activation {
    struct hash_node by_address;
    struct list node; /* core->lru, core->runnable or core->loading */
    struct list mailbox;
    const struct actor_class *cls;
    struct shard *shard;
    struct core *core;
    struct turn *turn;              /* the newest of those that run or wait; the others behind it, by `older` */
    struct activation_extra *extra; /* NULL until it is needed */
    struct state values;
    uint64_t last_seq; /* of its newest entry */
    uint64_t used_ms;  /* when it became idle */
    uint32_t turns;
    uint32_t charged; /* bytes counted in core->memory_used */
    uint16_t mailbox_count;
    uint16_t reminder_count; /* that it has, in memory or not, as of what is committed or on its way there */
    uint16_t address_size;
    uint8_t type_size;
    uint8_t state;
    bool activated : 1; /* its activate hook ran */
    bool doomed : 1;    /* rolled back: goes away as soon as its turn has ended */
    bool passivating : 1;
    bool worked : 1; /* a fiber goes through its mailbox: turn_run_activation */
    char address[];  /* and behind it the memory of its class: activation_memory */
};

/* Where the class's memory begins, from the activation's own first byte: aligned for whatever it has in it. */
static inline size_t activation_memory_at(size_t address_size)
{
    const size_t align = _Alignof(max_align_t);
    return (offsetof(struct activation, address) + address_size + align - 1) & ~(align - 1);
}
/** The volatile struct of the actor's class; NULL if it has none. */
static inline void *activation_memory(struct activation *a)
{
    return a->cls->memory_size > 0 ? (char *)a + activation_memory_at(a->address_size) : NULL;
}

static inline struct pdr_bytes activation_address(const struct activation *a)
{
    return pdr_bytes(a->address, a->address_size);
}

/** Makes it at the first call; lives as long as the activation. */
struct activation_extra *activation_extra(struct activation *a);
/** NULL if it is not in memory. */
struct activation *activation_find(struct core *core, struct pdr_bytes address, uint64_t hash);
/** Makes one, LOADING or (volatile types) IDLE; NULL if there is no memory for it. */
struct activation *activation_new(struct core *core, const struct actor_class *cls, const struct call *call);
/** Charges what it holds now to the core's memory. */
void activation_account(struct activation *a);
/** Forgets it. No turn, empty mailbox. */
void activation_free(struct activation *a);
/** May it be forgotten without losing anything? */
bool activation_is_clean(const struct activation *a);
/** Is there more of that kind in memory (KEYS_USER, KEYS_REMINDER) than an actor keeps whole? */
bool activation_is_large(const struct activation *a, enum keys_kind kind);
/** The store has more than before: those in core->large let go of it. */
void activation_applied(struct core *core);
/** Fails all calls in the mailbox. */
void activation_fail_mailbox(struct activation *a, enum pdr_status status, const char *why);
/** An idle one: its passivate hook runs soon, then it is forgotten. */
void activation_passivate(struct activation *a);
/** Passivates the idle ones: past idle_ms, or the longest idle while memory is short. */
void activation_sweep(struct core *core);
/** It has a call: IDLE to BUSY, in the scheduler's queue; or there again, if only interleaved readers keep it busy. */
void activation_schedule(struct activation *a);
/** BUSY with nothing more to do: idle, or scheduled again, or (doomed) loaded anew; or, while interleaved readers are
 * not through, nothing of that until the last of them ends. */
void activation_rest(struct activation *a);
/** Rolled back: forgets its state and reads it from the store again, behind the shard's load barrier. */
void activation_reload(struct activation *a);
/** Hash of the full address in the activation table. */
uint64_t activation_hash(struct pdr_bytes address);

/* loader.c */

/** Reads what the store has in memory of the activations in core->loading; the rest goes to core->cold. */
void loader_probe(struct core *core);
/** Sends what gathered in core->cold to the work pool. */
void loader_submit(struct core *core);

/* timers (core/shard/actor_timer.c) */

#define ACTOR_TIMERS_MAX ((uint32_t)LIMIT_TIMERS_MAX)

struct actor_timer;
uint32_t actor_timer_count(struct activation *a);
bool actor_timer_exists(struct activation *a, struct pdr_bytes name);
/** Replaces one of the same name. */
enum pdr_status actor_timer_set(struct activation *a, struct pdr_bytes name, uint64_t delay_ms, uint64_t period_ms,
                                struct pdr_bytes method, struct pdr_bytes args);
void actor_timer_cancel(struct activation *a, struct pdr_bytes name);
void actor_timers_free(struct activation *a);
struct actor_timer_info {
    struct pdr_bytes name, method;
    uint64_t due_ns, period_ms;
};
/** Their number; with each one handed to `see` unless that is NULL. */
uint32_t actor_timers_each(const struct activation *a, void (*see)(void *user, const struct actor_timer_info *timer),
                           void *user);
static inline bool activation_has_timers(const struct activation *a)
{
    return a->extra != NULL && !list_empty(&a->extra->timers);
}

#endif
