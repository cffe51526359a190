/* tests/simulation/workload_alarm.c: reminders: one that was set rings, once, however often the node goes down
 * meanwhile; one that was replaced never rings. The actor itself notes what must not be (sim_types.c). */
#include "tests/simulation/workload.h"

#define SLOTS 4
#define SLACK_MS 2000 /* a reminder may be late by that, when the faults are over, before it is called lost */

enum alarm_kind { ALARM_SET, ALARM_CANCEL, ALARM_LOOK, ALARM_HURRY };

struct alarm_op {
    struct op op;
    enum alarm_kind kind;
    int64_t slot;
};

struct alarm_workload {
    struct workload base;
    int64_t token;
    bool is_set[SLOTS];     /* a set was answered, after any cancel that may have happened */
    bool is_over;           /* in finish: no more faults */
    uint64_t late_since_ns; /* in finish: since when something is due and has not rung */
    bool hurry;             /* in finish: the wall clock went back, so what is set is far away */
    bool seen;              /* in finish: all has rung */
};

static void begin(struct workload *w, enum alarm_kind kind)
{
    static const char *const methods[] = {"set", "cancel", "look", "hurry"};
    struct alarm_workload *own = (struct alarm_workload *)w;
    struct alarm_op *op = op_begin(w);
    char name[32];
    op->kind = kind;
    op->slot = (int64_t)sim_draw(w->sim, SLOTS);
    pdr_write_array(&op->op.args, kind == ALARM_SET ? 3 : 1);
    pdr_write_int(&op->op.args, op->slot);
    if (kind == ALARM_SET) {
        pdr_write_int(&op->op.args, ++own->token);
        pdr_write_int(&op->op.args, (int64_t)sim_draw(w->sim, sim_draw(w->sim, 2) ? 50 : 3000));
    }
    if (kind != ALARM_LOOK) {
        own->is_set[op->slot] = false; /* until the answer comes it may be so or so */
    }
    int size = snprintf(name, sizeof name, "sim_alarm/t%u", w->index);
    op_call(&op->op, pdr_bytes(name, (size_t)size), methods[kind]);
}

static void step(struct workload *w)
{
    uint64_t drawn = sim_draw(w->sim, 100);
    begin(w, drawn < 50 ? ALARM_SET : drawn < 60 ? ALARM_CANCEL : ALARM_LOOK);
}

static int64_t int_at(pdr_value array, uint32_t i)
{
    int64_t n = -1;
    pdr_value_int(pdr_value_at(array, i), &n);
    return n;
}

/* look -> [violations, wall ms, (token, rung, due) of each slot] */
static void judge_look(struct workload *w, pdr_value result)
{
    struct alarm_workload *own = (struct alarm_workload *)w;
    int64_t wall = int_at(result, 1);
    bool is_late = false, is_far = false, waits = false;
    SIM_CHECK(w->sim, int_at(result, 0) == 0,
              "sim_alarm/t%u: %lld times a reminder rang twice, or rang after it was replaced or cancelled", w->index,
              (long long)int_at(result, 0));
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        int64_t token = int_at(result, 2 + 3 * slot), rung = int_at(result, 3 + 3 * slot),
                due = int_at(result, 4 + 3 * slot);
        bool pending = token > 0 && rung == 0;
        SIM_CHECK(w->sim, !own->is_set[slot] || token > 0, "sim_alarm/t%u: slot %u was set, and is not", w->index,
                  slot);
        waits |= pending;
        is_late |= pending && due < wall - SLACK_MS;
        is_far |= pending && due > wall + 5000;
    }
    own->late_since_ns = !is_late ? 0 : own->late_since_ns != 0 ? own->late_since_ns : w->sim->now_ns;
    own->hurry = is_far;
    own->seen = !waits;
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct alarm_workload *own = (struct alarm_workload *)w;
    const struct alarm_op *op = (struct alarm_op *)base;
    if (fate != FATE_DONE) {
        return;
    }
    if (op->kind == ALARM_SET && w->outstanding <= 1) {
        own->is_set[op->slot] = true;
    }
    if (op->kind == ALARM_LOOK) {
        judge_look(w, outcome->result);
    }
    own->hurry &= op->kind != ALARM_HURRY;
}

static bool finish(struct workload *w)
{
    struct alarm_workload *own = (struct alarm_workload *)w;
    if (!own->is_over) {
        own->is_over = true;
        own->late_since_ns = 0; /* what was late while nodes were down may have rung since */
    }
    if (own->seen) {
        return true;
    }
    SIM_CHECK(w->sim, own->late_since_ns == 0 || w->sim->now_ns - own->late_since_ns < 15 * NS_PER_S,
              "sim_alarm/t%u: a reminder is due and does not ring", w->index);
    begin(w, own->hurry ? ALARM_HURRY : ALARM_LOOK);
    return false;
}

const struct workload_class workload_alarm = {
    .name = "sim_alarm",
    .size = sizeof(struct alarm_workload),
    .op_size = sizeof(struct alarm_op),
    .final_pause_ns = 50 * NS_PER_MS,
    .step = step,
    .ended = ended,
    .finish = finish,
};
