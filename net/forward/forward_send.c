/* net/forward/forward_send.c: calls of ours, over links: sent, queued while a link is down or full, and settled when a
 * life of it has ended. */
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/stages.h"
#include "net/forward/forward_parts.h"

static struct forward_node *find(const struct forward *f, uint64_t id)
{
    struct hash_node *node = hash_first(&f->by_id, id);
    return node != NULL ? LIST_ITEM(node, struct forward_node, by_id) : NULL;
}

struct forward_node *forward_node_of(struct forward *f, uint64_t id)
{
    struct forward_node *to = find(f, id);
    if (to == NULL) {
        to = mem_new(sizeof *to);
        to->forward = f;
        to->id = id;
        to->life = peer_life(f->peers, id);
        list_init(&to->sent);
        list_init(&to->queue);
        list_init(&to->answers);
        list_push_back(&f->nodes, &to->node);
        hash_insert(&f->by_id, &to->by_id, id);
    }
    return to;
}

enum pdr_status forward_send_frame(struct forward *f, uint64_t node, uint64_t life)
{
    enum pdr_status status = f->frame.failed ? PDR_OVERLOADED
                                             : peer_send(f->peers, node, life, PEER_CALL, pdr_written(&f->frame));
    pdr_writer_clear(&f->frame);
    return status;
}

/* Sending. */

static uint64_t left_us(const struct call *call, uint64_t now_ns)
{
    uint64_t deadline_ns = forward_deadline_ns(call);
    return deadline_ns == UINT64_MAX ? CALL_FRAME_FOREVER : (deadline_ns - now_ns) / 1000;
}

static bool has_session(const struct call *call)
{
    return call->kind == CALL_SESSION_RESUME || call->kind == CALL_SESSION_TOUCH ||
           (call->session.on && !MUTATION(147));
}

static void put_call(struct trip *trip)
{
    struct forward *f = trip->forward;
    const struct call *call = trip->call;
    uint8_t session[CALL_FRAME_SESSION_SIZE];
    struct call_frame_call frame = {
        .number = trip->number,
        .known = trip->known,
        .left_us = left_us(call, core_now_ns(f->core)),
        .shard = call->shard,
        .flags = (uint8_t)((call->is_read ? CALL_FRAME_IS_READ : 0) | (call->is_watch ? CALL_FRAME_IS_WATCH : 0)),
        .what = (uint8_t)call->kind,
        .role = call->tell.role,
        .durability = (uint8_t)call->durability,
        .tell_number = call->tell.number,
        .tell_from = call->tell.from,
        .chain_count = (uint8_t)call->chain_count,
        .caller_size = (uint16_t)call->caller.size,
        .chain = pdr_bytes(call->chain, call->chain_count * sizeof *call->chain),
        .address = call->address,
        .method = call->method,
        .path = call_path(call),
        .args = call->args,
    };
    if (has_session(call)) {
        session_id_encode(session, &call->session.id);
        frame.flags |= CALL_FRAME_IN_SESSION;
        frame.session = pdr_bytes(session, sizeof session);
    }
    if (has_session(call) || call->kind == CALL_SESSION_OPEN) {
        frame.n = call->session.n; /* of one that asks for a session: the connection's */
    }
    if (call->session.on) {
        frame.ack_below = call->session.ack_below;
        frame.print = call->session.print;
    }
    call_frame_put_call(&f->frame, &frame);
}

static void enqueue(struct forward_node *to, struct trip *trip)
{
    if (to->life == 0 && trip->call->tell.role == TELL_SENT) { /* it has a queue, and knows when to try again */
        trip_fail(trip, PDR_UNAVAILABLE, "the node of the tell's receiver cannot be reached now");
        return;
    }
    trip->to = to;
    if (trip_begin_waiting(trip)) {
        trip->state = TRIP_QUEUED;
        trip_insert(&to->queue, trip);
    }
}

static void transmit(struct forward_node *to, struct trip *trip)
{
    struct forward *f = to->forward;
    if (forward_deadline_ns(trip->call) <= core_now_ns(f->core)) {
        trip_fail(trip, PDR_DEADLINE, "the deadline passed before the call left this node; it was not run");
        return;
    }
    trip->number = ++f->numbers;
    trip->known = forward_known(f, trip->call->shard);
    put_call(trip);
    switch (forward_send_frame(f, to->id, to->life)) {
    case PDR_OK:
        trip->to = to;
        trip->life = to->life;
        trip->state = TRIP_SENT;
        list_push_back(&to->sent, &trip->node);
        hash_insert(&f->by_number, &trip->by_number, trip->number);
        to->sent_count++;
        f->stats.sent++;
        stages_pass(f->core, trip->call, &f->core->stats.stage_route_us);
        break;
    case PDR_UNAVAILABLE: /* `gone` is about to say so */
        to->life = 0;
        enqueue(to, trip);
        break;
    case PDR_OVERLOADED:
        to->is_full = true;
        enqueue(to, trip);
        break;
    default:
        trip_fail(trip, PDR_TOO_LARGE, "the call is larger than a frame between nodes (limit peer_frame_bytes_max)");
        break;
    }
}

static bool has_room(const struct forward_node *to)
{
    return to->life != 0 && !to->is_full && to->sent_count < LIMIT_FORWARD_SENT_MAX;
}

void trip_send(struct forward_node *to, struct trip *trip)
{
    if (has_room(to) && list_empty(&to->queue)) {
        transmit(to, trip);
    } else {
        enqueue(to, trip);
    }
}

void forward_drain(struct forward_node *to)
{
    while (!list_empty(&to->queue) && has_room(to)) {
        struct trip *trip = LIST_ITEM(to->queue.next, struct trip, node);
        list_remove(&trip->node);
        trip_end_waiting(trip);
        transmit(to, trip);
    }
}

void trip_unsend(struct trip *trip)
{
    if (trip->old != NULL) {
        trip_is_old_no_more(trip);
    }
    hash_remove(&trip->forward->by_number, &trip->by_number);
    list_remove(&trip->node);
    trip->to->sent_count--;
}

void forward_requeue(struct forward *f)
{
    struct list trips, *item;
    list_init(&trips);
    for (struct list *node = f->nodes.next; node != &f->nodes; node = node->next) {
        struct forward_node *to = LIST_ITEM(node, struct forward_node, node);
        struct list *next;
        for (item = to->queue.next; item != &to->queue; item = next) {
            struct trip *trip = LIST_ITEM(item, struct trip, node);
            const struct cluster_owner *owner = forward_owner(f, trip->call->shard);
            next = item->next;
            if (owner == NULL || owner->node != to->id) {
                list_remove(item);
                trip_insert(&trips, trip);
            }
        }
    }
    while ((item = list_pop(&trips)) != NULL) {
        struct trip *trip = LIST_ITEM(item, struct trip, node);
        trip_end_waiting(trip);
        trip_go(trip);
    }
}

/* What the link says. */

void forward_up(void *user, uint64_t id, uint64_t life)
{
    struct forward *f = user;
    struct forward_node *to = find(f, id);
    if (to != NULL && peer_life(f->peers, id) == life) {
        to->life = life;
        to->is_full = false;
        forward_drain(to);
    }
}

void forward_room(void *user, uint64_t id, uint64_t life)
{
    struct forward *f = user;
    struct forward_node *to = find(f, id);
    if (to == NULL) {
        return;
    }
    visit_send_answers(to);
    if (to->life == life) {
        to->is_full = false;
        forward_drain(to);
    }
}

static bool is_reader(const struct core *core, const struct call *call)
{
    struct pdr_bytes type = pdr_bytes(call->address.data, call->type_size);
    const struct actor_class *cls = core->world.find_class(core->world.registry, type);
    for (uint32_t i = 0; cls != NULL && i < cls->method_count; i++) {
        if (pdr_bytes_equal(cls->methods[i].name, call->method)) {
            return cls->methods[i].reader;
        }
    }
    return false;
}

/* It may have run, though no answer has come. Is it the same if it runs (again)? */
static bool is_safe(const struct core *core, const struct call *call)
{
    if (call->kind != CALL_ACTOR) {
        return call->kind != CALL_SESSION_OPEN;
    }
    if (call->tell.role == TELL_SENT) {
        return false; /* it is, but its channel does it, in order */
    }
    return call->session.on || call->is_read || call->is_watch || MUTATION(140) ||
           (call->tell.role == TELL_NONE && is_reader(core, call));
}

static void settle(struct forward *f, struct list *lost)
{
    struct list *item;
    while ((item = list_pop(lost)) != NULL) {
        struct trip *trip = LIST_ITEM(item, struct trip, node);
        if (is_safe(f->core, trip->call)) {
            f->stats.again++;
            trip->call->is_again |= trip->call->session.on;
            trip_go(trip);
        } else {
            f->stats.unknown++;
            trip_fail(trip, PDR_UNAVAILABLE,
                      "the link to the actor's node was lost before its answer came: the call has run, or not");
        }
    }
}

void forward_gone(void *user, uint64_t id, uint64_t life, const char *why)
{
    struct forward *f = user;
    struct forward_node *to = find(f, id);
    struct list lost;
    list_init(&lost);
    visit_gone(f, id, life);
    forward_watch_gone(f, id, life);
    if (to == NULL || (to->life != 0 && to->life != life)) {
        return;
    }
    to->life = 0;
    to->is_full = false;
    struct list *next;
    for (struct list *item = to->sent.next; item != &to->sent; item = next) {
        struct trip *trip = LIST_ITEM(item, struct trip, node);
        next = item->next;
        if (trip->life == life) {
            trip_unsend(trip);
            list_push_back(&lost, &trip->node);
        }
    }
    settle(f, &lost);
}
