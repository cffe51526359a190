/* bully/GROUP.N: an election by the bully algorithm (H. Garcia-Molina, "Elections in a Distributed Computing System",
 * 1982). Participants 1 to COUNT of a group are actors that tell each other messages; of those that live the one of the
 * highest number becomes coordinator. What it promises, and what not: docs/concepts/bully.md.
 *
 * join [count, {timeout_ms = 1000, heartbeat_ms = 0, coordinator, durable = false}] -> nil: takes part from now on. Who
 *      is not told the coordinator starts an election, as one that has recovered does. `durable`: that it takes part,
 *      and how, is on disk; nothing else ever is
 * elect [] -> whether it started: the coordinator is dead
 * leave [] -> nil: it is silent from now on, as the dead are; so is who never joined
 * coordinator -> its number, or nil: there is none, or an election is under way
 * status -> {state, number, count, coordinator, epoch, timeout_ms, heartbeat_ms, sent, received}
 *
 * Events: {event: "elected", coordinator, epoch, followers} of the one that has become coordinator, when all have
 * acknowledged; {event: "follows", coordinator, epoch} of each of the others. */
#include "actors/builtin/bully_round.h"

#define MS_MAX 86400000

/* To take part */

struct config {
    int64_t count, timeout_ms, heartbeat_ms, coordinator;
    bool durable;
};

static bool read_number(pdr_value options, const char *key, int64_t low, int64_t high, int64_t *out)
{
    pdr_value value = pdr_value_get(options, key);
    enum pdr_kind kind = pdr_value_kind(value);
    return kind == PDR_KIND_NONE || kind == PDR_KIND_NIL || (pdr_value_int(value, out) && *out >= low && *out <= high);
}

static int read_config(pdr_turn *turn, const pdr_args *args, struct config *c)
{
    pdr_value options = pdr_arg(args, 1);
    *c = (struct config){.timeout_ms = 1000};
    c->count = pdr_arg_int(args, 0, 0);
    pdr_value_bool(pdr_value_get(options, "durable"), &c->durable);
    if (c->count < 1 || c->count > BULLY_MEMBERS_MAX) {
        return pdr_fail_status(turn, PDR_INVALID, "a group has 1 to %d participants (limit bully_members)",
                               BULLY_MEMBERS_MAX);
    }
    if (!read_number(options, "timeout_ms", 1, MS_MAX, &c->timeout_ms) ||
        !read_number(options, "heartbeat_ms", 0, MS_MAX, &c->heartbeat_ms)) {
        return pdr_fail_status(turn, PDR_INVALID, "timeout_ms is 1 to %d, heartbeat_ms 0 to %d", MS_MAX, MS_MAX);
    }
    if (!read_number(options, "coordinator", 1, c->count, &c->coordinator)) {
        return pdr_fail_status(turn, PDR_INVALID, "the coordinator is one of the %lld participants",
                               (long long)c->count);
    }
    return PDR_OK;
}

/* N of GROUP.N; 0: there is none. */
static uint32_t own_number(pdr_turn *turn)
{
    struct pdr_bytes key = pdr_self(turn).key;
    const char *text = key.data;
    uint32_t number = 0, unit = 1;
    size_t at = key.size;
    for (; at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9' && unit <= BULLY_MEMBERS_MAX * 10; at--, unit *= 10) {
        number += unit * (uint32_t)(text[at - 1] - '0');
    }
    return at > 1 && at < key.size && text[at - 1] == '.' && text[at] != '0' ? number : 0;
}

static void take_part(pdr_turn *turn, const struct config *c)
{
    struct bully *b = pdr_memory(turn);
    b->mode = BULLY_NORMAL;
    b->self = own_number(turn);
    b->count = (uint32_t)c->count;
    b->timeout_ms = (uint32_t)c->timeout_ms;
    b->heartbeat_ms = (uint32_t)c->heartbeat_ms;
    b->coordinator = (uint32_t)c->coordinator;
    b->halted_by = b->beats_missed = 0;
    b->starts = b->coordinator == 0;
    if (b->starts) { /* not in this turn, whose messages would be written down */
        bully_expire_in(turn, b, 0);
    }
    if (b->heartbeat_ms > 0) {
        pdr_timer_set(turn, "beat", b->heartbeat_ms, b->heartbeat_ms, "beat", pdr_bytes(NULL, 0));
    } else {
        pdr_timer_cancel(turn, "beat");
    }
}

static int keep_config(pdr_turn *turn, const struct config *c)
{
    uint8_t room[48];
    struct pdr_bytes old;
    pdr_writer row;
    if (!c->durable) {
        return pdr_get(turn, pdr_str("config"), &old) == PDR_OK ? pdr_delete(turn, pdr_str("config")) : PDR_OK;
    }
    pdr_writer_init(&row, room, sizeof room, sizeof room);
    pdr_write_array(&row, 3);
    pdr_write_int(&row, c->count);
    pdr_write_int(&row, c->timeout_ms);
    pdr_write_int(&row, c->heartbeat_ms);
    return pdr_put(turn, pdr_str("config"), pdr_written(&row));
}

static int join(pdr_turn *turn, const pdr_args *args)
{
    struct config config;
    int status = read_config(turn, args, &config);
    if (status != PDR_OK) {
        return status;
    }
    uint32_t self = own_number(turn);
    if (self < 1 || self > config.count) {
        return pdr_fail_status(turn, PDR_INVALID,
                               "participants are bully/GROUP.1 to bully/GROUP.%lld, with no zero in front",
                               (long long)config.count);
    }
    status = keep_config(turn, &config);
    if (status != PDR_OK) {
        return status;
    }
    take_part(turn, &config);
    return pdr_reply_nil(turn);
}

/* One that had joined durably recovers: whoever calls it, or tells it something, has woken it. */
static int activate(pdr_turn *turn)
{
    struct config c = {.durable = true};
    pdr_value row;
    int status = pdr_get(turn, pdr_str("config"), &row);
    if (status != PDR_OK) {
        return status == PDR_NOT_FOUND ? PDR_OK : status;
    }
    struct pdr_bytes rest = pdr_value_items(row);
    if (!pdr_value_int(pdr_value_next(&rest), &c.count) || !pdr_value_int(pdr_value_next(&rest), &c.timeout_ms) ||
        !pdr_value_int(pdr_value_next(&rest), &c.heartbeat_ms)) {
        return pdr_fail_status(turn, PDR_INTERNAL, "what a participant keeps is not as this version writes it");
    }
    take_part(turn, &c);
    return PDR_OK;
}

static int leave(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    int status = keep_config(turn, &(struct config){.durable = false});
    if (status != PDR_OK) {
        return status;
    }
    b->mode = BULLY_OUT;
    b->coordinator = 0;
    b->next = b->end;
    pdr_timer_cancel(turn, "expire");
    pdr_timer_cancel(turn, "beat");
    return pdr_reply_nil(turn);
}

static int elect(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    bool starts = b->mode == BULLY_NORMAL;
    if (b->mode == BULLY_OUT) {
        return pdr_fail(turn, "out", "this participant takes no part: join comes first");
    }
    if (starts) {
        bully_start(turn, b);
    }
    return pdr_reply_bool(turn, starts);
}

static int coordinator(pdr_turn *turn, const pdr_args *args)
{
    const struct bully *b = pdr_memory(turn);
    return b->mode == BULLY_NORMAL && b->coordinator > 0 ? pdr_reply_int(turn, b->coordinator) : pdr_reply_nil(turn);
}

static int status(pdr_turn *turn, const pdr_args *args)
{
    static const char *const states[] = {"out", "normal", "asking", "waiting", "winning"};
    const struct bully *b = pdr_memory(turn);
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"number", b->self}, {"count", b->count},           {"coordinator", b->coordinator},
                   {"epoch", b->epoch}, {"timeout_ms", b->timeout_ms}, {"heartbeat_ms", b->heartbeat_ms},
                   {"sent", b->sent},   {"received", b->received}};
    uint32_t count = sizeof numbers / sizeof *numbers;
    uint8_t room[256];
    pdr_writer reply;
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_map(&reply, count + 1);
    pdr_write_cstr(&reply, "state");
    pdr_write_cstr(&reply, states[b->mode]);
    for (uint32_t i = 0; i < count; i++) {
        pdr_write_cstr(&reply, numbers[i].key);
        pdr_write_int(&reply, numbers[i].value);
    }
    return pdr_reply(turn, pdr_written(&reply));
}

/* Messages first: a method is looked for in this order. */
PDR_ACTOR_WITH(bully, sizeof(struct bully), activate, NULL, PDR_DURABILITY_VOLATILE,
               PDR_METHOD("election", bully_election), PDR_METHOD("answer", bully_answer), PDR_METHOD("ack", bully_ack),
               PDR_METHOD("halt", bully_halt), PDR_METHOD("newcoord", bully_newcoord), PDR_METHOD("ready", bully_ready),
               PDR_METHOD("expire", bully_expire), PDR_METHOD("beat", bully_beat), PDR_METHOD("ping", bully_ping),
               PDR_METHOD("pong", bully_pong), PDR_METHOD_AS("join", join, PDR_DURABILITY_SYNC),
               PDR_METHOD_AS("leave", leave, PDR_DURABILITY_SYNC), PDR_METHOD("elect", elect),
               PDR_READER("coordinator", coordinator), PDR_READER("status", status))
