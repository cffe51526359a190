/* bully/GROUP.N: an election by the bully algorithm (H. Garcia-Molina, "Elections in a Distributed Computing System",
 * 1982). Participants 1 to COUNT of a group are actors that tell each other messages; of those that live the one of the
 * highest number becomes coordinator. What it promises, and what not: docs/concepts/bully.md.
 *
 * join [count, {timeout_ms = 1000, heartbeat_ms = 0, coordinator, durable = false}] -> nil: takes part from now on. Who
 *      is not told the coordinator starts an election, as one that has recovered does. `durable`: that it takes part, and
 *      how, is on disk; nothing else ever is
 * elect [] -> whether it started: the coordinator is dead
 * leave [] -> nil: it is silent from now on, as the dead are; so is who never joined
 * coordinator -> its number, or nil: there is none, or an election is under way
 * status -> {state, number, count, coordinator, epoch, timeout_ms, heartbeat_ms, sent, received}
 *
 * Events: {event: "elected", coordinator, epoch, followers} of the one that has become coordinator, when all have
 * acknowledged; {event: "follows", coordinator, epoch} of each of the others.
 *
 * A round, T being timeout_ms; a message is [[from, epoch, attempt, more]], `attempt` naming the round of one participant:
 *
 *   1  Who starts tells `election` to every higher one, and waits T for an `answer`. Who is told `election` answers,
 *      and starts too unless it has. Who is answered only follows from there.
 *   2  Who is not answered tells `halt` to every lower one, and waits until all have told `ack`, or T: then it goes on
 *      without those that have not;
 *   3  then `newcoord` to those that have, likewise;
 *   4  then `ready`, likewise. Who is told `ready` has its coordinator.
 *
 * Beside the paper, since messages may be late or lost here:
 * - A message to many leaves in portions: the next one for each that was answered, so that a round of thousands has
 *   thousands of messages under way and not millions. Portions that are not answered grow with each T.
 * - Who waits for a coordinator and hears nothing for a while (patience_ms) starts again: it that answered may be dead.
 * - A `halt` of a lower one, which took us for dead, is answered, so that it stands back.
 * - Rounds that ended well are numbered (epoch), so that a late `election` of an older one starts none.
 * - With heartbeats a follower asks its coordinator each heartbeat_ms, and starts when it has not answered three times;
 *   a coordinator asks the higher ones, and starts when one lives: no two stay. */
#include <perdure/actor.h>
#include <string.h>

#define MEMBERS_MAX 8192
#define MS_MAX 86400000
#define WINDOW_MAX 256        /* messages without an answer, of one participant ... */
#define WINDOW_MIN 2          /* ... so many ... */
#define UNDER_WAY (4u << 10) /* ... that of all together about so many are */
#define PUT_OFF_MAX 8           /* times in a row that T begins anew, where it was late itself */
#define BEATS_MISSED_MAX 3
#define PINGS_MAX 256 /* of a coordinator, a beat */

enum mode { MODE_OUT, MODE_NORMAL, MODE_ASKING, MODE_WAITING, MODE_WINNING };
enum phase { PHASE_HALT, PHASE_NEWCOORD, PHASE_READY, PHASES };

struct set {
    uint64_t bits[MEMBERS_MAX / 64 + 1];
    uint32_t count;
};

/* An activation's memory. */
struct member {
    enum mode mode;
    uint32_t self, count, timeout_ms, heartbeat_ms;
    uint32_t coordinator; /* 0: none */
    int64_t epoch;        /* of the last round of which it knows that it ended */
    int64_t attempt;      /* of its own round */
    bool expires;         /* the timer is set */
    int64_t due_ms;       /* when, on the wall clock */
    uint32_t put_off;     /* that it was late, and set again, so often in a row */
    bool has_heard;       /* a higher one, about an election, since it was set */
    bool starts;          /* an election, when it expires */

    /* a message to many */
    uint32_t next, end; /* who is next; upwards in phase 1, downwards after it */
    uint32_t unanswered, window;

    /* WINNING */
    enum phase phase;
    struct set up, acked;

    /* WAITING */
    uint32_t halted_by; /* 0: nobody */
    int64_t halt_attempt, next_epoch;
    bool has_newcoord;

    uint32_t beats_missed, pinged;
    int64_t sent, received;
};

static void set_add(struct set *set, uint32_t number)
{
    set->bits[number / 64] |= 1ull << number % 64;
    set->count++;
}

static bool set_has(const struct set *set, uint32_t number)
{
    return (set->bits[number / 64] >> number % 64 & 1) != 0;
}

/* Messages */

struct note {
    uint32_t from;
    int64_t epoch, attempt;
    int64_t extra; /* `ack`: the phase; `pong`: the coordinator */
};

/* The address of another of our group: ours, with its number. */
static struct pdr_bytes address_of(pdr_turn *turn, uint32_t number, char *room)
{
    struct pdr_ref self = pdr_self(turn);
    const char *key = self.key.data;
    size_t group = self.key.size, size = sizeof "bully/" - 1;
    char digits[12];
    uint32_t count = 0;
    while (group > 0 && key[group - 1] != '.') {
        group--;
    }
    memcpy(room, "bully/", size);
    memcpy(room + size, key, group);
    size += group;
    for (; number > 0; number /= 10) {
        digits[count++] = (char)('0' + number % 10);
    }
    while (count > 0) {
        room[size++] = digits[--count];
    }
    return pdr_bytes(room, size);
}

/* A message that can't leave is as one that is lost. */
static void say(pdr_turn *turn, struct member *m, uint32_t to, const char *what, const struct note *note)
{
    char address[PDR_TYPE_SIZE_MAX + PDR_KEY_SIZE_MAX + 16];
    uint8_t room[48];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 1);
    pdr_write_array(&args, 4);
    pdr_write_int(&args, m->self);
    pdr_write_int(&args, note->epoch);
    pdr_write_int(&args, note->attempt);
    pdr_write_int(&args, note->extra);
    if (pdr_tell(turn, address_of(turn, to, address), what, pdr_written(&args)) == PDR_OK) {
        m->sent++;
    }
}

/* False: it is not for us: we take no part, or nobody of the group has sent it. */
static bool hear(struct member *m, const pdr_args *args, struct note *note)
{
    int64_t from = 0;
    struct pdr_bytes rest = pdr_value_items(pdr_arg(args, 0));
    bool is_read =
        pdr_value_int(pdr_value_next(&rest), &from) && pdr_value_int(pdr_value_next(&rest), &note->epoch) &&
        pdr_value_int(pdr_value_next(&rest), &note->attempt) && pdr_value_int(pdr_value_next(&rest), &note->extra);
    if (m->mode == MODE_OUT || !is_read || from < 1 || from > m->count || from == m->self) {
        return false;
    }
    note->from = (uint32_t)from;
    m->received++;
    return true;
}

static void emit(pdr_turn *turn, const struct member *m, const char *event)
{
    uint8_t room[128];
    pdr_writer writer;
    bool is_own = m->coordinator == m->self;
    pdr_writer_init(&writer, room, sizeof room, sizeof room);
    pdr_write_map(&writer, is_own ? 4 : 3);
    pdr_write_cstr(&writer, "event");
    pdr_write_cstr(&writer, event);
    pdr_write_cstr(&writer, "coordinator");
    pdr_write_int(&writer, m->coordinator);
    pdr_write_cstr(&writer, "epoch");
    pdr_write_int(&writer, m->epoch);
    if (is_own) {
        pdr_write_cstr(&writer, "followers");
        pdr_write_int(&writer, m->up.count);
    }
    pdr_emit(turn, pdr_written(&writer));
}

static void expire_in(pdr_turn *turn, struct member *m, uint64_t delay_ms)
{
    m->has_heard = false;
    m->due_ms = pdr_wall_ms(turn) + (int64_t)delay_ms;
    m->expires = pdr_timer_set(turn, "expire", delay_ms, 0, "expire", pdr_bytes(NULL, 0)) == PDR_OK;
}

/* We hear of it much later than it was due: where we are so slow, or stood still, answers may be waiting for others. */
static bool is_late(pdr_turn *turn, struct member *m)
{
    int64_t late_ms = pdr_wall_ms(turn) - m->due_ms;
    m->put_off = late_ms > m->timeout_ms / 2 + 5 ? m->put_off + 1 : 0;
    return m->put_off > 0 && m->put_off < PUT_OFF_MAX;
}

/* Longer than what a winner waits in all, where it waits for somebody dead in each phase. */
static uint64_t patience_ms(const struct member *m)
{
    return 5ull * m->timeout_ms + 50;
}

/* A message to many */

static void begin_many(struct member *m, uint32_t first, uint32_t end, uint32_t window)
{
    m->window = window < WINDOW_MIN ? WINDOW_MIN : window > WINDOW_MAX ? WINDOW_MAX : window;
    m->unanswered = 0;
    m->next = first;
    m->end = end;
}

static void go_on(pdr_turn *turn, struct member *m)
{
    static const char *const phases[] = {"halt", "newcoord", "ready"};
    const struct note note = {.epoch = m->epoch, .attempt = m->attempt};
    bool wins = m->mode == MODE_WINNING;
    while (m->next != m->end && m->unanswered < m->window) {
        uint32_t to = m->next;
        m->next += wins ? -1u : 1u;
        if (!wins || set_has(&m->up, to)) {
            say(turn, m, to, wins ? phases[m->phase] : "election", &note);
            m->unanswered++;
        }
    }
}

/* T is over. False: it has gone to all. */
static bool go_on_without(pdr_turn *turn, struct member *m)
{
    if (m->next == m->end) {
        return false;
    }
    m->window *= m->window < WINDOW_MAX ? 2 : 1;
    m->unanswered = 0;
    go_on(turn, m);
    return true;
}

static void was_answered(pdr_turn *turn, struct member *m)
{
    m->unanswered -= m->unanswered > 0;
    go_on(turn, m);
}

/* Phases 2 to 4 */

static void follow(struct member *m)
{
    m->mode = MODE_WAITING;
    m->halted_by = 0;
    m->next = m->end;
}

static void leave_phase(struct member *m)
{
    m->up = m->acked;
    m->epoch += m->phase == PHASE_HALT; /* the highest that any of them knew */
    m->phase++;
}

static void begin_phase(pdr_turn *turn, struct member *m)
{
    m->acked = (struct set){.count = 0};
    while (m->phase < PHASES && m->up.count == 0) {
        leave_phase(m); /* nobody is there to be told */
    }
    if (m->phase == PHASES) {
        m->mode = MODE_NORMAL;
        m->coordinator = m->self;
        emit(turn, m, "elected");
        return;
    }
    begin_many(m, m->self - 1, 0, WINDOW_MAX);
    go_on(turn, m);
    expire_in(turn, m, m->timeout_ms);
}

static void end_phase(pdr_turn *turn, struct member *m)
{
    leave_phase(m);
    begin_phase(turn, m);
}

static void win(pdr_turn *turn, struct member *m)
{
    m->mode = MODE_WINNING;
    m->phase = PHASE_HALT;
    m->up = (struct set){.count = 0};
    for (uint32_t number = 1; number < m->self; number++) {
        set_add(&m->up, number);
    }
    begin_phase(turn, m);
}

/* Phase 1 */

static void start(pdr_turn *turn, struct member *m)
{
    m->mode = MODE_ASKING;
    m->starts = false;
    m->coordinator = 0;
    m->halted_by = 0;
    m->beats_missed = 0;
    m->attempt = (int64_t)(pdr_random(turn) >> 33);
    if (m->self == m->count) {
        win(turn, m);
        return;
    }
    begin_many(m, m->self + 1, m->count + 1, UNDER_WAY / m->count);
    go_on(turn, m);
    expire_in(turn, m, m->timeout_ms);
}

static int election(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    struct note note;
    if (hear(m, args, &note) && note.from < m->self) {
        struct note answer = {.epoch = m->epoch, .attempt = note.attempt};
        say(turn, m, note.from, "answer", &answer);
        if (m->mode == MODE_NORMAL && note.epoch >= m->epoch) {
            start(turn, m);
        }
    }
    return PDR_OK;
}

static int answer(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    struct note note;
    if (!hear(m, args, &note) || note.from < m->self || note.attempt != m->attempt) {
        return PDR_OK;
    }
    m->has_heard = true;
    m->epoch = note.epoch > m->epoch ? note.epoch : m->epoch;
    if (m->mode == MODE_WINNING) {
        follow(m); /* it lives after all */
    } else if (m->mode == MODE_ASKING || m->mode == MODE_WAITING) {
        m->mode = MODE_WAITING;
        was_answered(turn, m);
    }
    return PDR_OK;
}

static void acknowledge(pdr_turn *turn, struct member *m, const struct note *note, enum phase phase)
{
    struct note ack = {.epoch = m->epoch, .attempt = note->attempt, .extra = phase};
    say(turn, m, note->from, "ack", &ack);
}

static int halt(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    struct note note;
    if (!hear(m, args, &note)) {
        return PDR_OK;
    }
    if (note.from < m->self) {
        struct note alive = {.epoch = m->epoch, .attempt = note.attempt};
        say(turn, m, note.from, "answer", &alive);
        if (m->mode == MODE_NORMAL) {
            start(turn, m);
        }
        return PDR_OK;
    }
    follow(m);
    m->has_heard = true;
    m->coordinator = 0;
    m->halted_by = note.from;
    m->halt_attempt = note.attempt;
    m->has_newcoord = false;
    if (!m->expires) {
        expire_in(turn, m, patience_ms(m));
    }
    acknowledge(turn, m, &note, PHASE_HALT);
    return PDR_OK;
}

/* Is it of the round that has halted us? */
static bool is_expected(const struct member *m, const struct note *note)
{
    return m->mode == MODE_WAITING && m->halted_by == note->from && m->halt_attempt == note->attempt;
}

static int newcoord(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    struct note note;
    if (hear(m, args, &note) && is_expected(m, &note)) {
        m->has_newcoord = m->has_heard = true;
        m->next_epoch = note.epoch;
        acknowledge(turn, m, &note, PHASE_NEWCOORD);
    }
    return PDR_OK;
}

static int ready(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    struct note note;
    if (hear(m, args, &note) && is_expected(m, &note) && m->has_newcoord) {
        m->mode = MODE_NORMAL;
        m->coordinator = note.from;
        m->epoch = m->next_epoch;
        m->beats_missed = 0;
        acknowledge(turn, m, &note, PHASE_READY);
        emit(turn, m, "follows");
    }
    return PDR_OK;
}

static int ack(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    struct note note;
    bool is_due = hear(m, args, &note) && m->mode == MODE_WINNING && note.attempt == m->attempt &&
                  note.extra == (int64_t)m->phase && set_has(&m->up, note.from) && !set_has(&m->acked, note.from);
    if (!is_due) {
        return PDR_OK;
    }
    if (m->phase == PHASE_HALT && note.epoch > m->epoch) {
        m->epoch = note.epoch;
    }
    m->has_heard = true;
    set_add(&m->acked, note.from);
    if (m->acked.count == m->up.count) {
        end_phase(turn, m);
    } else {
        was_answered(turn, m);
    }
    return PDR_OK;
}

/* T is over, or the patience of one that waits. */
static int expire(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    bool has_heard = m->has_heard;
    m->expires = false;
    if (m->mode > MODE_NORMAL && is_late(turn, m)) {
        expire_in(turn, m, m->timeout_ms);
        return PDR_OK;
    }
    switch (m->mode) {
    case MODE_ASKING:
        if (go_on_without(turn, m)) {
            expire_in(turn, m, m->timeout_ms);
        } else {
            win(turn, m);
        }
        break;
    case MODE_WINNING:
        if (has_heard || go_on_without(turn, m)) {
            expire_in(turn, m, m->timeout_ms);
        } else {
            end_phase(turn, m);
        }
        break;
    case MODE_WAITING:
        if (go_on_without(turn, m) || has_heard) {
            expire_in(turn, m, patience_ms(m));
        } else {
            start(turn, m);
        }
        break;
    default:
        if (m->mode == MODE_NORMAL && m->starts) {
            start(turn, m);
        }
        break;
    }
    return PDR_OK;
}

/* Heartbeats */

static void ping_higher(pdr_turn *turn, struct member *m)
{
    const struct note note = {.epoch = m->epoch};
    uint32_t higher = m->count - m->self;
    for (uint32_t i = 0; i < higher && i < PINGS_MAX; i++) {
        m->pinged = m->pinged % higher + 1;
        say(turn, m, m->self + m->pinged, "ping", &note);
    }
}

static int beat(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    const struct note note = {.epoch = m->epoch};
    if (m->mode != MODE_NORMAL) {
        return PDR_OK;
    }
    if (m->coordinator == m->self) {
        ping_higher(turn, m);
    } else if (m->coordinator == 0 || m->beats_missed == BEATS_MISSED_MAX) {
        start(turn, m);
    } else {
        m->beats_missed++;
        say(turn, m, m->coordinator, "ping", &note);
    }
    return PDR_OK;
}

static int ping(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    struct note note;
    if (hear(m, args, &note)) {
        struct note pong = {.epoch = m->epoch, .extra = m->coordinator};
        say(turn, m, note.from, "pong", &pong);
    }
    return PDR_OK;
}

static int pong(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    struct note note;
    if (!hear(m, args, &note) || m->mode != MODE_NORMAL) {
        return PDR_OK;
    }
    bool is_rival = m->coordinator == m->self && note.from > m->self;
    bool has_changed = m->coordinator == note.from && note.extra != 0 && note.extra != (int64_t)note.from;
    if (is_rival || has_changed) {
        m->epoch = note.epoch > m->epoch ? note.epoch : m->epoch;
        start(turn, m);
    } else if (m->coordinator == note.from) {
        m->beats_missed = 0;
    }
    return PDR_OK;
}

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
    if (c->count < 1 || c->count > MEMBERS_MAX) {
        return pdr_fail_status(turn, PDR_INVALID, "a group has 1 to %d participants (limit bully_members)",
                               MEMBERS_MAX);
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
    for (; at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9' && unit <= MEMBERS_MAX * 10; at--, unit *= 10) {
        number += unit * (uint32_t)(text[at - 1] - '0');
    }
    return at > 1 && at < key.size && text[at - 1] == '.' && text[at] != '0' ? number : 0;
}

static void take_part(pdr_turn *turn, const struct config *c)
{
    struct member *m = pdr_memory(turn);
    m->mode = MODE_NORMAL;
    m->self = own_number(turn);
    m->count = (uint32_t)c->count;
    m->timeout_ms = (uint32_t)c->timeout_ms;
    m->heartbeat_ms = (uint32_t)c->heartbeat_ms;
    m->coordinator = (uint32_t)c->coordinator;
    m->halted_by = m->beats_missed = 0;
    m->starts = m->coordinator == 0;
    if (m->starts) { /* not in this turn, whose messages would be written down */
        expire_in(turn, m, 0);
    }
    if (m->heartbeat_ms > 0) {
        pdr_timer_set(turn, "beat", m->heartbeat_ms, m->heartbeat_ms, "beat", pdr_bytes(NULL, 0));
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
    struct member *m = pdr_memory(turn);
    int status = keep_config(turn, &(struct config){.durable = false});
    if (status != PDR_OK) {
        return status;
    }
    m->mode = MODE_OUT;
    m->coordinator = 0;
    m->next = m->end;
    pdr_timer_cancel(turn, "expire");
    pdr_timer_cancel(turn, "beat");
    return pdr_reply_nil(turn);
}

static int elect(pdr_turn *turn, const pdr_args *args)
{
    struct member *m = pdr_memory(turn);
    bool starts = m->mode == MODE_NORMAL;
    if (m->mode == MODE_OUT) {
        return pdr_fail(turn, "out", "this participant takes no part: join comes first");
    }
    if (starts) {
        start(turn, m);
    }
    return pdr_reply_bool(turn, starts);
}

static int coordinator(pdr_turn *turn, const pdr_args *args)
{
    const struct member *m = pdr_memory(turn);
    return m->mode == MODE_NORMAL && m->coordinator > 0 ? pdr_reply_int(turn, m->coordinator) : pdr_reply_nil(turn);
}

static int status(pdr_turn *turn, const pdr_args *args)
{
    static const char *const states[] = {"out", "normal", "asking", "waiting", "winning"};
    const struct member *m = pdr_memory(turn);
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"number", m->self}, {"count", m->count},           {"coordinator", m->coordinator},
                   {"epoch", m->epoch}, {"timeout_ms", m->timeout_ms}, {"heartbeat_ms", m->heartbeat_ms},
                   {"sent", m->sent},   {"received", m->received}};
    uint32_t count = sizeof numbers / sizeof *numbers;
    uint8_t room[256];
    pdr_writer reply;
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_map(&reply, count + 1);
    pdr_write_cstr(&reply, "state");
    pdr_write_cstr(&reply, states[m->mode]);
    for (uint32_t i = 0; i < count; i++) {
        pdr_write_cstr(&reply, numbers[i].key);
        pdr_write_int(&reply, numbers[i].value);
    }
    return pdr_reply(turn, pdr_written(&reply));
}

/* Messages first: a method is looked for in this order. */
PDR_ACTOR_WITH(bully, sizeof(struct member), activate, NULL, PDR_DURABILITY_VOLATILE, PDR_METHOD("election", election),
               PDR_METHOD("answer", answer), PDR_METHOD("ack", ack), PDR_METHOD("halt", halt),
               PDR_METHOD("newcoord", newcoord), PDR_METHOD("ready", ready), PDR_METHOD("expire", expire),
               PDR_METHOD("beat", beat), PDR_METHOD("ping", ping), PDR_METHOD("pong", pong),
               PDR_METHOD_AS("join", join, PDR_DURABILITY_SYNC), PDR_METHOD_AS("leave", leave, PDR_DURABILITY_SYNC),
               PDR_METHOD("elect", elect), PDR_READER("coordinator", coordinator), PDR_READER("status", status))
