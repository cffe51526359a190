/* tests/simulation/workload_barrier.c: clients meet at a few barriers, each as two parties.
 *
 * Parties may be lost at any time, for the clock jumps; then they come again. What must hold: a generation is released
 * only after as many parties as are to meet have come to it; it ends one way, for whoever asks; and once an answer
 * said that it is over nobody waits at it any more. */
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define BARRIERS 2
#define NAMES 2 /* of each client */
#define PARTIES 3

enum barrier_kind { BARRIER_ARRIVE, BARRIER_LEAVE, BARRIER_BREAK, BARRIER_OUTCOME, BARRIER_STATE };
enum outcome { OUTCOME_UNKNOWN, OUTCOME_RELEASED, OUTCOME_BROKEN };

struct sim_generation {
    uint32_t came; /* a bit for each name that may have arrived at it */
    enum outcome outcome;
    uint64_t told_ns; /* when an answer said so */
};

struct sim_barrier {
    struct sim_generation *generations;
    int64_t capacity;
};

struct barrier_ledger {
    struct sim_barrier barriers[BARRIERS];
};

struct barrier_workload {
    struct workload base;
    int64_t generation[BARRIERS]; /* the first whose end it has not heard of */
    uint32_t next_read;           /* in finish */
};

struct barrier_op {
    struct op op;
    enum barrier_kind kind;
    uint32_t barrier;
    int64_t generation;
};

static struct sim_generation *generation_at(struct workload *w, uint32_t number, int64_t generation)
{
    struct sim_barrier *barrier = &((struct barrier_ledger *)w->ledger)->barriers[number];
    if (generation >= barrier->capacity) {
        int64_t capacity = generation * 2 + 16;
        barrier->generations = mem_grow(barrier->generations, (size_t)capacity * sizeof *barrier->generations);
        memset(barrier->generations + barrier->capacity, 0,
               (size_t)(capacity - barrier->capacity) * sizeof *barrier->generations);
        barrier->capacity = capacity;
    }
    return &barrier->generations[generation];
}

static void begin(struct workload *w, uint32_t number, enum barrier_kind kind)
{
    static const char *const methods[] = {"arrive", "leave", "break", "outcome", "state"};
    static const uint32_t counts[] = {4, 2, 1, 1, 0};
    struct barrier_workload *own = (struct barrier_workload *)w;
    struct barrier_op *op = op_begin(w);
    pdr_writer *args = &op->op.args;
    uint32_t name = w->index * NAMES + (uint32_t)sim_draw(w->sim, NAMES);
    char text[32];
    op->kind = kind;
    op->barrier = number;
    op->generation = own->generation[number];
    pdr_write_array(args, counts[kind]);
    if (kind <= BARRIER_LEAVE) {
        snprintf(text, sizeof text, "c%u", name);
        pdr_write_cstr(args, text);
    }
    if (kind == BARRIER_ARRIVE) {
        pdr_write_int(args, PARTIES);
        pdr_write_int(args, 1 + (int64_t)sim_draw(w->sim, sim_draw(w->sim, 2) ? 50 : 5000));
        generation_at(w, number, op->generation)->came |= 1u << name;
    }
    if (kind != BARRIER_STATE) {
        pdr_write_int(args, op->generation);
    }
    int size = snprintf(text, sizeof text, "barrier/b%u", number);
    op_call(&op->op, pdr_bytes(text, (size_t)size), methods[kind]);
}

static void step(struct workload *w)
{
    static const enum barrier_kind often[] = {BARRIER_ARRIVE, BARRIER_ARRIVE, BARRIER_ARRIVE,  BARRIER_ARRIVE,
                                              BARRIER_ARRIVE, BARRIER_LEAVE,  BARRIER_OUTCOME, BARRIER_STATE};
    uint32_t number = (uint32_t)sim_draw(w->sim, BARRIERS);
    bool breaks = sim_draw(w->sim, 20) == 0;
    begin(w, number, breaks ? BARRIER_BREAK : often[sim_draw(w->sim, sizeof often / sizeof *often)]);
}

/* An answer shows what has become of a generation. */
static void judge_outcome(struct workload *w, const struct barrier_op *op, int64_t number, enum outcome outcome)
{
    struct barrier_workload *own = (struct barrier_workload *)w;
    struct sim_generation *generation = generation_at(w, op->barrier, number);
    SIM_CHECK(w->sim,
              outcome == OUTCOME_UNKNOWN ? generation->outcome == outcome || op->op.begun_ns <= generation->told_ns
                                         : generation->outcome == OUTCOME_UNKNOWN || generation->outcome == outcome,
              "barrier %u: generation %lld was %d (1 released, 2 broken), and is %d now", op->barrier,
              (long long)number, (int)generation->outcome, (int)outcome);
    SIM_CHECK(w->sim, outcome != OUTCOME_RELEASED || __builtin_popcount(generation->came) >= PARTIES,
              "barrier %u: generation %lld is released, and only %d came", op->barrier, (long long)number,
              __builtin_popcount(generation->came));
    if (outcome != OUTCOME_UNKNOWN) {
        generation->told_ns = generation->outcome == OUTCOME_UNKNOWN ? w->sim->now_ns : generation->told_ns;
        generation->outcome = outcome;
        own->generation[op->barrier] = number >= own->generation[op->barrier] ? number + 1
                                                                              : own->generation[op->barrier];
    }
}

static enum outcome parse(pdr_value text)
{
    struct pdr_bytes bytes = pdr_str("");
    pdr_value_bytes(text, &bytes);
    return pdr_bytes_equal(bytes, pdr_str("released")) ? OUTCOME_RELEASED
           : pdr_bytes_equal(bytes, pdr_str("broken")) ? OUTCOME_BROKEN
                                                       : OUTCOME_UNKNOWN;
}

/* The current generation is no lower than one whose end was told; and not all who are to meet wait. */
static void judge_state(struct workload *w, const struct barrier_op *op, pdr_value result)
{
    int64_t current = 0;
    uint32_t waiting = pdr_value_count(pdr_value_get(result, "waiting"));
    pdr_value_int(pdr_value_get(result, "generation"), &current);
    SIM_CHECK(w->sim, current >= op->generation, "barrier %u: generation %lld is the current one, but %lld was over",
              op->barrier, (long long)current, (long long)op->generation - 1);
    SIM_CHECK(w->sim, waiting < PARTIES, "barrier %u: %u are there, and none goes on", op->barrier, waiting);
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct barrier_workload *own = (struct barrier_workload *)w;
    const struct barrier_op *op = (struct barrier_op *)base;
    bool broke = false;
    if (fate != FATE_DONE) {
        return;
    }
    pdr_value what = op->kind == BARRIER_ARRIVE ? pdr_value_get(outcome->result, "outcome") : outcome->result;
    if (op->kind == BARRIER_ARRIVE || op->kind == BARRIER_OUTCOME) {
        if (pdr_value_kind(what) == PDR_KIND_STR) { /* else it is forgotten */
            judge_outcome(w, op, op->generation, parse(what));
        }
    } else if (op->kind == BARRIER_BREAK) {
        if (pdr_value_bool(outcome->result, &broke) && broke) {
            judge_outcome(w, op, op->generation, OUTCOME_BROKEN);
        }
    } else if (op->kind == BARRIER_STATE) {
        judge_state(w, op, outcome->result);
        own->next_read += base->is_final;
    }
}

static bool finish(struct workload *w)
{
    struct barrier_workload *own = (struct barrier_workload *)w;
    if (own->next_read == BARRIERS) {
        return true;
    }
    begin(w, own->next_read, BARRIER_STATE);
    return false;
}

static void open_barrier(struct workload *w)
{
    struct barrier_workload *own = (struct barrier_workload *)w;
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 3);
    for (uint32_t i = 0; i < BARRIERS; i++) {
        own->generation[i] = 1;
    }
}

static void close_ledger(void *user)
{
    struct barrier_ledger *ledger = user;
    for (uint32_t i = 0; i < BARRIERS; i++) {
        mem_free(ledger->barriers[i].generations);
    }
}

const struct workload_class workload_barrier = {
    .name = "barrier",
    .size = sizeof(struct barrier_workload),
    .ledger_size = sizeof(struct barrier_ledger),
    .op_size = sizeof(struct barrier_op),
    .open = open_barrier,
    .step = step,
    .ended = ended,
    .finish = finish,
    .close_ledger = close_ledger,
};
