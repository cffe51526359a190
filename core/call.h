/* core/call.h: the envelope that goes through stages 3 to 7: target, arguments, deadline, and how to finish it.
 *
 * Whoever holds the pointer owns the call: a stage passes it on or finishes it, and there is no third thing to do with
 * it. A call belongs to the pool of the core that made it (`home`) and returns there: call_finish may be called on any
 * core, `finish` runs on home, as the last thing that happens to the call before call_free. */
#ifndef CORE_CALL_H
#define CORE_CALL_H

#include <perdure/actor.h>
#include <perdure/ref.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/list.h"
#include "core/base/system_type.h"
#include "core/base/timerwheel.h"
#include "core/env/loop.h"
#include "core/session_id.h"

#define CALL_INLINE_SIZE 256u  /* address, method, arguments and chain of most calls */
#define CALL_REPLY_INLINE 128u /* result of most calls */
#define CALL_CHAIN_MAX ((uint32_t)LIMIT_CHAIN_MAX)
#define CALL_PATH_MAX 1200u /* bytes of their actors' addresses, the nearest ones; what is longer begins with "..." */

struct core;
struct activation;

/** To whom: an actor, or the shard itself, as the home of a session (core/shard/sessions.h). On the wire, too. */
enum call_kind {
    CALL_ACTOR,
    CALL_SESSION_OPEN,
    CALL_SESSION_RESUME,
    CALL_SESSION_TOUCH, /* its connection still has it */
    CALL_SESSION_ASK,   /* which of these are over? */
    CALL_SESSION_LAST = CALL_SESSION_ASK,
};

enum call_state {
    CALL_MADE,    /* nobody's queue */
    CALL_QUEUED,  /* in a mailbox; `timer` is set unless it runs in this tick */
    CALL_RUNNING, /* a turn has it */
    CALL_GATED,   /* the turn has ended; the reply waits for its entry to be durable */
};

enum tell_role {
    TELL_NONE,      /* a call; or a tell of a volatile turn or a notification: at most once */
    TELL_SENT,      /* in a channel, as `number`, from the shard `from`; finished when it is taken */
    TELL_ASKED,     /* by a client; finished when it is accepted */
    TELL_PENDING,   /* accepted: one of its receiver's queue */
    TELL_REDELIVER, /* the dead letter `number` of this address is to be accepted again */
    TELL_DISCARD,   /* ... or forgotten */
};

/** What makes a call a durable tell (core/shard/tells.h). */
struct call_tell {
    struct list node; /* PENDING: the queue, by number */
    uint64_t number;
    uint64_t accept_seq; /* PENDING: of the entry that accepted it, if that may still be undone; SENT: shard->life */
    uint32_t from;
    uint8_t role;     /* enum tell_role */
    uint8_t attempts; /* PENDING: turns that failed */
    bool begun;       /* PENDING: a part of its turn is committed, so it never runs again by itself */
    bool undone;      /* PENDING: never was, once its turn has ended */
};

/** Waits for a shard's commit_seq >= seq (replication.md R25). `open` runs once, on the shard's
 * core, taken off the list. */
struct gate_wait {
    struct list node;
    uint64_t seq;
    void (*open)(struct gate_wait *wait, enum pdr_status status);
};

struct call {
    struct list node; /* mailbox, outbox */
    struct message message;
    struct timer timer;
    enum call_state state;
    enum call_kind kind;
    bool is_read;     /* asking again is safe: what ran of it wrote nothing */
    bool is_leased;   /* no entry vouches for its answer: it leaves under a lease (core/shard/lease.h) */
    bool is_reminder; /* core/shard/reminders.h: what it runs is in the actor's row */
    bool is_watch;    /* core/shard/watch.h: somebody wants to hear of events */
    bool is_measured; /* core/shard/stages.h */
    bool is_again;    /* a copy of it under its session may have run: that it is refused now says nothing */
    bool is_direct;   /* who calls wants to be told of another owner (PDR_MOVED), and goes there itself */
    struct call_session session;

    /* target; slices of `data` */
    struct pdr_bytes address; /* "TYPE/KEY" */
    struct pdr_bytes method;
    struct pdr_bytes args;   /* an encoded array */
    struct pdr_bytes caller; /* "TYPE/KEY"; empty when a client called */
    const uint64_t *chain;   /* links of the turns that wait for this call, outermost first */
    uint32_t chain_count;
    uint32_t path_size; /* just before `caller`: the addresses of the actors that wait for it, each ended by a 0 */
    uint32_t type_size; /* of TYPE in `address` */
    uint64_t key_hash;  /* pdr_ref_hash(KEY): placement */
    uint64_t deadline_ns;
    uint64_t queued_ns; /* when it came into the mailbox */
    uint32_t shard;
    enum pdr_durability durability; /* the caller's wish; DEFAULT: the method's */
    struct core *at;                /* the core that has it */
    struct activation *activation;  /* while QUEUED, RUNNING */
    struct gate_wait gate;          /* while GATED */
    struct call_tell tell;

    /* outcome */
    enum pdr_status status;
    uint32_t retry_ms;
    char code[PDR_METHOD_SIZE_MAX + 1]; /* on PDR_ACTOR */
    char text[192];                     /* on failure: a sentence */
    pdr_writer reply;                   /* on PDR_OK: one encoded value; empty means nil. On PDR_DEADLOCK: the chain */

    /* caller */
    struct core *home;
    void (*finish)(struct call *call); /* takes the call; ends with call_free */
    void *owner;                       /* the finisher's */
    uint64_t tag;                      /* the finisher's: msgid */
    void *owner_route;                 /* the router, on the way to the control core */
    void *listener;                    /* if is_watch: a struct watch */
    uint64_t from_node, from_life;     /* the node that sent it, and the life of the link (core/env/peer.h); 0: ours */

    uint64_t begun_ns, stage_ns; /* if is_measured */

    void *data; /* `inline_data` or the heap's */
    uint8_t inline_data[CALL_INLINE_SIZE];
    uint8_t reply_data[CALL_REPLY_INLINE];
};

/** Calls of one core, kept for reuse. */
struct call_pool {
    struct list spare;
    uint32_t spare_count;
    uint64_t live; /* calls that are somebody's */
};

void call_pool_init(struct call_pool *pool);
void call_pool_release(struct call_pool *pool);

/**
 * A call with copies of all that is given; `address` must have been parsed (ref). NULL if it does not fit memory.
 * `chain` is copied with `link` appended when link is not 0. finish, owner and tag are the caller's to set.
 */
struct call *call_new(struct call_pool *pool, struct core *home, const struct pdr_ref *ref, struct pdr_bytes address,
                      struct pdr_bytes method, struct pdr_bytes args, struct pdr_bytes caller, const uint64_t *chain,
                      uint32_t chain_count, uint64_t link);
/** The addresses of the actors that wait for this call, outermost first, with a 0 between them. */
static inline struct pdr_bytes call_path(const struct call *call)
{
    return pdr_bytes((const char *)call->caller.data - call->path_size, call->path_size + call->caller.size);
}
/** After call_new was given a path for `caller`: `caller` becomes the last `size` bytes of it. */
void call_set_path(struct call *call, size_t size);
/** PDR_DEADLOCK: the path goes round. Sets the sentence, and the chain of addresses as a result. */
enum pdr_status call_fail_deadlock(struct call *call);

/** Of address, method and arguments: session.print. */
uint32_t call_print(const struct call *call);

/** On home's thread. */
void call_free(struct call_pool *pool, struct call *call);

/** Sets a failure; `format` makes the sentence. Returns `status`. */
enum pdr_status call_fail(struct call *call, enum pdr_status status, const char *format, ...) PDR_PRINTF(3, 4);

/** A sentence that was cut to fit must not end in the middle of a UTF-8 character: clients that check would break. */
void text_cut(char *text);

/** Is it for the platform itself, `_sys/...` or `election/...`? */
static inline bool call_is_system(const struct call *call)
{
    return type_is_system(pdr_bytes(call->address.data, call->type_size));
}

/** Heap bytes beyond the struct itself. */
size_t call_heap_size(const struct call *call);

/** What include/perdure/actor.h calls pdr_args: the arguments of a turn, borrowed from its call. */
struct pdr_args {
    struct pdr_bytes items; /* inside of the array */
    uint32_t count;
};

#endif
