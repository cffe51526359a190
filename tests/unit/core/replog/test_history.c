/* tests/unit/core/replog/test_history.c: which epoch wrote what, and where two logs part (replication.md R31). */
#include "core/replog/history.h"

#include "core/base/rng.h"
#include "tests/lib/test.h"

#define ROUNDS 20000
#define LOG_MAX 24u

TEST(epochs_begin_and_are_cut)
{
    struct history history = {0};
    EXPECT_INT(history_epoch_of(&history, 1), 0);
    history_begin(&history, 1, 1);
    history_begin(&history, 4, 6);
    EXPECT_INT(history_epoch_of(&history, 5), 1);
    EXPECT_INT(history_epoch_of(&history, 6), 4);
    EXPECT_INT(history_epoch_of(&history, 1000), 4);
    EXPECT_INT(history_until(&history, 5), 1);
    history_begin(&history, 5, 6); /* 4 wrote nothing that is left */
    EXPECT_INT(history.count, 2);
    EXPECT_INT(history_epoch_of(&history, 6), 5);
    history_cut(&history, 5);
    EXPECT_INT(history_epoch_of(&history, 6), 1);
    history_cut(&history, 0);
    EXPECT_INT(history.count, 0);
    history_release(&history);
}

TEST(only_the_newest_are_kept)
{
    struct history history = {0};
    for (uint64_t epoch = 1; epoch <= CONTROL_HISTORY_MAX + 10; epoch++) {
        history_begin(&history, epoch, epoch * 10);
    }
    EXPECT_INT(history.count, CONTROL_HISTORY_MAX);
    EXPECT_INT(history_epoch_of(&history, 105), 0);
    EXPECT_INT(history_epoch_of(&history, 110), 11);
    history_release(&history);
}

/* Two logs that were the same up to somewhere, entry by entry: the epoch of each. */
static uint64_t draw_log(struct rng *rng, uint64_t *log, uint64_t common, uint64_t epoch)
{
    uint64_t last = common + rng_below(rng, LOG_MAX - common);
    for (uint64_t seq = common + 1; seq <= last; seq++) {
        epoch += rng_below(rng, 3) * (1 + rng_below(rng, 2));
        log[seq] = epoch;
    }
    return last;
}

static void note(struct history *history, const uint64_t *log, uint64_t last)
{
    for (uint64_t seq = 1; seq <= last; seq++) {
        if (history->count == 0 || history->at[history->count - 1].epoch != log[seq]) {
            history_begin(history, log[seq], seq);
        }
    }
}

/* The rule compares spans of epochs; here it is entry by entry, from the top. An epoch is only one node's, so that two
 * logs with the same epoch at a place are the same up to there; the drawn ones need not be, so the first place where
 * they agree counts. */
TEST(match_is_the_last_common_entry)
{
    uint64_t seed = test_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t one[LOG_MAX + 1] = {0}, other[LOG_MAX + 1] = {0};
        uint64_t common = draw_log(&rng, one, 0, 1) / 2, applied = rng_below(&rng, common + 1), match;
        memcpy(other, one, sizeof other);
        uint64_t last = draw_log(&rng, one, common, common > 0 ? one[common] : 1);
        uint64_t other_last = draw_log(&rng, other, common, common > 0 ? other[common] : 1);
        struct history history = {0}, others = {0};
        note(&history, one, last);
        note(&others, other, other_last);
        uint64_t want = last < other_last ? last : other_last;
        while (want > 0 && one[want] != other[want]) {
            want--;
        }
        if (!history_match(&history, last, &others, other_last, applied, &match) || match != want) {
            printf("seed %llu, round %d\n", (unsigned long long)seed, round);
            EXPECT_INT(match, want);
        }
        history_release(&history);
        history_release(&others);
    }
}

TEST(what_is_too_old_to_compare_is_told)
{
    struct history one = {0}, other = {0};
    uint64_t match;
    history_begin(&one, 7, 50);
    history_begin(&other, 9, 80);
    EXPECT(!history_match(&one, 60, &other, 90, 30, &match)); /* at 60 the other history does not say */
    EXPECT(history_match(&one, 60, &other, 90, 60, &match));  /* but that was acknowledged */
    EXPECT_INT(match, 60);
    history_release(&one);
    history_release(&other);
}

TEST_MAIN()
