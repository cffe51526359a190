/* tools/bench/histogram.c: log-linear buckets. With s = 10 sub-bucket bits and v shifted right until it has s + 1 bits,
 * the bucket is (shift << s) + (v >> shift): the same line for small values, where the shift is 0. */
#include "tools/bench/histogram.h"

#include <math.h>
#include <string.h>

#define SUB HISTOGRAM_SUB_BITS

static unsigned bucket_of(uint64_t value)
{
    if (value >> HISTOGRAM_VALUE_BITS != 0) {
        return HISTOGRAM_BUCKETS - 1;
    }
    unsigned shift = value >> (SUB + 1) == 0 ? 0 : 63u - SUB - (unsigned)__builtin_clzll(value);
    return (shift << SUB) + (unsigned)(value >> shift);
}

/** The largest value that falls into `bucket`. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned shift = bucket >> (SUB + 1) == 0 ? 0 : (bucket >> SUB) - 1;
    uint64_t steps = bucket - (shift << SUB);
    return ((steps + 1) << shift) - 1;
}

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

void histogram_record(struct histogram *histogram, uint64_t value_ns)
{
    if (histogram->count == 0 || value_ns < histogram->min) {
        histogram->min = value_ns;
    }
    if (value_ns > histogram->max) {
        histogram->max = value_ns;
    }
    histogram->count++;
    histogram->sum += (double)value_ns;
    histogram->buckets[bucket_of(value_ns)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->count == 0) {
        return;
    }
    if (into->count == 0 || from->min < into->min) {
        into->min = from->min;
    }
    if (from->max > into->max) {
        into->max = from->max;
    }
    into->count += from->count;
    into->sum += from->sum;
    for (unsigned k = 0; k < HISTOGRAM_BUCKETS; k++) {
        into->buckets[k] += from->buckets[k];
    }
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    if (histogram->count == 0) {
        return 0;
    }
    /* Rounded up, but not by the error of the multiplication: 99.9 % of 1,000 is the 999th value, not the 1,000th. */
    uint64_t rank = (uint64_t)ceil(percent / 100 * (double)histogram->count - 1e-6);
    if (rank < 1) {
        rank = 1;
    }
    uint64_t seen = 0;
    for (unsigned k = 0; k < HISTOGRAM_BUCKETS - 1; k++) {
        seen += histogram->buckets[k];
        if (seen >= rank) {
            uint64_t end = bucket_end(k);
            return end < histogram->max ? end : histogram->max;
        }
    }
    return histogram->max; /* the last bucket also holds what is past its end */
}

double histogram_mean(const struct histogram *histogram)
{
    return histogram->count == 0 ? 0 : histogram->sum / (double)histogram->count;
}
