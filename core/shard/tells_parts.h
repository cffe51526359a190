/* core/shard/tells_parts.h: the inside of durable tells, for the files tells*.c. */
#ifndef CORE_SHARD_TELLS_PARTS_H
#define CORE_SHARD_TELLS_PARTS_H

#include "core/shard/channel.h"
#include "core/shard/tell_row.h"
#include "core/shard/tells.h"

#define TELL_BYTES_MIN (1u << 20)
#define TELL_SHARE 4u

/** All durable tells of a core. */
struct tells {
    struct core *core;
    struct hash queues;  /* struct tell_queue */
    struct list blocked; /* channels whose next tell was not taken: tried again when `retry` fires */
    struct timer retry;
    struct list unsettled;    /* struct shard_tells with rows to delete */
    uint32_t unsettled_count; /* acknowledged since `settle` last fired */
    struct timer settle;
    uint32_t in_flight;
    size_t out_bytes, in_bytes; /* of sent and accepted ones in memory */
    struct list early;          /* calls of clients that came before `open` */
    bool known;                 /* what waited in the store is in memory */
    bool open;                  /* turns may run */
    bool dead_busy;             /* a letter is being redelivered or discarded */
    struct timer start;         /* another attempt to read the rows */
};

/** To one other shard. */
struct tell_out {
    struct channel_out n;
    struct list held; /* committed, to be sent; by number */
    struct list blocked_node, unsettled_node;
    struct gate_wait settling;
    struct core *core;
    struct shard *from;
    uint32_t to;
    uint32_t count; /* in memory: not acknowledged */
};

/** Channels of one shard. */
struct shard_tells {
    struct list node;      /* tells->unsettled */
    struct list unsettled; /* struct tell_out with rows to delete */
    struct shard *shard;
    uint32_t count;        /* of the arrays, which grow */
    struct tell_out **out; /* by the other shard; NULL: never used */
    struct channel_in *in; /* by the other shard */
};

/** Of one actor: exists as long as tells wait for it. */
struct tell_queue {
    struct hash_node by_address;
    struct core *core;
    struct list tells; /* that have not run, by number; the first runs next */
    struct call *running;
    uint32_t count; /* with those whose last entry is not committed yet */
    bool holding;   /* the first failed: until `timer` fires */
    struct timer timer;
    uint32_t shard; /* of the actor */
    uint16_t address_size;
    char address[];
};

/** Its channels with `other`, and so with all below it, have a place. */
struct shard_tells *tells_of(struct shard *shard, uint32_t other);
static inline struct pdr_ref tell_ref(struct pdr_bytes address, uint32_t type_size)
{
    const char *at = address.data;
    return (struct pdr_ref){pdr_bytes(at, type_size), pdr_bytes(at + type_size + 1, address.size - type_size - 1)};
}
/** Bytes that a tell in memory is charged: its reply, which nobody reads, is not kept. */
static inline size_t tell_charge(const struct call *call)
{
    size_t size = call->args.size + call->address.size + call->method.size + call->caller.size;
    return sizeof *call + (call->data != call->inline_data ? size : 0);
}
/** Is there room for it beside `bytes` of its kind (sent, accepted)? Each kind has a quarter of memory_max, beside what
 * actors have: tells that wait must never be what keeps others, or themselves, from running. Turns of tells have four
 * times as much to send with as others: else all might wait for room that only they could make. One always fits. */
static inline bool tells_fit(const struct core *core, size_t bytes, const struct call *call, bool is_told)
{
    uint64_t room = core->limits.memory_max / 4 > TELL_BYTES_MIN ? core->limits.memory_max / 4 : TELL_BYTES_MIN;
    return bytes == 0 || bytes + tell_charge(call) <= room * (is_told ? TELL_SHARE : 1);
}
static inline void tell_free(struct core *core, struct call *call)
{
    if (core->dead) {
        call_discard(call);
    } else {
        call_free(&core->calls, call);
    }
}
/** Into `list`, by number; `node` is what of a call is in such a list. */
void tell_insert(struct list *list, struct call *call);

/* tells_out.c */

struct tell_out *tell_out_of(struct core *core, struct shard *shard, uint32_t to);
/** At start: `call` is the tell `n` of the channel, and not acknowledged. */
void tell_sent_again(struct tell_out *out, struct call *call, uint64_t n);
void tell_answered(struct call *call);
/** What is held is not sent now, but tried again soon. */
void tell_out_block(struct tell_out *out);
void tells_out_init(struct tells *tells);
void tell_out_forget(struct tell_out *out);
/** Rows of the shard are to be deleted again, if there are any. */
void tells_out_resume(struct core *core, struct shard *shard);

/* tells_in.c */

/** The queue of an address, made if need be. */
struct tell_queue *tell_queue_of(struct core *core, struct pdr_bytes address);
/** NULL: nobody waits for it. */
struct tell_queue *tell_queue_find(struct core *core, struct pdr_bytes address);
/** `call` becomes one of the queue, though not yet among those that may run. */
void tell_enlist(struct tell_queue *queue, struct call *call, uint64_t number);
/** An accepted copy of `from`, in this core's pool, enlisted; NULL: no memory. */
struct call *tell_copy(struct core *core, const struct call *from, uint64_t number);
static inline uint64_t tell_number(const struct shard *shard, uint32_t index)
{
    return (shard->last_seq + 1) * TELL_NUMBERS_AN_ENTRY + index;
}
/** PDR_OK if the shard can accept one for this address now; else why is in `call`. */
enum pdr_status tell_may_accept(struct core *core, struct call *call);
/** The entry `seq` accepted `pending`, for `call`, which is finished when that is committed. */
void tell_accepted(struct core *core, struct call *call, struct call *pending, uint64_t seq);
void tell_put_pending(struct rows *rows, const struct call *call, uint64_t number, bool begun);

/* tells_run.c */

/** In memory, and may run: into its actor's mailbox. */
void tell_enter(struct core *core, struct call *call);
/** What a PENDING call's `finish` is: it did not run, or failed. */
void tell_over(struct call *call);
/** A gate's `open`: the sender's own entry, which accepted it, is committed or undone. */
void tell_entered(struct gate_wait *wait, enum pdr_status status);
void tell_queue_init(struct tell_queue *queue);
/** Out of its queue, and freed. */
void tell_drop(struct core *core, struct call *call);
/** Nothing of the queue runs before the delay is over. */
void tell_queue_hold(struct tell_queue *queue, uint64_t delay_ms);

/* dead.c */

/** TELL_REDELIVER and TELL_DISCARD. */
void dead_deliver(struct core *core, struct call *call);

#endif
