/* consensus/placement.h: where each shard ought to be. A pure function: from the cluster as it is to a list of moves.
 *
 * What it holds to, in this order: no shard has fewer living replicas than before; labels and pins; replicas of a
 * shard on different nodes, and in different zones as far as there are zones; nodes that drain or are down are emptied;
 * counts of replicas, counts of primaries, and measured load even within 10 % by weight. What is within 10 % is left
 * alone, so a cluster at rest gives no moves. The order of the input does not matter. docs/internals/placement.md tells
 * how.
 *
 * A plan is a target. placement_start says which of its moves may begin now. */
#ifndef CONSENSUS_PLACEMENT_H
#define CONSENSUS_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACEMENT_REPLICAS_MAX 7u
#define PLACEMENT_WEIGHT_MAX 65535u
#define PLACEMENT_TEXT_MAX 256u

enum placement_state {
    PLACEMENT_UP,
    PLACEMENT_AWAY,     /* down, for a short time yet: it gets nothing and keeps its replicas, but leads nothing */
    PLACEMENT_DRAINING, /* alive, and to be emptied */
    PLACEMENT_DOWN,     /* given up: what it had is made anew elsewhere */
    PLACEMENT_LEFT,     /* the same, and it is to be emptied: nobody waits for it to come back */
};

struct placement_label {
    const char *key, *value;
};

struct placement_member {
    uint64_t node; /* not 0 */
    enum placement_state state;
    uint32_t weight;  /* 1..PLACEMENT_WEIGHT_MAX: its share is in proportion */
    const char *zone; /* "": one zone of all that have none */
    const struct placement_label *labels;
    uint32_t label_count;
};

struct placement_group {
    uint32_t group;
    const char *name;                     /* for what is said of it */
    uint32_t replicas;                    /* 1..PLACEMENT_REPLICAS_MAX */
    uint64_t pin;                         /* its primaries are to be on this node; 0: anywhere */
    const struct placement_label *labels; /* its replicas are to be on nodes that have all of them */
    uint32_t label_count;
};

struct placement_shard {
    uint32_t shard, group;
    uint32_t load; /* measured, of its turns, in any unit; 0: not measured */
    bool moving;   /* `replicas` is where it is moving to: counted, not touched */
    uint32_t count;
    uint64_t replicas[PLACEMENT_REPLICAS_MAX]; /* the first leads; a node that is no member has none */
};

/** The cluster. Everything is borrowed for the call. Node, group and shard numbers are unique in their array. */
struct placement {
    const struct placement_member *members;
    const struct placement_group *groups;
    const struct placement_shard *shards;
    uint32_t member_count, group_count, shard_count;
    uint32_t moves_max; /* of one plan; what is most urgent comes first */
    uint32_t load_over; /* per cent: who has no more load than that above its share keeps it. 0: 10 */
};

/* Why a shard moves, most urgent first. */
enum placement_reason {
    PLACEMENT_REPAIR, /* replicas are missing */
    PLACEMENT_DRAIN,
    PLACEMENT_CONSTRAINT, /* labels, pins, the number of replicas */
    PLACEMENT_ZONE,
    PLACEMENT_BALANCE, /* counts of replicas */
    PLACEMENT_LEADERS, /* counts of primaries; such a move copies nothing */
    PLACEMENT_LOAD,
};

struct placement_move {
    uint32_t shard;
    enum placement_reason reason;
    uint32_t living; /* replicas it has now */
    uint32_t before_count, count;
    uint64_t before[PLACEMENT_REPLICAS_MAX], replicas[PLACEMENT_REPLICAS_MAX]; /* the first leads */
};

/** A group that cannot have what it asks for. */
struct placement_complaint {
    uint32_t group;
    char text[PLACEMENT_TEXT_MAX]; /* a sentence */
};

struct placement_plan {
    struct placement_move *moves;           /* most urgent first */
    struct placement_complaint *complaints; /* by group */
    uint32_t move_count, complaint_count;
};

/** Never fails. The plan is the caller's, to be released. */
void placement_plan(const struct placement *in, struct placement_plan *out);
void placement_plan_release(struct placement_plan *plan);
/** "repair", "drain" and so on. */
const char *placement_reason_name(enum placement_reason reason);

enum placement_pause {
    PLACEMENT_RUN,
    PLACEMENT_PAUSE_BALANCE, /* an operator paused rebalancing: only repairs, drains and constraints go on */
    PLACEMENT_PAUSE_ALL,
};

/** What may be under way at once. */
struct placement_throttle {
    enum placement_pause pause;
    uint32_t total, per_node; /* moves; a node takes part if it sends, receives, or changes between leading and not */
};

/** Which of `moves` (a plan's, in order) to begin now, beside the `flying` ones that have begun: their indexes to
 * `start`, which has room for `count`. Returns how many. A shard that is moving is not begun again. */
uint32_t placement_start(const struct placement_move *moves, uint32_t count, const struct placement_move *flying,
                         uint32_t flying_count, const struct placement_throttle *throttle, uint32_t *start);

#endif
