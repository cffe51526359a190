/* tests/simulation/workload_bank.c: turns are atomic. Each client moves money between accounts of a few banks, each
 * move writing six keys; some moves break the rules and then fail. An audit between any two turns finds the sum 0 and
 * the stamps of one and the same move; and no stamp that belongs to a move that failed. */
#include "tests/simulation/sim_types.h"
#include "tests/simulation/workload.h"

#define BANKS 3
#define STAMPS_MAX (1u << 16)

enum bank_kind { BANK_MOVE, BANK_SPOIL, BANK_AUDIT };

struct bank_ledger {
    int64_t next_stamp;
    uint8_t forbidden[STAMPS_MAX / 8]; /* stamps of moves that certainly did not happen */
};

struct bank_workload {
    struct workload base;
    uint32_t next_read;
};

struct bank_op {
    struct op op;
    enum bank_kind kind;
    uint32_t bank;
    int64_t stamp;
};

static bool begin(struct workload *w, uint32_t bank, enum bank_kind kind)
{
    static const char *const methods[] = {"move", "spoil", "audit"};
    struct bank_ledger *ledger = w->ledger;
    struct bank_op *op = op_begin(w);
    pdr_writer *args = &op->op.args;
    char name[64];
    op->bank = bank;
    op->kind = kind;
    op->stamp = kind == BANK_AUDIT ? 0 : ++ledger->next_stamp % STAMPS_MAX;
    if (kind == BANK_MOVE) {
        pdr_write_array(args, 5);
        pdr_write_int(args, (int64_t)sim_draw(w->sim, SIM_BANK_ACCOUNTS));
        pdr_write_int(args, (int64_t)sim_draw(w->sim, SIM_BANK_ACCOUNTS));
        pdr_write_int(args, (int64_t)sim_draw(w->sim, 1000));
        pdr_write_int(args, op->stamp);
        pdr_write_int(args, sim_chance(w->sim, 60) ? (int64_t)sim_draw(w->sim, 4000) : 8);
    } else if (kind == BANK_SPOIL) {
        pdr_write_array(args, 3);
        pdr_write_int(args, (int64_t)sim_draw(w->sim, SIM_BANK_ACCOUNTS));
        pdr_write_int(args, 1 + (int64_t)sim_draw(w->sim, 1000));
        pdr_write_int(args, op->stamp);
    } else {
        pdr_write_array(args, 0);
    }
    int size = snprintf(name, sizeof name, "sim_bank/b%u", bank);
    return op_call(&op->op, pdr_bytes(name, (size_t)size), methods[kind]);
}

static void step(struct workload *w)
{
    uint64_t drawn = sim_draw(w->sim, 100);
    begin(w, (uint32_t)sim_draw(w->sim, BANKS), drawn < 60 ? BANK_MOVE : drawn < 75 ? BANK_SPOIL : BANK_AUDIT);
}

static void forbid(struct bank_ledger *ledger, int64_t stamp)
{
    ledger->forbidden[stamp / 8] |= (uint8_t)(1u << (stamp % 8));
}

static void judge_audit(struct workload *w, const struct bank_op *op, pdr_value found)
{
    const struct bank_ledger *ledger = w->ledger;
    int64_t n[5] = {0};
    for (uint32_t i = 0; i < 5; i++) {
        pdr_value_int(pdr_value_at(found, i), &n[i]);
    }
    SIM_CHECK(w->sim, pdr_value_count(found) == 5 && n[0] == 0, "bank %u: the sum of the accounts is %lld, not 0",
              op->bank, (long long)n[0]);
    SIM_CHECK(w->sim, n[1] == n[2], "bank %u: half a move is there: stamps %lld and %lld", op->bank, (long long)n[1],
              (long long)n[2]);
    SIM_CHECK(w->sim, n[3] == n[4] && n[3] == (n[1] == 0 ? -1 : (n[1] & 0xff)),
              "bank %u: rows of stamp %lld hold %lld and %lld", op->bank, (long long)n[1], (long long)n[3],
              (long long)n[4]);
    SIM_CHECK(w->sim, n[1] < 0 || n[1] >= STAMPS_MAX || (ledger->forbidden[n[1] / 8] >> (n[1] % 8) & 1) == 0,
              "bank %u: move %lld failed, but what it wrote is there", op->bank, (long long)n[1]);
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    const struct bank_op *op = (struct bank_op *)base;
    struct bank_workload *own = (struct bank_workload *)w;
    if (op->kind == BANK_AUDIT) {
        if (fate == FATE_DONE) {
            judge_audit(w, op, outcome->result);
            own->next_read += op->op.is_final;
        }
        return;
    }
    SIM_CHECK(w->sim, op->kind == BANK_MOVE || fate != FATE_DONE,
              "bank %u: a call that fails was answered with success", op->bank);
    if (fate == FATE_NOT) {
        forbid(w->ledger, op->stamp);
    }
}

static bool finish(struct workload *w)
{
    struct bank_workload *own = (struct bank_workload *)w;
    if (own->next_read == BANKS) {
        return true;
    }
    begin(w, own->next_read, BANK_AUDIT);
    return false;
}

static void open_bank(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 8);
}

static void judge(struct workload *w)
{
    SIM_CHECK(w->sim, ((struct bank_ledger *)w->ledger)->next_stamp < STAMPS_MAX, "bank: more moves than stamps");
}

const struct workload_class workload_bank = {
    .name = "sim_bank",
    .size = sizeof(struct bank_workload),
    .ledger_size = sizeof(struct bank_ledger),
    .op_size = sizeof(struct bank_op),
    .open = open_bank,
    .step = step,
    .ended = ended,
    .finish = finish,
    .judge = judge,
};
