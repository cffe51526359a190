/* core/shard/outbox.c: what a turn asks of others: calls it waits for, tells, timers, sleep. A call commits what was
 * written so far before it leaves; tells and timers wait for the end of the turn. */
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/aside.h"
#include "core/shard/commit.h"
#include "core/shard/sessions.h"
#include "core/shard/tells.h"
#include "core/shard/turn.h"
#include "core/shard/watch.h"

/* Commit before call: what this turn wrote so far becomes an entry, and the gate opens, before anybody hears of it. */

static void part_committed(struct gate_wait *wait, enum pdr_status status)
{
    struct turn *turn = LIST_ITEM(wait, struct turn, gate);
    turn->gate_status = status;
    turn_wake(turn);
}

static enum pdr_status commit_part(struct turn *turn, bool call_leaves)
{
    struct activation *a = turn->activation;
    if (turn->kind == TURN_PASSIVATE) {
        return turn_fail(turn, PDR_INVALID, NULL, "a passivate hook can't wait");
    }
    if (a->doomed) {
        return turn_fail_doomed(turn);
    }
    bool was_begun = turn->begun;
    if (call_leaves || turn->writes.count > 0 || turn->rows.count > 0 || turn->outbox_count > 0) {
        sessions_put_begun(turn);
    }
    enum pdr_status status = commit_turn(turn, false);
    if (status != PDR_OK) {
        turn->begun = was_begun;
        return status;
    }
    turn->acted |= call_leaves || turn->is_entry;
    turn_release_effects(turn);
    if (turn->durability != PDR_DURABILITY_SYNC || MUTATION(5)) {
        return PDR_OK;
    }
    turn->gate.open = part_committed;
    turn->gate_status = PDR_OK;
    if (commit_gate(a->shard, &turn->gate, a->last_seq)) {
        turn_wait(turn, TURN_WAITS_COMMIT);
    }
    if (turn->cancelled) {
        return turn_may_wait(turn);
    }
    if (turn->gate_status != PDR_OK) {
        tells_part_undone(turn);
        return turn_fail(turn, turn->gate_status, NULL,
                         "what the turn wrote before the call could not be made durable");
    }
    return PDR_OK;
}

/* Making a call or a tell. */

enum pdr_status turn_check_args(struct turn *turn, struct pdr_bytes args)
{
    if (args.size == 0) {
        return PDR_OK;
    }
    if (args.size > PDR_STATE_VALUE_MAX) {
        return turn_fail(turn, PDR_TOO_LARGE, NULL, "arguments have at most %u bytes (limit payload_bytes_max)",
                         PDR_STATE_VALUE_MAX);
    }
    if (pdr_value_kind(args) != PDR_KIND_ARRAY ||
        pdr_value_skip(args.data, args.size, PDR_VALUE_DEPTH_MAX) != (int64_t)args.size) {
        return turn_fail(turn, PDR_INVALID, NULL, "arguments must be one encoded array");
    }
    return PDR_OK;
}

/* The path of a call that `cause` makes: its own, and who it runs on. The far end of a long one gives way. */
static struct pdr_bytes lengthen(const struct call *cause, struct pdr_bytes self, char *room)
{
    struct pdr_bytes path = call_path(cause);
    size_t size = 0;
    if (path.size + 1 + self.size > CALL_PATH_MAX) {
        memcpy(room, "...", 4);
        size = 4;
        path = cause->caller;
    }
    memcpy(room + size, path.data, path.size);
    size += path.size;
    room[size++] = 0;
    memcpy(room + size, self.data, self.size);
    return pdr_bytes(room, size + self.size);
}

static enum pdr_status make(struct turn *turn, struct pdr_bytes to, struct pdr_bytes method, struct pdr_bytes args,
                            bool waits, struct call **out)
{
    static const uint8_t no_args[] = {0x90};
    struct activation *a = turn->activation;
    struct pdr_ref ref;
    const char *why;
    if (pdr_ref_parse(to, &ref, &why) != PDR_OK) {
        return turn_fail(turn, PDR_INVALID, NULL, "%s: %.*s", why, to.size > 64 ? 64 : (int)to.size,
                         (const char *)to.data);
    }
    if (method.size == 0 || method.size > PDR_METHOD_SIZE_MAX) {
        return turn_fail(turn, PDR_INVALID, NULL, "a method's name has 1 to %d bytes (limit method_bytes_max)",
                         PDR_METHOD_SIZE_MAX);
    }
    if (args.size == 0) {
        args = pdr_bytes(no_args, sizeof no_args);
    } else {
        enum pdr_status status = turn_check_args(turn, args);
        if (status != PDR_OK) {
            return status;
        }
    }
    uint32_t depth = waits && turn->call != NULL ? turn->call->chain_count : 0;
    if (waits && depth + 1 >= CALL_CHAIN_MAX) {
        return turn_fail(turn, PDR_TOO_LARGE, NULL, "more than %u actors would wait for one another (limit chain_max)",
                         CALL_CHAIN_MAX);
    }
    struct core *core = a->core;
    char room[CALL_PATH_MAX];
    struct pdr_bytes self = activation_address(a);
    struct pdr_bytes path = depth > 0 ? lengthen(turn->call, self, room) : self;
    struct call *call = call_new(&core->calls, core, &ref, to, method, args, path, depth > 0 ? turn->call->chain : NULL,
                                 depth, waits ? turn->link : 0);
    if (call == NULL) {
        return turn_fail(turn, PDR_OVERLOADED, NULL, "the machine has no memory for this call");
    }
    call_set_path(call, self.size);
    *out = call;
    return PDR_OK;
}

/* What a turn sends lies in memory until it has ended. */
static enum pdr_status sends(struct turn *turn, size_t size)
{
    if (size > LIMIT_TURN_SENT_BYTES_MAX - turn->sent_bytes) {
        return turn_fail(turn, PDR_TOO_LARGE, NULL,
                         "the arguments of a turn's tells and timers have at most %d bytes together (limit "
                         "turn_sent_bytes_max)",
                         LIMIT_TURN_SENT_BYTES_MAX);
    }
    turn->sent_bytes += (uint32_t)size;
    return PDR_OK;
}

/* Calls. */

static void answered(struct call *call)
{
    struct turn *turn = call->owner;
    if (turn == NULL) { /* it was cancelled, and may be gone */
        call_free(&call->home->calls, call);
        return;
    }
    turn->asked = NULL;
    turn->answer = call;
    turn->link = 0;
    aside_wake(turn);
}

/* A reply is valid until the turn ends, its envelope is not: a turn may make many calls, and envelopes are large. */
static enum pdr_status keep_reply(struct turn *turn, pdr_writer *from, pdr_value *reply)
{
    static const uint8_t nil[] = {0xc0};
    struct pdr_bytes written = pdr_written(from);
    if (written.size == 0) {
        *reply = pdr_bytes(nil, sizeof nil);
        return PDR_OK;
    }
    void *memory = from->on_heap ? from->data : turn_alloc(turn, written.size);
    if (memory == NULL) {
        return turn_fail(turn, PDR_OVERLOADED, NULL, "the machine has no memory for this reply");
    }
    if (from->on_heap) {
        turn_hold(turn, memory);
        from->on_heap = false; /* the turn's from now on */
    } else {
        memcpy(memory, written.data, written.size);
    }
    *reply = pdr_bytes(memory, written.size);
    return PDR_OK;
}

static enum pdr_status read_outcome(struct turn *turn, struct call *call, pdr_value *reply)
{
    if (call->status == PDR_OK) {
        return reply != NULL ? keep_reply(turn, &call->reply, reply) : PDR_OK;
    }
    if (call->status == PDR_DEADLOCK && call->reply.size > 0) {
        keep_reply(turn, &call->reply, &turn->chain); /* who asked us wants to know it too */
    }
    return turn_fail(turn, call->status, call->status == PDR_ACTOR ? call->code : NULL, "%s", call->text);
}

static enum pdr_status read_answer(struct turn *turn, pdr_value *reply)
{
    struct call *call = turn->answer;
    enum pdr_status status = turn_may_wait(turn);
    if (call == NULL) {
        return status; /* it was cancelled before an answer came */
    }
    turn->answer = NULL;
    if (status == PDR_OK) {
        status = read_outcome(turn, call, reply);
    }
    call_free(&turn->activation->core->calls, call);
    return status;
}

enum pdr_status turn_call(struct turn *turn, struct pdr_bytes to, struct pdr_bytes method, struct pdr_bytes args,
                          bool reentrant, pdr_value *reply)
{
    struct core *core = turn->activation->core;
    struct call *call = NULL;
    enum pdr_status status = turn_may_wait(turn);
    if (status != PDR_OK) {
        return status;
    }
    turn->link = core->next_turn_link++; /* new each time: calls may be left of one that was cancelled */
    turn->admits = turn->kind == TURN_CALL && (reentrant || turn->activation->cls->reentrant);
    status = make(turn, to, method, args, true, &call);
    if (status != PDR_OK) {
        return status; /* nothing is committed for a call that can't be made */
    }
    list_push_back(&turn->leaving, &call->node); /* the turn's, until it leaves */
    status = commit_part(turn, true);
    if (status != PDR_OK) {
        return status;
    }
    list_remove(&call->node);
    uint64_t own = core_now_ns(core) + 30000 * NS_PER_MS;
    call->deadline_ns = turn->deadline_ns < own ? turn->deadline_ns : own;
    call->finish = answered;
    call->owner = turn;
    turn->asked = call;
    core->world.route(core->world.router, core, call);
    while (!aside_may_go_on(turn)) {
        turn_wait(turn, TURN_WAITS_CALL);
    }
    return read_answer(turn, reply);
}

/* Tells. They are durable (tells.h) but for those of volatile turns, which are sent once, from memory. */

static void told(struct call *call)
{
    call_free(&call->home->calls, call);
}

enum pdr_status turn_tell(struct turn *turn, struct pdr_bytes to, struct pdr_bytes method, struct pdr_bytes args)
{
    struct call *call = NULL;
    if (turn->reader) {
        return turn_fail(turn, PDR_INVALID, NULL, "a reader or a hook can't tell others");
    }
    if (turn->outbox_count >= PDR_TURN_TELLS_MAX) {
        return turn_fail(turn, PDR_OVERLOADED, NULL, "a turn tells at most %u times (limit turn_tells_max)",
                         PDR_TURN_TELLS_MAX);
    }
    enum pdr_status status = sends(turn, args.size);
    status = status == PDR_OK ? make(turn, to, method, args, false, &call) : status;
    if (status != PDR_OK) {
        return status;
    }
    status = tells_admit(turn, call);
    if (status != PDR_OK) {
        call_free(&turn->activation->core->calls, call);
        return status;
    }
    call->deadline_ns = core_now_ns(turn->activation->core) + 30000 * NS_PER_MS;
    call->finish = told;
    list_push_back(&turn->outbox, &call->node);
    turn->outbox_count++;
    turn->outbox_bytes += (uint32_t)(to.size + method.size + args.size);
    return PDR_OK;
}

static void tell_leaves(struct gate_wait *wait, enum pdr_status status)
{
    struct call *call = LIST_ITEM(wait, struct call, gate);
    struct core *core = call->home;
    if (core->dead) {
        call_discard(call);
    } else if (status != PDR_OK) {
        call_free(&core->calls, call); /* its turn was undone */
    } else {
        core->world.route(core->world.router, core, call);
    }
}

/* Timers. */

struct timer_change {
    struct list node;
    bool cancel;
    uint64_t delay_ms, period_ms;
    struct pdr_bytes name, method, args;
    uint8_t data[];
};

/* What this turn sets counts; what it cancels still counts, as it is there until the turn commits. */
static bool timer_fits(const struct turn *turn, struct pdr_bytes name)
{
    uint32_t count = actor_timer_count(turn->activation);
    if (actor_timer_exists(turn->activation, name)) {
        return true;
    }
    for (const struct list *node = turn->timer_changes.next; node != &turn->timer_changes; node = node->next) {
        const struct timer_change *change = LIST_ITEM(node, struct timer_change, node);
        if (!change->cancel && pdr_bytes_equal(change->name, name)) {
            return true;
        }
        count += !change->cancel && !actor_timer_exists(turn->activation, change->name);
    }
    return count < ACTOR_TIMERS_MAX;
}

enum pdr_status turn_timer(struct turn *turn, struct pdr_bytes name, uint64_t delay_ms, uint64_t period_ms,
                           struct pdr_bytes method, struct pdr_bytes args, bool cancel)
{
    if (turn->kind == TURN_PASSIVATE) {
        return turn_fail(turn, PDR_INVALID, NULL, "a passivate hook can't set timers: they die with the activation");
    }
    if (name.size == 0 || name.size > PDR_METHOD_SIZE_MAX || method.size > PDR_METHOD_SIZE_MAX ||
        (!cancel && method.size == 0)) {
        return turn_fail(turn, PDR_INVALID, NULL,
                         "a timer has a name and a method of 1 to %d bytes (limit method_bytes_max)",
                         PDR_METHOD_SIZE_MAX);
    }
    enum pdr_status status = turn_check_args(turn, args);
    if (status != PDR_OK) {
        return status;
    }
    if (!cancel && !timer_fits(turn, name)) {
        return turn_fail(turn, PDR_OVERLOADED, NULL, "an actor has at most %u timers (limit timers_max)",
                         ACTOR_TIMERS_MAX);
    }
    status = sends(turn, args.size);
    if (status != PDR_OK) {
        return status;
    }
    struct timer_change *change = turn_alloc(turn, sizeof *change + name.size + method.size + args.size);
    if (change == NULL) {
        return turn_fail(turn, PDR_OVERLOADED, NULL, "the machine has no memory for this timer");
    }
    *change = (struct timer_change){.cancel = cancel, .delay_ms = delay_ms, .period_ms = period_ms};
    struct pdr_bytes *const slices[] = {&change->name, &change->method, &change->args};
    const struct pdr_bytes from[] = {name, method, args};
    uint8_t *at = change->data;
    for (int i = 0; i < 3; i++) {
        *slices[i] = pdr_bytes(at, from[i].size);
        if (from[i].size > 0) {
            memcpy(at, from[i].data, from[i].size);
            at += from[i].size;
        }
    }
    list_push_back(&turn->timer_changes, &change->node);
    return PDR_OK;
}

void turn_drop_timer_changes(struct turn *turn)
{
    list_init(&turn->timer_changes); /* they lie in the turn's memory */
}

static void change_timers(struct turn *turn)
{
    struct list *node;
    while ((node = list_pop(&turn->timer_changes)) != NULL) {
        struct timer_change *change = LIST_ITEM(node, struct timer_change, node);
        if (change->cancel) {
            actor_timer_cancel(turn->activation, change->name);
        } else {
            actor_timer_set(turn->activation, change->name, change->delay_ms, change->period_ms, change->method,
                            change->args);
        }
    }
}

void turn_release_effects(struct turn *turn)
{
    struct activation *a = turn->activation;
    struct list *node;
    while ((node = list_pop(&turn->outbox)) != NULL) {
        struct call *call = LIST_ITEM(node, struct call, node);
        if (call->tell.role != TELL_NONE) {
            tells_leave(a->shard, call, a->last_seq);
            continue;
        }
        call->gate.open = tell_leaves;
        bool gated = turn->durability == PDR_DURABILITY_SYNC && commit_gate(a->shard, &call->gate, a->last_seq);
        if (!gated) {
            a->core->world.route(a->core->world.router, a->core, call);
        }
    }
    turn->outbox_count = turn->outbox_bytes = 0;
    turn_release_events(turn);
    change_timers(turn);
}

/* Sleep. */

static void slept(struct timer *timer)
{
    turn_wake(LIST_ITEM(timer, struct turn, timer));
}

enum pdr_status turn_sleep(struct turn *turn, uint64_t delay_ms)
{
    struct core *core = turn->activation->core;
    enum pdr_status status = turn_may_wait(turn);
    if (status == PDR_OK) {
        status = commit_part(turn, false);
    }
    if (status != PDR_OK) {
        return status;
    }
    uint64_t now = core_now_ns(core);
    uint64_t until = delay_ms > PDR_SLEEP_MS_MAX ? UINT64_MAX : now + delay_ms * NS_PER_MS;
    bool late = until > turn->deadline_ns;
    timer_init(&turn->timer, slept);
    timer_set(&core->wheel, &turn->timer, late ? turn->deadline_ns : until);
    turn_wait(turn, TURN_WAITS_SLEEP);
    if (turn->cancelled) {
        return turn_may_wait(turn);
    }
    return late ? turn_fail(turn, PDR_DEADLINE, NULL, "the turn's deadline came before the sleep was over") : PDR_OK;
}
