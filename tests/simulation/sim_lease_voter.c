/* tests/simulation/sim_lease_voter.c: voters of the directory: one leads, and others may think that they still do. */
#include <string.h>

#include "tests/simulation/sim_lease_parts.h"

static void step_down(struct voter *v)
{
    v->leads = false;
    lease_grantor_release(&v->grantor);
}

void elect(struct world *w, int voter)
{
    struct voter *v = &w->voters[voter];
    w->term++;
    w->report->elections++;
    if (v->leads) {
        step_down(v);
    }
    for (int i = 0; i < PROPOSALS; i++) { /* those of the old term are in the new leader's log, or in nobody's */
        struct proposal *p = &w->proposals[i];
        if (p->used && p->entry.term == w->term - 1 && below(w, 2) == 0) {
            commit(w, &p->entry);
        }
        p->used = false;
    }
    for (int i = 0; i < VOTERS; i++) {
        w->voters[i].learns_at = w->now + below(w, 2 * NS_PER_S);
    }
    w->leader = voter;
    v->leads = true;
    v->term = w->term;
    v->round = 0;
    v->asked = false;
    memset(v->proposed, 0, sizeof v->proposed);
    lease_grantor_init(&v->grantor, v->clock.ns);
    for (int n = 0; n < NODES; n++) {
        if (v->view.incarnations[n] != 0) {
            lease_grantor_register(&v->grantor, v->clock.ns, (uint64_t)n + 1, v->view.incarnations[n]);
        }
    }
    propose(w, voter, (struct entry){.kind = NOOP, .term = w->term});
}

static void voter_apply(struct world *w, struct voter *v)
{
    while (v->view.applied < w->truth.applied && below(w, 4) != 0) {
        const struct entry *e = &w->log[v->view.applied];
        view_apply(&v->view, e);
        if (!v->leads) {
            continue;
        }
        if (e->kind == REGISTER) {
            lease_grantor_register(&v->grantor, v->clock.ns, (uint64_t)e->node + 1, e->incarnation);
        } else if (e->kind == NOOP && e->term == v->term) {
            lease_grantor_ready(&v->grantor);
        } else if (e->kind == TAKE && e->term == v->term) {
            v->proposed[e->shard] = false;
            if (e->node >= 0) {
                lease_grantor_taken(&v->grantor, (uint64_t)e->node + 1);
            }
        }
    }
}

/* A node that this leader thinks alive; -1: none. */
static int successor(struct world *w, struct voter *v)
{
    int node = (int)below(w, NODES);
    uint64_t incarnation = v->view.incarnations[node];
    bool fit = incarnation != 0 && !lease_grantor_is_over(&v->grantor, (uint64_t)node + 1, incarnation);
    return fit ? node : -1;
}

static void voter_takes(struct world *w, int voter)
{
    struct voter *v = &w->voters[voter];
    struct lease_over over;
    while (lease_grantor_next_over(&v->grantor, &over)) {
    }
    for (int s = 0; s < SHARDS; s++) {
        struct row *row = &v->view.rows[s];
        int to = v->proposed[s] || !v->grantor.ready ? -1 : successor(w, v);
        if (to < 0) {
            continue;
        }
        if (row->primary >= 0 && !lease_grantor_take(&v->grantor, (uint64_t)row->primary + 1, row->incarnation)) {
            continue;
        }
        struct entry e = {
            .kind = TAKE, .node = row->primary, .shard = s, .to = to, .term = v->term, .expected = row->index};
        v->proposed[s] = propose(w, voter, e);
        if (!v->proposed[s] && row->primary >= 0) {
            lease_grantor_taken(&v->grantor, (uint64_t)row->primary + 1);
        }
    }
}

/* The quorum answers at some moment between; a leader that is refused learns that it leads no more. */
static void voter_round(struct world *w, int voter)
{
    struct voter *v = &w->voters[voter];
    if (v->round != 0 && w->now >= v->done_at) {
        uint64_t round = v->round;
        v->round = 0;
        if (!v->confirmed) {
            step_down(v);
            return;
        }
        lease_grantor_round_done(&v->grantor, round, true);
    }
    struct lease_granted out;
    while (lease_grantor_grant(&v->grantor, v->clock.ns, v->view.applied, &out)) {
        post(w, (struct message){.is_grant = true, .from = voter, .to = (int)out.node - 1, .grant = out.grant});
    }
    uint64_t round = lease_grantor_round(&v->grantor, v->clock.ns);
    if (round != 0) {
        v->round = round;
        v->asked = true;
        v->confirm_at = w->now + below(w, w->profile.round_ns);
        v->done_at = v->confirm_at + below(w, w->profile.round_ns);
    }
}

void run_voter(struct world *w, int voter)
{
    struct voter *v = &w->voters[voter];
    if (v->asked && w->now >= v->confirm_at) { /* in the quorum, whatever the leader does meanwhile */
        v->asked = false;
        v->confirmed = v->term == w->term;
    }
    if (w->now < v->paused_until) {
        return;
    }
    if (v->leads && v->term != w->term && w->now >= v->learns_at) {
        step_down(v);
        w->report->deposed++;
    }
    bool slow = w->profile.slow, ticks = w->now >= v->tick_at;
    if (slow && !ticks) {
        return;
    }
    voter_apply(w, v);
    if (ticks) {
        v->tick_at = w->now + (slow ? 120 + below(w, 80) : 1 + below(w, 60)) * NS_PER_MS;
    }
    if (v->leads && ticks) {
        lease_grantor_tick(&v->grantor, v->clock.ns);
    }
    if (v->leads) {
        voter_round(w, voter);
    }
    if (v->leads && ticks) {
        voter_takes(w, voter);
    }
}
