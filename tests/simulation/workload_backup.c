/* tests/simulation/workload_backup.c: backups of the node while it works. What was acknowledged before one began is in
 * it, nothing that was never asked for, and no effect without its cause: pairs of actors, of which the first writes a
 * token and then hands it to the second, by a call (which it waits for) or by a tell. */
#include "tests/simulation/workload.h"

#define PAIRS 8

enum side { FIRST, SECOND };

struct pair {
    int64_t sent, stepped, passed; /* tokens: the newest; the newest that was acknowledged, by call and by tell */
};

struct backup_op {
    struct op op;
    bool is_backup, is_step;
    uint32_t pair;
    int64_t token;
    struct pair least[PAIRS]; /* when it began */
    char directory[48];
};

struct backup_workload {
    struct workload base;
    struct pair pairs[PAIRS];
    uint64_t backups;
    bool backed_up; /* in finish */
};

static void name_of(const struct workload *w, char *text, size_t size, enum side side, uint32_t pair)
{
    snprintf(text, size, "sim_step/k%c%u-%u", "ab"[side], w -> index, pair);
}

static void begin_token(struct backup_workload *own)
{
    struct backup_op *op = op_begin(&own->base);
    char first[32], second[32];
    op->pair = (uint32_t)sim_draw(own->base.sim, PAIRS);
    op->is_step = sim_chance(own->base.sim, 70);
    op->token = ++own->pairs[op->pair].sent;
    name_of(&own->base, first, sizeof first, FIRST, op->pair);
    name_of(&own->base, second, sizeof second, SECOND, op->pair);
    pdr_write_array(&op->op.args, 2);
    pdr_write_int(&op->op.args, op->token);
    pdr_write_cstr(&op->op.args, second);
    op_call(&op->op, pdr_str(first), op->is_step ? "step" : "pass");
}

static void begin_backup(struct backup_workload *own)
{
    struct backup_op *op = op_begin(&own->base);
    op->is_backup = true;
    memcpy(op->least, own->pairs, sizeof op->least);
    snprintf(op->directory, sizeof op->directory, "/b%u-%llu", own->base.index, (unsigned long long)++own->backups);
    pdr_write_array(&op->op.args, 1);
    pdr_write_cstr(&op->op.args, op->directory);
    op_call(&op->op, pdr_str("_sys/node"), "backup");
}

static void step(struct workload *w)
{
    struct backup_workload *own = (struct backup_workload *)w;
    if (sim_chance(w->sim, 10)) {
        begin_backup(own);
    } else {
        begin_token(own);
    }
}

static void judge_pair(struct backup_workload *own, const struct pair *least, uint32_t pair)
{
    const struct sim_backup *backup = &own->base.node->backup;
    struct sim *sim = own->base.sim;
    char first[32], second[32];
    name_of(&own->base, first, sizeof first, FIRST, pair);
    name_of(&own->base, second, sizeof second, SECOND, pair);
    long long before = sim_backup_number(backup, first, "before"), passed = sim_backup_number(backup, first, "passed"),
              seen = sim_backup_number(backup, second, "seen"), taken = sim_backup_number(backup, second, "taken");
    SIM_CHECK(sim, before >= least->stepped && passed >= least->passed && seen >= least->stepped,
              "backup: %s has %lld and %lld, %s saw %lld; %lld and %lld were acknowledged before it began", first,
              before, passed, second, seen, (long long)least->stepped, (long long)least->passed);
    SIM_CHECK(sim, before <= own->pairs[pair].sent && passed <= own->pairs[pair].sent,
              "backup: %s has %lld and %lld, and %lld is the last token", first, before, passed,
              (long long)own->pairs[pair].sent);
    SIM_CHECK(sim, seen <= before, "backup: %s saw %lld, and %s has made calls up to %lld", second, seen, first,
              before);
    SIM_CHECK(sim, taken <= passed, "backup: %s was told %lld, and %s told up to %lld", second, taken, first, passed);
}

static void judge_backup(struct backup_workload *own, const struct backup_op *op)
{
    for (uint32_t i = 0; i < PAIRS && strcmp(own->base.node->backup.directory, op->directory) == 0; i++) {
        judge_pair(own, &op->least[i], i); /* unless there has been another backup since */
    }
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct backup_workload *own = (struct backup_workload *)w;
    const struct backup_op *op = (const struct backup_op *)base;
    if (fate != FATE_DONE) {
        return;
    }
    if (op->is_backup) {
        judge_backup(own, op);
        own->backed_up = op->op.is_final;
        return;
    }
    int64_t *newest = op->is_step ? &own->pairs[op->pair].stepped : &own->pairs[op->pair].passed;
    *newest = op->token > *newest ? op->token : *newest;
}

static bool finish(struct workload *w)
{
    struct backup_workload *own = (struct backup_workload *)w;
    if (!own->backed_up) {
        begin_backup(own);
    }
    return own->backed_up;
}

static void open_backup(struct workload *w)
{
    w->outstanding_max = 8;
    w->think_ns = 2 * NS_PER_MS;
}

const struct workload_class workload_backup = {
    .name = "backup",
    .size = sizeof(struct backup_workload),
    .op_size = sizeof(struct backup_op),
    .open = open_backup,
    .step = step,
    .ended = ended,
    .finish = finish,
};
