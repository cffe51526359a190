/* tests/unit/core/replog/test_window.c: the newest entries, in memory. */
#include "core/replog/window.h"

#include "core/base/rng.h"
#include "tests/lib/test.h"

#define ROUNDS 20000

TEST(entries_come_and_go)
{
    struct window window = {0};
    EXPECT(window_get(&window, 1) == NULL);
    for (uint64_t seq = 5; seq <= 60; seq++) {
        window_push(&window, 2, seq, pdr_bytes(&seq, sizeof seq));
    }
    EXPECT(window_get(&window, 4) == NULL && window_get(&window, 61) == NULL);
    EXPECT(window_get(&window, 5) != NULL && memcmp(window_get(&window, 60)->bytes, &(uint64_t){60}, 8) == 0);
    window_cut(&window, 20);
    EXPECT(window_get(&window, 21) == NULL && window_get(&window, 20) != NULL);
    window_trim(&window, 10, 0);
    EXPECT(window_get(&window, 10) == NULL && window_get(&window, 11) != NULL);
    window_trim(&window, 20, 0);
    EXPECT_INT(window.count, 0);
    EXPECT_INT(window.bytes, 0);
    window_push(&window, 3, 100, pdr_bytes(NULL, 0)); /* an empty one begins anywhere */
    EXPECT_INT(window_get(&window, 100)->size, 0);
    window_release(&window);
}

/* Against the bounds alone: what is between `first` and `last` is there, with its own content. */
TEST(random_work)
{
    uint64_t seed = test_seed(), first = 1, last = 0;
    struct window window = {0};
    struct rng rng;
    rng_seed(&rng, seed);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t what = rng_below(&rng, 10), at = first + rng_below(&rng, last - first + 2);
        if (what < 7) {
            last++;
            window_push(&window, last / 10, last, pdr_bytes(&last, 1 + last % 8));
        } else if (what == 7) {
            window_cut(&window, at);
            last = at < last ? at : last;
        } else {
            window_trim(&window, at, window.bytes / 2);
            first = window.count > 0 ? window.first_seq : last + 1;
        }
        first = last < first ? last + 1 : first;
        const struct window_entry *entry = window_get(&window, at);
        bool good = (entry != NULL) == (at >= first && at <= last) &&
                    (entry == NULL || (entry->epoch == at / 10 && entry->size == 1 + at % 8 &&
                                       memcmp(entry->bytes, &at, entry->size) == 0));
        if (!good) {
            printf("seed %llu, round %d\n", (unsigned long long)seed, round);
            REQUIRE(good);
        }
    }
    window_release(&window);
}

TEST_MAIN()
