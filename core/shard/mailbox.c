/* core/shard/mailbox.c: stage 4 of 7 (route before it, turn after it). */
#include "core/shard/mailbox.h"

#include "core/shard/aside.h"
#include "core/shard/stages.h"

static bool is_told(const struct call *call)
{
    return call->tell.role == TELL_PENDING;
}

void mailbox_take_out(struct activation *a, struct call *call)
{
    struct core *core = a->core;
    list_remove(&call->node);
    timer_cancel(&core->wheel, &call->timer);
    a->mailbox_count--;
    if (is_told(call)) {
        a->extra->tells--;
        return;
    }
    core->queued--;
    core->memory_used -= sizeof *call + call_heap_size(call);
}

static void expired(struct activation *a, struct call *call)
{
    mailbox_take_out(a, call);
    a->core->stats.deadlines++;
    call->state = CALL_MADE;
    call_fail(call, PDR_DEADLINE, "the deadline passed while the call waited in the mailbox of %.*s; it was not run",
              (int)call->address.size, (const char *)call->address.data);
    call_finish(call);
}

static void deadline_passed(struct timer *timer)
{
    struct call *call = LIST_ITEM(timer, struct call, timer);
    expired(call->activation, call);
}

/* Small calls are bounded by their number; large ones by what they hold together. */
static bool has_no_memory(const struct core *core, const struct call *call)
{
    size_t size = call_heap_size(call);
    return size > 0 && core->queued > 0 && core->memory_used + size > core->limits.memory_max;
}

enum pdr_status mailbox_push(struct activation *a, struct call *call)
{
    struct core *core = a->core;
    enum aside_door door = a->turn != NULL ? aside_door(a, call) : DOOR_MAILBOX;
    if (door == DOOR_DEADLOCK) {
        return call_fail_deadlock(call);
    }
    uint32_t waiting = a->mailbox_count - (a->extra != NULL ? a->extra->tells : 0);
    bool own = waiting >= core->limits.mailbox_max || a->mailbox_count == UINT16_MAX;
    if (own || core->queued >= core->limits.queued_max) {
        core->stats.overloaded++;
        call->retry_ms = 10 + (uint32_t)rng_below(&core->rng, 40); /* spread, so that retries don't come as one */
        return own ? call_fail(call, PDR_OVERLOADED, "the mailbox of %.*s is full (limit mailbox = %u calls)",
                               (int)call->address.size, (const char *)call->address.data, core->limits.mailbox_max)
                   : call_fail(call, PDR_OVERLOADED, "too many calls wait on this core (limit queue = %u)",
                               core->limits.queued_max);
    }
    if (has_no_memory(core, call)) {
        core->stats.overloaded++;
        call->retry_ms = 100;
        return call_fail(call, PDR_OVERLOADED,
                         "no memory for the arguments of a call that waits (limit memory = %llu bytes a core)",
                         (unsigned long long)core->limits.memory_max);
    }
    if (!list_empty(&a->mailbox) || a->state != ACTIVATION_IDLE) {
        timer_init(&call->timer, deadline_passed); /* it may wait for long: else it runs in this very tick */
        timer_set(&core->wheel, &call->timer, call->deadline_ns);
    }
    call->state = CALL_QUEUED;
    stages_pass(core, call, &core->stats.stage_route_us);
    call->queued_ns = core_now_ns(core);
    call->activation = a;
    list_push_back(door == DOOR_ASIDE ? &activation_extra(a)->aside : &a->mailbox, &call->node);
    a->mailbox_count++;
    core->queued++;
    core->memory_used += sizeof *call + call_heap_size(call);
    if (door == DOOR_ASIDE) {
        aside_consider(a);
    }
    return PDR_OK;
}

bool mailbox_push_tell(struct activation *a, struct call *call)
{
    if (a->mailbox_count >= UINT16_MAX / 2) {
        return false;
    }
    call->state = CALL_QUEUED;
    call->activation = a;
    list_push_back(&a->mailbox, &call->node);
    a->mailbox_count++;
    activation_extra(a)->tells++;
    return true;
}

void mailbox_watch(struct activation *a)
{
    for (struct list *node = a->mailbox.next; node != &a->mailbox; node = node->next) {
        struct call *call = LIST_ITEM(node, struct call, node);
        if (!timer_is_set(&call->timer) && !is_told(call)) {
            timer_init(&call->timer, deadline_passed);
            timer_set(&a->core->wheel, &call->timer, call->deadline_ns);
        }
    }
}

bool mailbox_take(struct activation *a, struct call *call)
{
    if (core_now_ns(a->core) >= call->deadline_ns) {
        expired(a, call);
        return false;
    }
    mailbox_take_out(a, call);
    stages_pass(a->core, call, &a->core->stats.stage_mailbox_wait_us);
    return true;
}

struct call *mailbox_next(const struct activation *a, const struct call *call)
{
    const struct list *aside = a->extra != NULL ? &a->extra->aside : NULL; /* they come first */
    const struct list *next = call != NULL ? call->node.next : aside != NULL ? aside->next : a->mailbox.next;
    if (next == aside) {
        next = a->mailbox.next;
    }
    return next != &a->mailbox ? LIST_ITEM(next, struct call, node) : NULL;
}

struct call *mailbox_pop(struct activation *a)
{
    struct call *call;
    while ((call = mailbox_next(a, NULL)) != NULL && !mailbox_take(a, call)) {
    }
    return call;
}
