/* tests/simulation/run.h: one run of one seed: a node, its clients, their workloads, faults, and then peace.
 *
 * Phase 1: faults happen, and every answer is judged. Phase 2: everything is healed, the node started again if it is
 * down (half of the time it is killed or stopped once more first), and within 30 simulated seconds each workload must
 * have read what it needs. Then the node stops, and must leave nothing behind. */
#ifndef TESTS_SIMULATION_RUN_H
#define TESTS_SIMULATION_RUN_H

#include "tests/simulation/checkers/wire.h"
#include "tests/simulation/cluster/cluster_reached.h"
#include "tests/simulation/raft/raft_reached.h"
#include "tests/simulation/sim_moves.h"
#include "tests/simulation/replog/replog_reached.h"
#include "tests/simulation/sim_node.h"
#include "tests/simulation/workload.h"

#define RUN_CLIENTS_MAX 4u
#define RUN_WORKLOADS_MAX 16u
#define RUN_CLASSES_MAX 32u

struct faults;

struct run_options {
    uint64_t seed;
    const char *workload; /* NULL: drawn */
    FILE *story;          /* NULL: none */
    bool no_faults;
    bool moves; /* shards come and go: sim_moves.h */
    /* Of the cluster world; 0: a small one is drawn, of 3 voters. `nodes` asks for a large one. */
    uint32_t nodes, shards, voters;
    bool no_moves; /* shards stay where they are */
};

struct run_result {
    bool passed;
    char why[640];
    uint64_t trace, steps, simulated_ns;
    uint64_t calls, answers; /* on the wire */
    uint64_t done, not_done, unknown;
    uint64_t starts, crashes, stops;
    uint64_t codes[PDR_STATUS_COUNT]; /* answers by outcome */
    struct sim_reached reached;
    struct raft_reached raft_reached; /* of the raft world */
    struct cluster_reached cluster_reached;
    struct moves_reached moves_reached;
    struct replog_reached replog_reached;
};

struct run {
    struct sim sim;
    struct sim_net *net;
    struct sim_node node;
    struct sim_client clients[RUN_CLIENTS_MAX];
    uint32_t client_count;
    struct workload *workloads[RUN_WORKLOADS_MAX];
    uint32_t workload_count;
    void *ledgers[RUN_CLASSES_MAX]; /* by class */
    struct wire_checker *wire;
    struct faults *faults;
    struct sim_moves *moves; /* NULL: all shards are here for good */
    uint64_t phase_1_ns;
    struct sim_event restart;
    bool healed, stopping;
    bool leak_checked;
};

/** Draws the world of a seed: swarm.c. */
void swarm_draw_node(struct sim *sim, struct node_options *options, unsigned *cores);
void swarm_draw_net(struct sim *sim, struct sim_net *net);

/** A world with a started node and `clients` clients, but no workloads and no faults: for scenarios. */
void run_open(struct run *run, const struct run_options *options, const struct node_options *node, unsigned cores,
              uint32_t clients, bool raw);
/** Adds a workload of the class of that name to a client. */
struct workload *run_add(struct run *run, const char *cls, uint32_t client);
/** Runs for that long. False: failed. */
bool run_for(struct run *run, uint64_t ns);
/** Phase 2, to the end of all workloads, and the node's stop. False: failed. */
bool run_finish(struct run *run);
void run_close(struct run *run);

/** The whole run. True if it passed. */
bool run_seed(const struct run_options *options, struct run_result *result);
/** The same, with options->moves. */
bool run_moves(const struct run_options *options, struct run_result *result);

/* faults.c: which faults a run has, and how often. */

struct faults *faults_new(struct run *run);
void faults_free(struct faults *faults);
/** Nothing happens any more, and what was broken is whole again. */
void faults_heal(struct faults *faults);
/** Starts the node after that time; if it dies on the way, again. */
void run_restart_after(struct run *run, uint64_t delay_ns);

#endif
