/* core/shard/tells_run.c: from an actor's queue of accepted tells through its mailbox to a turn; again after a failure,
 * later and later; and to the dead letters (R92). The first of the queue runs, and no other: while it waits for another
 * attempt those behind it wait too. Calls go on. */
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/commit.h"
#include "core/shard/mailbox.h"
#include "core/shard/tells_parts.h"

#define TURN_MS 30000u     /* deadline of one turn */
#define ATTEMPTS_MAX 6u    /* of a turn that fails */
#define ATTEMPTS_BUSY 100u /* of one that finds others overloaded or away: they may be back */
#define RETRY_MS 50u       /* after the first failure; doubled with each */
#define RETRY_MS_MAX 2000u
#define PAUSE_MS 100u /* nothing failed, but there is no room to run in, or to write */

/* The queue. */

static void next(struct tell_queue *queue)
{
    if (!shard_serves(queue->core->shards[queue->shard])) {
        return; /* it is dropped */
    }
    if (list_empty(&queue->tells) || queue->holding || queue->running != NULL || queue->core->stopping) {
        return;
    }
    struct call *call = LIST_ITEM(queue->tells.next, struct call, tell.node);
    if (call->state == CALL_MADE) {
        tell_enter(queue->core, call);
    }
}

static void hold_over(struct timer *timer)
{
    struct tell_queue *queue = LIST_ITEM(timer, struct tell_queue, timer);
    if (!queue->core->tells->open || queue->core->shards[queue->shard]->state != DUTY_OPEN) {
        tell_queue_hold(queue, queue->core->tells->open ? PAUSE_MS : 1);
        return;
    }
    queue->holding = false;
    next(queue);
}

void tell_queue_init(struct tell_queue *queue)
{
    timer_init(&queue->timer, hold_over);
}

void tell_queue_hold(struct tell_queue *queue, uint64_t delay_ms)
{
    struct core *core = queue->core;
    queue->holding = true;
    timer_set(&core->wheel, &queue->timer, core_now_ns(core) + delay_ms * NS_PER_MS);
}

void tell_drop(struct core *core, struct call *call)
{
    struct tell_queue *queue = call->owner;
    if (call->state == CALL_QUEUED) {
        mailbox_take_out(call->activation, call);
    }
    list_remove(&call->gate.node);
    list_remove(&call->tell.node);
    core->tells->in_bytes -= tell_charge(call);
    tell_free(core, call);
    if (--queue->count == 0) {
        timer_cancel(&core->wheel, &queue->timer);
        hash_remove(&core->tells->queues, &queue->by_address);
        mem_free(queue);
    } else {
        next(queue);
    }
}

/* Back among those that wait: as if it had never run. */
static void requeue(struct call *call, uint64_t delay_ms)
{
    struct tell_queue *queue = call->owner;
    call->state = CALL_MADE;
    call->status = PDR_OK;
    call->deadline_ns = UINT64_MAX;
    if (list_alone(&call->tell.node)) {
        tell_insert(&queue->tells, call);
    }
    tell_queue_hold(queue, delay_ms);
}

#ifdef PDR_MUTATIONS
/* The mistake of MUTATION(31): what the turn did is one entry, that it was done another, when that is committed. */
static void delete_alone(struct core *core, struct call *call)
{
    struct rows rows = {0};
    uint8_t key[TELL_NUMBER_KEY_MAX];
    rows_delete(&rows, KEYS_PENDING, tell_pending_key(key, call->address, call->tell.number, call->tell.begun));
    if (core->refusing || core->frozen) {
        rows_release(&rows);
    } else {
        commit_rows(core, core->shards[call->shard], NULL, NULL, &rows);
    }
}
#else
static void delete_alone(struct core *core, struct call *call) {}
#endif

/* Its last entry, which deleted the row, is committed or undone. */
static void last_entry_over(struct gate_wait *wait, enum pdr_status status)
{
    struct call *call = LIST_ITEM(wait, struct call, gate);
    struct core *core = call->home;
    if (core->dead) {
        call_discard(call);
    } else if (status == PDR_OK || status == PDR_MOVED ||
               call->tell.accept_seq > core->shards[call->shard]->commit_seq) {
        if (MUTATION(31)) {
            delete_alone(core, call);
        }
        tell_drop(core, call);
    } else {
        requeue(call, PAUSE_MS);
    }
}

static void leave_queue(struct call *call, uint64_t seq)
{
    struct shard *shard = call->home->shards[call->shard];
    pdr_writer_release(&call->reply);
    pdr_writer_init(&call->reply, call->reply_data, CALL_REPLY_INLINE, 0);
    list_remove(&call->tell.node);
    list_remove(&call->gate.node);
    call->state = CALL_GATED;
    call->gate.open = last_entry_over;
    if (!commit_gate(shard, &call->gate, seq)) {
        last_entry_over(&call->gate, PDR_OK);
    }
}

/* Dead letters. */

static void put_dead(struct rows *rows, const struct call *call)
{
    uint8_t key[TELL_NUMBER_KEY_MAX];
    const char *code = call->status == PDR_ACTOR ? call->code : pdr_status_wire(call->status);
    bool is_cut = call->status == PDR_OK; /* found begun at start */
    struct tell_row row = {
        .sender = call->caller,
        .method = call->method,
        .args = call->args,
        .code = pdr_str(is_cut ? "interrupted" : code),
        .text = pdr_str(is_cut ? "a part of its turn is committed, the rest was cut off" : call->text),
        .attempts = call->tell.attempts,
        .when_ms = clock_wall_ms(call->home->world.clock),
    };
    tell_row_put(rows, KEYS_DEAD, tell_dead_key(key, call->address, call->tell.number), &row);
    LOG_WARN("tell.dead", "actor=%.*s method=%.*s code=%.*s attempts=%u", (int)call->address.size,
             (const char *)call->address.data, (int)call->method.size, (const char *)call->method.data,
             (int)row.code.size, (const char *)row.code.data, row.attempts);
}

/* In one entry from the queue to the dead letters. */
static void give_up(struct core *core, struct call *call)
{
    struct tell_queue *queue = call->owner;
    struct rows rows = {0};
    uint8_t key[TELL_NUMBER_KEY_MAX];
    if (core->refusing) {
        requeue(call, PAUSE_MS);
        return;
    }
    rows_delete(&rows, KEYS_PENDING, tell_pending_key(key, call->address, call->tell.number, call->tell.begun));
    put_dead(&rows, call);
    core->stats.tells_dead++;
    tell_queue_hold(queue, 1); /* and not at once: a queue of a thousand such would be a thousand calls deep */
    leave_queue(call, commit_rows(core, core->shards[call->shard], NULL, NULL, &rows));
}

/* Running. */

void tell_enter(struct core *core, struct call *call)
{
    struct tell_queue *queue = call->owner;
    if (queue->holding) {
        return;
    }
    if (core->shards[call->shard]->state != DUTY_OPEN) {
        tell_queue_hold(queue, PAUSE_MS);
        return;
    }
    if (call->tell.begun) {
        give_up(core, call);
        return;
    }
    struct activation *a = activation_find(core, call->address, activation_hash(call->address));
    if (a == NULL) {
        a = core_activate(core, call);
    }
    if (a == NULL) {
        call_finish(call);
    } else if (mailbox_push_tell(a, call)) {
        activation_schedule(a);
    } else if (queue->tells.next == &call->tell.node) {
        tell_queue_hold(queue, PAUSE_MS); /* else it comes up when it is the first */
    }
}

void tell_entered(struct gate_wait *wait, enum pdr_status status)
{
    struct call *call = LIST_ITEM(wait, struct call, gate);
    struct core *core = call->home;
    if (core->dead) {
        call_discard(call);
    } else if (status != PDR_OK) {
        tell_drop(core, call);
    } else {
        struct tell_queue *queue = call->owner;
        core->stats.tells_accepted++;
        tell_insert(&queue->tells, call);
        tell_enter(core, call);
    }
}

bool tells_begin(struct activation *a, struct call *call)
{
    struct tell_queue *queue = call->owner;
    struct core *core = a->core;
    if (core->stopping || queue->holding || queue->running != NULL || queue->tells.next != &call->tell.node) {
        call->state = CALL_MADE;
        call->activation = NULL;
        next(queue); /* the first may be outside, and have waited for nothing but this one */
        return false;
    }
    queue->running = call;
    call->status = PDR_OK;
    call->text[0] = call->code[0] = 0;
    pdr_writer_clear(&call->reply);
    call->deadline_ns = core_now_ns(core) + TURN_MS * NS_PER_MS;
    return true;
}

void tells_stand_back(struct call *call)
{
    ((struct tell_queue *)call->owner)->running = NULL;
}

void tells_part_undone(struct turn *turn)
{
    if (turn->tell_marked) {
        turn->call->tell.begun = turn->tell_marked = false;
    }
}

void tells_ran(struct activation *a, struct call *call)
{
    struct tell_queue *queue = call->owner;
    queue->running = NULL;
    if (call->tell.undone) {
        tell_drop(a->core, call);
        return;
    }
    list_remove(&call->tell.node);
    next(queue);
    leave_queue(call, a->shard->last_seq); /* a volatile actor does not depend on the entry, and has no other */
}

static uint64_t delay_of(struct core *core, uint32_t attempts)
{
    uint64_t delay_ms = attempts > 6 ? RETRY_MS_MAX : (uint64_t)RETRY_MS << (attempts - 1);
    delay_ms = delay_ms < RETRY_MS_MAX ? delay_ms : RETRY_MS_MAX;
    return delay_ms / 2 + rng_below(&core->rng, (uint32_t)delay_ms);
}

/* Nobody's fault, or nobody's that another attempt would not help: it never counts. */
static bool is_held_up(const struct call *call, bool ran)
{
    return call->status == PDR_NO_SPACE ||
           (!ran && (call->status == PDR_OVERLOADED || call->status == PDR_UNAVAILABLE));
}

static bool is_hopeless(const struct call *call)
{
    bool is_busy = call->status == PDR_OVERLOADED || call->status == PDR_UNAVAILABLE;
    return call->tell.begun || call->status == PDR_NOT_FOUND || call->status == PDR_INVALID ||
           call->tell.attempts >= (is_busy ? ATTEMPTS_BUSY : ATTEMPTS_MAX);
}

void tell_over(struct call *call)
{
    struct tell_queue *queue = call->owner;
    struct core *core = call->home;
    bool ran = queue->running == call;
    if (ran) {
        queue->running = NULL;
    }
    if (call->tell.undone || !shard_serves(core->shards[call->shard])) {
        tell_drop(core, call);
        return;
    }
    if (is_held_up(call, ran) && !call->tell.begun) {
        requeue(call, PAUSE_MS);
        return;
    }
    call->tell.attempts++;
    core->stats.tells_retried++;
    if (is_hopeless(call) && !core->frozen) {
        give_up(core, call);
    } else {
        requeue(call, delay_of(core, call->tell.attempts));
    }
}
