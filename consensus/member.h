/* consensus/member.h: a node's part in the cluster: it registers, keeps a copy of the directory, holds a lease, and
 * takes proposals to whoever leads; it is that leader when it is elected.
 *
 *     member ---- server ---- Raft, state machine       (every node; most are in no configuration, and hear nothing)
 *        |          leader                              (while it leads)
 *        |--- view: rows, from the feed                 (what routing goes by)
 *        |--- lease                                     (what reads go by)
 *        '--- requests: proposals and reads under way, to the leader, here or elsewhere
 *
 * On the control core's thread. Frames come and go through hooks: core/env/peer.h is the way. */
#ifndef CONSENSUS_MEMBER_H
#define CONSENSUS_MEMBER_H

#include "consensus/leader.h"
#include "consensus/lease_holder.h"
#include "consensus/loads.h"
#include "consensus/server.h"
#include "core/base/rng.h"
#include "core/cluster/view.h"
#include "core/env/peer.h"

#define MEMBER_SEEDS_MAX 16u
#define MEMBER_REQUESTS_MAX 4096u

struct member;

struct member_hooks {
    void *user;
    /** PEER_RAFT or PEER_DIRECTORY. May be lost. `frame` is borrowed. */
    void (*send)(void *user, uint64_t to, enum peer_kind kind, struct pdr_bytes frame);
    /** Rows of the view have changed, or (`lease`) until when the lease may be used. */
    void (*changed)(void *user, bool rows, bool lease);
    /** The directory has this `boot`. If the disk still has it, it keeps it as `known`, and draws the next one,
     * before the next start. */
    void (*registered)(void *user, uint64_t boot);
    /** This process must end: it was removed, or another has taken its place, or its data is damaged. A sentence. */
    void (*must_end)(void *user, const char *why);
    /** As cluster_view's. May be NULL. */
    void (*election)(void *user, const struct cluster_election *old, const struct cluster_election *now);
};

/** Borrowed until member_start returns, but for clock, disk and hooks. */
struct member_options {
    uint64_t id, incarnation; /* not 0 */
    uint64_t boot, known;     /* command.h, REGISTER; boot is not 0 */
    struct pdr_bytes name, address;
    struct pairs labels, types; /* types: to their versions */
    bool forgot;                /* the disk may have lost what it acknowledged (R70) */
    const char *cluster;        /* to found it, of CLUSTER_ID_SIZE bytes, if there is nothing on disk; NULL: join */
    struct command_found found; /* how, but for its id */
    uint64_t seeds[MEMBER_SEEDS_MAX]; /* whom to ask while no row tells */
    uint32_t seed_count;
    uint64_t seed; /* of chance */
    struct clock *clock;
    struct raft_disk *disk;
    struct raft_settings raft;
    struct leader_settings leader;
    struct member_hooks hooks;
};

enum pdr_status member_start(const struct member_options *options, struct member **out,
                             const char **why) PDR_MUST_CHECK;
/** Whoever waits hears nothing. */
void member_free(struct member *member);

/** Trusts nothing but that `from` has sent it. */
void member_receive(struct member *member, uint64_t from, enum peer_kind kind, struct pdr_bytes frame);
uint64_t member_due_ns(const struct member *member);
void member_tick(struct member *member);

struct member_answer {
    enum letter_outcome outcome; /* LETTER_NOWHERE: nobody leads, within the deadline */
    enum directory_code code;    /* of LETTER_DONE */
    struct pdr_bytes text;       /* a sentence; borrowed */
    uint64_t dir_index;
};
typedef void (*member_answered)(void *user, const struct member_answer *answer);

/**
 * Has the command applied by whoever leads: called once, within deadline_ms or a little later, perhaps before the call
 * returns. LETTER_UNKNOWN: it may be applied yet; commands are made so that proposing again is safe (R1). LETTER_DONE:
 * `dir_index` is where the view sees what came of it.
 */
void member_propose(struct member *member, const struct command *command, uint64_t deadline_ms,
                    member_answered answered, void *user);
/** LETTER_DONE: when the view's index has reached `dir_index` it has all that was acknowledged before this call. */
void member_read(struct member *member, uint64_t deadline_ms, member_answered answered, void *user);

/** How a renewal went: `outcome` LETTER_DONE: it was granted (`kept`) or not; a view that has come to `dir_index` shows
 * what the owner stood in then. LETTER_NOWHERE: nobody led within the deadline. */
struct member_kept {
    enum letter_outcome outcome;
    bool kept;
    uint64_t dir_index;
};
typedef void (*member_was_kept)(void *user, const struct member_kept *kept);
/** The owner of candidacies was heard of before this call: they are kept for their lease from some moment behind it.
 * All that a node is told at about one time goes in one letter. Called once, as member_propose; nothing of it is
 * written. */
void member_keep(struct member *member, uint64_t owner, uint64_t deadline_ms, member_was_kept answered, void *user);

/** This process ends: its lease is not used from here, nor renewed, and the directory hears so, that others need not
 * wait for its end. As member_propose. */
void member_leave(struct member *member, uint64_t deadline_ms, member_answered answered, void *user);

/** Whoever leads hears how much the shards of this node work; may be lost. Once a second or so. */
void member_load(struct member *member, const struct load_report *report);
/** For who shows the cluster: has member_load_of know of all members what the leader knows, before a member_read that
 * is begun now is answered. */
void member_ask_loads(struct member *member);
/** core/shard/load.h, of all its shards. False: not known, or not of late. */
bool member_load_of(const struct member *member, uint64_t node, uint64_t *load);

const struct cluster_view *member_view(const struct member *member);
/** Reads may go by the lease while the clock is below this (lease_holder.h); 0: not at all. */
uint64_t member_lease_until(const struct member *member);
/** Its row says that this process is a member. */
bool member_is_registered(const struct member *member);
/** Who leads, as far as is known; 0: nobody. */
uint64_t member_leader(const struct member *member);
struct server *member_server(struct member *member);
/** NULL: it does not lead. */
const struct leader *member_leading(const struct member *member);
/** Since this process began, whether or not it leads now. */
const struct leader_counts *member_counts(const struct member *member);

#endif
