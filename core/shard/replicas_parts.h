/* core/shard/replicas_parts.h: the inside of copies, for the files replicas*.c. */
#ifndef CORE_SHARD_REPLICAS_PARTS_H
#define CORE_SHARD_REPLICAS_PARTS_H

#include "core/shard/duty.h"
#include "core/shard/install.h"
#include "core/shard/replicas.h"
#include "core/shard/replicas_stats.h"
#include "core/shard/shard.h"

/* An entry that is not known to be committed. */
struct tail_entry {
    struct list node;
    uint64_t epoch, seq;
    uint64_t position;    /* in the log; UINT64_MAX: not durable */
    const void *moved_in; /* the submission with which it is written once more, further on; NULL: none */
    uint32_t size;
    uint8_t bytes[];
};

/* What a backup knows of sessions, in no table of its core's: nobody calls it. */
enum side_state { SIDE_NONE, SIDE_LOADING, SIDE_LOADED };

/* A snapshot for a learner. */
struct outgoing {
    struct list node; /* copy->outgoing */
    struct shard_copy *copy;
    uint64_t number, at_least;
    struct shard_export *export; /* NULL: it is not open */
    bool asked, over;
    bool wanted;            /* the machine waits for the next part, ... */
    struct pdr_bytes chunk; /* ... of what is left of this chunk; empty: of the next one */
};

/* A chunk of one that comes in. */
struct incoming_chunk {
    struct list node;
    bool last;
    uint32_t size, capacity;
    uint8_t bytes[];
};
enum incoming_state { INCOMING_NONE, INCOMING_WANTED, INCOMING_READY, INCOMING_BUSY, INCOMING_ENDS };
struct incoming {
    enum incoming_state state;
    uint64_t seq;
    struct keys_meta meta;
    struct list chunks, stale;
    struct incoming_chunk *begun; /* the parts of one, as far as they have come; NULL: none */
    bool owes_taken;
};

/* replicas_end.c: a copy that is not wanted any more. */
enum drop_state {
    DROP_NO,
    DROP_WAITS,  /* to be closed */
    DROP_CLOSED, /* it has no machine, and acknowledges nothing */
    DROP_ASKED,
    DROP_RUNS, /* its rows are being deleted */
};
struct dropping {
    enum drop_state state;
    uint64_t at_ns; /* of the next step */
    uint64_t number, index;
};

struct shard_copy {
    struct core *core;
    struct shard *shard;
    struct replica *replica; /* NULL: no row names it yet */
    struct cluster_shard row;
    uint64_t from_seq; /* entries up to there were made while it was the only copy, and are applied as such */
    bool led;          /* recovered: it promised its epoch as primary (R34) */
    bool row_waits;    /* `row` is told when all up to from_seq is durable */
    bool is_named;     /* RECORD_COPY is durable, under rid */
    bool is_lost;      /* it is of no use (R32b, R47) */
    bool was_cut, is_paused;
    /* noted by hooks */
    struct list unsettled;
    bool began, stepped_down, committed;
    uint64_t confirmed; /* a round (R14); 0: none */

    struct list tail;
    uint64_t tail_bytes, released_seq;
    uint32_t moving; /* entries with a moved_in */
    struct session_table side;
    enum side_state side_state;
    uint32_t side_life, side_jobs;
    struct list outgoing;
    struct incoming incoming;
    struct dropping drop;
    uint64_t alone_ns; /* since when; 0: it is not */
};

struct replicas {
    struct core *core;
    struct replicas_options options;
    struct replog *replog;
    struct peers shim; /* between core/replog and the core's links: replicas_links.c */
    const struct peer_handler *handler;
    void *handler_user;
    struct list unsettled;
    struct timer timer;
    struct session_names names; /* of the tables beside the core's */
    bool is_settling, is_dropping;
    uint64_t questions;
    struct timer leave_timer; /* replicas_leave.c */
    uint64_t leave_until_ns;
    void (*left)(void *user); /* NULL: nobody waits for it */
    void *left_user;
    struct replicas_stats stats; /* what is counted; the rest is looked at */
};

static inline struct shard_copy *copy_of(const struct shard *shard)
{
    return shard->copy;
}

/* replicas.c */
void copy_note(struct shard_copy *copy);
/** RECORD_COPY: its name, and whether it is one of several. */
void copy_write_name(struct shard_copy *copy, bool is_shared);
/** Its row has no other copies, nor is to have any. */
bool copy_row_is_alone(const struct shard_copy *copy);
void copy_free(struct shard_copy *copy);

/* replicas_hooks.c */
extern const struct replog_hooks replicas_hooks;

/* replicas_end.c */
/** With each tick: a copy that no row names, or that is of no use, takes the next step. May free it. */
void copy_consider_drop(struct shard_copy *copy);
/** With each tick: one that has no others any more needs no machine. May free it. */
void copy_consider_alone(struct shard_copy *copy);

/* replicas_tail.c */
void tail_push(struct shard_copy *copy, uint64_t epoch, uint64_t seq, uint64_t position, struct pdr_bytes payload);
void tail_cut(struct shard_copy *copy, uint64_t seq);
/** What was written is durable at `position`: up to `seq`, with that submission. */
void tail_durable(struct shard_copy *copy, uint64_t seq, const void *submission, uint64_t position);
/** What is on its way to the journal will not be written. */
void tail_refused(struct shard_copy *copy);
/** What is committed goes to the store. */
void tail_release(struct shard_copy *copy);
void side_drop(struct shard_copy *copy);

/* replicas_copy.c */
void outgoing_open(struct shard_copy *copy, uint64_t snapshot, uint64_t at_least);
void outgoing_read(struct shard_copy *copy, uint64_t snapshot);
void outgoing_close(struct shard_copy *copy, uint64_t snapshot);
/** The store has more. */
void outgoing_consider(struct shard_copy *copy);
void incoming_begin(struct shard_copy *copy, uint64_t seq, const struct control_epoch *history, uint32_t count);
void incoming_chunk(struct shard_copy *copy, struct pdr_bytes bytes, bool last);
void incoming_stop(struct shard_copy *copy);
/** Takes the next step, if it can. */
void incoming_step(struct shard_copy *copy);
void transfers_free(struct shard_copy *copy);

/* replicas_links.c */
void shim_init(struct replicas *replicas);

#endif
