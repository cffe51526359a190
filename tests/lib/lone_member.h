/* tests/lib/lone_member.h: a member, node 5, among others that the test plays: it hears and says letters, and no
 * more. Raft has no part in it, for the node is in no configuration. */
#ifndef TESTS_LIB_LONE_MEMBER_H
#define TESTS_LIB_LONE_MEMBER_H

#include "consensus/member.h"
#include "tests/lib/post.h"
#include "tests/lib/raft_memory.h"

#define LONE_ID 5u
#define LONE_INCARNATION 4u
#define LONE_BOOT 504u

struct lone {
    struct hand_clock clock;
    struct post post; /* what the member sent */
    struct raft_memory disk;
    struct member *member;
    struct directory *directory; /* the others': small_directory.h */
    uint32_t registered, ended, rows_changed, lease_changed;
    uint64_t boot;
    char why[256];
};

/** It knows of node 2. */
void lone_begin(struct lone *lone);
/** Of `seed`; 0: of nobody. */
void lone_begin_knowing(struct lone *lone, uint64_t seed);
void lone_end(struct lone *lone);
/** Ticks it when it is due, and not before: so that a time it does not tell of would show. */
void lone_run_ms(struct lone *lone, uint64_t ms);

void lone_hears(struct lone *lone, uint64_t from, struct letter letter);
struct letter lone_answer(uint64_t no, enum letter_outcome outcome, uint64_t leader);
/** Takes the first letter of a kind, to whomever it goes. Returns who that is; 0: there is none. */
uint64_t lone_take_any(struct lone *lone, enum letter_kind kind, struct letter *out);
/** Its next renewal, and to whom. */
struct letter lone_renewal(struct lone *lone, uint64_t *to);

/** Applies what it proposes to `from`, and answers. False: it proposes nothing. */
bool lone_proposes(struct lone *lone, uint64_t from);
/** Sends it a page of the directory's feed. */
void lone_gets_page(struct lone *lone, uint64_t from, uint64_t since, size_t bytes);
/** Answers what it asks `from` with a page. False: it asks nothing. */
bool lone_asks(struct lone *lone, uint64_t from);
/** It registers, and gets all rows. */
void lone_is_let_in(struct lone *lone);

#endif
