/* tests/simulation/workload_group.c: clients are members of a group, come and go, and are lost.
 *
 * What must hold: views grow, and of one view there is one list of members; a token is of one member; who has left by
 * an answer is in no later list. */
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define NAMES 2 /* of each client */

enum group_kind { GROUP_JOIN, GROUP_HEARTBEAT, GROUP_LEAVE, GROUP_MEMBERS };

struct sim_member {
    uint32_t name;    /* of whom, from 1; 0: nobody knows yet */
    uint64_t left_ns; /* when that was answered; 0: not yet */
};

struct group_ledger {
    uint64_t *lists;            /* of each view, its hash; 0: nobody has seen it */
    struct sim_member *members; /* by token */
    int64_t views_capacity, members_capacity;
    int64_t view; /* highest that was answered */
};

struct group_workload {
    struct workload base;
    int64_t tokens[NAMES];
    bool has_read; /* in finish */
};

struct group_op {
    struct op op;
    enum group_kind kind;
    uint32_t name;
    int64_t token;
    int64_t view; /* when it began */
};

static void *entry(void **table, int64_t *capacity, size_t size, int64_t index)
{
    if (index >= *capacity) {
        int64_t grown = index * 2 + 64;
        *table = mem_grow(*table, (size_t)grown * size);
        memset((char *)*table + (size_t)*capacity * size, 0, (size_t)(grown - *capacity) * size);
        *capacity = grown;
    }
    return (char *)*table + (size_t)index * size;
}

static uint64_t *list_of(struct group_ledger *ledger, int64_t view)
{
    void *table = ledger->lists;
    uint64_t *found = entry(&table, &ledger->views_capacity, sizeof *ledger->lists, view);
    ledger->lists = table;
    return found;
}

static struct sim_member *member_of(struct group_ledger *ledger, int64_t token)
{
    void *table = ledger->members;
    struct sim_member *found = entry(&table, &ledger->members_capacity, sizeof *ledger->members, token);
    ledger->members = table;
    return found;
}

static void begin(struct workload *w, enum group_kind kind)
{
    static const char *const methods[] = {"join", "heartbeat", "leave", "members"};
    struct group_workload *own = (struct group_workload *)w;
    struct group_op *op = op_begin(w);
    pdr_writer *args = &op->op.args;
    char name[32];
    op->kind = kind;
    op->name = (uint32_t)sim_draw(w->sim, NAMES);
    op->token = own->tokens[op->name];
    op->view = ((struct group_ledger *)w->ledger)->view;
    pdr_write_array(args, kind == GROUP_JOIN ? 3 : kind == GROUP_MEMBERS ? 0 : 1);
    if (kind == GROUP_JOIN) {
        snprintf(name, sizeof name, "c%u", w->index * NAMES + op->name);
        pdr_write_cstr(args, name);
        pdr_write_int(args, 1 + (int64_t)sim_draw(w->sim, sim_draw(w->sim, 2) ? 100 : 3000));
        pdr_write_int(args, (int64_t)sim_draw(w->sim, 3));
    } else if (kind != GROUP_MEMBERS) {
        pdr_write_int(args, op->token);
    }
    op_call(&op->op, pdr_str("group/g"), methods[kind]);
}

static void step(struct workload *w)
{
    static const enum group_kind often[] = {GROUP_JOIN,      GROUP_JOIN,  GROUP_HEARTBEAT, GROUP_HEARTBEAT,
                                            GROUP_HEARTBEAT, GROUP_LEAVE, GROUP_MEMBERS,   GROUP_MEMBERS};
    begin(w, often[sim_draw(w->sim, sizeof often / sizeof *often)]);
}

/* An answer shows that `name` is, or was, a member by that token. */
static void judge_token(struct workload *w, const struct group_op *op, int64_t token, uint32_t name)
{
    SIM_CHECK(w->sim, token >= 1, "group: token %lld", (long long)token);
    if (w->sim->failed) {
        return;
    }
    struct sim_member *member = member_of(w->ledger, token);
    SIM_CHECK(w->sim, member->name == 0 || member->name == name + 1, "group: token %lld was given to %u and %u",
              (long long)token, member->name - 1, name);
    SIM_CHECK(w->sim, member->left_ns == 0 || op->op.begun_ns <= member->left_ns,
              "group: %u is a member by token %lld, but had left before the call", name, (long long)token);
    member->name = name + 1;
}

static void judge_members(struct workload *w, const struct group_op *op, int64_t view, pdr_value members)
{
    struct pdr_bytes rest = pdr_value_items(members);
    uint64_t hash = hash_bytes(members, 0) | 1;
    uint64_t *known = list_of(w->ledger, view);
    SIM_CHECK(w->sim, *known == 0 || *known == hash, "group: there are two lists of members of view %lld",
              (long long)view);
    *known = hash;
    while (rest.size > 0 && !w->sim->failed) {
        pdr_value member = pdr_value_next(&rest);
        struct pdr_bytes name = pdr_str("c0");
        int64_t token = 0;
        pdr_value_bytes(pdr_value_at(member, 0), &name);
        pdr_value_int(pdr_value_at(member, 1), &token);
        judge_token(w, op, token, (uint32_t)(((const char *)name.data)[1] - '0'));
    }
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct group_workload *own = (struct group_workload *)w;
    struct group_ledger *ledger = w->ledger;
    const struct group_op *op = (struct group_op *)base;
    int64_t token = op->token, view = 0;
    if (fate != FATE_DONE) {
        return;
    }
    if (pdr_value_int(pdr_value_get(outcome->result, "view"), &view)) {
        SIM_CHECK(w->sim, view >= op->view, "group: view %lld, but %lld was answered before the call", (long long)view,
                  (long long)op->view);
        ledger->view = view > ledger->view ? view : ledger->view;
    }
    if (w->sim->failed) {
        return;
    }
    if (op->kind == GROUP_MEMBERS) {
        judge_members(w, op, view, pdr_value_get(outcome->result, "members"));
        own->has_read |= base->is_final;
        return;
    }
    pdr_value_int(pdr_value_get(outcome->result, "token"), &token); /* of a join */
    own->tokens[op->name] = token > own->tokens[op->name] ? token : own->tokens[op->name];
    judge_token(w, op, token, w->index * NAMES + op->name);
    if (op->kind == GROUP_LEAVE && !w->sim->failed) {
        member_of(ledger, token)->left_ns = w->sim->now_ns;
    }
}

static bool finish(struct workload *w)
{
    if (((struct group_workload *)w)->has_read) {
        return true;
    }
    begin(w, GROUP_MEMBERS);
    return false;
}

static void open_group(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 3);
}

static void close_ledger(void *user)
{
    struct group_ledger *ledger = user;
    mem_free(ledger->lists);
    mem_free(ledger->members);
}

const struct workload_class workload_group = {
    .name = "group",
    .size = sizeof(struct group_workload),
    .ledger_size = sizeof(struct group_ledger),
    .op_size = sizeof(struct group_op),
    .open = open_group,
    .step = step,
    .ended = ended,
    .finish = finish,
    .close_ledger = close_ledger,
};
