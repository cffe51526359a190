/* tests/simulation/workload_hostile.c: a peer that does not keep to the rules. What can be answered is answered with
 * the error that fits; what is no frame ends this connection, and nothing else. */
#include "tests/simulation/workload.h"

enum hostile_kind {
    HOSTILE_NO_TYPE,
    HOSTILE_NO_METHOD,
    HOSTILE_BAD_ADDRESS,
    HOSTILE_BAD_ARGUMENT,
    HOSTILE_ECHO,
    HOSTILE_KINDS
};

struct hostile_op {
    struct op op;
    enum hostile_kind kind;
};

struct hostile_workload {
    struct workload base;
    bool answered; /* in finish */
};

static const struct {
    const char *address, *method;
    enum pdr_status expected;
} asked[HOSTILE_KINDS] = {
    [HOSTILE_NO_TYPE] = {"sim_nothing/x", "get", PDR_NOT_FOUND},
    [HOSTILE_NO_METHOD] = {"counter/h", "fly", PDR_NOT_FOUND},
    [HOSTILE_BAD_ADDRESS] = {"Counter/h", "get", PDR_INVALID},
    [HOSTILE_BAD_ARGUMENT] = {"counter/h", "add", PDR_INVALID},
    [HOSTILE_ECHO] = {"echo/h", "ping", PDR_OK},
};

static void begin(struct workload *w, enum hostile_kind kind)
{
    struct hostile_op *op = op_begin(w);
    op->kind = kind;
    pdr_write_array(&op->op.args, 1);
    pdr_write_cstr(&op->op.args, "not a number");
    op_call(&op->op, pdr_str(asked[kind].address), asked[kind].method);
}

static void send_noise(struct workload *w)
{
    uint8_t noise[64];
    uint32_t size = 1 + (uint32_t)sim_draw(w->sim, sizeof noise);
    for (uint32_t i = 0; i < size; i++) {
        noise[i] = (uint8_t)sim_draw(w->sim, 256);
    }
    noise[0] = 0xc1; /* never the beginning of a value */
    sim_client_send_raw(w->client, pdr_bytes(noise, size));
}

/* Well-formed MessagePack that is no message: an answer, a number, an array of the wrong size, one that is too deep. */
static void send_nonsense(struct workload *w)
{
    uint8_t room[256];
    pdr_writer frame;
    pdr_writer_init(&frame, room, sizeof room, sizeof room);
    switch (sim_draw(w->sim, 5)) {
    case 0:
        pdr_write_array(&frame, 4);
        pdr_write_int(&frame, 1);
        pdr_write_int(&frame, 7);
        pdr_write_nil(&frame);
        pdr_write_nil(&frame);
        break;
    case 1:
        pdr_write_int(&frame, 5);
        break;
    case 2:
        pdr_write_array(&frame, 2);
        pdr_write_int(&frame, 0);
        pdr_write_int(&frame, 1);
        break;
    case 3:
        pdr_write_raw(&frame,
                      "\x94\x00\x01\xa3"
                      "a/b\xdd\xff\xff\xff\xff",
                      12); /* 4 G arguments */
        break;
    default:
        for (int i = 0; i < 100; i++) {
            pdr_write_array(&frame, 1);
        }
        break;
    }
    sim_client_send_raw(w->client, pdr_written(&frame));
}

static void tell(struct workload *w)
{
    static const uint8_t one[] = {0x91, 0x01};
    sim_client_tell(w->client, pdr_str("echo/h"), sim_chance(w->sim, 50) ? "ping" : "fly", pdr_bytes(one, sizeof one));
}

static void step(struct workload *w)
{
    uint64_t drawn = sim_draw(w->sim, 100);
    if (drawn < 70) {
        begin(w, (enum hostile_kind)sim_draw(w->sim, HOSTILE_KINDS));
    } else if (drawn < 90) {
        tell(w);
    } else if (drawn < 95) {
        send_noise(w);
    } else {
        send_nonsense(w);
    }
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct hostile_workload *own = (struct hostile_workload *)w;
    const struct hostile_op *op = (struct hostile_op *)base;
    bool expected = outcome->status == asked[op->kind].expected || outcome->status == PDR_UNAVAILABLE ||
                    outcome->status == PDR_OVERLOADED || outcome->status == PDR_DEADLINE ||
                    outcome->status == PDR_NO_SPACE || outcome->status == PDR_MOVED;
    SIM_CHECK(w->sim, expected, "hostile: %s.%s was answered `%s`", asked[op->kind].address, asked[op->kind].method,
              pdr_status_wire(outcome->status));
    own->answered = own->answered || (op->op.is_final && outcome->status == PDR_OK);
}

static bool finish(struct workload *w)
{
    struct hostile_workload *own = (struct hostile_workload *)w;
    if (!own->answered) {
        begin(w, HOSTILE_ECHO);
    }
    return own->answered;
}

static void open_hostile(struct workload *w)
{
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 8);
    w->think_ns = 30 * NS_PER_MS;
}

const struct workload_class workload_hostile = {
    .name = "hostile",
    .size = sizeof(struct hostile_workload),
    .op_size = sizeof(struct hostile_op),
    .raw_only = true,
    .open = open_hostile,
    .step = step,
    .ended = ended,
    .finish = finish,
};
