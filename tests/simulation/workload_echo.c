/* tests/simulation/workload_echo.c: what goes in comes out, whatever its size, and however many are under way. */
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define ECHO_SIZE_MAX 40000

struct echo_op {
    struct op op;
    uint64_t serial;
    uint32_t size;
};

struct echo_workload {
    struct workload base;
    uint64_t next_serial;
    bool answered; /* in finish */
};

static uint8_t byte_of(uint64_t serial)
{
    return (uint8_t)(serial * 167 + 13);
}

static void step(struct workload *w)
{
    struct echo_workload *own = (struct echo_workload *)w;
    struct echo_op *op = op_begin(w);
    char name[32];
    op->serial = ++own->next_serial;
    op->size = (uint32_t)(sim_chance(w->sim, 90) ? sim_draw(w->sim, 100) : sim_draw(w->sim, ECHO_SIZE_MAX));
    uint8_t *bytes = mem_new(op->size + 1);
    memset(bytes, byte_of(op->serial), op->size);
    pdr_write_array(&op->op.args, 1);
    pdr_write_bin(&op->op.args, pdr_bytes(bytes, op->size));
    mem_free(bytes);
    int size = snprintf(name, sizeof name, "echo/e%u", (uint32_t)sim_draw(w->sim, 20));
    op_call(&op->op, pdr_bytes(name, (size_t)size), "ping");
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct echo_workload *own = (struct echo_workload *)w;
    const struct echo_op *op = (struct echo_op *)base;
    struct pdr_bytes back = {NULL, 0};
    if (fate != FATE_DONE) {
        return;
    }
    own->answered = own->answered || op->op.is_final;
    SIM_CHECK(w->sim, pdr_value_bytes(outcome->result, &back) && back.size == op->size,
              "echo: %u bytes came back as %zu", op->size, back.size);
    for (size_t i = 0; i < back.size; i += 97) {
        SIM_CHECK(w->sim, ((const uint8_t *)back.data)[i] == byte_of(op->serial), "echo: byte %zu came back wrong", i);
    }
}

static bool finish(struct workload *w)
{
    struct echo_workload *own = (struct echo_workload *)w;
    if (!own->answered) {
        step(w);
    }
    return own->answered;
}

static void open_echo(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 64);
    w->think_ns = 2 * NS_PER_MS;
}

const struct workload_class workload_echo = {
    .name = "echo",
    .size = sizeof(struct echo_workload),
    .op_size = sizeof(struct echo_op),
    .open = open_echo,
    .step = step,
    .ended = ended,
    .finish = finish,
};
