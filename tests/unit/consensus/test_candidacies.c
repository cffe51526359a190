/* tests/unit/consensus/test_candidacies.c: who was heard of when, and whose lease is over. */
#include "consensus/candidacies.h"

#include "core/base/rng.h"
#include "core/env/clock.h"
#include "tests/lib/test.h"

#define MS(n) ((n)*NS_PER_MS)

struct world {
    struct candidacies c;
    uint64_t now_ns;
    pdr_writer list;
};

static bool passed(void *user, uint64_t moment_ns, uint64_t length_ns)
{
    const struct world *w = user;
    return w->now_ns >= moment_ns && w->now_ns - moment_ns >= length_ns;
}

static void world_open(struct world *w)
{
    *w = (struct world){.now_ns = MS(5)};
    candidacies_init(&w->c);
}

static void world_close(struct world *w)
{
    candidacies_release(&w->c);
    pdr_writer_release(&w->list);
}

/* Pairs of owner and order, ended by 0; leases are 1 s. */
static void row(struct world *w, uint32_t slot, const uint64_t *pairs)
{
    uint32_t count = 0;
    while (pairs[2 * count] != 0) {
        count++;
    }
    pdr_writer_clear(&w->list);
    candidates_begin(&w->list, count);
    for (uint32_t i = 0; i < count; i++) {
        candidates_put(&w->list, &(struct candidate){pairs[2 * i], pairs[2 * i + 1], 1, 1000, pdr_bytes("\xc0", 1)});
    }
    struct cluster_election election = {.slot = slot, .candidates = {pdr_written(&w->list)}};
    candidacies_row(&w->c, w->now_ns, &election);
}

#define ROW(w, slot, ...) row(w, slot, (const uint64_t[]){__VA_ARGS__, 0})

static uint32_t over(struct world *w, struct candidacy_place *out)
{
    return candidacies_over(&w->c, passed, w, out, 8);
}

TEST(a_lease_counts_from_when_the_candidate_was_seen)
{
    struct world w;
    struct candidacy_place out[8];
    world_open(&w);
    EXPECT(candidacies_first_end_ns(&w.c) == UINT64_MAX);
    ROW(&w, 3, 7, 100);
    EXPECT_INT(candidacies_first_end_ns(&w.c), w.now_ns + MS(1010)); /* and 1 % for the drift */
    w.now_ns += MS(999);
    EXPECT_INT(over(&w, out), 0);
    w.now_ns += MS(1);
    EXPECT_INT(over(&w, out), 1);
    EXPECT(out[0].slot == 3 && out[0].order == 100);
    EXPECT_INT(over(&w, out), 0); /* it is being ended */
    candidacies_ended(&w.c, 3, 100);
    EXPECT_INT(over(&w, out), 1); /* that was never applied: again */
    world_close(&w);
}

TEST(a_renewal_keeps_all_that_its_owner_stands_in)
{
    struct world w;
    struct candidacy_place out[8];
    world_open(&w);
    ROW(&w, 0, 7, 100, 8, 101);
    ROW(&w, 1, 7, 102);
    w.now_ns += MS(600);
    candidacies_asked(&w.c, 7);
    EXPECT(candidacies_answered(&w.c, 7, true, w.now_ns));
    w.now_ns += MS(600);
    EXPECT_INT(over(&w, out), 1);
    EXPECT(out[0].order == 101);
    w.now_ns += MS(400);
    EXPECT_INT(over(&w, out), 2);
    EXPECT(out[0].order == 100 && out[1].order == 102);
    world_close(&w);
}

TEST(who_waits_for_a_round_is_not_over_and_a_round_without_quorum_keeps_nobody)
{
    struct world w;
    struct candidacy_place out[8];
    world_open(&w);
    ROW(&w, 0, 7, 100);
    w.now_ns += MS(900);
    candidacies_asked(&w.c, 7);
    w.now_ns += MS(500);
    EXPECT_INT(over(&w, out), 0);
    EXPECT(!candidacies_answered(&w.c, 7, false, w.now_ns));
    EXPECT_INT(over(&w, out), 1);
    world_close(&w);
}

TEST(while_something_of_an_owner_is_being_ended_it_is_not_kept)
{
    struct world w;
    struct candidacy_place out[8];
    world_open(&w);
    ROW(&w, 0, 7, 100);
    w.now_ns += MS(1000);
    EXPECT_INT(over(&w, out), 1);
    candidacies_asked(&w.c, 7);
    EXPECT(!candidacies_answered(&w.c, 7, true, w.now_ns));
    ROW(&w, 0, 8, 101); /* it was applied */
    EXPECT(!candidacies_answered(&w.c, 7, true, w.now_ns));
    ROW(&w, 0, 8, 101, 7, 105); /* and it stands again */
    EXPECT(candidacies_answered(&w.c, 7, true, w.now_ns));
    world_close(&w);
}

TEST(nobody_is_kept_who_is_not_known)
{
    struct world w;
    world_open(&w);
    candidacies_asked(&w.c, 7);
    EXPECT(!candidacies_answered(&w.c, 7, true, w.now_ns));
    world_close(&w);
}

/* Rows as they may come, against a list of who stands since when. */
TEST(it_follows_any_rows)
{
    struct world w;
    struct rng rng;
    struct {
        uint64_t pairs[17];
        uint32_t count;
    } slots[6] = {0};
    uint64_t order = 1;
    world_open(&w);
    rng_seed(&rng, test_seed());
    for (uint32_t step = 0; step < 3000; step++) {
        uint32_t s = (uint32_t)rng_below(&rng, 6), *count = &slots[s].count, standing = 0;
        if (*count < 8 && rng_chance(&rng, 60)) {
            slots[s].pairs[2 * *count] = 1 + rng_below(&rng, 1000);
            slots[s].pairs[2 * *count + 1] = order++;
            ++*count;
        } else if (*count > 0) {
            uint32_t gone = (uint32_t)rng_below(&rng, *count);
            for (uint32_t i = gone; i + 1 < *count; i++) {
                slots[s].pairs[2 * i] = slots[s].pairs[2 * i + 2];
                slots[s].pairs[2 * i + 1] = slots[s].pairs[2 * i + 3];
            }
            --*count;
        }
        slots[s].pairs[2 * *count] = 0;
        row(&w, s, slots[s].pairs);
        for (uint32_t i = 0; i < 6; i++) {
            standing += slots[i].count;
        }
        EXPECT_INT(w.c.count, standing);
        w.now_ns += MS(1);
    }
    world_close(&w);
}

/* Whatever comes: who has not been kept for the lease is told to be over, at once, and nobody else is. Owners renew,
 * with and without a quorum; what is being ended ends, or could not be; rows come in between. */

#define STANDING 6u

struct life {
    uint64_t owner, order, kept_ns;
    uint32_t asked; /* that owner's; the same in all of its lives */
    bool stands, is_ending;
};

static void rows_of(struct world *w, struct life *lives)
{
    uint64_t pairs[2 * STANDING + 1] = {0};
    uint32_t count = 0;
    for (uint64_t least = 0;;) { /* in order of arrival */
        const struct life *next = NULL;
        for (uint32_t i = 0; i < STANDING; i++) {
            if (lives[i].stands && lives[i].order > least && (next == NULL || lives[i].order < next->order)) {
                next = &lives[i];
            }
        }
        if (next == NULL) {
            break;
        }
        pairs[2 * count] = next->owner;
        pairs[2 * count++ + 1] = least = next->order;
    }
    row(w, 0, pairs);
}

static void answered(struct world *w, struct life *life, bool granted)
{
    bool is_kept = life->stands && granted && !life->is_ending;
    life->asked--;
    EXPECT_INT(candidacies_answered(&w->c, life->owner, granted, w->now_ns), is_kept);
    life->kept_ns = is_kept ? w->now_ns : life->kept_ns;
}

static void anything(struct world *w, struct rng *rng, struct life *life, struct life *lives, uint64_t *order)
{
    switch (rng_below(rng, 4)) {
    case 0:
        if (life->stands) {
            candidacies_asked(&w->c, life->owner);
            life->asked++;
        }
        break;
    case 1:
        if (life->asked > 0) {
            answered(w, life, rng_chance(rng, 70));
        }
        break;
    case 2:
        if (life->is_ending && rng_chance(rng, 50)) {
            life->is_ending = false;
            candidacies_ended(&w->c, 0, life->order);
        }
        break;
    default:
        if (rng_chance(rng, 20)) { /* comes, resigns, or is ended */
            life->stands = !life->stands;
            life->is_ending = false;
            life->order = life->stands ? ++*order : life->order;
            life->kept_ns = w->now_ns;
            rows_of(w, lives);
        }
    }
}

static void expect_over(struct world *w, struct life *lives, uint32_t max)
{
    struct candidacy_place out[STANDING];
    uint32_t due = 0, count = candidacies_over(&w->c, passed, w, out, max);
    for (uint32_t i = 0; i < STANDING; i++) {
        struct life *life = &lives[i];
        bool is_due = life->stands && !life->is_ending && life->asked == 0 && w->now_ns - life->kept_ns >= MS(1000),
             is_told = false;
        for (uint32_t k = 0; k < count; k++) {
            is_told = is_told || out[k].order == life->order;
        }
        EXPECT(is_due || !is_told);
        due += is_due;
        life->is_ending = life->is_ending || is_told;
    }
    EXPECT_INT(count, due < max ? due : max);
}

TEST(whoever_is_not_kept_is_over_and_nobody_else)
{
    struct world w;
    struct rng rng;
    struct life lives[STANDING] = {0};
    uint64_t order = 0;
    world_open(&w);
    rng_seed(&rng, test_seed());
    for (uint32_t i = 0; i < STANDING; i++) {
        lives[i].owner = 1 + i;
    }
    for (uint32_t step = 0; step < 20000; step++) {
        anything(&w, &rng, &lives[rng_below(&rng, STANDING)], lives, &order);
        w.now_ns += MS(rng_below(&rng, rng_chance(&rng, 5) ? 400 : 40));
        expect_over(&w, lives, 1 + (uint32_t)rng_below(&rng, STANDING));
    }
    world_close(&w);
}

TEST_MAIN()
