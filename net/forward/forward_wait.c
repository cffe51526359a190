/* net/forward/forward_wait.c: calls that wait until it is known where their shard is, in the order they came.
 *
 * A wait is about one shard. Whatever may have changed something makes it due; it is looked at when the tick ends, so
 * that what one batch of frames, or one map, has to say is all heard before. */
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "net/forward/forward_parts.h"

#define AGAIN_MS_MAX 50u
#define WAIT_MS_MAX ((uint64_t)LIMIT_DEADLINE_MS_DEFAULT) /* of what has no deadline itself */

struct forward_wait *forward_wait_find(const struct forward *f, uint32_t shard)
{
    struct hash_node *node = hash_first(&f->waits, shard);
    return node != NULL ? LIST_ITEM(node, struct forward_wait, by_shard) : NULL;
}

struct forward_wait *forward_wait_of(struct forward *f, uint32_t shard)
{
    struct forward_wait *wait = forward_wait_find(f, shard);
    if (wait == NULL) {
        wait = mem_new(sizeof *wait);
        wait->forward = f;
        wait->shard = shard;
        list_init(&wait->due_node);
        list_init(&wait->trips);
        hash_insert(&f->waits, &wait->by_shard, shard);
    }
    return wait;
}

void forward_wait_due(struct forward_wait *wait)
{
    if (list_alone(&wait->due_node)) {
        list_push_back(&wait->forward->due, &wait->due_node);
    }
}

static bool make_due(struct hash_node *node, void *user)
{
    forward_wait_due(LIST_ITEM(node, struct forward_wait, by_shard));
    return true;
}

void forward_waits_all_due(struct forward *f)
{
    hash_each(&f->waits, make_due, NULL);
}

static void again(struct timer *timer)
{
    forward_waits_all_due(LIST_ITEM(timer, struct forward, again));
}

void forward_waits_init(struct forward *f)
{
    timer_init(&f->again, again);
}

void forward_wait_later(struct forward_wait *wait)
{
    struct forward *f = wait->forward;
    uint64_t now = core_now_ns(f->core);
    if (wait->again_ns > now) {
        return; /* another call has found it out already */
    }
    wait->again_ms = wait->again_ms == 0 ? 1 : wait->again_ms * 2 < AGAIN_MS_MAX ? wait->again_ms * 2 : AGAIN_MS_MAX;
    wait->again_ns = now + wait->again_ms * NS_PER_MS;
}

/* Of one trip. */

static size_t charge_of(const struct trip *trip)
{
    return sizeof *trip + sizeof *trip->call + call_heap_size(trip->call);
}

bool trip_begin_waiting(struct trip *trip)
{
    struct forward *f = trip->forward;
    uint64_t deadline = forward_deadline_ns(trip->call);
    if (f->closing) {
        trip_fail(trip, PDR_UNAVAILABLE, "the node is stopping");
        return false;
    }
    if (f->waiting >= LIMIT_FORWARD_WAITING_MAX) {
        f->stats.overloaded++;
        trip->call->retry_ms = 100;
        trip_fail(trip, PDR_OVERLOADED, "too many calls for other nodes wait on this core (limit forward_waiting_max)");
        return false;
    }
    if (f->waiting > 0 && f->waiting_bytes + charge_of(trip) > LIMIT_FORWARD_WAITING_BYTES_MAX) {
        f->stats.overloaded++;
        trip->call->retry_ms = 100;
        trip_fail(trip, PDR_OVERLOADED,
                  "calls for other nodes that wait hold too much memory (limit forward_waiting_bytes_max)");
        return false;
    }
    f->waiting++;
    f->waiting_bytes += charge_of(trip);
    f->stats.waited++;
    timer_set(&f->core->wheel, &trip->timer,
              deadline != UINT64_MAX ? deadline : core_now_ns(f->core) + WAIT_MS_MAX * NS_PER_MS);
    return true;
}

void trip_end_waiting(struct trip *trip)
{
    struct forward *f = trip->forward;
    f->waiting--;
    f->waiting_bytes -= charge_of(trip);
    timer_cancel(&f->core->wheel, &trip->timer);
}

void trip_wait(struct trip *trip)
{
    struct forward_wait *wait = forward_wait_of(trip->forward, trip->call->shard);
    forward_wait_due(wait);
    if (trip_begin_waiting(trip)) {
        trip->state = TRIP_WAITING;
        trip_insert(&wait->trips, trip);
    }
}

/* Earlier owners: what they still have of a line is answered first. */

static void is_old(struct trip *trip, struct forward_wait *wait)
{
    trip->old = wait;
    wait->old_count++;
    if (trip->line < FORWARD_LINES) {
        wait->old[trip->line]++;
    }
}

void trip_are_old(const struct trip *moved, struct forward_wait *wait)
{
    struct list *sent = &moved->to->sent;
    if (moved->old != NULL) {
        return; /* it was found when the first one came back */
    }
    for (struct list *node = sent->next; node != sent; node = node->next) {
        struct trip *trip = LIST_ITEM(node, struct trip, node);
        if (trip->call->shard == wait->shard && trip->old == NULL) {
            is_old(trip, wait);
        }
    }
}

void forward_mark_old(struct forward *f)
{
    for (struct list *node = f->nodes.next; node != &f->nodes; node = node->next) {
        struct forward_node *to = LIST_ITEM(node, struct forward_node, node);
        for (struct list *item = to->sent.next; item != &to->sent; item = item->next) {
            struct trip *trip = LIST_ITEM(item, struct trip, node);
            const struct cluster_owner *owner = forward_owner(f, trip->call->shard);
            if (trip->old == NULL && (owner == NULL || owner->node != to->id)) {
                is_old(trip, forward_wait_of(f, trip->call->shard));
            }
        }
    }
}

void trip_is_old_no_more(struct trip *trip)
{
    struct forward_wait *wait = trip->old;
    trip->old = NULL;
    wait->old_count--;
    bool is_last = trip->line < FORWARD_LINES && --wait->old[trip->line] == 0;
    if (is_last || wait->old_count == 0) {
        forward_wait_due(wait);
    }
}

/* Looking. */

static bool is_ready(const struct forward_wait *wait, const struct trip *trip, enum forward_place place,
                     enum visit_step step)
{
    const struct forward *f = wait->forward;
    return trip->version <= f->core->map->version && wait->again_ns <= core_now_ns(f->core) &&
           (trip->is_visit ? step != VISIT_STAYS : place != PLACE_UNKNOWN);
}

/* False: it waits on. */
static bool try(struct forward_wait *wait, struct trip *trip)
{
    struct forward *f = trip->forward;
    struct call *call = trip->call;
    if (trip_place_again(trip)) {
        trip_end_waiting(trip);
        trip_go(trip);
        return true;
    }
    enum forward_place place = forward_place(f, call->shard);
    enum visit_step step = trip->is_visit ? visit_judge(trip) : VISIT_STAYS;
    if (!is_ready(wait, trip, place, step)) {
        if (call->tell.role != TELL_SENT) {
            return false;
        }
        trip_end_waiting(trip);
        trip_fail(trip, PDR_UNAVAILABLE, "it is not known now where the tell's receiver is");
        return true;
    }
    trip_end_waiting(trip);
    if (trip->is_visit) {
        visit_go(trip, step);
    } else if (place == PLACE_HERE) {
        trip_free(trip);
        forward_deliver(f, call);
    } else {
        trip_send(forward_node_of(f, forward_owner(f, call->shard)->node), trip);
    }
    return true;
}

static void end_wait(struct forward_wait *wait)
{
    list_remove(&wait->due_node);
    hash_remove(&wait->forward->waits, &wait->by_shard);
    mem_free(wait);
}

static void look(struct forward_wait *wait)
{
    struct forward *f = wait->forward;
    bool kept[FORWARD_LINES] = {false};
    bool is_barred = wait->bars > 0 && core_now_ns(f->core) < wait->bar_ns;
    struct list all, keep, *node;
    list_init(&all);
    list_init(&keep);
    list_splice(&all, &wait->trips);
    while ((node = list_pop(&all)) != NULL) {
        struct trip *trip = LIST_ITEM(node, struct trip, node);
        bool has_line = trip->line < FORWARD_LINES && !trip->is_visit;
        bool is_behind = has_line && (kept[trip->line] || wait->old[trip->line] > 0);
        is_behind |= is_barred && (has_line || trip->is_visit);
        if (is_behind || !try(wait, trip)) {
            list_push_back(&keep, node);
            if (has_line) {
                kept[trip->line] = true;
            }
        }
    }
    while ((node = list_pop(&wait->trips)) != NULL) {
        trip_insert(&keep, LIST_ITEM(node, struct trip, node));
    }
    list_splice(&wait->trips, &keep);
    uint64_t again_ns = is_barred ? wait->bar_ns : wait->again_ns;
    if (list_empty(&wait->trips) && wait->old_count == 0 && wait->bars == 0) {
        end_wait(wait);
    } else if (again_ns > core_now_ns(f->core) && (!timer_is_set(&f->again) || f->again.at_ms > again_ns / NS_PER_MS)) {
        timer_set(&f->core->wheel, &f->again, again_ns);
    }
}

void forward_waits_free(struct forward *f)
{
    struct list *node;
    forward_waits_all_due(f);
    timer_cancel(&f->core->wheel, &f->again);
    while ((node = list_pop(&f->due)) != NULL) {
        struct forward_wait *wait = LIST_ITEM(node, struct forward_wait, due_node);
        forward_discard_trips(&wait->trips);
        end_wait(wait);
    }
}

void forward_flush(struct forward *f)
{
    struct list *node;
    forward_barriers_look(f);
    while ((node = list_pop(&f->due)) != NULL) {
        look(LIST_ITEM(node, struct forward_wait, due_node));
    }
}
