/* core/shard/commit.h: stage 6 of 7. Effects of every turn of this tick become records in the node's journal, one batch
 * a core and tick, one sync for all cores (replication.md R20, R22, R23, R25). After turn, before reply. */
#ifndef CORE_SHARD_COMMIT_H
#define CORE_SHARD_COMMIT_H

#include "core/shard/activation.h"
#include "core/shard/effects.h"
#include "core/shard/turn.h"

/** Where a shard's log stood when a submission touched it. */
struct touched {
    struct shard *shard;
    uint64_t epoch, last_seq;
    uint32_t notes;
};

/** The records of one tick of one core, from its first record until the store has them. */
struct submission {
    struct list node; /* core->in_flight, core->unapplied, an apply job's list */
    struct core *core;
    struct journal_batch batch;
    uint8_t *records;
    uint32_t size, capacity;
    struct touched *touched;
    uint32_t touched_count, touched_capacity;
    bool is_shared;  /* some are of copies that are not the only ones, and are applied when they are committed */
    bool is_release; /* it came from there */
    uint64_t durable_ms;
};

/** May the call write to this shard now? PDR_OVERLOADED (R26), PDR_NO_SPACE (R74), with a sentence in `call`. */
enum pdr_status commit_admits(struct core *core, struct shard *shard, struct call *call);

/** Makes the turn's writes the next entry of its shard, and merges them into the activation's state. `final`: the
 * method has returned, so nobody holds slices of what is replaced. PDR_OK also if there are no writes. Afterwards
 * activation->last_seq is what a reply must wait for. */
enum pdr_status commit_turn(struct turn *turn, bool final);

/** An entry that is no turn's: rows of the shard, and `writes` of the platform's kinds to the actor `a` (both NULL:
 * none), whose state is loaded. Takes what is in `writes` and `rows`; returns its seq, for commit_gate. Not while
 * core->refusing: ask first. Slices of what it replaces must not be in use. */
uint64_t commit_rows(struct core *core, struct shard *shard, struct activation *a, struct state *writes,
                     struct rows *rows);

/** The shard's epoch begins with a record of its own, before any entry (R30): shard->synced_epoch says when it is
 * durable. Not while core->refusing. */
void commit_epoch(struct core *core, struct shard *shard);

/** A record that is no entry, of a shard that is not served. Its number among such: the record is durable when
 * shard->notes_synced has reached it, and was refused (R74) if shard->notes is below it. Not while core->refusing. */
uint32_t commit_note(struct core *core, struct shard *shard, enum record_kind kind, uint64_t epoch, uint64_t seq,
                     struct pdr_bytes payload);

/** A record of a copy that is one of several, as its machine gives it (replicas.h): what it says of entries is
 * replicas_durable's to take. May be refused for want of space, as anything. */
void commit_record(struct core *core, struct shard *shard, const struct record *record);
/** An entry of such a copy is committed: it goes to the store, as one that lies in the log at `position`. */
void commit_release(struct core *core, struct shard *shard, const struct record *record, uint64_t position);
/** shard->commit_seq has risen: whoever waited for that goes on. */
void commit_open_gate(struct shard *shard);

/** Opens at once (false) if everything up to seq is committed; else queues `wait` (true). */
bool commit_gate(struct shard *shard, struct gate_wait *wait, uint64_t seq);

/** The shard is given up: whoever waits for what is not committed hears PDR_MOVED. */
void commit_abandon(struct shard *shard);

/** End of a tick: what gathered goes to the journal. */
void commit_submit(struct core *core);

/** The journal has no room (R74): writes are refused until it was asked again. */
void commit_refuse(struct core *core);

void commit_free(struct core *core);

/* apply_step.c */

/** Committed submissions go to the store when enough gathered, or soon. */
void apply_consider(struct core *core);
/** As soon as possible, whatever there is; a step that was refused is tried again in its own time. */
void apply_now(struct core *core);
/** The time of the core's apply_timer: what was refused is tried again, what gathered goes. */
void apply_again(struct core *core);
/** What is committed of an actor but not in the store yet, laid over the state that was read from there. */
void apply_overlay(struct activation *a);
/** The store has everything that is durable. */
bool apply_is_done(const struct core *core);
/** A stop does not wait for a store that takes nothing: the log has it all, and a restart applies it. So whoever waits
 * for a checkpoint hears that nothing may be released. */
void apply_give_up(struct core *core);
void apply_release(struct core *core);
void submission_free(struct submission *s);

#endif
