/* tests/simulation/workload_lock.c: clients share a few locks.
 *
 * Leases end when the node's clock says so, and that jumps; so nobody can say how long one lasts. What must hold: a
 * token has one holder; tokens grow; once a token was answered no older one is current any more, nor can be renewed or
 * released; what was released is over. */
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define LOCKS 3

enum lock_kind { LOCK_ACQUIRE, LOCK_RENEW, LOCK_RELEASE, LOCK_CHECK, LOCK_HOLDER, LOCK_KINDS };

struct sim_lock {
    uint32_t *holders; /* of each token: the client, from 1; 0: nobody knows yet */
    int64_t capacity;
    int64_t highest;  /* token that was answered */
    int64_t released; /* highest of which a release was answered */
};

struct lock_ledger {
    struct sim_lock locks[LOCKS];
};

struct lock_workload {
    struct workload base;
    int64_t tokens[LOCKS]; /* the last it was given */
    uint32_t next_read;    /* in finish */
};

struct lock_op {
    struct op op;
    enum lock_kind kind;
    uint32_t lock;
    int64_t token;
    int64_t floor, released; /* of the lock, when it began */
};

static void begin(struct workload *w, uint32_t number, enum lock_kind kind)
{
    static const char *const methods[] = {"acquire", "renew", "release", "check", "holder"};
    struct lock_workload *own = (struct lock_workload *)w;
    const struct sim_lock *lock = &((struct lock_ledger *)w->ledger)->locks[number];
    struct lock_op *op = op_begin(w);
    pdr_writer *args = &op->op.args;
    char text[32];
    op->kind = kind;
    op->lock = number;
    op->token = own->tokens[number];
    op->floor = lock->highest;
    op->released = lock->released;
    pdr_write_array(args, kind == LOCK_ACQUIRE ? 3 : kind == LOCK_HOLDER ? 0 : 1);
    if (kind == LOCK_ACQUIRE) {
        snprintf(text, sizeof text, "c%u", w->index);
        pdr_write_cstr(args, text);
        pdr_write_int(args, 1 + (int64_t)sim_draw(w->sim, sim_draw(w->sim, 2) ? 30 : 3000));
        pdr_write_int(args, sim_draw(w->sim, 2) ? (int64_t)sim_draw(w->sim, 2000) : 0);
    } else if (kind != LOCK_HOLDER) {
        pdr_write_int(args, op->token);
    }
    int size = snprintf(text, sizeof text, "lock/l%u", number);
    op_call(&op->op, pdr_bytes(text, (size_t)size), methods[kind]);
}

static void step(struct workload *w)
{
    static const enum lock_kind often[] = {LOCK_ACQUIRE, LOCK_ACQUIRE, LOCK_ACQUIRE, LOCK_RELEASE,
                                           LOCK_RELEASE, LOCK_RENEW,   LOCK_CHECK,   LOCK_HOLDER};
    begin(w, (uint32_t)sim_draw(w->sim, LOCKS), often[sim_draw(w->sim, sizeof often / sizeof *often)]);
}

/* An answer shows that `client` has, or had, that token. */
static void judge_token(struct workload *w, const struct lock_op *op, int64_t token, uint32_t client)
{
    struct sim_lock *lock = &((struct lock_ledger *)w->ledger)->locks[op->lock];
    SIM_CHECK(w->sim, token >= op->floor && token > op->released,
              "lock %u: token %lld is current, but %lld was answered and %lld was released before the call", op->lock,
              (long long)token, (long long)op->floor, (long long)op->released);
    if (token < 1 || w->sim->failed) {
        return;
    }
    if (token >= lock->capacity) {
        int64_t capacity = token * 2 + 16;
        lock->holders = mem_grow(lock->holders, (size_t)capacity * sizeof *lock->holders);
        memset(lock->holders + lock->capacity, 0, (size_t)(capacity - lock->capacity) * sizeof *lock->holders);
        lock->capacity = capacity;
    }
    SIM_CHECK(w->sim, lock->holders[token] == 0 || lock->holders[token] == client + 1,
              "lock %u: token %lld was given to clients %u and %u", op->lock, (long long)token,
              lock->holders[token] - 1, client);
    lock->holders[token] = client + 1;
    lock->highest = token > lock->highest ? token : lock->highest;
}

static void judge_holder(struct workload *w, const struct lock_op *op, pdr_value result)
{
    struct pdr_bytes name;
    int64_t token = 0;
    if (!pdr_value_bytes(pdr_value_get(result, "holder"), &name)) {
        return; /* free */
    }
    pdr_value_int(pdr_value_get(result, "token"), &token);
    judge_token(w, op, token, (uint32_t)(((const char *)name.data)[1] - '0'));
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct lock_workload *own = (struct lock_workload *)w;
    struct sim_lock *locks = ((struct lock_ledger *)w->ledger)->locks;
    const struct lock_op *op = (struct lock_op *)base;
    int64_t token = op->token;
    bool is_current = false;
    if (fate != FATE_DONE) {
        return;
    }
    switch (op->kind) {
    case LOCK_ACQUIRE:
        if (!pdr_value_int(pdr_value_get(outcome->result, "token"), &token)) {
            break; /* it waits */
        }
        own->tokens[op->lock] = token > own->tokens[op->lock] ? token : own->tokens[op->lock];
        judge_token(w, op, token, w->index);
        break;
    case LOCK_RENEW:
        judge_token(w, op, token, w->index);
        break;
    case LOCK_RELEASE:
        judge_token(w, op, token, w->index);
        locks[op->lock].released = token > locks[op->lock].released ? token : locks[op->lock].released;
        break;
    case LOCK_CHECK:
        if (pdr_value_bool(outcome->result, &is_current) && is_current) {
            judge_token(w, op, token, w->index);
        }
        break;
    default:
        judge_holder(w, op, outcome->result);
        own->next_read += base->is_final;
    }
}

static bool finish(struct workload *w)
{
    struct lock_workload *own = (struct lock_workload *)w;
    if (own->next_read == LOCKS) {
        return true;
    }
    begin(w, own->next_read, LOCK_HOLDER);
    return false;
}

static void open_lock(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 3);
}

static void close_ledger(void *user)
{
    struct lock_ledger *ledger = user;
    for (uint32_t i = 0; i < LOCKS; i++) {
        mem_free(ledger->locks[i].holders);
    }
}

const struct workload_class workload_lock = {
    .name = "lock",
    .size = sizeof(struct lock_workload),
    .ledger_size = sizeof(struct lock_ledger),
    .op_size = sizeof(struct lock_op),
    .open = open_lock,
    .step = step,
    .ended = ended,
    .finish = finish,
    .close_ledger = close_ledger,
};
