/* tests/simulation/workload_semaphore.c: clients share a few semaphores, each under two names.
 *
 * As with locks (workload_lock.c) nobody can say how long a lease lasts. What must hold: a token is of one name and one
 * number of permits; what was released is over; those who hold never have more permits than there are. */
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define SEMAPHORES 2
#define NAMES 2
#define PERMITS 4

enum semaphore_kind { SEM_RESIZE, SEM_ACQUIRE, SEM_RENEW, SEM_RELEASE, SEM_CHECK, SEM_LEAVE, SEM_HOLDERS };

struct sim_permits {
    uint32_t name; /* of whom, from 1; 0: nobody knows yet */
    int64_t permits;
    uint64_t released_ns; /* when a release was answered; 0: not yet */
};

struct sim_semaphore {
    struct sim_permits *tokens;
    int64_t capacity;
};

struct semaphore_ledger {
    struct sim_semaphore semaphores[SEMAPHORES];
};

struct semaphore_workload {
    struct workload base;
    bool sized[SEMAPHORES];
    int64_t tokens[SEMAPHORES][NAMES], permits[SEMAPHORES][NAMES]; /* the last it was given */
    uint32_t next_read;                                            /* in finish */
};

struct semaphore_op {
    struct op op;
    enum semaphore_kind kind;
    uint32_t semaphore, name; /* which of its own */
    int64_t token, permits;
};

static void write_args(struct workload *w, struct semaphore_op *op)
{
    static const uint32_t counts[] = {1, 4, 1, 1, 1, 1, 0};
    pdr_writer *args = &op->op.args;
    char name[32];
    snprintf(name, sizeof name, "c%u", w->index * NAMES + op->name);
    pdr_write_array(args, counts[op->kind]);
    if (op->kind == SEM_ACQUIRE) {
        pdr_write_cstr(args, name);
        pdr_write_int(args, op->permits);
        pdr_write_int(args, 1 + (int64_t)sim_draw(w->sim, sim_draw(w->sim, 2) ? 30 : 3000));
        pdr_write_int(args, sim_draw(w->sim, 2) ? (int64_t)sim_draw(w->sim, 2000) : 0);
    } else if (op->kind == SEM_LEAVE) {
        pdr_write_cstr(args, name);
    } else if (op->kind != SEM_HOLDERS) {
        pdr_write_int(args, op->kind == SEM_RESIZE ? PERMITS : op->token);
    }
}

static void begin(struct workload *w, uint32_t number, enum semaphore_kind kind)
{
    static const char *const methods[] = {"resize", "acquire", "renew", "release", "check", "leave", "holders"};
    struct semaphore_workload *own = (struct semaphore_workload *)w;
    struct semaphore_op *op = op_begin(w);
    char text[32];
    op->kind = kind;
    op->semaphore = number;
    op->name = (uint32_t)sim_draw(w->sim, NAMES);
    op->token = own->tokens[number][op->name];
    op->permits = kind == SEM_ACQUIRE ? 1 + (int64_t)sim_draw(w->sim, PERMITS) : own->permits[number][op->name];
    write_args(w, op);
    int size = snprintf(text, sizeof text, "semaphore/s%u", number);
    op_call(&op->op, pdr_bytes(text, (size_t)size), methods[kind]);
}

static void step(struct workload *w)
{
    static const enum semaphore_kind often[] = {SEM_ACQUIRE, SEM_ACQUIRE, SEM_ACQUIRE, SEM_ACQUIRE, SEM_RELEASE,
                                                SEM_RELEASE, SEM_RENEW,   SEM_CHECK,   SEM_LEAVE,   SEM_HOLDERS};
    uint32_t number = (uint32_t)sim_draw(w->sim, SEMAPHORES);
    bool sized = ((struct semaphore_workload *)w)->sized[number];
    begin(w, number, sized ? often[sim_draw(w->sim, sizeof often / sizeof *often)] : SEM_RESIZE);
}

static struct sim_permits *token_at(struct sim_semaphore *s, int64_t token)
{
    if (token >= s->capacity) {
        int64_t capacity = token * 2 + 16;
        s->tokens = mem_grow(s->tokens, (size_t)capacity * sizeof *s->tokens);
        memset(s->tokens + s->capacity, 0, (size_t)(capacity - s->capacity) * sizeof *s->tokens);
        s->capacity = capacity;
    }
    return &s->tokens[token];
}

/* An answer shows that `name` holds, or held, by that token. */
static void judge_token(struct workload *w, const struct semaphore_op *op, int64_t token, uint32_t name,
                        int64_t permits)
{
    SIM_CHECK(w->sim, token >= 1 && permits >= 1 && permits <= PERMITS, "semaphore %u: token %lld has %lld permits",
              op->semaphore, (long long)token, (long long)permits);
    if (w->sim->failed) {
        return;
    }
    struct sim_permits *known = token_at(&((struct semaphore_ledger *)w->ledger)->semaphores[op->semaphore], token);
    SIM_CHECK(w->sim, known->name == 0 || (known->name == name + 1 && known->permits == permits),
              "semaphore %u: token %lld was given to %u for %lld, and to %u for %lld", op->semaphore, (long long)token,
              known->name - 1, (long long)known->permits, name, (long long)permits);
    SIM_CHECK(w->sim, known->released_ns == 0 || op->op.begun_ns <= known->released_ns,
              "semaphore %u: token %lld holds, but was released before the call", op->semaphore, (long long)token);
    known->name = name + 1;
    known->permits = permits;
}

static void judge_holders(struct workload *w, const struct semaphore_op *op, pdr_value result)
{
    struct pdr_bytes rest = pdr_value_items(pdr_value_get(result, "holders"));
    int64_t sum = 0;
    while (rest.size > 0 && !w->sim->failed) {
        pdr_value row = pdr_value_next(&rest);
        struct pdr_bytes name = pdr_str("c0");
        int64_t token = 0, permits = 0;
        pdr_value_bytes(pdr_value_get(row, "holder"), &name);
        pdr_value_int(pdr_value_get(row, "token"), &token);
        pdr_value_int(pdr_value_get(row, "permits"), &permits);
        sum += permits;
        judge_token(w, op, token, (uint32_t)(((const char *)name.data)[1] - '0'), permits);
    }
    SIM_CHECK(w->sim, sum <= PERMITS, "semaphore %u: %lld permits are held, of %d", op->semaphore, (long long)sum,
              PERMITS);
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct semaphore_workload *own = (struct semaphore_workload *)w;
    const struct semaphore_op *op = (struct semaphore_op *)base;
    struct sim_semaphore *s = &((struct semaphore_ledger *)w->ledger)->semaphores[op->semaphore];
    uint32_t name = w->index * NAMES + op->name;
    int64_t token = op->token;
    bool yes = false;
    if (fate != FATE_DONE) {
        return;
    }
    if (op->kind == SEM_RESIZE) {
        own->sized[op->semaphore] = true;
    } else if (op->kind == SEM_ACQUIRE) {
        if (pdr_value_int(pdr_value_get(outcome->result, "token"), &token)) { /* else it waits */
            if (token > own->tokens[op->semaphore][op->name]) {
                own->tokens[op->semaphore][op->name] = token;
                own->permits[op->semaphore][op->name] = op->permits;
            }
            judge_token(w, op, token, name, op->permits);
        }
    } else if (op->kind == SEM_HOLDERS) {
        judge_holders(w, op, outcome->result);
        own->next_read += base->is_final;
    } else if (op->kind != SEM_LEAVE && (op->kind != SEM_CHECK || (pdr_value_bool(outcome->result, &yes) && yes))) {
        judge_token(w, op, token, name, op->permits);
        if (op->kind == SEM_RELEASE && !w->sim->failed) {
            token_at(s, token)->released_ns = w->sim->now_ns;
        }
    }
}

static bool finish(struct workload *w)
{
    struct semaphore_workload *own = (struct semaphore_workload *)w;
    if (own->next_read == SEMAPHORES) {
        return true;
    }
    begin(w, own->next_read, SEM_HOLDERS);
    return false;
}

static void open_semaphore(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 3);
}

static void close_ledger(void *user)
{
    struct semaphore_ledger *ledger = user;
    for (uint32_t i = 0; i < SEMAPHORES; i++) {
        mem_free(ledger->semaphores[i].tokens);
    }
}

const struct workload_class workload_semaphore = {
    .name = "semaphore",
    .size = sizeof(struct semaphore_workload),
    .ledger_size = sizeof(struct semaphore_ledger),
    .op_size = sizeof(struct semaphore_op),
    .open = open_semaphore,
    .step = step,
    .ended = ended,
    .finish = finish,
    .close_ledger = close_ledger,
};
