/* tests/unit/tools/bench/test_histogram.c: percentiles agree with a sorted list of the same values. */
#include "tools/bench/histogram.h"

#include <stdlib.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

static struct histogram h, other; /* too large for a stack */

TEST(empty_is_zero)
{
    EXPECT_INT(histogram_percentile(&h, 50), 0);
    EXPECT_INT(histogram_percentile(&h, 100), 0);
    EXPECT(histogram_mean(&h) == 0);
    histogram_merge(&other, &h);
    EXPECT_INT(other.count, 0);
    EXPECT_INT(other.min, 0);
}

TEST(small_values_are_exact)
{
    for (uint64_t v = 1; v <= 1000; v++) {
        histogram_record(&h, v);
    }
    EXPECT_INT(h.count, 1000);
    EXPECT_INT(histogram_percentile(&h, 0), 1);
    EXPECT_INT(histogram_percentile(&h, 0.1), 1);
    EXPECT_INT(histogram_percentile(&h, 50), 500);
    EXPECT_INT(histogram_percentile(&h, 99), 990);
    EXPECT_INT(histogram_percentile(&h, 99.9), 999);
    EXPECT_INT(histogram_percentile(&h, 99.99), 1000);
    EXPECT_INT(histogram_percentile(&h, 100), 1000);
    EXPECT(histogram_mean(&h) == 500.5);
}

TEST(one_value_is_every_percentile)
{
    histogram_record(&h, 123456789);
    EXPECT_INT(histogram_percentile(&h, 0), 123456789);
    EXPECT_INT(histogram_percentile(&h, 50), 123456789);
    EXPECT_INT(histogram_percentile(&h, 100), 123456789);
    EXPECT_INT(h.min, 123456789);
    EXPECT_INT(h.max, 123456789);
}

/* Each power of two, its neighbours, and values past the range: at most a thousandth too high, and never too low. */
TEST(three_significant_digits_everywhere)
{
    for (unsigned bit = 0; bit < HISTOGRAM_VALUE_BITS; bit++) {
        for (int64_t off = -1; off <= 1; off++) {
            uint64_t v = ((uint64_t)1 << bit) + (uint64_t)off;
            histogram_clear(&h);
            histogram_record(&h, v);
            histogram_record(&h, (uint64_t)1 << 60); /* so that `max` does not hide the bucket's end */
            uint64_t got = histogram_percentile(&h, 50);
            EXPECT(got >= v || v >> HISTOGRAM_VALUE_BITS != 0);
            EXPECT(got - v <= v / 1000);
        }
    }
}

TEST(beyond_the_range_keeps_the_maximum)
{
    histogram_record(&h, UINT64_MAX);
    histogram_record(&h, (uint64_t)1 << HISTOGRAM_VALUE_BITS);
    EXPECT_INT(h.count, 2);
    EXPECT(histogram_percentile(&h, 100) == UINT64_MAX);
    EXPECT(h.min == (uint64_t)1 << HISTOGRAM_VALUE_BITS);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

TEST(agrees_with_a_sorted_list)
{
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    static const double percents[] = {1, 10, 50, 90, 99, 99.9, 99.99, 100};
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int k = 0; k < COUNT; k++) {
        values[k] = rng_next(&rng) >> (24 + rng_below(&rng, 36)); /* all magnitudes */
        histogram_record(k % 3 == 0 ? &h : &other, values[k]);
    }
    histogram_merge(&h, &other);
    EXPECT_INT(h.count, COUNT);
    qsort(values, COUNT, sizeof values[0], by_value);
    EXPECT(h.min == values[0]);
    EXPECT(h.max == values[COUNT - 1]);
    for (unsigned k = 0; k < sizeof percents / sizeof percents[0]; k++) {
        uint64_t want = values[(int)(percents[k] / 100 * COUNT + 0.5) - 1], got = histogram_percentile(&h, percents[k]);
        EXPECT(got >= want);
        EXPECT(got - want <= want / 1000);
    }
}

TEST(merge_into_empty_copies)
{
    histogram_record(&h, 7);
    histogram_record(&h, 9);
    histogram_merge(&other, &h);
    EXPECT_INT(other.count, 2);
    EXPECT_INT(other.min, 7);
    EXPECT_INT(other.max, 9);
    EXPECT(histogram_mean(&other) == 8);
}

TEST_MAIN()
