/* tests/simulation/workload_queue.c: clients share a queue: each pushes, takes, acknowledges, and pops.
 *
 * Ids grow, and each is of one value, which somebody has pushed; first deliveries are in the order of ids; what was
 * acknowledged never comes again, and is acknowledged once; and in the end everything that was pushed is still there,
 * unless it was acknowledged or popped. */
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define ITEMS_MOST 40 /* waiting; more would only make the end long */

enum queue_kind { QUEUE_PUSH, QUEUE_TAKE, QUEUE_ACK, QUEUE_NACK, QUEUE_POP };

struct sim_item {
    int64_t value;
    bool pushed;      /* the push was answered */
    bool maybe_acked; /* an ack has no answer */
    uint64_t gone_ns; /* when an ack or a pop was answered; 0: not yet */
};

struct queue_ledger {
    struct sim_item *items; /* by id */
    int64_t capacity;
    int64_t highest;         /* id that a push has answered */
    int64_t first_delivered; /* highest id of an answered first delivery */
    int64_t unknown_pops;    /* each may have removed one */
    int64_t values;          /* drawn so far */
    int64_t waiting;         /* pushed and not gone, as far as answers say */
};

struct queue_workload {
    struct workload base;
    int64_t taken[8];  /* ids, to be acknowledged */
    bool drained;      /* in finish: there is nothing to take */
    int64_t next_read; /* then: all items below have been asked for */
};

struct queue_op {
    struct op op;
    enum queue_kind kind;
    int64_t id, value;
    int64_t highest, first_delivered; /* when it began */
};

static struct sim_item *item_at(struct queue_ledger *ledger, int64_t id)
{
    if (id >= ledger->capacity) {
        int64_t capacity = id * 2 + 64;
        ledger->items = mem_grow(ledger->items, (size_t)capacity * sizeof *ledger->items);
        memset(ledger->items + ledger->capacity, 0, (size_t)(capacity - ledger->capacity) * sizeof *ledger->items);
        ledger->capacity = capacity;
    }
    return &ledger->items[id];
}

static void begin(struct workload *w, enum queue_kind kind, int64_t id)
{
    static const char *const methods[] = {"push", "take", "ack", "nack", "pop"};
    struct queue_ledger *ledger = w->ledger;
    struct queue_op *op = op_begin(w);
    op->kind = kind;
    op->id = id;
    op->highest = ledger->highest;
    op->first_delivered = ledger->first_delivered;
    pdr_write_array(&op->op.args, kind == QUEUE_POP ? 0 : 1);
    if (kind == QUEUE_PUSH) {
        op->value = ++ledger->values;
        pdr_write_int(&op->op.args, op->value);
    } else if (kind == QUEUE_TAKE) {
        pdr_write_int(&op->op.args, 1 + (int64_t)sim_draw(w->sim, sim_draw(w->sim, 2) ? 50 : 5000));
    } else if (kind != QUEUE_POP) {
        pdr_write_int(&op->op.args, id);
    }
    ledger->unknown_pops += kind == QUEUE_POP; /* until it is answered */
    if (!op_call(&op->op, pdr_str("queue/q"), methods[kind])) {
        ledger->unknown_pops -= kind == QUEUE_POP;
    }
}

static void step(struct workload *w)
{
    struct queue_workload *own = (struct queue_workload *)w;
    int64_t *id = &own->taken[sim_draw(w->sim, 8)];
    uint64_t drawn = sim_draw(w->sim, 100);
    if (*id > 0 && drawn < 60) {
        int64_t which = *id;
        *id = sim_draw(w->sim, 4) == 0 ? which : 0; /* again, sometimes */
        begin(w, drawn < 45 ? QUEUE_ACK : QUEUE_NACK, which);
    } else {
        bool full = ((struct queue_ledger *)w->ledger)->waiting >= ITEMS_MOST;
        begin(w, drawn < 75 && !full ? QUEUE_PUSH : drawn < 97 ? QUEUE_TAKE : QUEUE_POP, 0);
    }
}

/* take and pop: {id, value, attempts}, or nil. */
static void judge_item(struct workload *w, const struct queue_op *op, pdr_value result)
{
    struct queue_ledger *ledger = w->ledger;
    struct queue_workload *own = (struct queue_workload *)w;
    int64_t id = 0, value = 0, attempts = 0;
    if (pdr_value_kind(result) == PDR_KIND_NIL) {
        own->drained |= op->op.is_final;
        return;
    }
    pdr_value_int(pdr_value_get(result, "id"), &id);
    pdr_value_int(pdr_value_get(result, "value"), &value);
    pdr_value_int(pdr_value_get(result, "attempts"), &attempts);
    SIM_CHECK(w->sim, id > 0 && value > 0 && value <= ledger->values, "queue: nobody has pushed item %lld: %lld",
              (long long)id, (long long)value);
    if (w->sim->failed) {
        return;
    }
    struct sim_item *item = item_at(ledger, id);
    SIM_CHECK(w->sim, item->value == 0 || item->value == value, "queue: item %lld is %lld, and was %lld", (long long)id,
              (long long)value, (long long)item->value);
    SIM_CHECK(w->sim, item->gone_ns == 0 || op->op.begun_ns <= item->gone_ns,
              "queue: item %lld comes after it was acknowledged, or popped", (long long)id);
    if (attempts == 1) {
        SIM_CHECK(w->sim, id > op->first_delivered, "queue: item %lld comes for the first time, after item %lld",
                  (long long)id, (long long)op->first_delivered);
        ledger->first_delivered = id > ledger->first_delivered ? id : ledger->first_delivered;
    }
    item->value = value;
    if (op->kind == QUEUE_POP) {
        item->gone_ns = w->sim->now_ns;
        ledger->waiting--;
    } else {
        own->taken[sim_draw(w->sim, 8)] = id;
    }
}

static void judge_push(struct workload *w, const struct queue_op *op, int64_t id)
{
    struct queue_ledger *ledger = w->ledger;
    SIM_CHECK(w->sim, id > op->highest, "queue: a push was answered %lld, but %lld had been answered before",
              (long long)id, (long long)op->highest);
    if (w->sim->failed) {
        return;
    }
    struct sim_item *item = item_at(ledger, id);
    SIM_CHECK(w->sim, !item->pushed && (item->value == 0 || item->value == op->value),
              "queue: two pushes were answered %lld", (long long)id);
    item->pushed = true;
    item->value = op->value;
    ledger->highest = id > ledger->highest ? id : ledger->highest;
    ledger->waiting++;
}

static void judge_ack(struct workload *w, const struct queue_op *op, bool there)
{
    struct sim_item *item = item_at(w->ledger, op->id);
    SIM_CHECK(w->sim, !there || item->gone_ns == 0, "queue: item %lld was acknowledged twice, or was popped before",
              (long long)op->id);
    if (there) {
        item->gone_ns = w->sim->now_ns;
        ((struct queue_ledger *)w->ledger)->waiting--;
    }
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct queue_workload *own = (struct queue_workload *)w;
    struct queue_ledger *ledger = w->ledger;
    const struct queue_op *op = (struct queue_op *)base;
    int64_t id = 0;
    bool there = false;
    ledger->unknown_pops -= op->kind == QUEUE_POP && fate != FATE_UNKNOWN;
    if (op->kind == QUEUE_ACK && fate == FATE_UNKNOWN) {
        item_at(ledger, op->id)->maybe_acked = true;
    }
    if (op->kind == QUEUE_ACK && fate == FATE_NOT && op->op.is_final && op->id < own->next_read) {
        own->next_read = op->id; /* refused for now: asked again */
    }
    if (fate != FATE_DONE) {
        return;
    }
    if (op->kind == QUEUE_PUSH && pdr_value_int(outcome->result, &id)) {
        judge_push(w, op, id);
    } else if (op->kind == QUEUE_ACK && pdr_value_bool(outcome->result, &there)) {
        judge_ack(w, op, there);
    } else if (op->kind == QUEUE_TAKE || op->kind == QUEUE_POP) {
        judge_item(w, op, outcome->result);
    }
}

/* Takes all there is, then asks, by ack, for whatever may be hidden, or dead. What this client has pushed is there by
 * now. */
static bool finish(struct workload *w)
{
    struct queue_workload *own = (struct queue_workload *)w;
    struct queue_ledger *ledger = w->ledger;
    for (int i = 0; i < 8; i++) {
        if (own->taken[i] > 0) {
            int64_t id = own->taken[i];
            own->taken[i] = 0;
            begin(w, QUEUE_ACK, id);
            return false;
        }
    }
    if (!own->drained) {
        begin(w, QUEUE_TAKE, 0);
        return false;
    }
    while (own->next_read <= ledger->highest) {
        int64_t id = own->next_read++;
        if (id > 0 && item_at(ledger, id)->pushed && item_at(ledger, id)->gone_ns == 0) {
            begin(w, QUEUE_ACK, id);
            return false;
        }
    }
    return true;
}

static void judge(struct workload *w)
{
    struct queue_ledger *ledger = w->ledger;
    int64_t missing = 0, one = 0;
    for (int64_t id = 1; id <= ledger->highest; id++) {
        const struct sim_item *item = item_at(ledger, id);
        if (item->pushed && item->gone_ns == 0 && !item->maybe_acked) {
            missing++;
            one = id;
        }
    }
    SIM_CHECK(w->sim, missing <= ledger->unknown_pops,
              "queue: %lld items are gone (item %lld is one), and only %lld pops have no answer", (long long)missing,
              (long long)one, (long long)ledger->unknown_pops);
}

static void open_queue(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 6);
}

static void close_ledger(void *ledger)
{
    mem_free(((struct queue_ledger *)ledger)->items);
}

const struct workload_class workload_queue = {
    .name = "queue",
    .size = sizeof(struct queue_workload),
    .ledger_size = sizeof(struct queue_ledger),
    .op_size = sizeof(struct queue_op),
    .open = open_queue,
    .step = step,
    .ended = ended,
    .finish = finish,
    .judge = judge,
    .close_ledger = close_ledger,
};
