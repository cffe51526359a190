/* tools/bench/workloads_inside.c: what goes on inside a node: W5, calls between its actors; W6 and `passive`, what an
 * actor costs that is in memory, and one that is not. */
#include <stdio.h>

#include <perdure/client.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tools/bench/bench.h"
#include "tools/bench/process.h"

#define HITS_ALONE 10000    /* of a play: 1 ball. So many that the way from and to the client doesn't show ... */
#define HITS_TOGETHER 1000  /* ... and so few that the last balls of a run are not all in the air at its end */
#define LIVE_DEFAULT 100000 /* W6 */
#define PASSIVE_DEFAULT 1000000
#define FILL_OUTSTANDING 1024
#define COLD_CALLS 100

/* W5 */

void run_w5(struct bench *b)
{
    static const unsigned pairs[] = {1, 64};
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs && !process_interrupted(); k++) {
        char variant[64];
        struct shape shape = {.plan = bench_plan(b, CHANNEL_PLAY, pairs[k], 1)};
        snprintf(variant, sizeof variant, "%u ball(s)", pairs[k]);
        shape.label = (struct report_label){"perdure", "W5", variant, NULL};
        shape.plan.rate = 0;
        shape.plan.outstanding = pairs[k];
        shape.plan.connections = 1;
        shape.plan.fixed = true;
        shape.plan.hits = (uint32_t)bench_or(b->options->hits, pairs[k] == 1 ? HITS_ALONE : HITS_TOGETHER);
        if (b->options->start && b->options->rally == NULL) {
            bench_miss(b, &shape.label, "bench_rally.so, its actors, is not beside this program");
        } else {
            bench_measure(b, &shape);
        }
    }
}

/* Nodes of their own, for W6 and `passive` */

static bool call_counter(const char *node, const char *key, const char *method, char *why, size_t why_size)
{
    const struct pdr_client_options to = {.node = node};
    struct pdr_outcome outcome;
    pdr_blocking *client = NULL;
    const char *reason = NULL;
    char address[128];
    if (pdr_blocking_open(&to, &client, &reason) != PDR_OK) {
        snprintf(why, why_size, "%s", reason);
        return false;
    }
    snprintf(address, sizeof address, "counter/%s", key);
    bool ok = pdr_blocking_call(client, pdr_str(address), method, pdr_bytes(NULL, 0), NULL, &outcome) == PDR_OK;
    if (!ok) {
        snprintf(why, why_size, "%.*s", (int)outcome.message.size, (const char *)outcome.message.data);
    }
    pdr_blocking_close(client);
    return ok;
}

/** One add to each of so many new counters. */
static bool fill(struct bench *b, const struct server *server, const char *prefix, uint64_t count, char *why,
                 size_t why_size)
{
    struct load_plan plan = bench_plan(b, CHANNEL_ADD, FILL_OUTSTANDING, 1);
    plan.node = server->node;
    plan.server = server->pid;
    plan.prefix = prefix;
    plan.actors = count;
    plan.once = true;
    plan.rate = 0;
    if (!load_run(&plan, b->result, why, why_size)) {
        return false;
    }
    if (b->result->errors > 0 || b->result->ops != count) {
        snprintf(why, why_size, "%llu calls failed, the first with: %s", (unsigned long long)b->result->errors,
                 b->result->first_error);
        return false;
    }
    return true;
}

/* W6 */

static bool weigh_live(struct bench *b, const struct server *server, uint64_t count, json_t *runs, char *why,
                       size_t why_size)
{
    if (!call_counter(server->node, "warm", "add", why, why_size)) {
        return false;
    }
    uint64_t before = process_resident(server->pid);
    if (!fill(b, server, "n", count, why, why_size)) {
        return false;
    }
    process_sleep_until(process_now_ns() + 1000000000u); /* the store takes what the log has */
    uint64_t after = process_resident(server->pid);
    double grown = after > before ? (double)(after - before) : 0;
    json_array_append_new(runs, json_pack("{s:s, s:I, s:I, s:i, s:f, s:f}", "op", "mem", "actors", (json_int_t)count,
                                          "ops", (json_int_t)count, "errors", 0, "rss_delta_kib", grown / 1024,
                                          "bytes_per_actor", grown / (double)count));
    return true;
}

void run_w6(struct bench *b)
{
    const struct server_options options = bench_server_options(b);
    uint64_t count = bench_or(b->options->actors, LIVE_DEFAULT);
    char number[32], variant[96], why[256] = "interrupted";
    json_t *runs = json_array();
    snprintf(variant, sizeof variant, "%s live counters", bench_with_commas(number, sizeof number, count));
    for (unsigned k = 0; k < bench_or(b->options->repeat, BENCH_REPEAT_DEFAULT) && !process_interrupted(); k++) {
        struct server server;
        bool ok = bench_server_start(&options, &server, why, sizeof why);
        if (ok) {
            ok = weigh_live(b, &server, count, runs, why, sizeof why);
            bench_server_stop(&server);
        }
        if (!ok) {
            break;
        }
    }
    bench_report(b, &(struct report_label){"perdure", "W6", variant, ACK_SYNC}, runs, why);
}

/* Passive: on disk alone */

struct passive {
    struct server server;
    struct server_options options;
    uint64_t count;
    struct rng rng;
    double names_s;
    uint64_t empty; /* resident memory of a node without actors, after its first call */
};

/** Random ones, each on a connection that is open already. False: `why`. */
static bool call_cold(struct passive *p, struct histogram *latency, char *why, size_t why_size)
{
    const struct pdr_client_options to = {.node = p->server.node};
    pdr_blocking *client = NULL;
    const char *reason = NULL;
    if (pdr_blocking_open(&to, &client, &reason) != PDR_OK) {
        snprintf(why, why_size, "%s", reason);
        return false;
    }
    bool ok = true;
    for (unsigned k = 0; ok && k < COLD_CALLS; k++) {
        char address[64];
        struct pdr_outcome outcome;
        int64_t number = 0;
        snprintf(address, sizeof address, "counter/p%llu", (unsigned long long)rng_below(&p->rng, p->count));
        uint64_t begin = process_now_ns();
        ok = pdr_blocking_call(client, pdr_str(address), "get", pdr_bytes(NULL, 0), NULL, &outcome) == PDR_OK &&
             pdr_value_int(outcome.result, &number) && number == 1;
        histogram_record(latency, process_now_ns() - begin);
        if (!ok) {
            snprintf(why, why_size, "%s is not 1: %.*s", address, (int)outcome.message.size,
                     (const char *)outcome.message.data);
        }
    }
    pdr_blocking_close(client);
    return ok;
}

static bool start_passive(struct bench *b, struct passive *p, json_t *runs, char *why, size_t why_size)
{
    struct histogram *cold = &b->result->latency;
    char key[32];
    snprintf(key, sizeof key, "p%llu", (unsigned long long)rng_below(&p->rng, p->count));
    uint64_t begin = process_now_ns();
    if (!bench_server_again(&p->options, &p->server, why, why_size)) {
        return false;
    }
    uint64_t ready = process_now_ns();
    if (!call_counter(p->server.node, key, "get", why, why_size)) {
        return false;
    }
    uint64_t end = process_now_ns();
    double resident = (double)process_resident(p->server.pid);
    *cold = (struct histogram){.count = 0};
    if (!call_cold(p, cold, why, why_size)) {
        return false;
    }
    bench_server_halt(&p->server);
    double grown = resident > (double)p->empty ? resident - (double)p->empty : 0;
    json_array_append_new(
        runs, json_pack("{s:s, s:I, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "op", "start", "actors",
                        (json_int_t)p->count, "ops", 1, "errors", 0, "first_call_ms", (double)(end - begin) / 1e6,
                        "ready_ms", (double)(ready - begin) / 1e6, "rss_mib", resident / (1 << 20), "empty_rss_mib",
                        (double)p->empty / (1 << 20), "bytes_per_actor", grown / (double)p->count, "cold_p50_us",
                        (double)histogram_percentile(cold, 50) / 1e3, "names_s", p->names_s));
    return true;
}

/** An empty node's memory, as a restart shows it; then the counters, durable; then none runs. */
static bool make_passive(struct bench *b, struct passive *p, char *why, size_t why_size)
{
    if (!bench_server_start(&p->options, &p->server, why, why_size)) {
        return false;
    }
    if (!call_counter(p->server.node, "first", "get", why, why_size)) {
        return false;
    }
    p->empty = process_resident(p->server.pid);
    if (!fill(b, &p->server, "p", p->count, why, why_size)) {
        return false;
    }
    p->names_s = b->result->secs > 0 ? (double)p->count / b->result->secs : 0;
    bench_server_halt(&p->server);
    return true;
}

void run_passive(struct bench *b)
{
    struct passive p = {.options = bench_server_options(b), .count = bench_or(b->options->actors, PASSIVE_DEFAULT)};
    char number[32], variant[96], why[256] = "interrupted";
    json_t *runs = json_array();
    snprintf(variant, sizeof variant, "%s on disk", bench_with_commas(number, sizeof number, p.count));
    rng_seed(&p.rng, 1);
    bool ok = make_passive(b, &p, why, sizeof why);
    for (unsigned k = 0; ok && k < bench_or(b->options->repeat, BENCH_REPEAT_DEFAULT) && !process_interrupted(); k++) {
        ok = start_passive(b, &p, runs, why, sizeof why);
    }
    bench_server_stop(&p.server);
    bench_report(b, &(struct report_label){"perdure", "passive", variant, ACK_SYNC}, runs, why);
}
