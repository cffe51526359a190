/* tests/unit/core/base/test_metrics.c: which bucket, and the text of Prometheus to the letter. */
#include "core/base/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/test.h"

static pdr_writer out;

static const char *text(void)
{
    pdr_write_raw(&out, "", 1);
    return (const char *)out.data;
}

TEST(a_bucket_holds_up_to_its_end)
{
    EXPECT_INT(metrics_size_bucket(0), 0);
    EXPECT_INT(metrics_size_bucket(1), 0);
    EXPECT_INT(metrics_size_bucket(2), 1);
    for (unsigned k = 1; k < 27; k++) {
        EXPECT_INT(metrics_size_bucket(1ull << k), k);
        EXPECT_INT(metrics_size_bucket((1ull << k) + 1), k + 1);
    }
    EXPECT_INT(metrics_size_bucket(UINT64_MAX), METRICS_BUCKETS - 1);
}

TEST(times_begin_at_a_quarter_of_a_microsecond)
{
    EXPECT_INT(metrics_time_bucket(0), 0);
    EXPECT_INT(metrics_time_bucket(250), 0);
    EXPECT_INT(metrics_time_bucket(251), 1);
    EXPECT_INT(metrics_time_bucket(1000), 2);
    EXPECT_INT(metrics_time_bucket(1001), 3);
    EXPECT_INT(metrics_time_bucket(UINT64_MAX), METRICS_BUCKETS - 1);
}

TEST(values_are_text)
{
    struct metrics_row counter = {"calls", METRICS_COUNTER, "core", "calls that came"};
    struct metrics_row gauge = {"segments", METRICS_GAUGE, NULL, "files there are"};
    metrics_write_head(&out, &counter);
    metrics_write_value(&out, &counter, "0", 7);
    metrics_write_value(&out, &counter, "a\"b\\c\nd", UINT64_MAX);
    metrics_write_head(&out, &gauge);
    metrics_write_value(&out, &gauge, NULL, 3);
    EXPECT_STR(text(), "# HELP perdure_calls_total calls that came\n"
                       "# TYPE perdure_calls_total counter\n"
                       "perdure_calls_total{core=\"0\"} 7\n"
                       "perdure_calls_total{core=\"a\\\"b\\\\c\\nd\"} 18446744073709551615\n"
                       "# HELP perdure_segments files there are\n"
                       "# TYPE perdure_segments gauge\n"
                       "perdure_segments 3\n");
    pdr_writer_release(&out);
}

/* The buckets of a histogram as text: each counts what is below its end, so they never fall. */
TEST(a_histogram_is_cumulative)
{
    struct metrics_row row = {"turn_us", METRICS_TIME, NULL, "time of a turn"};
    struct metrics_histogram one = {0}, all = {0};
    metrics_time(&one, 100);
    metrics_time(&one, 1500);
    metrics_time(&all, 400);
    metrics_merge(&all, &one);
    metrics_write_histogram(&out, &row, &all);
    const char *lines = text();
    EXPECT(strstr(lines, "perdure_turn_us_bucket{le=\"0.25\"} 1\nperdure_turn_us_bucket{le=\"0.5\"} 2\n"
                         "perdure_turn_us_bucket{le=\"1\"} 2\nperdure_turn_us_bucket{le=\"2\"} 3\n") == lines);
    EXPECT(strstr(lines, "perdure_turn_us_bucket{le=\"16777216\"} 3\nperdure_turn_us_bucket{le=\"+Inf\"} 3\n"
                         "perdure_turn_us_sum 2.000\nperdure_turn_us_count 3\n") != NULL);
    pdr_writer_release(&out);
}

TEST(a_histogram_of_sizes_ends_at_powers_of_two)
{
    struct metrics_row row = {"group_bytes", METRICS_SIZE, NULL, "bytes of a group"};
    struct metrics_histogram sizes = {0};
    metrics_size(&sizes, 4096);
    metrics_size(&sizes, UINT64_MAX / 2);
    metrics_write_histogram(&out, &row, &sizes);
    const char *lines = text();
    EXPECT(strstr(lines, "{le=\"2048\"} 0\n") != NULL && strstr(lines, "{le=\"4096\"} 1\n") != NULL);
    EXPECT(strstr(lines, "{le=\"67108864\"} 1\nperdure_group_bytes_bucket{le=\"+Inf\"} 2\n") != NULL);
    pdr_writer_release(&out);
}

TEST_MAIN()
