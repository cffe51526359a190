/* tests/simulation/workload_counter.c: many clients add 1 to a few counters, and read them.
 *
 * The counter is linearizable, no acknowledged add is lost, and none happens twice: every answer of `add` is another
 * number; it is above every number that was answered before the call began; and it is at most the number of adds that
 * may have happened. The same for sim_cached, whose memory must agree with its state on top. */
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define COUNTERS 4

struct counter {
    uint64_t begun, not_done, done; /* adds */
    int64_t highest;                /* number that was answered */
    uint8_t *answered;              /* a bit a number: by an add */
    uint64_t capacity;              /* bits */
};

struct counter_ledger {
    struct counter counters[COUNTERS];
    uint32_t judged;
};

struct counter_workload {
    struct workload base;
    uint32_t next_read; /* in finish */
};

struct counter_op {
    struct op op;
    uint32_t counter;
    bool is_add;
    int64_t floor; /* highest number answered when it began */
};

static struct pdr_bytes name_of(const struct workload *w, char *text, size_t size, uint32_t counter)
{
    /* the last two share a tag, and so a shard */
    int length = snprintf(text, size, counter < 2 ? "%s/c%u" : "%s/{tag}c%u", w->cls->name, counter);
    return pdr_bytes(text, (size_t)length);
}

static bool begin(struct workload *w, uint32_t number, bool is_add)
{
    struct counter_ledger *ledger = w->ledger;
    struct counter *counter = &ledger->counters[number];
    struct counter_op *op = op_begin(w);
    char name[64];
    op->counter = number;
    op->is_add = is_add;
    op->floor = counter->highest;
    pdr_write_array(&op->op.args, 0);
    counter->begun += is_add;
    if (op_call(&op->op, name_of(w, name, sizeof name, number), is_add ? "add" : "get")) {
        return true;
    }
    counter->begun -= is_add;
    return false;
}

static void step(struct workload *w)
{
    begin(w, (uint32_t)sim_draw(w->sim, COUNTERS), sim_chance(w->sim, 70));
}

/* True if no add was answered with that number before. */
static bool note_answer(struct counter *counter, int64_t number)
{
    if ((uint64_t)number >= counter->capacity) {
        uint64_t capacity = (uint64_t)number * 2 + 64;
        counter->answered = mem_grow(counter->answered, capacity / 8 + 1);
        memset(counter->answered + counter->capacity / 8, 0, capacity / 8 + 1 - counter->capacity / 8);
        counter->capacity = capacity / 8 * 8;
    }
    uint8_t *byte = &counter->answered[number / 8], bit = (uint8_t)(1u << (number % 8));
    bool is_new = (*byte & bit) == 0;
    *byte |= bit;
    return is_new;
}

static void judge_answer(struct workload *w, const struct counter_op *op, int64_t n)
{
    struct counter_ledger *ledger = w->ledger;
    struct counter *counter = &ledger->counters[op->counter];
    const char *what = op->is_add ? "add" : "get";
    SIM_CHECK(w->sim, n >= op->floor + op->is_add,
              "%s %u: %s answered %lld, but %lld had been answered before it was called: a write was lost",
              w->cls->name, op->counter, what, (long long)n, (long long)op->floor);
    SIM_CHECK(w->sim, n <= (int64_t)(counter->begun - counter->not_done),
              "%s %u: %s answered %lld, but only %llu adds can have happened", w->cls->name, op->counter, what,
              (long long)n, (unsigned long long)(counter->begun - counter->not_done));
    if (op->is_add && !w->sim->failed) {
        SIM_CHECK(w->sim, note_answer(counter, n), "%s %u: two adds were answered %lld", w->cls->name, op->counter,
                  (long long)n);
    }
    counter->highest = n > counter->highest ? n : counter->highest;
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    const struct counter_op *op = (struct counter_op *)base;
    struct counter *counter = &((struct counter_ledger *)w->ledger)->counters[op->counter];
    struct counter_workload *own = (struct counter_workload *)w;
    int64_t n = -1;
    counter->done += op->is_add && fate == FATE_DONE;
    counter->not_done += op->is_add && fate == FATE_NOT;
    if (fate != FATE_DONE) {
        return;
    }
    SIM_CHECK(w->sim, pdr_value_int(outcome->result, &n), "%s: the answer is no number", w->cls->name);
    judge_answer(w, op, n);
    own->next_read += op->op.is_final;
}

static bool finish(struct workload *w)
{
    struct counter_workload *own = (struct counter_workload *)w;
    if (own->next_read == COUNTERS) {
        return true;
    }
    begin(w, own->next_read, false);
    return false;
}

static void judge(struct workload *w)
{
    struct counter_ledger *ledger = w->ledger;
    for (uint32_t i = 0; i < COUNTERS; i++) {
        const struct counter *c = &ledger->counters[i];
        SIM_CHECK(w->sim, c->highest >= (int64_t)c->done, "%s %u ends at %lld, but %llu adds were acknowledged",
                  w->cls->name, i, (long long)c->highest, (unsigned long long)c->done);
    }
}

static void open_counter(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 16);
}

static void close_ledger(void *user)
{
    struct counter_ledger *ledger = user;
    for (uint32_t i = 0; i < COUNTERS; i++) {
        mem_free(ledger->counters[i].answered);
    }
}

#define COUNTER_CLASS(type)                                                                                            \
    {                                                                                                                  \
        .name = type, .size = sizeof(struct counter_workload), .ledger_size = sizeof(struct counter_ledger),           \
        .op_size = sizeof(struct counter_op), .open = open_counter, .step = step, .ended = ended, .finish = finish,    \
        .judge = judge, .close_ledger = close_ledger,                                                                  \
    }
const struct workload_class workload_counter = COUNTER_CLASS("counter");
const struct workload_class workload_cached = COUNTER_CLASS("sim_cached");
