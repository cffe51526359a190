/* tests/simulation/raft/raft_world.h: the directory's Raft group in the simulator: up to eight servers of the real
 * consensus/ over links that lose, delay, double, reorder and are cut one way, disks that are slow, full, and lose what
 * is not durable, clocks that drift, processes that die and stop; clients that propose and read, and a manager who
 * changes roles.
 *
 * Phase 1: faults happen, and everything is judged as it happens (raft_checker.h). Phase 2: all is healed; soon there
 * is a leader, all members agree, and nothing that was acknowledged is missing. */
#ifndef TESTS_SIMULATION_RAFT_RAFT_WORLD_H
#define TESTS_SIMULATION_RAFT_RAFT_WORLD_H

#include "consensus/raft_node.h"
#include "tests/simulation/raft/raft_checker.h"
#include "tests/simulation/raft/raft_media.h"
#include "tests/simulation/raft/raft_reached.h"
#include "tests/simulation/sim_clock.h"

#define RAFT_WORLD_SERVERS 8u
#define RAFT_COMMANDS_MAX 16384u

struct raft_world;

/* A process, with a state machine that notes which commands it applied. */
struct raft_server {
    struct raft_world *world;
    uint32_t place;
    uint64_t id;
    char address[24];
    struct sim_clock clock;
    struct raft_media media;
    struct raft_node *node; /* NULL: down */
    uint64_t starts;
    bool retired; /* removed: never a member again under this id */
    uint64_t asleep_until_ns;
    struct raft_settings settings;
    struct sim_event tick, restart, space, die;
    struct raft_state state;
};

struct raft_world {
    struct sim sim;
    struct raft_reached reached;
    struct raft_checker checker;
    struct raft_server servers[RAFT_WORLD_SERVERS];
    struct raft_member founders[RAFT_WORLD_SERVERS];
    uint32_t founder_count;
    bool cut[RAFT_WORLD_SERVERS][RAFT_WORLD_SERVERS]; /* from, to */
    bool healed, stormy, deposes, deposing;
    uint64_t newest_ns[RAFT_WORLD_SERVERS][RAFT_WORLD_SERVERS]; /* when the last letter of a link arrives */
    unsigned loss_percent, double_percent, overtake_percent;
    uint64_t delay_ns, restart_ns, commands_every_ns, faults_every_ns, changes_every_ns;
    unsigned crash_weight, write_crash_percent, pause_weight, cut_weight, full_weight;
    uint32_t pad_max;   /* bytes of a command, behind its number */
    uint32_t state_pad; /* of a snapshot */
    struct sim_event propose, fault, change;
    struct list letters, asked; /* under way; proposals and reads that nobody answered yet */
    uint64_t submitted;
};

/* raft_server.c */
void raft_server_init(struct raft_world *world, uint32_t place);
void raft_server_start(struct raft_server *server);
void raft_server_crash(struct raft_server *server);
/** It is back after a while. */
void raft_server_crash_for_a_while(struct raft_server *server);
void raft_server_release(struct raft_server *server);
void raft_server_sleep(struct raft_server *server, uint64_t ns);
/** After anything that was asked of its node. */
void raft_server_arm(struct raft_server *server);
struct raft_server *raft_world_server(struct raft_world *world, uint64_t id);
/* raft_links.c */
void raft_links_send(struct raft_server *from, uint64_t to, struct pdr_bytes letter);
void raft_links_release(struct raft_world *world);
/* raft_clients.c: events `propose` and `change` */
void raft_clients_init(struct raft_world *world);
void raft_clients_release(struct raft_world *world);
/** Proposes one command at the server; false if it is down. */
bool raft_clients_propose(struct raft_server *server);
void raft_clients_read(struct raft_server *server);
/* raft_faults.c: event `fault` */
void raft_faults_init(struct raft_world *world);
void raft_faults_heal(struct raft_world *world);

#endif
