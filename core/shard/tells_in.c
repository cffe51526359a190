/* core/shard/tells_in.c: the receiver's end: a tell arrives, and one entry of its shard says that it is accepted (R88):
 * its number in the channel, and a row that waits for the turn. Then it is in its actor's queue, and runs in this very
 * tick if nothing is before it; the sender hears when the entry is committed. */
#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/cluster_map.h"
#include "core/shard/commit.h"
#include "core/shard/sessions.h"
#include "core/shard/tells_parts.h"

static void widen(struct shard_tells *tells, uint32_t count)
{
    uint32_t more = count - tells->count;
    tells->out = mem_grow(tells->out, count * sizeof(struct tell_out *));
    memset(tells->out + tells->count, 0, more * sizeof(struct tell_out *));
    tells->in = mem_grow(tells->in, count * sizeof *tells->in);
    memset(tells->in + tells->count, 0, more * sizeof *tells->in);
    tells->count = count;
}

struct shard_tells *tells_of(struct shard *shard, uint32_t other)
{
    if (shard->tells == NULL) {
        struct shard_tells *tells = mem_new(sizeof *tells);
        tells->shard = shard;
        list_init(&tells->node);
        list_init(&tells->unsettled);
        shard->tells = tells;
    }
    if (other >= shard->tells->count) {
        widen(shard->tells, (other / CLUSTER_SHARDS + 1) * CLUSTER_SHARDS);
    }
    return shard->tells;
}

/* Queues. */

struct tell_queue *tell_queue_find(struct core *core, struct pdr_bytes address)
{
    struct hash_node *node = hash_first(&core->tells->queues, hash_bytes(address, 0));
    for (; node != NULL; node = hash_next(node)) {
        struct tell_queue *queue = LIST_ITEM(node, struct tell_queue, by_address);
        if (pdr_bytes_equal(pdr_bytes(queue->address, queue->address_size), address)) {
            return queue;
        }
    }
    return NULL;
}

struct tell_queue *tell_queue_of(struct core *core, struct pdr_bytes address)
{
    struct tell_queue *queue = tell_queue_find(core, address);
    if (queue == NULL) {
        queue = mem_new(sizeof *queue + address.size);
        queue->core = core;
        queue->address_size = (uint16_t)address.size;
        memcpy(queue->address, address.data, address.size);
        list_init(&queue->tells);
        tell_queue_init(queue);
        hash_insert(&core->tells->queues, &queue->by_address, hash_bytes(address, 0));
    }
    return queue;
}

void tell_enlist(struct tell_queue *queue, struct call *call, uint64_t number)
{
    call->tell.role = TELL_PENDING;
    call->tell.number = number;
    call->owner = queue;
    call->finish = tell_over;
    call->deadline_ns = UINT64_MAX; /* until it runs */
    list_init(&call->tell.node);
    call->gate.open = tell_entered; /* of one that comes with its sender's entry */
    queue->shard = call->shard;
    queue->count++;
    queue->core->tells->in_bytes += tell_charge(call);
}

struct call *tell_copy(struct core *core, const struct call *from, uint64_t number)
{
    struct pdr_ref ref = tell_ref(from->address, from->type_size);
    struct call *call =
        call_new(&core->calls, core, &ref, from->address, from->method, from->args, from->caller, NULL, 0, 0);
    if (call != NULL) {
        call->shard = from->shard;
        tell_enlist(tell_queue_of(core, from->address), call, number);
    }
    return call;
}

void tell_put_pending(struct rows *rows, const struct call *call, uint64_t number, bool begun)
{
    uint8_t key[TELL_NUMBER_KEY_MAX];
    struct tell_row row = {.sender = call->caller, .method = call->method, .args = call->args};
    tell_row_put(rows, KEYS_PENDING, tell_pending_key(key, call->address, number, begun), &row);
}

/* Accepting. */

static enum pdr_status is_known(struct core *core, struct call *call)
{
    struct pdr_bytes type = pdr_bytes(call->address.data, call->type_size);
    const struct actor_class *cls = core->world.find_class(core->world.registry, type);
    if (cls == NULL) {
        return call_fail(call, PDR_NOT_FOUND, "there is no type %.*s on this node; `perdure types` lists them",
                         (int)type.size, (const char *)type.data);
    }
    for (uint32_t i = 0; i < cls->method_count; i++) {
        if (pdr_bytes_equal(cls->methods[i].name, call->method)) {
            return PDR_OK;
        }
    }
    return call_fail(call, PDR_NOT_FOUND, "type %.*s has no method %.*s", (int)type.size, (const char *)type.data,
                     (int)call->method.size, (const char *)call->method.data);
}

enum pdr_status tell_may_accept(struct core *core, struct call *call)
{
    const struct tell_queue *queue = tell_queue_find(core, call->address);
    call->retry_ms = 100;
    if (core->stopping || core->frozen) {
        return call_fail(call, PDR_UNAVAILABLE, "the node is stopping");
    }
    if (!core->tells->open) {
        return call_fail(call, PDR_UNAVAILABLE, "the node is starting");
    }
    if (queue != NULL && queue->count >= core->limits.tells_max) {
        core->stats.overloaded++;
        return call_fail(call, PDR_OVERLOADED, "too many tells wait for %.*s (limit tells = %u)",
                         (int)call->address.size, (const char *)call->address.data, core->limits.tells_max);
    }
    if (!tells_fit(core, core->tells->in_bytes, call, false)) {
        core->stats.overloaded++;
        return call_fail(call, PDR_OVERLOADED, "no memory for a tell that waits (limit memory = %llu bytes a core)",
                         (unsigned long long)core->limits.memory_max);
    }
    return commit_admits(core, core->shards[call->shard], call);
}

static void taken(struct gate_wait *wait, enum pdr_status status)
{
    struct call *call = LIST_ITEM(wait, struct call, gate);
    struct core *core = call->at;
    if (status != PDR_OK) {
        if (!core->dead && status != PDR_MOVED) { /* then the channel is gone */
            channel_in_undo(&core->shards[call->shard]->tells->in[call->tell.from], call->tell.number);
        }
        call_fail(call, status, "that the tell was accepted could not be made durable");
    }
    call_finish(call);
}

static void repeated(struct gate_wait *wait, enum pdr_status status)
{
    struct call *call = LIST_ITEM(wait, struct call, gate);
    if (status != PDR_OK) {
        call_fail(call, status, "that the tell was accepted could not be made durable");
    }
    call_finish(call);
}

/* The accepting entry is committed, or undone; if undone the tell was never here. */
static void accept_over(struct gate_wait *wait, enum pdr_status status)
{
    struct call *call = LIST_ITEM(wait, struct call, gate);
    struct core *core = call->home;
    if (core->dead) {
        return;
    }
    if (status == PDR_OK) {
        call->tell.accept_seq = 0;
    } else if (call->state == CALL_RUNNING) {
        call->tell.undone = true;
    } else {
        tell_drop(core, call);
    }
}

void tell_accepted(struct core *core, struct call *call, struct call *pending, uint64_t seq)
{
    struct shard *shard = core->shards[call->shard];
    struct tell_queue *queue = pending->owner;
    core->stats.tells_accepted++;
    pending->tell.accept_seq = seq;
    pending->gate.open = accept_over;
    commit_gate(shard, &pending->gate, seq);
    if (call->tell.role == TELL_SENT) {
        call->gate.open = taken;
        commit_gate(shard, &call->gate, seq);
    } else {
        turn_answer(shard, call, seq, PDR_DURABILITY_SYNC);
    }
    tell_insert(&queue->tells, pending);
    tell_enter(core, pending);
}

static void take_in(struct core *core, struct call *call)
{
    struct shard *shard = core->shards[call->shard];
    struct rows rows = {0};
    uint64_t number = tell_number(shard, 0);
    struct call *pending = tell_may_accept(core, call) == PDR_OK ? tell_copy(core, call, number) : NULL;
    if (pending == NULL) {
        if (call->status == PDR_OK) {
            call_fail(call, PDR_OVERLOADED, "the machine has no memory for this tell");
        }
        call_finish(call);
        return;
    }
    if (call->tell.role == TELL_SENT) {
        uint8_t key[4], n[8];
        put_be64(n, call->tell.number);
        rows_put(&rows, KEYS_CHANNEL, tell_channel_key(key, call->tell.from), pdr_bytes(n, sizeof n));
        channel_in_take(&tells_of(shard, call->tell.from)->in[call->tell.from], call->tell.number, shard->last_seq + 1);
    }
    tell_put_pending(&rows, pending, number, false);
    if (call->session.on) { /* a copy of it is answered from the record */
        struct session_outcome accepted = {.reply = pdr_bytes("\xc0", 1)};
        session_put_result(&rows, &call->session, &accepted);
    }
    tell_accepted(core, call, pending, commit_rows(core, shard, NULL, NULL, &rows));
}

static void accept_sent(struct core *core, struct call *call)
{
    struct shard *shard = core->shards[call->shard];
    struct channel_in *in = &tells_of(shard, call->tell.from)->in[call->tell.from];
    enum channel_verdict verdict = core->tells->known ? channel_in_judge(in, call->tell.number) : CHANNEL_NEED;
    if (core->frozen) { /* others do not hear from it any more, and it may need them */
        call_fail(call, PDR_UNAVAILABLE, "the node is stopping");
        call_finish(call);
        return;
    }
    if (MUTATION(32) && verdict == CHANNEL_AGAIN) {
        in->last = call->tell.number - 1;
        verdict = CHANNEL_TAKE;
    }
    switch (verdict) {
    case CHANNEL_TAKE:
        take_in(core, call);
        return;
    case CHANNEL_AGAIN: /* acknowledged like the first time */
        call->gate.open = repeated;
        if (!commit_gate(shard, &call->gate, in->seq)) {
            call_finish(call);
        }
        return;
    case CHANNEL_NEED:
        call_fail(call, PDR_UNAVAILABLE, "tell %llu of this channel is needed first", (unsigned long long)in->last + 1);
        call_finish(call);
        return;
    }
}

void tells_open(struct core *core)
{
    struct list early, *node;
    core->tells->open = true;
    list_init(&early);
    list_splice(&early, &core->tells->early);
    while ((node = list_pop(&early)) != NULL) {
        struct call *call = LIST_ITEM(node, struct call, node);
        if (core->dead) {
            call_discard(call);
        } else {
            tells_deliver(core, call);
        }
    }
}

void tells_deliver(struct core *core, struct call *call)
{
    if (!core->tells->open && call->tell.role != TELL_SENT && !core->stopping) {
        list_push_back(&core->tells->early, &call->node);
        return;
    }
    switch ((enum tell_role)call->tell.role) {
    case TELL_SENT:
        accept_sent(core, call);
        return;
    case TELL_ASKED:
        if (call->session.on && !sessions_admit(core, core->shards[call->shard], call, PDR_DURABILITY_SYNC)) {
            return;
        }
        if (is_known(core, call) != PDR_OK) {
            call_finish(call);
            return;
        }
        take_in(core, call);
        return;
    case TELL_REDELIVER:
    case TELL_DISCARD:
        dead_deliver(core, call);
        return;
    case TELL_NONE:
    case TELL_PENDING:
        break;
    }
    CHECK(false); /* neither is delivered */
}
