/* tests/simulation/sim_lease.c: the world of leases, a millisecond a step.
 *
 * Checked in every step, at the time of each process's own clock:
 *   I8   no process thinks its lease valid that the present leader thinks over
 *   I2   no process would serve a read of a shard by lease that has been taken from it
 * and at the end, some seconds after all faults ended: each living node holds a lease, each shard is served once. */
#include "tests/simulation/sim_lease.h"

#include <stdio.h>
#include <string.h>

#include "tests/simulation/sim_lease_parts.h"

static void clock_advance(struct model_clock *clock, uint64_t ns)
{
    clock->part += ns * clock->ppm;
    clock->ns += clock->part / 1000000;
    clock->part %= 1000000;
}

static bool strikes(struct world *w, unsigned rate)
{
    return w->troubled && below(w, 1000000) < rate;
}

static void fail(struct world *w, const char *what, int node, int shard)
{
    if (w->report->why[0] == 0) {
        snprintf(w->report->why, sizeof w->report->why, "%s (node %d, shard %d, at %llu ms, term %llu)", what, node,
                 shard, (unsigned long long)(w->now / NS_PER_MS), (unsigned long long)w->term);
    }
}

/* ---- faults, checks ---- */

static void strike(struct world *w)
{
    const struct profile *p = &w->profile;
    int node = (int)below(w, NODES), voter = (int)below(w, VOTERS);
    if (strikes(w, p->pause_node)) {
        w->nodes[node].paused_until = w->now + below(w, 3 * NS_PER_S);
    }
    if (strikes(w, p->pause_voter)) {
        w->voters[w->leader].paused_until = w->now + below(w, 3 * NS_PER_S);
    }
    if (strikes(w, p->jump)) {
        w->voters[w->leader].clock.ns += 100 * NS_PER_MS + below(w, 1 + below(w, 100 * NS_PER_S));
    }
    if (strikes(w, p->jump / 4)) {
        w->nodes[node].clock.ns += below(w, 2 * NS_PER_S);
    }
    if (strikes(w, p->elect)) {
        elect(w, voter);
    }
    if (strikes(w, p->cut)) {
        w->cut_until[node][voter] = w->now + below(w, 4 * NS_PER_S);
    }
    if (strikes(w, p->stuck)) {
        w->nodes[node].feed_stuck_until = w->now + below(w, 3 * NS_PER_S);
    }
    if (w->nodes[node].alive && strikes(w, p->crash)) {
        w->nodes[node].alive = false;
        if (below(w, 2) == 0) {
            start_process(w, node);
        }
    } else if (!w->nodes[node].alive && strikes(w, p->crash * 4)) {
        start_process(w, node);
    }
}

static void heal(struct world *w)
{
    w->troubled = false;
    w->profile.delay_ns = 2 * NS_PER_MS;
    w->profile.round_ns = w->profile.commit_ns = 5 * NS_PER_MS;
    for (int n = 0; n < NODES; n++) {
        w->nodes[n].paused_until = w->nodes[n].feed_stuck_until = 0;
        if (!w->nodes[n].alive && !(w->profile.leave_dead && n == 0)) {
            start_process(w, n);
        }
    }
    if (w->profile.leave_dead) {
        w->nodes[0].alive = false;
    }
    for (int v = 0; v < VOTERS; v++) {
        w->voters[v].paused_until = 0;
    }
}

static void check(struct world *w)
{
    const struct voter *v = &w->voters[w->leader];
    for (int n = 0; n < NODES; n++) {
        const struct process *p = &w->nodes[n];
        bool holds = p->alive && lease_holder_valid(&p->holder, p->clock.ns, UINT64_MAX);
        if (holds && v->leads && v->term == w->term &&
            lease_grantor_is_over(&v->grantor, (uint64_t)n + 1, p->incarnation)) {
            fail(w, "I8: a process thinks a lease valid that the leader thinks over", n, -1);
        }
        if (holds && w->truth.incarnations[n] < p->incarnation) {
            fail(w, "I8: a process thinks that it has a lease, and is not even registered", n, -1);
        }
        w->report->fenced += holds && !lease_holder_valid(&p->holder, p->clock.ns, p->view.applied);
        for (int s = 0; s < SHARDS; s++) {
            if (serves(p, n, s) && w->truth.rows[s].index != p->view.rows[s].index) {
                fail(w, "I2: a process serves by lease a shard that was taken from it", n, s);
            }
        }
    }
}

static void check_healed(struct world *w)
{
    for (int n = 0; n < NODES; n++) {
        const struct process *p = &w->nodes[n];
        if (p->alive && !lease_holder_valid(&p->holder, p->clock.ns, p->view.applied)) {
            fail(w, "a node has no lease although all has been well for seconds", n, -1);
        }
    }
    for (int s = 0; s < SHARDS; s++) {
        int servers = 0;
        for (int n = 0; n < NODES; n++) {
            servers += serves(&w->nodes[n], n, s);
        }
        if (servers != 1) {
            fail(w, "a shard is not served by one node although all has been well for seconds", -1, s);
        }
    }
    if (w->report->calm && w->report->takes != 0) {
        fail(w, "leaders stalled, and a healthy node was taken from", -1, -1);
    }
}

static unsigned some(struct world *w, unsigned rate)
{
    return below(w, 2) == 0 ? 0 : (unsigned)below(w, rate) + 1;
}

static void draw_profile(struct world *w)
{
    struct profile *p = &w->profile;
    *p = (struct profile){
        .delay_ns = 2 * NS_PER_MS, .late_ns = 3 * NS_PER_S, .round_ns = 3 * NS_PER_MS, .commit_ns = 5 * NS_PER_MS};
    w->report->calm = below(w, 10) == 0;
    p->jump = some(w, 800);
    p->pause_voter = some(w, 500);
    if (w->report->calm) {
        p->elect = 0;
        return;
    }
    w->report->slow = p->slow = below(w, 10) == 0;
    p->jump = p->slow ? 0 : p->jump;
    p->delay_ns = 1 + below(w, below(w, 2) == 0 ? 2 * NS_PER_MS : 60 * NS_PER_MS);
    p->round_ns = 1 + below(w, below(w, 2) == 0 ? 2 * NS_PER_MS : 400 * NS_PER_MS);
    p->commit_ns = 1 + below(w, below(w, 2) == 0 ? 5 * NS_PER_MS : 1500 * NS_PER_MS);
    p->loss = some(w, 60);
    p->twice = some(w, 30);
    p->late = some(w, 20);
    p->pause_node = some(w, 1000);
    p->elect = some(w, 1000);
    p->crash = some(w, 500);
    p->cut = some(w, 1500);
    p->stuck = some(w, 1000);
    p->leave_dead = below(w, 2) == 0;
}

static void set_clock(struct world *w, struct model_clock *clock)
{
    static const uint64_t edges[] = {990000, 1010000};
    clock->ns = below(w, 1000 * NS_PER_S);
    clock->ppm = below(w, 2) == 0 ? edges[below(w, 2)] : 990000 + below(w, 20001);
}

static void world_init(struct world *w)
{
    draw_profile(w);
    w->troubled = true;
    for (int s = 0; s < SHARDS; s++) {
        w->truth.rows[s].primary = -1;
    }
    for (int v = 0; v < VOTERS; v++) {
        set_clock(w, &w->voters[v].clock);
        w->voters[v].view = w->truth;
    }
    elect(w, 0);
    for (int n = 0; n < NODES; n++) {
        set_clock(w, &w->nodes[n].clock);
        start_process(w, n);
    }
}

static void step(struct world *w)
{
    w->now += STEP_NS;
    for (int n = 0; n < NODES; n++) {
        clock_advance(&w->nodes[n].clock, STEP_NS);
    }
    for (int v = 0; v < VOTERS; v++) {
        clock_advance(&w->voters[v].clock, STEP_NS);
    }
    strike(w);
    run_proposals(w);
    deliver(w);
    for (int n = 0; n < NODES; n++) {
        run_node(w, n);
    }
    for (int v = 0; v < VOTERS; v++) {
        run_voter(w, v);
    }
    check(w);
}

bool sim_lease_run(uint64_t seed, struct sim_lease_report *report)
{
    static struct world world; /* large; nothing of it is left from one run to the next */
    struct world *w = &world;
    *report = (struct sim_lease_report){0};
    memset(w, 0, sizeof *w);
    w->report = report;
    rng_seed(&w->rng, seed);
    world_init(w);
    while (w->now < TROUBLE_NS && report->why[0] == 0) {
        step(w);
    }
    heal(w);
    uint64_t end = w->now + (w->profile.slow ? 12 : 5) * NS_PER_S;
    while (w->now < end && report->why[0] == 0) {
        step(w);
    }
    check_healed(w);
    for (int v = 0; v < VOTERS; v++) {
        lease_grantor_release(&w->voters[v].grantor);
    }
    return report->why[0] == 0;
}
