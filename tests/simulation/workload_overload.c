/* tests/simulation/workload_overload.c: more calls than anybody can keep: slow actors, full mailboxes. At the limit the
 * answer is `overloaded` with a time to come back after; never silence, and others go on. */
#include "tests/simulation/workload.h"

#define ACTORS 4
#define WAIT_MS_MAX 50

struct overload_op {
    struct op op;
    int64_t wait_ms;
};

struct overload_workload {
    struct workload base;
    bool answered; /* in finish */
};

static void begin(struct workload *w, int64_t wait_ms)
{
    struct overload_op *op = op_begin(w);
    char name[32];
    op->wait_ms = wait_ms;
    op->op.deadline_ms = sim_chance(w->sim, 30) ? 1 + sim_draw(w->sim, 2000) : 0;
    pdr_write_array(&op->op.args, 1);
    pdr_write_int(&op->op.args, wait_ms);
    int size = snprintf(name, sizeof name, "sim_slow/s%u", (uint32_t)sim_draw(w->sim, ACTORS));
    op_call(&op->op, pdr_bytes(name, (size_t)size), "wait");
}

/* In bursts, so that queues run full and empty again. */
static void step(struct workload *w)
{
    uint32_t burst = 1 + (uint32_t)sim_draw(w->sim, 16);
    while (burst-- > 0 && w->outstanding < w->outstanding_max) {
        begin(w, (int64_t)sim_draw(w->sim, WAIT_MS_MAX));
    }
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct overload_workload *own = (struct overload_workload *)w;
    const struct overload_op *op = (struct overload_op *)base;
    int64_t ms = -1;
    uint64_t took_ns = w->sim->now_ns - op->op.begun_ns;
    if (fate == FATE_DONE) {
        SIM_CHECK(w->sim, pdr_value_int(outcome->result, &ms) && ms == op->wait_ms,
                  "sim_slow: waited %lld ms, not %lld", (long long)ms, (long long)op->wait_ms);
        SIM_CHECK(w->sim, took_ns >= (uint64_t)ms * NS_PER_MS / 100 * 98, "sim_slow: %lld ms were over after %llu us",
                  (long long)ms, (unsigned long long)(took_ns / NS_PER_US));
        own->answered = own->answered || op->op.is_final;
    }
    SIM_CHECK(w->sim, outcome->status != PDR_OVERLOADED || outcome->retry_ms > 0,
              "sim_slow: overloaded without retry_ms: %.*s", (int)outcome->message.size,
              (const char *)outcome->message.data);
}

static bool finish(struct workload *w)
{
    struct overload_workload *own = (struct overload_workload *)w;
    if (!own->answered) {
        begin(w, 1);
    }
    return own->answered;
}

static void open_overload(struct workload *w)
{
    w->outstanding_max = 4 + (uint32_t)sim_draw(w->sim, 120);
    w->think_ns = 50 * NS_PER_MS;
}

const struct workload_class workload_overload = {
    .name = "overload",
    .size = sizeof(struct overload_workload),
    .op_size = sizeof(struct overload_op),
    .open = open_overload,
    .step = step,
    .ended = ended,
    .finish = finish,
};
