/* tests/simulation/workload_raft.c: keeps the log of the directory's server growing, on the node and not over the wire.
 * sim_raft.c judges; here only: in the end all that was written is answered. */
#include "tests/simulation/workload.h"

struct raft_workload {
    struct workload base;
    uint64_t asked_for; /* in finish: a batch with a higher number is to be answered */
    bool has_asked;
};

static void step(struct workload *w)
{
    uint32_t count = 1 + (uint32_t)sim_draw(w->sim, 3);
    for (uint32_t i = 0; i < count; i++) {
        sim_raft_wish(w->node->raft);
    }
}

static bool finish(struct workload *w)
{
    struct raft_workload *own = (struct raft_workload *)w;
    struct sim_raft *raft = w->node->raft;
    sim_raft_on(raft);
    if (raft->disk == NULL || raft->outstanding > 0) {
        return false;
    }
    if (own->has_asked && raft->answered > own->asked_for) {
        return true;
    }
    own->has_asked = true;
    own->asked_for = raft->answered;
    sim_raft_wish(raft);
    return false;
}

static void ended(struct workload *w, struct op *op, enum fate fate, const struct pdr_outcome *outcome) {}

static void open_raft(struct workload *w)
{
    w->think_ns = 3 * NS_PER_MS;
}

const struct workload_class workload_raft = {
    .name = "raft",
    .size = sizeof(struct raft_workload),
    .op_size = sizeof(struct op),
    .open = open_raft,
    .step = step,
    .ended = ended,
    .finish = finish,
};
