/* tools/bench/histogram.h: how often each latency occurred, to three significant digits.
 *
 * Log-linear, as HdrHistogram: below 2,048 ns every value has a bucket of its own; above, each doubling of the value is
 * cut into 1,024 equal buckets, so no bucket is wider than a thousandth of what it counts. Recording is a shift and an
 * increment and never allocates. Values past 73 minutes share the last bucket; `max` is exact all the same.
 * One thread records; histograms of many threads are merged afterwards. */
#ifndef TOOLS_BENCH_HISTOGRAM_H
#define TOOLS_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 10u /* 1,024 buckets a doubling: a step of under 0.1 % */
#define HISTOGRAM_VALUE_BITS 42u
#define HISTOGRAM_BUCKETS ((HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

/** Zero bytes are an empty histogram. Large (264 KiB): keep it off the stack. */
struct histogram {
    uint64_t count, min, max;
    double sum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);
void histogram_record(struct histogram *histogram, uint64_t value_ns);
/** Adds what `from` counted to `into`. */
void histogram_merge(struct histogram *into, const struct histogram *from);
/**
 * The smallest value that at least `percent` of the recorded values do not exceed, as the upper end of its bucket
 * (never beyond `max`). percent: 0..100; 0 gives the bucket of the smallest value. 0 for an empty histogram.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);
double histogram_mean(const struct histogram *histogram);

#endif
