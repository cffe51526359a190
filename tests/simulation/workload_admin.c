/* tests/simulation/workload_admin.c: looks at the node while it works: status, types, metrics, ps page by page. A walk
 * through all pages names every actor that had answered a write before the walk began, in order and once, active or
 * passive. */
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define ACTORS 12
#define PAGE 5

enum admin_kind { ADMIN_ADD, ADMIN_STATUS, ADMIN_TYPES, ADMIN_METRICS, ADMIN_PS };

struct admin_op {
    struct op op;
    enum admin_kind kind;
    uint32_t actor;
};

struct admin_workload {
    struct workload base;
    bool begun[ACTORS], written[ACTORS];
    /* the walk */
    bool walking, wanted[ACTORS], seen[ACTORS];
    char cursor[64];
    bool walked; /* in finish */
};

static struct pdr_bytes name_of(const struct workload *w, char *text, size_t size, uint32_t actor)
{
    int length = snprintf(text, size, "counter/adm%u-%02u", w->index, actor);
    return pdr_bytes(text, (size_t)length);
}

static void begin_walk(struct admin_workload *own)
{
    own->walking = true;
    own->cursor[0] = 0;
    memcpy(own->wanted, own->written, sizeof own->wanted);
    memset(own->seen, 0, sizeof own->seen);
}

static void begin_ps(struct admin_workload *own)
{
    struct admin_op *op = op_begin(&own->base);
    char prefix[64];
    if (!own->walking) {
        begin_walk(own);
    }
    op->kind = ADMIN_PS;
    snprintf(prefix, sizeof prefix, "counter/adm%u-", own->base.index);
    pdr_write_array(&op->op.args, 3);
    pdr_write_cstr(&op->op.args, prefix);
    pdr_write_cstr(&op->op.args, own->cursor);
    pdr_write_int(&op->op.args, PAGE);
    op_call(&op->op, pdr_str("_sys/node"), "ps");
}

static void begin_look(struct admin_workload *own, enum admin_kind kind)
{
    static const char *const methods[] = {
        [ADMIN_STATUS] = "status", [ADMIN_TYPES] = "types", [ADMIN_METRICS] = "metrics"};
    struct admin_op *op = op_begin(&own->base);
    op->kind = kind;
    pdr_write_array(&op->op.args, 0);
    op_call(&op->op, pdr_str("_sys/node"), methods[kind]);
}

static void begin_add(struct admin_workload *own, uint32_t actor)
{
    struct admin_op *op = op_begin(&own->base);
    char name[64];
    op->kind = ADMIN_ADD;
    op->actor = actor;
    own->begun[actor] = true;
    pdr_write_array(&op->op.args, 0);
    op_call(&op->op, name_of(&own->base, name, sizeof name, actor), "add");
}

static void step(struct workload *w)
{
    struct admin_workload *own = (struct admin_workload *)w;
    uint64_t drawn = sim_draw(w->sim, 100);
    if (drawn < 50) {
        begin_add(own, (uint32_t)sim_draw(w->sim, ACTORS));
    } else if (drawn < 60) {
        begin_look(own, drawn < 55 ? ADMIN_STATUS : drawn < 58 ? ADMIN_TYPES : ADMIN_METRICS);
    } else {
        begin_ps(own);
    }
}

static void see_row(struct admin_workload *own, pdr_value row)
{
    struct pdr_bytes address = {NULL, 0};
    char name[64];
    pdr_value_bytes(pdr_value_get(row, "address"), &address);
    SIM_CHECK(own->base.sim, pdr_bytes_compare(address, pdr_str(own->cursor)) > 0, "ps: %.*s comes after %s",
              (int)address.size, (const char *)address.data, own->cursor);
    snprintf(own->cursor, sizeof own->cursor, "%.*s", (int)address.size, (const char *)address.data);
    for (uint32_t i = 0; i < ACTORS; i++) {
        if (pdr_bytes_equal(address, name_of(&own->base, name, sizeof name, i))) {
            own->seen[i] = true;
            SIM_CHECK(own->base.sim, own->begun[i], "ps: names %s, which nobody called", own->cursor);
        }
    }
}

static void judge_page(struct admin_workload *own, pdr_value page)
{
    pdr_value actors = pdr_value_get(page, "actors");
    struct pdr_bytes rest = pdr_value_items(actors), next;
    uint32_t count = pdr_value_count(actors);
    SIM_CHECK(own->base.sim, count <= PAGE, "ps: a page of %u rows, not %u", count, PAGE);
    for (uint32_t i = 0; i < count; i++) {
        see_row(own, pdr_value_next(&rest));
    }
    if (pdr_value_bytes(pdr_value_get(page, "next"), &next)) {
        SIM_CHECK(own->base.sim, pdr_bytes_equal(next, pdr_str(own->cursor)), "ps: the next page begins after %.*s",
                  (int)next.size, (const char *)next.data);
        return;
    }
    own->walking = false;
    own->walked = own->base.finishing;
    for (uint32_t i = 0; i < ACTORS; i++) {
        SIM_CHECK(own->base.sim, own->seen[i] || !own->wanted[i],
                  "ps: counter/adm%u-%02u is missing, though a write was acknowledged", own->base.index, i);
    }
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct admin_workload *own = (struct admin_workload *)w;
    const struct admin_op *op = (struct admin_op *)base;
    if (op->kind == ADMIN_PS && fate != FATE_DONE) {
        own->walking = false;
    }
    if (fate != FATE_DONE) {
        return;
    }
    if (op->kind == ADMIN_ADD) {
        own->written[op->actor] = true;
    } else if (op->kind == ADMIN_PS) {
        judge_page(own, outcome->result);
    } else {
        static const enum pdr_kind kinds[] = {
            [ADMIN_STATUS] = PDR_KIND_MAP, [ADMIN_TYPES] = PDR_KIND_ARRAY, [ADMIN_METRICS] = PDR_KIND_STR};
        SIM_CHECK(w->sim, pdr_value_kind(outcome->result) == kinds[op->kind],
                  "admin: status is no map, types no list, or metrics no text");
    }
}

static bool finish(struct workload *w)
{
    struct admin_workload *own = (struct admin_workload *)w;
    if (!own->walked) {
        begin_ps(own);
    }
    return own->walked;
}

const struct workload_class workload_admin = {
    .name = "admin",
    .size = sizeof(struct admin_workload),
    .op_size = sizeof(struct admin_op),
    .step = step,
    .ended = ended,
    .finish = finish,
};
