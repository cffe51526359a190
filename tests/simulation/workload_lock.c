/* tests/simulation/workload_lock.c: clients share a few locks, alone or together.
 *
 * Leases end when the node's clock says so, and that jumps; so nobody can say how long one lasts. What must hold: a
 * token has one holder, who has it alone or shares it; once a token was answered of which one had the lock alone, no
 * older one holds any more; once any was answered, no older one holds alone; what was released is over; who has it
 * alone is the only one; and the first of the line never fits beside those who hold. */
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define LOCKS 3

enum lock_kind {
    LOCK_ACQUIRE,
    LOCK_SHARE,
    LOCK_RENEW,
    LOCK_RELEASE,
    LOCK_CHECK,
    LOCK_LEAVE,
    LOCK_HOLDER,
    LOCK_HOLDERS,
};

struct sim_token {
    uint32_t holder; /* the client, from 1; 0: nobody knows yet */
    bool is_shared;
    uint64_t released_ns; /* when a release was answered; 0: not yet */
};

struct sim_lock {
    struct sim_token *tokens;
    int64_t capacity;
    int64_t highest, highest_alone; /* that were answered */
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
    int64_t highest, highest_alone; /* of the lock, when it began */
};

static void begin(struct workload *w, uint32_t number, enum lock_kind kind)
{
    static const char *const methods[] = {"acquire", "acquire_shared", "renew",  "release",
                                          "check",   "leave",          "holder", "holders"};
    struct lock_workload *own = (struct lock_workload *)w;
    const struct sim_lock *lock = &((struct lock_ledger *)w->ledger)->locks[number];
    struct lock_op *op = op_begin(w);
    pdr_writer *args = &op->op.args;
    bool asks = kind <= LOCK_SHARE;
    char text[32];
    op->kind = kind;
    op->lock = number;
    op->token = own->tokens[number];
    op->highest = lock->highest;
    op->highest_alone = lock->highest_alone;
    pdr_write_array(args, asks ? 3 : kind >= LOCK_HOLDER ? 0 : 1);
    if (asks || kind == LOCK_LEAVE) {
        snprintf(text, sizeof text, "c%u", w->index);
        pdr_write_cstr(args, text);
    } else if (kind < LOCK_HOLDER) {
        pdr_write_int(args, op->token);
    }
    if (asks) {
        pdr_write_int(args, 1 + (int64_t)sim_draw(w->sim, sim_draw(w->sim, 2) ? 30 : 3000));
        pdr_write_int(args, sim_draw(w->sim, 2) ? (int64_t)sim_draw(w->sim, 2000) : 0);
    }
    int size = snprintf(text, sizeof text, "lock/l%u", number);
    op_call(&op->op, pdr_bytes(text, (size_t)size), methods[kind]);
}

static void step(struct workload *w)
{
    static const enum lock_kind often[] = {LOCK_ACQUIRE, LOCK_ACQUIRE, LOCK_SHARE,   LOCK_SHARE,
                                           LOCK_SHARE,   LOCK_RELEASE, LOCK_RELEASE, LOCK_RENEW,
                                           LOCK_CHECK,   LOCK_LEAVE,   LOCK_HOLDER,  LOCK_HOLDERS};
    begin(w, (uint32_t)sim_draw(w->sim, LOCKS), often[sim_draw(w->sim, sizeof often / sizeof *often)]);
}

static struct sim_token *token_at(struct sim_lock *lock, int64_t token)
{
    if (token >= lock->capacity) {
        int64_t capacity = token * 2 + 16;
        lock->tokens = mem_grow(lock->tokens, (size_t)capacity * sizeof *lock->tokens);
        memset(lock->tokens + lock->capacity, 0, (size_t)(capacity - lock->capacity) * sizeof *lock->tokens);
        lock->capacity = capacity;
    }
    return &lock->tokens[token];
}

/* An answer shows that `client` holds, or held, by that token. */
static void judge_token(struct workload *w, const struct lock_op *op, int64_t token, uint32_t client, bool is_shared)
{
    struct sim_lock *lock = &((struct lock_ledger *)w->ledger)->locks[op->lock];
    SIM_CHECK(w->sim, token >= op->highest_alone && (is_shared || token >= op->highest) && token >= 1,
              "lock %u: token %lld holds%s, but %lld was answered before the call, and %lld of one who had it alone",
              op->lock, (long long)token, is_shared ? "" : " alone", (long long)op->highest,
              (long long)op->highest_alone);
    if (w->sim->failed) {
        return;
    }
    struct sim_token *known = token_at(lock, token);
    SIM_CHECK(w->sim, known->holder == 0 || (known->holder == client + 1 && known->is_shared == is_shared),
              "lock %u: token %lld was given to clients %u and %u, or both ways", op->lock, (long long)token,
              known->holder - 1, client);
    SIM_CHECK(w->sim, known->released_ns == 0 || op->op.begun_ns <= known->released_ns,
              "lock %u: token %lld holds, but was released before the call", op->lock, (long long)token);
    known->holder = client + 1;
    known->is_shared = is_shared;
    lock->highest = token > lock->highest ? token : lock->highest;
    lock->highest_alone = !is_shared && token > lock->highest_alone ? token : lock->highest_alone;
}

static uint32_t client_of(struct pdr_bytes name)
{
    return (uint32_t)(((const char *)name.data)[1] - '0');
}

static void judge_holder(struct workload *w, const struct lock_op *op, pdr_value result)
{
    struct pdr_bytes name;
    int64_t token = 0;
    if (pdr_value_bytes(pdr_value_get(result, "holder"), &name)) {
        pdr_value_int(pdr_value_get(result, "token"), &token);
        judge_token(w, op, token, client_of(name), false);
    }
}

static bool is_shared_row(pdr_value row)
{
    struct pdr_bytes mode;
    return pdr_value_bytes(pdr_value_get(row, "mode"), &mode) && pdr_bytes_equal(mode, pdr_str("shared"));
}

static void judge_holders(struct workload *w, const struct lock_op *op, pdr_value result)
{
    pdr_value holders = pdr_value_get(result, "holders"), waiting = pdr_value_get(result, "waiting");
    uint32_t count = pdr_value_count(holders), alone = 0;
    for (uint32_t i = 0; i < count && !w->sim->failed; i++) {
        pdr_value row = pdr_value_at(holders, i);
        struct pdr_bytes name = pdr_str("c0");
        int64_t token = 0;
        pdr_value_bytes(pdr_value_get(row, "holder"), &name);
        pdr_value_int(pdr_value_get(row, "token"), &token);
        alone += !is_shared_row(row);
        judge_token(w, op, token, client_of(name), is_shared_row(row));
    }
    SIM_CHECK(w->sim, alone == 0 || count == 1, "lock %u: %u of %u holders have it alone", op->lock, alone, count);
    SIM_CHECK(w->sim,
              pdr_value_count(waiting) == 0 || count == 0 || alone > 0 || !is_shared_row(pdr_value_at(waiting, 0)),
              "lock %u: %u share it, and the first of the line, who would, too, is not served", op->lock, count);
}

static bool is_true(pdr_value result)
{
    bool yes = false;
    return pdr_value_bool(result, &yes) && yes;
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct lock_workload *own = (struct lock_workload *)w;
    const struct lock_op *op = (struct lock_op *)base;
    struct sim_lock *lock = &((struct lock_ledger *)w->ledger)->locks[op->lock];
    int64_t token = op->token;
    if (fate != FATE_DONE) {
        return;
    }
    if (op->kind <= LOCK_SHARE) {
        if (pdr_value_int(pdr_value_get(outcome->result, "token"), &token)) { /* else it waits */
            own->tokens[op->lock] = token > own->tokens[op->lock] ? token : own->tokens[op->lock];
            judge_token(w, op, token, w->index, op->kind == LOCK_SHARE);
        }
    } else if (op->kind == LOCK_RENEW || op->kind == LOCK_RELEASE ||
               (op->kind == LOCK_CHECK && is_true(outcome->result))) {
        judge_token(w, op, token, w->index, token < lock->capacity && lock->tokens[token].is_shared);
        if (op->kind == LOCK_RELEASE && !w->sim->failed) {
            token_at(lock, token)->released_ns = w->sim->now_ns;
        }
    } else if (op->kind == LOCK_HOLDER) {
        judge_holder(w, op, outcome->result);
    } else if (op->kind == LOCK_HOLDERS) {
        judge_holders(w, op, outcome->result);
        own->next_read += base->is_final;
    }
}

static bool finish(struct workload *w)
{
    struct lock_workload *own = (struct lock_workload *)w;
    if (own->next_read == LOCKS) {
        return true;
    }
    begin(w, own->next_read, LOCK_HOLDERS);
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
        mem_free(ledger->locks[i].tokens);
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
