/* core/journal/journal_state.h: what a journal is made of. For journal.c, journal_open.c and journal_group.c alone. */
#ifndef CORE_JOURNAL_JOURNAL_STATE_H
#define CORE_JOURNAL_JOURNAL_STATE_H

#include <stdatomic.h>

#include "core/env/clock.h"
#include "core/journal/batches.h"
#include "core/journal/control.h"
#include "core/journal/gather.h"
#include "core/journal/journal.h"
#include "core/journal/segments.h"

#define JOURNAL_COVER_NS (100 * NS_PER_MS) /* R71: idle for that long, an empty group covers the last one */

/* Written by the journal's thread alone. Others only look, at one number at a time: relaxed order is enough. */
struct shared_histogram {
    _Atomic uint64_t sum, buckets[METRICS_BUCKETS];
};

struct counters {
    _Atomic uint64_t groups, syncs, batches, bytes, sync_ns_total, sync_ns_max, position, segments, released;
    struct shared_histogram sync_us, group_bytes, group_batches;
};

struct journal {
    struct loop *loop;
    struct disk *disk;
    struct journal_hooks hooks;
    struct segments segments;
    struct control_table control;
    struct counters counters;
    uint8_t log[LOG_ID_SIZE];
    uint32_t group_bytes_max;
    uint64_t position; /* where the next group goes; everything before is durable unless busy */

    struct batches batches;
    struct gather gather;
    bool busy; /* a write_sync is under way */
    bool pumping;
    bool failed;     /* R27 */
    uint8_t *buffer; /* the group that is written */
    uint32_t capacity;
    uint32_t group; /* its size */
    bool rolled;    /* it is the first of its segment */

    bool covered;     /* the last group is empty, or there is none (R71) */
    uint64_t last_ns; /* when it was synced */
    bool filled, written, checkpointing;
    uint64_t checkpoint_ns, retry_ns, armed_ns;

    bool closing, drained; /* asked to close; and nothing is left in the inbox */
    void (*closed)(void *user);
    void *closed_user;
};

static inline void journal_set(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline void journal_count(_Atomic uint64_t *counter, uint64_t more)
{
    journal_set(counter, atomic_load_explicit(counter, memory_order_relaxed) + more);
}

static inline void journal_measure(struct shared_histogram *histogram, unsigned bucket, uint64_t value)
{
    journal_count(&histogram->sum, value);
    journal_count(&histogram->buckets[bucket], 1);
}

/** Moves on whatever can: groups, chores, timers. Called at the end of each turn of the loop, and when something in the
 * background has ended; the journal may be gone when it returns, so let it be the last thing done. */
void journal_pump(struct journal *j);
/** Writes the next group if there is something to write, and room. False: not now. */
bool journal_write_next(struct journal *j);
/** R27: the kernel may have dropped what it could not write, so nothing is tried again and nobody hears of anything. */
void journal_fail(struct journal *j);
/** Sets the loop's timer to whatever comes first. */
void journal_arm(struct journal *j, uint64_t now);
/** The loop's callbacks. */
void journal_on_timer(void *user);
bool journal_before_sleep(void *user);

#endif
