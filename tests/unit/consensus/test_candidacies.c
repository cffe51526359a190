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
    ROW(&w, 3, 7, 100);
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

TEST_MAIN()
