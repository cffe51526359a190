/* tests/simulation/workload_order.c: a client sends calls to a few actors without waiting for answers. Of one
 * connection's calls to one actor none may run after one that was sent later, wherever the actor goes meanwhile: it
 * notes the last number of each connection, and how often a lower one came behind. */
#include "tests/simulation/workload.h"

#define ACTORS 3
#define BURST_MAX 5

struct order_workload {
    struct workload base;
    int64_t next;
    bool answered; /* in finish */
};

static void step(struct workload *w)
{
    struct order_workload *own = (struct order_workload *)w;
    uint32_t actor = (uint32_t)sim_draw(w->sim, ACTORS);
    char name[32];
    int size = snprintf(name, sizeof name, "sim_order/o%u", actor);
    for (uint64_t n = sim_between(w->sim, 1, BURST_MAX); n > 0; n--) {
        struct op *op = op_begin(w);
        pdr_write_array(&op->args, 2);
        pdr_write_uint(&op->args, w->client->connects << 8 | w->client->host);
        pdr_write_int(&op->args, ++own->next);
        if (!op_call(op, pdr_bytes(name, (size_t)size), "put")) {
            return;
        }
    }
}

static void ended(struct workload *w, struct op *op, enum fate fate, const struct pdr_outcome *outcome)
{
    struct order_workload *own = (struct order_workload *)w;
    int64_t late = -1;
    if (fate == FATE_DONE) {
        own->answered = own->answered || op->is_final;
        SIM_CHECK(w->sim, pdr_value_int(outcome->result, &late) && late == 0,
                  "sim_order: %lld calls of a connection ran behind one that it had sent later", (long long)late);
    }
}

static bool finish(struct workload *w)
{
    struct order_workload *own = (struct order_workload *)w;
    if (!own->answered) {
        step(w);
    }
    return own->answered;
}

static void open_order(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 30);
    w->think_ns = 2 * NS_PER_MS;
}

const struct workload_class workload_order = {
    .name = "sim_order",
    .size = sizeof(struct order_workload),
    .op_size = sizeof(struct op),
    .raw_only = true,
    .open = open_order,
    .step = step,
    .ended = ended,
    .finish = finish,
};
