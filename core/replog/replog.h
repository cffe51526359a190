/* core/replog/replog.h: the replicated logs of a core's shards: primary, backup and learner as state machines.
 *
 * replication.md is the protocol; rule numbers (R..) are its. Here is what happens between "a turn made an entry" and
 * "it is committed", and all that may come between: fail-over, copies that come and go, moves. No I/O, no clock, no
 * threads: what happens is told by functions, what is to be done by hooks, so the simulator drives the code that
 * production runs. docs/internals/replication.md says rule by rule where it is.
 *
 *     rows of the directory ---+                         +--> records for the node's journal
 *     entries that turns made -+--> machines of shards --+--> committed, ready, stepped down, cut
 *     durable, applied --------+          |   ^          +--> proposals to the directory (ADD, REMOVE, ...)
 *     time --------------------+        GROUP frames
 *                                  (core/env/peer.h, one a link and tick)
 *
 * A copy is a *primary* while `primary` is set, else it *follows* whoever it last promised; a *learner* follows too,
 * and is only not in the directory's isr. What a node alone costs: a copy whose isr is itself commits what is durable.
 *
 * One thread: the core's. Hooks are called from inside the functions below and call none of them back, except the
 * plain questions (replog_is_primary, ...); what a hook is told to do it does later, or notes. */
#ifndef CORE_REPLOG_REPLOG_H
#define CORE_REPLOG_REPLOG_H

#include "core/cluster/row.h"
#include "core/env/peer.h"
#include "core/journal/control.h"
#include "core/journal/record.h"
#include "core/replog/history.h"

struct replog;
struct replica;

/** What a primary asks of the directory: a command of consensus/command.h on the shard's entry at `cv`. */
enum replog_proposal_kind {
    REPLOG_NONE,
    REPLOG_ADD,      /* R41 */
    REPLOG_REMOVE,   /* R42; by rid */
    REPLOG_TRANSFER, /* R45, R50 */
    REPLOG_TOUCH,    /* R44 */
    REPLOG_LOST,     /* R47: the copy `rid` is gone */
};
struct replog_proposal {
    enum replog_proposal_kind kind;
    uint32_t shard;
    uint64_t cv, node, rid;
    uint64_t number; /* names it: for replog_proposed */
};

/** All are needed; `user` is the replica's (struct replica_options). */
struct replog_hooks {
    /** Into the node's journal, behind all that was given of this shard before; payload borrowed until it returns.
     * `promised`: to be told with replog_durable. An entry that the host made itself does not come here, except after
     * the journal had no room. */
    void (*journal)(void *user, const struct record *record, uint64_t promised);
    /** Up to there entries are acknowledged and on the own disk: open the gate (R25), apply (R24). */
    void (*committed)(void *user, uint64_t seq);
    /** R30: it is the primary of that epoch: activations and overlay are new, made of the log so far. Turns may run. */
    void (*began)(void *user, uint64_t epoch);
    /** R33: reads may be answered. */
    void (*ready)(void *user);
    /** It is primary no more: activations and whatever waits in the gate go; nothing that waited has an answer. */
    void (*stepped_down)(void *user);
    /** Entries after `seq` are void (R32): none of them was applied. */
    void (*cut)(void *user, uint64_t seq);
    /** R50: take no more turns, or take them again. */
    void (*paused)(void *user, bool paused);
    /** While paused: no turn is running that could still make an entry. */
    bool (*is_quiet)(void *user);
    /** To the directory; the outcome to replog_proposed, if there is one. */
    void (*propose)(void *user, const struct replog_proposal *proposal);
    /** R14: all reads that asked in this round or an earlier one may be answered. */
    void (*confirmed)(void *user, uint64_t round);
    /** This copy is not to be used any more (R32b, R47): make a new one, under a new rid. */
    void (*lost)(void *user, const char *why);
    /** Something that must never be (I4 to I7): the node stops. */
    void (*broken)(void *user, const char *why);

    /** R62, at the primary: open a snapshot as of `at_least` or later: replog_snapshot_opened. */
    void (*snapshot_open)(void *user, uint64_t snapshot, uint64_t at_least);
    /** The next chunk, please: replog_snapshot_chunk. One is asked for at a time. */
    void (*snapshot_read)(void *user, uint64_t snapshot);
    void (*snapshot_close)(void *user, uint64_t snapshot);
    /** R63, at the learner: everything as of `seq` follows, with that history. */
    void (*install_begin)(void *user, uint64_t seq, const struct control_epoch *history, uint32_t history_count);
    /** Borrowed until it returns; then replog_install_taken when the next may come. After the last one the copy is
     * switched to what was installed (RECORD_SNAP), and replog_installed called when that is durable. */
    void (*install_chunk)(void *user, struct pdr_bytes bytes, bool last);
    /** It will not be finished. Not after the last chunk. */
    void (*install_stop)(void *user);
};

struct replog_options {
    uint64_t node;            /* this one */
    uint64_t incarnation;     /* of this process (R34) */
    struct peers *peers;      /* PEER_REPLICA is listened to */
    uint64_t window_bytes;    /* entries kept for who is slow, of all shards together; 0: 64 MiB */
    uint32_t group_bytes;     /* about, of a frame; 0: 1 MiB */
    uint32_t snapshot_window; /* chunks sent and not taken; 0: 4 */
};

/** What the log said at start, or of a copy that was just made. */
struct replica_options {
    uint32_t shard;
    void *user;
    uint64_t rid;
    uint64_t promised;
    bool led;          /* it promised that epoch as its primary, by a RECORD_EPOCH (R34) */
    uint64_t last_seq; /* all of it durable */
    uint64_t applied_seq;
    const struct control_epoch *history;
    uint32_t history_count;
};

/** Hooks are copied. */
struct replog *replog_new(const struct replog_options *options, const struct replog_hooks *hooks, uint64_t now_ns);
/** With all that is in it. The peers no longer call. */
void replog_free(struct replog *replog);
/** Every 50 ms or so. The clock is CLOCK_BOOTTIME; the machines know no other. */
void replog_tick(struct replog *replog, uint64_t now_ns);
/** This process will end soon. From the next tick on whoever else is in sync is to lead (R50), and those who lead are
 * to wait for this node's copies no more; until that is so all goes on as ever. */
void replog_leave(struct replog *replog);
/** All that could be done without this node's copies is done without them. */
bool replog_has_left(const struct replog *replog);
/** End of a tick of the loop: what gathered leaves, one frame or more a link. */
void replog_flush(struct replog *replog);

/** A copy of the shard on this node; one a shard. */
struct replica *replog_open(struct replog *replog, const struct replica_options *options);
void replog_close(struct replica *replica);
struct replica *replog_find(const struct replog *replog, uint32_t shard);
/** At start, entries after applied_seq, in order, before anything else is told: they may have to be sent. */
void replog_recovered(struct replica *replica, uint64_t epoch, uint64_t seq, struct pdr_bytes payload);

/** Instead of a row that promotes it: this process leads already, in row->epoch, and was the only copy until now, so
 * that all it had on disk up to `durable_seq` is committed. From here on the others have a say. */
void replog_resume(struct replica *replica, const struct cluster_shard *row, uint64_t durable_seq);
/** A row of the directory (R43). May be late; older ones than known are ignored. */
void replog_row(struct replica *replica, const struct cluster_shard *row);
/** How a proposal ended. `done`: it was applied, or was refused; not told of what nobody knows. */
void replog_proposed(struct replica *replica, uint64_t number, bool done);

/** The next entry, at a primary that replog_admits: its seq. The host writes it into the journal. */
uint64_t replog_made(struct replica *replica, struct pdr_bytes payload);
/** All that was given to the journal up to the record of `seq`, written under `promised`, is on disk. */
void replog_durable(struct replica *replica, uint64_t promised, uint64_t seq);
/** In the store. */
void replog_applied(struct replica *replica, uint64_t seq);
/** R74: what was given to the journal and is not durable was not written, nor will be; then: there is room again. */
void replog_no_space(struct replica *replica);
void replog_space(struct replica *replica);

void replog_snapshot_opened(struct replica *replica, uint64_t snapshot, uint64_t seq);
void replog_snapshot_chunk(struct replica *replica, uint64_t snapshot, struct pdr_bytes bytes, bool last);
void replog_install_taken(struct replica *replica);
void replog_installed(struct replica *replica);

/** R14: a round of questions that begins after this call; hooks.confirmed names it. 0: it is not the time. */
uint64_t replog_confirm(struct replica *replica);

/** R47: the row names a copy of this node's that is not there; `rid` is the one that is (0: none). True: propose that,
 * for nobody else can know: first that it is lost; then, if that copy was made primary, that another takes over, which
 * no lease has to end for, since nobody ever led in this epoch. */
bool replog_misplaced(const struct cluster_shard *row, uint64_t node, uint64_t incarnation, uint64_t rid,
                      struct replog_proposal *out);

/** Questions. */
bool replog_is_primary(const struct replica *replica);
/** A primary that takes turns: whose entries are gated until they are committed. */
bool replog_admits(const struct replica *replica);
/** R33, R51: whether a read may be answered by a lease, if there is one. Asked last (R15). */
bool replog_may_read(const struct replica *replica);
/** For whoever shows or judges it. */
struct replica_state {
    uint64_t rid, promised, last_seq, durable_seq, commit_seq, applied_seq;
    bool primary, ready, released, paused, follows, lost, full;
    bool proposes;      /* something was proposed, and is not settled */
    uint64_t cv;        /* of the row it knows */
    uint64_t leader_cv; /* of one that its primary knows: what this node does by an older row may be wrong (R65) */
    uint64_t lag;       /* of a primary: entries that the slowest of `set` has not acknowledged */
    struct copies set;  /* of a primary: who must have an entry (R23) */
};
struct replica_state replog_state(const struct replica *replica);
/** Which epoch wrote what, as far as it is known: copied to *out. */
void replog_history(const struct replica *replica, struct history *out);

#endif
