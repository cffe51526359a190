/* tests/lib/trio.h: three servers of a directory in one process. Raft's letters are carried as they come;
 * those of rounds by hand, one at a time, so that each order of them can be tried. */
#ifndef TESTS_LIB_TRIO_H
#define TESTS_LIB_TRIO_H

#include "consensus/server.h"
#include "tests/lib/post.h"
#include "tests/lib/raft_memory.h"

#define TRIO_SERVERS 3
#define TRIO_STEP_NS (5 * NS_PER_MS)

struct trio;

struct replica {
    struct trio *world;
    uint64_t id;
    struct server *server;
    struct raft_memory disk;
    bool is_mute;  /* what it sends is lost */
    bool is_still; /* neither ticked nor given anything: its process was stopped */
    uint32_t applied;
    const char *failed;
};

struct trio {
    struct hand_clock clock;
    struct post post;
    uint32_t carried;                          /* of the post: Raft's letters before it */
    struct replica replicas[TRIO_SERVERS + 1]; /* by id */
};

/** What came of a proposal or a read. */
struct outcome {
    uint32_t times;
    enum letter_outcome outcome;
    uint64_t leader, dir_index;
    enum directory_code code;
    bool has_result;
    struct server *again; /* to be asked another time, from within the answer */
    struct outcome *next;
};

/** Server 1 founds; 2 and 3 become voters. Server 1 leads. */
void trio_begin(struct trio *trio);
void trio_end(struct trio *trio);
/** Has server 1, which leads, change the group, and waits for that. */
void trio_change(struct trio *trio, const struct raft_membership *change);
/** For worlds of one server: the clock alone, then what is wanted. */
void trio_init(struct trio *trio);
void trio_start(struct trio *trio, uint64_t id);
void trio_stop(struct trio *trio, uint64_t id);

struct server *trio_at(struct trio *trio, uint64_t id);
/** Who is ready; 0: nobody. Those that stand still do not count. */
uint64_t trio_leader(struct trio *trio);
/** Delivers Raft's letters. */
void trio_carry(struct trio *trio);
void trio_run_ms(struct trio *trio, uint64_t ms);
/** Carries the first letter of that kind to `to`. False: there is none. */
bool trio_hand(struct trio *trio, uint64_t from, uint64_t to, enum letter_kind kind);
/** Server 1 stands still while the others elect another. Returns who it is. */
uint64_t trio_depose(struct trio *trio);

/** Proposes; `out` hears of it. */
void trio_propose(struct trio *trio, uint64_t id, struct command command, struct outcome *out);
struct command trio_founding(void);
/** server_answered, with a struct outcome. */
void trio_note(void *user, const struct server_answer *answer);

static inline bool outcome_is_done(const struct outcome *outcome)
{
    return outcome->times == 1 && outcome->outcome == LETTER_DONE;
}

static inline bool outcome_is_nowhere(const struct outcome *outcome, uint64_t leader)
{
    return outcome->times == 1 && outcome->outcome == LETTER_NOWHERE && outcome->leader == leader;
}

#endif
