/* tests/simulation/sim_node.h: one simulated machine with one node on it: started, crashed, stopped and started again.
 * What survives a life is in sim_media. */
#ifndef TESTS_SIMULATION_SIM_NODE_H
#define TESTS_SIMULATION_SIM_NODE_H

#include "tests/simulation/sim_backup.h"
#include "tests/simulation/sim_media.h"
#include "tests/simulation/sim_net.h"
#include "tests/simulation/sim_raft.h"
#include "tests/simulation/sim_work.h"
#include "tools/node/node.h"

#define SIM_CORES_MAX 4u

/* What happened inside, over all lives: a night in which one of them stays 0 has not tested it. */
#define SIM_REACHED(X)                                                                                                 \
    X(loads)         /* state was read back from the store */                                                          \
    X(passivations)  /* an idle actor was given up */                                                                  \
    X(evictions)     /* ... because memory was short */                                                                \
    X(rollbacks)     /* the log had no room for what had run (R74) */                                                  \
    X(overloaded)    /* a queue was full */                                                                            \
    X(deadlines)     /* a call was too late */                                                                         \
    X(applies)       /* entries went to the store */                                                                   \
    X(recycles)      /* a segment of the log was used again */                                                         \
    X(store_refused) /* the store had no space */                                                                      \
    X(garbage)       /* a connection was closed for what it sent */                                                    \
    X(cut_turns)     /* a stop did not wait for a turn */                                                              \
    X(crashed_turns) /* a crash came while a turn waited */                                                            \
    X(refused)       /* a connection too many, or a request that names nothing */                                      \
    X(failed_starts) /* recovery was cut short */                                                                      \
    X(backups)       /* a copy was made */                                                                             \
    X(raft_batches)  /* the directory's server wrote */                                                                \
    X(raft_refused)  /* ... and had to wait for room (R74) */                                                          \
    X(fatals)        /* a sync failed (R27) */

struct sim_reached {
#define SIM_REACHED_FIELD(name) uint64_t name;
    SIM_REACHED(SIM_REACHED_FIELD)
#undef SIM_REACHED_FIELD
};

enum sim_node_state { SIM_NODE_DOWN, SIM_NODE_UP, SIM_NODE_STOPPING };

struct sim_node {
    struct sim *sim;
    struct sim_net *net;
    uint32_t host;
    char address[48];
    enum sim_node_state state;
    unsigned cores;
    struct node_options options;
    struct sim_clock clock;
    struct sim_media media;
    struct sim_backup backup;
    struct sim_work work;
    struct sim_raft *raft;
    struct sim_loop core_loops[SIM_CORES_MAX], control_loop, journal_loop;
    struct transport *transports[SIM_CORES_MAX];
    struct transport *control_transport; /* for links of the control core */
    struct loop *loops[SIM_CORES_MAX];   /* as node_world wants them */
    struct node *node;                   /* NULL: down */
    struct sim_event fatal, stopped;
    bool expects_fatal; /* a fault was ordered that ends the node by itself (R27) */
    bool may_refuse;    /* the log was damaged: not to start is right */
    char refused[512];  /* why it did not start; "" if it did */
    bool power_went;    /* how the machine went down the last time */
    uint64_t starts, crashes, stops;
    struct sim_reached reached;
    /** Called when the node is open and its loops do not run yet: it may be given links. May be NULL. */
    void (*opened)(void *user, struct sim_node *node);
    /** Before each start, when its loops and transports are there: to set `options`. May be NULL. */
    void (*before_open)(void *user, struct sim_node *node);
    /** Called when the node has ended by itself, after node_free. May be NULL. */
    void (*ended)(void *user, struct sim_node *node);
    /** Called when the node is up, and when it is about to be taken down. May be NULL. */
    void (*on_started)(void *user, struct sim_node *node);
    void (*on_down)(void *user, struct sim_node *node);
    /** Called when the node has stopped gracefully, before node_free. May be NULL. */
    void (*on_stopped)(void *user, struct sim_node *node);
    void *user;
};

/** `name` becomes the host's. `options` is copied; listen and fatal are set here. */
void sim_node_init(struct sim_node *n, struct sim *sim, struct sim_net *net, const char *name, unsigned cores,
                   const struct node_options *options);
/** Ends it as it is: crashed if need be. */
void sim_node_release(struct sim_node *n);

/** False if it did not start: it died on the way (media.dies_at), or the run has failed. */
bool sim_node_start(struct sim_node *n);
/** kill -9 of the process, or the power of the machine. */
void sim_node_crash(struct sim_node *n, bool power);
/** node_stop; when it has ended, the node is down and `ended` is called. */
void sim_node_stop(struct sim_node *n, uint64_t drain_ms);
/** All threads of it stand still until then; its clock does not. */
void sim_node_pause(struct sim_node *n, uint64_t until_ns);

#endif
