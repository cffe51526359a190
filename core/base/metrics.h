/* core/base/metrics.h: counting, and the text that Prometheus reads (exposition format 0.0.4).
 *
 * A histogram has buckets that double, is plain memory, and belongs to the thread that counts in it; others get copies.
 * What a metric is called and what it means is a row; rows are made from the tables that also make the counters
 * (core/shard/core_stats.h, net/conn/conn.h, tools/node/sys_metrics.c), and docs/reference/metrics.md from the rows. */
#ifndef CORE_BASE_METRICS_H
#define CORE_BASE_METRICS_H

#include <stdint.h>

#include <perdure/value.h>

#define METRICS_BUCKETS 28u /* the last one has no upper end */

/** Zero bytes are an empty one. */
struct metrics_histogram {
    uint64_t count, sum;
    uint64_t buckets[METRICS_BUCKETS];
};

enum metrics_kind {
    METRICS_COUNTER,
    METRICS_GAUGE,
    METRICS_TIME, /* histogram of nanoseconds, told in microseconds: up to 0.25, 0.5, 1, 2, ... */
    METRICS_SIZE, /* histogram of bytes or pieces: up to 1, 2, 4, ... */
};

/** Makes the struct of a table of counters whose rows are (field, metric, text). */
#define METRICS_FIELD(field, metric, text) uint64_t field;

struct metrics_row {
    const char *name; /* without "perdure_" before and "_total" behind */
    enum metrics_kind kind;
    const char *label; /* NULL: none */
    const char *help;  /* no full stop */
};

/** The bucket of so many nanoseconds, of such a size. */
unsigned metrics_time_bucket(uint64_t ns);
unsigned metrics_size_bucket(uint64_t size);

void metrics_time(struct metrics_histogram *histogram, uint64_t ns);
void metrics_size(struct metrics_histogram *histogram, uint64_t size);
void metrics_merge(struct metrics_histogram *into, const struct metrics_histogram *from);

/** What Prometheus calls it. */
void metrics_name(const struct metrics_row *row, char *text, size_t size);
/** "counter", "gauge", "histogram". */
const char *metrics_type(const struct metrics_row *row);

/** HELP and TYPE: before the first value of a row. */
void metrics_write_head(pdr_writer *out, const struct metrics_row *row);
/** One value; `label` is the value of row->label, NULL if it has none. */
void metrics_write_value(pdr_writer *out, const struct metrics_row *row, const char *label, uint64_t value);
void metrics_write_histogram(pdr_writer *out, const struct metrics_row *row, const struct metrics_histogram *histogram);

#endif
