/* core/shard/channel.h: the numbers of a channel: tells from one shard to another, n = 1, 2, ... (replication.md R87 to
 * R89). Pure: no rows, no messages, so that loss, repetition and disorder can be tested by the million.
 *
 *     sender    settled <= acked <= sent <= last     rows deleted, acknowledged, on the way or over, given out
 *     receiver  takes last + 1 and nothing else
 *
 * Numbers of entries that are undone (R74) go back with them, so (channel, n) never has two contents that were
 * committed; and a number leaves only when its entry is. */
#ifndef CORE_SHARD_CHANNEL_H
#define CORE_SHARD_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

/** The sender's end; zero is a channel that was never used. */
struct channel_out {
    uint64_t last;     /* given out */
    uint64_t sent;     /* the next to leave is sent + 1 */
    uint64_t acked;    /* all up to it are taken, for good */
    uint64_t settling; /* an entry that deletes the rows up to it is under way; 0: none is */
    uint64_t settled;  /* the rows up to it are deleted */
};

/** The number of the next tell, in an entry that is now being made. */
uint64_t channel_out_next(struct channel_out *out);
/** The entry of `n` is undone. */
void channel_out_undo(struct channel_out *out, uint64_t n);
/** May `n`, whose entry is committed, leave now? In order only. If so it counts as sent. */
bool channel_out_send(struct channel_out *out, uint64_t n);
/** The receiver has it, for good. */
void channel_out_acked(struct channel_out *out, uint64_t n);
/** The receiver did not take it (or asks for one before it): it must leave again, and all behind it. */
void channel_out_refused(struct channel_out *out, uint64_t n);

/** Rows whose deletion can be written now: settled + 1 to the number returned. 0: none, or some are under way. */
uint64_t channel_out_settle(struct channel_out *out, uint64_t rows_max);
/** What became of the entry. */
void channel_out_settled(struct channel_out *out, bool committed);
/** Are there rows to delete? */
static inline bool channel_out_owes(const struct channel_out *out)
{
    return out->acked > out->settled;
}

/** At start: `n` was found, in a row of the outbox, or as the number up to which rows were deleted (`settled`). */
void channel_out_found(struct channel_out *out, uint64_t n, bool settled);

/** The receiver's end. */
struct channel_in {
    uint64_t last; /* taken */
    uint64_t seq;  /* of the entry that says so */
};

enum channel_verdict {
    CHANNEL_TAKE,  /* it is the next */
    CHANNEL_AGAIN, /* taken before: acknowledge when `seq` is committed, and do nothing else */
    CHANNEL_NEED,  /* last + 1 is missing */
};

enum channel_verdict channel_in_judge(const struct channel_in *in, uint64_t n);
/** `n` is taken by the entry `seq`. */
void channel_in_take(struct channel_in *in, uint64_t n, uint64_t seq);
/** The entry that took `n` is undone. */
void channel_in_undo(struct channel_in *in, uint64_t n);

#endif
