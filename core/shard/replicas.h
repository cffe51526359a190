/* core/shard/replicas.h: the copies of a core's shards that are not the only ones: core/replog over this core's log,
 * store and links (replication.md; docs/internals/replication.md says which rule is where).
 *
 * A shard whose row names this node alone has no struct shard_copy, and pays one branch an entry. One that has other
 * copies has one, until it has been alone for a while. Then the machine decides what is committed, when the shard is
 * opened and when it is given up; duties (duty.h) do what it says.
 *
 *     row of the directory --> machine --began--> OPENING --ready, and all of it in the store--> OPEN
 *     entry (commit.c)  ----->    |    --committed--> the gate opens; the entries go to the store (apply_step.c)
 *     durable (commit.c) ---->    |    --stepped down--> CLOSING
 *     frames of PEER_REPLICA ->   |    --journal--> records, of others' entries too
 *
 * Entries that are not known to be committed are the *tail*: kept apart, in memory, until they may be applied (R24).
 * Hooks of the machine only note what is to be done; replicas_settle does it when the machine has returned. */
#ifndef CORE_SHARD_REPLICAS_H
#define CORE_SHARD_REPLICAS_H

#include "core/cluster/row.h"
#include "core/journal/control.h"
#include "core/replog/replog.h"
#include "core/shard/core.h"
#include "core/shard/session.h"

struct touched;

/** R65: whether a copy that was closed is wanted after all. `index`: 0, or the answer to an earlier question. */
struct replicas_question {
    uint32_t shard;
    uint64_t number; /* names it */
    uint64_t index;  /* of the directory's log: what it had in it when it was asked */
};
enum replicas_verdict {
    REPLICAS_NOT_YET, /* this node does not know yet what the directory had at `index` (0: there was no answer) */
    REPLICAS_WANTED,
    REPLICAS_ABSENT, /* at `index` or later it had no copy of this node's, nor was to have one */
};

struct replicas_options {
    uint64_t incarnation; /* of this process */
    /** On the core's thread: to the directory (R1); the outcome to replicas_proposed, if there is one. */
    void (*propose)(void *user, struct core *core, const struct replog_proposal *proposal);
    /** On the core's thread: of the directory; the answer to replicas_asked, if there is one. */
    void (*ask)(void *user, struct core *core, const struct replicas_question *question);
    void *user;
    uint32_t part_bytes; /* of a snapshot, in one frame; 0: 256 KiB */
};

/** At birth of a member's core; before replicas_start it has copies, and no machines. */
void replicas_new(struct core *core);
/** When the core has its links, before the first members are told. */
void replicas_start(struct core *core, const struct replicas_options *options);
/** core_free, in two steps: what jobs and links may still call; all the rest. */
void replicas_free(struct core *core);

/** On the core's thread: how a proposal of that number ended: it was applied, or refused (R1). */
void replicas_proposed(struct core *core, uint32_t shard, uint64_t number, bool done);

/** On the core's thread. */
void replicas_asked(struct core *core, const struct replicas_question *question, enum replicas_verdict verdict);
/** On the core's thread: the process is to end, and others are to lead what it leads. `left` is called when they do, at
 * once if there is nothing to hand over, after `wait_ms` at the latest. The core goes on meanwhile. */
void replicas_leave(struct core *core, uint64_t wait_ms, void (*left)(void *user), void *user);

/* For the files of core/shard. */

/** At start, of a copy that was one of several: what the store lacks is its tail. */
void replicas_recovered(struct core *core, struct shard *shard, const struct control *control);
void replicas_recovered_entry(struct shard *shard, uint64_t epoch, uint64_t seq, uint64_t position,
                              struct pdr_bytes payload);

/** A map says this of the shard (NULL: it does not name this node). */
enum replicas_row {
    REPLICAS_NO,    /* it is, and is to be, the only copy, or none: duties are the map's */
    REPLICAS_TAKEN, /* the machine has it */
    REPLICAS_CLOSE, /* give the shard up first */
    REPLICAS_LATER, /* ask again, in a later tick */
};
enum replicas_row replicas_take_row(struct core *core, struct shard *shard, const struct cluster_shard *row);

/** Whether another entry may be made: not while the shard is given up, or its tail is too long (R26). */
bool replicas_admit(const struct shard *shard);
/** Whether an entry is applied when it is committed, and not when it is durable. */
bool replicas_is_shared(const struct shard *shard, uint64_t seq);
/** The entry is in the open submission. */
void replicas_made(struct shard *shard, uint64_t seq, struct pdr_bytes payload);
/** What a submission had of the shard is on disk. Then replicas_settle. */
void replicas_durable(struct shard *shard, struct touched *touched, const struct submission *s);
/** R74. What was given to the journal is not written; then: there is room. Then replicas_settle. */
void replicas_no_space(struct core *core);
void replicas_refused(struct shard *shard);
void replicas_space(struct core *core);
/** The newest entry that is not undone by a journal without room. */
uint64_t replicas_kept(const struct shard *shard);
/** Some of what it served was undone, since this was asked last. */
bool replicas_was_cut(struct shard *shard);
/** The store has more of it. */
void replicas_applied(struct core *core);
/** Where the oldest entry lies that is durable and not committed; UINT64_MAX: there is none. */
uint64_t replicas_oldest(const struct core *core);
/** Entries that lie before `position` and are not committed are written once more, so that the log before can go. */
void replicas_move_tails(struct core *core, uint64_t position);
/** Entries up to there are on their way to the store, or in it. */
uint64_t replicas_released(const struct shard *shard);
/** What the store lacks of the sessions of copies that are not served. */
struct session_row *replicas_save_sessions(struct core *core, struct session_row *rows);
/** R33: all follow, and what the epoch began with is committed. */
bool replicas_is_ready(const struct shard *shard);
/** R14: asks all that an entry needs whether they have promised another epoch. The round of questions, for
 * lease_confirmed, that vouches for what was read before this call; 0: there is none, or not now. */
uint64_t replicas_confirm(struct shard *shard);
/** The shard is OPEN now: what is known of its sessions is elsewhere from here on. */
void replicas_opened(struct shard *shard);
/** The shard is CLOSED now. */
void replicas_closed(struct shard *shard);
/** A snapshot was installed, and its record is durable. */
void replicas_became(struct shard *shard);
/** The node stops, and its log has all: nobody waits any more for what others have not acknowledged. False: somebody
 * did, and who was told may have had something to say. */
bool replicas_stop(struct core *core);
void replicas_settle(struct core *core);
/** End of a tick, behind commit_submit. */
void replicas_flush(struct core *core);

#endif
