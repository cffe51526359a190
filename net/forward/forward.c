/* net/forward/forward.c: where a call belongs, and the trips of those that are not here. */
#include "net/forward/forward.h"

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "net/forward/forward_parts.h"

#define SPARE_MAX 4096u

/* Trips. */

/* A turn that waits for a call makes no other meanwhile; of other calls those to one actor share a line. */
static uint16_t line_of(const struct call *call)
{
    return call->chain_count > 0 ? FORWARD_LINES : (uint16_t)(call->key_hash % FORWARD_LINES);
}

static void expired(struct timer *timer);

struct trip *trip_new(struct forward *f, struct call *call)
{
    struct list *node = list_pop(&f->spare);
    struct trip *trip = node != NULL ? LIST_ITEM(node, struct trip, node) : mem_new(sizeof *trip);
    f->spare_count -= node != NULL;
    *trip = (struct trip){.forward = f, .call = call, .line = line_of(call), .order = ++f->orders};
    list_init(&trip->node);
    timer_init(&trip->timer, expired);
    return trip;
}

void trip_free(struct trip *trip)
{
    struct forward *f = trip->forward;
    list_remove(&trip->node);
    if (f->spare_count >= SPARE_MAX) {
        mem_free(trip);
        return;
    }
    f->spare_count++;
    list_push_front(&f->spare, &trip->node);
}

void trip_insert(struct list *list, struct trip *trip)
{
    struct list *at = list->prev;
    while (at != list && LIST_ITEM(at, struct trip, node)->order > trip->order) {
        at = at->prev;
    }
    list_push_front(at, &trip->node);
}

void trip_fail(struct trip *trip, enum pdr_status status, const char *why)
{
    struct call *call = trip->call;
    if (trip->is_visit) {
        visit_fail(trip, status, why);
        return;
    }
    trip_free(trip);
    call_fail(call, status, "%s", why);
    call_finish(call);
}

static void expired(struct timer *timer)
{
    struct trip *trip = LIST_ITEM(timer, struct trip, timer);
    static const char *const why[] = {
        [TRIP_WAITING] = "no node that is known here had the actor's shard before the deadline; the call was not run",
        [TRIP_QUEUED] = "the node that has the actor could not be reached before the deadline; the call was not run"};
    enum trip_state state = trip->state;
    CHECK(state == TRIP_WAITING || state == TRIP_QUEUED);
    if (state == TRIP_WAITING) {
        forward_wait_due(forward_wait_of(trip->forward, trip->call->shard)); /* it may be over */
    }
    list_remove(&trip->node);
    trip_end_waiting(trip);
    trip->forward->stats.expired++;
    trip_fail(trip, PDR_UNAVAILABLE, why[state]);
}

/* Who owns what. */

static struct forward_row *find_row(const struct forward *f, uint32_t shard)
{
    struct hash_node *node = hash_count(&f->newer) > 0 ? hash_first(&f->newer, shard) : NULL;
    return node != NULL ? LIST_ITEM(node, struct forward_row, by_shard) : NULL;
}

const struct cluster_owner *forward_owner(const struct forward *f, uint32_t shard)
{
    const struct forward_row *row = find_row(f, shard);
    return row != NULL ? &row->owner : cluster_map_owner(f->core->map, shard);
}

uint64_t forward_known(const struct forward *f, uint32_t shard)
{
    const struct cluster_owner *owner = forward_owner(f, shard);
    uint64_t version = f->core->map->version;
    return owner != NULL && owner->cv > version ? owner->cv : version;
}

enum forward_place forward_place(const struct forward *f, uint32_t shard)
{
    const struct forward_row *row = find_row(f, shard);
    const struct cluster_owner *owner = row != NULL ? &row->owner : cluster_map_owner(f->core->map, shard);
    if (owner == NULL || owner->node == 0) {
        return PLACE_UNKNOWN;
    }
    if (owner->node != f->core->map->self) {
        return PLACE_THERE;
    }
    return row == NULL ? PLACE_HERE : PLACE_UNKNOWN; /* that it is ours the map has to say */
}

static void learn(struct forward *f, uint32_t shard, const struct cluster_owner *owner)
{
    struct forward_row *row = find_row(f, shard);
    if (row == NULL) {
        row = mem_new(sizeof *row);
        row->shard = shard;
        list_push_back(&f->rows, &row->node);
        hash_insert(&f->newer, &row->by_shard, shard);
    }
    row->owner = *owner;
}

static void forget_rows(struct forward *f, bool all)
{
    const struct cluster_map *map = f->core->map;
    struct list *next;
    for (struct list *node = f->rows.next; node != &f->rows; node = next) {
        struct forward_row *row = LIST_ITEM(node, struct forward_row, node);
        const struct cluster_owner *owner = all ? NULL : cluster_map_owner(map, row->shard);
        next = node->next;
        if (all || map->version >= row->owner.cv || (owner != NULL && owner->cv >= row->owner.cv)) {
            hash_remove(&f->newer, &row->by_shard);
            list_remove(node);
            mem_free(row);
        }
    }
}

bool forward_is_plain(const struct forward *f, uint32_t shard)
{
    return (hash_count(&f->waits) == 0 || forward_wait_find(f, shard) == NULL) && find_row(f, shard) == NULL;
}

/* On the way. */

bool trip_place_again(struct trip *trip)
{
    struct call *call = trip->call;
    if (trip->is_visit || call->kind != CALL_ACTOR || call->tell.role == TELL_SENT) {
        return false;
    }
    uint32_t shard = route_place(trip->forward->core->map, call);
    bool moved = shard != call->shard;
    call->shard = shard;
    return moved;
}

void forward_deliver(struct forward *f, struct call *call)
{
    struct core *owner = f->router->cores[cluster_map_core(f->core->map, call->shard)];
    if (owner == f->core) {
        core_deliver(owner, call);
    } else {
        core_send(owner, call);
    }
}

void trip_go(struct trip *trip)
{
    struct forward *f = trip->forward;
    struct call *call = trip->call;
    trip_place_again(trip);
    if (hash_count(&f->waits) > 0 && forward_wait_find(f, call->shard) != NULL) {
        trip_wait(trip);
        return;
    }
    if (trip->is_visit) {
        enum visit_step step = visit_judge(trip);
        if (step == VISIT_STAYS) {
            trip_wait(trip);
        } else {
            visit_go(trip, step);
        }
        return;
    }
    switch (forward_place(f, call->shard)) {
    case PLACE_HERE:
        trip_free(trip);
        forward_deliver(f, call);
        break;
    case PLACE_THERE:
        trip_send(forward_node_of(f, forward_owner(f, call->shard)->node), trip);
        break;
    case PLACE_UNKNOWN:
        trip_wait(trip);
        break;
    }
}

static bool is_refused(struct core *core, struct call *call)
{
    bool from_client = call->chain_count == 0 && call->caller.size == 0;
    if (core->frozen || (core->stopping && from_client)) {
        call_fail(call, PDR_UNAVAILABLE, "the node is stopping");
        return true;
    }
    return false;
}

/* Who asked to be told goes there by itself. */
static bool is_redirected(const struct forward *f, struct call *call)
{
    if (!call->is_direct || forward_place(f, call->shard) != PLACE_THERE) {
        return false;
    }
    const struct cluster_node *node = cluster_map_node(f->core->map, forward_owner(f, call->shard)->node);
    if (node == NULL) {
        return false; /* it could not be found by the answer */
    }
    call_fail(call, PDR_MOVED, "shard %u is at %.*s", call->shard, (int)node->address.size,
              (const char *)node->address.data);
    return true;
}

void forward_call(struct forward *f, struct call *call)
{
    call->at = f->core;
    if (is_refused(f->core, call) || is_redirected(f, call)) {
        call_finish(call);
        return;
    }
    trip_go(trip_new(f, call));
}

void forward_moved(struct forward *f, struct call *call)
{
    struct trip *trip = call->finish == visit_finished ? call->owner : NULL, *back;
    call->status = PDR_OK;
    call->text[0] = 0;
    call->is_again |= call->session.on && trip == NULL; /* it may have been cut off behind its end */
    call->is_leased = false;                            /* of what was read here nothing is answered */
    if (trip == NULL && is_refused(f->core, call)) {
        call_finish(call);
        return;
    }
    struct forward_wait *wait = forward_wait_of(f, call->shard);
    forward_wait_later(wait);
    if (trip != NULL) {
        visit_moved(trip);
    } else {
        back = trip_new(f, call);
        back->order = wait->bars > 0 ? wait->bar_orders++ : back->order;
        trip_wait(back);
    }
}

/* What another node says: answers. */

static struct trip *find_sent(const struct forward *f, uint64_t node, uint64_t life, uint64_t number)
{
    struct hash_node *at = hash_first(&f->by_number, number);
    struct trip *trip = at != NULL ? LIST_ITEM(at, struct trip, by_number) : NULL;
    return trip != NULL && trip->to->id == node && trip->life == life ? trip : NULL;
}

static void take_outcome(struct call *call, const struct call_frame_answer *answer)
{
    call->status = (enum pdr_status)answer->status;
    call->retry_ms = answer->retry_ms;
    call->is_read |= (answer->flags & CALL_FRAME_IS_READ) != 0;
    call->session.is_final = (answer->flags & CALL_FRAME_IS_FINAL) != 0;
    if (call->status == PDR_OK || call->status == PDR_DEADLOCK) {
        pdr_writer_clear(&call->reply);
        pdr_write_raw(&call->reply, answer->reply.data, answer->reply.size);
        if (call->reply.failed) {
            pdr_writer_clear(&call->reply);
            call_fail(call, PDR_OVERLOADED, "the machine has no memory for the answer");
        }
    }
    if (answer->status != PDR_OK && call->status == (enum pdr_status)answer->status) {
        size_t code = answer->code.size < sizeof call->code ? answer->code.size : sizeof call->code - 1;
        size_t text = answer->text.size < sizeof call->text ? answer->text.size : sizeof call->text - 1;
        memcpy(call->code, answer->code.data, code);
        memcpy(call->text, answer->text.data, text);
        call->code[code] = call->text[text] = 0;
        text_cut(call->text);
    }
}

static void answered(struct forward *f, uint64_t node, uint64_t life, struct pdr_bytes frame)
{
    struct call_frame_answer answer;
    const char *why;
    struct trip *trip = call_frame_get_answer(frame, &answer, &why) == PDR_OK ? find_sent(f, node, life, answer.number)
                                                                              : NULL;
    if (trip == NULL) {
        f->stats.garbage += !f->closing; /* else it was recalled */
        return;
    }
    struct call *call = trip->call;
    struct forward_node *to = trip->to;
    trip_unsend(trip);
    take_outcome(call, &answer);
    if (call->is_watch && call->status == PDR_OK) {
        forward_watch_opened(trip);
    }
    trip_free(trip);
    f->stats.answered++;
    if (call->is_measured) {
        call->stage_ns = clock_now_ns(f->core->world.clock);
    }
    call_finish(call);
    forward_drain(to);
}

static void moved(struct forward *f, uint64_t node, uint64_t life, struct pdr_bytes frame)
{
    struct call_frame_moved row;
    const char *why;
    struct trip *trip = call_frame_get_moved(frame, &row, &why) == PDR_OK ? find_sent(f, node, life, row.number) : NULL;
    if (trip == NULL) {
        f->stats.garbage += !f->closing;
        return;
    }
    struct call *call = trip->call;
    struct forward_wait *wait = forward_wait_of(f, call->shard);
    f->stats.moved++;
    call->is_again |= call->session.on;
    if (row.node == 0) { /* not even of this shard, as a newer map says */
        trip->version = row.version;
    } else if (row.cv > forward_known(f, call->shard)) {
        learn(f, call->shard, &(struct cluster_owner){.node = row.node, .epoch = row.epoch, .cv = row.cv});
    } else if (row.cv <= trip->known) {
        f->stats.garbage++; /* it must know better than we did */
        forward_wait_later(wait);
    }
    trip_are_old(trip, wait);
    trip_unsend(trip);
    trip_wait(trip);
}

static void received(void *user, uint64_t node, uint64_t life, struct pdr_bytes frame)
{
    struct forward *f = user;
    switch (call_frame_kind(frame)) {
    case CALL_FRAME_CALL:
        visit_received(f, node, life, frame);
        break;
    case CALL_FRAME_ANSWER:
        answered(f, node, life, frame);
        break;
    case CALL_FRAME_MOVED:
        moved(f, node, life, frame);
        break;
    case CALL_FRAME_EVENT:
    case CALL_FRAME_LEAVE:
    case CALL_FRAME_LEFT:
    case CALL_FRAME_TAKEN:
        forward_watch_received(f, node, life, frame);
        break;
    default:
        break; /* of a newer version, which may not count on it */
    }
}

/* Beginning, change, end. */

struct forward *forward_new(struct core *core, struct router *router)
{
    static const struct peer_handler handler = {
        .up = forward_up, .received = received, .room = forward_room, .gone = forward_gone};
    struct forward *f = mem_new(sizeof *f);
    *f = (struct forward){.core = core, .router = router, .peers = core->world.peers};
    struct hash *const tables[] = {&f->by_number, &f->by_id, &f->waits, &f->newer, &f->watches, &f->listeners};
    struct list *const lists[] = {&f->nodes, &f->due,      &f->rows,      &f->here,
                                  &f->spare, &f->watching, &f->listening, &f->barriers};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        hash_init(tables[i]);
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        list_init(lists[i]);
    }
    pdr_writer_init(&f->frame, NULL, 0, 0);
    forward_waits_init(f);
    peer_listen(f->peers, PEER_CALL, &handler, f);
    return f;
}

const struct forward_stats *forward_stats(const struct forward *f)
{
    return &f->stats;
}

void forward_map_changed(struct forward *f)
{
    forget_rows(f, false);
    forward_bar(f);
    forward_mark_old(f);
    forward_waits_all_due(f);
    forward_requeue(f);
}

static void refuse_all(struct list *trips)
{
    struct list *node;
    while ((node = list_pop(trips)) != NULL) {
        struct trip *trip = LIST_ITEM(node, struct trip, node);
        trip_end_waiting(trip);
        trip_fail(trip, PDR_UNAVAILABLE, "the node is stopping");
    }
}

static bool refuse_wait(struct hash_node *node, void *user)
{
    refuse_all(&LIST_ITEM(node, struct forward_wait, by_shard)->trips);
    return true;
}

void forward_close(struct forward *f)
{
    f->closing = true;
    hash_each(&f->waits, refuse_wait, NULL);
    for (struct list *node = f->nodes.next; node != &f->nodes; node = node->next) {
        refuse_all(&LIST_ITEM(node, struct forward_node, node)->queue);
    }
}

static void recall_sent(struct forward_node *to)
{
    for (struct list *at = to->sent.next, *next; at != &to->sent; at = next) {
        struct trip *trip = LIST_ITEM(at, struct trip, node);
        next = at->next;
        if (trip->call->tell.role == TELL_SENT) {
            trip_unsend(trip);
            trip_fail(trip, PDR_UNAVAILABLE, "the node is stopping");
        }
    }
}

void forward_recall(struct forward *f)
{
    forward_close(f);
    for (struct list *node = f->nodes.next; node != &f->nodes; node = node->next) {
        recall_sent(LIST_ITEM(node, struct forward_node, node));
    }
}

static void discard(struct list *trips, bool with_calls)
{
    struct list *node;
    while ((node = list_pop(trips)) != NULL) {
        struct trip *trip = LIST_ITEM(node, struct trip, node);
        timer_cancel(&trip->forward->core->wheel, &trip->timer);
        if (with_calls) {
            call_discard(trip->call);
        }
        mem_free(trip);
    }
}

void forward_discard_trips(struct list *trips)
{
    discard(trips, true);
}

void forward_free(struct forward *f)
{
    struct list *node;
    if (f == NULL) {
        return;
    }
    while ((node = list_pop(&f->nodes)) != NULL) {
        struct forward_node *to = LIST_ITEM(node, struct forward_node, node);
        discard(&to->sent, true);
        discard(&to->queue, true);
        discard(&to->answers, true);
        mem_free(to);
    }
    forward_waits_free(f);
    forward_watches_free(f);
    forward_barriers_free(f);
    discard(&f->here, false); /* whoever has their calls discards them */
    discard(&f->spare, false);
    forget_rows(f, true);
    struct hash *const tables[] = {&f->by_number, &f->by_id, &f->waits, &f->newer, &f->watches, &f->listeners};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        hash_release(tables[i]);
    }
    pdr_writer_release(&f->frame);
    mem_free(f);
}
