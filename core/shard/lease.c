/* core/shard/lease.c: answers that wait for a lease, or for the others' word (R14). */
#include "core/shard/lease.h"

#include "core/base/mem.h"
#include "core/shard/replicas.h"
#include "core/shard/turn.h"

static void take_out(struct call *call)
{
    list_remove(&call->node);
    timer_cancel(&call->at->wheel, &call->timer);
    call->at->gated_bytes -= call->reply.size;
}

static void expired(struct timer *timer)
{
    struct call *call = LIST_ITEM(timer, struct call, timer);
    take_out(call);
    call->at->stats.deadlines++;
    pdr_writer_clear(&call->reply);
    call_fail(call, PDR_DEADLINE, "the call ran, but its node had no lease by which to answer before the deadline");
    call_finish(call);
}

/* R51: of a shard that is released the next owner may answer reads already. */
static bool may_leave(const struct core *core, const struct call *call)
{
    return core->shards[call->shard]->state != DUTY_RELEASED && clock_now_ns(core->world.clock) < core->lease_until_ns;
}

/* False: it has left. */
static bool wait(struct call *call)
{
    struct core *core = call->at;
    if (core->dead || may_leave(core, call)) {
        call_finish(call);
        return false;
    }
    call->state = CALL_GATED;
    core->gated_bytes += call->reply.size;
    list_push_back(&core->lease_waits, &call->node);
    timer_init(&call->timer, expired);
    if (call->deadline_ns != UINT64_MAX) {
        timer_set(&core->wheel, &call->timer, call->deadline_ns);
    }
    return true;
}

/* Its gate is behind it: gate.seq is the round that it waits for; 0: none. */
void lease_wait(struct call *call)
{
    struct core *core = call->at;
    if (wait(call)) {
        core->stats.unleased++;
        call->gate.seq = replicas_confirm(core->shards[call->shard]);
    }
}

void lease_confirmed(struct core *core, const struct shard *shard, uint64_t round)
{
    struct list waits, *node;
    list_init(&waits);
    list_splice(&waits, &core->lease_waits);
    while ((node = list_pop(&waits)) != NULL) {
        struct call *call = LIST_ITEM(node, struct call, node);
        if (call->shard != shard->id || call->gate.seq == 0 || call->gate.seq > round) {
            list_push_back(&core->lease_waits, node);
            continue;
        }
        take_out(call);
        call->is_leased = false; /* something better vouches for it */
        core->stats.confirmed++;
        call_finish(call);
    }
}

void core_take_lease(struct core *core, uint64_t until_ns)
{
    struct list waits, *node;
    core->lease_until_ns = until_ns;
    list_init(&waits);
    list_splice(&waits, &core->lease_waits);
    while ((node = list_pop(&waits)) != NULL) {
        struct call *call = LIST_ITEM(node, struct call, node);
        take_out(call);
        (void)wait(call);
    }
}

struct lease_message {
    struct message message;
    struct core *core;
    uint64_t until_ns;
};

static void arrived(struct message *message)
{
    struct lease_message *m = LIST_ITEM(message, struct lease_message, message);
    if (!m->core->dead) {
        core_take_lease(m->core, m->until_ns);
    }
    mem_free(m);
}

void core_post_lease(struct core *core, uint64_t until_ns)
{
    struct lease_message *m = mem_new(sizeof *m);
    *m = (struct lease_message){.message = {.deliver = arrived}, .core = core, .until_ns = until_ns};
    loop_post(core->world.loop, &m->message);
}

static void abandon(struct call *call)
{
    take_out(call);
    pdr_writer_clear(&call->reply);
    turn_abandon(call, true); /* it wrote nothing, but may have called others */
    call_finish(call);
}

void lease_close(struct core *core)
{
    struct list waits, *node;
    list_init(&waits);
    list_splice(&waits, &core->lease_waits);
    while ((node = list_pop(&waits)) != NULL) {
        struct call *call = LIST_ITEM(node, struct call, node);
        if (!shard_serves(core->shards[call->shard])) {
            abandon(call);
        } else {
            list_push_back(&core->lease_waits, node);
        }
    }
}

void lease_stop(struct core *core)
{
    struct list *node;
    while ((node = core->lease_waits.next) != &core->lease_waits) {
        struct call *call = LIST_ITEM(node, struct call, node);
        take_out(call);
        pdr_writer_clear(&call->reply);
        call_fail(call, PDR_UNAVAILABLE, "the node is stopping, and has no lease by which to answer");
        call_finish(call);
    }
}

void lease_discard(struct core *core)
{
    struct list *node;
    while ((node = list_pop(&core->lease_waits)) != NULL) {
        struct call *call = LIST_ITEM(node, struct call, node);
        timer_cancel(&core->wheel, &call->timer);
        call_discard(call);
    }
}
