/* tests/simulation/workload_kv.c: put, get, delete, cas and scan, against a model with unknown outcomes.
 *
 * Each client has a map of its own and asks one thing at a time. The model keeps, for each key, the value it has for
 * all we know, and the values of writes whose outcome is unknown: each of those may turn up once, later, until the
 * node that was asked is no more. Values are named by serial numbers; 0: there is none. */
#include "core/base/endian.h"
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define KEYS 14
#define UNKNOWN_MAX 64 /* of one key; then it is left alone until it was settled */
#define SIZE_MAX_BIG 60000

enum kv_kind { KV_PUT, KV_GET, KV_DELETE, KV_CAS, KV_SCAN };

struct unknown {
    int64_t serial;
    uint32_t life; /* of the node, when it became unknown */
};

struct kv_key {
    int64_t value;
    struct unknown unknown[UNKNOWN_MAX];
    uint32_t unknown_count;
};

struct kv_workload {
    struct workload base;
    struct kv_key keys[KEYS];
    int64_t next_serial;
    uint32_t value_max; /* bytes */
    bool was_read;      /* in finish */
};

struct kv_op {
    struct op op;
    enum kv_kind kind;
    uint32_t key, to; /* scan: [key, to) */
    int64_t expected, serial;
    uint32_t life;
};

/* Keys in their order: prefixes of one another, and bytes that are no text. */
static struct pdr_bytes key_of(uint32_t key)
{
    static const struct {
        const char *data;
        size_t size;
    } keys[KEYS + 1] = {{"\0", 1},     {"\0\0", 2}, {"a", 1},    {"a\0", 2},      {"a\0b", 3},
                        {"aa", 2},     {"b", 1},    {"ba", 2},   {"c\xff", 2},    {"d", 1},
                        {"dddddd", 6}, {"e", 1},    {"\xff", 1}, {"\xff\xff", 2}, {"\xff\xff\xff", 3}};
    return pdr_bytes(keys[key].data, keys[key].size);
}

/* A value: its serial number, then bytes that follow from it. */
static void write_value(struct kv_workload *own, pdr_writer *args, int64_t serial)
{
    if (serial == 0) {
        pdr_write_nil(args);
        return;
    }
    uint32_t size = 8 + (uint32_t)((uint64_t)serial * 2654435761u % own->value_max);
    uint8_t *bytes = mem_new(size);
    put_le64(bytes, (uint64_t)serial);
    memset(bytes + 8, (int)(serial & 0xff), size - 8);
    pdr_write_bin(args, pdr_bytes(bytes, size));
    mem_free(bytes);
}

static int64_t read_value(const struct kv_workload *own, pdr_value value)
{
    struct pdr_bytes bytes;
    if (!pdr_value_bytes(value, &bytes) || bytes.size < 8) {
        return pdr_value_kind(value) == PDR_KIND_NIL ? 0 : -1;
    }
    int64_t serial = (int64_t)get_le64(bytes.data);
    const uint8_t *last = (const uint8_t *)bytes.data + bytes.size - 1;
    bool whole = bytes.size == 8 + (uint64_t)serial * 2654435761u % own->value_max &&
                 (bytes.size == 8 || *last == (uint8_t)(serial & 0xff));
    return whole ? serial : -1;
}

/* The model. */

static void settle(struct kv_key *key, uint32_t life)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < key->unknown_count; i++) {
        if (key->unknown[i].life >= life) {
            key->unknown[kept++] = key->unknown[i];
        }
    }
    key->unknown_count = kept;
}

static int find_unknown(const struct kv_key *key, int64_t serial)
{
    for (uint32_t i = 0; i < key->unknown_count; i++) {
        if (key->unknown[i].serial == serial) {
            return (int)i;
        }
    }
    return -1;
}

/* The key was seen with that value. */
static void see(struct kv_workload *own, const struct kv_op *op, uint32_t number, int64_t serial)
{
    struct kv_key *key = &own->keys[number];
    if (serial != key->value) {
        int i = find_unknown(key, serial);
        SIM_CHECK(own->base.sim, i >= 0, "kv/k%u: key %u has value %lld; the last one acknowledged is %lld%s",
                  own->base.index, number, (long long)serial, (long long)key->value,
                  key->unknown_count > 0 ? ", and no unknown one is it" : "");
        if (i >= 0) {
            key->unknown[i] = key->unknown[--key->unknown_count];
        }
        key->value = serial;
    }
    settle(key, op->life);
}

static void wrote(struct kv_workload *own, const struct kv_op *op, int64_t serial)
{
    own->keys[op->key].value = serial;
    settle(&own->keys[op->key], op->life);
}

static bool may_be(const struct kv_key *key, int64_t serial)
{
    return key->value == serial || find_unknown(key, serial) >= 0;
}

static bool may_exist(const struct kv_key *key)
{
    bool exists = key->value != 0;
    for (uint32_t i = 0; i < key->unknown_count; i++) {
        exists = exists || key->unknown[i].serial != 0;
    }
    return exists;
}

/* Operations. */

static void call(struct kv_workload *own, struct kv_op *op, enum kv_kind kind)
{
    static const char *const methods[] = {"put", "get", "delete", "cas", "scan"};
    char name[32];
    int size = snprintf(name, sizeof name, "kv/k%u", own->base.index);
    op->kind = kind;
    op->life = own->base.sim->lives;
    op_call(&op->op, pdr_bytes(name, (size_t)size), methods[kind]);
}

static void begin_write(struct kv_workload *own, uint32_t key, enum kv_kind kind)
{
    struct kv_op *op = op_begin(&own->base);
    pdr_writer *args = &op->op.args;
    op->key = key;
    op->serial = kind == KV_DELETE || (kind == KV_CAS && sim_chance(own->base.sim, 20)) ? 0 : ++own->next_serial;
    op->expected = own->keys[key].value;
    pdr_write_array(args, kind == KV_PUT ? 2 : kind == KV_CAS ? 3 : 1);
    pdr_write_bin(args, key_of(key));
    if (kind == KV_CAS) {
        write_value(own, args, op->expected);
    }
    if (kind != KV_DELETE) {
        write_value(own, args, op->serial);
    }
    call(own, op, kind);
}

static void begin_get(struct kv_workload *own, uint32_t key)
{
    struct kv_op *op = op_begin(&own->base);
    op->key = key;
    pdr_write_array(&op->op.args, 1);
    pdr_write_bin(&op->op.args, key_of(key));
    call(own, op, KV_GET);
}

static void begin_scan(struct kv_workload *own, uint32_t from, uint32_t to)
{
    struct kv_op *op = op_begin(&own->base);
    op->key = from;
    op->to = to;
    pdr_write_array(&op->op.args, 3);
    pdr_write_bin(&op->op.args, key_of(from));
    pdr_write_bin(&op->op.args, key_of(to));
    pdr_write_int(&op->op.args, 100);
    call(own, op, KV_SCAN);
}

static void step(struct workload *w)
{
    struct kv_workload *own = (struct kv_workload *)w;
    uint64_t drawn = sim_draw(w->sim, 100);
    uint32_t key = (uint32_t)sim_draw(w->sim, KEYS);
    if (drawn < 25) {
        begin_get(own, key);
    } else if (drawn < 40) {
        begin_scan(own, key, (uint32_t)sim_between(w->sim, key + 1, KEYS));
    } else if (own->keys[key].unknown_count < UNKNOWN_MAX) {
        begin_write(own, key, drawn < 70 ? KV_PUT : drawn < 85 ? KV_CAS : KV_DELETE);
    }
}

static void judge_cas(struct kv_workload *own, const struct kv_op *op, bool exchanged)
{
    const struct kv_key *key = &own->keys[op->key];
    if (exchanged) {
        SIM_CHECK(own->base.sim, may_be(key, op->expected), "kv/k%u: cas of key %u found a value it can't have",
                  own->base.index, op->key);
        wrote(own, op, op->serial);
    } else {
        SIM_CHECK(own->base.sim, key->unknown_count > 0 || key->value != op->expected,
                  "kv/k%u: cas of key %u did not find value %lld, which was acknowledged", own->base.index, op->key,
                  (long long)op->expected);
    }
}

static void judge_delete(struct kv_workload *own, const struct kv_op *op, bool existed)
{
    const struct kv_key *key = &own->keys[op->key];
    SIM_CHECK(own->base.sim, existed ? may_exist(key) : may_be(key, 0), "kv/k%u: delete of key %u says it was %s",
              own->base.index, op->key, existed ? "there" : "not there");
    wrote(own, op, 0);
}

static void judge_scan(struct kv_workload *own, const struct kv_op *op, pdr_value rows)
{
    struct pdr_bytes rest = pdr_value_items(rows);
    uint32_t key = op->key;
    for (uint32_t i = 0; i < pdr_value_count(rows); i++) {
        struct pdr_bytes name;
        pdr_value row = pdr_value_next(&rest);
        bool good = pdr_value_bytes(pdr_value_at(row, 0), &name);
        while (good && key < op->to && !pdr_bytes_equal(key_of(key), name)) {
            see(own, op, key++, 0); /* left out: it is not there */
        }
        if (!good || key >= op->to) {
            sim_fail(own->base.sim, "kv/k%u: scan has rows out of order, or that it was not asked for",
                     own->base.index);
            return;
        }
        see(own, op, key++, read_value(own, pdr_value_at(row, 1)));
    }
    while (key < op->to) {
        see(own, op, key++, 0);
    }
}

static void judge(struct kv_workload *own, const struct kv_op *op, pdr_value result)
{
    bool yes = false;
    switch (op->kind) {
    case KV_PUT:
        wrote(own, op, op->serial);
        break;
    case KV_GET:
        see(own, op, op->key, read_value(own, result));
        break;
    case KV_DELETE:
        SIM_CHECK(own->base.sim, pdr_value_bool(result, &yes), "kv: delete answers no bool");
        judge_delete(own, op, yes);
        break;
    case KV_CAS:
        SIM_CHECK(own->base.sim, pdr_value_bool(result, &yes), "kv: cas answers no bool");
        judge_cas(own, op, yes);
        break;
    case KV_SCAN:
        judge_scan(own, op, result);
        break;
    }
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct kv_workload *own = (struct kv_workload *)w;
    const struct kv_op *op = (struct kv_op *)base;
    bool writes = op->kind != KV_GET && op->kind != KV_SCAN;
    if (fate == FATE_DONE) {
        judge(own, op, outcome->result);
        own->was_read = own->was_read || op->op.is_final;
    } else if (fate == FATE_UNKNOWN && writes) {
        struct kv_key *key = &own->keys[op->key];
        key->unknown[key->unknown_count++] = (struct unknown){op->serial, w->sim->lives};
    }
}

static bool finish(struct workload *w)
{
    struct kv_workload *own = (struct kv_workload *)w;
    if (!own->was_read) {
        begin_scan(own, 0, KEYS);
    }
    return own->was_read;
}

static void open_kv(struct workload *w)
{
    struct kv_workload *own = (struct kv_workload *)w;
    uint64_t drawn = sim_draw(w->sim, 10);
    own->value_max = drawn < 5 ? 100 : drawn < 9 ? 3000 : SIZE_MAX_BIG;
}

const struct workload_class workload_kv = {
    .name = "kv",
    .size = sizeof(struct kv_workload),
    .op_size = sizeof(struct kv_op),
    .open = open_kv,
    .step = step,
    .ended = ended,
    .finish = finish,
};
