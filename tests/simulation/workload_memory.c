/* tests/simulation/workload_memory.c: the durability dial at `memory`: an add is answered before it is on disk.
 *
 * A crash may take such adds back, and so may a full disk, when a core undoes what the log had no room for (R74);
 * nothing else. So between two of those the counter is as strict as any. And a read at `sync` waits until what it saw
 * is on disk: what it answered stays for good. */
#include "core/shard/core.h"
#include "tests/simulation/workload.h"
#include "tools/node/node_parts.h"

#define COUNTERS 3

struct memory_counter {
    uint64_t begun, not_done; /* adds */
    int64_t durable;          /* highest that a sync read answered */
    int64_t highest;          /* answered at all, in this life */
    uint64_t life;
};

struct memory_ledger {
    struct memory_counter counters[COUNTERS];
};

struct memory_workload {
    struct workload base;
    uint32_t next_read; /* in finish */
};

struct memory_op {
    struct op op;
    uint64_t life;
    uint32_t counter;
    bool is_add;
    int64_t durable, highest; /* when it began */
};

/* Changes when acknowledged adds may have been lost. */
static uint64_t life_of(const struct workload *w)
{
    const struct node *node = w->node->node;
    uint64_t life = (uint64_t)w->sim->lives << 32;
    for (unsigned i = 0; node != NULL && i < node->world.cores; i++) {
        life += node->cores[i]->stats.rollbacks;
    }
    return life;
}

static bool begin(struct workload *w, uint32_t number, bool is_add)
{
    struct memory_ledger *ledger = w->ledger;
    struct memory_counter *counter = &ledger->counters[number];
    struct memory_op *op = op_begin(w);
    char name[32];
    uint64_t life = life_of(w);
    if (counter->life != life) {
        counter->life = life;
        counter->highest = counter->durable;
    }
    op->counter = number;
    op->life = life;
    op->is_add = is_add;
    op->durable = counter->durable;
    op->highest = counter->highest;
    op->op.durability = is_add ? "memory" : NULL;
    pdr_write_array(&op->op.args, 0);
    counter->begun += is_add;
    int size = snprintf(name, sizeof name, "counter/mem%u", number);
    if (op_call(&op->op, pdr_bytes(name, (size_t)size), is_add ? "add" : "get")) {
        return true;
    }
    counter->begun -= is_add;
    return false;
}

static void step(struct workload *w)
{
    begin(w, (uint32_t)sim_draw(w->sim, COUNTERS), sim_chance(w->sim, 70));
}

static void judge_answer(struct workload *w, const struct memory_op *op, int64_t n)
{
    struct memory_counter *counter = &((struct memory_ledger *)w->ledger)->counters[op->counter];
    bool same_life = op->life == life_of(w);
    int64_t floor = same_life ? op->highest : op->durable;
    SIM_CHECK(w->sim, n >= floor + op->is_add, "counter/mem%u: %s answered %lld, but %lld was %s before it was called",
              op->counter, op->is_add ? "add" : "get", (long long)n, (long long)floor,
              same_life ? "answered in this life" : "read from disk");
    SIM_CHECK(w->sim, n <= (int64_t)(counter->begun - counter->not_done),
              "counter/mem%u: answered %lld, but only %llu adds can have happened", op->counter, (long long)n,
              (unsigned long long)(counter->begun - counter->not_done));
    if (same_life && counter->life == op->life) {
        counter->highest = n > counter->highest ? n : counter->highest;
    }
    if (!op->is_add) {
        counter->durable = n > counter->durable ? n : counter->durable;
    }
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct memory_workload *own = (struct memory_workload *)w;
    const struct memory_op *op = (struct memory_op *)base;
    struct memory_counter *counter = &((struct memory_ledger *)w->ledger)->counters[op->counter];
    int64_t n = -1;
    counter->not_done += op->is_add && fate == FATE_NOT;
    if (fate == FATE_DONE) {
        SIM_CHECK(w->sim, pdr_value_int(outcome->result, &n), "counter/mem%u: the answer is no number", op->counter);
        judge_answer(w, op, n);
        own->next_read += op->op.is_final;
    }
}

static bool finish(struct workload *w)
{
    struct memory_workload *own = (struct memory_workload *)w;
    if (own->next_read == COUNTERS) {
        return true;
    }
    begin(w, own->next_read, false);
    return false;
}

static void open_memory(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 8);
}

const struct workload_class workload_memory = {
    .name = "memory",
    .size = sizeof(struct memory_workload),
    .ledger_size = sizeof(struct memory_ledger),
    .op_size = sizeof(struct memory_op),
    .raw_only = true, /* the real client has no word for it yet */
    .open = open_memory,
    .step = step,
    .ended = ended,
    .finish = finish,
};
