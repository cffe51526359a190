/* tools/bench/settings.h: the command line of perdure-bench: one table of flags, from which --help and the man page are
 * written, and what they set. */
#ifndef TOOLS_BENCH_SETTINGS_H
#define TOOLS_BENCH_SETTINGS_H

#include <stddef.h>
#include <stdio.h>

#include "tools/bench/workloads.h"

#define WORKLOADS_MAX 64
#define BENCH_SYNOPSIS "perdure-bench WORKLOAD... [--start | --node HOST:PORT] [OPTION...]"

enum bench_flag_kind { FLAG_NONE, FLAG_TEXT, FLAG_WHOLE, FLAG_REAL };

struct settings {
    struct bench_options bench;
    bool start, help, version;
    const char *json;
    const struct workload *chosen[WORKLOADS_MAX];
    unsigned count;
};

/** One flag: how it is read, where it goes, and its text of --help, in lines. */
struct bench_flag {
    const char *name, *argument;
    enum bench_flag_kind kind;
    size_t offset; /* in struct settings */
    double min, max;
    const char *help;
};

/** Ends with a NULL name. */
extern const struct bench_flag bench_flags[];
/** What stands above the workloads, below the flags, and at the end: paragraphs; an example behind two blanks. */
extern const char bench_intro[], bench_examples[], bench_exits[];

/** 0, or the exit status for a wrong command line, which has been told on standard error. */
int settings_parse(struct settings *settings, int argc, char **argv);
void settings_print_help(FILE *out);

#endif
