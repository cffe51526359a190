/* consensus/raft_node.h: one server of the directory's Raft group: libraft's core, its log, and what stands between.
 *
 * It drives raft_step (docs/decisions/0011-libraft-by-steps.md): what happens is an event, what the core wants done is
 * carried out over our own disk, letters and clock. Everything on one thread, the control core's; no hook is called
 * from inside raft_step, and each may call raft_node_propose and raft_node_read, which take effect when it returned.
 *
 * A leader is *ready* when an entry of its own term is applied: only then does its state machine have all that was ever
 * acknowledged (replication.md R4). Before that it appends nothing but a barrier, and answers nobody. */
#ifndef CONSENSUS_RAFT_NODE_H
#define CONSENSUS_RAFT_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/export.h>
#include <perdure/status.h>

#include "consensus/raft_bytes.h"
#include "consensus/raft_config.h"
#include "consensus/raft_disk.h"
#include "core/env/clock.h"

#define RAFT_COMMAND_SIZE_MAX (1u << 20)
#define RAFT_PROPOSALS_MAX 4096u /* that wait or are under way */

struct raft_node;

struct raft_hooks {
    void *user;
    /** A letter for server `to`; borrowed. It may be lost, doubled, late, or overtaken by another. */
    void (*send)(void *user, uint64_t to, struct pdr_bytes letter);
    /** A committed command. In order of `index`, which counts every entry of the log, each once in a life, from behind
     * what `restore` was given. It must not fail, and depend on nothing but the state and the command. */
    void (*apply)(void *user, uint64_t index, uint64_t term, struct pdr_bytes command);
    /** Appends the state as of the last apply or restore to `out`: at most 15 MiB. */
    void (*snapshot)(void *user, struct raft_bytes *out);
    /** The state is what `snapshot` wrote, here or elsewhere, as of entry `index`. False: it cannot be read. */
    bool (*restore)(void *user, uint64_t index, struct pdr_bytes state);
    /** Role, term, leader or readiness changed: raft_node_state tells. */
    void (*changed)(void *user);
    /** This server must not go on; `why` is a sentence. Nothing is called after that. */
    void (*failed)(void *user, const char *why);
};

/** Zero: the default. */
struct raft_settings {
    uint32_t heartbeat_ms;       /* 50 */
    uint32_t election_ms;        /* 300; a follower waits for one to two of them */
    uint32_t snapshot_retry_ms;  /* 5000: how long a leader waits for an answer before it sends a snapshot anew */
    uint32_t snapshot_threshold; /* 8192: entries applied since the last snapshot that make for another */
    uint32_t snapshot_trailing;  /* 4096: entries kept behind it, for those who are a little late */
    uint32_t in_flight_max;      /* 1024: entries a follower has not acknowledged */
    bool no_pre_vote;            /* pre-vote is on */
};

struct raft_node_options {
    uint64_t id;         /* of this server; not 0 */
    const char *address; /* copied */
    uint64_t seed;       /* of its election timeouts */
    struct clock *clock;
    struct raft_disk *disk;
    struct raft_hooks hooks;
    struct raft_settings settings;
    /** The first configuration, the same for each of its servers; taken if the log is empty. Joiners have none. */
    const struct raft_member *founders;
    uint32_t founder_count;
};

/** Reads the log, restores the state machine, and begins. PDR_INTERNAL: the log is damaged, *why is a sentence; valid
 * until the thread's next call. */
enum pdr_status raft_node_start(const struct raft_node_options *options, struct raft_node **out,
                                const char **why) PDR_MUST_CHECK;
/** Whoever waits hears nothing. The disk has forgotten what is in flight. */
void raft_node_free(struct raft_node *node);

/** What a peer's `send` had; trusts nothing. PDR_INVALID: it was dropped, *why is a sentence, static. */
enum pdr_status raft_node_receive(struct raft_node *node, struct pdr_bytes letter, const char **why);
/** On the clock of the options: call raft_node_tick then; UINT64_MAX: never, it failed. Changes with every call of
 * anything here. */
uint64_t raft_node_due_ns(const struct raft_node *node);
void raft_node_tick(struct raft_node *node);

enum raft_outcome {
    RAFT_COMMITTED,  /* and applied here, at `index` */
    RAFT_NOT_LEADER, /* nothing was appended; `leader` may know, if it is not 0 */
    RAFT_REFUSED,    /* nothing was appended: too many wait, or the disk is full */
    RAFT_UNKNOWN,    /* leadership was lost: it may be committed yet, or never */
};
struct raft_answer {
    enum raft_outcome outcome;
    uint64_t index, leader;
};
/** Called exactly once, later or before the call returns; not if the node is freed first. */
typedef void (*raft_answered)(void *user, struct raft_answer answer);

/** `command` has 1 to RAFT_COMMAND_SIZE_MAX bytes, and is copied. What is proposed while others are being written goes
 * along with the next, in one write and one letter. */
void raft_node_propose(struct raft_node *node, struct pdr_bytes command, raft_answered answered, void *user);
/** RAFT_COMMITTED: the state machine has everything that was acknowledged before this call, by any server. Reads that
 * come while one is under way share the next barrier. */
void raft_node_read(struct raft_node *node, raft_answered answered, void *user);

enum raft_membership_kind {
    RAFT_ADD,    /* as a spare */
    RAFT_ASSIGN, /* another role; a spare becomes a standby first, and a voter when it has the log */
    RAFT_REMOVE,
};
struct raft_membership {
    enum raft_membership_kind kind;
    uint64_t id;
    const char *address; /* of RAFT_ADD; copied */
    enum raft_role role; /* of RAFT_ASSIGN */
};
/** One change at a time, and only what keeps a voter; the leader is not removed or demoted before it handed leadership
 * over. If it is not PDR_OK, *why is a static sentence, and nobody is called: PDR_MOVED: not the leader, or not ready;
 * PDR_INVALID; PDR_UNAVAILABLE: not now. */
enum pdr_status raft_node_change(struct raft_node *node, const struct raft_membership *change, raft_answered answered,
                                 void *user, const char **why) PDR_MUST_CHECK;
/** Hands leadership to a voter; 0: to the one that is furthest. What comes of it, `changed` tells; if nothing does
 * within an election timeout, this server leads on. Errors as of raft_node_change. */
enum pdr_status raft_node_transfer(struct raft_node *node, uint64_t id, const char **why) PDR_MUST_CHECK;

struct raft_node_state {
    bool leader, ready, candidate, failed;
    bool full;                /* the disk takes nothing: proposals are refused */
    uint64_t term, leader_id; /* 0: not known */
    uint64_t last_index, stored_index, commit_index, applied_index, snapshot_index;
    uint64_t life;
    bool changing; /* a configuration is not committed yet */
};
struct raft_node_state raft_node_state(const struct raft_node *node);
/** The newest configuration, committed or not. Borrowed until the next call of anything here. At most `max` are
 * written; returns how many there are. */
uint32_t raft_node_members(const struct raft_node *node, struct raft_member *out, uint32_t max);
/** Of a leader: the last entry it knows a server to have; 0: none, or not the leader. */
uint64_t raft_node_match(const struct raft_node *node, uint64_t id);

#endif
