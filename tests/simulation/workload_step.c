/* tests/simulation/workload_step.c: what leaves an actor leaves after its commit (R25).
 *
 * Each client has an actor that writes, calls a second one, and writes again; or writes and tells a third one. Nobody
 * else touches the three. So whatever the second and third have seen, the first must have on disk; what was told
 * arrives once and in order; and a turn that failed after its call has kept what it wrote before the call, and nothing
 * else. Half of the calls go to a witness that keeps what it saw in memory and answers at once, so that a call that
 * left too early is seen before its turn is on disk. */
#include "tests/simulation/workload.h"

enum step_kind { STEP_STEP, STEP_FAIL, STEP_PASS, STEP_LOOK };
enum step_actor { STEP_FIRST, STEP_SECOND, STEP_THIRD, STEP_WITNESS };

struct step_state {
    int64_t before, after, seen, passed, taken, disorder;
};

struct step_workload {
    struct workload base;
    int64_t next_token;
    struct step_state least; /* what the actors must have reached */
    int64_t failed_token;    /* of the newest step that failed after its call: `after` is never this */
    int reads;               /* in finish */
};

struct step_op {
    struct op op;
    enum step_kind kind;
    enum step_actor actor;
    int64_t token;
    struct step_state least; /* when it began */
};

static struct pdr_bytes name_of(const struct workload *w, char *text, size_t size, enum step_actor actor)
{
    int length =
        snprintf(text, size, "%s/%c%u", actor == STEP_WITNESS ? "sim_witness" : "sim_step", "abcw"[actor], w -> index);
    return pdr_bytes(text, (size_t)length);
}

static void begin(struct workload *w, enum step_kind kind, enum step_actor actor)
{
    static const char *const methods[] = {"step", "step", "pass", "look"};
    struct step_workload *own = (struct step_workload *)w;
    struct step_op *op = op_begin(w);
    pdr_writer *args = &op->op.args;
    char name[64], other[64];
    op->kind = kind;
    op->actor = actor;
    op->least = own->least;
    op->token = kind == STEP_LOOK ? 0 : ++own->next_token;
    if (kind == STEP_LOOK) {
        pdr_write_array(args, 0);
    } else {
        pdr_write_array(args, 3);
        pdr_write_int(args, op->token);
        enum step_actor callee = sim_chance(w->sim, 40) ? STEP_SECOND : STEP_WITNESS;
        pdr_write_str(args, name_of(w, other, sizeof other, kind == STEP_PASS ? STEP_THIRD : callee));
        op->actor = callee;
        pdr_write_int(args, kind == STEP_FAIL);
    }
    op_call(&op->op, name_of(w, name, sizeof name, kind == STEP_LOOK ? actor : STEP_FIRST), methods[kind]);
}

static void step(struct workload *w)
{
    uint64_t drawn = sim_draw(w->sim, 100);
    if (drawn < 35) {
        begin(w, (enum step_kind)sim_draw(w->sim, 2), STEP_FIRST);
    } else if (drawn < 50) {
        begin(w, STEP_PASS, STEP_FIRST);
    } else {
        begin(w, STEP_LOOK, drawn < 75 ? STEP_WITNESS : (enum step_actor)sim_draw(w->sim, 3));
    }
}

static void at_least(int64_t *n, int64_t least)
{
    *n = least > *n ? least : *n;
}

static void judge_look(struct workload *w, const struct step_op *op, pdr_value found)
{
    struct step_workload *own = (struct step_workload *)w;
    struct step_state s = {0};
    if (op->actor == STEP_WITNESS) {
        SIM_CHECK(w->sim, pdr_value_int(found, &s.seen), "sim_witness: look has no number");
        at_least(&own->least.before, s.seen);
        return;
    }
    int64_t *const fields[] = {&s.before, &s.after, &s.seen, &s.passed, &s.taken, &s.disorder};
    for (uint32_t i = 0; i < 6; i++) {
        SIM_CHECK(w->sim, pdr_value_int(pdr_value_at(found, i), fields[i]), "sim_step: look has no number %u", i);
    }
    if (op->actor == STEP_FIRST) {
        SIM_CHECK(w->sim, s.before >= op->least.before && s.after >= op->least.after && s.passed >= op->least.passed,
                  "sim_step a%u has before=%lld after=%lld passed=%lld, but must have reached %lld, %lld, %lld",
                  w->index, (long long)s.before, (long long)s.after, (long long)s.passed, (long long)op->least.before,
                  (long long)op->least.after, (long long)op->least.passed);
        SIM_CHECK(w->sim, s.after <= s.before, "sim_step a%u: after=%lld without its before=%lld", w->index,
                  (long long)s.after, (long long)s.before);
        SIM_CHECK(w->sim, s.after == 0 || s.after != own->failed_token,
                  "sim_step a%u: after=%lld was written by a turn that failed", w->index, (long long)s.after);
        at_least(&own->least.before, s.before);
        at_least(&own->least.after, s.after);
        at_least(&own->least.passed, s.passed);
    } else if (op->actor == STEP_SECOND) {
        SIM_CHECK(w->sim, s.seen >= op->least.seen, "sim_step b%u went back from %lld to %lld", w->index,
                  (long long)op->least.seen, (long long)s.seen);
        at_least(&own->least.seen, s.seen);
        at_least(&own->least.before, s.seen); /* the call left after the commit */
    } else {
        SIM_CHECK(w->sim, s.disorder == 0, "sim_step c%u: %lld tells came twice or out of order", w->index,
                  (long long)s.disorder);
        SIM_CHECK(w->sim, s.taken >= op->least.taken, "sim_step c%u went back from %lld to %lld", w->index,
                  (long long)op->least.taken, (long long)s.taken);
        at_least(&own->least.taken, s.taken);
        at_least(&own->least.passed, s.taken);
    }
}

static bool has_code(const struct pdr_outcome *outcome, const char *code)
{
    return pdr_bytes_equal(outcome->code, pdr_str(code));
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct step_workload *own = (struct step_workload *)w;
    const struct step_op *op = (struct step_op *)base;
    if (op->kind == STEP_LOOK) {
        if (fate == FATE_DONE) {
            judge_look(w, op, outcome->result);
            own->reads += op->op.is_final;
        }
        return;
    }
    if (op->kind == STEP_FAIL && has_code(outcome, "asked_to_fail")) {
        own->failed_token = op->token;
        at_least(&own->least.before, op->token);
        at_least(&own->least.seen, op->actor == STEP_SECOND ? op->token : 0);
    }
    SIM_CHECK(w->sim, op->kind != STEP_FAIL || fate != FATE_DONE,
              "sim_step: a call that fails was answered with success");
    if (op->kind == STEP_STEP && fate == FATE_DONE) {
        at_least(&own->least.before, op->token);
        at_least(&own->least.after, op->token);
        at_least(&own->least.seen, op->actor == STEP_SECOND ? op->token : 0);
    }
    if (op->kind == STEP_PASS && fate == FATE_DONE) {
        at_least(&own->least.passed, op->token);
    }
}

static bool finish(struct workload *w)
{
    static const enum step_actor order[] = {STEP_SECOND, STEP_THIRD, STEP_FIRST};
    struct step_workload *own = (struct step_workload *)w;
    if (own->reads == 3) {
        return true;
    }
    begin(w, STEP_LOOK, order[own->reads]);
    return false;
}

static void open_step(struct workload *w)
{
    w->outstanding_max = 2 + (uint32_t)sim_draw(w->sim, 5);
    w->think_ns = 3 * NS_PER_MS;
}

const struct workload_class workload_step = {
    .name = "sim_step",
    .size = sizeof(struct step_workload),
    .op_size = sizeof(struct step_op),
    .open = open_step,
    .step = step,
    .ended = ended,
    .finish = finish,
};
