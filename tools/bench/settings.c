/* tools/bench/settings.c: the command line of perdure-bench. */
#include "tools/bench/settings.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"

enum { EXIT_MISUSE = 2 };

#define AT(member) offsetof(struct settings, member)
const struct bench_flag bench_flags[] = {
    {"--start", NULL, FLAG_NONE, AT(bench.start), 0, 0,
     "start a node for the run, on a directory of its own that is removed at the end"},
    {"--node", "HOST:PORT", FLAG_TEXT, AT(bench.node), 0, 0,
     "measure this node (default: $PERDURE_NODE, else 127.0.0.1:7077)"},
    {"--pid", "N", FLAG_WHOLE, AT(bench.pid), 1, 1 << 30, "its process, to note its CPU a call (with --start: known)"},
    {"--perdure", "FILE", FLAG_TEXT, AT(bench.perdure), 0, 0,
     "what --start and `start` run (default: perdure beside this program)"},
    {"--nodes", "N", FLAG_WHOLE, AT(bench.nodes), 1, BENCH_NODES_MAX,
     "with --start: so many, one cluster over which actors are spread (default 1)"},
    {"--node-threads", "N", FLAG_WHOLE, AT(bench.node_threads), 1, 64, "the --threads of that node"},
    {"--data", "DIR", FLAG_TEXT, AT(bench.directory), 0, 0,
     "where its directory and W0's file are made: on a real disk (default: here)"},
    {"--secs", "S", FLAG_REAL, AT(bench.secs), 0.05, 3600, "measured part of each run (default 3)"},
    {"--warm", "S", FLAG_REAL, AT(bench.warm_s), 0, 3600, "before it, not counted (default 1)"},
    {"--repeat", "N", FLAG_WHOLE, AT(bench.repeat), 1, 1000,
     "runs of each line; the table has median, minimum and maximum\n(default 3; 10 for `start`)"},
    {"--outstanding", "N", FLAG_WHOLE, AT(bench.outstanding), 1, 65536,
     "requests without an answer, instead of the workload's own;\nwith --rate at most so many (default 4,096)"},
    {"--conns", "N", FLAG_WHOLE, AT(bench.connections), 1, 4096, "connections that share them"},
    {"--actors", "N", FLAG_WHOLE, AT(bench.actors), 1, 1e9,
     "names in use; for W4, W6 and passive how many are made; for an election\nhow many take part"},
    {"--hits", "N", FLAG_WHOLE, AT(bench.hits), 1, 1e6,
     "W5: calls of a play (default 10,000 with one ball, 1,000 with more)"},
    {"--timeout-ms", "T", FLAG_WHOLE, AT(bench.timeout_ms), 1, 3600000, "election: T, alone (default: 1,000, then 20)"},
    {"--rate", "R", FLAG_REAL, AT(bench.rate), 0.1, 1e7,
     "open loop: R calls a second, however slowly they are answered; latency\ncounts from when a call was due (W1 to "
     "W3, and W0's echo)"},
    {"--sessions", NULL, FLAG_NONE, AT(bench.sessions), 0, 0,
     "W3: by turns with each run another one under durable sessions, one a\nconnection (exactly once), and the ratio"},
    {"--one-node", NULL, FLAG_NONE, AT(bench.one_node), 0, 0,
     "in a cluster: clients talk to the given node alone, which passes calls on,\nand not to the owners of actors"},
    {"--threads", "N", FLAG_WHOLE, AT(bench.threads), 1, 64, "threads that generate the load (default 1)"},
    {"--json", "FILE", FLAG_TEXT, AT(json), 0, 0,
     "write everything as JSON too; - is standard output, the table\nthen goes to standard error"},
    {"--help", NULL, FLAG_NONE, AT(help), 0, 0, "print this"},
    {"--version", NULL, FLAG_NONE, AT(version), 0, 0, "print the version"},
    {NULL, NULL, FLAG_NONE, 0, 0, 0, NULL},
};
#undef AT

const char bench_intro[] =
    "Measures a Perdure node, and the floor it stands on, in a closed loop: so many requests are always\n"
    "outstanding. What each workload is exactly, and how to read the figures: docs/benchmarks.md.\n";
const char bench_examples[] =
    "  perdure-bench all --start --json result.json   everything, against a node of its own\n"
    "  perdure-bench W0 W3 --start                    durable writes beside what the disk can do\n"
    "  perdure-bench W3 --rate 20000 --secs 30        the tail at a steady 20,000 writes a second\n"
    "  perdure-bench W4 --actors 1000000 --repeat 1   a million first calls\n"
    "  perdure-bench passive --actors 10000000        ten million actors on disk, a start, a call\n";
const char bench_exits[] = "0 all measured; 1 something could not be; 2 the command line is wrong.\n";

static void print_flag(FILE *out, const struct bench_flag *flag)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", flag->name, flag->argument == NULL ? "" : " ",
             flag->argument == NULL ? "" : flag->argument);
    fprintf(out, "  %-18s ", left);
    for (const char *c = flag->help; *c != '\0'; c++) {
        if (*c == '\n') {
            fprintf(out, "\n%21s", "");
        } else {
            fputc(*c, out);
        }
    }
    fprintf(out, "\n");
}

void settings_print_help(FILE *out)
{
    fprintf(out, "usage: " BENCH_SYNOPSIS "\n\n%s\nWorkloads (all: every one)\n", bench_intro);
    for (const struct workload *w = workloads; w->name != NULL; w++) {
        fprintf(out, "  %-7s %s\n", w->name, w->summary);
    }
    fprintf(out, "\nOptions\n");
    for (const struct bench_flag *f = bench_flags; f->name != NULL; f++) {
        print_flag(out, f);
    }
    fprintf(out, "\nExamples\n%s\nExit status: %s", bench_examples, bench_exits);
}

__attribute__((format(printf, 1, 2))) static int misuse(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "perdure-bench: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nusage: " BENCH_SYNOPSIS "; perdure-bench --help tells all\n");
    va_end(args);
    return EXIT_MISUSE;
}

/* Parsing */

static int set_number(struct settings *settings, const struct bench_flag *flag, const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);
    void *at = (char *)settings + flag->offset;
    bool whole = flag->kind == FLAG_WHOLE;
    if (end == text || *end != '\0' || !isfinite(value) || value < flag->min || value > flag->max ||
        (whole && value != floor(value))) {
        return misuse("%s takes a %snumber from %g to %.0f, not \"%s\"", flag->name, whole ? "whole " : "", flag->min,
                      flag->max, text);
    }
    if (whole) {
        *(uint64_t *)at = (uint64_t)value;
    } else {
        *(double *)at = value;
    }
    return 0;
}

static int set_flag(struct settings *settings, const struct bench_flag *flag, const char *text)
{
    void *at = (char *)settings + flag->offset;
    switch (flag->kind) {
    case FLAG_NONE:
        *(bool *)at = true;
        return 0;
    case FLAG_TEXT:
        if (*text == '\0') {
            return misuse("%s needs a value: %s", flag->name, flag->argument);
        }
        *(const char **)at = text;
        return 0;
    default:
        return set_number(settings, flag, text);
    }
}

/** The flag that `word` begins with, alone or before '='. */
static const struct bench_flag *find_flag(const char *word, const char **value)
{
    for (const struct bench_flag *f = bench_flags; f->name != NULL; f++) {
        size_t size = strlen(f->name);
        if (strncmp(word, f->name, size) == 0 && (word[size] == '\0' || word[size] == '=')) {
            *value = word[size] == '=' ? word + size + 1 : NULL;
            return f;
        }
    }
    return NULL;
}

static int add_workload(struct settings *settings, const char *name)
{
    if (strcmp(name, "all") == 0) {
        for (const struct workload *w = workloads; w->name != NULL && settings->count < WORKLOADS_MAX; w++) {
            settings->chosen[settings->count++] = w;
        }
        return 0;
    }
    const struct workload *found = workload_find(name);
    if (found == NULL) {
        return misuse("there is no workload \"%s\"; there are W0 to W6, passive, start, election and all", name);
    }
    if (settings->count == WORKLOADS_MAX) {
        return misuse("more than %d workloads; measure in several runs", WORKLOADS_MAX);
    }
    settings->chosen[settings->count++] = found;
    return 0;
}

static int parse(struct settings *settings, int argc, char **argv)
{
    for (int k = 1; k < argc; k++) {
        const char *value = NULL;
        int status;
        if (argv[k][0] != '-') {
            status = add_workload(settings, argv[k]);
        } else {
            const struct bench_flag *flag = find_flag(argv[k], &value);
            if (flag == NULL) {
                return misuse("there is no option %s", argv[k]);
            }
            if (flag->kind == FLAG_NONE && value != NULL) {
                return misuse("%s takes no value", flag->name);
            }
            if (flag->kind != FLAG_NONE && value == NULL && (value = argv[++k]) == NULL) {
                return misuse("%s needs a value: %s", flag->name, flag->argument);
            }
            status = set_flag(settings, flag, value);
        }
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

static int check(const struct settings *settings)
{
    const struct bench_options *o = &settings->bench;
    if (settings->count == 0) {
        return misuse("name at least one workload: W0 to W6, passive, start, election or all");
    }
    if (o->start && o->node != NULL) {
        return misuse("--start and --node exclude each other: a node of the bench's own, or that one");
    }
    if (o->nodes > 1 && !o->start) {
        return misuse("--nodes is how many --start starts");
    }
    if (o->start && o->pid != 0) {
        return misuse("--pid is for a node that --start did not start");
    }
    for (unsigned k = 0; k < settings->count; k++) {
        bool is_election = strcmp(settings->chosen[k]->name, "election") == 0;
        if (is_election && o->actors != 0 && (o->actors < 3 || o->actors > BENCH_PARTICIPANTS_MAX)) {
            return misuse("an election has 3 to %d participants, not --actors %llu", BENCH_PARTICIPANTS_MAX,
                          (unsigned long long)o->actors);
        }
    }
    if (o->connections > 0 && o->outstanding > 0 && o->connections > o->outstanding) {
        return misuse("--conns %llu is more than --outstanding %llu: a connection needs a request to carry",
                      (unsigned long long)o->connections, (unsigned long long)o->outstanding);
    }
    return 0;
}

int settings_parse(struct settings *settings, int argc, char **argv)
{
    int status = parse(settings, argc, argv);
    return status != 0 || settings->help || settings->version ? status : check(settings);
}
