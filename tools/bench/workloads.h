/* tools/bench/workloads.h: what is measured, by name. The definitions are docs/benchmarks.md's. */
#ifndef TOOLS_BENCH_WORKLOADS_H
#define TOOLS_BENCH_WORKLOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/bench/report.h"

#define BENCH_SECS_DEFAULT 3
#define BENCH_WARM_DEFAULT 1
#define BENCH_REPEAT_DEFAULT 3

/** Zero: the workload's own. */
struct bench_options {
    const char *node;      /* HOST:PORT; NULL: $PERDURE_NODE, else 127.0.0.1:7077 */
    bool start;            /* a node of our own instead */
    bool sessions;         /* W3 also under sessions */
    bool one_node;         /* clients talk to the node alone: in a cluster it passes most calls on */
    const char *perdure;   /* the program for that */
    const char *rally;     /* the plugin with W5's actors; NULL: not there */
    const char *directory; /* where its directory and W0's file are made */
    uint64_t node_threads;
    uint64_t nodes; /* of our own, one cluster */
    uint64_t pid;   /* of a node that we did not start */
    double secs, rate;
    double warm_s; /* < 0: the default */
    uint64_t repeat, outstanding, connections, actors, threads, hits, timeout_ms;
};

struct bench;

struct workload {
    const char *name, *summary;
    bool needs_node;
    void (*run)(struct bench *bench);
};
/** Ends with one whose name is NULL. */
extern const struct workload workloads[];
/** NULL if there is none of that name; capitals or not. */
const struct workload *workload_find(const char *name);

/** Starts or greets the node if a workload needs one, runs the workloads in order, ends the node. Exit status: 0, or 1
 * when something could not be measured; *why is then a sentence, or empty if the table has said it. */
int workloads_run(const struct bench_options *options, const struct workload *const *chosen, unsigned count,
                  struct report *report, char *why, size_t why_size);

#endif
