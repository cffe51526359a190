/* core/shard/duty_wait.c: calls that wait for their shard to be open. */
#include "core/shard/duty_parts.h"
#include "core/shard/turn.h"

static void take_out(struct call *call)
{
    struct core *core = call->at;
    list_remove(&call->node);
    timer_cancel(&core->wheel, &call->timer);
    core->shards[call->shard]->duty->waiting_count--;
    core->queued--;
    core->memory_used -= sizeof *call + call_heap_size(call);
}

static void expired(struct timer *timer)
{
    struct call *call = LIST_ITEM(timer, struct call, timer);
    take_out(call);
    call->at->stats.deadlines++;
    call_fail(call, PDR_DEADLINE, "the deadline passed while the shard of %.*s was being opened; it was not run",
              (int)call->address.size, (const char *)call->address.data);
    call_finish(call);
}

void duty_wait(struct duty *duty, struct call *call)
{
    struct core *core = duty->core;
    if (call->tell.role == TELL_SENT) { /* its sender comes again by itself */
        call->retry_ms = 50;
        call_fail(call, PDR_UNAVAILABLE, "the shard of %.*s is being opened", (int)call->address.size,
                  (const char *)call->address.data);
        call_finish(call);
        return;
    }
    if (duty->waiting_count >= DUTY_WAITING_MAX || core->queued >= core->limits.queued_max ||
        core->memory_used + call_heap_size(call) > core->limits.memory_max) {
        core->stats.overloaded++;
        call->retry_ms = 50 + (uint32_t)rng_below(&core->rng, 100);
        call_fail(call, PDR_OVERLOADED, "too many calls wait for their shard to be opened (limit queue = %u)",
                  core->limits.queued_max);
        call_finish(call);
        return;
    }
    list_push_back(&duty->waiting, &call->node);
    duty->waiting_count++;
    core->queued++;
    core->memory_used += sizeof *call + call_heap_size(call);
    timer_init(&call->timer, expired);
    if (call->deadline_ns != UINT64_MAX) {
        timer_set(&core->wheel, &call->timer, call->deadline_ns);
    }
}

void duty_let_in(struct duty *duty)
{
    struct list waiting;
    list_init(&waiting);
    list_splice(&waiting, &duty->waiting);
    while (!list_empty(&waiting)) {
        struct call *call = LIST_ITEM(waiting.next, struct call, node);
        take_out(call);
        duty->core->stats.calls--; /* it was counted when it came */
        core_deliver(duty->core, call);
    }
}

void duty_send_away(struct duty *duty, bool stopping)
{
    while (!list_empty(&duty->waiting)) {
        struct call *call = LIST_ITEM(duty->waiting.next, struct call, node);
        take_out(call);
        if (stopping) {
            call_fail(call, PDR_UNAVAILABLE, "the node is stopping");
        } else {
            turn_abandon(call, false);
        }
        call_finish(call);
    }
}
