/* tests/simulation/run.c: assembles a world, and takes it through its two phases. */
#include "tests/simulation/run.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "tests/simulation/checkers/leak.h"
#include "tests/simulation/sim_types.h"

#define LIVENESS_NS (30 * NS_PER_S) /* after the faults are over, everything is answered within that */
#define DRAIN_MS 40000u             /* calls whose clients are gone run on, for as long as their deadlines */
#define PHASE_1_NS_MIN (1 * NS_PER_S)
#define PHASE_1_NS_MAX (12 * NS_PER_S)
#define STEPS_MAX 20000000ull /* a run that needs more has run away */

static void start_again(struct sim_event *event)
{
    struct run *run = LIST_ITEM(event, struct run, restart);
    if (run->node.state == SIM_NODE_DOWN && !sim_node_start(&run->node)) {
        run_restart_after(run, 100 * NS_PER_MS);
    }
}

void run_restart_after(struct run *run, uint64_t delay_ns)
{
    if (!sim_is_set(&run->restart)) {
        sim_after(&run->sim, &run->restart, delay_ns);
    }
}

/* The node has ended by itself: stopped as it was told to, or because of a fault (R27). */
static void node_ended(void *user, struct sim_node *node)
{
    struct run *run = user;
    if (!run->stopping) {
        run_restart_after(run, sim_between(&run->sim, NS_PER_MS, 500 * NS_PER_MS));
    }
}

static void node_stopped(void *user, struct sim_node *node)
{
    struct run *run = user;
    run->leak_checked = true;
    leak_check(&run->sim, node->node, run->stopping, node->media.refusals > 0);
}

static void node_started(void *user, struct sim_node *node)
{
    struct run *run = user;
    if (run->moves != NULL) {
        sim_moves_started(run->moves);
    }
}

static void node_down(void *user, struct sim_node *node)
{
    struct run *run = user;
    if (run->moves != NULL) {
        sim_moves_count(run->moves);
    }
}

static uint32_t class_index(const struct workload_class *cls)
{
    uint32_t i = 0;
    while (workload_classes[i] != cls) {
        i++;
    }
    CHECK(i < RUN_CLASSES_MAX);
    return i;
}

static const struct workload_class *find_class(const char *name)
{
    for (uint32_t i = 0; workload_classes[i] != NULL; i++) {
        if (strcmp(workload_classes[i]->name, name) == 0) {
            return workload_classes[i];
        }
    }
    return NULL;
}

static struct workload *add(struct run *run, const struct workload_class *cls, uint32_t client)
{
    uint32_t i = class_index(cls);
    if (run->workload_count == RUN_WORKLOADS_MAX || (cls->raw_only && run->clients[client].real != NULL)) {
        return NULL;
    }
    if (cls->ledger_size > 0 && run->ledgers[i] == NULL) {
        run->ledgers[i] = mem_new(cls->ledger_size);
    }
    struct workload *w = workload_open(cls, &run->clients[client], run->ledgers[i], client, run->client_count);
    w->node = &run->node;
    run->workloads[run->workload_count++] = w;
    return w;
}

struct workload *run_add(struct run *run, const char *cls, uint32_t client)
{
    const struct workload_class *found = find_class(cls);
    CHECK(found != NULL);
    return add(run, found, client);
}

static void begin(struct run *run, const struct run_options *options)
{
    memset(run, 0, sizeof *run);
    sim_init(&run->sim, options->seed, options->story);
    run->net = sim_net_new(&run->sim);
    run->restart = (struct sim_event){.fire = start_again, .name = "restart"};
    run->wire = wire_checker_new(&run->sim, run->net);
}

static void open_world(struct run *run, const struct node_options *node, unsigned cores, uint32_t clients, bool raw,
                       bool moves)
{
    char name[16];
    struct node_options options = *node;
    options.name = "n0";
    options.types = sim_types;
    sim_node_init(&run->node, &run->sim, run->net, "n0", cores, &options);
    run->node.ended = node_ended;
    run->node.on_stopped = node_stopped;
    run->node.on_started = node_started;
    run->node.on_down = node_down;
    run->node.user = run;
    run->moves = moves ? sim_moves_new(&run->sim, &run->node) : NULL;
    start_again(&run->restart);
    run->client_count = clients;
    for (uint32_t i = 0; i < clients; i++) {
        snprintf(name, sizeof name, "c%u", i);
        bool real = !raw && sim_chance(&run->sim, 60);
        sim_client_open(&run->clients[i], &run->sim, run->net, sim_net_host(run->net, name), run->node.address, real);
    }
}

void run_open(struct run *run, const struct run_options *options, const struct node_options *node, unsigned cores,
              uint32_t clients, bool raw)
{
    begin(run, options);
    open_world(run, node, cores, clients, raw, options->moves);
}

bool run_for(struct run *run, uint64_t ns)
{
    return sim_run_until(&run->sim, run->sim.now_ns + ns);
}

/* Phase 2. */

static bool all_finished(const struct run *run)
{
    if (run->node.state != SIM_NODE_UP) {
        return false;
    }
    for (uint32_t i = 0; i < run->workload_count; i++) {
        if (!run->workloads[i]->finished || run->workloads[i]->outstanding > 0) {
            return false;
        }
    }
    return true;
}

static void tell_who_waits(struct run *run)
{
    SIM_CHECK(&run->sim, run->node.state == SIM_NODE_UP,
              "the node is not up %llu s after the faults were over (liveness)",
              (unsigned long long)(LIVENESS_NS / NS_PER_S));
    for (uint32_t i = 0; i < run->workload_count; i++) {
        const struct workload *w = run->workloads[i];
        SIM_CHECK(&run->sim, w->finished && w->outstanding == 0,
                  "%s of client %u is not answered %llu s after the faults were over: %u outstanding (liveness)",
                  w->cls->name, w->index, (unsigned long long)(LIVENESS_NS / NS_PER_S), w->outstanding);
    }
}

static void heal(struct run *run)
{
    run->healed = true;
    sim_note(&run->sim, "phase.2", 0, 0);
    if (run->faults != NULL) {
        faults_heal(run->faults);
    }
    if (run->moves != NULL) {
        sim_moves_calm(run->moves);
    }
    switch (sim_draw(&run->sim, 4)) {
    case 0:
        sim_node_crash(&run->node, sim_chance(&run->sim, 50));
        break;
    case 1:
        sim_node_stop(&run->node, 100);
        break;
    default:
        break;
    }
    if (run->node.state == SIM_NODE_DOWN) {
        run_restart_after(run, NS_PER_MS);
    }
    for (uint32_t i = 0; i < run->workload_count; i++) {
        workload_finish(run->workloads[i]);
    }
}

static bool wait_for_all(struct run *run)
{
    uint64_t until_ns = run->sim.now_ns + LIVENESS_NS;
    while (!all_finished(run) && run->sim.now_ns < until_ns) {
        if (!run_for(run, 10 * NS_PER_MS)) {
            return false;
        }
    }
    tell_who_waits(run);
    return !run->sim.failed;
}

/* Calls that a client has given up run on at the node; but each has a deadline, and is answered then. */
static bool wait_for_wire(struct run *run)
{
    uint64_t until_ns = run->sim.now_ns + DRAIN_MS * NS_PER_MS;
    while (wire_checker_unanswered(run->wire) > 0 && run->sim.now_ns < until_ns) {
        if (!run_for(run, 10 * NS_PER_MS)) {
            return false;
        }
    }
    uint32_t unanswered = wire_checker_unanswered(run->wire);
    SIM_CHECK(&run->sim, unanswered == 0, "%u requests are unanswered on open connections after their deadlines",
              unanswered);
    return !run->sim.failed;
}

/* Once more after everything: what is on disk after a graceful stop is what was answered. */
static bool stop_node(struct run *run)
{
    run->stopping = true;
    sim_node_stop(&run->node, DRAIN_MS);
    uint64_t until_ns = run->sim.now_ns + DRAIN_MS * NS_PER_MS + LIVENESS_NS;
    while (run->node.state != SIM_NODE_DOWN && run->sim.now_ns < until_ns) {
        if (!run_for(run, 10 * NS_PER_MS)) {
            return false;
        }
    }
    SIM_CHECK(&run->sim, run->node.state == SIM_NODE_DOWN, "the node did not stop within %llu s",
              (unsigned long long)(LIVENESS_NS / NS_PER_S));
    SIM_CHECK(&run->sim, run->leak_checked, "the node ended without having stopped");
    return !run->sim.failed;
}

static void judge(struct run *run)
{
    void *judged[RUN_CLASSES_MAX] = {NULL};
    for (uint32_t i = 0; i < run->workload_count; i++) {
        struct workload *w = run->workloads[i];
        uint32_t cls = class_index(w->cls);
        if (w->cls->judge != NULL && judged[cls] == NULL) {
            judged[cls] = w;
            w->cls->judge(w);
        }
    }
}

bool run_finish(struct run *run)
{
    heal(run);
    if (!wait_for_all(run) || !wait_for_wire(run)) {
        return false;
    }
    judge(run);
    return !run->sim.failed && stop_node(run);
}

void run_close(struct run *run)
{
    run->stopping = true;
    sim_cancel(&run->sim, &run->restart);
    if (run->faults != NULL) {
        faults_free(run->faults);
    }
    for (uint32_t i = 0; i < run->client_count; i++) {
        sim_client_close(&run->clients[i]);
    }
    sim_node_release(&run->node);
    if (run->moves != NULL) {
        sim_moves_free(run->moves);
    }
    for (uint32_t i = 0; i < run->workload_count; i++) {
        workload_close(run->workloads[i]);
    }
    for (uint32_t i = 0; i < RUN_CLASSES_MAX; i++) {
        if (run->ledgers[i] != NULL && workload_classes[i]->close_ledger != NULL) {
            workload_classes[i]->close_ledger(run->ledgers[i]);
        }
        mem_free(run->ledgers[i]);
    }
    wire_checker_free(run->wire);
    sim_net_free(run->net);
    sim_release(&run->sim);
}

/* Phase 1. */

static void draw_workloads(struct run *run, const struct workload_class *only)
{
    uint32_t classes = 0;
    while (workload_classes[classes] != NULL) {
        classes++;
    }
    for (uint32_t client = 0; client < run->client_count; client++) {
        uint32_t count = 1 + (uint32_t)sim_draw(&run->sim, 3);
        for (uint32_t i = 0; i < count; i++) {
            const struct workload_class *cls = only != NULL ? only : workload_classes[sim_draw(&run->sim, classes)];
            bool has_it = cls->alone && i > 0;
            for (uint32_t k = 0; k < run->workload_count; k++) {
                has_it |= run->workloads[k]->cls == cls && run->workloads[k]->index == client;
            }
            if (!has_it && add(run, cls, client) != NULL && cls->alone) {
                break;
            }
        }
    }
}

static void fill_result(const struct run *run, struct run_result *result)
{
    struct wire_counts counts = wire_checker_counts(run->wire);
    *result = (struct run_result){
        .passed = !run->sim.failed,
        .trace = run->sim.trace,
        .steps = run->sim.steps,
        .simulated_ns = run->sim.now_ns,
        .calls = counts.requests,
        .answers = counts.responses,
        .starts = run->node.starts,
        .crashes = run->node.crashes,
        .stops = run->node.stops,
        .reached = run->node.reached,
    };
    if (run->moves != NULL) {
        result->moves_reached = sim_moves_reached(run->moves);
    }
    memcpy(result->why, run->sim.why, sizeof result->why);
    for (uint32_t i = 0; i < run->workload_count; i++) {
        result->done += run->workloads[i]->done;
        result->not_done += run->workloads[i]->not_done;
        result->unknown += run->workloads[i]->unknown;
        for (int code = 0; code < PDR_STATUS_COUNT; code++) {
            result->codes[code] += run->workloads[i]->codes[code];
        }
    }
}

bool run_seed(const struct run_options *options, struct run_result *result)
{
    struct run *run = mem_new(sizeof *run);
    struct node_options node = {0};
    unsigned cores;
    const struct workload_class *only = options->workload == NULL ? NULL : find_class(options->workload);
    begin(run, options);
    swarm_draw_node(&run->sim, &node, &cores);
    swarm_draw_net(&run->sim, run->net);
    open_world(run, &node, cores, 1 + (uint32_t)sim_draw(&run->sim, RUN_CLIENTS_MAX), only != NULL && only->raw_only,
               options->moves);
    draw_workloads(run, only);
    if (!options->no_faults) {
        run->faults = faults_new(run);
    }
    if (run_for(run, sim_between(&run->sim, PHASE_1_NS_MIN, PHASE_1_NS_MAX))) {
        run_finish(run);
    }
    SIM_CHECK(&run->sim, run->sim.steps < STEPS_MAX, "the run took %llu steps", (unsigned long long)run->sim.steps);
    fill_result(run, result);
    run_close(run);
    mem_free(run);
    return result->passed;
}

bool run_moves(const struct run_options *options, struct run_result *result)
{
    struct run_options with_moves = *options;
    with_moves.moves = true;
    return run_seed(&with_moves, result);
}
