/* core/shard/turn.c: stage 5 of 7 (mailbox before it, commit after it). Runs one call against one actor. */
#include "core/shard/turn.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/aside.h"
#include "core/shard/commit.h"
#include "core/shard/duty.h"
#include "core/shard/lease.h"
#include "core/shard/mailbox.h"
#include "core/shard/reminders.h"
#include "core/shard/sessions.h"
#include "core/shard/stages.h"
#include "core/shard/tells.h"
#include "core/shard/watch.h"

#define CALLS_A_SLOT 64                /* of one actor before others get their turn */
#define REPLY_BYTES_A_CALL (16u << 10) /* as much as one call more in the tick's budget */

enum pdr_status turn_fail(struct turn *turn, enum pdr_status status, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(turn->error_text, sizeof turn->error_text, format, args);
    va_end(args);
    if (size >= (int)sizeof turn->error_text) {
        text_cut(turn->error_text);
    }
    snprintf(turn->error_code, sizeof turn->error_code, "%s", code != NULL ? code : pdr_status_wire(status));
    return status;
}

enum pdr_status turn_abandon(struct call *call, bool acted)
{
    if (call->is_read || call->session.on || !acted) { /* under a session its record knows how far it came */
        return call_fail(call, PDR_MOVED, "the shard of %.*s goes on at another node", (int)call->address.size,
                         (const char *)call->address.data);
    }
    return call_fail(call, PDR_UNAVAILABLE, "the shard of %.*s goes on at another node; the call may have been applied",
                     (int)call->address.size, (const char *)call->address.data);
}

enum pdr_status turn_fail_doomed(struct turn *turn)
{
    if (turn->activation->shard->state == DUTY_CLOSING && turn->call != NULL) {
        enum pdr_status status = turn_abandon(turn->call, turn->acted);
        return turn_fail(turn, status, NULL, "%s", turn->call->text);
    }
    return turn_fail(turn, PDR_NO_SPACE, NULL, "the disk is full: what this turn built on was undone");
}

static void turn_begin(struct turn *turn, struct activation *a, enum turn_kind kind, struct call *call)
{
    memset(turn, 0, offsetof(struct turn, error_code)); /* the sentences behind it are long, and mostly unused */
    turn->error_code[0] = turn->error_text[0] = 0;
    turn->activation = a;
    turn->older = a->turn;
    turn->call = call;
    turn->kind = kind;
    turn->fiber = fiber_current();
    turn->deadline_ns = call != NULL ? call->deadline_ns : UINT64_MAX;
    turn->applied_seq = a->shard->applied_seq;
    state_init(&turn->writes, true);
    list_init(&turn->outbox);
    list_init(&turn->events);
    list_init(&turn->timer_changes);
    list_init(&turn->leaving);
    list_init(&turn->scans);
    list_init(&turn->node);
    timer_init(&turn->timer, NULL);
    if (a->turn != NULL) {
        a->turn->newer = turn;
    }
    a->turn = turn;
    a->core->turns_open++;
    a->core->stats.turns++;
    a->core->types[a->cls->index].turns++;
    turn_watch_begin(&turn->watch, a->core);
}

static void free_calls(struct core *core, struct list *calls)
{
    struct list *node;
    while ((node = list_pop(calls)) != NULL) {
        struct call *call = LIST_ITEM(node, struct call, node);
        if (core->dead) {
            call_discard(call);
        } else {
            call_free(&core->calls, call);
        }
    }
}

static void turn_end(struct turn *turn)
{
    struct core *core = turn->activation->core;
    turn_close_scans(turn);
    state_release(&turn->writes);
    rows_release(&turn->rows);
    free_calls(core, &turn->outbox);
    free_calls(core, &turn->leaving);
    turn_drop_timer_changes(turn);
    turn_drop_events(turn);
    turn_leave(turn);
    turn_free_memory(turn);
    core->turns_open--;
}

void turn_discard(struct turn *turn)
{
    if (turn->call != NULL) {
        call_discard(turn->call);
    }
    if (turn->answer != NULL) {
        call_discard(turn->answer); /* it came, and the turn did not go on any more */
    }
    turn_end(turn);
}

/* Waiting */

void turn_wait(struct turn *turn, enum turn_waits what)
{
    struct core *core = turn->activation->core;
    CHECK(!turn->waiting && fiber_current() == turn->fiber);
    turn->waiting = true;
    turn->waits = what;
    sessions_wait(turn);
    list_push_back(&core->waiting, &turn->node);
    turn_watch_wait(&turn->watch, turn->activation);
    aside_turn_waits(turn);
    fiber_wait();
    turn_watch_go_on(&turn->watch, core, turn_waits_text(what));
    turn->waits = TURN_RUNS;
}

void turn_wake(struct turn *turn)
{
    if (turn->waiting) {
        turn->waiting = false;
        list_remove(&turn->node);
        list_push_back(&turn->activation->core->ready, &turn->node);
    }
}

void turn_resume(struct turn *turn)
{
    fiber_run(turn->fiber);
}

const char *turn_waits_text(enum turn_waits waits)
{
    static const char *const texts[] = {"", "commit", "call", "sleep", "disk"};
    return texts[waits];
}

struct turn *turn_innermost(const struct activation *a)
{
    struct turn *turn = a->turn;
    while (turn != NULL && turn->beside) {
        turn = turn->older;
    }
    return turn;
}

enum pdr_status turn_may_wait(struct turn *turn)
{
    if (!turn->cancelled) {
        return PDR_OK;
    }
    return turn_fail(turn, PDR_CANCELLED, NULL, "the turn was cancelled from outside");
}

bool turn_cancel(struct turn *turn)
{
    if (!turn->waiting || turn->cancelled) {
        return false;
    }
    turn->cancelled = true;
    turn->link = 0;
    switch (turn->waits) {
    case TURN_WAITS_COMMIT:
        list_remove(&turn->gate.node); /* what it wrote stands, and will be durable or undone */
        turn_wake(turn);
        break;
    case TURN_WAITS_CALL:
        if (turn->asked != NULL) {
            turn->asked->owner = NULL; /* the answer is nobody's */
            turn->asked = NULL;
        }
        aside_wake(turn);
        break;
    case TURN_WAITS_SLEEP:
        timer_cancel(&turn->activation->core->wheel, &turn->timer);
        turn_wake(turn);
        break;
    default:
        break; /* the job reads into the fiber's stack */
    }
    return true;
}

/* A call's reply leaves when what the turn saw and wrote is committed (R15, R25); else at once. */

static void gate_expired(struct timer *timer)
{
    struct call *call = LIST_ITEM(timer, struct call, timer);
    list_remove(&call->gate.node);
    call->at->gated_bytes -= call->reply.size;
    call->at->stats.deadlines++;
    call->session.is_final = false;
    pdr_writer_clear(&call->reply);
    call_fail(call, PDR_DEADLINE, "the call ran, but was not on stable storage before its deadline; it may yet be");
    call_finish(call);
}

#ifdef PDR_MUTATIONS
/* The mistake of MUTATION(70). */
static void record_late(struct call *call)
{
    struct rows rows = {0};
    struct session_outcome outcome = {.reply = pdr_written(&call->reply)};
    struct core *core = call->at;
    if (call->session.on && !call->is_read && call->status == PDR_OK && !core->refusing && !core->dead) {
        session_put_result(&rows, &call->session, &outcome);
        commit_rows(core, core->shards[call->shard], NULL, NULL, &rows);
    }
}
#else
static void record_late(struct call *call) {}
#endif

static void gate_opened(struct gate_wait *wait, enum pdr_status status)
{
    struct call *call = LIST_ITEM(wait, struct call, gate);
    timer_cancel(&call->at->wheel, &call->timer);
    call->at->gated_bytes -= call->reply.size;
    stages_pass(call->at, call, &call->at->stats.stage_commit_us);
    if (status != PDR_OK) {
        pdr_writer_clear(&call->reply);
        call->session.is_final = false;
        if (call->is_watch && !call->at->dead) { /* else whoever listened may be gone */
            watch_undo(call);
        }
        if (status == PDR_MOVED) {
            turn_abandon(call, true);
        } else {
            call_fail(call, status, "what the call wrote could not be made durable, and was undone");
        }
    } else if (MUTATION(70)) {
        record_late(call);
    }
    if (MUTATION(152) || status != PDR_OK) {
        call_finish(call);
    } else {
        lease_finish(call);
    }
}

void turn_answer(struct shard *shard, struct call *call, uint64_t seq, enum pdr_durability durability)
{
    call->gate.open = gate_opened;
    if (durability != PDR_DURABILITY_SYNC || !commit_gate(shard, &call->gate, seq)) {
        lease_finish(call);
        return;
    }
    call->state = CALL_GATED;
    call->at->gated_bytes += call->reply.size;
    timer_init(&call->timer, gate_expired);
    timer_set(&call->at->wheel, &call->timer, call->deadline_ns);
}

void turn_answer_seen(struct activation *a, struct call *call)
{
    if (a->doomed) { /* last_seq was undone: nothing will ever reach it */
        call_finish(call);
    } else {
        turn_answer(a->shard, call, a->last_seq, PDR_DURABILITY_SYNC);
    }
}

static void answer(struct activation *a, struct call *call, const struct turn *turn)
{
    if (call->tell.role == TELL_PENDING && call->status == PDR_OK) {
        tells_ran(a, call); /* nobody hears of it */
    } else if (call->tell.role == TELL_PENDING || turn->durability != PDR_DURABILITY_SYNC ||
               MUTATION(turn->reader ? 6 : 1)) {
        lease_finish(call);
    } else {
        turn_answer_seen(a, call);
    }
}

/* One call. */

const struct class_method *turn_find_method(const struct actor_class *cls, struct pdr_bytes name)
{
    for (uint32_t i = 0; i < cls->method_count; i++) {
        if (pdr_bytes_equal(cls->methods[i].name, name)) {
            return &cls->methods[i];
        }
    }
    return NULL;
}

/* The caller may ask for more or less than the method, within what is written down at all. */
static enum pdr_durability durability_of(const struct call *call, const struct class_method *method)
{
    if (call->durability == PDR_DURABILITY_DEFAULT || method->durability == PDR_DURABILITY_VOLATILE) {
        return method->durability;
    }
    return call->durability == PDR_DURABILITY_VOLATILE ? PDR_DURABILITY_MEMORY : call->durability;
}

static void fail_call(struct turn *turn, enum pdr_status status)
{
    struct call *call = turn->call;
    pdr_writer_clear(&call->reply);
    call->status = status;
    memcpy(call->text, turn->error_text, strlen(turn->error_text) + 1);
    if (status == PDR_ACTOR) {
        memcpy(call->code, turn->error_code, strlen(turn->error_code) + 1);
    }
    if (status == PDR_DEADLOCK) {
        pdr_write_value(&call->reply, turn->chain);
    }
    if (call->text[0] == 0) {
        snprintf(call->text, sizeof call->text, "%s", pdr_status_text(status));
    }
}

static enum pdr_status status_of(struct turn *turn, int status)
{
    const struct call *call = turn->call;
    if (status < 0 || status >= PDR_STATUS_COUNT) {
        return turn_fail(turn, PDR_INTERNAL, NULL, "%.*s.%.*s returned %d, which is no outcome",
                         (int)call->address.size, (const char *)call->address.data, (int)call->method.size,
                         (const char *)call->method.data, status);
    }
    if (status == PDR_ACTOR && turn->error_code[0] == 0) {
        return turn_fail(turn, PDR_INTERNAL, NULL, "%.*s.%.*s failed without a code: pdr_fail gives one",
                         (int)call->address.size, (const char *)call->address.data, (int)call->method.size,
                         (const char *)call->method.data);
    }
    if (status == PDR_MOVED) { /* of a call that it made; its own has run here */
        return PDR_UNAVAILABLE;
    }
    if (status == PDR_OK && call->reply.failed) {
        return turn_fail(turn, PDR_TOO_LARGE, NULL, "the reply is larger than the limit payload_bytes_max");
    }
    return (enum pdr_status)status;
}

/* A failure writes nothing but, under a session, that it was one: it is a result too (R81). */
static enum pdr_status end_failed(struct turn *turn, enum pdr_status status)
{
    state_release(&turn->writes);
    state_init(&turn->writes, true);
    turn->reminders_more = 0;
    rows_release(&turn->rows);
    free_calls(turn->activation->core, &turn->outbox);
    turn->outbox_count = 0;
    if (!sessions_put_outcome(turn, status)) {
        return status;
    }
    enum pdr_status committed = commit_turn(turn, true);
    turn->call->session.is_final = committed == PDR_OK;
    return committed != PDR_OK ? committed : status;
}

static enum pdr_status run_method(struct turn *turn)
{
    struct activation *a = turn->activation;
    struct pdr_args args = {pdr_value_items(turn->call->args), pdr_value_count(turn->call->args)};
    enum pdr_status status = status_of(turn, a->cls->ops->run(a->cls, turn->method, turn, &args));
    turn->is_entry = false;
    if (a->doomed) { /* whatever it returned: it says what was never so */
        return turn_fail_doomed(turn);
    }
    if (status != PDR_OK && !MUTATION(4)) {
        return end_failed(turn, status);
    }
    if (!MUTATION(70)) {
        sessions_put_outcome(turn, PDR_OK);
    }
    if (turn->call->is_reminder) {
        reminder_call_ended(turn);
    }
    enum pdr_status committed = commit_turn(turn, true);
    a->doomed = committed != PDR_OK; /* its volatile memory is ahead of its state */
    return committed;
}

void turn_run_call(struct activation *a, struct call *call, bool beside)
{
    bool is_told = call->tell.role == TELL_PENDING;
    if (is_told && !tells_begin(a, call)) {
        return;
    }
    if (call->is_watch) {
        call->state = CALL_RUNNING;
        call->activation = NULL;
        watch_run(a, call);
        return;
    }
    if (call->is_reminder && (call = reminder_call_open(a, call)) == NULL) {
        return;
    }
    call->state = CALL_RUNNING;
    call->activation = NULL;
    const struct class_method *method = turn_find_method(a->cls, call->method);
    if (method == NULL) {
        call_fail(call, PDR_NOT_FOUND, "type %.*s has no method %.*s", (int)a->cls->name.size,
                  (const char *)a->cls->name.data, (int)call->method.size, (const char *)call->method.data);
        call_finish(call);
        return;
    }
    if (!is_told && a->core->gated_bytes >= LIMIT_GATED_BYTES_MAX && a->last_seq > a->shard->commit_seq) {
        a->core->stats.overloaded++;
        call->retry_ms = 50;
        call_fail(call, PDR_OVERLOADED, "too many results wait for the disk (limit gated_bytes_max)");
        call_finish(call);
        return;
    }
    bool is_recorded = !method->reader && call->session.on;
    bool is_logged = is_recorded || call->is_reminder || is_told ||
                     (!method->reader && method->durability != PDR_DURABILITY_VOLATILE);
    if (is_recorded && !sessions_admit(a->core, a->shard, call, durability_of(call, method))) {
        return;
    }
    if (is_logged && commit_admits(a->core, a->shard, call) != PDR_OK) {
        if (is_told) {
            tells_stand_back(call);
        }
        call_finish(call);
        return;
    }
    call->is_read = method->reader;
    struct turn turn;
    turn_begin(&turn, a, TURN_CALL, call);
    turn.method = method;
    turn.reader = method->reader;
    turn.beside = beside;
    turn.durability = durability_of(call, method);
    if (is_told && turn.durability == PDR_DURABILITY_MEMORY) {
        turn.durability = PDR_DURABILITY_SYNC; /* a part must be known to be committed before the turn goes on */
    }
    enum pdr_status status = run_method(&turn);
    call->is_leased = !turn.is_entry && !is_told;
    if (status != PDR_OK) {
        fail_call(&turn, status);
        a->core->types[a->cls->index].failed_turns++;
    } else {
        turn_release_effects(&turn);
    }
    a->turns++;
    turn_watch_end(&turn.watch, a, method->name);
    turn_end(&turn);
    stages_pass(a->core, call, &a->core->stats.stage_turn_us);
    if (turn.has_waited) {
        sessions_ended(a->core, a->shard, call);
    }
    a->core->budget -= (int)(call->reply.size / REPLY_BYTES_A_CALL); /* the tick ends before they fill the memory */
    answer(a, call, &turn);
    aside_turn_ended(a);
}

bool turn_fetch(struct activation *a, struct call *call, enum keys_kind kind, struct pdr_bytes key)
{
    struct turn turn;
    struct pdr_bytes value;
    if (state_has_all(&a->values, kind) || state_find(&a->values, kind, key) != NULL) {
        return true;
    }
    turn_begin(&turn, a, TURN_ROW, call);
    turn.reader = true;
    enum pdr_status status = turn_row(&turn, kind, key, &value);
    if (a->doomed) {
        status = turn_fail_doomed(&turn);
    }
    bool is_there = status == PDR_OK || status == PDR_NOT_FOUND;
    if (!is_there) {
        fail_call(&turn, status);
    }
    turn_watch_end(&turn.watch, a, call->method);
    turn_end(&turn);
    return is_there;
}

/* Hooks. */

static enum pdr_status run_hook(struct activation *a, enum turn_kind kind)
{
    struct turn turn;
    turn_begin(&turn, a, kind, NULL);
    turn.reader = true;
    turn.durability = PDR_DURABILITY_SYNC;
    int status = kind == TURN_ACTIVATE ? a->cls->ops->activate(a->cls, &turn) : a->cls->ops->passivate(a->cls, &turn);
    if (status != PDR_OK) {
        LOG_WARN(kind == TURN_ACTIVATE ? "actor.activate_failed" : "actor.passivate_failed", "actor=%.*s why=\"%s\"",
                 (int)a->address_size, a->address, turn.error_text);
    } else {
        turn_release_effects(&turn); /* timers that the activate hook set */
    }
    turn_watch_end(&turn.watch, a, pdr_str(kind == TURN_ACTIVATE ? "(activate)" : "(passivate)"));
    turn_end(&turn);
    return status == PDR_OK ? PDR_OK : PDR_INTERNAL;
}

static bool make_active(struct activation *a)
{
    if (a->activated) {
        return true;
    }
    if (a->cls->memory_size > 0) {
        memset(activation_memory(a), 0, a->cls->memory_size);
    }
    a->activated = true;
    if (a->cls->has_activate && run_hook(a, TURN_ACTIVATE) != PDR_OK) {
        a->activated = false;
        activation_fail_mailbox(a, PDR_INTERNAL, "the actor's activate hook failed");
        return false;
    }
    return true;
}

/* True if the activation is gone. */
static bool passivate(struct activation *a)
{
    struct core *core = a->core;
    a->passivating = false;
    if (a->activated && a->cls->has_passivate) {
        run_hook(a, TURN_PASSIVATE);
    }
    a->activated = false;
    core->stats.passivations++;
    if (!activation_is_clean(a)) {
        actor_timers_free(a);
        return false; /* called meanwhile: it begins anew, with the same state */
    }
    activation_free(a);
    return true;
}

void turn_run_activation(struct activation *a)
{
    struct core *core = a->core;
    if (a->shard->state != DUTY_OPEN && duty_parks(a)) {
        return;
    }
    if (a->passivating && passivate(a)) {
        return;
    }
    a->worked = true;
    if (a->doomed || a->mailbox_count == 0 || !make_active(a)) {
        activation_rest(a);
        return;
    }
    for (int n = 0; n < CALLS_A_SLOT && core->budget > 0 && !a->doomed; n++) {
        struct call *call = a->shard->state == DUTY_OPEN ? mailbox_pop(a) : duty_pop(a);
        if (call == NULL) {
            break;
        }
        core->budget--;
        turn_run_call(a, call, false);
    }
    activation_rest(a);
}
