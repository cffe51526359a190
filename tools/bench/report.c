/* tools/bench/report.c: medians, columns, JSON. */
#include "tools/bench/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

struct report {
    FILE *table;
    bool headed;
    json_t *versions, *results, *ratios, *skipped;
    double secs;
    unsigned repeat;
};

/** Of each run, in the order in which a summary lists them. */
static const char *const summary_keys[] = {
    "ops_s",         "p50_us",        "p99_us",      "p999_us",        "max_us",        "server_cpu_us_per_op",
    "first_call_ms", "ready_ms",      "gen_cpu_pct", "server_cpu_pct", "other_cpu_pct", "bytes_per_actor",
    "rss_mib",       "empty_rss_mib", "cold_p50_us", "names_s",        "round_ms",      "beyond_timeout_ms",
    "lost_pct",      "messages"};
#define SUMMARY_KEYS (sizeof summary_keys / sizeof summary_keys[0])

struct report *report_new(FILE *table, double secs, unsigned repeat)
{
    struct report *r = mem_new(sizeof *r);
    r->table = table;
    r->secs = secs;
    r->repeat = repeat;
    r->versions = json_object();
    r->results = json_array();
    r->ratios = json_array();
    r->skipped = json_array();
    return r;
}

void report_free(struct report *r)
{
    json_decref(r->versions);
    json_decref(r->results);
    json_decref(r->ratios);
    json_decref(r->skipped);
    mem_free(r);
}

void report_version(struct report *r, const char *what, const char *version)
{
    json_object_set_new(r->versions, what, json_string(version));
}

/* Summaries */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/** {"median", "min", "max"} of one figure over the runs that have it; NULL if none has. */
static json_t *summarize_key(const json_t *runs, const char *key)
{
    double *values = mem_new(json_array_size(runs) * sizeof *values + 1);
    size_t count = 0, index;
    json_t *run;
    json_array_foreach(runs, index, run)
    {
        json_t *value = json_object_get(run, key);
        if (json_is_number(value)) {
            values[count++] = json_number_value(value);
        }
    }
    json_t *summary = NULL;
    if (count > 0) {
        qsort(values, count, sizeof *values, by_size);
        double median = count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
        summary = json_pack("{s:f, s:f, s:f}", "median", median, "min", values[0], "max", values[count - 1]);
    }
    mem_free(values);
    return summary;
}

static json_t *summarize(const json_t *runs)
{
    json_t *summary = json_object();
    for (size_t k = 0; k < SUMMARY_KEYS; k++) {
        json_t *figure = summarize_key(runs, summary_keys[k]);
        if (figure != NULL) {
            json_object_set_new(summary, summary_keys[k], figure);
        }
    }
    json_t *ops = json_object_get(json_object_get(summary, "ops_s"), "max");
    json_t *p50 = json_object_get(json_object_get(summary, "p50_us"), "min");
    if (ops != NULL) {
        json_object_set(summary, "best_ops_s", ops);
    }
    if (p50 != NULL) {
        json_object_set(summary, "best_p50_us", p50);
    }
    return summary;
}

/* The table */

struct column {
    const char *key, *title;
    int width;
};
static const struct column columns[] = {
    {"ops_s", "calls/s", 24},
    {"p50_us", "p50 us", 23},
    {"p99_us", "p99 us", 23},
    {"p999_us", "p99.9 us", 23},
    {"server_cpu_us_per_op", "server CPU us/call", 20},
    {"gen_cpu_pct", "load CPU %", 11},
    {"other_cpu_pct", "foreign CPU %", 14},
};
#define COLUMNS (sizeof columns / sizeof columns[0])

/** Three significant digits or more. */
static void print_number(char *out, size_t size, double value)
{
    if (value >= 999500) {
        snprintf(out, size, "%.2fM", value / 1e6);
    } else if (value >= 99950) {
        snprintf(out, size, "%.0fk", value / 1e3);
    } else if (value >= 9995) {
        snprintf(out, size, "%.1fk", value / 1e3);
    } else {
        snprintf(out, size, "%.*f", value >= 100 ? 0 : value >= 10 ? 1 : 2, value);
    }
}

static double figure_of(const json_t *summary, const char *key, const char *which)
{
    return json_number_value(json_object_get(json_object_get(summary, key), which));
}

/** "median (min to max)", or the number alone where the three look the same. */
static void print_figure(char *out, size_t size, const json_t *summary, const char *key)
{
    char median[24], min[24], max[24];
    print_number(median, sizeof median, figure_of(summary, key, "median"));
    print_number(min, sizeof min, figure_of(summary, key, "min"));
    print_number(max, sizeof max, figure_of(summary, key, "max"));
    if (strcmp(min, max) == 0) {
        snprintf(out, size, "%s", median);
    } else {
        snprintf(out, size, "%s (%s to %s)", median, min, max);
    }
}

static void print_head(struct report *r)
{
    fprintf(r->table, "%-7s %-8s %-34s", "", "", "median (min to max)");
    for (size_t k = 0; k < COLUMNS; k++) {
        fprintf(r->table, " %*s", columns[k].width, columns[k].title);
    }
    fprintf(r->table, "\n");
    r->headed = true;
}

/** The CPU columns tell about the surroundings of a run: the median says enough. */
static void print_cell(FILE *table, const struct column *column, const json_t *summary)
{
    char text[128] = "";
    if (json_object_get(summary, column->key) != NULL) {
        if (strstr(column->key, "cpu") == NULL) {
            print_figure(text, sizeof text, summary, column->key);
        } else {
            print_number(text, sizeof text, figure_of(summary, column->key, "median"));
        }
    }
    fprintf(table, " %*s", column->width, text);
}

/** A row without calls a second says what it has in words. False: it has calls a second. */
static bool print_phrases(FILE *table, const json_t *summary)
{
    static const struct {
        const char *key, *before, *after;
    } phrases[] = {
        {"first_call_ms", "answered after", " ms"},
        {"ready_ms", "listening after", " ms"},
        {"bytes_per_actor", "an actor takes", " bytes"},
        {"rss_mib", "resident", " MiB"},
        {"empty_rss_mib", "without actors", " MiB"},
        {"cold_p50_us", "a cold call takes", " us"},
        {"names_s", "made at", "/s"},
        {"round_ms", "a round takes", " ms"},
        {"beyond_timeout_ms", "of it beyond T", " ms"},
        {"lost_pct", "or", " %"},
        {"messages", "with", " messages"},
    };
    const char *separator = " ";
    if (json_object_get(summary, "ops_s") != NULL) {
        return false;
    }
    for (size_t k = 0; k < sizeof phrases / sizeof phrases[0]; k++) {
        char text[128];
        if (json_object_get(summary, phrases[k].key) != NULL) {
            print_figure(text, sizeof text, summary, phrases[k].key);
            fprintf(table, "%s%s %s%s", separator, phrases[k].before, text, phrases[k].after);
            separator = "; ";
        }
    }
    return true;
}

static void print_errors(FILE *table, const json_t *runs)
{
    json_int_t errors = 0;
    const char *first = NULL;
    size_t index;
    json_t *run;
    json_array_foreach(runs, index, run)
    {
        errors += json_integer_value(json_object_get(run, "errors"));
        const char *text = json_string_value(json_object_get(run, "first_error"));
        first = first == NULL ? text : first;
    }
    if (errors > 0) {
        fprintf(table, "      %lld calls failed, not counted above; the first with: %s\n", (long long)errors,
                first == NULL ? "no message" : first);
    }
}

static void print_row(struct report *r, const struct report_label *label, const json_t *summary, const json_t *runs)
{
    fprintf(r->table, "%-7s %-8s %-34s", label->workload, label->peer, label->variant);
    if (!print_phrases(r->table, summary)) {
        for (size_t k = 0; k < COLUMNS; k++) {
            print_cell(r->table, &columns[k], summary);
        }
    }
    fprintf(r->table, "\n");
    print_errors(r->table, runs);
    fflush(r->table);
}

void report_row(struct report *r, const struct report_label *label, json_t *runs)
{
    json_t *summary = summarize(runs);
    if (!r->headed) {
        print_head(r);
    }
    print_row(r, label, summary, runs);
    json_array_append_new(r->results,
                          json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "peer", label->peer, "workload", label->workload,
                                    "variant", label->variant, "ack", label->ack == NULL ? "" : label->ack, "summary",
                                    summary, "runs", runs));
}

void report_skip(struct report *r, const struct report_label *label, const char *why)
{
    fprintf(r->table, "%-7s %-8s %-34s not measured: %s\n", label->workload, label->peer, label->variant, why);
    json_array_append_new(r->skipped, json_pack("{s:s, s:s, s:s, s:s}", "peer", label->peer, "workload",
                                                label->workload, "variant", label->variant, "why", why));
}

/* Ratios */

struct figure {
    const char *peer, *workload, *variant, *key;
};
/** A goal that this program can judge alone: ours over the floor of the same run, or ours as it is. */
static const struct goal {
    const char *name, *unit;
    struct figure ours, floor;
    double at_most;
    double at_least; /* 0: it is at_most that is asked for */
} goals[] = {
    {"W1 p50 / raw echo p50",
     "x",
     {"perdure", "W1", "1 outstanding", "p50_us"},
     {"libuv", "W1", "1 outstanding", "p50_us"},
     1.5,
     0},
    {"W3 p50 at 1 outstanding / 4 KiB append + fdatasync p50",
     "x",
     {"perdure", "W3", "1 outstanding, 1 conns", "p50_us"},
     {"disk", "W0", "append 4 KiB + fdatasync", "p50_us"},
     2,
     0},
    {"W3 under sessions / W3, answered a second",
     "x",
     {"perdure", "W3", "256 outstanding, 8 conns, sessions", "ops_s"},
     {"perdure", "W3", "256 outstanding, 8 conns", "ops_s"},
     0,
     0.85},
    {"start: empty directory to first answered call",
     "ms",
     {"perdure", "start", "empty directory, first add", "first_call_ms"},
     {NULL, NULL, NULL, NULL},
     100,
     0},
};

/** 0 if it was not measured. */
static double median_of(const struct report *r, const struct figure *figure)
{
    size_t index;
    json_t *row;
    json_array_foreach(r->results, index, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "peer")), figure->peer) == 0 &&
            strcmp(json_string_value(json_object_get(row, "workload")), figure->workload) == 0 &&
            strcmp(json_string_value(json_object_get(row, "variant")), figure->variant) == 0) {
            return figure_of(json_object_get(row, "summary"), figure->key, "median");
        }
    }
    return 0;
}

void report_ratios(struct report *r)
{
    for (size_t k = 0; k < sizeof goals / sizeof goals[0]; k++) {
        const struct goal *goal = &goals[k];
        double ours = median_of(r, &goal->ours), floor = goal->floor.peer == NULL ? 1 : median_of(r, &goal->floor);
        if (ours == 0 || floor == 0) {
            continue;
        }
        double value = ours / floor;
        bool is_least = goal->at_least > 0;
        double bound = is_least ? goal->at_least : goal->at_most;
        fprintf(r->table, "%s%s: %.2f %s (goal: at %s %g %s)\n", json_array_size(r->ratios) == 0 ? "\n" : "",
                goal->name, value, goal->unit, is_least ? "least" : "most", bound, goal->unit);
        json_array_append_new(r->ratios, json_pack("{s:s, s:f, s:s, s:f}", "name", goal->name, "value", value, "unit",
                                                   goal->unit, is_least ? "at_least" : "at_most", bound));
    }
}

bool report_write(const struct report *r, const char *path, char *why, size_t why_size)
{
    json_t *all = json_pack("{s:O, s:f, s:i, s:O, s:O, s:O}", "versions", r->versions, "secs", r->secs, "repeat",
                            (int)r->repeat, "results", r->results, "ratios", r->ratios, "skipped", r->skipped);
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    bool ok = file != NULL && json_dumpf(all, file, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) == 0 &&
              fputc('\n', file) != EOF && fflush(file) == 0;
    if (!ok) {
        snprintf(why, why_size, "cannot write %s: %s", path, strerror(errno));
    }
    if (file != NULL && file != stdout) {
        fclose(file);
    }
    json_decref(all);
    return ok;
}
