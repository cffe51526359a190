/* consensus/leader.h: what the directory's leader does besides deciding: it lets nodes hold leases, notices who is
 * gone, promotes, gives empty shards their first home, says where the others ought to be, and repairs Raft's own group.
 *
 * One is made when a server is ready, and thrown away when it leads no more. It proposes, and looks at what was
 * applied: a proposal whose answer does not come is made again from the rows as they are then, so nothing has to be
 * remembered. Only replication.md R4, R5 and R11 need more than the rows, and that is the grantor's
 * (lease_grantor.h). */
#ifndef CONSENSUS_LEADER_H
#define CONSENSUS_LEADER_H

#include "consensus/server.h"
#include "core/base/rng.h"

struct leader;

/** Zero: the default. */
struct leader_settings {
    uint64_t repair_ms;                   /* 30,000: a server that is down for so long is replaced */
    uint32_t proposals;                   /* 512: under way at a time */
    uint8_t copies_max;                   /* of a shard: what the nodes can carry out. 0: as many as the group wants */
    bool moves;                           /* shards are moved: primaries carry out what targets say */
    uint64_t away_ms;                     /* 300,000: what a node had that is down for so long is made anew elsewhere */
    uint32_t moves_total, moves_per_node; /* 64, 8: under way at a time */
    uint64_t load_rest_ms;                /* 15,000: nothing has moved for so long when load is looked at */
};

/** What became of candidates of elections, by all the leaders that there were in one process. */
struct leader_counts {
    uint64_t renewed, not_renewed; /* owners of letters */
    uint64_t lapsed;
};

struct leader_options {
    uint64_t id; /* of this node */
    struct server *server;
    struct clock *clock;
    struct rng *rng; /* names of copies (rid) */
    struct leader_settings settings;
    struct list
        *orphans; /* what a leader asked of the server that has not answered it when the leader ends; see below */
    struct leader_counts *counts;
    void *user;
    void (*letter)(void *user, uint64_t to, const struct letter *letter);
};

/** The server is ready. Everything is borrowed. */
struct leader *leader_new(const struct leader_options *options);
/** What it proposed may yet be applied. */
void leader_free(struct leader *leader);
/** The server is gone, so those will have no answer. */
void leader_free_orphans(struct list *orphans);

/** Now and then; by LEASE_ROUND_NS / 2 after the last one at the latest. */
void leader_tick(struct leader *leader);
void leader_renew(struct leader *leader, uint64_t from, const struct letter_renew *renew);
/** What a member says of its load. */
void leader_load(struct leader *leader, uint64_t from, const struct letter_load *load);
/** False: the member has not said it of late. */
bool leader_load_of(const struct leader *leader, uint64_t node, uint64_t *load);
/** Of candidates, by a node that heard of them. */
void leader_keep(struct leader *leader, uint64_t from, const struct letter_keep *keep);
/** As the server's hook of that name. */
void leader_applied(struct leader *leader, const struct directory_result *result);

/** How a member stands, for who shows the cluster. False: no such member. */
struct leader_member {
    bool has_lease;
    uint64_t feed_index; /* how far it said that it had applied the feed */
    uint64_t down_ns;    /* since when this leader knows it to be down; 0: it is not */
};
bool leader_member(const struct leader *leader, uint64_t node, struct leader_member *out);
/** Those who stand in elections, for who shows or judges. Looks at all of them. */
struct leader_candidates {
    uint32_t count;
    uint64_t late_ns; /* for how long the lease of one has surely been over that stands yet; 0: of none */
};
struct leader_candidates leader_candidates(const struct leader *leader);

#endif
