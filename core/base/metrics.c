/* core/base/metrics.c: histograms whose buckets double, and Prometheus' text. */
#include "core/base/metrics.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/check.h"

#define LINE_MAX_BYTES 512
#define QUARTER_US 250u /* the first bucket of a time: below it a clock tells little */

/* 0 and 1 fall into bucket 0, which ends at 1; beyond that bucket k holds what is over 2^(k-1), up to 2^k. */
static unsigned doubling(uint64_t value)
{
    unsigned bucket = value <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(value - 1);
    return bucket < METRICS_BUCKETS ? bucket : METRICS_BUCKETS - 1;
}

unsigned metrics_time_bucket(uint64_t ns)
{
    return doubling(ns / QUARTER_US + (ns % QUARTER_US != 0));
}

unsigned metrics_size_bucket(uint64_t size)
{
    return doubling(size);
}

static void add(struct metrics_histogram *histogram, unsigned bucket, uint64_t value)
{
    histogram->count++;
    histogram->sum += value;
    histogram->buckets[bucket]++;
}

void metrics_time(struct metrics_histogram *histogram, uint64_t ns)
{
    add(histogram, metrics_time_bucket(ns), ns);
}

void metrics_size(struct metrics_histogram *histogram, uint64_t size)
{
    add(histogram, metrics_size_bucket(size), size);
}

void metrics_merge(struct metrics_histogram *into, const struct metrics_histogram *from)
{
    into->count += from->count;
    into->sum += from->sum;
    for (unsigned k = 0; k < METRICS_BUCKETS; k++) {
        into->buckets[k] += from->buckets[k];
    }
}

void metrics_name(const struct metrics_row *row, char *text, size_t size)
{
    int used = snprintf(text, size, "perdure_%s%s", row->name, row->kind == METRICS_COUNTER ? "_total" : "");
    CHECK(used > 0 && (size_t)used < size);
}

const char *metrics_type(const struct metrics_row *row)
{
    switch (row->kind) {
    case METRICS_COUNTER:
        return "counter";
    case METRICS_GAUGE:
        return "gauge";
    default:
        return "histogram";
    }
}

PDR_PRINTF(2, 3) static void put(pdr_writer *out, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    CHECK(size > 0 && size < (int)sizeof line);
    pdr_write_raw(out, line, (size_t)size);
}

void metrics_write_head(pdr_writer *out, const struct metrics_row *row)
{
    char name[128];
    metrics_name(row, name, sizeof name);
    put(out, "# HELP %s %s\n# TYPE %s %s\n", name, row->help, name, metrics_type(row));
}

/* A label's value may be a name that somebody chose. */
static void escape(const char *from, char *to, size_t size)
{
    size_t at = 0;
    for (; *from != 0 && at + 2 < size; from++) {
        if (*from == '"' || *from == '\\' || *from == '\n') {
            to[at++] = '\\';
        }
        to[at++] = *from == '\n' ? 'n' : *from;
    }
    to[at] = 0;
}

void metrics_write_value(pdr_writer *out, const struct metrics_row *row, const char *label, uint64_t value)
{
    char name[128], text[256];
    metrics_name(row, name, sizeof name);
    if (label == NULL) {
        put(out, "%s %llu\n", name, (unsigned long long)value);
        return;
    }
    escape(label, text, sizeof text);
    put(out, "%s{%s=\"%s\"} %llu\n", name, row->label, text, (unsigned long long)value);
}

static void put_end(pdr_writer *out, const struct metrics_row *row, unsigned bucket)
{
    if (row->kind == METRICS_SIZE) {
        put(out, "%llu", 1ull << bucket);
    } else if (bucket < 2) {
        put(out, "%s", bucket == 0 ? "0.25" : "0.5");
    } else {
        put(out, "%llu", 1ull << (bucket - 2));
    }
}

void metrics_write_histogram(pdr_writer *out, const struct metrics_row *row, const struct metrics_histogram *histogram)
{
    char name[128];
    uint64_t below = 0;
    metrics_name(row, name, sizeof name);
    for (unsigned k = 0; k + 1 < METRICS_BUCKETS; k++) {
        below += histogram->buckets[k];
        put(out, "%s_bucket{le=\"", name);
        put_end(out, row, k);
        put(out, "\"} %llu\n", (unsigned long long)below);
    }
    below += histogram->buckets[METRICS_BUCKETS - 1];
    put(out, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)below);
    if (row->kind == METRICS_TIME) {
        put(out, "%s_sum %llu.%03u\n", name, (unsigned long long)(histogram->sum / 1000),
            (unsigned)(histogram->sum % 1000));
    } else {
        put(out, "%s_sum %llu\n", name, (unsigned long long)histogram->sum);
    }
    put(out, "%s_count %llu\n", name, (unsigned long long)below); /* also of a copy that was taken as it changed */
}
