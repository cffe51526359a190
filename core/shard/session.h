/* core/shard/session.h: what one shard knows of clients' sessions: the results of their calls, by number
 * (replication.md R80 to R82). Pure: no clock, no store, no core; sessions.h is what a core does with it.
 *
 * In the log a result travels as a small row beside what the turn wrote, so that both are one entry. In the store a
 * session has one row a shard, with its floor and all results above it, written once an apply step however many calls
 * were answered in it. Both are rows of KEYS_SESSION. The key is `kind u8, id`, but for 'R', whose key is the kind
 * alone: a log's row is never looked up, and there is one of them a call, so it is as short as may be.
 *
 *     'H'  the session is open; in its home shard alone      version u8
 *     'P'  what the shard knows of it; in the store alone    version u8, floor u64, results
 *     'R'  a result; in the log alone                        version u8, form and state u8, numbers, outcome
 *
 *     numbers  narrow, form 0: shard u16 | n - floor u16 | epoch u32 | seq u32 | n u32 | random u64 | print u32
 *              wide, form 128: shard u32 | n - floor u64 | epoch u64 | seq u64 | n u64 | random u64 | print u32
 *     result   n u64 | print u32 | state u8 | size u32 | outcome
 *     state    1 begun, no outcome | 2 failed | 3 succeeded: the outcome is the encoded reply
 *     outcome  of a failure: code size u8 | text size u8 | code | text
 *
 * Little endian. A deletion of 'H' ends the session, one of 'P' what the shard knows of it. Decoding trusts nothing. */
#ifndef CORE_SHARD_SESSION_H
#define CORE_SHARD_SESSION_H

#include <perdure/status.h>

#include "core/base/limits.h"
#include "core/base/list.h"
#include "core/base/timerwheel.h"
#include "core/session_id.h"
#include "core/shard/rows.h"
#include "core/shard/session_names.h"

/** Numbers of a session that are not acknowledged span at most so many (R81); the highest raises the floor. */
#define SESSION_SPAN ((uint64_t)LIMIT_SESSION_SPAN)
#define SESSION_KEY_SIZE (1u + SESSION_ID_SIZE)

/** How a call ended, as its client hears it. Slices are borrowed. */
struct session_outcome {
    struct pdr_bytes code; /* empty: success */
    struct pdr_bytes text; /* a sentence, on failure */
    struct pdr_bytes reply;
};

/** The call runs now, and waits for something: whoever comes with its number meanwhile waits too. */
struct session_run {
    struct list waiting; /* struct call */
};

#define SESSION_OUTCOME_NEAR 8u /* bytes of an outcome that lie in its record: most counters' and flags' */
#define SESSION_OUTCOME_MAX ((1u << 29) - 1)

struct session_record {
    uint64_t n;
    uint64_t ended_seq, begun_seq; /* the entries that say so; 0 is one that the store has */
    struct session_run *run;       /* NULL: it does not run */
    uint32_t print;
    uint32_t size : 29; /* of the outcome */
    uint32_t ended : 1, failed : 1;
    uint32_t begun : 1; /* it committed a part (R81, "commit before call") */
    union {
        uint8_t near[SESSION_OUTCOME_NEAR];
        uint8_t *far; /* if it is larger */
    } outcome;
};

/** Of an open session, in its home shard alone; what is not `seq` is session_home.c's. */
struct session_home {
    uint64_t seq;     /* the entry that opened it */
    uint32_t holders; /* connections that have it: one, and those that were taken over and still run calls */
    void *holder_core;
    uint64_t holder, holder_node, holder_life; /* holder_node 0: of this one */
    struct timer idle;                         /* runs while nobody has it */
    struct session *session;
    void *core;
};

#define SESSION_RECORDS_NEAR_BITS 1u /* two, as a rule: the newest, and one not acknowledged yet */

/** One session in one shard, its part there: as small as may be, for a session may have called every shard; and what a
 * call needs of it is in front and side by side, for by then none of it is in the processor's cache. */
struct session {
    struct session_name *name; /* what it is in all shards of the core */
    uint64_t floor;            /* calls below it are done with: they are never run again */
    uint64_t highest;
    struct session_record *records; /* [first, first + count) by n, of 2^bits; `near`, or the heap's */
    size_t bytes;                   /* of the records */
    uint32_t first, count;
    uint32_t shard; /* whose table it is in */
    uint32_t place; /* in table->all */
    uint32_t dirty; /* its place in table->dirty, from 1, while the store's row is old; else 0 */
    uint8_t bits;
    bool has_part; /* it has a row 'P', or will */
    bool over;     /* and is to lose it, for the session is */
    struct session_record near[1u << SESSION_RECORDS_NEAR_BITS];
    struct session_home *home; /* NULL: it is not open, or not here */
    struct list over_node;     /* core->sessions_over */
};

/** Arrays: to join a list would touch a neighbour that is not in the cache either. */
struct session_table {
    struct session_names *names; /* of its core */
    struct session **all;
    struct session **dirty;
    uint32_t count, capacity;
    uint32_t dirty_count, dirty_capacity;
    size_t bytes;                    /* of all sessions and records */
    size_t record_bytes;             /* of records alone */
    size_t charged, charged_records; /* what its core counts of them */
    uint32_t homes;
    uint32_t shard;
};

/** A row for the store. Those of a table lie in one block of memory. */
struct session_row {
    struct session_row *next;
    bool is_block; /* the block begins with it */
    uint32_t shard, value_size;
    uint8_t key[1 + SESSION_KEY_SIZE]; /* with the table's byte in front, as in a log entry */
    uint8_t value[];
};

/** `names` is borrowed, the same for all tables of a thread. */
void session_table_init(struct session_table *table, uint32_t shard, struct session_names *names);
/** Empty, and of no use but for session_table_move. */
void session_table_release(struct session_table *table);
/** `to` is released, and keeps its names; `from` is empty then. */
void session_table_move(struct session_table *to, struct session_table *from);

/** NULL if this shard knows nothing of it. */
struct session *session_find(const struct session_table *table, const struct session_id *id);
/** Makes it at the first call. */
struct session *session_get(struct session_table *table, const struct session_id *id);
/** Calls `each` for every session, the newest first. It may make the table forget the one it is given, and no other. */
void session_each(struct session_table *table, void (*each)(struct session *session, void *user), void *user);
/** Opens it, if it is not open; and no longer, if it is. A timer that is set must be cancelled first. */
void session_open(struct session_table *table, struct session *session, uint64_t seq);
void session_close(struct session_table *table, struct session *session);
/** NULL: there is nothing under that number. */
struct session_record *session_record(const struct session *session, uint64_t n);
/** The i-th of session->count, by n. As the one above: valid until the session is changed. */
static inline struct session_record *session_record_at(const struct session *session, uint32_t i)
{
    return &session->records[session->first + i];
}
/** The floor once the client has acknowledged that. */
uint64_t session_floor(const struct session *session, uint64_t ack_below);
/** Drops what the client has acknowledged; the store hears of it with the next row. */
void session_acknowledge(struct session_table *table, struct session *session, uint64_t ack_below);
/** The call runs, and waits: makes a record that no entry has. */
void session_run_begin(struct session_table *table, struct session *session, const struct call_session *call);
/** It has ended: moves who waited to `waiting`, and forgets a record that no entry has. */
void session_run_end(struct session_table *table, struct session *session, uint64_t n, struct list *waiting);

/** Puts into `rows`, as the log has it, that the call has this result; NULL: that it has committed a part. Whoever
 * commits `rows` as an entry hands its rows to session_note. */
void session_put_result(struct rows *rows, const struct call_session *call, const struct session_outcome *outcome);
void session_put_home(struct rows *rows, const struct session_id *id);
void session_delete_home(struct rows *rows, const struct session_id *id);
void session_delete_part(struct rows *rows, const struct session_id *id);

/** A row of an entry, or (seq 0) of the store, is taken into the table. `key` is without the table's byte.
 * PDR_INVALID: it is malformed, and nothing was taken of a result; of an 'P' something may have been. */
enum pdr_status session_note(struct session_table *table, struct pdr_bytes key, struct pdr_bytes value, bool deleted,
                             uint64_t seq) PDR_MUST_CHECK;
/** Does this row of an entry stay in the log (it is in an 'P' of the store)? */
bool session_is_log_only(struct pdr_bytes key);

/** Entries after `seq` were undone (R74). Floors stay up: what was forgotten must not run again. */
void session_roll_back(struct session_table *table, uint64_t seq);

/** The store's row of it is to go: it is not written any more. */
void session_is_over(struct session_table *table, struct session *session);
/** Rows 'P' that the store lacks, as of entry `seq`; the caller frees them, with others in one list if it likes. */
struct session_row *session_save(struct session_table *table, uint64_t seq);
void session_rows_free(struct session_row *rows);

/** Encoded; `size` bytes. */
static inline const uint8_t *session_record_bytes(const struct session_record *record)
{
    return record->size > SESSION_OUTCOME_NEAR ? record->outcome.far : record->outcome.near;
}
/** The outcome of a record that has `ended`. */
struct session_outcome session_record_outcome(const struct session_record *record);

#endif
