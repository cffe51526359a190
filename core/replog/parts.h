/* core/replog/parts.h: the structs of core/replog, for its own files. */
#ifndef CORE_REPLOG_PARTS_H
#define CORE_REPLOG_PARTS_H

#include "core/env/clock.h"
#include "core/replog/history.h"
#include "core/replog/message.h"
#include "core/replog/replog.h"
#include "core/replog/set.h"
#include "core/replog/window.h"

/* Numbers of replication.md section 14, and how often what had no answer is said again. */
#define REPLOG_RETRY_NS (250 * NS_PER_MS)   /* NEWEPOCH, CONFIRM, a question how far the other is */
#define REPLOG_SILENT_NS (1500 * NS_PER_MS) /* R42: a copy without progress is removed */
#define REPLOG_AWAY_NS (500 * NS_PER_MS)    /* R42: the same, of a copy whose node cannot be reached */
#define REPLOG_ANSWER_NS NS_PER_S           /* R44: a proposal without an answer is settled by TOUCH ... */
#define REPLOG_PATIENCE_NS (8 * NS_PER_S)   /* ... and that by another, later and later, but not more than this */
#define REPLOG_DRAIN_NS (100 * NS_PER_MS)   /* R50: a move that has not drained by then is given up */
#define REPLOG_AGAIN_NS NS_PER_S            /* after what was given up or refused */
#define REPLOG_NEAR 64u                     /* R50: entries that who takes over may lack when a move begins */

enum backup_phase {
    BACKUP_ASKED,      /* NEWEPOCH has no answer yet */
    BACKUP_STREAMED,   /* it follows, and is sent what it lacks */
    BACKUP_INSTALLING, /* it follows, and is sent a snapshot */
};

/* A snapshot on its way to a learner. */
struct sending {
    uint64_t number;
    uint64_t seq; /* 0: not open yet */
    uint64_t sent, taken;
    bool begun;   /* SNAP_BEGIN is sent */
    bool reading; /* the host was asked for a chunk */
    bool read;    /* it has given the last one */
};

/* Another copy, as its primary sees it. */
struct backup {
    struct list of_primary, of_link;
    struct list dirty; /* of the link, if it has something to be told */
    struct replica *replica;
    struct link *link;
    uint64_t rid; /* as it said in this epoch; 0: nothing yet */
    enum backup_phase phase;
    uint64_t acked, applied;
    uint64_t next;                   /* to be sent */
    uint64_t told;                   /* what is committed, as it was told last */
    uint64_t asked_ns;               /* when it was last asked something; 0: to be asked at once */
    uint64_t progress_ns;            /* when it last had all, or more than before */
    uint64_t gap_ns, gap_seq;        /* the last GAP, for its doubles */
    uint64_t asked_round, confirmed; /* R14 */
    uint64_t asked_cv, cv;           /* of a row: it was told, and has answered since: R65 */
    bool is_lost, is_full, is_poked, is_leaving;
    struct sending sending; /* number 0: none */
};

/* What was proposed and is not settled. */
struct proposed {
    struct replog_proposal proposal; /* kind REPLOG_NONE: nothing */
    uint64_t sent_ns;
    uint64_t touch_number, touched_ns; /* R44; 0: not */
    uint64_t patience_ns;              /* from one TOUCH to the next */
};

struct primary {
    struct replica *replica;
    struct list node;    /* of replog->primaries, if it has backups */
    struct list confirm; /* of replog->confirm, if a round has just begun */
    uint64_t start_seq;
    bool opened; /* RECORD_EPOCH is durable */
    bool ready, paused, released;
    struct copies set; /* the commit set (R23) */
    struct list backups;
    uint32_t backup_count;
    struct proposed proposed;
    uint64_t again_ns;             /* nothing is proposed before */
    uint64_t move_ns;              /* no move is tried before */
    uint64_t paused_ns;            /* since when */
    uint64_t alone_ns;             /* since when no other copy could be reached; 0: one can (R45) */
    uint64_t round, rounds_wanted; /* R14: the one that runs, or ran last; one more than that is wanted */
    bool confirming;
};

/* A snapshot that comes in. */
struct installing {
    uint64_t number;
    uint64_t seq, next;
    bool last; /* all is there; the host is switching */
    struct control_epoch history[CONTROL_HISTORY_MAX];
    uint32_t history_count;
};

struct replica {
    struct replog *replog;
    uint32_t shard;
    void *user;
    uint64_t rid;
    uint64_t promised;
    bool follows; /* ... and RECORD_CUT of it is durable: it takes APPENDs */
    bool led;
    bool is_lost, is_full;
    uint64_t full_ns; /* since when */
    uint64_t last_seq, durable_seq, commit_seq, applied_seq;
    uint64_t leader_cv; /* the highest that a primary has told */
    uint64_t told_seq;  /* committed, as its primary says; it may not have it yet */
    struct history history;
    struct window window;
    struct cluster_shard row;      /* cv 0: none yet */
    struct primary *primary;       /* NULL: it follows */
    struct link *leader;           /* whom to answer */
    struct list acks;              /* of that link, if there is something to acknowledge */
    struct installing *installing; /* NULL: none */
};

/* To the core of another node that has the same shards. */
struct link {
    struct list node;
    struct replog *replog;
    uint64_t id;
    uint64_t life;       /* 0: it cannot be reached */
    uint64_t changed_ns; /* when that began or ended */
    bool is_busy;        /* it has no room; what waits in `out` goes first */
    struct list backups; /* all that are behind it */
    struct list dirty, acks;
    struct list flush; /* of replog->flush, if it has something to send */
    pdr_writer out;
};

struct replog {
    struct replog_options options;
    struct replog_hooks hooks;
    uint64_t now_ns;
    uint64_t numbers;          /* of proposals and snapshots */
    bool leaves;               /* replog_leave */
    uint64_t window_bytes;     /* of all copies */
    struct replica **replicas; /* by shard */
    uint32_t count, capacity;
    struct list links, primaries, confirm, flush;
    pdr_writer scratch;
};

/* links.c */
struct link *link_to(struct replog *replog, uint64_t node);
void links_listen(struct replog *replog);
/** Small ones: they wait in `out`, and are lost with the life of the link. */
void link_say(struct link *link, const struct replog_message *message);
void link_wake(struct link *link);
void backup_wake(struct backup *backup);
void replica_ack(struct replica *replica);

/* primary.c */
/** After a row: R30, R43. */
void primary_consider(struct replica *replica);
void primary_step_down(struct replica *replica);
void primary_durable(struct replica *replica);
void primary_commit(struct replica *replica);
bool primary_receive(struct replica *replica, struct link *from, const struct replog_message *message);
void primary_tick(struct replica *replica);
void primary_confirm_consider(struct replica *replica);

/* backup.c */
void backups_sync(struct replica *replica);
void backups_wake(struct replica *replica);
void backup_free(struct backup *backup);
struct backup *backup_find(const struct replica *replica, uint64_t node);
/** Writes what it is to be told; true if there is more than fits a group. */
bool backup_write(struct backup *backup, pdr_writer *out);
void backup_up(struct backup *backup);
void backup_gone(struct backup *backup);
void backup_tick(struct backup *backup);
void backup_follows(struct backup *backup, const struct message_follows *message);
void backup_acked(struct backup *backup, const struct message_ack *message);
void backup_refused(struct backup *backup, const struct message_nack *message);
bool backup_has_all(const struct backup *backup);

/* change.c */
void change_consider(struct replica *replica);
/** A row with another cv is there: whatever was proposed is settled. */
void change_settled(struct replica *replica);

/* follower.c */
void follower_receive(struct replica *replica, struct link *from, const struct replog_message *message);
/** `more`: entries, not only the epoch. */
void follower_durable(struct replica *replica, bool more);
void follower_refuse(struct replica *replica, struct link *to, uint64_t epoch, enum nack_reason reason);
/** Its primary is to know that this process ends soon. */
void follower_leave(struct replica *replica);
void replica_lost(struct replica *replica, const char *why);
void replica_append(struct replica *replica, uint64_t epoch, struct pdr_bytes payload);

/* snapshot.c */
void sending_begin(struct backup *backup);
void sending_end(struct backup *backup);
void sending_consider(struct backup *backup);
void sending_taken(struct backup *backup, const struct message_snap_taken *message);
void sending_write_begin(struct backup *backup, pdr_writer *out);
void installing_begin(struct replica *replica, struct link *from, const struct message_snap_begin *message);
void installing_chunk(struct replica *replica, struct link *from, const struct message_snap_chunk *message);
/** If it can still be stopped. */
void installing_stop(struct replica *replica);

static inline uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t earlier_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
