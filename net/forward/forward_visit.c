/* net/forward/forward_visit.c: calls of other nodes for shards of this one: made here anew, run, answered in the life
 * of the link that they came by. Nothing that another node says is believed before it was looked at. */
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mutation.h"
#include "core/base/system_type.h"
#include "core/shard/sessions.h"
#include "net/forward/forward_parts.h"
#include "net/wire/rpc.h"

/* Answers. */

static bool is_misplaced(const struct trip *trip)
{
    const struct call *call = trip->call;
    return call->kind == CALL_ACTOR && call->tell.role != TELL_SENT &&
           route_place(trip->forward->core->map, call) != call->shard;
}

static void put_moved(const struct trip *trip)
{
    struct forward *f = trip->forward;
    struct call_frame_moved moved = {.number = trip->number, .version = f->core->map->version};
    const struct cluster_owner *owner = is_misplaced(trip) ? NULL : forward_owner(f, trip->call->shard);
    if (owner != NULL) {
        moved.node = owner->node;
        moved.epoch = owner->epoch;
        moved.cv = owner->cv;
    }
    call_frame_put_moved(&f->frame, &moved);
}

static void put_answer(const struct trip *trip)
{
    const struct call *call = trip->call;
    bool has_reply = call->status == PDR_OK || call->status == PDR_DEADLOCK;
    struct call_frame_answer answer = {
        .number = trip->number,
        .status = (uint8_t)call->status,
        .flags =
            (uint8_t)((call->is_read ? CALL_FRAME_IS_READ : 0) | (call->session.is_final ? CALL_FRAME_IS_FINAL : 0)),
        .retry_ms = call->retry_ms,
        .code = pdr_str(call->status == PDR_ACTOR ? call->code : ""),
        .text = pdr_str(call->status == PDR_OK ? "" : call->text),
        .reply = has_reply ? pdr_written(&call->reply) : pdr_bytes(NULL, 0),
    };
    call_frame_put_answer(&trip->forward->frame, &answer);
}

/* False: the link is full. */
static bool send_answer(struct trip *trip)
{
    struct forward *f = trip->forward;
    struct call *call = trip->call;
    if (call->status == PDR_MOVED) {
        put_moved(trip);
    } else {
        put_answer(trip);
    }
    if (forward_send_frame(f, trip->to->id, trip->life) == PDR_OVERLOADED) {
        return false;
    }
    call_free(&f->core->calls, call);
    trip_free(trip);
    return true;
}

/* What others do not take must not fill our memory: a reader can ask again; what has run can't be kept from who asked,
 * so that its outcome is unknown is all it hears. */
static void cut_answer(struct trip *trip)
{
    struct call *call = trip->call;
    if (trip->forward->answer_bytes + call->reply.size <= LIMIT_FORWARD_ANSWER_BYTES_MAX || call->reply.size == 0) {
        return;
    }
    pdr_writer_clear(&call->reply);
    call->retry_ms = 100;
    call_fail(call, call->is_read ? PDR_OVERLOADED : PDR_UNAVAILABLE,
              "the call has run, but too many answers to its node wait (limit forward_answer_bytes_max)");
}

static void answer(struct trip *trip)
{
    struct forward *f = trip->forward;
    trip->state = TRIP_ANSWERING;
    if (trip->watch != NULL) {
        forward_watch_joined(trip);
    }
    list_remove(&trip->node);
    if (!list_empty(&trip->to->answers) || !send_answer(trip)) {
        if (MUTATION(145)) {
            call_free(&f->core->calls, trip->call);
            trip_free(trip);
            return;
        }
        cut_answer(trip);
        f->answer_bytes += trip->call->reply.size;
        list_push_back(&trip->to->answers, &trip->node);
    }
}

void visit_send_answers(struct forward_node *to)
{
    struct list waiting, *node;
    list_init(&waiting);
    list_splice(&waiting, &to->answers);
    while ((node = list_pop(&waiting)) != NULL) {
        struct trip *trip = LIST_ITEM(node, struct trip, node);
        size_t size = trip->call->reply.size;
        if (send_answer(trip)) {
            to->forward->answer_bytes -= size;
        } else {
            list_push_back(&to->answers, node);
        }
    }
    if (list_empty(&to->answers)) {
        forward_watch_room(to->forward, to->id);
    }
}

void visit_finished(struct call *call)
{
    answer(call->owner);
}

void visit_fail(struct trip *trip, enum pdr_status status, const char *why)
{
    call_fail(trip->call, status, "%s", why);
    visit_finished(trip->call);
}

/* Where it belongs. */

enum visit_step visit_judge(const struct trip *trip)
{
    const struct forward *f = trip->forward;
    const struct cluster_owner *owner = forward_owner(f, trip->call->shard);
    if (is_misplaced(trip)) {
        return f->core->map->version > trip->known ? VISIT_RETURNS : VISIT_STAYS;
    }
    if (forward_place(f, trip->call->shard) == PLACE_HERE) {
        return VISIT_ENTERS;
    }
    return owner != NULL && owner->cv > trip->known ? VISIT_RETURNS : VISIT_STAYS;
}

void visit_go(struct trip *trip, enum visit_step step)
{
    struct forward *f = trip->forward;
    struct call *call = trip->call;
    if (step == VISIT_ENTERS) {
        trip->state = TRIP_HERE;
        list_push_back(&f->here, &trip->node);
        forward_deliver(f, call);
        return;
    }
    f->stats.redirected++;
    call->status = PDR_MOVED;
    answer(trip);
}

void visit_moved(struct trip *trip)
{
    list_remove(&trip->node);
    pdr_writer_clear(&trip->call->reply);
    trip_wait(trip);
}

/* A call comes. */

static void refuse(struct forward *f, uint64_t node, uint64_t life, uint64_t number, enum pdr_status status,
                   const char *why)
{
    if (number != 0) {
        struct call_frame_answer frame = {.number = number, .status = (uint8_t)status, .text = pdr_str(why)};
        call_frame_put_answer(&f->frame, &frame);
        (void)forward_send_frame(f, node, life); /* a link that is full of answers to nonsense may lose one */
    }
}

static enum pdr_status check_enums(const struct call_frame_call *frame, const char **why)
{
    bool is_tell = frame->role == TELL_SENT || frame->role == TELL_ASKED;
    bool needs_session = frame->what == CALL_SESSION_RESUME || frame->what == CALL_SESSION_TOUCH;
    if (frame->what > CALL_SESSION_LAST || (!is_tell && frame->role != TELL_NONE) ||
        frame->durability > PDR_DURABILITY_VOLATILE || (needs_session && frame->session.size == 0)) {
        *why = "a call of another node is of a kind that is not known here";
        return PDR_INVALID;
    }
    return PDR_OK;
}

static enum pdr_status check(const struct forward *f, const struct call_frame_call *frame, struct pdr_ref *ref,
                             const char **why)
{
    enum pdr_status status = check_enums(frame, why);
    if (status == PDR_OK && frame->role == TELL_SENT && frame->tell_from >= f->core->shard_count) {
        *why = "a tell of another node comes from a shard that is not known here";
        return PDR_INVALID;
    }
    if (status == PDR_OK) {
        status = pdr_ref_parse(frame->address, ref, why);
    }
    if (status != PDR_OK || frame->what != CALL_ACTOR) {
        return status;
    }
    if (type_is_system(ref->type)) {
        *why = "what is of the system is asked of the node itself";
        return PDR_INVALID;
    }
    if (pdr_value_kind(frame->args) != PDR_KIND_ARRAY ||
        pdr_value_skip(frame->args.data, frame->args.size, LIMIT_DEPTH_MAX) != (int64_t)frame->args.size) {
        *why = "the arguments of a call of another node are no array";
        return PDR_INVALID;
    }
    return rpc_check_args(frame->args, why);
}

static struct call *make(struct forward *f, const struct call_frame_call *frame, const struct pdr_ref *ref)
{
    uint64_t chain[CALL_CHAIN_MAX];
    uint64_t now = core_now_ns(f->core);
    memcpy(chain, frame->chain.data, frame->chain.size);
    struct call *call = call_new(&f->core->calls, f->core, ref, frame->address, frame->method, frame->args, frame->path,
                                 chain, frame->chain_count, 0);
    if (call == NULL) {
        return NULL;
    }
    call_set_path(call, frame->caller_size);
    call->kind = (enum call_kind)frame->what;
    call->is_read = (frame->flags & CALL_FRAME_IS_READ) != 0;
    call->is_watch = (frame->flags & CALL_FRAME_IS_WATCH) != 0 && frame->what == CALL_ACTOR;
    call->shard = frame->shard;
    call->durability = (enum pdr_durability)frame->durability;
    call->deadline_ns = frame->left_us >= (UINT64_MAX - now) / 1000 ? UINT64_MAX : now + frame->left_us * 1000;
    call->tell.role = frame->role;
    call->tell.number = frame->tell_number;
    call->tell.from = frame->tell_from;
    call->session.n = frame->n;
    if (frame->session.size > 0) {
        call->session.on = frame->what == CALL_ACTOR;
        call->session.ack_below = frame->ack_below;
        call->session.print = frame->print;
    }
    call->finish = visit_finished;
    return call;
}

void visit_received(struct forward *f, uint64_t node, uint64_t life, struct pdr_bytes bytes)
{
    struct call_frame_call frame;
    struct pdr_ref ref;
    const char *why;
    enum pdr_status status = call_frame_get_call(bytes, &frame, &why);
    status = status == PDR_OK ? check(f, &frame, &ref, &why) : status;
    if (status != PDR_OK) {
        f->stats.garbage++;
        refuse(f, node, life, call_frame_number(bytes), status, why);
        return;
    }
    struct call *call = make(f, &frame, &ref);
    if (call == NULL) {
        refuse(f, node, life, frame.number, PDR_OVERLOADED, "the machine has no memory for this call");
        return;
    }
    struct trip *trip = trip_new(f, call);
    trip->is_visit = true;
    trip->to = forward_node_of(f, node);
    trip->number = frame.number;
    trip->life = life;
    trip->known = frame.known;
    call->owner = trip;
    call->from_node = node;
    call->from_life = life;
    f->stats.served++;
    if (frame.session.size > 0 && !session_id_decode(frame.session, &call->session.id)) {
        visit_fail(trip, PDR_SESSION, "the session of a call of another node is none");
        return;
    }
    if (call->is_watch) {
        forward_watch_begin(trip);
    }
    trip_go(trip);
}

/* The link is gone: what waited need not run, nobody hears of what ran. */

struct leaver {
    uint64_t node, life;
    struct list trips;
};

static void take_out(struct list *from, struct leaver *leaver)
{
    struct list *next;
    for (struct list *item = from->next; item != from; item = next) {
        struct trip *trip = LIST_ITEM(item, struct trip, node);
        next = item->next;
        if (trip->is_visit && trip->to->id == leaver->node && trip->life == leaver->life) {
            list_remove(item);
            list_push_back(&leaver->trips, item);
        }
    }
}

static bool take_waiting(struct hash_node *node, void *user)
{
    struct forward_wait *wait = LIST_ITEM(node, struct forward_wait, by_shard);
    take_out(&wait->trips, user);
    forward_wait_due(wait);
    return true;
}

void visit_gone(struct forward *f, uint64_t node, uint64_t life)
{
    struct leaver leaver = {.node = node, .life = life};
    struct list *item;
    list_init(&leaver.trips);
    hash_each(&f->waits, take_waiting, &leaver);
    while ((item = list_pop(&leaver.trips)) != NULL) {
        struct trip *trip = LIST_ITEM(item, struct trip, node);
        trip_end_waiting(trip);
        visit_fail(trip, PDR_UNAVAILABLE, "the link that the call came by is lost"); /* which nobody hears */
    }
    for (item = f->nodes.next; item != &f->nodes; item = item->next) {
        take_out(&LIST_ITEM(item, struct forward_node, node)->answers, &leaver);
    }
    while ((item = list_pop(&leaver.trips)) != NULL) {
        struct trip *trip = LIST_ITEM(item, struct trip, node);
        f->answer_bytes -= trip->call->reply.size;
        call_free(&f->core->calls, trip->call);
        trip_free(trip);
    }
    for (item = f->nodes.next; item != &f->nodes; item = item->next) {
        struct forward_node *to = LIST_ITEM(item, struct forward_node, node);
        if (to->id == node) {
            visit_send_answers(to); /* of other lives of it, which stood behind those */
        }
    }
}
