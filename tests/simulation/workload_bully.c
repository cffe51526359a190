/* tests/simulation/workload_bully.c: clients have the participants of one group join, leave and elect, while the node
 * crashes, and messages between participants are lost with it.
 *
 * What must hold: nobody follows a lower one than itself; and when the faults are over and all have joined again, with
 * heartbeats, then before long all have the highest for their coordinator. */
#include "tests/simulation/workload.h"

#define MEMBERS 5
#define QUIET_NS (600 * NS_PER_S) /* beyond all deadlines, pauses and periods there are */

enum bully_kind { BULLY_OP_JOIN, BULLY_OP_LEAVE, BULLY_OP_ELECT, BULLY_OP_COORDINATOR };

struct bully_op {
    struct op op;
    enum bully_kind kind;
    uint32_t number;
};

struct bully_workload {
    struct workload base;
    uint32_t joined, agreed; /* in finish: of 1 to MEMBERS, in order */
    uint64_t quiet_ns;       /* since when all have joined */
};

static void write_join(struct workload *w, pdr_writer *args)
{
    pdr_write_array(args, 2);
    pdr_write_int(args, MEMBERS);
    pdr_write_map(args, 3);
    pdr_write_cstr(args, "timeout_ms");
    pdr_write_int(args, w->finishing ? 200 : 1 + (int64_t)sim_draw(w->sim, 200));
    pdr_write_cstr(args, "heartbeat_ms");
    pdr_write_int(args, w->finishing ? 500 : (int64_t)sim_draw(w->sim, 2) * 100);
    pdr_write_cstr(args, "durable");
    pdr_write_bool(args, w->finishing || sim_draw(w->sim, 2) == 0);
}

static void begin(struct workload *w, enum bully_kind kind, uint32_t number)
{
    static const char *const methods[] = {"join", "leave", "elect", "coordinator"};
    struct bully_op *op = op_begin(w);
    char address[32];
    op->kind = kind;
    op->number = number;
    if (kind == BULLY_OP_JOIN) {
        write_join(w, &op->op.args);
    } else {
        pdr_write_array(&op->op.args, 0);
    }
    int size = snprintf(address, sizeof address, "bully/sim.%u", number);
    op_call(&op->op, pdr_bytes(address, (size_t)size), methods[kind]);
}

static void step(struct workload *w)
{
    static const enum bully_kind often[] = {BULLY_OP_JOIN,  BULLY_OP_JOIN,        BULLY_OP_LEAVE,
                                            BULLY_OP_ELECT, BULLY_OP_COORDINATOR, BULLY_OP_COORDINATOR};
    begin(w, often[sim_draw(w->sim, sizeof often / sizeof *often)], 1 + (uint32_t)sim_draw(w->sim, MEMBERS));
}

/* 0: it has none. */
static int64_t judge_coordinator(struct workload *w, const struct bully_op *op, pdr_value result)
{
    int64_t coordinator = 0;
    if (pdr_value_int(result, &coordinator)) {
        SIM_CHECK(w->sim, coordinator >= (int64_t)op->number && coordinator <= MEMBERS,
                  "bully/sim.%u follows %lld, which is no higher one of the group", op->number, (long long)coordinator);
    }
    return coordinator;
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct bully_workload *own = (struct bully_workload *)w;
    const struct bully_op *op = (const struct bully_op *)base;
    if (fate != FATE_DONE) {
        return;
    }
    int64_t coordinator = op->kind == BULLY_OP_COORDINATOR ? judge_coordinator(w, op, outcome->result) : 0;
    if (!base->is_final) {
        return;
    }
    if (op->kind == BULLY_OP_JOIN) {
        own->joined++;
        own->quiet_ns = w->sim->now_ns;
        return;
    }
    own->agreed = coordinator == MEMBERS ? own->agreed + 1 : 0;
    SIM_CHECK(w->sim, coordinator == MEMBERS || w->sim->now_ns - own->quiet_ns < QUIET_NS,
              "bully/sim.%u has coordinator %lld, ten minutes after all have joined", op->number,
              (long long)coordinator);
}

/* Participants that leave memory between two heartbeats begin anew each time; and a mailbox that has no room for the
 * messages of a round loses some of each. */
static bool can_settle(const struct workload *w)
{
    const struct node_options *o = &w->node->options;
    return (o->idle_ms == 0 || o->idle_ms >= 2000) && (o->mailbox_max == 0 || o->mailbox_max > 2 * MEMBERS);
}

static bool finish(struct workload *w)
{
    struct bully_workload *own = (struct bully_workload *)w;
    if (own->joined == MEMBERS && !can_settle(w)) {
        return true;
    }
    if (own->agreed == MEMBERS) {
        return true;
    }
    if (own->joined < MEMBERS) {
        begin(w, BULLY_OP_JOIN, 1 + own->joined);
    } else {
        begin(w, BULLY_OP_COORDINATOR, 1 + own->agreed);
    }
    return false;
}

const struct workload_class workload_bully = {
    .name = "bully",
    .size = sizeof(struct bully_workload),
    .op_size = sizeof(struct bully_op),
    .final_pause_ns = 50 * NS_PER_MS,
    .step = step,
    .ended = ended,
    .finish = finish,
};
