/* tests/simulation/forward/world.h: two or three whole nodes with links between them, whose clients call through
 * whichever node they are connected to (net/forward).
 *
 * There is no directory: who owns which shard is decided when the world is made, and the maps that tell it come to each
 * core of each node late, in pieces, and after each start anew: before that a core knows nothing of a shard, or of some
 * earlier owner, who knows better. Shards move, with all that they have (moves.c). Nodes crash, stop and start again;
 * links and connections are cut and reset; cores starve. Workloads are those of one node (workload.h), with their
 * checkers: what is true of one node must be true of all together.
 *
 * At the end faults are over, all maps are there, every workload reads what it must, and all nodes stop and leave
 * nothing behind. */
#ifndef TESTS_SIMULATION_FORWARD_WORLD_H
#define TESTS_SIMULATION_FORWARD_WORLD_H

#include "core/cluster_map.h"
#include "core/store/keys.h"
#include "net/forward/forward.h"
#include "net/peer/secret.h"
#include "tests/simulation/sim_node.h"
#include "tests/simulation/workload.h"
#include "tools/node/membership.h"

#define SITES_MAX 3u
#define CLIENTS_MAX 4u
#define WORKLOADS_MAX 12u
#define CLASSES_MAX 32u

/** The map of one core that is to come. */
struct coming_map {
    struct sim_event event;
    struct site *site;
    unsigned core;
};

/** A map in one block, as long as its node lives. */
struct site_map {
    struct list node;
    struct cluster_map map;
    struct cluster_node nodes[SITES_MAX];
    struct cluster_owner owners[CLUSTER_SHARDS];
};

/** A shard on its way from a site to another: moves.c. One at a time. */
struct mover {
    struct world *world;
    struct sim_event event;
    enum { MOVER_IDLE, MOVER_CLOSING, MOVER_COPYING } phase;
    uint32_t shard, from, to;
    uint64_t attempt, from_start, to_start;
    bool failed, installed, asking;
    struct shard_export *copy;
    struct keys_meta meta;
    pdr_writer chunk;
};

struct site {
    struct world *world;
    uint32_t index;
    struct sim_node node;
    uint64_t id;
    struct sim_event restart;
    struct coming_map coming[SIM_CORES_MAX];
    struct list maps;
    bool has_stopped;
    /* directory.c: what its disk keeps */
    uint64_t boot, known;
    struct membership_options membership;
    struct membership_contact contacts[SITES_MAX];
};

struct world_options {
    uint64_t seed;
    const char *workload; /* NULL: drawn */
    FILE *story;          /* NULL: none */
    bool no_faults;
    uint8_t copies; /* of a shard, with the directory: at most; 0: 1 */
    bool elections; /* nobody calls; clients stand in elections (elections.c) */
    bool directory; /* the real one decides (directory.c), not the world */
};

struct world {
    struct sim sim;
    struct sim_net *net;
    struct secret *secret;
    struct site sites[SITES_MAX];
    uint32_t site_count;
    uint64_t version;               /* of the directory that there is not */
    uint32_t owner[CLUSTER_SHARDS]; /* a site */
    uint64_t cv[CLUSTER_SHARDS];    /* of its row */
    uint64_t epoch[CLUSTER_SHARDS];
    struct mover mover;
    uint64_t moves, given_up; /* shards that came to another site, and copies that were begun in vain */
    struct sim_client clients[CLIENTS_MAX];
    uint32_t client_count;
    struct workload *workloads[WORKLOADS_MAX];
    uint32_t workload_count;
    void *ledgers[CLASSES_MAX];
    uint8_t copies;
    struct electors *electors; /* elections.c; NULL: there are none */
    uint64_t elected, lost;
    bool healed, stopping, clients_closed, directory;
    struct forward_stats stats; /* of all cores that have ended */
    uint64_t crashes, stops, done, unknown;
};

void world_init(struct world *w, const struct world_options *options);
/** One thing goes wrong. */
void world_fault(struct world *w);
/** Faults are over. */
void world_heal(struct world *w);
/** Every workload has read what it must. */
bool world_is_finished(const struct world *w);
void world_judge(struct world *w);
/** Clients go, and with them their sessions: some time later no node may know anything of any. */
void world_forget(struct world *w);
/** In good order; false if they do not stop. */
bool world_stop(struct world *w);
void world_release(struct world *w);
/** Every core of every site gets a map of how things are, within that time. */
void world_tell_maps(struct world *w, uint64_t within_ms);

/* directory.c: sites that are members of a cluster, as `perdure start --join` makes them. */

/** Before its first start. */
void directory_site_init(struct site *site);
/** An operator moves shards. */
void directory_move(struct world *w);
/** ... or drains a site, and no other; or none. */
void directory_drain(struct world *w, bool drains);
/** All are members, and one leads. */
bool directory_is_whole(const struct world *w);

/* elections.c: clients that stand in elections */

void elections_open(struct world *w);
/** Whoever stands goes on, and nobody comes or goes. */
void elections_rest(struct world *w);
/** Each election that somebody stands in has a leader, and nobody stands who is dead. */
bool elections_are_settled(const struct world *w);
/** ... and if not, why. */
void elections_judge(struct world *w, uint64_t waited_ns);
/** Of one of their clients, drawn. */
uint32_t elections_host(struct world *w);
void elections_close(struct world *w);

/* moves.c */

void mover_init(struct mover *m, struct world *w);
/** If none is under way: a drawn shard goes to a drawn site. */
void mover_begin(struct mover *m);
/** The site must not hear yet that the shard is its own. */
bool mover_hides(const struct mover *m, uint32_t site, uint32_t shard);
/** The site is about to go down: what is open there is closed. */
void mover_lets_go(struct mover *m, uint32_t site);
void mover_release(struct mover *m);

#endif
