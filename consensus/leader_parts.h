/* consensus/leader_parts.h: the inside of a leader, for consensus/leader*.c alone. */
#ifndef CONSENSUS_LEADER_PARTS_H
#define CONSENSUS_LEADER_PARTS_H

#include "consensus/candidacies.h"
#include "consensus/leader.h"
#include "consensus/lease_grantor.h"
#include "consensus/loads.h"
#include "consensus/placement_rows.h"

#define LEADER_NEWS_MAX 64u

/** A member that is down, as the leader sees it. */
struct leader_down {
    uint64_t node, since_ns;
};

/** leader_placement.c: when to plan, and what is left of the last plan of first homes. */
struct leader_plan {
    bool moves_stale, homes_stale; /* something has changed that a plan goes by */
    uint64_t moves_ns, homes_ns;   /* when it was last planned */
    uint64_t moved_ns;             /* when something was last on its way, or should have been */
    struct placement_move *homes;
    uint32_t home_count, home_next;
    uint32_t assigning, changing; /* ASSIGNs, and TARGETS and MIN_ISRs, that have no answer yet */
    uint64_t complaints;          /* hash of the last plan's: each is told once */
};

struct leader {
    struct leader_options options;
    struct lease_grantor grantor;
    struct candidacies candidacies;
    struct list renewals; /* leader_elections.c: of candidates, that wait for a round */
    uint64_t renewal_number;
    uint64_t looked_ns;  /* when it was last looked whose candidacy is over */
    struct list errands; /* struct errand: proposals and rounds that have no answer yet */
    uint32_t proposals;  /* of them */
    uint64_t ticked_ns;
    bool is_announced; /* all members were told that it leads */

    bool *is_proposed, *is_waiting; /* by shard: a proposal about it is under way; it is in `waiting` */
    uint32_t shards;                /* that those have room for */
    uint32_t *waiting;              /* shards without a living primary, or without a home: all, unless look_at_all */
    uint32_t waiting_count, waiting_capacity;
    bool look_at_all;    /* a member or a group has changed: any shard may have to wait now */
    bool scan_again;     /* something has changed since those that wait were looked at ... */
    uint64_t scanned_ns; /* ... then */

    struct leader_plan plan;
    struct loads loads;

    struct leader_down *down; /* in order of their ids */
    uint32_t down_count, down_capacity;
    uint64_t roles_ns; /* when Raft's group was last looked at */
    bool changing;     /* a change of it is under way */
    uint64_t full_ns;  /* since when the own disk takes nothing; 0: it does */
    uint64_t hash_ns;  /* when the state's hash was last sent around */

    uint64_t news[LEADER_NEWS_MAX]; /* nodes that a change concerns */
    uint32_t news_count;
};

/** What an errand is about, for what follows from its answer. */
enum errand_kind {
    ERRAND_ROUND,
    ERRAND_RENEWAL, /* the same, for candidates */
    ERRAND_ALIVE,
    ERRAND_DOWN,
    ERRAND_PROMOTE,
    ERRAND_ASSIGN,
    ERRAND_SHARD, /* TARGETS, MIN_ISR */
    ERRAND_ROLE,
    ERRAND_LAPSE, /* `about` is the candidate's order, `shard` its slot */
};

/** About one shard, which is_proposed tells of. */
static inline bool errand_has_shard(enum errand_kind kind)
{
    return kind == ERRAND_PROMOTE || kind == ERRAND_ASSIGN || kind == ERRAND_SHARD;
}

struct errand {
    struct list node;
    struct leader *leader; /* NULL: it leads no more */
    enum errand_kind kind;
    uint64_t about; /* node, or round */
    uint32_t shard;
    bool taken; /* lease_grantor_take was called for `about` */
};

static inline const struct cluster_rows *leader_rows(const struct leader *l)
{
    return directory_rows(server_directory(l->options.server));
}
static inline uint64_t leader_now(const struct leader *l)
{
    return clock_now_ns(l->options.clock);
}

/** leader.c: something is asked of the server; its answer takes it off the list and frees it. */
struct errand *leader_errand(struct leader *l, enum errand_kind kind, uint64_t about);
/** leader.c: proposes; false: too many are under way, ask again later. */
bool leader_propose(struct leader *l, const struct command *command, enum errand_kind kind, uint64_t about,
                    uint32_t shard, bool taken);

/** leader_shards.c: promotions, and who waits for a home. */
void leader_shards_tick(struct leader *l);
/** A command about one shard; as leader_propose. */
bool leader_shards_propose(struct leader *l, const struct command *command, enum errand_kind kind, uint64_t about,
                           bool taken);
/** The shard's row is another. */
void leader_shards_changed(struct leader *l, const struct cluster_shard *shard);
/** leader_placement.c: where shards ought to be. */
void leader_placement_tick(struct leader *l);
/** First homes for those that wait. False: too much is under way. */
bool leader_placement_homes(struct leader *l);
/** A proposal of whatever kind was answered. `done`: it was applied, and not refused. */
void leader_placement_answered(struct leader *l, enum errand_kind kind, bool done);
/** A shard's row is another by that command: it moves, or has moved. */
void leader_placement_changed(struct leader *l, enum command_kind by);
void leader_placement_release(struct leader *l);
/** leader_load.c: whether shards may move now because of their load. */
bool leader_load_is_due(const struct leader *l, const struct placement *in);
/** What is measured, to the shards of a plan. */
void leader_load_put(const struct leader *l, struct placement_rows *rows);
/** Whether a plan that was made by load, and by nothing else, is worth what it costs. */
bool leader_load_is_worth(const struct leader *l, const struct placement_rows *rows, const struct placement_plan *plan);
/** leader_elections.c: candidates' leases. */
void leader_elections_init(struct leader *l);
void leader_elections_tick(struct leader *l);
void leader_elections_changed(struct leader *l, const struct cluster_election *election);
void leader_elections_release(struct leader *l);
/** leader_roles.c: Raft's group. */
void leader_roles_tick(struct leader *l);
/** Since when the member is down; 0: it is not, as far as this leader saw. */
uint64_t leader_down_since(const struct leader *l, uint64_t node);

#endif
