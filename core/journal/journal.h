/* core/journal/journal.h: the node's own log under all shards (replication.md sections 9 and 11 (a)).
 *
 * Core threads submit batches of records; the journal, on a loop of its own, writes everything that gathered while the
 * last group was syncing as one group, makes it durable with one fdatasync, and tells each core. Positions are bytes
 * from the beginning of time; they never repeat, though segments are recycled. An error of write or sync is final: the
 * journal calls `failed` and answers nothing more, for the kernel may have dropped the pages (R27). */
#ifndef CORE_JOURNAL_JOURNAL_H
#define CORE_JOURNAL_JOURNAL_H

#include "core/base/metrics.h"
#include "core/env/loop.h"
#include "core/journal/disk.h"
#include "core/journal/record.h"

struct journal;

/** Records on their way to disk. Embed or allocate; the journal borrows it, and `records`, until `done`. */
struct journal_batch {
    struct message message;  /* the journal's, on both ways */
    struct journal *journal; /* the journal's */
    struct loop *home;       /* where `done` is called */
    const void *records;     /* encoded, one after another (record_size) */
    uint32_t size;
    uint32_t entries; /* how many of them are entries: who waits for this batch, roughly */
    /* On `home`'s thread, in the order submitted. PDR_OK: durable. PDR_NO_SPACE (R74): not written, nor will be what
     * this home submits before journal_resume: entries of a shard must not have gaps. */
    void (*done)(struct journal_batch *batch, enum pdr_status status);
    uint64_t begin, end; /* positions of the group it went with and of the next; set when durable */
};

/** All are needed. */
struct journal_hooks {
    void *user;
    /** Final: R27. The node must end at once; `why` is a sentence. On the journal's loop. */
    void (*failed)(void *user, const char *why);
    /** A segment was filled, or 60 s passed since the last call with anything written: please flush the store and call
     * journal_release, so that old segments can be recycled. On the journal's loop, when all that is durable was
     * answered; not again before journal_release. */
    void (*want_checkpoint)(void *user);
};

/** Sizes are multiples of 4 KiB. */
struct journal_options {
    uint64_t segment_bytes;       /* 0: 64 MiB */
    uint64_t first_segment_bytes; /* of an empty log, so that the first start is quick; 0: 4 MiB */
    uint64_t bytes_max;           /* of all segments; 0: 1 GiB; at least two segments. Beyond: journal_unreleasable */
    uint32_t group_bytes_max;    /* as written; 0: 1 MiB. A single batch may be larger than that, and than a segment. */
    uint8_t log_id[LOG_ID_SIZE]; /* of a new log: random. All zero: the operating system's choice */
};

/** What recovery found, for the log and for `perdure status`. */
struct journal_recovery {
    uint64_t records, groups, bytes;
    bool torn; /* the last group was torn by a crash: cut off, as it may be (R71) */
    uint64_t torn_position;
    char corrupt[512]; /* a sentence that says where and what to do, when journal_open fails with PDR_INTERNAL */
};

/**
 * Opens the log on `disk` (taken on PDR_OK), creating it if the directory is empty, and calls `each` for every record
 * of every group in order, oldest first; `position` is its group's. Blocks; call before the loop runs, on the thread
 * that will own it: the journal takes its timer and before_sleep. PDR_INTERNAL with recovery->corrupt set if anything
 * but the tail is damaged (R71). What is read of an unsynced tail is durable when the first batch is answered.
 */
enum pdr_status journal_open(struct disk *disk, struct loop *loop, const struct journal_options *options,
                             const struct journal_hooks *hooks,
                             void (*each)(void *user, const struct record *record, uint64_t position), void *user,
                             struct journal **out, struct journal_recovery *recovery);

/** Any thread. Batches of one `home` become durable, and are answered, in the order submitted. */
void journal_submit(struct journal *journal, struct journal_batch *batch);

/**
 * On `home`'s thread. After a batch was refused with PDR_NO_SPACE so is every other that `home` submits, however much
 * room there is by then, until it calls this. So a core can roll back: it submits nothing more, waits for the answers
 * to what it had submitted (all refused), undoes those turns, and resumes. What it submits from then on is written if
 * there is room. The journal tries to make room each second and with each journal_release.
 */
void journal_resume(struct journal *journal, struct loop *home);

/** Any thread. Everything before `position` is in the store, and the store was flushed: its segments may go. */
void journal_release(struct journal *journal, uint64_t position);

/** Any thread, before journal_release. Whether the last checkpoint could not release all that it should have, since
 * entries wait for other nodes to acknowledge them: then the log may be sixteen times as long as bytes_max. */
void journal_hold(struct journal *journal, bool held);

/** Any thread. No checkpoint can be made for now, because the store has no room or the node stops. Until the next
 * journal_release a log as long as bytes_max answers PDR_NO_SPACE; else it lets batches wait until there is room. */
void journal_unreleasable(struct journal *journal);

/** On the journal's loop, when nobody calls any other function of it any more. Ends when what was submitted is durable
 * and answered; then `closed` fires and the journal and its disk are gone. After `failed` it ends at once. */
void journal_close(struct journal *journal, void (*closed)(void *user), void *user);
/** Without a loop: if it has not run yet, because something else could not be opened; or the simulator's crash, when it
 * has stopped for good. Delivers what the inbox holds and frees it all; nothing is written, answered or called. */
void journal_free(struct journal *journal);

/** Any thread; a copy of counters that may be a moment old. */
struct journal_stats {
    uint64_t groups, syncs, batches, bytes, sync_ns_total, sync_ns_max, position, segments, released;
    struct metrics_histogram sync_us, group_bytes, group_batches;
};
void journal_stats(struct journal *journal, struct journal_stats *out);

#endif
