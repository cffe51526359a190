/* tests/unit/core/base/test_rng.c: the generator is the published one, repeats, and is fair enough. */
#include "core/base/rng.h"

#include "tests/lib/test.h"

/* First outputs of xoshiro256** from the state 1, 2, 3, 4, as its reference code gives them. */
TEST(is_xoshiro256_star_star)
{
    struct rng rng = {{1, 2, 3, 4}};
    EXPECT(rng_next(&rng) == 11520);
    EXPECT(rng_next(&rng) == 0);
    EXPECT(rng_next(&rng) == 1509978240);
    EXPECT(rng_next(&rng) == 1215971899390074240);
}

/* First output of splitmix64 from 0, as its reference code gives it. */
TEST(is_seeded_by_splitmix64)
{
    struct rng rng;
    rng_seed(&rng, 0);
    EXPECT(rng.s[0] == 0xe220a8397b1dcdafull);
    EXPECT(rng.s[1] == 0x6e789e6aa1b965f4ull);
}

TEST(a_seed_repeats)
{
    struct rng a, b, c;
    int same = 0;
    rng_seed(&a, 7);
    rng_seed(&b, 7);
    rng_seed(&c, 8);
    for (int i = 0; i < 1000; i++) {
        uint64_t next = rng_next(&a);
        EXPECT(next == rng_next(&b));
        same += next == rng_next(&c);
    }
    EXPECT_INT(same, 0);
}

TEST(below_is_below_and_uniform)
{
    struct rng rng;
    int counts[10] = {0};
    rng_seed(&rng, test_seed());
    EXPECT(rng_below(&rng, 0) == 0 && rng_below(&rng, 1) == 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t n = rng_below(&rng, 10);
        REQUIRE(n < 10);
        counts[n]++;
    }
    for (int i = 0; i < 10; i++) {
        EXPECT(counts[i] > 9500 && counts[i] < 10500); /* five standard deviations */
    }
    EXPECT(rng_below(&rng, UINT64_MAX) < UINT64_MAX);
}

TEST(chances)
{
    struct rng rng;
    int yes = 0;
    rng_seed(&rng, test_seed());
    for (int i = 0; i < 100000; i++) {
        EXPECT(!rng_chance(&rng, 0) && rng_chance(&rng, 100));
        yes += rng_chance(&rng, 30);
    }
    EXPECT(yes > 29200 && yes < 30800);
}

TEST_MAIN()
