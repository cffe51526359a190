/* tests/simulation/replog/replog_world.h: replicated shards in the simulator: core/replog on three to five nodes, with
 * the directory's real state machine, real leases, links as core/env/peer.h promises them (and, in some seeds, worse
 * ones), and a journal that loses any part of what it has not synced.
 *
 * The directory is one register: commands are applied at one place, at once; the rows reach each node late. Phase 1:
 * processes die and stop, disks are lost and full, links are cut, the directory is out of reach, commands are applied
 * late, operators want copies elsewhere. After each event I1 to I9 of replication.md section 12 are looked at, and what
 * clients see: every write acknowledged stays, every read sees all that was acknowledged before it began. Phase 2: all
 * is healed, and soon every shard is led, has its copies where they should be, and commits. */
#ifndef TESTS_SIMULATION_REPLOG_REPLOG_WORLD_H
#define TESTS_SIMULATION_REPLOG_REPLOG_WORLD_H

#include "consensus/directory.h"
#include "consensus/lease_grantor.h"
#include "consensus/lease_holder.h"
#include "core/replog/replog.h"
#include "tests/simulation/replog/replog_reached.h"
#include "tests/simulation/sim_clock.h"

#define REPLOG_NODES_MAX 5u
#define REPLOG_SHARDS_MAX 3u
#define REPLOG_WAITS_MAX 48u /* writes and reads of a copy that have no answer */

struct replog_world;
struct replog_node;

/* An entry as the world knows it: written once, named once. `chain` stands for it and all before it. */
struct written {
    uint64_t epoch, number, chain;
};

struct written_log {
    struct written *at; /* of entry 1 on */
    uint64_t count, capacity;
};

/* What a client waits for. */
struct waiting {
    enum waiting_kind { WAITING_NONE, WAITING_WRITE, WAITING_READ } kind;
    uint64_t number;
    uint64_t seq;  /* that must be committed */
    uint64_t sees; /* of a read: what had been acknowledged when it began */
    uint64_t chain;
    uint64_t round; /* of R14; 0: not asked */
    bool passed;    /* R15: committed; the lease is looked at a moment later */
};

struct outgoing { /* a snapshot that is read */
    uint64_t number, at_least, sent;
    bool opened, wanted;
    struct written_log content;
};

/* A node's copy of a shard. */
struct replog_copy {
    struct replog_node *node;
    uint32_t shard;
    /* on disk */
    struct control control; /* rid 0: there is none */
    struct written_log disk;
    uint64_t flushed; /* of the store */
    struct ids wiped; /* copies that were there, and are no more because their disk was lost */
    /* in memory */
    struct replica *replica; /* NULL: the process is down, or there is no copy */
    struct written_log live;
    uint64_t rid, applied, committed;
    bool deleted;  /* RECORD_DROP was submitted: whoever opens it anew gives it another name */
    bool dropping; /* closed; the directory is asked once more (R65) */
    struct waiting waits[REPLOG_WAITS_MAX];
    struct outgoing outgoing[REPLOG_NODES_MAX];
    struct written_log incoming;
    uint64_t incoming_seq;
    struct control incoming_control;
    bool installing, takes, switching, switch_lost;
    struct cluster_shard row; /* as it knows it */
};

/* In a node's journal, and not durable yet. */
struct disk_record {
    enum record_kind kind;
    uint32_t shard;
    uint64_t epoch, seq, promised, number;
    struct written_log content; /* of RECORD_SNAP */
    struct control control;
};

struct replog_conn { /* of a pair of nodes; [0] is the one with the lower place */
    struct replog_world *world;
    uint32_t places[2];
    bool is_up, is_cut;
    uint64_t lives[2];
    uint64_t newest_ns[2]; /* towards [1], towards [0]: when the last frame arrives */
    uint64_t queued[2];
    bool wants_room[2];
    struct sim_event event;
};

struct replog_node {
    struct peers peers; /* must be first */
    struct replog_world *world;
    uint32_t place;
    uint64_t id, incarnation, boot, known;
    struct sim_clock clock;
    struct replog *replog; /* NULL: down */
    bool registered;
    bool forgot; /* its disk was lost, and it has not said so yet */
    const struct peer_handler *handler;
    void *handler_user;
    uint64_t lives;
    struct replog_copy copies[REPLOG_SHARDS_MAX];
    struct disk_record *records; /* not durable */
    uint32_t record_count, record_capacity, syncing;
    uint32_t reports; /* on their way */
    bool is_full, must_roll_back;
    uint64_t asleep_until_ns, sync_ns;
    bool dir_cut;  /* it cannot reach the directory */
    bool feed_cut; /* ... or hears of no rows */
    uint64_t feed_at;
    uint64_t feed_index;
    struct lease_holder lease;
    struct sim_event tick, flush, sync, feed, apply, renew, restart, space, join, end;
};

struct replog_change { /* of a row, in the order of the directory */
    uint64_t dir_index;
    struct cluster_shard row;
};

struct replog_judged { /* of a shard */
    struct written_log acknowledged;
    uint64_t *made;                                  /* by epoch: the highest seq that was made */
    uint64_t made_count, made_last, made_last_epoch; /* ... of the highest epoch */
    struct cluster_shard row;                        /* as it is */
    struct ids wanted_before;                        /* targets */
};

struct replog_world {
    struct sim sim;
    struct replog_reached reached;
    struct replog_node nodes[REPLOG_NODES_MAX];
    struct replog_conn conns[REPLOG_NODES_MAX][REPLOG_NODES_MAX]; /* [low][high] */
    uint32_t node_count, shards;
    uint8_t copies_wanted, min_isr;
    struct replog_judged judged[REPLOG_SHARDS_MAX];
    /* the directory and its leader */
    struct directory *directory;
    struct replog_change *changes;
    uint64_t change_count, change_capacity;
    struct lease_grantor grantor;
    struct sim_clock leader_clock;
    struct sim_event lead, operate;
    /* faults */
    bool healed, hasty;
    bool late_moves;                                         /* TRANSFERs that arrive when they were given up */
    bool undecided;                                          /* operators, who want back what they had */
    bool trusts_no_clocks;                                   /* reads ask, and use no lease */
    unsigned loss_percent, double_percent, overtake_percent; /* within a life: worse than core/env/peer.h promises */
    unsigned answer_loss_percent, wipe_percent;
    unsigned crash_weight, pause_weight, cut_weight, dir_cut_weight, full_weight, leader_weight;
    uint64_t delay_ns, late_ns, feed_ns, faults_every_ns, writes_every_ns, moves_every_ns, restart_ns;
    unsigned rest_percent; /* after a write: nobody writes for a while */
    uint32_t window_bytes, group_bytes, pad_max, room_bytes, chunk_entries;
    uint64_t numbers;
    struct sim_event fault, write, read;
    struct list flying; /* frames, letters to and from the directory */
};

/* replog_world.c: logs of what was written */
const struct written *written_at(const struct written_log *log, uint64_t seq);
void written_put(struct written_log *log, uint64_t seq, uint64_t epoch, uint64_t number);
void written_cut(struct written_log *log, uint64_t seq);
void written_copy(struct written_log *to, const struct written_log *from, uint64_t count);
void written_release(struct written_log *log);
uint64_t written_chain(const struct written_log *log, uint64_t seq);

/* replog_node.c */
void replog_node_init(struct replog_world *world, uint32_t place);
void replog_node_start(struct replog_node *node);
void replog_node_crash(struct replog_node *node);
void replog_node_crash_for_a_while(struct replog_node *node);
void replog_node_release(struct replog_node *node);
struct replog_node *replog_world_node(struct replog_world *world, uint64_t id);
/** After anything that the node was told: what it says leaves soon, and all is judged. */
void replog_node_worked(struct replog_node *node);
bool replog_node_is_asleep(const struct replog_node *node);
/** A copy of a shard that the directory wants there. */
void replog_copy_open(struct replog_copy *copy);
void replog_copy_row(struct replog_copy *copy, const struct cluster_shard *row);
bool replog_node_has_lease(const struct replog_node *node);

/* replog_host.c: what core/shard will be */
extern const struct replog_hooks replog_host_hooks;
void replog_host_apply(struct replog_node *node);
void replog_host_space(struct replog_node *node);
void replog_host_propose(struct replog_copy *copy, const struct replog_proposal *proposal);
void replog_copy_forget(struct replog_copy *copy);

/* replog_disk.c */
void replog_disk_submit(struct replog_node *node, const struct disk_record *record);
/** A crash keeps any part of what is not durable. */
void replog_disk_crash(struct replog_node *node);
void replog_disk_wipe(struct replog_node *node);
void replog_disk_init(struct replog_node *node);
/** All is durable now. */
void replog_disk_settle(struct replog_node *node);

/* replog_links.c */
void replog_links_init(struct replog_world *world);
void replog_links_release(struct replog_world *world);
/** Ends the lives of all links of the node; they come again by themselves. */
void replog_links_break(struct replog_node *node);
void replog_links_cut(struct replog_world *world, uint32_t one, uint32_t other, bool cut);
/** Later: `fire` with it, unless the node has died meanwhile; it waits while the node sleeps. */
struct replog_later {
    struct sim_event event;
    struct list node;
    struct replog_world *world;
    struct replog_node *to; /* NULL: the directory */
    uint64_t life;          /* of it; 0: any */
    void (*arrive)(struct replog_later *later);
};
void replog_later(struct replog_world *world, struct replog_later *later, struct replog_node *to, uint64_t delay_ns);

/* replog_directory.c */
void replog_directory_init(struct replog_world *world);
void replog_directory_release(struct replog_world *world);
const struct directory_result *replog_directory_apply(struct replog_world *world, const struct command *command);
void replog_directory_register(struct replog_node *node);
void replog_directory_renew(struct replog_node *node);

/* replog_clients.c: events `write` and `read` */
void replog_clients_init(struct replog_world *world);
/** A copy has committed, may read, or is primary no more. */
void replog_clients_committed(struct replog_copy *copy);
void replog_clients_confirmed(struct replog_copy *copy, uint64_t round);
void replog_clients_dropped(struct replog_copy *copy);

/* replog_faults.c: event `fault` */
void replog_faults_init(struct replog_world *world);
void replog_faults_heal(struct replog_world *world);
/** It hears of no rows, and of no other node. */
void replog_faults_isolate(struct replog_node *node);

/* replog_judge.c */
void replog_judge_node(struct replog_node *node);
void replog_judge_all(struct replog_world *world);
void replog_judge_made(struct replog_copy *copy, uint64_t epoch, uint64_t seq);
/** A primary has acknowledged up to there, a backup heard of it. */
void replog_judge_committed(struct replog_copy *copy, uint64_t seq, bool primary);
void replog_judge_read(struct replog_copy *copy, const struct waiting *read, const char *how);
/** NULL: all is as it should be. */
const char *replog_judge_unsettled(struct replog_world *world);
void replog_judge_tell(struct replog_world *world);

#endif
