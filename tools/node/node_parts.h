/* tools/node/node_parts.h: the inside of a node, for the files of this folder. */
#ifndef TOOLS_NODE_NODE_PARTS_H
#define TOOLS_NODE_NODE_PARTS_H

#include "actors/registry.h"
#include "core/cluster_map.h"
#include "core/shard/core.h"
#include "net/conn/conn.h"
#include "net/route.h"
#include "tools/node/node.h"

/* What a stop has yet to do, in this order. */
enum stop_step {
    STOP_NO,
    STOP_LEADS,
    STOP_CORES,
    STOP_FAREWELL,
    STOP_TURNS,
    STOP_CONNS,
    STOP_LINKS,
    STOP_FLUSH,
    STOP_JOURNAL,
    STOP_DONE
};

/** What the node keeps beside each core. */
struct node_core {
    struct node *node;
    unsigned index;
    bool is_applied; /* in a stop: the store has what the core wrote; set before the core says that it is idle */
    uint64_t held;   /* ... but for what others have a say in, which lies there or behind it */
    struct conns conns;
    struct peers_net *peers; /* NULL: the node is alone */
    struct forward *forward; /* as well */
};

/** A connection on its way to the core that will have it. */
struct accepted {
    struct message message;
    struct conns *conns;
    intptr_t pending;
};

struct node {
    struct node_world world;
    struct store *store;
    struct journal *journal;
    struct registry *registry;
    struct core **cores;
    struct node_core *parts;
    struct core *control;
    struct cluster_map first; /* the map of a node alone, and of a member until it has one */
    struct router router;
    struct system_actor system[3];
    struct listener *listener;
    struct membership *membership; /* NULL: it is alone */
    struct node_links *links;      /* links.h; NULL: the node is alone */
    unsigned next_core;

    char name[128], cluster[128], id[128], address[128];
    const char *const *labels;
    struct conn_identity identity;
    uint64_t started_ns;
    void (*fatal)(void *user, const char *why);
    void *fatal_user;

    /* on the control loop */
    unsigned checkpoint_awaited, stop_awaited; /* cores that have yet to answer */
    bool checkpointing, checkpoint_again;
    uint64_t checkpoint_known, checkpoint_position;
    uint64_t wanted_position; /* durable when the journal last asked */
    uint64_t *core_positions;
    struct timer checkpoint_timer; /* after a flush that failed */
    enum stop_step stop;
    bool stop_waits; /* for a checkpoint to end */
    uint64_t drain_ms;
    void (*stopped)(void *user);
    void *stopped_user;
    struct list surveys;         /* survey.h: questions to all cores */
    struct backup *backup;       /* backup.c: the one under way, or NULL */
    struct elections *elections; /* sys_election.h */
    struct list asks;            /* sys_directory_ask.c: calls that wait for the directory */
    pdr_writer map_answer;       /* sys_map.c: the map of that version, encoded */
    uint64_t map_answer_version;
    struct list letters; /* sys_dead.c: calls about a dead letter, until its core has answered */
};

/** Any core's thread: `run` is called on the control core. */
void node_to_control(struct node *node, uint64_t argument, void (*run)(struct node *node, uint64_t argument));
/** On the control core: `run` is called on each core, with its index. */
void node_to_all(struct node *node, void (*run)(struct node *node, uint64_t argument));

/** On the control core: `run` is called on the journal's loop, with 0. */
void node_to_journal(struct node *node, void (*run)(struct node *node, uint64_t argument));

/** On the control core: a job of it that uses the store has ended, and is off core->jobs. A stop waits for them. */
void node_job_over(struct node *node);

/** Goes one step on with the stop, on the control loop. */
void node_stop_step(struct node *node, uint64_t unused);

#endif
