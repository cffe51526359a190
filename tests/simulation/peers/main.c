/* tests/simulation/peers/main.c: pdr-sim-peers: runs seeds of the world of links, and says how to run one again.
 *
 *     pdr-sim-peers [--seed S] [--runs N] [--trace]        0 if all passed
 *     pdr-sim-peers-mutated --mutation M [--runs N]        0 if some seed noticed (core/base/mutation.h, 120 to 124) */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "tests/simulation/peers/world.h"

#ifdef PDR_MUTATIONS
int mutation_chosen;
#endif

#define RUN_MS 6000u
#define DRAIN_MS 5000u
#define REACHED_RUNS_MIN 100u

struct totals {
    uint64_t sent, received, answered, refused, rooms, lives, crashes, resets, cuts, trace, longest_ms;
    uint64_t attacks[ATTACKS];
};

/* Faults. */

static void cut_something(struct world *w)
{
    struct sim *sim = &w->sim;
    const struct node_of *a = &w->nodes[sim_draw(sim, w->node_count)], *b = &w->nodes[sim_draw(sim, w->node_count)];
    if (a == b) {
        return;
    }
    sim_net_cut(w->net, a->host, b->host);
    if (sim_chance(sim, 50)) {
        sim_net_cut(w->net, b->host, a->host);
    }
}

static void restart(struct world *w, struct node_of *n)
{
    node_start(n);
    if (!sim_chance(&w->sim, 50)) {
        return;
    }
    n->known_incarnation = n->incarnation; /* the directory tells */
    for (uint32_t i = 0; i < w->node_count; i++) {
        for (uint32_t k = 0; k < w->nodes[i].slot_count; k++) {
            w->nodes[i].cores[k].members_changed = true;
        }
    }
}

static void fault(struct world *w, struct totals *t)
{
    struct sim *sim = &w->sim;
    struct node_of *n = &w->nodes[sim_draw(sim, w->node_count)];
    switch (sim_draw(sim, 8)) {
    case 0:
        t->cuts++;
        cut_something(w);
        break;
    case 1:
    case 2:
        sim_net_heal(w->net);
        break;
    case 3:
    case 4:
        t->resets += sim_net_reset(w->net);
        break;
    case 5:
        if (n->is_up) {
            t->crashes++;
            node_crash(n, sim_chance(sim, 30));
        } else {
            restart(w, n);
        }
        break;
    case 6:
        if (n->is_up) {
            sim_loop_starve(&n->cores[sim_draw(sim, n->slot_count)].loop, sim->now_ns + sim_draw(sim, NS_PER_S));
        }
        break;
    default:
        sim_net_link(w->net, n->host, w->nodes[0].host)->typical_ns = (1 + sim_draw(sim, 20000)) * NS_PER_US;
        break;
    }
}

/* One seed. */

static bool is_stuck(const struct world *w)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        for (uint32_t k = 0; k < w->nodes[i].slot_count; k++) {
            if (w->nodes[i].flaw == FLAW_NONE && traffic_is_stuck(&w->nodes[i].cores[k])) {
                return true;
            }
        }
    }
    return false;
}

/* A connection that was dead and not known to be is found out by its silence; one that was begun in vain is given up;
 * the next one is begun within the longest back-off. */
static uint64_t bound_ms(const struct world *w)
{
    const struct peers_limits *limits = &w->nodes[0].cores[0].net->limits;
    return limits->silence_ms + limits->alive_ms + limits->handshake_ms + limits->backoff_ms_max + 1000;
}

static void recover(struct world *w, struct totals *t)
{
    struct sim *sim = &w->sim;
    w->quiet = true;
    attacker_rest(w->attacker);
    sim_net_heal(w->net);
    for (uint32_t i = 0; i < w->node_count; i++) {
        sim_net_link(w->net, w->nodes[i].host, w->nodes[0].host)->typical_ns = 100 * NS_PER_US;
        if (!w->nodes[i].is_up) {
            node_start(&w->nodes[i]);
        }
    }
    uint64_t from_ns = sim->now_ns, until_ns = from_ns + bound_ms(w) * NS_PER_MS;
    while (!sim->failed && sim->now_ns < until_ns && !world_is_whole(w)) {
        sim_run_until(sim, sim->now_ns + 10 * NS_PER_MS);
    }
    uint64_t took_ms = (sim->now_ns - from_ns) / NS_PER_MS;
    t->longest_ms = took_ms > t->longest_ms ? took_ms : t->longest_ms;
    SIM_CHECK(sim, world_is_whole(w), "links are not up again %" PRIu64 " ms after faults ended", bound_ms(w));
    w->silent = true;
    until_ns = sim->now_ns + DRAIN_MS * NS_PER_MS;
    while (!sim->failed && sim->now_ns < until_ns && is_stuck(w)) {
        sim_run_until(sim, sim->now_ns + 10 * NS_PER_MS);
    }
    SIM_CHECK(sim, !is_stuck(w), "who was refused has not heard of room %u ms after the last frame", DRAIN_MS);
}

static void count(struct totals *t, const struct world *w)
{
    uint64_t attacks[ATTACKS];
    attacker_tell(w->attacker, attacks);
    for (unsigned i = 0; i < ATTACKS; i++) {
        t->attacks[i] += attacks[i];
    }
    t->sent += w->sent;
    t->received += w->received;
    t->answered += w->answered;
    t->refused += w->refused;
    t->rooms += w->rooms;
    t->lives += w->lives;
    t->trace ^= w->sim.trace;
}

static bool run(uint64_t seed, FILE *story, struct totals *t, char why[640])
{
    struct world *w = mem_new(sizeof *w);
    world_init(w, seed, story);
    struct sim *sim = &w->sim;
    uint64_t until_ns = sim->now_ns + RUN_MS * NS_PER_MS;
    while (!sim->failed && sim->now_ns < until_ns) {
        sim_run_until(sim, sim->now_ns + sim_between(sim, 1, 400) * NS_PER_MS);
        if (!sim->failed && sim_chance(sim, 60)) {
            fault(w, t);
        }
    }
    if (!sim->failed) {
        recover(w, t);
    }
    if (!sim->failed) {
        SIM_CHECK(sim, world_close(w), "the links do not close");
    }
    count(t, w);
    world_release(w);
    bool ok = !sim->failed;
    snprintf(why, 640, "%s", sim->why);
    mem_free(w);
    return ok;
}

static bool judge_reached(const struct totals *t)
{
    bool all = t->crashes > 0 && t->resets > 0 && t->cuts > 0 && t->answered > 0 && t->rooms > 0;
    for (unsigned i = 0; i < ATTACKS; i++) {
        all = all && t->attacks[i] > 0;
    }
    return all;
}

static void summarize(const struct totals *t)
{
    printf("frames sent %" PRIu64 ", received %" PRIu64 ", refused %" PRIu64 ", answers %" PRIu64 "; lives %" PRIu64
           "; crashes %" PRIu64 ", cuts %" PRIu64 ", resets %" PRIu64 "; recovered within %" PRIu64 " ms\nattacks:",
           t->sent, t->received, t->refused, t->answered, t->lives, t->crashes, t->cuts, t->resets, t->longest_ms);
#define TELL(name) printf(" %s %" PRIu64, #name, t->attacks[ATTACK_##name]);
    ATTACK_TABLE(TELL)
#undef TELL
    printf("\ntraces %016" PRIx64 "\n", t->trace);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"runs", required_argument, NULL, 'r'},
                                            {"mutation", required_argument, NULL, 'm'},
                                            {"trace", no_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    uint64_t seed = 1, runs = 1, failed = 0;
    int option, mutation = 0;
    FILE *story = NULL;
    char why[640];
    struct totals t = {0};
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        seed = option == 's' ? strtoull(optarg, NULL, 0) : seed;
        runs = option == 'r' ? strtoull(optarg, NULL, 0) : runs;
        mutation = option == 'm' ? atoi(optarg) : mutation;
        story = option == 't' ? stdout : story;
        if (option == '?') {
            return 2;
        }
    }
#ifdef PDR_MUTATIONS
    mutation_chosen = mutation;
#endif
    log_set_level(LOG_ERROR);
    for (uint64_t i = 0; i < runs && (mutation == 0 || failed == 0); i++) {
        if (!run(seed + i, story, &t, why)) {
            failed++;
            printf("seed %" PRIu64 " FAILED: %s\n  again: %s --seed %" PRIu64 " --trace\n", seed + i, why, argv[0],
                   seed + i);
        }
    }
    summarize(&t);
    if (mutation != 0) {
        printf("mutation %d was %snoticed\n", mutation, failed > 0 ? "" : "NOT ");
        return failed > 0 ? 0 : 1;
    }
    bool reached = runs < REACHED_RUNS_MIN || judge_reached(&t);
    printf("%" PRIu64 " passed, %" PRIu64 " failed%s\n", runs - failed, failed, reached ? "" : "; not all was reached");
    return failed > 0 || !reached ? 1 : 0;
}
