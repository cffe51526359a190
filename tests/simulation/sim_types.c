/* tests/simulation/sim_types.c: actor types whose state says whether turns are atomic, calls come after commits, tells
 * arrive once and in order, and memory agrees with state. */
#include "tests/simulation/sim_types.h"

#include <stdio.h>

static int read_int(pdr_turn *turn, const char *key, int64_t *n)
{
    *n = 0;
    int status = pdr_get_int(turn, key, n);
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

static int add_int(pdr_turn *turn, const char *key, int64_t by)
{
    int64_t n;
    int status = read_int(turn, key, &n);
    return status == PDR_OK ? pdr_put_int(turn, key, n + by) : status;
}

/* sim_bank: accounts whose sum is 0 and whose stamps are equal, between any two turns. */

static const char *account(char *key, size_t size, int64_t n)
{
    snprintf(key, size, "account-%lld", (long long)n);
    return key;
}

/* A row long enough that a few of them fill more than one block of the log. */
static int pad(pdr_turn *turn, const char *key, int64_t stamp, int64_t bytes)
{
    uint8_t row[4000];
    size_t size = bytes < 8 ? 8 : bytes > (int64_t)sizeof row ? sizeof row : (size_t)bytes;
    memset(row, (int)(stamp & 0xff), size);
    return pdr_put(turn, pdr_str(key), pdr_bytes(row, size));
}

/* move [from, to, amount, stamp, bytes] -> stamp */
static int bank_move(pdr_turn *turn, const pdr_args *args)
{
    char key[32];
    int64_t amount = pdr_arg_int(args, 2, 0), stamp = pdr_arg_int(args, 3, 0), bytes = pdr_arg_int(args, 4, 0);
    int status = pdr_put_int(turn, "stamp-first", stamp);
    if (status == PDR_OK) {
        status = pad(turn, "pad-first", stamp, bytes);
    }
    if (status == PDR_OK) {
        status = add_int(turn, account(key, sizeof key, pdr_arg_int(args, 0, 0)), -amount);
    }
    if (status == PDR_OK) {
        status = add_int(turn, account(key, sizeof key, pdr_arg_int(args, 1, 0)), amount);
    }
    if (status == PDR_OK) {
        status = pad(turn, "pad-last", stamp, bytes);
    }
    if (status == PDR_OK) {
        status = pdr_put_int(turn, "stamp-last", stamp);
    }
    return status == PDR_OK ? pdr_reply_int(turn, stamp) : status;
}

/* spoil [account, amount, stamp]: breaks every rule, then fails. */
static int bank_spoil(pdr_turn *turn, const pdr_args *args)
{
    char key[32];
    int status = pdr_put_int(turn, "stamp-first", pdr_arg_int(args, 2, 0));
    if (status == PDR_OK) {
        status = add_int(turn, account(key, sizeof key, pdr_arg_int(args, 0, 0)), pdr_arg_int(args, 1, 0));
    }
    if (status == PDR_OK) {
        status = pdr_delete(turn, pdr_str("pad-first"));
    }
    return status == PDR_OK ? pdr_fail(turn, "spoiled", "as agreed") : status;
}

static int read_pad(pdr_turn *turn, const char *key, int64_t *first_byte)
{
    struct pdr_bytes row;
    *first_byte = -1;
    int status = pdr_get(turn, pdr_str(key), &row);
    if (status == PDR_OK) {
        const uint8_t *bytes = row.data;
        *first_byte = bytes[0] == bytes[row.size - 1] ? bytes[0] : -2;
    }
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

/* audit -> [sum, stamp-first, stamp-last, pad-first, pad-last] */
static int bank_audit(pdr_turn *turn, const pdr_args *args)
{
    int64_t found[5] = {0}, n;
    char key[32];
    int status = PDR_OK;
    for (int i = 0; i < SIM_BANK_ACCOUNTS && status == PDR_OK; i++) {
        status = read_int(turn, account(key, sizeof key, i), &n);
        found[0] += n;
    }
    status = status == PDR_OK ? read_int(turn, "stamp-first", &found[1]) : status;
    status = status == PDR_OK ? read_int(turn, "stamp-last", &found[2]) : status;
    status = status == PDR_OK ? read_pad(turn, "pad-first", &found[3]) : status;
    status = status == PDR_OK ? read_pad(turn, "pad-last", &found[4]) : status;
    if (status != PDR_OK) {
        return status;
    }
    uint8_t room[64];
    pdr_writer reply;
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_array(&reply, 5);
    for (int i = 0; i < 5; i++) {
        pdr_write_int(&reply, found[i]);
    }
    return pdr_reply(turn, pdr_written(&reply));
}

PDR_ACTOR(sim_bank, PDR_METHOD("move", bank_move), PDR_METHOD("spoil", bank_spoil), PDR_READER("audit", bank_audit))

/* sim_step: writes, calls another, writes. What the other has seen is on disk here. */

static struct pdr_bytes one_int(pdr_writer *writer, uint8_t *room, size_t size, int64_t n)
{
    pdr_writer_init(writer, room, size, size);
    pdr_write_array(writer, 1);
    pdr_write_int(writer, n);
    return pdr_written(writer);
}

/* Tokens grow; one that a lost connection delayed comes too late. */
static int put_token(pdr_turn *turn, const char *key, int64_t token)
{
    int64_t last;
    int status = read_int(turn, key, &last);
    if (status == PDR_OK && token <= last) {
        return pdr_fail(turn, "stale", "token %lld comes after %lld", (long long)token, (long long)last);
    }
    return status == PDR_OK ? pdr_put_int(turn, key, token) : status;
}

/* step [token, other, fails] -> token */
static int step_step(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[16];
    pdr_writer note;
    int64_t token = pdr_arg_int(args, 0, 0);
    struct pdr_bytes other = pdr_arg_bytes(args, 1, pdr_str("sim_step/none"));
    int status = put_token(turn, "before", token);
    if (status == PDR_OK) {
        status = pdr_call(turn, other, "note", one_int(&note, room, sizeof room, token), NULL);
    }
    if (status == PDR_OK) {
        status = pdr_put_int(turn, "after", token);
    }
    if (status == PDR_OK && pdr_arg_int(args, 2, 0) != 0) {
        return pdr_fail(turn, "asked_to_fail", "as agreed");
    }
    return status == PDR_OK ? pdr_reply_int(turn, token) : status;
}

/* note [token]: kept, and never goes back. */
static int step_note(pdr_turn *turn, const pdr_args *args)
{
    int64_t seen, token = pdr_arg_int(args, 0, 0);
    int status = read_int(turn, "seen", &seen);
    if (status == PDR_OK && token > seen) {
        status = pdr_put_int(turn, "seen", token);
    }
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

/* pass [token, other] -> token: tells the other, after its own write. */
static int step_pass(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[16];
    pdr_writer taken;
    int64_t token = pdr_arg_int(args, 0, 0);
    struct pdr_bytes other = pdr_arg_bytes(args, 1, pdr_str("sim_step/none"));
    int status = put_token(turn, "passed", token);
    if (status == PDR_OK) {
        status = pdr_tell(turn, other, "take", one_int(&taken, room, sizeof room, token));
    }
    return status == PDR_OK ? pdr_reply_int(turn, token) : status;
}

/* take [token]: told by one actor whose tokens grow; so each comes once, and in order. */
static int step_take(pdr_turn *turn, const pdr_args *args)
{
    int64_t taken, token = pdr_arg_int(args, 0, 0);
    int status = read_int(turn, "taken", &taken);
    if (status == PDR_OK && token <= taken) {
        status = add_int(turn, "disorder", 1);
    } else if (status == PDR_OK) {
        status = pdr_put_int(turn, "taken", token);
    }
    return status;
}

/* look -> [before, after, seen, passed, taken, disorder] */
static int step_look(pdr_turn *turn, const pdr_args *args)
{
    static const char *const keys[] = {"before", "after", "seen", "passed", "taken", "disorder"};
    uint8_t room[64];
    pdr_writer reply;
    int64_t n;
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_array(&reply, 6);
    for (int i = 0; i < 6; i++) {
        int status = read_int(turn, keys[i], &n);
        if (status != PDR_OK) {
            return status;
        }
        pdr_write_int(&reply, n);
    }
    return pdr_reply(turn, pdr_written(&reply));
}

PDR_ACTOR(sim_step, PDR_METHOD("step", step_step), PDR_METHOD("note", step_note), PDR_METHOD("pass", step_pass),
          PDR_METHOD("take", step_take), PDR_READER("look", step_look))

/* sim_witness: remembers in memory what it was told, and says so at once: nothing of it waits for the disk. */

struct witness {
    int64_t seen;
};

static int witness_note(pdr_turn *turn, const pdr_args *args)
{
    struct witness *memory = pdr_memory(turn);
    int64_t token = pdr_arg_int(args, 0, 0);
    memory->seen = token > memory->seen ? token : memory->seen;
    return pdr_reply_nil(turn);
}

static int witness_look(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_int(turn, ((struct witness *)pdr_memory(turn))->seen);
}

PDR_ACTOR_WITH(sim_witness, sizeof(struct witness), NULL, NULL, PDR_DURABILITY_VOLATILE,
               PDR_METHOD("note", witness_note), PDR_METHOD("look", witness_look))

/* sim_chain: calls that cause calls. */

/* walk [names, at] -> how many links there were: calls names[at + 1], and so on. */
static int chain_walk(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[1024];
    pdr_writer next;
    pdr_value names = pdr_arg(args, 0), reply;
    int64_t at = pdr_arg_int(args, 1, 0), links = 0;
    int status = pdr_put_int(turn, "visits", at + 1);
    if (status != PDR_OK) {
        return status;
    }
    if (at + 1 >= (int64_t)pdr_value_count(names)) {
        return pdr_reply_int(turn, 1);
    }
    struct pdr_bytes name;
    if (!pdr_value_bytes(pdr_value_at(names, (uint32_t)at + 1), &name)) {
        return pdr_fail_status(turn, PDR_INVALID, "walk takes a list of addresses");
    }
    pdr_writer_init(&next, room, sizeof room, sizeof room);
    pdr_write_array(&next, 2);
    pdr_write_value(&next, names);
    pdr_write_int(&next, at + 1);
    status = pdr_call(turn, name, "walk", pdr_written(&next), &reply);
    if (status != PDR_OK) {
        return status;
    }
    pdr_value_int(reply, &links);
    return pdr_reply_int(turn, links + 1);
}

PDR_ACTOR(sim_chain, PDR_METHOD("walk", chain_walk))

/* sim_slow: waits. */

/* wait [ms] -> ms */
static int slow_wait(pdr_turn *turn, const pdr_args *args)
{
    int64_t ms = pdr_arg_int(args, 0, 0);
    int status = pdr_sleep(turn, (uint64_t)ms);
    return status == PDR_OK ? pdr_reply_int(turn, ms) : status;
}

PDR_ACTOR_WITH(sim_slow, 0, NULL, NULL, PDR_DURABILITY_VOLATILE, PDR_READER("wait", slow_wait))

/* sim_once: a counter that also counts how often each number came, and may take its time, so that copies of a call
 * queue behind others. */

static struct pdr_bytes once_key(uint8_t *room, const pdr_args *args, uint32_t index)
{
    uint64_t number = (uint64_t)pdr_arg_int(args, index, 0);
    for (int i = 0; i < 8; i++) {
        room[i] = (uint8_t)(number >> (8 * i));
    }
    return pdr_bytes(room, 8);
}

static int64_t once_count(pdr_turn *turn, struct pdr_bytes key)
{
    struct pdr_bytes value;
    return pdr_get(turn, key, &value) == PDR_OK ? *(const uint8_t *)value.data : 0;
}

/* add [number, ms] -> how many were added */
static int once_add(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[8], count;
    struct pdr_bytes key = once_key(room, args, 0);
    int64_t ms = pdr_arg_int(args, 1, 0), n = 0;
    int status = ms > 0 ? pdr_sleep(turn, (uint64_t)ms) : PDR_OK;
    if (status != PDR_OK) {
        return status;
    }
    count = (uint8_t)(once_count(turn, key) + 1);
    pdr_get_int(turn, "n", &n);
    pdr_put_int(turn, "n", n + 1);
    status = pdr_put(turn, key, pdr_bytes(&count, 1));
    return status == PDR_OK ? pdr_reply_int(turn, n + 1) : status;
}

/* count [number] -> how often it was added; without a number: how many were */
static int once_get(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[8];
    int64_t n = 0;
    if (pdr_arg_count(args) > 0) {
        return pdr_reply_int(turn, once_count(turn, once_key(room, args, 0)));
    }
    pdr_get_int(turn, "n", &n);
    return pdr_reply_int(turn, n);
}

PDR_ACTOR(sim_once, PDR_METHOD("add", once_add), PDR_READER("get", once_get))

/* sim_beat: a timer that counts. */

/* start [period_ms] -> beats so far */
static int beat_start(pdr_turn *turn, const pdr_args *args)
{
    int64_t beats, period_ms = pdr_arg_int(args, 0, 20);
    int status = read_int(turn, "beats", &beats);
    if (status == PDR_OK) {
        status = pdr_timer_set(turn, "beat", (uint64_t)period_ms, (uint64_t)period_ms, "beat", pdr_bytes(NULL, 0));
    }
    return status == PDR_OK ? pdr_reply_int(turn, beats) : status;
}

/* stop -> beats so far */
static int beat_stop(pdr_turn *turn, const pdr_args *args)
{
    int64_t beats;
    int status = read_int(turn, "beats", &beats);
    if (status == PDR_OK) {
        status = pdr_timer_cancel(turn, "beat");
    }
    return status == PDR_OK ? pdr_reply_int(turn, beats) : status;
}

static int beat_beat(pdr_turn *turn, const pdr_args *args)
{
    return add_int(turn, "beats", 1);
}

static int beat_get(pdr_turn *turn, const pdr_args *args)
{
    int64_t beats;
    int status = read_int(turn, "beats", &beats);
    return status == PDR_OK ? pdr_reply_int(turn, beats) : status;
}

PDR_ACTOR(sim_beat, PDR_METHOD("start", beat_start), PDR_METHOD("stop", beat_stop), PDR_METHOD("beat", beat_beat),
          PDR_READER("get", beat_get))

/* sim_cached: its memory mirrors its state, from activation to passivation. */

struct cached {
    int64_t n;
    uint64_t awake; /* AWAKE between the two hooks */
};
#define AWAKE 0x6177616b65ull

static int cached_activate(pdr_turn *turn)
{
    struct cached *memory = pdr_memory(turn);
    if (memory->awake != 0) {
        return pdr_fail(turn, "not_zeroed", "activated with memory in use");
    }
    int status = read_int(turn, "n", &memory->n);
    memory->awake = status == PDR_OK ? AWAKE : 0;
    return status;
}

static int cached_passivate(pdr_turn *turn)
{
    struct cached *memory = pdr_memory(turn);
    memory->awake = 0;
    return PDR_OK;
}

/* Memory that disagrees with state is told as a result, so that the checker hears of it. */
static int cached_check(pdr_turn *turn, int64_t *n, bool *agrees)
{
    const struct cached *memory = pdr_memory(turn);
    int status = read_int(turn, "n", n);
    *agrees = memory->awake == AWAKE && memory->n == *n;
    return status;
}

/* add -> the new value, or -1 */
static int cached_add(pdr_turn *turn, const pdr_args *args)
{
    struct cached *memory = pdr_memory(turn);
    int64_t n;
    bool agrees;
    int status = cached_check(turn, &n, &agrees);
    if (status != PDR_OK || !agrees) {
        return status != PDR_OK ? status : pdr_reply_int(turn, -1);
    }
    status = pdr_put_int(turn, "n", n + 1);
    if (status == PDR_OK) {
        memory->n = n + 1;
        status = pdr_reply_int(turn, n + 1);
    }
    return status;
}

/* get -> the value, or -1 */
static int cached_get(pdr_turn *turn, const pdr_args *args)
{
    int64_t n;
    bool agrees;
    int status = cached_check(turn, &n, &agrees);
    return status != PDR_OK ? status : pdr_reply_int(turn, agrees ? n : -1);
}

PDR_ACTOR_WITH(sim_cached, sizeof(struct cached), cached_activate, cached_passivate, PDR_DURABILITY_DEFAULT,
               PDR_METHOD("add", cached_add), PDR_READER("get", cached_get))

/* sim_alarm: reminders in slots. A set replaces what the slot had; what rings must be the slot's own, and for the first
 * time: else it is counted as wrong. */

static const char *slot_key(char *key, size_t size, const char *what, int64_t slot)
{
    snprintf(key, size, "%s-%lld", what, (long long)slot);
    return key;
}

/* Rings in delay_ms: `token` names it. */
static int alarm_arm(pdr_turn *turn, int64_t slot, int64_t token, int64_t delay_ms)
{
    char key[32];
    uint8_t room[32];
    pdr_writer args;
    int64_t due_ms = pdr_wall_ms(turn) + delay_ms; /* once: the turn may wait for the disk, and the clock jump */
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 2);
    pdr_write_int(&args, slot);
    pdr_write_int(&args, token);
    int status = pdr_reminder_at(turn, slot_key(key, sizeof key, "slot", slot), due_ms, 0, "ring", pdr_written(&args));
    status = status != PDR_OK ? status : pdr_put_int(turn, slot_key(key, sizeof key, "token", slot), token);
    status = status != PDR_OK ? status : pdr_put_int(turn, slot_key(key, sizeof key, "rung", slot), 0);
    return status != PDR_OK ? status : pdr_put_int(turn, slot_key(key, sizeof key, "due", slot), due_ms);
}

/* set [slot, token, delay_ms]: a late copy of an old one does nothing. */
static int alarm_set(pdr_turn *turn, const pdr_args *args)
{
    int64_t token = pdr_arg_int(args, 1, 0);
    int status = put_token(turn, "last", token);
    status = status != PDR_OK ? status : alarm_arm(turn, pdr_arg_int(args, 0, 0), token, pdr_arg_int(args, 2, 0));
    return status != PDR_OK ? status : pdr_reply_nil(turn);
}

static int alarm_cancel(pdr_turn *turn, const pdr_args *args)
{
    char key[32];
    int64_t slot = pdr_arg_int(args, 0, 0);
    int status = pdr_reminder_cancel(turn, slot_key(key, sizeof key, "slot", slot));
    status = status != PDR_OK ? status : pdr_put_int(turn, slot_key(key, sizeof key, "token", slot), 0);
    return status != PDR_OK ? status : pdr_reply_nil(turn);
}

static int alarm_ring(pdr_turn *turn, const pdr_args *args)
{
    char key[32];
    int64_t slot = pdr_arg_int(args, 0, 0), token = 0, rung = 0;
    int status = read_int(turn, slot_key(key, sizeof key, "token", slot), &token);
    status = status != PDR_OK ? status : read_int(turn, slot_key(key, sizeof key, "rung", slot), &rung);
    if (status == PDR_OK && (token != pdr_arg_int(args, 1, -1) || rung > 0)) {
        status = add_int(turn, "wrong", 1);
    }
    return status != PDR_OK ? status : pdr_put_int(turn, slot_key(key, sizeof key, "rung", slot), rung + 1);
}

/* What is still to ring rings now. */
static int alarm_hurry(pdr_turn *turn, const pdr_args *args)
{
    for (int64_t slot = 0; slot < 4; slot++) {
        char key[32];
        int64_t token, rung;
        int status = read_int(turn, slot_key(key, sizeof key, "token", slot), &token);
        status = status != PDR_OK ? status : read_int(turn, slot_key(key, sizeof key, "rung", slot), &rung);
        if (status == PDR_OK && token > 0 && rung == 0) {
            status = alarm_arm(turn, slot, token, 0);
        }
        if (status != PDR_OK) {
            return status;
        }
    }
    return pdr_reply_nil(turn);
}

static int alarm_look(pdr_turn *turn, const pdr_args *args)
{
    static const char *const what[] = {"token", "rung", "due"};
    char key[32];
    int64_t n;
    uint8_t room[256];
    pdr_writer reply;
    int status = read_int(turn, "wrong", &n);
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_array(&reply, 2 + 3 * 4);
    pdr_write_int(&reply, n);
    pdr_write_int(&reply, pdr_wall_ms(turn));
    for (int i = 0; i < 12 && status == PDR_OK; i++) {
        status = read_int(turn, slot_key(key, sizeof key, what[i % 3], i / 3), &n);
        pdr_write_int(&reply, n);
    }
    return status != PDR_OK ? status : pdr_reply(turn, pdr_written(&reply));
}

PDR_ACTOR(sim_alarm, PDR_METHOD("set", alarm_set), PDR_METHOD("cancel", alarm_cancel), PDR_METHOD("ring", alarm_ring),
          PDR_METHOD("hurry", alarm_hurry), PDR_READER("look", alarm_look))

/* sim_ledger: amounts go from a through b to c by tells alone; each counts what it sent to whom, and what came from
 * whom, so a tell that came twice, too early or not at all is seen by its receiver. */

static const char *key_of(char *key, size_t size, const char *what, struct pdr_bytes whom)
{
    snprintf(key, size, "%s/%.*s", what, (int)whom.size, (const char *)whom.data);
    return key;
}

/* Tells `to` the next number, the amount, and what else there is. */
static int ledger_tell(pdr_turn *turn, struct pdr_bytes to, const char *method, int64_t amount, struct pdr_bytes then,
                       int64_t stumbles)
{
    char key[128];
    uint8_t room[256];
    int64_t number;
    pdr_writer args;
    key_of(key, sizeof key, "to", to);
    int status = read_int(turn, key, &number);
    if (status == PDR_OK) {
        status = pdr_put_int(turn, key, number + 1);
    }
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 4);
    pdr_write_int(&args, number + 1);
    pdr_write_int(&args, amount);
    pdr_write_str(&args, then);
    pdr_write_int(&args, stumbles);
    return status == PDR_OK ? pdr_tell(turn, to, method, pdr_written(&args)) : status;
}

/* Whoever told us: is this its next number? */
static int ledger_note(pdr_turn *turn, int64_t number)
{
    char key[128];
    int64_t last;
    key_of(key, sizeof key, "from", pdr_caller(turn));
    int status = read_int(turn, key, &last);
    if (status == PDR_OK && number != last + 1) {
        status = add_int(turn, "disorder", 1);
    }
    return status == PDR_OK ? pdr_put_int(turn, key, number) : status;
}

/* send [b, c, amount, tells, stumbles]: the amount in as many tells */
static int ledger_send(pdr_turn *turn, const pdr_args *args)
{
    const struct pdr_bytes none = {NULL, 0};
    struct pdr_bytes b = pdr_arg_bytes(args, 0, none), c = pdr_arg_bytes(args, 1, none);
    int64_t amount = pdr_arg_int(args, 2, 0), tells = pdr_arg_int(args, 3, 1);
    int status = add_int(turn, "sent", amount * tells);
    for (int64_t i = 0; i < tells && status == PDR_OK; i++) {
        status = ledger_tell(turn, b, "pass", amount, c, pdr_arg_int(args, 4, 0));
    }
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

/* pass [number, amount, c, stumbles]: told; fails now and then if it may stumble, after it has done everything */
static int ledger_pass(pdr_turn *turn, const pdr_args *args)
{
    const struct pdr_bytes none = {NULL, 0};
    int64_t amount = pdr_arg_int(args, 1, 0);
    int status = ledger_note(turn, pdr_arg_int(args, 0, 0));
    if (status == PDR_OK) {
        status = add_int(turn, "passed", amount);
    }
    if (status == PDR_OK) {
        status = ledger_tell(turn, pdr_arg_bytes(args, 2, none), "take", amount, none, 0);
    }
    if (status == PDR_OK && pdr_arg_int(args, 3, 0) != 0 && pdr_random(turn) % 30 == 0) {
        return pdr_fail(turn, "stumbled", "as agreed");
    }
    return status;
}

/* take [number, amount]: told */
static int ledger_take(pdr_turn *turn, const pdr_args *args)
{
    int status = ledger_note(turn, pdr_arg_int(args, 0, 0));
    return status == PDR_OK ? add_int(turn, "taken", pdr_arg_int(args, 1, 0)) : status;
}

/* gain [amount]: told by a client */
static int ledger_gain(pdr_turn *turn, const pdr_args *args)
{
    return add_int(turn, "gained", pdr_arg_int(args, 0, 0));
}

/* look -> [sent, passed, taken, gained, disorder] */
static int ledger_look(pdr_turn *turn, const pdr_args *args)
{
    static const char *const keys[] = {"sent", "passed", "taken", "gained", "disorder"};
    uint8_t room[64];
    pdr_writer reply;
    int64_t n;
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_array(&reply, 5);
    for (int i = 0; i < 5; i++) {
        int status = read_int(turn, keys[i], &n);
        if (status != PDR_OK) {
            return status;
        }
        pdr_write_int(&reply, n);
    }
    return pdr_reply(turn, pdr_written(&reply));
}

PDR_ACTOR(sim_ledger, PDR_METHOD("send", ledger_send), PDR_METHOD("pass", ledger_pass), PDR_METHOD("take", ledger_take),
          PDR_METHOD("gain", ledger_gain), PDR_READER("look", ledger_look))

/* sim_news: its n-th event says n. */

static int news_publish(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[16];
    pdr_writer event;
    int64_t n;
    int status = read_int(turn, "n", &n);
    status = status != PDR_OK ? status : pdr_put_int(turn, "n", n + 1);
    pdr_writer_init(&event, room, sizeof room, sizeof room);
    pdr_write_int(&event, n + 1);
    status = status != PDR_OK ? status : pdr_emit(turn, pdr_written(&event));
    return status != PDR_OK ? status : pdr_reply_int(turn, n + 1);
}

static int news_get(pdr_turn *turn, const pdr_args *args)
{
    int64_t n;
    int status = read_int(turn, "n", &n);
    return status != PDR_OK ? status : pdr_reply_int(turn, n);
}

PDR_ACTOR(sim_news, PDR_METHOD("publish", news_publish), PDR_READER("get", news_get))

/* sim_order: do one connection's calls run in the order in which they were sent? */

static int order_put(pdr_turn *turn, const pdr_args *args)
{
    char key[32];
    int64_t last = 0, n = pdr_arg_int(args, 1, 0);
    snprintf(key, sizeof key, "c%lld", (long long)pdr_arg_int(args, 0, 0));
    int status = read_int(turn, key, &last);
    if (status == PDR_OK && n > last) {
        status = pdr_put_int(turn, key, n);
    } else if (status == PDR_OK) {
        status = add_int(turn, "late", 1);
    }
    status = status == PDR_OK ? read_int(turn, "late", &last) : status;
    return status != PDR_OK ? status : pdr_reply_int(turn, last);
}

PDR_ACTOR(sim_order, PDR_METHOD("put", order_put))

const struct pdr_actor_type *const sim_types[] = {
    &pdr_type_sim_bank,   &pdr_type_sim_step,   &pdr_type_sim_witness, &pdr_type_sim_chain, &pdr_type_sim_slow,
    &pdr_type_sim_cached, &pdr_type_sim_beat,   &pdr_type_sim_alarm,   &pdr_type_sim_once,  &pdr_type_sim_knot,
    &pdr_type_sim_relay,  &pdr_type_sim_ledger, &pdr_type_sim_news,    &pdr_type_sim_order, NULL};
