/* tests/simulation/sim_lease_parts.h: the world of leases, for sim_lease*.c alone: its state, and who acts in it. */
#ifndef TESTS_SIMULATION_SIM_LEASE_PARTS_H
#define TESTS_SIMULATION_SIM_LEASE_PARTS_H

#include "consensus/lease_grantor.h"
#include "consensus/lease_holder.h"
#include "core/base/rng.h"
#include "tests/simulation/sim_lease.h"

enum { NODES = 4, VOTERS = 3, SHARDS = 4, LOG = 4096, MESSAGES = 256, PROPOSALS = 64 };
enum { NOOP, REGISTER, TAKE };
#define STEP_NS NS_PER_MS
#define TROUBLE_NS (14 * NS_PER_S)

/* Runs at `ppm` / 1,000,000 of true time. */
struct model_clock {
    uint64_t ns, part, ppm;
};

struct row {
    int primary; /* -1: none */
    uint64_t incarnation, index;
};

struct entry {
    int kind, node, shard, to;
    uint64_t incarnation, term, expected; /* index of the row that is to be replaced */
};

struct view {
    uint64_t applied;
    uint64_t incarnations[NODES], registered[NODES]; /* index of the registration */
    struct row rows[SHARDS];
};

struct process {
    struct model_clock clock;
    struct lease_holder holder;
    struct view view;
    bool alive;
    uint64_t incarnation, paused_until, register_at, feed_stuck_until;
    int leader; /* as it thinks */
};

struct voter {
    struct model_clock clock;
    struct lease_grantor grantor;
    struct view view;
    bool leads;
    bool proposed[SHARDS]; /* a take of it is under way */
    uint64_t term, paused_until, tick_at, learns_at;
    uint64_t round, confirm_at, done_at;
    bool confirmed, asked;
};

struct message {
    bool used, is_grant;
    int from, to;
    uint64_t at;
    struct lease_renew renew;
    struct lease_grant grant;
};

struct proposal {
    bool used;
    uint64_t at;
    struct entry entry;
    int by; /* voter; -1: whoever leads */
};

/* What a seed means. Rates are per million steps. */
struct profile {
    unsigned loss, twice; /* percent */
    uint64_t delay_ns, late_ns;
    unsigned late; /* percent */
    uint64_t round_ns, commit_ns;
    unsigned pause_node, pause_voter, jump, elect, crash, cut, stuck;
    bool slow, leave_dead;
};

struct world {
    struct rng rng;
    struct profile profile;
    uint64_t now, seed;
    uint64_t term;
    int leader; /* of that term */
    bool troubled;
    struct process nodes[NODES];
    struct voter voters[VOTERS];
    struct message messages[MESSAGES];
    struct proposal proposals[PROPOSALS];
    uint64_t cut_until[NODES][VOTERS];
    struct entry log[LOG];
    struct view truth; /* all of the log */
    struct sim_lease_report *report;
};

static inline uint64_t below(struct world *w, uint64_t n)
{
    return rng_below(&w->rng, n);
}

/* sim_lease_world.c */

/** A proposal arrives, or is lost, after a while. `by`: a voter; -1: whoever leads. */
bool propose(struct world *w, int by, struct entry e);
void run_proposals(struct world *w);
void commit(struct world *w, const struct entry *e);
void view_apply(struct view *view, const struct entry *e);
void post(struct world *w, struct message m);
void deliver(struct world *w);
/** A process of the node, the next incarnation. */
void start_process(struct world *w, int node);
void run_node(struct world *w, int node);
/** The process thinks that it leads the shard, and that it has a lease. */
bool serves(const struct process *p, int node, int shard);

/* sim_lease_voter.c */

void elect(struct world *w, int voter);
void run_voter(struct world *w, int voter);

#endif
