/* tests/simulation/workload_once.c: one client adds to counters of its own under a durable session, and sends its
 * calls again and again under their numbers: at once, after their answer, on new connections, after the node died.
 *
 * Every number's add happens once: all answers to a number are equal, no two numbers have the same, and in the end each
 * that was answered is counted once, and each that was left unanswered by a session that is over at most once. What was
 * acknowledged is refused, and never run again. */
#include "core/base/mem.h"
#include "tests/simulation/workload.h"

#define COUNTERS 3
#define AT_A_TIME 8
#define NUMBERS_READ_MAX 128 /* in the end, of the newest */

enum number_state { NUMBER_OPEN, NUMBER_DONE, NUMBER_LOST };

struct number {
    enum number_state state;
    uint32_t counter;
    int64_t ms; /* that its turn takes */
    int64_t value;
    bool is_read; /* in finish */
};

struct once_workload {
    struct workload base;
    uint8_t session[64];
    size_t session_size;    /* 0: none */
    uint64_t greeted_on;    /* the connection, by its count, on which hello was sent */
    struct number *numbers; /* from 1 */
    uint64_t next, capacity, ack;
    uint32_t next_read;
};

enum once_kind { ONCE_HELLO, ONCE_ADD, ONCE_GET };

struct once_op {
    struct op op;
    enum once_kind kind;
    uint64_t number;
    uint32_t counter;
};

static struct pdr_bytes name_of(const struct workload *w, char *text, size_t size, uint32_t counter)
{
    return pdr_bytes(text, (size_t)snprintf(text, size, "sim_once/%u-%u", w->index, counter));
}

static void say_hello(struct once_workload *own)
{
    struct once_op *op = op_begin(&own->base);
    pdr_writer *args = &op->op.args;
    op->kind = ONCE_HELLO;
    pdr_write_array(args, 1);
    pdr_write_map(args, 2);
    pdr_write_cstr(args, "session");
    pdr_write_bin(args, pdr_bytes(own->session, own->session_size));
    pdr_write_cstr(args, "ack_below");
    pdr_write_uint(args, own->ack);
    own->greeted_on = own->base.client->connects;
    if (!op_call(&op->op, pdr_str("_sys/conn"), "hello")) {
        own->greeted_on = 0;
    }
}

/* A session's span is not the subject here: what is open stays within it. */
static bool may_begin(const struct once_workload *own)
{
    return own->next - own->ack < 1000;
}

static uint64_t new_number(struct once_workload *own)
{
    if (own->next == own->capacity) {
        own->capacity *= 2;
        own->numbers = mem_grow(own->numbers, own->capacity * sizeof *own->numbers);
    }
    struct sim *sim = own->base.sim;
    own->numbers[own->next] = (struct number){
        .counter = (uint32_t)sim_draw(sim, COUNTERS),
        .ms = sim_chance(sim, 50) ? (int64_t)sim_draw(sim, 50) : 0,
    };
    return own->next++;
}

static void add(struct once_workload *own, uint64_t number)
{
    struct once_op *op = op_begin(&own->base);
    pdr_writer *args = &op->op.args;
    char name[64];
    op->kind = ONCE_ADD;
    op->number = number;
    pdr_write_array(args, 4);
    pdr_write_str(args, name_of(&own->base, name, sizeof name, own->numbers[number].counter));
    pdr_write_cstr(args, "add");
    pdr_write_array(args, 2);
    pdr_write_uint(args, number);
    pdr_write_int(args, own->numbers[number].ms);
    pdr_write_map(args, 2);
    pdr_write_cstr(args, "id");
    pdr_write_uint(args, number);
    pdr_write_cstr(args, "ack_below");
    pdr_write_uint(args, own->ack);
    op_call(&op->op, pdr_str("_sys/conn"), "call");
}

/* What is answered, or lost for good, needs no record. */
static void acknowledge(struct once_workload *own)
{
    while (own->ack < own->next && own->numbers[own->ack].state != NUMBER_OPEN && sim_chance(own->base.sim, 70)) {
        own->ack++;
    }
}

/* True: hello comes first. */
static bool greets(struct once_workload *own)
{
    if (own->greeted_on == own->base.client->connects) {
        return own->session_size == 0; /* it is asked */
    }
    say_hello(own);
    return own->session_size == 0;
}

static void step(struct workload *w)
{
    struct once_workload *own = (struct once_workload *)w;
    if (greets(own)) {
        return;
    }
    if (sim_chance(w->sim, 10)) {
        acknowledge(own);
    }
    if (own->next > 1 && sim_chance(w->sim, 50)) {
        uint64_t newest = own->next > 4 ? own->next - 4 : 1; /* or one that was acknowledged, which no client does */
        uint64_t from = sim_chance(w->sim, 40) ? newest : sim_chance(w->sim, 85) ? own->ack : 1;
        add(own, from < own->next ? from + sim_draw(w->sim, own->next - from) : own->next - 1);
    } else if (may_begin(own)) {
        uint64_t number = new_number(own);
        for (uint64_t copies = 1 + sim_draw(w->sim, 2); copies > 0; copies--) {
            add(own, number);
        }
    }
}

static void greeted(struct once_workload *own, const struct pdr_outcome *outcome)
{
    struct pdr_bytes session;
    struct sim *sim = own->base.sim;
    if (outcome->status == PDR_SESSION) {
        SIM_CHECK(sim, own->session_size > 0, "once: a session could not be opened: it is over, says the node");
        own->session_size = 0;
        for (uint64_t n = own->ack; n < own->next; n++) {
            own->numbers[n].state = own->numbers[n].state == NUMBER_DONE ? NUMBER_DONE : NUMBER_LOST;
        }
        own->ack = own->next;
    }
    if (outcome->status != PDR_OK) {
        own->greeted_on = 0; /* asks again */
        return;
    }
    SIM_CHECK(sim, pdr_value_bytes(pdr_value_get(outcome->result, "session"), &session) && session.size <= 64,
              "once: hello was answered without a session");
    if (sim->failed) {
        return;
    }
    SIM_CHECK(sim, own->session_size == 0 || pdr_bytes_equal(session, pdr_bytes(own->session, own->session_size)),
              "once: hello resumed a session of another name");
    memcpy(own->session, session.data, session.size);
    own->session_size = session.size;
}

/* True if no other number was answered so. */
static bool is_new(const struct once_workload *own, uint64_t number, int64_t value)
{
    for (uint64_t n = 1; n < own->next; n++) {
        const struct number *other = &own->numbers[n];
        if (n != number && other->state == NUMBER_DONE && other->value == value &&
            other->counter == own->numbers[number].counter) {
            return false;
        }
    }
    return true;
}

static void added(struct once_workload *own, const struct once_op *op, const struct pdr_outcome *outcome)
{
    struct sim *sim = own->base.sim;
    struct number *number = &own->numbers[op->number];
    unsigned long long n = op->number;
    int64_t value = -1;
    if (outcome->status == PDR_INVALID) {
        SIM_CHECK(sim, op->number < own->ack, "once: number %llu is not acknowledged, but refused: %.*s", n,
                  (int)outcome->message.size, (const char *)outcome->message.data);
        return;
    }
    if (outcome->status != PDR_OK) {
        return;
    }
    SIM_CHECK(sim, pdr_value_int(outcome->result, &value), "once: the answer is no number");
    if (number->state == NUMBER_DONE) {
        SIM_CHECK(sim, value == number->value,
                  "once: number %llu was answered %lld, and before %lld: it ran twice, or its answer was lost", n,
                  (long long)value, (long long)number->value);
        return;
    }
    number->state = NUMBER_DONE;
    number->value = value;
    SIM_CHECK(sim, is_new(own, op->number, value), "once: number %llu was answered %lld, as another one", n,
              (long long)value);
}

static void judge_number(struct once_workload *own, uint64_t number, const struct pdr_outcome *outcome)
{
    int64_t value = -1;
    bool is_done = own->numbers[number].state == NUMBER_DONE;
    SIM_CHECK(own->base.sim, pdr_value_int(outcome->result, &value), "once: the answer is no number");
    SIM_CHECK(own->base.sim, value == 1 || (value == 0 && !is_done),
              "once: number %llu, which was%s answered, was added %lld times", (unsigned long long)number,
              is_done ? "" : " not", (long long)value);
    own->numbers[number].is_read = true;
}

static void judge_counter(struct once_workload *own, uint32_t counter, const struct pdr_outcome *outcome)
{
    uint64_t done = 0, lost = 0;
    int64_t value = -1;
    for (uint64_t n = 1; n < own->next; n++) {
        done += own->numbers[n].counter == counter && own->numbers[n].state == NUMBER_DONE;
        lost += own->numbers[n].counter == counter && own->numbers[n].state == NUMBER_LOST;
    }
    SIM_CHECK(own->base.sim, pdr_value_int(outcome->result, &value), "once: the answer is no number");
    SIM_CHECK(
        own->base.sim, value >= (int64_t)done && value <= (int64_t)(done + lost),
        "once: counter %u of client %u ends at %lld after %llu adds that were answered, and %llu that may have been",
        counter, own->base.index, (long long)value, (unsigned long long)done, (unsigned long long)lost);
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    struct once_workload *own = (struct once_workload *)w;
    const struct once_op *op = (struct once_op *)base;
    switch (op->kind) {
    case ONCE_HELLO:
        greeted(own, outcome);
        break;
    case ONCE_ADD:
        added(own, op, outcome);
        break;
    case ONCE_GET:
        if (fate == FATE_DONE && op->number > 0) {
            judge_number(own, op->number, outcome);
        } else if (fate == FATE_DONE) {
            judge_counter(own, op->counter, outcome);
            own->next_read++;
        }
        break;
    }
}

static uint64_t first_open(const struct once_workload *own)
{
    uint64_t n = own->ack;
    while (n < own->next && own->numbers[n].state != NUMBER_OPEN) {
        n++;
    }
    return n;
}

/* How often the number was added; 0: how many were. */
static void get(struct once_workload *own, uint32_t counter, uint64_t number)
{
    struct once_op *op = op_begin(&own->base);
    char name[64];
    op->kind = ONCE_GET;
    op->counter = counter;
    op->number = number;
    pdr_write_array(&op->op.args, number > 0);
    if (number > 0) {
        pdr_write_uint(&op->op.args, number);
    }
    op_call(&op->op, name_of(&own->base, name, sizeof name, counter), "get");
}

/* Sends some of what has no answer; true: there is nothing. */
static bool send_open(struct once_workload *own)
{
    uint32_t sent = 0;
    for (uint64_t n = first_open(own); n < own->next && sent < AT_A_TIME; n++) {
        if (own->numbers[n].state == NUMBER_OPEN) {
            add(own, n);
            sent++;
        }
    }
    return sent == 0;
}

static bool read_numbers(struct once_workload *own)
{
    uint64_t end = own->next > NUMBERS_READ_MAX ? own->next - NUMBERS_READ_MAX : 1;
    uint32_t asked = 0;
    for (uint64_t n = own->next - 1; n >= end && asked < AT_A_TIME; n--) {
        if (!own->numbers[n].is_read) {
            get(own, own->numbers[n].counter, n);
            asked++;
        }
    }
    return asked == 0;
}

/* Everything is sent until it was answered; then the counters are read. */
static bool finish(struct workload *w)
{
    struct once_workload *own = (struct once_workload *)w;
    if (greets(own)) {
        return false;
    }
    acknowledge(own);
    if (!send_open(own)) {
        return false;
    }
    if (own->next_read < COUNTERS) {
        get(own, own->next_read, 0);
        return false;
    }
    return read_numbers(own);
}

static void open_once(struct workload *w)
{
    struct once_workload *own = (struct once_workload *)w;
    own->next = own->ack = 1;
    own->capacity = 64;
    own->numbers = mem_new(own->capacity * sizeof *own->numbers);
    w->outstanding_max = 1 + (uint32_t)sim_draw(w->sim, 16);
}

static void close_once(struct workload *w)
{
    mem_free(((struct once_workload *)w)->numbers);
}

const struct workload_class workload_once = {
    .name = "once",
    .size = sizeof(struct once_workload),
    .op_size = sizeof(struct once_op),
    .raw_only = true,
    .alone = true,
    .open = open_once,
    .step = step,
    .ended = ended,
    .finish = finish,
    .close = close_once,
};
