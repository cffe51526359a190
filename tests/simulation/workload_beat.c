/* tests/simulation/workload_beat.c: timers of an activation: they beat no faster than they were told to, stop when they
 * are told to, and go on while the actor is active; what they count is as durable as anything else. */
#include "tests/simulation/workload.h"

#define PERIOD_MS 20
#define BEATS_MIN 3 /* in finish: that many must come */

enum beat_kind { BEAT_START, BEAT_STOP, BEAT_GET };

struct beat_op {
    struct op op;
    enum beat_kind kind;
    int64_t floor; /* beats that were answered before it began */
};

struct beat_workload {
    struct workload base;
    uint64_t first_ns; /* the first start; 0: none yet */
    uint64_t starts;
    int64_t beats;
    bool stopped;          /* the last start was followed by a stop, both answered */
    int64_t beats_stopped; /* then */
    bool is_running;       /* in finish: started */
    int64_t beats_at_start;
    uint32_t gets_since;
};

static void begin(struct workload *w, enum beat_kind kind)
{
    static const char *const methods[] = {"start", "stop", "get"};
    struct beat_workload *own = (struct beat_workload *)w;
    struct beat_op *op = op_begin(w);
    char name[32];
    op->kind = kind;
    op->floor = own->beats;
    if (kind == BEAT_START) {
        own->first_ns = own->first_ns == 0 ? w->sim->now_ns + 1 : own->first_ns;
        own->starts++;
        own->stopped = false;
    }
    pdr_write_array(&op->op.args, 1);
    pdr_write_int(&op->op.args, PERIOD_MS);
    int size = snprintf(name, sizeof name, "sim_beat/t%u", w->index);
    op_call(&op->op, pdr_bytes(name, (size_t)size), methods[kind]);
}

static void step(struct workload *w)
{
    uint64_t drawn = sim_draw(w->sim, 100);
    begin(w, drawn < 20 ? BEAT_START : drawn < 30 ? BEAT_STOP : BEAT_GET);
}

static void judge(struct workload *w, const struct beat_op *op, int64_t beats)
{
    struct beat_workload *own = (struct beat_workload *)w;
    uint64_t ran_ns = own->first_ns == 0 ? 0 : w->sim->now_ns - own->first_ns;
    /* clocks run 1 % fast; and a timer that is started anew may have just beaten */
    int64_t most = (int64_t)(ran_ns / 98 * 100 / (PERIOD_MS * NS_PER_MS) + own->starts);
    SIM_CHECK(w->sim, beats >= op->floor, "sim_beat/t%u: %lld beats, after %lld were answered", w->index,
              (long long)beats, (long long)op->floor);
    SIM_CHECK(w->sim, beats <= most, "sim_beat/t%u: %lld beats; there was time for %lld", w->index, (long long)beats,
              (long long)most);
    SIM_CHECK(w->sim, !own->stopped || op->kind == BEAT_START || beats <= own->beats_stopped + 1,
              "sim_beat/t%u: stopped at %lld beats, now there are %lld", w->index, (long long)own->beats_stopped,
              (long long)beats);
    own->beats = beats > own->beats ? beats : own->beats;
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct beat_workload *own = (struct beat_workload *)w;
    const struct beat_op *op = (struct beat_op *)base;
    int64_t beats = -1;
    if (op->kind == BEAT_START && fate == FATE_UNKNOWN) {
        own->starts += 1000000; /* it may come later: from now on neither rate nor rest can be judged */
    }
    if (fate != FATE_DONE) {
        return;
    }
    SIM_CHECK(w->sim, pdr_value_int(outcome->result, &beats), "sim_beat: the answer is no number");
    judge(w, op, beats);
    if (op->kind == BEAT_STOP && own->starts < 1000000) {
        own->stopped = true;
        own->beats_stopped = beats;
    }
    if (op->op.is_final && op->kind == BEAT_START) {
        own->is_running = true;
        own->beats_at_start = beats;
        own->gets_since = 0;
    }
    own->gets_since += op->kind == BEAT_GET;
}

/* A timer may be lost with its activation, when memory is short or the node goes down: then it is started again. */
static bool finish(struct workload *w)
{
    struct beat_workload *own = (struct beat_workload *)w;
    if (own->is_running && own->beats >= own->beats_at_start + BEATS_MIN) {
        return true;
    }
    if (own->is_running && own->gets_since > 20) {
        own->is_running = false;
    }
    begin(w, own->is_running ? BEAT_GET : BEAT_START);
    return false;
}

const struct workload_class workload_beat = {
    .name = "sim_beat",
    .size = sizeof(struct beat_workload),
    .op_size = sizeof(struct beat_op),
    .final_pause_ns = PERIOD_MS * NS_PER_MS / 2,
    .step = step,
    .ended = ended,
    .finish = finish,
};
