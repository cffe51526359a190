/* tools/bench/bench.h: one run of the program, as the files with workloads share it. */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include "tools/bench/load.h"
#include "tools/bench/server.h"
#include "tools/bench/workloads.h"

#define BENCH_CONNECTIONS_DEFAULT 8
#define BENCH_NODES_MAX 9
#define BENCH_PARTICIPANTS_MAX 8192
#define ACK_SYNC "`sync`, its default: on stable storage before the reply, by its own account"

struct bench {
    const struct bench_options *options;
    struct report *report;
    struct server servers[BENCH_NODES_MAX]; /* of our own; pid 0: not started */
    const char *node;
    pid_t pid;
    uint32_t identity;          /* of this program's run: makes names that no run before had */
    struct load_result *result; /* large */
    bool missed;                /* something could not be measured */
};

/** One line of the table to be. */
struct shape {
    struct report_label label;
    struct load_plan plan;
};

static inline uint64_t bench_or(uint64_t given, uint64_t otherwise)
{
    return given != 0 ? given : otherwise;
}

/** "10,000" */
const char *bench_with_commas(char *out, size_t size, uint64_t number);
/** The flags' part of a plan; `outstanding` and the rest are the workload's own, used where no flag says otherwise. */
struct load_plan bench_plan(const struct bench *b, enum channel_op op, uint64_t outstanding, uint64_t actors);
/** Repeats one shape and reports it. */
void bench_measure(struct bench *b, const struct shape *shape);
void bench_miss(struct bench *b, const struct report_label *label, const char *why);
/** Reports what `runs` has (taken); with none, that it was missed, and why. */
void bench_report(struct bench *b, const struct report_label *label, json_t *runs, const char *why);
/** How the flags want a node of the bench's own. */
struct server_options bench_server_options(const struct bench *b);

/* workloads_inside.c */
void run_w5(struct bench *b);
void run_w6(struct bench *b);
void run_passive(struct bench *b);

/* workloads_election.c */
void run_election(struct bench *b);

#endif
