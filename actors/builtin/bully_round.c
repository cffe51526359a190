/* actors/builtin/bully_round.c: a round of the bully algorithm.
 *
 * T being timeout_ms; a message is [[from, epoch, attempt, more]], `attempt` naming the round of one participant:
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
 *   thousands of messages under way and not millions. Portions that are not answered grow with each T. Who is told
 *   `halt` meanwhile asks no more.
 * - Who waits for a coordinator and hears nothing for a while (patience_ms) starts again: it that answered may be dead.
 * - A `halt` of a lower one, which took us for dead, is answered, so that it stands back.
 * - Rounds that ended well are numbered (epoch), so that a late `election` of an older one starts none.
 * - With heartbeats a follower asks its coordinator each heartbeat_ms, and starts when it has not answered three times;
 *   a coordinator asks the higher ones, and starts when one lives: no two stay. */
#include "actors/builtin/bully_round.h"

#include <string.h>

#define WINDOW_MAX 256       /* messages without an answer, of one participant ... */
#define WINDOW_MIN 2         /* ... so many ... */
#define UNDER_WAY (4u << 10) /* ... that of all together about so many are */
#define EPOCH_MAX (1ll << 53)
#define PUT_OFF_MAX 8 /* times in a row that T begins anew, where it was late itself */
#define BEATS_MISSED_MAX 3
#define PINGS_MAX 256 /* of a coordinator, a beat */

static void set_add(struct bully_set *set, uint32_t number)
{
    set->bits[number / 64] |= 1ull << number % 64;
    set->count++;
}

static bool set_has(const struct bully_set *set, uint32_t number)
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
static void say(pdr_turn *turn, struct bully *b, uint32_t to, const char *what, const struct note *note)
{
    char address[PDR_TYPE_SIZE_MAX + PDR_KEY_SIZE_MAX + 16];
    uint8_t room[48];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 1);
    pdr_write_array(&args, 4);
    pdr_write_int(&args, b->self);
    pdr_write_int(&args, note->epoch);
    pdr_write_int(&args, note->attempt);
    pdr_write_int(&args, note->extra);
    if (pdr_tell(turn, address_of(turn, to, address), what, pdr_written(&args)) == PDR_OK) {
        b->sent++;
    }
}

/* False: it is not for us: we take no part, or nobody of the group has sent it. */
static bool hear(struct bully *b, const pdr_args *args, struct note *note)
{
    int64_t from = 0;
    struct pdr_bytes rest = pdr_value_items(pdr_arg(args, 0));
    bool is_read = pdr_value_int(pdr_value_next(&rest), &from) && pdr_value_int(pdr_value_next(&rest), &note->epoch) &&
                   pdr_value_int(pdr_value_next(&rest), &note->attempt) &&
                   pdr_value_int(pdr_value_next(&rest), &note->extra);
    if (b->mode == BULLY_OUT || !is_read || note->epoch < 0 || note->epoch > EPOCH_MAX || from < 1 || from > b->count ||
        from == b->self) {
        return false;
    }
    note->from = (uint32_t)from;
    b->received++;
    return true;
}

static void emit(pdr_turn *turn, const struct bully *b, const char *event)
{
    uint8_t room[128];
    pdr_writer writer;
    bool is_own = b->coordinator == b->self;
    pdr_writer_init(&writer, room, sizeof room, sizeof room);
    pdr_write_map(&writer, is_own ? 4 : 3);
    pdr_write_cstr(&writer, "event");
    pdr_write_cstr(&writer, event);
    pdr_write_cstr(&writer, "coordinator");
    pdr_write_int(&writer, b->coordinator);
    pdr_write_cstr(&writer, "epoch");
    pdr_write_int(&writer, b->epoch);
    if (is_own) {
        pdr_write_cstr(&writer, "followers");
        pdr_write_int(&writer, b->up.count);
    }
    pdr_emit(turn, pdr_written(&writer));
}

void bully_expire_in(pdr_turn *turn, struct bully *b, uint64_t delay_ms)
{
    b->has_heard = false;
    b->due_ms = pdr_wall_ms(turn) + (int64_t)delay_ms;
    b->expires = pdr_timer_set(turn, "expire", delay_ms, 0, "expire", pdr_bytes(NULL, 0)) == PDR_OK;
}

/* We hear of it much later than it was due: where we are so slow, or stood still, answers may be waiting for others. */
static bool is_late(pdr_turn *turn, struct bully *b)
{
    int64_t late_ms = pdr_wall_ms(turn) - b->due_ms;
    b->put_off = late_ms > b->timeout_ms / 2 + 5 ? b->put_off + 1 : 0;
    return b->put_off > 0 && b->put_off < PUT_OFF_MAX;
}

/* Longer than what a winner waits in all, where it waits for somebody dead in each phase. */
static uint64_t patience_ms(const struct bully *b)
{
    return 5ull * b->timeout_ms + 50;
}

/* A message to many */

static void begin_many(struct bully *b, uint32_t others, uint32_t window)
{
    b->window = window < WINDOW_MIN ? WINDOW_MIN : window > WINDOW_MAX ? WINDOW_MAX : window;
    b->unanswered = 0;
    b->next = 0;
    b->end = others;
}

/* Who is next. Each begins with another of the higher ones and goes round: if all began with the lowest, or the
 * highest, they would come to the same few at once, and fill their mailboxes. */
static uint32_t next_of_many(const struct bully *b)
{
    if (b->mode == BULLY_WINNING) {
        return b->self - 1 - b->next;
    }
    uint64_t first = b->self * 2654435761ull; /* a multiplicative hash (Knuth, vol. 3, 6.4) */
    return b->self + 1 + (uint32_t)((first + b->next) % b->end);
}

static void go_on(pdr_turn *turn, struct bully *b)
{
    static const char *const phases[] = {"halt", "newcoord", "ready"};
    const struct note note = {.epoch = b->epoch, .attempt = b->attempt};
    bool wins = b->mode == BULLY_WINNING;
    while (b->next != b->end && b->unanswered < b->window) {
        uint32_t to = next_of_many(b);
        b->next++;
        if (!wins || set_has(&b->up, to)) {
            say(turn, b, to, wins ? phases[b->phase] : "election", &note);
            b->unanswered++;
        }
    }
}

/* T is over. False: it has gone to all. */
static bool go_on_without(pdr_turn *turn, struct bully *b)
{
    if (b->next == b->end) {
        return false;
    }
    b->window *= b->window < WINDOW_MAX ? 2 : 1;
    b->unanswered = 0;
    go_on(turn, b);
    return true;
}

static void was_answered(pdr_turn *turn, struct bully *b)
{
    b->unanswered -= b->unanswered > 0;
    go_on(turn, b);
}

/* Phases 2 to 4 */

static void follow(struct bully *b)
{
    b->mode = BULLY_WAITING;
    b->halted_by = 0;
    b->next = b->end;
}

static void leave_phase(struct bully *b)
{
    b->up = b->acked;
    b->epoch += b->phase == BULLY_HALT; /* the highest that any of them knew */
    b->phase++;
}

static void begin_phase(pdr_turn *turn, struct bully *b)
{
    b->acked = (struct bully_set){.count = 0};
    while (b->phase < BULLY_PHASES && b->up.count == 0) {
        leave_phase(b); /* nobody is there to be told */
    }
    if (b->phase == BULLY_PHASES) {
        b->mode = BULLY_NORMAL;
        b->coordinator = b->self;
        emit(turn, b, "elected");
        return;
    }
    begin_many(b, b->self - 1, WINDOW_MAX);
    go_on(turn, b);
    bully_expire_in(turn, b, b->timeout_ms);
}

static void end_phase(pdr_turn *turn, struct bully *b)
{
    leave_phase(b);
    begin_phase(turn, b);
}

static void win(pdr_turn *turn, struct bully *b)
{
    b->mode = BULLY_WINNING;
    b->phase = BULLY_HALT;
    b->up = (struct bully_set){.count = 0};
    for (uint32_t number = 1; number < b->self; number++) {
        set_add(&b->up, number);
    }
    begin_phase(turn, b);
}

/* Phase 1 */

void bully_start(pdr_turn *turn, struct bully *b)
{
    b->mode = BULLY_ASKING;
    b->starts = false;
    b->coordinator = 0;
    b->halted_by = 0;
    b->beats_missed = 0;
    b->attempt = (int64_t)(pdr_random(turn) >> 33);
    if (b->self == b->count) {
        win(turn, b);
        return;
    }
    begin_many(b, b->count - b->self, UNDER_WAY / b->count);
    go_on(turn, b);
    bully_expire_in(turn, b, b->timeout_ms);
}

int bully_election(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    struct note note;
    if (hear(b, args, &note) && note.from < b->self) {
        struct note answer = {.epoch = b->epoch, .attempt = note.attempt};
        say(turn, b, note.from, "answer", &answer);
        if (b->mode == BULLY_NORMAL && note.epoch >= b->epoch) {
            bully_start(turn, b);
        }
    }
    return PDR_OK;
}

int bully_answer(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    struct note note;
    if (!hear(b, args, &note) || note.from < b->self || note.attempt != b->attempt) {
        return PDR_OK;
    }
    b->has_heard = true;
    b->epoch = note.epoch > b->epoch ? note.epoch : b->epoch;
    if (b->mode == BULLY_WINNING) {
        follow(b); /* it lives after all */
    } else if (b->mode == BULLY_ASKING || b->mode == BULLY_WAITING) {
        b->mode = BULLY_WAITING;
        was_answered(turn, b);
    }
    return PDR_OK;
}

static void acknowledge(pdr_turn *turn, struct bully *b, const struct note *note, enum bully_phase phase)
{
    struct note ack = {.epoch = b->epoch, .attempt = note->attempt, .extra = phase};
    say(turn, b, note->from, "ack", &ack);
}

int bully_halt(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    struct note note;
    if (!hear(b, args, &note)) {
        return PDR_OK;
    }
    if (note.from < b->self) {
        struct note alive = {.epoch = b->epoch, .attempt = note.attempt};
        say(turn, b, note.from, "answer", &alive);
        if (b->mode == BULLY_NORMAL) {
            bully_start(turn, b);
        }
        return PDR_OK;
    }
    follow(b);
    b->has_heard = true;
    b->coordinator = 0;
    b->halted_by = note.from;
    b->halt_attempt = note.attempt;
    b->has_newcoord = false;
    if (!b->expires) {
        bully_expire_in(turn, b, patience_ms(b));
    }
    acknowledge(turn, b, &note, BULLY_HALT);
    return PDR_OK;
}

/* Is it of the round that has halted us? */
static bool is_expected(const struct bully *b, const struct note *note)
{
    return b->mode == BULLY_WAITING && b->halted_by == note->from && b->halt_attempt == note->attempt;
}

int bully_newcoord(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    struct note note;
    if (hear(b, args, &note) && is_expected(b, &note)) {
        b->has_newcoord = b->has_heard = true;
        b->next_epoch = note.epoch;
        acknowledge(turn, b, &note, BULLY_NEWCOORD);
    }
    return PDR_OK;
}

int bully_ready(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    struct note note;
    if (hear(b, args, &note) && is_expected(b, &note) && b->has_newcoord) {
        b->mode = BULLY_NORMAL;
        b->coordinator = note.from;
        b->epoch = b->next_epoch > b->epoch ? b->next_epoch : b->epoch;
        b->beats_missed = 0;
        acknowledge(turn, b, &note, BULLY_READY);
        emit(turn, b, "follows");
    }
    return PDR_OK;
}

int bully_ack(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    struct note note;
    bool is_due = hear(b, args, &note) && b->mode == BULLY_WINNING && note.attempt == b->attempt &&
                  note.extra == (int64_t)b->phase && set_has(&b->up, note.from) && !set_has(&b->acked, note.from);
    if (!is_due) {
        return PDR_OK;
    }
    if (b->phase == BULLY_HALT && note.epoch > b->epoch) {
        b->epoch = note.epoch;
    }
    b->has_heard = true;
    set_add(&b->acked, note.from);
    if (b->acked.count == b->up.count) {
        end_phase(turn, b);
    } else {
        was_answered(turn, b);
    }
    return PDR_OK;
}

/* T is over, or the patience of one that waits. */
int bully_expire(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    bool has_heard = b->has_heard;
    b->expires = false;
    if (b->mode > BULLY_NORMAL && is_late(turn, b)) {
        bully_expire_in(turn, b, b->timeout_ms);
        return PDR_OK;
    }
    switch (b->mode) {
    case BULLY_ASKING:
        if (go_on_without(turn, b)) {
            bully_expire_in(turn, b, b->timeout_ms);
        } else {
            win(turn, b);
        }
        break;
    case BULLY_WINNING:
        if (has_heard || go_on_without(turn, b)) {
            bully_expire_in(turn, b, b->timeout_ms);
        } else {
            end_phase(turn, b);
        }
        break;
    case BULLY_WAITING:
        if (go_on_without(turn, b) || has_heard) {
            bully_expire_in(turn, b, patience_ms(b));
        } else {
            bully_start(turn, b);
        }
        break;
    default:
        if (b->mode == BULLY_NORMAL && b->starts) {
            bully_start(turn, b);
        }
        break;
    }
    return PDR_OK;
}

/* Heartbeats */

static void ping_higher(pdr_turn *turn, struct bully *b)
{
    const struct note note = {.epoch = b->epoch};
    uint32_t higher = b->count - b->self;
    for (uint32_t i = 0; i < higher && i < PINGS_MAX; i++) {
        b->pinged = b->pinged % higher + 1;
        say(turn, b, b->self + b->pinged, "ping", &note);
    }
}

int bully_beat(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    const struct note note = {.epoch = b->epoch};
    if (b->mode != BULLY_NORMAL) {
        return PDR_OK;
    }
    if (b->coordinator == b->self) {
        ping_higher(turn, b);
    } else if (b->coordinator == 0 || b->beats_missed == BEATS_MISSED_MAX) {
        bully_start(turn, b);
    } else {
        b->beats_missed++;
        say(turn, b, b->coordinator, "ping", &note);
    }
    return PDR_OK;
}

int bully_ping(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    struct note note;
    if (hear(b, args, &note)) {
        struct note pong = {.epoch = b->epoch, .extra = b->coordinator};
        say(turn, b, note.from, "pong", &pong);
    }
    return PDR_OK;
}

int bully_pong(pdr_turn *turn, const pdr_args *args)
{
    struct bully *b = pdr_memory(turn);
    struct note note;
    if (!hear(b, args, &note) || b->mode != BULLY_NORMAL) {
        return PDR_OK;
    }
    bool is_rival = b->coordinator == b->self && note.from > b->self;
    bool has_changed = b->coordinator == note.from && note.extra != 0 && note.extra != (int64_t)note.from;
    if (is_rival || has_changed) {
        b->epoch = note.epoch > b->epoch ? note.epoch : b->epoch;
        bully_start(turn, b);
    } else if (b->coordinator == note.from) {
        b->beats_missed = 0;
    }
    return PDR_OK;
}
