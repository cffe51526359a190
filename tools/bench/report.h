/* tools/bench/report.h: results as a table for people, line by line as they come, and as JSON of the form that the peer
 * benchmarks write: {"versions", "secs", "repeat", "results": [{"peer", "workload", "variant", "ack", "summary",
 * "runs"}], "skipped"}, so that one program can set Perdure beside its peers. */
#ifndef TOOLS_BENCH_REPORT_H
#define TOOLS_BENCH_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct report;

/** The table goes to `table`. */
struct report *report_new(FILE *table, double secs, unsigned repeat);
void report_free(struct report *report);
void report_version(struct report *report, const char *what, const char *version);

/** What was measured; all strings are copied. */
struct report_label {
    const char *peer, *workload, *variant;
    const char *ack; /* what an answer promises */
};
/** Takes `runs`, an array of one object a repeat, and prints its line. Summaries are median, minimum and maximum. */
void report_row(struct report *report, const struct report_label *label, json_t *runs);
void report_skip(struct report *report, const struct report_label *label, const char *why);
/** The figures of this run that have a goal, beside it. */
void report_ratios(struct report *report);
/** "-" is standard output. False: `why` is a sentence. */
bool report_write(const struct report *report, const char *path, char *why, size_t why_size);

#endif
