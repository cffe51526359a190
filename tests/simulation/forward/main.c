/* tests/simulation/forward/main.c: pdr-sim-forward: runs seeds of the world of nodes that call one another.
 *
 *     pdr-sim-forward [--seed S] [--runs N] [--workload W] [--no-faults] [--directory | --elections] [--trace]
 *                                                       0 if all passed
 *     pdr-sim-forward-mutated --mutation M [--runs N]     0 if some seed noticed (core/base/mutation.h, 140 to 149; 190
 *     to 194 with --directory, 211 to 213 and 216 to 218 with --elections) */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "tests/simulation/forward/world.h"

#ifdef PDR_MUTATIONS
int mutation_chosen;
#endif

#define RUN_MS 6000u
#define LIVENESS_NS (40 * NS_PER_S)
#define ELECTED_NS (20 * NS_PER_S) /* a longest lease, once a leader of the directory stays; pauses may go on for 4 s */
#define REACHED_RUNS_MIN 100u

struct totals {
    uint64_t trace, crashes, stops, moves, given_up, done, unknown, longest_ms, elected, lost;
    struct forward_stats stats;
};

static bool is_over(const struct world *w)
{
    return world_is_finished(w) && (!w->directory || directory_is_whole(w)) &&
           (w->electors == NULL || elections_are_settled(w));
}

static void wait_for_all(struct world *w, struct totals *t)
{
    uint64_t from_ns = w->sim.now_ns;
    uint64_t liveness_ns = w->electors != NULL ? ELECTED_NS : LIVENESS_NS;
    while (!w->sim.failed && !is_over(w) && w->sim.now_ns < from_ns + liveness_ns) {
        sim_run_until(&w->sim, w->sim.now_ns + 10 * NS_PER_MS);
    }
    uint64_t took_ms = (w->sim.now_ns - from_ns) / NS_PER_MS;
    t->longest_ms = took_ms > t->longest_ms ? took_ms : t->longest_ms;
    for (uint32_t i = 0; i < w->workload_count; i++) {
        const struct workload *load = w->workloads[i];
        SIM_CHECK(&w->sim, load->finished && load->outstanding == 0,
                  "%s of client %u is not answered %llu s after faults were over: %u outstanding (liveness)",
                  load->cls->name, load->index, LIVENESS_NS / NS_PER_S, load->outstanding);
    }
}

static void add(struct totals *t, const struct world *w)
{
    t->trace ^= w->sim.trace;
    t->crashes += w->crashes;
    t->stops += w->stops;
    t->moves += w->moves;
    t->given_up += w->given_up;
    t->done += w->done;
    t->unknown += w->unknown;
    t->elected += w->elected;
    t->lost += w->lost;
#define ADD(field, metric, text) t->stats.field += w->stats.field;
    FORWARD_COUNTERS(ADD)
#undef ADD
}

static bool run(const struct world_options *options, struct totals *t, char why[640])
{
    struct world *w = mem_new(sizeof *w);
    world_init(w, options);
    struct sim *sim = &w->sim;
    uint64_t until_ns = sim->now_ns + sim_between(sim, RUN_MS / 3, RUN_MS * 2) * NS_PER_MS;
    unsigned rate = options->no_faults ? 0 : (unsigned)sim_draw(sim, 80);
    while (!sim->failed && sim->now_ns < until_ns) {
        sim_run_until(sim, sim->now_ns + sim_between(sim, 1, 400) * NS_PER_MS);
        if (!sim->failed && sim_chance(sim, rate)) {
            world_fault(w);
        }
    }
    if (!sim->failed) {
        world_heal(w);
        if (w->electors != NULL) {
            elections_rest(w);
        }
        wait_for_all(w, t);
        if (w->electors != NULL && !sim->failed) {
            elections_judge(w, ELECTED_NS);
        }
    }
    if (!sim->failed) {
        world_judge(w);
    }
    if (!sim->failed && options->directory) {
        SIM_CHECK(sim, directory_is_whole(w), "the cluster is not whole after faults were over");
    }
    if (!sim->failed && sim_chance(sim, 20)) {
        world_forget(w);
    }
    if (!sim->failed) {
        world_stop(w);
    }
    world_release(w);
    add(t, w);
    bool ok = !sim->failed;
    snprintf(why, 640, "%s", sim->why);
    mem_free(w);
    return ok;
}

static void summarize(const struct totals *t)
{
    printf("done %" PRIu64 ", unknown %" PRIu64 "; crashes %" PRIu64 ", stops %" PRIu64 ", moves %" PRIu64
           " and %" PRIu64 " in vain; recovered within %" PRIu64 " ms\nforward:",
           t->done, t->unknown, t->crashes, t->stops, t->moves, t->given_up, t->longest_ms);
#define TELL(field, metric, text) printf(" " #field " %" PRIu64, t->stats.field);
    FORWARD_COUNTERS(TELL)
#undef TELL
    printf("\nelected %" PRIu64 ", lost %" PRIu64, t->elected, t->lost);
    printf("\ntraces %016" PRIx64 "\n", t->trace);
}

static bool judge_reached(const struct totals *t, const struct world_options *o)
{
    const struct forward_stats *s = &t->stats;
    bool carries = o->copies > 1 || (t->moves > 0 && (t->given_up > 0 || !o->directory)); /* copies are not carried */
    return t->crashes > 0 && t->stops > 0 && carries && s->moved > 0 && s->garbage == 0 && s->again > 0 &&
           s->unknown > 0 && s->waited > 0 && s->events > 0;
}

int main(int argc, char **argv)
{
    static const struct option table[] = {{"seed", 1, NULL, 's'},      {"runs", 1, NULL, 'r'},
                                          {"workload", 1, NULL, 'w'},  {"no-faults", 0, NULL, 'n'},
                                          {"trace", 0, NULL, 't'},     {"directory", 0, NULL, 'd'},
                                          {"copies", 1, NULL, 'c'},    {"mutation", 1, NULL, 'm'},
                                          {"elections", 0, NULL, 'e'}, {NULL, 0, NULL, 0}};
    struct world_options options = {.seed = 1};
    struct totals totals = {0};
    uint64_t runs = 1;
    int option, mutation = 0;
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case 's':
            options.seed = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            runs = strtoull(optarg, NULL, 10);
            break;
        case 'w':
            options.workload = optarg;
            break;
        case 'n':
            options.no_faults = true;
            break;
        case 't':
            options.story = stdout;
            break;
        case 'd':
            options.directory = true;
            break;
        case 'c':
            options.copies = (uint8_t)strtoul(optarg, NULL, 10);
            break;
        case 'e':
            options.directory = options.elections = true;
            break;
        case 'm':
            mutation = (int)strtol(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    }
#ifdef PDR_MUTATIONS
    mutation_chosen = mutation;
#endif
    log_set_level(options.story != NULL ? LOG_INFO : (enum log_level)(LOG_ERROR + 1));
    for (uint64_t i = 0; i < runs; i++, options.seed++) {
        char why[640];
        if (!run(&options, &totals, why)) {
            printf("seed %" PRIu64 ": %s\n", options.seed, why);
            return mutation != 0 ? 0 : 1;
        }
    }
    summarize(&totals);
    if (mutation != 0) {
        printf("nobody noticed the mutation %d\n", mutation);
        return 1;
    }
    bool is_judged = runs >= REACHED_RUNS_MIN && options.workload == NULL && !options.no_faults;
    bool has_reached = options.elections ? totals.elected > 0 && totals.lost > 0 : judge_reached(&totals, &options);
    if (is_judged && !has_reached) {
        printf("some of what must be reached was not\n");
        return 1;
    }
    return 0;
}
