/* core/shard/shard.h: a shard on its owner: epoch, positions, and who waits for them (replication.md section 1).
 *
 * seq has no gaps within a shard; an entry is named (epoch, seq). The commit rule (R23) is written for a set of copies;
 * on a single node the set has one member, ourselves, and commit_seq = durable_seq. */
#ifndef CORE_SHARD_SHARD_H
#define CORE_SHARD_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/replog/history.h"
#include "core/shard/session.h"

struct core;
struct duty;
struct shard_copy;
struct shard_tells;
struct submission;
struct reminders;

/** Whether a core serves a shard, and what is on its way to that: core/shard/duty.h. */
enum duty_state { DUTY_OPEN, DUTY_RELEASING, DUTY_RELEASED, DUTY_CLOSING, DUTY_CLOSED, DUTY_OPENING };

struct shard {
    uint32_t id;
    uint16_t gen;                  /* generation prefix of its keys in the store (R63) */
    uint8_t state;                 /* enum duty_state; of a node alone OPEN for ever */
    bool epoch_open : 1;           /* RECORD_EPOCH of this epoch was submitted (R30, R34) */
    bool rid_known : 1;            /* RECORD_RID was submitted, now or in an earlier life */
    uint64_t rid;                  /* random name of this copy of the data */
    uint64_t epoch;                /* ours; one more than any before: a primary never goes on in an old one (R34) */
    uint64_t last_seq;             /* given out */
    uint64_t durable_seq;          /* on our own disk */
    uint64_t commit_seq;           /* R23 */
    uint64_t applied_seq;          /* in the store */
    uint64_t applying_seq;         /* in the store when the step that runs, if one does, has ended */
    uint64_t load_barrier;         /* after a roll-back: loads wait until applied_seq has reached it */
    struct list gate;              /* struct gate_wait, by seq */
    struct reminders *reminders;   /* those due soon; from core_start on */
    struct session_table sessions; /* what clients were answered here */
    struct shard_tells *tells;     /* its channels; NULL: it has none yet */
    struct submission *touched_in; /* the open submission, if it has records of ours ... */
    uint32_t touched_at;           /* ... and where it notes them */
    uint32_t life;                 /* how often it was opened: what left in an earlier life comes back to nobody */
    uint64_t synced_epoch;         /* the newest that is durable as begun; 0: none, and no name either */
    uint32_t notes, notes_synced;  /* records of ours that are no entries: submitted, durable */
    uint64_t ran_ns;               /* its turns, as turn_watch.h has it; since load_measure ... */
    uint32_t arrived;              /* ... and calls that came, of a member's node */
    uint32_t load;                 /* load.h */
    struct history history;  /* which epoch wrote what, of a member's node; while `copy` has a machine, it knows */
    struct shard_copy *copy; /* replicas.h; NULL: this is, and was, the only copy */
    struct duty *duty;       /* of a member's node: what it is to be; NULL: no map had it yet */
};

/** Its actors, tells, reminders and sessions are in memory, or may be. */
static inline bool shard_serves(const struct shard *shard)
{
    return shard->state <= DUTY_RELEASED;
}

#endif
