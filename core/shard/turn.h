/* core/shard/turn.h: stage 5 of 7. Runs one call against one actor, on a fiber, and collects what it does; commit
 * (stage 6) makes it happen. What actors/context.c gives to methods is made of these functions.
 *
 * A struct turn lives on its fiber's stack. Its functions are called on that fiber only. */
#ifndef CORE_SHARD_TURN_H
#define CORE_SHARD_TURN_H

#include "core/base/limits.h"
#include "core/shard/activation.h"
#include "core/shard/rows.h"
#include "core/shard/shard.h"
#include "core/shard/turn_watch.h"

#define PDR_STATE_KEY_MAX ((uint32_t)LIMIT_KEY_BYTES_MAX)
#define PDR_STATE_VALUE_MAX ((uint32_t)LIMIT_VALUE_BYTES_MAX)
#define PDR_TURN_BYTES_MAX ((uint32_t)LIMIT_TURN_BYTES_MAX) /* one log record */
#define PDR_TURN_TELLS_MAX ((uint32_t)LIMIT_TURN_TELLS_MAX)
#define PDR_SLEEP_MS_MAX ((uint64_t)LIMIT_SLEEP_MS_MAX)

/** TURN_ROW reads a row for a call before its own turn: turn_fetch. Only TURN_CALL lets others in. */
enum turn_kind { TURN_CALL, TURN_ACTIVATE, TURN_PASSIVATE, TURN_ROW };

struct turn_chunk; /* turn_memory.c */
struct turn_held;

/** What a turn that does not run waits for. Other turns of its actor may run meanwhile (core/shard/aside.h), but not
 * while it reads the disk: then it has writes that are not committed, and its method does not know that it waits. */
enum turn_waits { TURN_RUNS, TURN_WAITS_COMMIT, TURN_WAITS_CALL, TURN_WAITS_SLEEP, TURN_WAITS_DISK };

struct turn {
    uint64_t link; /* unique on the node: names this turn in the chain of the call it waits for; 0: it waits for none */
    struct activation *activation;
    struct turn *older, *newer; /* open turns of the actor, by when they began; activation->turn is the newest */
    struct call *call;          /* NULL for hooks */
    const struct class_method *method;
    struct fiber *fiber;
    enum turn_kind kind;
    enum pdr_durability durability;
    bool reader;
    bool begun;       /* under a session: a part was committed, or a call left, and an entry says so */
    bool has_waited;  /* under a session: copies of the call may wait for it */
    bool tell_marked; /* the part that was just committed says that this tell has begun (tells.h) */
    bool beside;      /* an interleaved reader: it keeps nobody out */
    bool admits;      /* while it waits for the call `link`, that call's chain may come back */
    bool looked;      /* it has waited, and what may enter while it waits stands aside */
    bool cancelled;   /* it waits for nothing any more */
    bool acted;       /* a part of it was committed, or a call has left: to run it again is not as if it had not run */
    bool is_entry;    /* its last commit made one */
    struct state writes;
    struct rows rows;   /* of the shard, in the same entry */
    int reminders_more; /* that the actor has, with what is in `writes`; may be negative */
    struct list outbox; /* tells, struct call */
    uint32_t outbox_count, outbox_bytes;
    struct list events; /* struct emission, where somebody listens */
    uint32_t event_count;
    uint32_t sent_bytes; /* arguments of its tells and timers, which lie in memory until it ends */
    struct list timer_changes;
    struct list scans;
    struct turn_chunk *chunks; /* freed when the turn ends: values handed out, replies, ... */
    struct turn_held *held;    /* ... entries replaced */
    struct turn_held *kept;    /* replaced while it was the newest open turn: goes to the next older one */
    uint64_t deadline_ns;
    uint64_t applied_seq; /* of the shard when it began: what it reads of the store is at least as new */

    /* waiting */
    struct list node; /* core->waiting or core->ready */
    bool waiting;
    enum turn_waits waits;
    struct turn_watch watch;
    struct timer timer;
    struct gate_wait gate;
    enum pdr_status gate_status;
    struct call *asked;  /* the call that is waited for; others have it */
    struct call *answer; /* its answer has come */
    struct list leaving; /* a call that waits for what was written before it to commit */
    pdr_value chain;     /* of addresses, if a call was a deadlock */

    /* the last failure; turn_begin clears all that is before it */
    char error_code[PDR_METHOD_SIZE_MAX + 1];
    char error_text[192];
};

/** A call that ran without a turn: its answer leaves when all that the actor wrote is committed. Takes it. */
void turn_answer_seen(struct activation *a, struct call *call);

/** What its entry holds so far, for PDR_TURN_BYTES_MAX. */
static inline size_t turn_bytes(const struct turn *turn)
{
    return (size_t)turn->writes.bytes + turn->rows.bytes + turn->outbox_bytes;
}

/** Scheduler: runs what the activation has to do, on the current fiber, until it waits for nothing more. */
void turn_run_activation(struct activation *a);
/** Runs the passivate hook of a clean, idle activation, then forgets it. */
void turn_passivate(struct activation *a);

/** Not on a fiber: goes on with a turn that was woken. */
void turn_resume(struct turn *turn);
/** core_free: frees what a turn holds whose fiber never runs again. */
void turn_discard(struct turn *turn);

/** Lets other fibers run until turn_wake. */
void turn_wait(struct turn *turn, enum turn_waits what);
void turn_wake(struct turn *turn);
/** "commit", "call", "sleep", "disk"; "" for TURN_RUNS. */
const char *turn_waits_text(enum turn_waits waits);
/** Wakes a turn that waits, with PDR_CANCELLED; from then on it waits for nothing (but a read of the disk ends first,
 * and so do turns inside of its wait). False: it does not wait, or is cancelled already. */
bool turn_cancel(struct turn *turn);
/** It may not wait (it is cancelled): PDR_CANCELLED, with a sentence; else PDR_OK. */
enum pdr_status turn_may_wait(struct turn *turn);
/** The innermost open turn that keeps others out; NULL: none, at most interleaved readers. */
struct turn *turn_innermost(const struct activation *a);
/** One call, which was taken out of the mailbox, on this fiber. `beside`: as an interleaved reader. */
void turn_run_call(struct activation *a, struct call *call, bool beside);
const struct class_method *turn_find_method(const struct actor_class *cls, struct pdr_bytes name);

/* State. */
enum pdr_status turn_get(struct turn *turn, struct pdr_bytes key, struct pdr_bytes *value);
/** The actor's row of any kind, a KEYS_REMINDER for one; turn_get without its checks. */
enum pdr_status turn_row(struct turn *turn, enum keys_kind kind, struct pdr_bytes key, struct pdr_bytes *value);
/** On a fiber, for a call that is about to run: sees to it that the row is in memory, if there is one, and stays there
 * until the activation rests. If it must be read, that is a turn of its own. False: why not is in the call. */
bool turn_fetch(struct activation *a, struct call *call, enum keys_kind kind, struct pdr_bytes key);
enum pdr_status turn_write(struct turn *turn, struct pdr_bytes key, struct pdr_bytes value, bool deleted);
/** A row of the platform's about this actor, in the same entry; never volatile. False: the machine has no memory. */
bool turn_write_kind(struct turn *turn, enum keys_kind kind, struct pdr_bytes key, struct pdr_bytes value,
                     bool deleted);
struct turn_scan;
struct turn_scan *turn_scan_open(struct turn *turn, struct pdr_bytes from, struct pdr_bytes to);
enum pdr_status turn_scan_next(struct turn_scan *scan, struct pdr_bytes *key, struct pdr_bytes *value);

/* Others. */
enum pdr_status turn_call(struct turn *turn, struct pdr_bytes to, struct pdr_bytes method, struct pdr_bytes args,
                          bool reentrant, pdr_value *reply);
enum pdr_status turn_tell(struct turn *turn, struct pdr_bytes to, struct pdr_bytes method, struct pdr_bytes args);
enum pdr_status turn_sleep(struct turn *turn, uint64_t delay_ms);
enum pdr_status turn_timer(struct turn *turn, struct pdr_bytes name, uint64_t delay_ms, uint64_t period_ms,
                           struct pdr_bytes method, struct pdr_bytes args, bool cancel);

/* For the files of stage 5 and 6. */
/** The call's outcome leaves when entry `seq` of its shard is committed, or at once where the dial says so. */
void turn_answer(struct shard *shard, struct call *call, uint64_t seq, enum pdr_durability durability);
/** What became of a call of which this much is known: PDR_MOVED if it may be run again elsewhere, as if it had never
 * come here. */
enum pdr_status turn_abandon(struct call *call, bool acted);
void turn_close_scans(struct turn *turn);
void turn_drop_timer_changes(struct turn *turn);
/** The turn's effects are an entry (or need none): tells leave behind the gate, timers are set. */
void turn_release_effects(struct turn *turn);

/** Encoded arguments of a call to come: an array, within the limit; empty is none. */
enum pdr_status turn_check_args(struct turn *turn, struct pdr_bytes args);

/** Notes a failure for pdr_error_code and for the caller, and returns `status`. */
enum pdr_status turn_fail(struct turn *turn, enum pdr_status status, const char *code, const char *format, ...)
    PDR_PRINTF(4, 5);
/** The activation is doomed, and says why. */
enum pdr_status turn_fail_doomed(struct turn *turn);

/* turn_memory.c */

/** Memory that lives until the turn ends; NULL if there is none. */
void *turn_alloc(struct turn *turn, size_t size);
/** Frees `block` when the turn ends: slices of it may be in use. NULL is fine. */
void turn_hold(struct turn *turn, void *block);
/** Frees `block`, which was the actor's, when every turn that is open now has ended; `except` (may be NULL) has no use
 * for it any more. */
void turn_keep(const struct activation *a, const struct turn *except, void *block);
/** It is open no longer: what it kept for older turns goes to them. */
void turn_leave(struct turn *turn);
void turn_free_memory(struct turn *turn);

#endif
