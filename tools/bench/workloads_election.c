/* tools/bench/workloads_election.c: W7, the shapes: how many participants, which T, how many rounds. */
#include <stdio.h>

#include "core/base/mem.h"
#include "tools/bench/bench.h"
#include "tools/bench/election.h"
#include "tools/bench/process.h"

#define ACK_TOLD "every participant has acknowledged its coordinator; nothing is written down"

/** 1 to N-1 tell every higher one, all of which but N answer; N-1 tells all N-2 others three times, and they answer. */
static uint64_t messages_of(uint64_t n)
{
    return n * (n - 1) / 2 + (n - 1) * (n - 2) / 2 + 6 * (n - 2);
}

static json_t *run_json(const struct election_plan *plan, const struct election_result *r,
                        const struct process_usage *before, const struct process_usage *after)
{
    double beyond_ms = r->round_ms - (double)plan->timeout_ms;
    json_t *run = json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:I, s:I, s:i, s:i}", "proto", "mprpc", "op",
                            "election", "n", (int)plan->participants, "answer_timeout_ms", (int)plan->timeout_ms,
                            "round_ms", r->round_ms, "beyond_timeout_ms", beyond_ms, "lost_pct",
                            100 * beyond_ms / r->round_ms, "messages", (json_int_t)r->messages, "messages_least",
                            (json_int_t)messages_of(plan->participants), "strayed", (int)r->strayed, "errors",
                            (int)r->strayed);
    if (before->server_s >= 0 && after->server_s >= 0) {
        json_object_set_new(run, "server_cpu_us_per_op",
                            json_real(1e6 * (after->server_s - before->server_s) / (double)r->messages));
    }
    return run;
}

static void run_rounds(struct bench *b, uint32_t participants, uint32_t timeout_ms)
{
    json_t *runs = json_array();
    char number[32], variant[96], group[64], why[256] = "interrupted";
    snprintf(variant, sizeof variant, "%s, direct messages, timeout %u ms",
             bench_with_commas(number, sizeof number, participants), timeout_ms);
    for (unsigned k = 0; k < bench_or(b->options->repeat, BENCH_REPEAT_DEFAULT) && !process_interrupted(); k++) {
        struct election_result result;
        struct election_plan plan = {.node = b->node,
                                     .group = group,
                                     .participants = participants,
                                     .timeout_ms = timeout_ms,
                                     .one_node = b->options->one_node};
        snprintf(group, sizeof group, "e%08x-%u-%u-%u", b->identity, participants, timeout_ms, k);
        struct process_usage before = process_usage(b->pid);
        if (!election_run(&plan, &result, why, sizeof why)) {
            break;
        }
        struct process_usage after = process_usage(b->pid);
        json_array_append_new(runs, run_json(&plan, &result, &before, &after));
    }
    bench_report(b, &(struct report_label){"perdure", "W7", variant, ACK_TOLD}, runs, why);
}

void run_election(struct bench *b)
{
    static const uint32_t participants[] = {10, 100, 1000, 5000}, timeouts_ms[] = {1000, 20};
    const struct bench_options *o = b->options;
    for (size_t i = 0; i < sizeof participants / sizeof *participants; i++) {
        for (size_t k = 0; k < sizeof timeouts_ms / sizeof *timeouts_ms && !process_interrupted(); k++) {
            uint32_t n = o->actors != 0 ? (uint32_t)o->actors : participants[i];
            uint32_t t = o->timeout_ms != 0 ? (uint32_t)o->timeout_ms : timeouts_ms[k];
            bool is_chosen = (o->actors == 0 || i == 0) && (o->timeout_ms == 0 || k == 0);
            if (is_chosen) {
                run_rounds(b, n, t);
            }
        }
    }
}
