/* tests/simulation/sim_raft.h: a server's log (consensus/raft_log.h) on a simulated node, by itself: changes are made
 * on the control core, lie in the node's own journal and store (consensus/raft_disk_shard.h), and go through all that
 * happens to it.
 *
 * Each batch is a change of its own, and brings a number along as the term; so what a start finds names the batch that
 * was the last one. It must be one that was given, not older than what was answered, and the log be exactly as of it:
 * whole batches, in order. It begins when it is first asked for anything: before, and on a node that is a server of a
 * cluster, its rows are somebody else's. */
#ifndef TESTS_SIMULATION_SIM_RAFT_H
#define TESTS_SIMULATION_SIM_RAFT_H

#include "consensus/raft_log.h"
#include "tests/simulation/sim_loop.h"

struct node;
struct sim_node;

#define SIM_RAFT_LOG_MAX 64u     /* entries */
#define SIM_RAFT_STATES_MAX 256u /* batches that are not answered, of all lives since, and the newest that is */

/** The log as of a batch. */
struct sim_raft_state {
    uint64_t number;      /* of the batch, in all lives; 0: before the first */
    uint64_t seq;         /* of the batch, in this life; 0: of an earlier one */
    uint64_t first, last; /* entries */
    uint64_t snapshot;    /* index; 0: none */
    uint32_t snapshot_size;
    uint64_t terms[SIM_RAFT_LOG_MAX]; /* from `first` */
    uint32_t sizes[SIM_RAFT_LOG_MAX];
};

struct sim_raft {
    struct sim *sim;
    uint32_t host;
    bool is_on;
    const struct node *node; /* NULL: it is down */
    struct sim_loop *loop;   /* the control core's */
    struct raft_disk *disk;  /* NULL: the node is down, or this is off */
    struct replica_log *log;
    struct sim_source wish;
    uint32_t wished;                                   /* changes that are yet to be made */
    struct sim_raft_state states[SIM_RAFT_STATES_MAX]; /* any of them may be what a crash leaves; oldest first */
    uint32_t state_count;
    uint32_t outstanding; /* batches, in this life */
    uint64_t number;      /* of the newest batch */
    uint64_t answered;    /* number of the newest that was answered */
    uint64_t answered_seq, taken_seq;
    uint32_t state_bytes_max; /* of snapshots; to be set by who wants large ones */
    uint64_t batches, refused;
};

void sim_raft_init(struct sim_raft *raft, struct sim *sim, uint32_t host);
/** A node was opened, whose loops don't run yet: reads the log back, and judges it, if it is on. */
void sim_raft_up(struct sim_raft *raft, const struct node *node, struct sim_loop *control);
/** Before node_free. Idempotent. */
void sim_raft_down(struct sim_raft *raft);
/** From now on; idempotent. */
void sim_raft_on(struct sim_raft *raft);
/** A change will be made in the control core's next turn; forgotten if the node is down. Turns it on. */
void sim_raft_wish(struct sim_raft *raft);
/** Between two steps, of a node that is up: one batch, in which a snapshot with `size` bytes of state takes the place
 * of all entries, and `entries` follow, of `entry_size` bytes each. */
void sim_raft_install(struct sim_raft *raft, uint32_t size, uint32_t entries, uint32_t entry_size);

#endif
