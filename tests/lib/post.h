/* tests/lib/post.h: frames between nodes, carried by hand, and a clock that is set by hand. */
#ifndef TESTS_LIB_POST_H
#define TESTS_LIB_POST_H

#include "consensus/letter.h"
#include "core/env/clock.h"
#include "core/env/peer.h"

struct posted {
    uint64_t from, to;
    enum peer_kind kind;
    struct pdr_bytes frame; /* the post's */
    bool taken;
};

/** All that was ever sent, in that order. */
struct post {
    struct posted *at;
    uint32_t count, capacity;
};

void post_release(struct post *post);
void post_put(struct post *post, uint64_t from, uint64_t to, enum peer_kind kind, struct pdr_bytes frame);
void post_put_letter(struct post *post, uint64_t from, uint64_t to, const struct letter *letter);
/** Takes the first letter of that kind to `to` that was not taken; slices of `out` live as long as the post. False:
 * there is none. */
bool post_take(struct post *post, uint64_t to, enum letter_kind kind, struct letter *out);
/** Takes all letters of a kind, unread. Returns how many there were. */
uint32_t post_drop(struct post *post, enum letter_kind kind);

struct hand_clock {
    struct clock clock;
    uint64_t now_ns;
};

void hand_clock_init(struct hand_clock *clock, uint64_t now_ns);

#endif
