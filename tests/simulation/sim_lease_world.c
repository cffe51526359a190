/* tests/simulation/sim_lease_world.c: the directory's log, the network between its voters and the nodes, the nodes. */
#include "tests/simulation/sim_lease_parts.h"

/* ---- the log ---- */

void view_apply(struct view *view, const struct entry *e)
{
    uint64_t index = ++view->applied;
    if (e->kind == REGISTER && e->incarnation > view->incarnations[e->node]) {
        view->incarnations[e->node] = e->incarnation;
        view->registered[e->node] = index;
    } else if (e->kind == TAKE && view->rows[e->shard].index == e->expected) {
        view->rows[e->shard] = (struct row){e->to, view->incarnations[e->to], index};
    }
}

void commit(struct world *w, const struct entry *e)
{
    if (w->truth.applied < LOG) {
        w->log[w->truth.applied] = *e;
        w->report->takes += e->kind == TAKE && w->truth.rows[e->shard].primary >= 0 &&
                            w->truth.rows[e->shard].index == e->expected;
        view_apply(&w->truth, e);
    }
}

bool propose(struct world *w, int by, struct entry e)
{
    for (int i = 0; i < PROPOSALS; i++) {
        if (!w->proposals[i].used) {
            w->proposals[i] = (struct proposal){true, w->now + below(w, w->profile.commit_ns), e, by};
            return true;
        }
    }
    return false;
}

void run_proposals(struct world *w)
{
    for (int i = 0; i < PROPOSALS; i++) {
        struct proposal *p = &w->proposals[i];
        if (p->used && w->now >= p->at) {
            p->used = false;
            if (p->entry.term == w->term) {
                commit(w, &p->entry);
            }
        }
    }
}

/* ---- messages ---- */

void post(struct world *w, struct message m)
{
    const struct profile *p = &w->profile;
    int node = m.is_grant ? m.to : m.from, voter = m.is_grant ? m.from : m.to;
    int copies = w->troubled && rng_chance(&w->rng, p->twice) ? 2 : 1;
    for (int i = 0; i < MESSAGES && copies > 0; i++) {
        if (w->messages[i].used) {
            continue;
        }
        copies--;
        if (w->troubled && (rng_chance(&w->rng, p->loss) || w->now < w->cut_until[node][voter])) {
            continue;
        }
        bool late = w->troubled && rng_chance(&w->rng, p->late);
        m.used = true;
        m.at = w->now + below(w, late ? p->late_ns : p->delay_ns);
        w->messages[i] = m;
    }
}

static void receive(struct world *w, struct message *m)
{
    if (m->is_grant) {
        struct process *p = &w->nodes[m->to];
        if (p->alive) {
            w->report->grants += lease_holder_granted(&p->holder, p->clock.ns, &m->grant);
        }
    } else if (w->voters[m->to].leads) {
        lease_grantor_renew(&w->voters[m->to].grantor, &m->renew);
    }
}

/* Who stands still reads it later. */
void deliver(struct world *w)
{
    for (int i = 0; i < MESSAGES; i++) {
        struct message *m = &w->messages[i];
        uint64_t paused_until = m->is_grant ? w->nodes[m->to].paused_until : w->voters[m->to].paused_until;
        if (m->used && w->now >= m->at && w->now >= paused_until) {
            m->used = false;
            receive(w, m);
        }
    }
}

/* ---- nodes ---- */

void start_process(struct world *w, int node)
{
    struct process *p = &w->nodes[node];
    p->alive = true;
    p->incarnation++;
    p->view = (struct view){0};
    for (int s = 0; s < SHARDS; s++) {
        p->view.rows[s].primary = -1;
    }
    p->register_at = w->now;
    lease_holder_init(&p->holder, (uint64_t)node + 1, p->incarnation, p->clock.ns);
}

void run_node(struct world *w, int node)
{
    struct process *p = &w->nodes[node];
    if (!p->alive || w->now < p->paused_until) {
        return;
    }
    if (p->view.incarnations[node] < p->incarnation && w->now >= p->register_at) {
        p->register_at = w->now + 300 * NS_PER_MS;
        propose(w, -1, (struct entry){.kind = REGISTER, .node = node, .incarnation = p->incarnation, .term = w->term});
    }
    if (w->now >= p->feed_stuck_until && below(w, 4) == 0 && p->view.applied < w->truth.applied) {
        view_apply(&p->view, &w->log[p->view.applied]);
    }
    if (p->leader != w->leader && below(w, 300) == 0) {
        p->leader = w->leader;
        lease_holder_hurry(&p->holder);
    }
    struct lease_renew renew;
    if (lease_holder_renew(&p->holder, p->clock.ns, p->view.applied, &renew)) {
        post(w, (struct message){.from = node, .to = p->leader, .renew = renew});
    }
    struct lease_notice notice = lease_holder_check(&p->holder, p->clock.ns, p->view.applied);
    w->report->ended += notice.ended;
    w->report->stalls += notice.stalled_ns != 0;
}

bool serves(const struct process *p, int node, int shard)
{
    const struct row *row = &p->view.rows[shard];
    return p->alive && p->view.incarnations[node] == p->incarnation && row->primary == node &&
           row->index > p->view.registered[node] && lease_holder_valid(&p->holder, p->clock.ns, p->view.applied);
}
