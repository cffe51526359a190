/* tests/simulation/workload_ledger.c: tells are applied exactly once, and in order. Amounts go from an actor of the
 * client's through one of a few to one of a few others, by tells alone, and the client tells an actor itself. Nothing
 * is lost or doubled between them: in the end all that was sent was passed on, and taken; what was acknowledged was
 * sent; and no receiver ever saw a number but the next. Some of the actors share a shard. */
#include "tests/simulation/workload.h"

#define PLACES 3 /* shards; actors b and c */

enum ledger_kind { LEDGER_SEND, LEDGER_GAIN, LEDGER_LOOK };

struct ledger_sums {
    int64_t sent, passed, taken;
};

struct ledger_workload {
    struct workload base;
    int64_t sent_least, sent_most, gained_least, gained_most; /* what was acknowledged, what was tried */
    uint32_t reads;                                           /* in finish, of this walk */
    struct ledger_sums sums;
};

struct ledger_op {
    struct op op;
    enum ledger_kind kind;
    int64_t amount;
    char role; /* of LOOK */
    uint32_t number;
    int64_t sent_least, gained_least; /* when it began */
};

static struct pdr_bytes name_of(char *text, size_t size, char role, uint32_t number)
{
    int length = snprintf(text, size, "sim_ledger/{%u}%c%u", number % PLACES, role, number);
    return pdr_bytes(text, (size_t)length);
}

static void send(struct workload *w)
{
    struct ledger_workload *own = (struct ledger_workload *)w;
    struct ledger_op *op = op_begin(w);
    pdr_writer *args = &op->op.args;
    char name[64];
    int64_t amount = 1 + (int64_t)sim_draw(w->sim, 1000), tells = 1 + (int64_t)sim_draw(w->sim, 3);
    op->kind = LEDGER_SEND;
    op->amount = amount * tells;
    own->sent_most += op->amount;
    pdr_write_array(args, 5);
    pdr_write_str(args, name_of(name, sizeof name, 'b', (uint32_t)sim_draw(w->sim, PLACES)));
    pdr_write_str(args, name_of(name, sizeof name, 'c', (uint32_t)sim_draw(w->sim, PLACES)));
    pdr_write_int(args, amount);
    pdr_write_int(args, tells);
    pdr_write_int(args, sim_chance(w->sim, 40));
    if (!op_call(&op->op, name_of(name, sizeof name, 'a', w->index), "send")) {
        own->sent_most -= amount * tells;
    }
}

static void gain(struct workload *w)
{
    struct ledger_workload *own = (struct ledger_workload *)w;
    struct ledger_op *op = op_begin(w);
    pdr_writer *args = &op->op.args;
    char name[64];
    int64_t amount = 1 + (int64_t)sim_draw(w->sim, 1000);
    op->kind = LEDGER_GAIN;
    op->amount = amount;
    own->gained_most += amount;
    pdr_write_array(args, 3);
    pdr_write_str(args, name_of(name, sizeof name, 'a', w->index));
    pdr_write_cstr(args, "gain");
    pdr_write_array(args, 1);
    pdr_write_int(args, amount);
    if (!op_call(&op->op, pdr_str("_sys/conn"), "tell")) {
        own->gained_most -= amount;
    }
}

static void look(struct workload *w, char role, uint32_t number)
{
    const struct ledger_workload *own = (const struct ledger_workload *)w;
    struct ledger_op *op = op_begin(w);
    char name[64];
    op->kind = LEDGER_LOOK;
    op->role = role;
    op->number = number;
    op->sent_least = own->sent_least;
    pdr_write_array(&op->op.args, 0);
    op_call(&op->op, name_of(name, sizeof name, role, number), "look");
}

static void step(struct workload *w)
{
    uint64_t drawn = sim_draw(w->sim, 100);
    if (drawn < 60) {
        send(w);
    } else if (drawn < 80) {
        gain(w);
    } else {
        look(w, "abc"[drawn % 3], drawn % 3 == 0 ? w->index : (uint32_t)sim_draw(w->sim, PLACES));
    }
}

static void judge_look(struct workload *w, const struct ledger_op *op, pdr_value found)
{
    struct ledger_workload *own = (struct ledger_workload *)w;
    int64_t n[5] = {0};
    for (uint32_t i = 0; i < 5; i++) {
        SIM_CHECK(w->sim, pdr_value_int(pdr_value_at(found, i), &n[i]), "sim_ledger: look has no number %u", i);
    }
    SIM_CHECK(w->sim, n[4] == 0, "sim_ledger %c%u: %lld tells came twice, too early or too late", op->role, op->number,
              (long long)n[4]);
    if (op->role == 'a' && op->number == w->index) {
        SIM_CHECK(w->sim, n[0] >= op->sent_least && n[0] <= own->sent_most,
                  "sim_ledger a%u sent %lld, but must have sent %lld to %lld", w->index, (long long)n[0],
                  (long long)op->sent_least, (long long)own->sent_most);
        SIM_CHECK(w->sim, n[3] <= own->gained_most, "sim_ledger a%u gained %lld, but at most %lld were told it",
                  w->index, (long long)n[3], (long long)own->gained_most);
    }
    if (op->op.is_final) {
        own->reads++;
        own->sums.sent += n[0];
        own->sums.passed += n[1];
        own->sums.taken += n[2];
        if (op->role == 'a' && op->number == w->index && n[3] < own->gained_least) {
            own->sums.sent = -1; /* some are still to come: not equal, so look again */
        }
    }
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct ledger_workload *own = (struct ledger_workload *)w;
    const struct ledger_op *op = (struct ledger_op *)base;
    if (op->kind == LEDGER_LOOK) {
        if (fate == FATE_DONE) {
            judge_look(w, op, outcome->result);
        }
    } else if (op->kind == LEDGER_SEND) {
        own->sent_least += fate == FATE_DONE ? op->amount : 0;
        own->sent_most -= fate == FATE_NOT ? op->amount : 0;
    } else {
        own->gained_least += fate == FATE_DONE ? op->amount : 0;
        own->gained_most -= fate == FATE_NOT ? op->amount : 0;
    }
}

/* Walks through all, again and again, from the end of the way to its beginning: so the sums are equal only if nothing
 * is on its way. That it ever comes to this is the liveness of tells. */
static bool finish(struct workload *w)
{
    struct ledger_workload *own = (struct ledger_workload *)w;
    if (own->reads == 2 * PLACES + w->clients) {
        if (own->sums.sent == own->sums.passed && own->sums.passed == own->sums.taken) {
            return true;
        }
        own->reads = 0;
        own->sums = (struct ledger_sums){0};
    }
    uint32_t i = own->reads;
    if (i < PLACES) {
        look(w, 'c', i);
    } else if (i < 2 * PLACES) {
        look(w, 'b', i - PLACES);
    } else {
        look(w, 'a', i - 2 * PLACES);
    }
    return false;
}

static void open_ledger(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 8);
    w->think_ns = 5 * NS_PER_MS;
}

const struct workload_class workload_ledger = {
    .name = "sim_ledger",
    .size = sizeof(struct ledger_workload),
    .op_size = sizeof(struct ledger_op),
    .final_pause_ns = 2 * NS_PER_MS,
    .open = open_ledger,
    .step = step,
    .ended = ended,
    .finish = finish,
};
