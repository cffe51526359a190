/* tests/simulation/workload_knot.c: chains that come back, readers that interleave, turns that are cancelled, at random
 * and on the same few actors. The actor itself notes who ran when it should not (sim_knot.c); here it is judged that
 * every tour that was answered is there, and that one that failed or was cancelled left nothing of its last part. */
#include "tests/simulation/sim_types.h"
#include "tests/simulation/workload.h"

#define ACTORS 2
#define DEPTH 2 /* of a tour: how often it comes back, at most, less one; and relays there are, less one */
#define PENDING 16
#define PAD_BYTES 30000
/* What is left of a cancelled tour may wait crosswise with another one: that is ended by deadlines alone. */
#define DEADLINE_MS 3000

enum knot_kind { KNOT_TOUR, KNOT_AGAIN, KNOT_LOOK, KNOT_WALK, KNOT_DONE, KNOT_PAD, KNOT_CANCEL, KNOT_INSPECT };

struct knot_op {
    struct op op;
    enum knot_kind kind;
    uint32_t actor;
    int64_t token;
    bool is_done; /* KNOT_DONE: what must be answered */
};

/** A tour whose end is known, to be asked for. */
struct verdict {
    uint32_t actor;
    int64_t token;
    bool is_done;
};

struct knot_workload {
    struct workload base;
    int64_t tokens;
    bool is_large;
    struct verdict pending[PENDING];
    uint32_t pending_count;
    bool toured; /* in finish */
};

static const char *const methods[] = {"tour", "again", "look", "walk", "done", "pad", "cancel", "inspect"};

/* Tokens of all clients differ. */
static int64_t new_token(struct knot_workload *own)
{
    return ++own->tokens * 16 + own->base.index + 1;
}

static uint64_t some_ms(struct workload *w)
{
    return sim_chance(w->sim, 50) ? 0 : sim_draw(w->sim, 40);
}

static struct pdr_bytes name_of(char *name, size_t size, uint32_t actor)
{
    int length = snprintf(name, size, "sim_knot/k%u", actor);
    return pdr_bytes(name, (size_t)length);
}

static struct knot_op *begin(struct knot_workload *own, enum knot_kind kind)
{
    struct knot_op *op = op_begin(&own->base);
    op->kind = kind;
    op->actor = (uint32_t)sim_draw(own->base.sim, ACTORS);
    op->op.deadline_ms = DEADLINE_MS;
    return op;
}

static void send(struct knot_op *op)
{
    char name[32];
    op_call(&op->op, name_of(name, sizeof name, op->actor), methods[op->kind]);
}

static void begin_tour(struct knot_workload *own)
{
    struct workload *w = &own->base;
    struct knot_op *op = begin(own, KNOT_TOUR);
    op->token = new_token(own);
    pdr_write_array(&op->op.args, 4);
    pdr_write_int(&op->op.args, op->token);
    pdr_write_uint(&op->op.args, some_ms(w));
    pdr_write_uint(&op->op.args, sim_draw(w->sim, DEPTH + 1));
    pdr_write_int(&op->op.args, !w->finishing && sim_chance(w->sim, 15));
    send(op);
}

/* Anybody's `again`, which must never run inside of a tour. */
static void begin_again(struct knot_workload *own)
{
    struct knot_op *op = begin(own, KNOT_AGAIN);
    pdr_write_array(&op->op.args, 3);
    pdr_write_int(&op->op.args, new_token(own));
    pdr_write_uint(&op->op.args, some_ms(&own->base));
    pdr_write_int(&op->op.args, 0);
    send(op);
}

static void begin_look(struct knot_workload *own)
{
    struct knot_op *op = begin(own, sim_chance(own->base.sim, 60) ? KNOT_LOOK : KNOT_WALK);
    pdr_write_array(&op->op.args, 1);
    pdr_write_uint(&op->op.args,
                   some_ms(&own->base) * (op->kind == KNOT_WALK ? 10 : 1)); /* the store goes on meanwhile */
    send(op);
}

static void begin_pad(struct knot_workload *own)
{
    struct knot_op *op = begin(own, KNOT_PAD);
    pdr_write_array(&op->op.args, 2);
    pdr_write_uint(&op->op.args, sim_draw(own->base.sim, SIM_KNOT_PADS));
    pdr_write_int(&op->op.args, PAD_BYTES);
    send(op);
}

static void begin_done(struct knot_workload *own)
{
    struct verdict verdict = own->pending[--own->pending_count];
    struct knot_op *op = begin(own, KNOT_DONE);
    op->actor = verdict.actor;
    op->token = verdict.token;
    op->is_done = verdict.is_done;
    pdr_write_array(&op->op.args, 1);
    pdr_write_int(&op->op.args, op->token);
    send(op);
}

/* A knot, or a relay in the middle of a tour; its queue too, now and then. */
static void begin_admin(struct knot_workload *own, enum knot_kind kind)
{
    struct workload *w = &own->base;
    struct knot_op *op = begin(own, kind);
    char name[32];
    int size = sim_chance(w->sim, 50)
                   ? snprintf(name, sizeof name, "sim_knot/k%u", op->actor)
                   : snprintf(name, sizeof name, "sim_relay/r%u", (unsigned)sim_draw(w->sim, DEPTH + 1));
    pdr_write_array(&op->op.args, 2);
    pdr_write_str(&op->op.args, pdr_bytes(name, (size_t)size));
    pdr_write_map(&op->op.args, 1);
    pdr_write_cstr(&op->op.args, kind == KNOT_CANCEL ? "queued" : "values");
    pdr_write_bool(&op->op.args, sim_chance(w->sim, 20));
    op_call(&op->op, pdr_str("_sys/node"), methods[kind]);
}

static void step(struct workload *w)
{
    struct knot_workload *own = (struct knot_workload *)w;
    uint64_t drawn = sim_draw(w->sim, 100);
    if (own->pending_count > 0 && drawn < 30) {
        begin_done(own);
    } else if (own->is_large && drawn < 36) {
        begin_pad(own);
    } else if (drawn < 56) {
        begin_tour(own);
    } else if (drawn < 62) {
        begin_again(own);
    } else if (drawn < 90) {
        begin_look(own);
    } else {
        begin_admin(own, drawn < 97 ? KNOT_CANCEL : KNOT_INSPECT);
    }
}

static void judge_tour(struct knot_workload *own, const struct knot_op *op, enum fate fate,
                       const struct pdr_outcome *outcome)
{
    bool is_known = fate == FATE_DONE || outcome->status == PDR_ACTOR || outcome->status == PDR_CANCELLED;
    SIM_CHECK(own->base.sim, outcome->status != PDR_DEADLOCK, "sim_knot: a tour is a deadlock: %.*s",
              (int)outcome->message.size, (const char *)outcome->message.data);
    own->toured = own->toured || (op->op.is_final && fate == FATE_DONE);
    if (is_known && own->pending_count < PENDING) {
        own->pending[own->pending_count++] = (struct verdict){op->actor, op->token, fate == FATE_DONE};
    }
}

static void judge_done(struct knot_workload *own, const struct knot_op *op, int64_t answer)
{
    SIM_CHECK(own->base.sim, answer == (int64_t)op->is_done, "sim_knot/k%u: a tour that was %s is %s: %lld", op->actor,
              op->is_done ? "answered" : "cancelled or failed", op->is_done ? "gone" : "there", (long long)op->token);
}

/* A cancelled call may have been the client's own end: then nothing is known, and nothing asked any more. */
static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    static const char *const wrongs[] = {"", "somebody ran inside of a turn's wait who should not",
                                         "a turn went on while another was inside of its wait",
                                         "a reader saw what was half done", "something was lost over a wait"};
    struct knot_workload *own = (struct knot_workload *)w;
    const struct knot_op *op = (struct knot_op *)base;
    int64_t answer = 0;
    if (op->kind == KNOT_TOUR) {
        judge_tour(own, op, fate, outcome);
    }
    if (fate != FATE_DONE) {
        return;
    }
    if (op->kind >= KNOT_CANCEL) {
        SIM_CHECK(w->sim, pdr_value_kind(outcome->result) == PDR_KIND_MAP, "sim_knot: %s answers no map",
                  methods[op->kind]);
        return;
    }
    bool is_int = pdr_value_int(outcome->result, &answer);
    SIM_CHECK(w->sim, is_int && answer >= 0, "sim_knot/k%u: %s", op->actor,
              is_int ? wrongs[-answer] : "the answer is no number");
    if (op->kind == KNOT_DONE) {
        judge_done(own, op, answer);
    }
}

static bool finish(struct workload *w)
{
    struct knot_workload *own = (struct knot_workload *)w;
    if (own->pending_count > 0) {
        begin_done(own);
        return false;
    }
    if (!own->toured) {
        begin_tour(own);
    }
    return own->toured;
}

static void open_knot(struct workload *w)
{
    struct knot_workload *own = (struct knot_workload *)w;
    own->is_large = sim_chance(w->sim, 60);
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 8);
    w->think_ns = 10 * NS_PER_MS;
}

const struct workload_class workload_knot = {
    .name = "sim_knot",
    .size = sizeof(struct knot_workload),
    .op_size = sizeof(struct knot_op),
    .is_cancelled = true,
    .open = open_knot,
    .step = step,
    .ended = ended,
    .finish = finish,
};
