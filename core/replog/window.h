/* core/replog/window.h: the newest entries of a shard's log, in memory, so that slow members and learners can be served
 * without reading the log back (replication.md R60, R61). Who needs more than it has gets a snapshot.
 *
 * It has no gaps and ends with the log, or is empty. One allocation an entry. */
#ifndef CORE_REPLOG_WINDOW_H
#define CORE_REPLOG_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include <perdure/bytes.h>

struct window_entry {
    uint64_t epoch;
    uint32_t size;
    uint8_t bytes[];
};

/** All zero, but for `total`, is empty. */
struct window {
    struct window_entry **ring; /* `capacity` of them, a power of two: entry seq is at seq % capacity */
    uint32_t capacity, count;
    uint64_t first_seq; /* of those that are there */
    uint64_t bytes;     /* of the entries, with what each costs */
    uint64_t *total;    /* of all windows that share it; NULL: nobody counts */
};

void window_release(struct window *window);
/** The entry behind the last one; copied. Into an empty window, any. */
void window_push(struct window *window, uint64_t epoch, uint64_t seq, struct pdr_bytes payload);
/** NULL: it is not there (any more, or yet). */
const struct window_entry *window_get(const struct window *window, uint64_t seq);
/** Entries after `seq` are void. */
void window_cut(struct window *window, uint64_t seq);
/** While it has more than `bytes_max`, the oldest go; but none after `seq`, which others may still need. */
void window_trim(struct window *window, uint64_t seq, uint64_t bytes_max);

#endif
