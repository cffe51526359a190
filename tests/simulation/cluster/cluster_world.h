/* tests/simulation/cluster/cluster_world.h: the whole control plane in the simulator: nodes that are members of one
 * cluster, with the real consensus/ on each: Raft, directory, leader, leases, feed, placement. No data: shards are
 * rows, and primaries that carry out what their targets say (cluster_carry.c).
 *
 * Phase 1: processes die, stop and are started again, links lose and are cut one way, disks are slow and full,
 * clocks drift, nodes join, are drained, and are removed. Judged all the time: at no true moment do two nodes think
 * that they may serve one shard (I8); a read sees all that was acknowledged before it began; nobody must end who was
 * not told to. Phase 2: all is healed, and soon everybody is a member with a lease, every shard has a living
 * primary and is where it should be, Raft's group is as roles.h wants it, all copies of the directory are the same, and
 * nothing changes any more. */
#ifndef TESTS_SIMULATION_CLUSTER_CLUSTER_WORLD_H
#define TESTS_SIMULATION_CLUSTER_CLUSTER_WORLD_H

#include "consensus/member.h"
#include "tests/simulation/cluster/cluster_reached.h"
#include "tests/simulation/raft/raft_media.h"
#include "tests/simulation/sim_clock.h"

/* A small world, as most seeds draw it. A large one is asked for (run.h) and has other sizes, and faults that go with
 * them: nodes fall by groups, the network parts in two, disks are slow for good. */
#define CLUSTER_SMALL_NODES 12u
#define CLUSTER_SMALL_SHARDS 24u
#define CLUSTER_WORLD_ASKED 64u
#define CLUSTER_LOAD_REST_MS 2000u

struct cluster_world;

/* What a machine has sent, by kind of letter; 0: Raft's. */
struct cluster_traffic {
    uint64_t frames[LETTER_KIND_COUNT], bytes[LETTER_KIND_COUNT];
};

/* A machine, and the process on it. */
struct cluster_host {
    struct cluster_world *world;
    uint32_t place;
    uint64_t id, incarnation, boot, known; /* on disk */
    char name[16], address[24], zone;
    struct sim_clock clock;
    struct raft_media media;
    struct member *member; /* NULL: down */
    bool exists;           /* it is part of this run, and was started once */
    bool ending;           /* its process was told to end */
    bool removed;          /* it may have been: EXPEL was proposed, and not refused */
    bool leaving;          /* told to drain */
    uint64_t asleep_until_ns;
    uint64_t up_ns;             /* since when its row says that it is up; 0: it does not */
    struct cluster_member seen; /* its row, when last looked at; slices are not to be used */
    uint32_t *claims;           /* cluster_judge.c: shards that are its own by its rows, unless they are stale */
    uint32_t claim_count;
    bool is_stale, is_unjudged;
    struct cluster_traffic traffic;
    struct sim_event tick, restart, space, carry, report;
    bool is_silent;        /* cluster_load.c: it says nothing of its load */
    uint32_t *load;        /* by shard, as it measures it */
    uint64_t *carried_cv;  /* cluster_carry.c: by shard, the row for which a step was proposed ... */
    uint64_t *released_cv; /* ... and that for which it was TRANSFER: from there on it serves nothing by it (R51) */
};

/* From one machine to another. */
struct cluster_link {
    uint64_t newest_ns; /* when the last frame arrives */
    bool is_cut;
};

/* What a client asked, and what it must hear. */
struct cluster_asked {
    struct cluster_world *world;
    bool used;
    uint32_t place; /* of the node that was asked */
    uint32_t life;  /* of it, then */
    uint32_t shard;
    uint64_t cv;        /* of a TOUCH; of a read: the highest that was acknowledged when it began */
    uint64_t dir_index; /* of a read that was answered: the view must come to it */
};

/* A shard's row when last looked at. */
struct cluster_seen {
    struct ids targets;
    uint8_t min_isr;
};

struct cluster_world {
    struct sim sim;
    struct cluster_reached reached;
    struct cluster_host *nodes; /* `size`: as many as there may ever be */
    uint32_t *by_id;            /* their places, in order of their ids */
    uint32_t size, node_count, shards;
    uint8_t voters;
    bool is_large, no_moves;
    bool is_hot;         /* cluster_load.c: nodes say what their shards do ... */
    uint32_t *heat;      /* ... which is, by shard, that */
    uint64_t *target_ns; /* by shard, when it last moved in the end, */
    struct ids *target;  /* and to where */
    uint8_t cluster[CLUSTER_ID_SIZE];
    struct raft_settings raft;
    struct cluster_link *links; /* cluster_world_link */
    bool healed;
    unsigned loss_percent, double_percent;
    unsigned crash_weight, pause_weight, cut_weight, full_weight, leave_weight;
    uint64_t delay_ns, faults_every_ns, asks_every_ns;
    struct sim_event fault, ask, look;
    struct list frames;
    uint64_t *acknowledged_cv; /* by shard: the highest that anybody was told of */
    uint64_t *seen_primary;
    struct cluster_seen *seen; /* cluster_even.c: by shard */
    uint64_t paused_ns;        /* since when the directory says that rebalancing is paused; 0: it does not */
    uint64_t settled_index;    /* dir_index at the last look of the end ... */
    uint64_t even_index;       /* ... and when all shards were where they should be */
    uint8_t min_isr;           /* of the clients' group */
    uint32_t *holder; /* cluster_judge.c: whoever was last seen to think that it may serve it, counted from 1 */
    struct cluster_asked asked[CLUSTER_WORLD_ASKED];
    /* For who measures: around all that a node does. NULL: nobody. */
    void (*works)(struct cluster_host *node, bool begins);
};

static inline struct cluster_link *cluster_world_link(struct cluster_world *world, uint32_t from, uint32_t to)
{
    return &world->links[from * world->size + to];
}

/* cluster_world.c */
struct run_options;
struct cluster_world *cluster_world_open(const struct run_options *options);
void cluster_world_close(struct cluster_world *world);
/* cluster_host.c */
void cluster_host_init(struct cluster_world *world, uint32_t place);
void cluster_host_start(struct cluster_host *node);
void cluster_host_crash(struct cluster_host *node);
void cluster_host_release(struct cluster_host *node);
static inline void cluster_host_works(struct cluster_host *node, bool begins)
{
    if (node->world->works != NULL) {
        node->world->works(node, begins);
    }
}
/** After anything that was asked of its member. */
void cluster_host_arm(struct cluster_host *node);
struct cluster_host *cluster_world_node(const struct cluster_world *world, uint64_t id);
/* cluster_links.c */
void cluster_links_send(struct cluster_host *from, uint64_t to, enum peer_kind kind, struct pdr_bytes frame);
void cluster_links_release(struct cluster_world *world);
/* cluster_carry.c: event `carry` */
void cluster_carry_start(struct cluster_host *host);
void cluster_carry_stop(struct cluster_host *host);
/* cluster_even.c */
/** NULL: all shards are where they should be. A sentence's end. */
const char *cluster_even_unsettled(const struct cluster_rows *rows);
/** After a look at the leader's rows: no move that a pause forbids, no min_isr that fell without an operator. */
void cluster_even_note(struct cluster_world *world, const struct cluster_rows *rows);
/* cluster_load.c: event `report` */
void cluster_load_init(struct cluster_world *world);
void cluster_load_release(struct cluster_world *world);
void cluster_load_start(struct cluster_host *host);
void cluster_load_stop(struct cluster_host *host);
/** When all is settled but for load. `rows`: the leader's; NULL: nobody leads. */
void cluster_load_settle(struct cluster_world *world, const struct cluster_rows *(*rows)(struct cluster_world *world));
/* cluster_clients.c: event `ask` */
void cluster_clients_init(struct cluster_world *world);
void cluster_clients_changed(struct cluster_host *node);
/** What was asked of it has no answer. */
void cluster_clients_forget(struct cluster_host *node);
/* cluster_faults.c: event `fault` */
void cluster_faults_init(struct cluster_world *world);
void cluster_faults_heal(struct cluster_world *world);
/* cluster_judge.c: event `look` */
void cluster_judge_init(struct cluster_world *world);
/** Two who think that they may serve a shard; after anything that the node did. */
void cluster_judge_owners(struct cluster_host *node);
/** The leader's; NULL: nobody leads. */
const struct cluster_rows *cluster_judge_rows(struct cluster_world *world);
/** NULL: nobody, or two who do not know of each other yet. */
struct cluster_host *cluster_judge_leader(struct cluster_world *world);
/** NULL: all is as it should be. A sentence's end. */
const char *cluster_judge_unsettled(struct cluster_world *world);
/** For the story: what each node thinks. */
void cluster_judge_tell(struct cluster_world *world);

#endif
