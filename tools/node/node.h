/* tools/node/node.h: one node, assembled: the one place that knows actors, net and core together.
 *
 * A node is given its world as seams and has no globals, so many nodes fit a process (the simulator's do). Layers open
 * upwards and close downwards. */
#ifndef TOOLS_NODE_NODE_H
#define TOOLS_NODE_NODE_H

#include <perdure/actor.h>

#include "core/env/clock.h"
#include "core/env/loop.h"
#include "core/env/work.h"
#include "core/journal/journal.h"
#include "core/store/store.h"
#include "net/transport/transport.h"
#include "tools/node/process_stats.h"

struct node;
struct backup_place;

/** The outside world of one node. Borrowed until the node has stopped, except disk and store, which it takes. */
struct node_world {
    struct clock *clock;
    struct work *work;
    unsigned cores;                      /* 1..64 core threads */
    struct loop *const *core_loops;      /* one a core */
    struct transport *const *transports; /* one a core, on its loop */
    struct loop *control_loop;           /* `_sys`, checkpoints */
    struct loop *journal_loop;
    struct disk *disk;
    struct store *store;
    struct backup_place *backups; /* NULL: none are made */
    uint64_t seed;
    void (*process_stats)(struct process_stats *out); /* on the work pool; NULL: nothing is known */
};

struct membership_options;

/** Zero: the default of tools/node/config_table.h. */
struct node_options {
    const char *name;                          /* NULL: the host's name */
    const char *listen;                        /* HOST:PORT */
    const char *cluster, *id;                  /* from DATA/identity; NULL: the name */
    uint64_t self;                             /* its number in a cluster (links.h), whose map comes later; 0: alone */
    uint64_t epochs;                           /* from there: the lowest epoch that a shard may go on in */
    const char *const *labels;                 /* NULL-terminated, "K=V" each; borrowed for good; NULL: none */
    const struct pdr_actor_type *const *types; /* NULL-terminated; besides the builtin ones; borrowed for good */
    uint64_t idle_ms;                          /* passivation of idle actors; 0: 60,000 */
    uint64_t memory_max;                       /* of activations and what waits for them, bytes, all cores; 0: 1 GiB */
    uint32_t mailbox_max;                      /* calls that wait for one actor; 0: 1,024 */
    uint32_t queued_max;                       /* calls that wait on one core; 0: 65,536 */
    uint32_t tells_max;                        /* durable tells that wait for one actor; 0: 16,384 */
    uint32_t outbox_max;                       /* ... that one shard keeps for another; 0: 16,384 */
    uint32_t resident_reminders_max;           /* that an actor keeps all of in memory; 0: 8 */
    uint32_t connections_max;                  /* 0: 10,000 */
    uint32_t outstanding_max;                  /* unanswered calls of one connection before it is paused; 0: 4,096 */
    uint64_t unread_ms;                        /* how long a peer may take no byte of its answers; 0: 120,000 */
    uint32_t sessions_max;                     /* open sessions of clients; 0: 100,000 */
    uint64_t session_idle_ms;                  /* a session's life without a connection; 0: 3,600,000 */
    uint32_t fibers_max;                       /* turns that wait at a time, a core; 0: 10,000 */
    uint64_t slow_turn_ms;                     /* a turn that lasts as long is logged; 0: none is */
    struct journal_options journal;
    const struct membership_options *membership; /* membership.h; NULL: the node is alone */
    /* Tests of R27 and the like: called instead of ending the process. NULL in production. */
    void (*fatal)(void *user, const char *why);
    void *fatal_user;
};

/**
 * Recovers the node's state and begins to listen. Blocks (reads the log); call before the loops run, or in the
 * simulator at any event. On failure *why is a sentence that says what, where and what to do; nothing is left open.
 */
enum pdr_status node_open(const struct node_world *world, const struct node_options *options, struct node **out,
                          const char **why);

/** The port it listens on. */
uint16_t node_port(const struct node *node);

/**
 * Any thread. Stops listening, lets running turns end (at most drain_ms), commits, applies and flushes, then calls
 * `stopped` on the control loop. Afterwards the loops may be stopped and node_free called.
 */
void node_stop(struct node *node, uint64_t drain_ms, void (*stopped)(void *user), void *user);
/** After `stopped`, or after the loops have been stopped for good (the simulator's crash: nothing is written). */
void node_free(struct node *node);

#endif
