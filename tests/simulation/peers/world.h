/* tests/simulation/peers/world.h: two to five nodes that are nothing but their links (net/peer), over the simulated
 * network, and what must be true of them:
 *
 * - within a life frames arrive whole, in the order sent, none twice, none left out;
 * - a life of one side belongs to one life of the other, and to no second one, ever;
 * - an answer comes in the life that its question left in;
 * - nobody comes up, and nothing is received, from who has not proved the secret, is of another cluster, was removed,
 *   or has been started again since;
 * - a queue stays within its limit, and who was refused for it hears of room;
 * - once faults end all links are up within a bound; at the end nothing is left.
 *
 * Nodes hold links, crash and start again; links are cut and connections reset; and there is an attacker. */
#ifndef TESTS_SIMULATION_PEERS_WORLD_H
#define TESTS_SIMULATION_PEERS_WORLD_H

#include "net/peer/peers.h"
#include "tests/simulation/sim_net.h"

#define NODES_MAX 5u
#define CORES_MAX 3u /* and the control core */
#define PORT 7077
#define PHANTOM_LOW 1u /* members that do not exist: the attacker is where they should be */
#define PHANTOM_HIGH (UINT64_MAX - 1)

/** What is wrong with a node: others must not come up with it. */
enum flaw { FLAW_NONE, FLAW_SECRET, FLAW_CLUSTER, FLAW_REMOVED, FLAW_OLD, FLAW_COUNT };

/** A life, of one core's in one start. */
struct life {
    bool is_up;
    uint32_t node;      /* index of the other one */
    uint64_t sent;      /* frames taken */
    uint64_t received;  /* frames */
    uint32_t waits_for; /* kinds, a bit each, that were refused and await `room` */
    bool held;
};

/** An answer that is due. */
struct answer {
    struct list list;
    uint64_t at_ns, node, life, asker_life;
};

struct core_of {
    struct node_of *node;
    uint32_t slot;  /* in node->cores */
    uint32_t index; /* slot, or PEER_CORE_CONTROL */
    struct sim_loop loop;
    struct timerwheel wheel;
    struct rng rng;
    struct transport *transport;
    struct peers_net *net; /* NULL: down */
    struct timer work;
    struct list answers;
    struct life *lives; /* [life - 1] */
    uint64_t life_count;
    bool members_changed, closed;
};

struct node_of {
    struct world *world;
    uint32_t number; /* index in the world */
    uint64_t id, incarnation, known_incarnation;
    enum flaw flaw;
    uint32_t host, starts, core_count, slot_count;
    bool is_up, power_went;
    unsigned next_core;
    char name[16], address[32], seen_address[32];
    struct sim_clock clock;
    struct listener *listener;
    struct core_of cores[CORES_MAX + 1];
};

/** A life of one side is a life of the other: (node, start, slot, life) each. */
struct pairing {
    uint64_t receiver[4], sender[4];
};

struct attacker;

struct world {
    struct sim sim;
    struct sim_net *net;
    struct secret *secret, *other_secret;
    struct peers_limits limits;
    uint32_t node_count;
    struct node_of nodes[NODES_MAX];
    struct attacker *attacker;
    bool quiet;  /* no more faults, holds or attacks */
    bool silent; /* and nothing new is sent */
    uint32_t filler_max;
    struct pairing *pairings;
    uint64_t pairing_count;
    uint64_t sent, received, answered, refused, lives, rooms; /* for the summary: what was reached */
};

void world_init(struct world *w, uint64_t seed, FILE *story);
void world_release(struct world *w);

void node_start(struct node_of *n);
void node_crash(struct node_of *n, bool power);
/** Every link that should be up is. */
bool world_is_whole(const struct world *w);
/** Closes all links in good order; false if they do not within a minute. */
bool world_close(struct world *w);

/* traffic.c: what is sent, and checked. */

void traffic_begin(struct core_of *c);
void traffic_work(struct timer *timer);
void traffic_end(struct core_of *c);
/** Who is still waiting for room in a life that is up? */
bool traffic_is_stuck(const struct core_of *c);

/* attacker.c */

/*    what it tries */
#define ATTACK_TABLE(X)                                                                                                \
    X(garbage)   /* random bytes, or a hello and then random bytes */                                                  \
    X(guessed)   /* as a member, with a proof that is drawn */                                                         \
    X(reflected) /* as a member that was dialed: gives hello or proof back */                                          \
    X(replayed)  /* all that a member has said to another, once more */                                                \
    X(tampered)  /* between two: bits, with and without the CRC put right; frames doubled, left out, exchanged */      \
    X(forged)    /* between two: a frame of its own */                                                                 \
    X(broken)    /* between two: the end in the middle of a frame */

enum attack {
#define ATTACK_ENUM(name) ATTACK_##name,
    ATTACK_TABLE(ATTACK_ENUM)
#undef ATTACK_ENUM
        ATTACKS
};

struct attacker *attacker_new(struct world *w);
void attacker_free(struct attacker *a);
/** Where the nodes are told that node `n` listens: the attacker stands between. */
void attacker_stand_before(struct attacker *a, struct node_of *n);
/** Phantoms' addresses. */
const char *attacker_address(const struct attacker *a);
/** It passes on what goes through it, and does nothing else any more. */
void attacker_rest(struct attacker *a);
/** How often it tried each thing. */
void attacker_tell(const struct attacker *a, uint64_t counts[ATTACKS]);

#endif
