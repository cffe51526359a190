/* tests/simulation/workload_chain.c: calls that cause calls, a -> b -> c, with deadlines that travel; and chains that
 * come back to where they began, which must fail with `deadlock` at once, and not by their deadline. */
#include "tests/simulation/workload.h"

#define ACTORS 12
#define LINKS_MAX 8
#define AT_ONCE_NS (5 * NS_PER_S) /* of a deadlock: waiting in mailboxes and for the disk included, far below 30 s */

struct chain_op {
    struct op op;
    uint32_t links;
    bool is_cycle;
};

struct chain_workload {
    struct workload base;
    bool deadlocked, answered; /* in finish */
};

/* Actors in rising order, so that two chains never wait for each other; a cycle ends with one it began with. */
static void write_names(struct workload *w, pdr_writer *args, uint32_t links, bool is_cycle)
{
    uint32_t at = 0, first = 0;
    char name[32];
    pdr_write_array(args, 2);
    pdr_write_array(args, links);
    for (uint32_t i = 0; i < links; i++) {
        uint32_t left = links - i - 1;
        at = (uint32_t)sim_between(w->sim, i == 0 ? 0 : at + 1, ACTORS - 1 - left);
        first = i == 0 ? at : first;
        uint32_t number = is_cycle && left == 0 ? first : at;
        int size = snprintf(name, sizeof name, "sim_chain/n%02u", number);
        pdr_write_str(args, pdr_bytes(name, (size_t)size));
    }
    pdr_write_int(args, 0);
}

static void begin(struct workload *w, bool is_cycle)
{
    struct chain_op *op = op_begin(w);
    op->links = 2 + (w->finishing ? 0 : (uint32_t)sim_draw(w->sim, LINKS_MAX - 1));
    op->is_cycle = is_cycle;
    write_names(w, &op->op.args, op->links, is_cycle);
    if (!is_cycle && !w->finishing && sim_chance(w->sim, 40)) {
        op->op.deadline_ms = 1 + sim_draw(w->sim, 500);
    }
    struct pdr_bytes first;
    pdr_value names = pdr_value_at(pdr_written(&op->op.args), 0);
    pdr_value_bytes(pdr_value_at(names, 0), &first);
    op_call(&op->op, first, "walk");
}

static void step(struct workload *w)
{
    begin(w, sim_chance(w->sim, 20));
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct chain_workload *own = (struct chain_workload *)w;
    const struct chain_op *op = (struct chain_op *)base;
    uint64_t took_ns = w->sim->now_ns - op->op.begun_ns;
    int64_t links = 0;
    if (fate == FATE_DONE) {
        SIM_CHECK(w->sim, !op->is_cycle, "sim_chain: a chain of %u that comes back was answered", op->links);
        SIM_CHECK(w->sim, pdr_value_int(outcome->result, &links) && links == (int64_t)op->links,
                  "sim_chain: a chain of %u was answered %lld", op->links, (long long)links);
        own->answered = own->answered || op->op.is_final;
    }
    SIM_CHECK(w->sim, op->is_cycle || outcome->status != PDR_DEADLOCK,
              "sim_chain: a chain without a cycle is a deadlock");
    own->deadlocked = own->deadlocked || (op->op.is_final && outcome->status == PDR_DEADLOCK);
    /* under a session a lost connection is no outcome: the call goes on on the next one */
    if (op->is_cycle && op->op.is_final && outcome->status != PDR_UNAVAILABLE && !w->client->has_session) {
        SIM_CHECK(w->sim, w->sim->has_orphans || (outcome->status != PDR_DEADLINE && took_ns < AT_ONCE_NS),
                  "sim_chain: a chain of %u that comes back took %llu ms to fail: %.*s", op->links,
                  (unsigned long long)(took_ns / NS_PER_MS), (int)outcome->code.size, (const char *)outcome->code.data);
    }
    if (outcome->status == PDR_DEADLINE) {
        uint64_t deadline_ns = (op->op.deadline_ms == 0 ? 30000 : op->op.deadline_ms) * NS_PER_MS;
        SIM_CHECK(w->sim, took_ns >= deadline_ns / 100 * 98, "sim_chain: deadline_exceeded after %llu of %llu ms",
                  (unsigned long long)(took_ns / NS_PER_MS), (unsigned long long)(deadline_ns / NS_PER_MS));
    }
}

/* First a cycle, whose time is judged now that nothing is broken; then a chain. */
static bool finish(struct workload *w)
{
    struct chain_workload *own = (struct chain_workload *)w;
    if (!own->deadlocked || !own->answered) {
        begin(w, !own->deadlocked);
    }
    return own->deadlocked && own->answered;
}

static void open_chain(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 6);
    w->think_ns = 20 * NS_PER_MS;
}

const struct workload_class workload_chain = {
    .name = "sim_chain",
    .size = sizeof(struct chain_workload),
    .op_size = sizeof(struct chain_op),
    .open = open_chain,
    .step = step,
    .ended = ended,
    .finish = finish,
};
