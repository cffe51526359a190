/* tools/bench/workloads.c: the shapes of W0 to W4 and `start`, repeated, with everything a reader needs to judge a run;
 * the list of all workloads. */
#include "tools/bench/workloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <perdure/client.h>
#include <perdure/version.h>

#include "core/base/mem.h"
#include "tools/bench/bench.h"
#include "tools/bench/floor.h"
#include "tools/bench/process.h"

#define NODE_DEFAULT "127.0.0.1:7077"
#define START_REPEAT_DEFAULT 10
#define RATE_OUTSTANDING_DEFAULT 4096 /* of the open loop: room for what a slow moment leaves behind */

void bench_miss(struct bench *b, const struct report_label *label, const char *why)
{
    report_skip(b->report, label, why);
    b->missed = true;
}

void bench_report(struct bench *b, const struct report_label *label, json_t *runs, const char *why)
{
    if (json_array_size(runs) == 0) {
        json_decref(runs);
        bench_miss(b, label, why);
    } else {
        report_row(b->report, label, runs);
    }
}

/* Runs of load */

static double microseconds(const struct load_result *result, double percent)
{
    return (double)histogram_percentile(&result->latency, percent) / 1e3;
}

static json_t *run_json(const struct load_plan *plan, const struct load_result *r)
{
    static const char *const ops[] = {[CHANNEL_ECHO] = "echo",
                                      [CHANNEL_PING] = "ping",
                                      [CHANNEL_ADD] = "add",
                                      [CHANNEL_GET] = "get",
                                      [CHANNEL_PLAY] = "hop"};
    double rate = r->secs > 0 ? (double)r->ops / r->secs : 0, load_average = 0;
    json_t *run = json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:f, s:f}", "proto",
                            plan->op == CHANNEL_ECHO ? "raw" : "mprpc", "op", ops[plan->op], "conns",
                            (int)plan->connections, "outstanding", (int)plan->outstanding, "actors",
                            (json_int_t)plan->actors, "ops", (json_int_t)r->ops, "errors", (json_int_t)r->errors,
                            "secs", r->secs, "ops_s", rate);
    json_t *more = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "p50_us", microseconds(r, 50), "p99_us",
                             microseconds(r, 99), "p999_us", microseconds(r, 99.9), "max_us",
                             (double)r->latency.max / 1e3, "mean_us", histogram_mean(&r->latency) / 1e3, "gen_cpu_pct",
                             100 * r->own_cpu_s / r->secs, "other_cpu_pct", 100 * r->other_cpu_s / r->secs);
    json_object_update(run, more);
    json_decref(more);
    if (r->server_cpu_s >= 0 && r->ops > 0) {
        json_object_set_new(run, "server_cpu_pct", json_real(100 * r->server_cpu_s / r->secs));
        json_object_set_new(run, "server_cpu_us_per_op", json_real(1e6 * r->server_cpu_s / (double)r->ops));
    }
    if (plan->rate > 0) {
        json_object_set_new(run, "rate", json_real(plan->rate));
    }
    if (r->first_error[0] != '\0') {
        json_object_set_new(run, "first_error", json_string(r->first_error));
    }
    if (getloadavg(&load_average, 1) == 1) {
        json_object_set_new(run, "loadavg1", json_real(load_average));
    }
    return run;
}

/** The runs of one shape so far. */
struct series {
    const struct shape *shape;
    json_t *runs;
    uint64_t answered;
    char why[256];
    bool failed;
};

static void series_begin(struct series *series, const struct shape *shape)
{
    *series = (struct series){.shape = shape, .runs = json_array(), .why = "no run was begun"};
}

static void series_run(struct bench *b, struct series *series, unsigned k)
{
    char prefix[48];
    struct load_plan plan = series->shape->plan;
    if (series->failed || process_interrupted()) {
        return;
    }
    if (plan.once) {
        snprintf(prefix, sizeof prefix, "n%08x-%u-", b->identity, k);
        plan.prefix = prefix;
    }
    plan.seed = 1 + k;
    series->failed = !load_run(&plan, b->result, series->why, sizeof series->why);
    if (!series->failed) {
        series->answered += b->result->ops;
        json_array_append_new(series->runs, run_json(&plan, b->result));
    }
}

static void series_end(struct bench *b, struct series *series)
{
    b->missed = b->missed || series->answered == 0;
    bench_report(b, &series->shape->label, series->runs, process_interrupted() ? "interrupted" : series->why);
}

/** Repeats shapes and reports them: by turns, so that all meet the same machine. */
static void measure_by_turns(struct bench *b, const struct shape *shapes, unsigned count)
{
    struct series series[2];
    unsigned repeat = (unsigned)bench_or(b->options->repeat, BENCH_REPEAT_DEFAULT);
    for (unsigned i = 0; i < count; i++) {
        series_begin(&series[i], &shapes[i]);
    }
    for (unsigned k = 0; k < repeat * count; k++) {
        series_run(b, &series[k % count], k / count);
    }
    for (unsigned i = 0; i < count; i++) {
        series_end(b, &series[i]);
    }
}

void bench_measure(struct bench *b, const struct shape *shape)
{
    measure_by_turns(b, shape, 1);
}

const char *bench_with_commas(char *out, size_t size, uint64_t number)
{
    char digits[32];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    size_t at = 0;
    for (int k = 0; k < count && at + 2 < size; k++) {
        if (k > 0 && (count - k) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[k];
    }
    out[at] = '\0';
    return out;
}

struct load_plan bench_plan(const struct bench *b, enum channel_op op, uint64_t outstanding, uint64_t actors)
{
    const struct bench_options *o = b->options;
    struct load_plan plan = {
        .op = op,
        .node = b->node,
        .prefix = "a",
        .actors = bench_or(o->actors, actors),
        .rate = o->rate,
        .one_node = o->one_node,
        .threads = (unsigned)bench_or(o->threads, 1),
        .server = b->pid,
        .warm_s = o->warm_s < 0 ? BENCH_WARM_DEFAULT : o->warm_s,
        .secs = o->secs == 0 ? BENCH_SECS_DEFAULT : o->secs,
    };
    plan.outstanding = (unsigned)bench_or(o->outstanding, o->rate > 0 ? RATE_OUTSTANDING_DEFAULT : outstanding);
    plan.connections = (unsigned)bench_or(o->connections, outstanding == 1 ? 1 : BENCH_CONNECTIONS_DEFAULT);
    if (plan.connections > plan.outstanding) {
        plan.connections = plan.outstanding;
    }
    return plan;
}

/** Names the shape as the peers' results do, so that equal shapes have equal names. */
static void name_variant(const struct bench *b, const struct load_plan *plan, bool one_actor, char *out, size_t size)
{
    char number[32];
    int used;
    if (plan->rate > 0) {
        used = snprintf(out, size, "open loop at %s/s, %u conns",
                        bench_with_commas(number, sizeof number, (uint64_t)plan->rate), plan->connections);
    } else if (one_actor && plan->connections == 1) {
        used = snprintf(out, size, "%u outstanding", plan->outstanding);
    } else {
        used = snprintf(out, size, "%u outstanding, %u conns", plan->outstanding, plan->connections);
    }
    if (b->options->actors != 0 && plan->op != CHANNEL_ECHO && used > 0 && (size_t)used < size) {
        snprintf(out + used, size - (size_t)used, ", %s actors",
                 bench_with_commas(number, sizeof number, plan->actors));
    }
}

struct load_kind {
    const char *peer, *workload, *ack;
    enum channel_op op;
    uint64_t actors;
};

/** One line for each number of outstanding requests (0 ends the list); where flags decide, the last one's alone. */
static void measure_levels(struct bench *b, const struct load_kind *kind, const unsigned *levels)
{
    bool flags_decide = b->options->outstanding != 0 || b->options->rate > 0;
    for (; *levels != 0 && !process_interrupted(); levels++) {
        if (flags_decide && levels[1] != 0) {
            continue;
        }
        char variant[96], under_sessions[128];
        bool has_sessions = b->options->sessions && kind->op == CHANNEL_ADD;
        struct shape shapes[] = {{.plan = bench_plan(b, kind->op, *levels, kind->actors)}, {.plan = {0}}};
        name_variant(b, &shapes[0].plan, kind->actors == 1, variant, sizeof variant);
        snprintf(under_sessions, sizeof under_sessions, "%s, sessions", variant);
        shapes[1].plan = shapes[0].plan;
        shapes[1].plan.sessions = true;
        shapes[0].label = (struct report_label){kind->peer, kind->workload, variant, kind->ack};
        shapes[1].label = (struct report_label){kind->peer, kind->workload, under_sessions, kind->ack};
        measure_by_turns(b, shapes, has_sessions ? 2 : 1);
    }
}

/* The workloads */

static void disk_floor(struct bench *b, bool overwrite)
{
    const struct report_label label = {"disk", "W0",
                                       overwrite ? "overwrite 4 KiB + fdatasync" : "append 4 KiB + fdatasync", NULL};
    json_t *runs = json_array();
    char why[256] = "interrupted";
    double secs = b->options->secs == 0 ? BENCH_SECS_DEFAULT : b->options->secs;
    for (unsigned k = 0; k < bench_or(b->options->repeat, BENCH_REPEAT_DEFAULT) && !process_interrupted(); k++) {
        struct load_result *r = b->result;
        struct load_plan plan = {.op = CHANNEL_ECHO, .outstanding = 1};
        memset(r, 0, sizeof *r);
        struct process_usage before = process_usage(0);
        if (!floor_disk(b->options->directory, overwrite, secs, &r->latency, &r->secs, why, sizeof why)) {
            break;
        }
        struct process_usage after = process_usage(0);
        r->ops = r->latency.count;
        r->server_cpu_s = -1;
        r->own_cpu_s = after.own_s - before.own_s;
        r->other_cpu_s = after.machine_s - before.machine_s - r->own_cpu_s;
        r->other_cpu_s = r->other_cpu_s < 0 ? 0 : r->other_cpu_s;
        json_t *run = run_json(&plan, r);
        json_object_set_new(run, "proto", json_string("disk"));
        json_object_set_new(run, "op", json_string(label.variant));
        json_array_append_new(runs, run);
    }
    bench_report(b, &label, runs, why);
}

static void run_w0(struct bench *b)
{
    const struct load_kind one = {"libuv", "W1", NULL, CHANNEL_ECHO, 1},
                           many = {"libuv", "W2", NULL, CHANNEL_ECHO, 1000};
    const struct report_label label = {"libuv", "W1", "raw echo", NULL};
    struct floor_echo echo;
    struct bench floor = *b;
    char why[256];
    disk_floor(b, false);
    disk_floor(b, true);
    if (!floor_echo_start(&echo, why, sizeof why)) {
        bench_miss(b, &label, why);
        return;
    }
    floor.node = echo.node;
    floor.pid = echo.pid;
    measure_levels(&floor, &one, (const unsigned[]){1, 0});
    measure_levels(&floor, &many, (const unsigned[]){64, 1024, 0});
    b->missed = floor.missed;
    floor_echo_stop(&echo);
}

static void run_w1(struct bench *b)
{
    const struct load_kind kind = {"perdure", "W1", NULL, CHANNEL_PING, 1};
    measure_levels(b, &kind, (const unsigned[]){1, 0});
}

static void run_w2(struct bench *b)
{
    const struct load_kind kind = {"perdure", "W2", NULL, CHANNEL_PING, 1000};
    measure_levels(b, &kind, (const unsigned[]){64, 1024, 0});
}

static void run_w3(struct bench *b)
{
    const struct load_kind kind = {"perdure", "W3", ACK_SYNC, CHANNEL_ADD, 1000};
    measure_levels(b, &kind, (const unsigned[]){1, 256, 0});
}

static void run_w4(struct bench *b)
{
    char number[32], variant[96];
    struct shape shape = {.plan = bench_plan(b, CHANNEL_ADD, 64, 10000)};
    shape.plan.once = true;
    if (shape.plan.rate > 0) { /* each name once, as fast as they are answered: there is no open loop of that */
        shape.plan.rate = 0;
        shape.plan.outstanding = (unsigned)bench_or(b->options->outstanding, 64);
    }
    int used = snprintf(variant, sizeof variant, "%s new counters, add",
                        bench_with_commas(number, sizeof number, shape.plan.actors));
    if (shape.plan.outstanding != 64) {
        snprintf(variant + used, sizeof variant - (size_t)used, ", %u outstanding", shape.plan.outstanding);
    }
    shape.label = (struct report_label){"perdure", "W4", variant, ACK_SYNC};
    bench_measure(b, &shape);
}

/** From before the fork to the answer of the first durable call; false: `why`. */
static bool start_once(struct bench *b, double *first_call_ms, double *ready_ms, char *why, size_t why_size)
{
    const struct server_options options = bench_server_options(b);
    struct server server;
    struct pdr_outcome outcome;
    pdr_blocking *client = NULL;
    const char *reason = NULL;
    uint64_t begin = process_now_ns();
    if (!bench_server_start(&options, &server, why, why_size)) {
        return false;
    }
    uint64_t ready = process_now_ns();
    const struct pdr_client_options to = {.node = server.node};
    bool ok = pdr_blocking_open(&to, &client, &reason) == PDR_OK;
    if (!ok) {
        snprintf(why, why_size, "%s", reason);
    } else if (pdr_blocking_call(client, pdr_str("counter/first"), "add", pdr_bytes(NULL, 0), NULL, &outcome) !=
               PDR_OK) {
        snprintf(why, why_size, "%.*s", (int)outcome.message.size, (const char *)outcome.message.data);
        ok = false;
    }
    uint64_t end = process_now_ns();
    *first_call_ms = (double)(end - begin) / 1e6;
    *ready_ms = (double)(ready - begin) / 1e6;
    if (client != NULL) {
        pdr_blocking_close(client);
    }
    bench_server_stop(&server);
    return ok;
}

static void run_start(struct bench *b)
{
    const struct report_label label = {"perdure", "start", "empty directory, first add", ACK_SYNC};
    json_t *runs = json_array();
    char why[256] = "interrupted";
    for (unsigned k = 0; k < bench_or(b->options->repeat, START_REPEAT_DEFAULT) && !process_interrupted(); k++) {
        double first_call_ms, ready_ms;
        struct process_usage before = process_usage(0);
        if (!start_once(b, &first_call_ms, &ready_ms, why, sizeof why)) {
            break;
        }
        struct process_usage after = process_usage(0);
        json_array_append_new(runs, json_pack("{s:s, s:i, s:i, s:f, s:f, s:f}", "op", "start", "ops", 1, "errors", 0,
                                              "secs", after.wall_s - before.wall_s, "first_call_ms", first_call_ms,
                                              "ready_ms", ready_ms));
    }
    bench_report(b, &label, runs, why);
}

const struct workload workloads[] = {
    {"W0", "the floor: 4 KiB append (and overwrite) + fdatasync; a raw TCP echo of 100 bytes", false, run_w0},
    {"W1", "ping: 100 bytes to one actor and back, 1 outstanding", true, run_w1},
    {"W2", "throughput: as W1 over 1,000 actors; 64, then 1,024 outstanding over 8 connections", true, run_w2},
    {"W3", "durable counter: add 1 to one of 1,000; 1, then 256 outstanding over 8 connections", true, run_w3},
    {"W4", "activation: the first call ever to each of 10,000 counters, durable, 64 outstanding", true, run_w4},
    {"W5", "hop: two actors in the node pass 100 bytes to and fro; messages/s with 1, then 64 pairs", true, run_w5},
    {"W6", "memory of an actor: 100,000 counters, each called once, live and idle", false, run_w6},
    {"passive", "1,000,000 counters on disk alone: start, memory, a cold call", false, run_passive},
    {"start", "from running `perdure start` on an empty directory to the first answered call", false, run_start},
    {"election", "W7: a round of the bully algorithm, worst case; 10 to 5,000 participants, T = 1 s and 20 ms", true,
     run_election},
    {NULL, NULL, false, NULL},
};

const struct workload *workload_find(const char *name)
{
    for (const struct workload *w = workloads; w->name != NULL; w++) {
        if (strcasecmp(w->name, name) == 0) {
            return w;
        }
    }
    return NULL;
}

/* The node */

/** A first call, so that a wrong address is a sentence and not a table of failures. Notes the node's version. */
static bool greet_node(struct bench *b, char *why, size_t why_size)
{
    const struct pdr_client_options options = {.node = b->node, .deadline_ms = 5000};
    struct pdr_outcome outcome;
    struct pdr_bytes version;
    pdr_blocking *client = NULL;
    const char *reason = NULL;
    if (pdr_blocking_open(&options, &client, &reason) != PDR_OK) {
        snprintf(why, why_size, "no node answers at %s: %s; start one with `perdure start`, or add --start", b->node,
                 reason);
        return false;
    }
    bool ok = pdr_blocking_call(client, pdr_str("echo/bench"), "ping", pdr_bytes(NULL, 0), NULL, &outcome) == PDR_OK;
    if (!ok) {
        snprintf(why, why_size, "the node at %s does not answer a ping: %.*s", b->node, (int)outcome.message.size,
                 (const char *)outcome.message.data);
    } else if (pdr_blocking_call(client, pdr_str("_sys/conn"), "hello", pdr_bytes("\x91\x80", 2), NULL, &outcome) ==
                   PDR_OK &&
               pdr_value_bytes(pdr_value_get(outcome.result, "version"), &version)) {
        char text[64];
        snprintf(text, sizeof text, "%.*s", (int)version.size, (const char *)version.data);
        report_version(b->report, "perdure", text);
    }
    pdr_blocking_close(client);
    return ok;
}

struct server_options bench_server_options(const struct bench *b)
{
    const struct bench_options *o = b->options;
    return (struct server_options){
        .program = o->perdure, .directory = o->directory, .threads = (unsigned)o->node_threads};
}

static bool start_nodes(struct bench *b, struct server_options *options, char *why, size_t why_size)
{
    unsigned count = (unsigned)bench_or(b->options->nodes, 1);
    options->nodes = count > 1 ? count : 0;
    for (unsigned k = 0; k < count; k++) {
        options->founder = k > 0 ? &b->servers[0] : NULL;
        if (!bench_server_start(options, &b->servers[k], why, why_size)) {
            return false;
        }
    }
    return true;
}

static bool prepare_node(struct bench *b, char *why, size_t why_size)
{
    const struct bench_options *o = b->options;
    struct server_options options = bench_server_options(b);
    const char *from_environment = getenv("PERDURE_NODE");
    if (o->start) {
        options.plugin = o->rally;
        if (!start_nodes(b, &options, why, why_size)) {
            return false;
        }
        b->node = b->servers[0].node;
        b->pid = o->nodes > 1 ? 0 : b->servers[0].pid; /* of several none says what a call costs */
    } else {
        b->node = o->node != NULL ? o->node : from_environment != NULL ? from_environment : NODE_DEFAULT;
        b->pid = (pid_t)o->pid;
    }
    return greet_node(b, why, why_size);
}

static void note_surroundings(struct bench *b)
{
    struct utsname system;
    char text[200];
    report_version(b->report, "perdure-bench", PDR_VERSION);
    if (uname(&system) == 0) {
        snprintf(text, sizeof text, "%s %s", system.sysname, system.release);
        report_version(b->report, "kernel", text);
    }
    snprintf(text, sizeof text, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    report_version(b->report, "processors", text);
}

int workloads_run(const struct bench_options *options, const struct workload *const *chosen, unsigned count,
                  struct report *report, char *why, size_t why_size)
{
    struct bench b = {.options = options, .report = report};
    bool needs_node = false, ready = true;
    b.result = mem_new(sizeof *b.result);
    why[0] = '\0';
    if (getrandom(&b.identity, sizeof b.identity, 0) != (ssize_t)sizeof b.identity) {
        b.identity = (uint32_t)process_now_ns();
    }
    note_surroundings(&b);
    for (unsigned k = 0; k < count; k++) {
        needs_node = needs_node || chosen[k]->needs_node;
    }
    if (needs_node) {
        ready = prepare_node(&b, why, why_size);
    }
    for (unsigned k = 0; ready && k < count && !process_interrupted(); k++) {
        chosen[k]->run(&b);
    }
    for (unsigned k = BENCH_NODES_MAX; k > 0; k--) {
        if (b.servers[k - 1].pid > 0) {
            bench_server_stop(&b.servers[k - 1]);
        }
    }
    mem_free(b.result);
    return ready && !b.missed && !process_interrupted() ? 0 : 1;
}
