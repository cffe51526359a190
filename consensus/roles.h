/* consensus/roles.h: who should be a server of the directory's Raft group: pure.
 *
 * Of a cluster's nodes only a few are servers: as many voters as wanted (3, or 5), always an odd number, for an even
 * one can lose no more servers and is more likely to; what is left to the wanted number are standbys, which have the
 * log and no vote. A voter that has been down for long is replaced if there is somebody to replace it, and never
 * just dropped: a cluster that shrinks with each failure ends as one node that knows too little. */
#ifndef CONSENSUS_ROLES_H
#define CONSENSUS_ROLES_H

#include <stdbool.h>
#include <stdint.h>

#include "consensus/raft_config.h"

#define ROLES_VOTERS_MAX 5u

enum roles_health {
    ROLES_UP,
    ROLES_DOWN,    /* it may well come back */
    ROLES_LOST,    /* down for so long that it is to be replaced */
    ROLES_LEAVING, /* it is being drained: no server any more, as soon as can be */
    ROLES_GONE,    /* it was removed, or is down and drained: the same */
};

struct roles_node {
    uint64_t id;
    enum roles_health health;
    bool is_server;      /* in Raft's configuration ... */
    enum raft_role role; /* ... as that */
    uint32_t zone;       /* equal for nodes that may fail together; 0: not known */
};

enum roles_action {
    ROLES_NOTHING,  /* it is as it should be, or as near as can be */
    ROLES_ADD,      /* as a spare */
    ROLES_ASSIGN,   /* `role` */
    ROLES_REMOVE,   /* from the configuration */
    ROLES_TRANSFER, /* leadership, to that voter: the leader itself is to go */
};

struct roles_step {
    enum roles_action action;
    uint64_t id;
    enum raft_role role;
};

/** The one change to be made next; none that would leave fewer voters up than can elect a leader. `nodes` are all
 * members and all servers, in any order, ids unique; `wanted` voters, 1 to ROLES_VOTERS_MAX; `leader` is among them.
 * The same for any order of `nodes`. */
struct roles_step roles_next(const struct roles_node *nodes, uint32_t count, uint32_t wanted, uint64_t leader);

/** How many voters there should be of so many nodes that stay. */
uint32_t roles_voters(uint32_t staying, uint32_t wanted);

#endif
