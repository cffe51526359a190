/* core/shard/core.h: one core thread: its shards, activations, calls. Nothing here is touched by another thread.
 *
 * A turn of the loop: calls are delivered into mailboxes (stage 4), then core_tick runs them (5), hands what they wrote
 * to the journal as one batch (6), and lets the connections flush what was answered (7). */
#ifndef CORE_SHARD_CORE_H
#define CORE_SHARD_CORE_H

#include "core/base/hash.h"
#include "core/base/rng.h"
#include "core/base/timerwheel.h"
#include "core/call.h"
#include "core/env/clock.h"
#include "core/env/loop.h"
#include "core/env/work.h"
#include "core/journal/journal.h"
#include "core/shard/actor_class.h"
#include "core/shard/core_stats.h"
#include "core/shard/fiber.h"
#include "core/shard/session_names.h"
#include "core/store/store.h"

#define CORE_SHARDS_MAX 65536u /* ids of shards are below */

struct core;
struct cluster_map;
struct peers;
struct replicas;
struct shard;
struct session_asking;
struct submission;
struct tells;
struct apply;
struct apply_step;

/** Zero: the default, set by core_new. Documented in docs/reference/limits.md. */
struct core_limits {
    uint64_t idle_ms;
    uint64_t memory_max; /* bytes, this core */
    uint32_t mailbox_max;
    uint32_t queued_max;
    uint32_t fibers_max;
    uint32_t resident_state_max;      /* bytes of state an activation keeps whole */
    uint32_t resident_reminders_max;  /* reminders that an activation keeps all of */
    uint32_t uncommitted_entries_max; /* R26, a shard */
    uint32_t uncommitted_bytes_max;   /* R26, a core */
    uint32_t unapplied_bytes_max;     /* a core; beyond it writes wait for the store: overloaded */
    uint32_t outbox_max;              /* unacknowledged tells of a shard to another */
    uint32_t tells_max;               /* accepted tells that wait for one actor */
    uint32_t apply_bytes;             /* apply as soon as that much is committed ... */
    uint32_t apply_delay_ms;          /* ... or that old */
    uint64_t slow_turn_ms;            /* a turn that lasts as long is logged; 0: none is */
    uint32_t sessions_max;            /* open ones whose home is here (R82) */
    uint64_t session_bytes_max;       /* results that are kept for retries, a core */
    uint64_t session_idle_ms;         /* a session's life without a connection */
};

/** A connection that has a session: its number there, at a core of ours, or of a node that reached us by that life. */
struct session_holder {
    uint64_t node, life; /* node 0: ours */
    uint64_t number;
};

/** What a core is given at birth. All borrowed, and alive as long as the core. */
struct core_world {
    struct loop *loop;
    struct clock *clock;
    struct work *work;
    struct journal *journal; /* NULL on the control core, which has no shards */
    struct store *store;
    const struct cluster_map *map; /* the first one: core->map */
    struct peers *peers;           /* links to other nodes; NULL: the node is alone */
    class_find find_class;
    void *registry;
    /** Stage 3, for calls that turns make; takes the call. Set by net/route through the node. */
    void (*route)(void *router, struct core *from, struct call *call);
    void *router;
    /** A call that this core made has come back, since its shard is not open where it was sent (PDR_MOVED): takes it.
     * NULL: that is its outcome. */
    void (*moved)(void *router, struct core *home, struct call *call);
    /** core->map is another one now. NULL: nobody needs to hear of it. */
    void (*map_taken)(void *router, struct core *core);
    /** The core is frozen, and has waited for long: tells that are out at other nodes fail as PDR_UNAVAILABLE. NULL:
     * there are no others. */
    void (*recall)(void *router, struct core *core);
    /** All cores of the node, by index, for what each must hear; NULL: there is only this one. */
    struct core *const *cores;
    unsigned core_count;
    /** The connection of that name has lost its session to a newer one; user is flush_user. NULL: there are none. */
    void (*session_taken)(void *user, const struct session_id *id, const struct session_holder *holder);
    /** Runs at the end of each tick: connections write what was answered. */
    void (*flush)(void *user);
    void *flush_user;
};

/** A job of this core at the work pool, so that core_free can free what a dead world never gave back. */
struct core_job {
    struct job job;
    struct list node;
    struct core *core;
    void (*discard)(struct core_job *job);
};

struct core {
    struct core_world world;
    struct core_limits limits;
    struct core_stats stats;
    struct type_stats *types; /* by actor_class.index */
    uint32_t type_count;
    uint32_t until_sampled, sample_state; /* stages.h */
    uint64_t slice_ns;                    /* turn_watch.h: when the scheduler last looked at the coarse clock */
    unsigned index, core_count;           /* of the node's cores that have shards */
    struct rng rng;
    struct timerwheel wheel;
    struct call_pool calls;
    struct fiber_pool *fibers;

    const struct cluster_map *map; /* by which calls are routed; the same for the whole of a tick */
    bool is_member;                /* of a cluster: which shards it serves, and when, is said to it (duty.h) */
    struct shard **shards;         /* by shard id; NULL for those of other cores */
    uint32_t shard_count;          /* of the array; grows with the map */
    /* KEYS_SHARD_DIRECTORY, on the core it falls to; NULL elsewhere. It is committed, applied and recovered as any
     * other; but it has no actors, so whoever looks for calls, sessions, tells, reminders among `shards` must not see
     * it. */
    struct shard *directory;

    /* duty.c, lease.c: of a member */
    struct list changing;      /* struct duty: opened, released or closed now */
    struct timer duty_timer;   /* a release takes too long */
    uint64_t lease_until_ns;   /* reads are answered before that (R15) */
    struct list lease_waits;   /* calls whose answer waits for a lease */
    bool rows_wait;            /* a row could not be taken yet: in a later tick */
    struct replicas *replicas; /* copies that are not the only ones (replicas.h); NULL: of a node alone */

    struct hash activations; /* by full address */
    struct hash watched;     /* watch.c: actors that somebody listens to */
    uint64_t emissions;      /* watch.c: events that left their turns towards listeners */
    struct list lru;         /* idle ones, the longest idle first */
    struct list large;       /* struct activation_extra: they let go of state when the store has it */
    uint64_t memory_used;    /* bytes: activations, their state, queued calls' heap */
    uint64_t gated_bytes;    /* results that wait for what they saw to be durable */
    uint32_t queued;         /* calls in mailboxes */

    struct list runnable; /* activations with something to do, in turn */
    struct list asides;   /* activations in which calls may enter beside a turn that waits: aside.h */
    struct list ready;    /* turns whose wait is over */
    struct list waiting;  /* turns that wait */
    uint32_t turns_open;  /* turns that run, wait or are ready */
    int budget;           /* calls that may still run in this tick */
    struct list loading;  /* activations whose state is to be read */
    struct list cold;     /* those of them that need the disk */
    unsigned load_jobs;
    struct list jobs; /* at the work pool: struct core_job */
    uint64_t next_turn_link;

    /* commit.c */
    struct journal_batch settling; /* an empty one: the first answer of the journal */
    bool settled;                  /* what recovery found is durable (R71): before that nothing runs */
    struct submission *open;       /* gathers this tick's records */
    struct list in_flight;         /* submissions at the journal, in order */
    struct list unapplied;         /* durable, not yet in the store, in order */
    struct submission *spare;
    uint32_t size_expected, touched_expected; /* of a submission, by those before */
    uint64_t uncommitted_bytes, unapplied_bytes;
    bool refusing; /* the journal has no space: writes are refused (R74) */
    struct timer resume_timer;
    /* apply.c */
    struct apply *apply; /* the running step's while `applying` */
    bool applying;
    bool apply_soon;
    struct timer apply_timer;
    uint64_t apply_until;         /* what is there in the log, or behind it, has to wait: core_apply_until */
    struct apply_step *step;      /* the one that `applying` is about */
    struct core_job *failed_step; /* to be tried again when apply_timer fires */
    struct list checkpoints;      /* who waits for everything to be applied */

    /* reminders.c */
    struct timer reminders_timer;
    uint32_t reminders_turn;
    uint64_t reminders_wait_ns; /* no scan before: the store could not be read */
    /* sessions.c */
    uint32_t session_homes;     /* open sessions whose home is here */
    uint64_t session_bytes;     /* of the results that are kept; also in memory_used */
    uint64_t session_secret;    /* what makes their names hard to guess */
    struct list sessions_over;  /* struct session: their rows are to be deleted */
    struct timer session_timer; /* goes on with sessions_over */
    struct timer session_ask_timer;
    struct session_asking *session_asking; /* session_ask.c: a question that is out */
    uint32_t session_ask_turn;
    struct session_names session_names;
    struct tells *tells; /* NULL on the control core */

    uint64_t load_ns; /* load.h: when it was measured; 0: never */
    struct timer idle_timer;
    uint64_t swept_ns; /* the tick in which shortage of memory last made it sweep */
    bool dead;         /* core_free: nobody is told anything any more */
    bool stopping, frozen;
    uint64_t drain_until_ns;
    uint64_t recall_ns;       /* frozen: tells that are out are waited for until then */
    void (*idle)(void *user); /* core_stop: nothing runs, nothing is unapplied */
    void *idle_user;
};

/** A core with the shards whose id % cores == index, each with a state of its own to be set by recovery. That of the
 * directory falls to one of them in the same way. */
struct core *core_new(unsigned index, unsigned cores, uint32_t shard_count, const struct core_world *world,
                      const struct core_limits *limits, uint64_t seed);
/** From now on nobody is told anything: what arrives is freed. First step of taking down the cores of a node. */
void core_kill(struct core *core);
/** Frees everything. After core_kill of all cores of the node, and after their inboxes were delivered. */
void core_free(struct core *core);

/** Once, before the loop runs and after recovery_install. */
void core_start(struct core *core);
/** Call it from the loop's on_before_sleep. True: more to do. */
bool core_tick(struct core *core);

/** Stage 4: takes the call, which is at its owner: queues it, or finishes it with an error. */
void core_deliver(struct core *core, struct call *call);

/** A new activation for the call's address; NULL: why not is in the call. */
struct activation *core_activate(struct core *core, struct call *call);

/** On the thread of call->at. The outcome is in the call; its `finish` runs on the home core. */
void call_finish(struct call *call);
/** A dead core: frees the call without a word. */
void call_discard(struct call *call);
/** On the thread of call->at: hands the call to another core, where core_deliver takes it. */
void core_send(struct core *to, struct call *call);

/** First step of a stop: no new calls but those that running turns wait for. `idle` fires once, when none runs or waits
 * any more, or after drain_ms. */
void core_stop(struct core *core, uint64_t drain_ms, void (*idle)(void *user), void *user);
/** Second step, when all cores are through the first: no turn goes on any more. `idle` fires once, when everything that
 * was written is committed and applied; from then on the core submits nothing. */
void core_freeze(struct core *core, void (*idle)(void *user), void *user);

/** Applies all that is durable; then calls done(user, position): everything before it is in the store. `known` is a
 * position up to which the caller knows that completions have reached this core. */
void core_checkpoint(struct core *core, uint64_t known, void (*done)(void *user, uint64_t position), void *user);

#define CORE_APPLY_REFUSED UINT64_MAX
/** For a copy of the store as of one position of the log, the same for all cores: what is at `position` or behind it
 * stays out of the store until this is called again; UINT64_MAX: as ever. If not NULL, done(user, position) is called
 * when what is before it and durable is in the store, and none is on its way there; with CORE_APPLY_REFUSED if the
 * store takes nothing. */
void core_apply_until(struct core *core, uint64_t position, void (*done)(void *user, uint64_t position), void *user);

static inline uint64_t core_now_ns(struct core *core)
{
    return loop_now_ns(core->world.loop);
}

#endif
