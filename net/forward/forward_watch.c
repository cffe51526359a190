/* net/forward/forward_watch.c: listeners of one node to actors of another, and what sessions say to holders elsewhere.
 *
 *     listener's core                        actor's core
 *     a call that joins, as any other ---->  a listener of its own joins (core/shard/watch.h)
 *     event     <---- EVENT number ------    in the order of the link, behind the ANSWER
 *     leave      ----- LEAVE number ---->    leaves
 *     left      <----- LEFT number ------    has left: asked to, or fell behind a link that is full
 *
 * The number is that of the CALL. A listener has left as soon as its own side has forgotten the number: for one that it
 * does not know it says LEAVE. What is lost with a life of the link is resumed by who listens, by sequence. */
#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "net/forward/forward_parts.h"

static enum pdr_status say(struct forward *f, uint64_t node, uint64_t life, enum call_frame_kind kind,
                           const struct call_frame_watch *frame)
{
    call_frame_put_watch(&f->frame, kind, frame);
    return forward_send_frame(f, node, life);
}

static struct forward_watch *find(const struct hash *table, uint64_t node, uint64_t life, uint64_t number)
{
    for (struct hash_node *at = hash_first(table, number); at != NULL; at = hash_next(at)) {
        struct forward_watch *w = LIST_ITEM(at, struct forward_watch, by_number);
        if (w->peer == node && w->life == life) {
            return w;
        }
    }
    return NULL;
}

static struct forward_watch *new_watch(struct forward *f, struct hash *table, struct list *list, size_t size)
{
    struct forward_watch *w = mem_new(sizeof *w + size);
    w->forward = f;
    w->table = table;
    list_push_back(list, &w->node);
    return w;
}

static void set_number(struct forward_watch *w, uint64_t node, uint64_t life, uint64_t number)
{
    w->peer = node;
    w->life = life;
    w->number = number;
    hash_insert(w->table, &w->by_number, number);
}

static void free_watch(struct forward_watch *w)
{
    hash_remove(w->table, &w->by_number);
    list_remove(&w->node);
    mem_free(w);
}

/* At the listener's core. */

static void has_left(struct message *message)
{
    struct watch *watch = LIST_ITEM(message, struct watch, message);
    if (!watch->home->dead) {
        watch->left(watch);
    }
}

static void leave(struct watch *watch)
{
    struct forward_watch *w = watch->remote;
    struct call_frame_watch frame = {.number = w->number};
    (void)say(w->forward, w->peer, w->life, CALL_FRAME_LEAVE, &frame); /* if it is lost the next event says it */
    free_watch(w);
    watch->remote = NULL;
    watch->message.deliver = has_left;
    loop_post(watch->home->world.loop, &watch->message);
}

void forward_watch_opened(struct trip *trip)
{
    struct forward *f = trip->forward;
    struct forward_watch *w = new_watch(f, &f->watches, &f->watching, 0);
    set_number(w, trip->to->id, trip->life, trip->number);
    w->watch = trip->call->listener;
    w->watch->at = f->core;
    w->watch->leave = leave;
    w->watch->remote = w;
}

static void end_here(struct forward_watch *w)
{
    struct watch *watch = w->watch;
    free_watch(w);
    watch->remote = NULL;
    watch->left(watch);
}

static void event_came(struct forward *f, uint64_t node, uint64_t life, const struct call_frame_watch *frame)
{
    struct forward_watch *w = find(&f->watches, node, life, frame->number);
    if (w == NULL) {
        (void)say(f, node, life, CALL_FRAME_LEAVE, &(struct call_frame_watch){.number = frame->number});
    } else if (frame->data.size > 0 &&
               pdr_value_skip(frame->data.data, frame->data.size, LIMIT_DEPTH_MAX) == (int64_t)frame->data.size) {
        w->watch->event(w->watch, frame->seq, frame->data);
    } else {
        f->stats.garbage++;
    }
}

/* At the actor's core. */

/* Nothing goes past the answer that says that it has joined. */
static bool is_behind_answers(const struct forward_watch *w)
{
    return !list_empty(&forward_node_of(w->forward, w->peer)->answers);
}

static void leave_actor(struct forward_watch *w)
{
    if (!w->is_leaving) {
        w->is_leaving = true;
        watch_leave(&w->here);
    }
}

/* It has left, or never joined; who listened there is told, as soon as the link takes it. */
static void end_there(struct forward_watch *w)
{
    w->has_left = true;
    if (w->is_joining) {
        return; /* its visit has it yet: the shard was closed before the answer could leave */
    }
    if (!is_behind_answers(w) && say(w->forward, w->peer, w->life, CALL_FRAME_LEFT,
                                     &(struct call_frame_watch){.number = w->number}) != PDR_OVERLOADED) {
        free_watch(w);
    }
}

static void left_actor(struct watch *watch)
{
    end_there(LIST_ITEM(watch, struct forward_watch, here));
}

static void emitted(struct watch *watch, uint64_t seq, pdr_value event)
{
    struct forward_watch *w = LIST_ITEM(watch, struct forward_watch, here);
    struct call_frame_watch frame = {.number = w->number, .seq = seq, .data = event};
    if (w->is_leaving) {
        return;
    }
    if (is_behind_answers(w) || say(w->forward, w->peer, w->life, CALL_FRAME_EVENT, &frame) == PDR_OVERLOADED) {
        leave_actor(w); /* it joins again, behind the last event that came */
    } else {
        w->forward->stats.events++;
    }
}

void forward_watch_begin(struct trip *visit)
{
    struct forward *f = visit->forward;
    struct call *call = visit->call;
    struct forward_watch *w = new_watch(f, &f->listeners, &f->listening, call->address.size);
    set_number(w, visit->to->id, visit->life, visit->number);
    memcpy(w->data, call->address.data, call->address.size);
    w->is_joining = true;
    w->here = (struct watch){
        .home = f->core, .address = pdr_bytes(w->data, call->address.size), .event = emitted, .left = left_actor};
    call->listener = &w->here;
    visit->watch = w;
}

void forward_watch_joined(struct trip *visit)
{
    struct forward_watch *w = visit->watch;
    visit->watch = NULL;
    w->is_joining = false;
    if (w->has_left) {
        if (visit->call->status == PDR_OK) {
            pdr_writer_clear(&visit->call->reply);
            call_fail(visit->call, PDR_UNAVAILABLE, "the shard goes on at another node; nothing is heard from here");
        }
        free_watch(w);
        return;
    }
    if (visit->call->status == PDR_OK && !w->is_unwanted) {
        return;
    }
    if (w->here.at != NULL) { /* it may have failed after it had joined */
        leave_actor(w);
    } else {
        free_watch(w);
    }
}

static void unwanted(struct forward_watch *w)
{
    if (w->is_joining) {
        w->is_unwanted = true;
    } else if (w->has_left) {
        free_watch(w);
    } else {
        leave_actor(w);
    }
}

/* Frames and lives. */

static void session_taken(struct forward *f, const struct call_frame_watch *frame)
{
    const struct core_world *world = &f->core->world;
    struct session_id id;
    if (world->session_taken != NULL && session_id_decode(frame->data, &id)) {
        struct session_holder holder = {.number = frame->number};
        world->session_taken(world->flush_user, &id, &holder);
    }
}

void forward_watch_received(struct forward *f, uint64_t node, uint64_t life, struct pdr_bytes bytes)
{
    struct call_frame_watch frame;
    const char *why;
    if (call_frame_get_watch(bytes, &frame, &why) != PDR_OK) {
        f->stats.garbage++;
        return;
    }
    struct forward_watch *here = find(&f->watches, node, life, frame.number);
    struct forward_watch *there = find(&f->listeners, node, life, frame.number);
    switch (call_frame_kind(bytes)) {
    case CALL_FRAME_EVENT:
        event_came(f, node, life, &frame);
        break;
    case CALL_FRAME_LEFT:
        if (here != NULL) {
            end_here(here);
        }
        break;
    case CALL_FRAME_LEAVE:
        if (there != NULL) {
            unwanted(there);
        }
        break;
    default:
        session_taken(f, &frame);
        break;
    }
}

void forward_watch_room(struct forward *f, uint64_t node)
{
    struct list *next;
    for (struct list *at = f->listening.next; at != &f->listening; at = next) {
        struct forward_watch *w = LIST_ITEM(at, struct forward_watch, node);
        next = at->next;
        if (w->has_left && w->peer == node) {
            end_there(w);
        }
    }
}

void forward_watch_gone(struct forward *f, uint64_t node, uint64_t life)
{
    struct list *next, lost;
    for (struct list *at = f->listening.next; at != &f->listening; at = next) {
        struct forward_watch *w = LIST_ITEM(at, struct forward_watch, node);
        next = at->next;
        if (w->peer == node && w->life == life) {
            unwanted(w);
        }
    }
    list_init(&lost);
    for (struct list *at = f->watching.next; at != &f->watching; at = next) {
        struct forward_watch *w = LIST_ITEM(at, struct forward_watch, node);
        next = at->next;
        if (w->peer == node && w->life == life) {
            list_remove(at);
            list_push_back(&lost, at);
        }
    }
    while (!list_empty(&lost) && !MUTATION(146)) {
        end_here(LIST_ITEM(lost.next, struct forward_watch, node));
    }
}

void forward_watches_free(struct forward *f)
{
    struct list *const lists[] = {&f->watching, &f->listening};
    for (size_t i = 0; i < 2; i++) {
        while (!list_empty(lists[i])) {
            free_watch(LIST_ITEM(lists[i]->next, struct forward_watch, node));
        }
    }
}

void forward_tell_taken(struct forward *f, uint64_t node, uint64_t life, const struct session_id *id, uint64_t holder)
{
    uint8_t bytes[SESSION_ID_SIZE];
    session_id_encode(bytes, id);
    struct call_frame_watch frame = {.number = holder, .data = pdr_bytes(bytes, sizeof bytes)};
    (void)say(f, node, life, CALL_FRAME_TAKEN, &frame); /* a connection that is not told just has it longer */
}
