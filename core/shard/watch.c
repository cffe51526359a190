/* core/shard/watch.c: emit, keep, hand out. What is under way to listeners is an *emission*: it waits in the shard's
 * gate, then becomes a message to each listener's core. */
#include "core/shard/watch.h"

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/commit.h"

#define SEQ_SIZE 8u
#define TURN_EVENTS_MAX ((uint32_t)LIMIT_TURN_EVENTS_MAX)

/* An actor that is watched, by address: it need not be in memory. */
struct watched {
    struct hash_node by_address;
    struct list watchers;
    uint32_t count, shard;
    uint16_t address_size;
    char address[];
};

struct watcher {
    struct list node;
    struct watch *watch;
    uint64_t joined; /* core->emissions then: what left before is not for it, or is replayed to it */
};

struct emission {
    struct list node; /* the turn's, until it commits */
    struct gate_wait gate;
    struct core *core;
    struct watch *only; /* a replay, to this one; NULL: to all that had joined when it left its turn */
    uint64_t left;      /* core->emissions then. Not its number: that may be given again when an entry is undone */
    uint64_t seq;
    uint32_t size;
    uint16_t address_size;
    uint8_t data[]; /* address, event */
};

/* On the listener's core. */

struct event_message {
    struct message message;
    struct watch *watch;
    uint64_t seq;
    uint32_t size;
    uint8_t data[];
};

static void event_arrived(struct message *message)
{
    struct event_message *m = LIST_ITEM(message, struct event_message, message);
    if (!m->watch->home->dead) {
        m->watch->event(m->watch, m->seq, pdr_bytes(m->data, m->size));
    }
    mem_free(m);
}

void watch_send(struct watch *watch, uint64_t seq, pdr_value event)
{
    struct event_message *m = mem_new(sizeof *m + event.size);
    m->message.deliver = event_arrived;
    m->watch = watch;
    m->seq = seq;
    m->size = (uint32_t)event.size;
    memcpy(m->data, event.data, event.size);
    loop_post(watch->home->world.loop, &m->message);
}

/* Who is watched, by whom. */

static struct watched *find(struct core *core, struct pdr_bytes address)
{
    uint64_t hash = activation_hash(address);
    for (struct hash_node *node = hash_first(&core->watched, hash); node != NULL; node = hash_next(node)) {
        struct watched *w = LIST_ITEM(node, struct watched, by_address);
        if (pdr_bytes_equal(pdr_bytes(w->address, w->address_size), address)) {
            return w;
        }
    }
    return NULL;
}

static struct watched *find_or_make(struct core *core, uint32_t shard, struct pdr_bytes address)
{
    struct watched *w = find(core, address);
    if (w == NULL) {
        w = mem_new(sizeof *w + address.size);
        list_init(&w->watchers);
        w->shard = shard;
        w->address_size = (uint16_t)address.size;
        memcpy(w->address, address.data, address.size);
        hash_insert(&core->watched, &w->by_address, activation_hash(address));
    }
    return w;
}

static struct watcher *watcher_of(struct watched *w, const struct watch *watch)
{
    for (struct list *node = w != NULL ? w->watchers.next : NULL; node != NULL && node != &w->watchers;
         node = node->next) {
        if (LIST_ITEM(node, struct watcher, node)->watch == watch) {
            return LIST_ITEM(node, struct watcher, node);
        }
    }
    return NULL;
}

uint32_t watch_count(struct core *core, struct pdr_bytes address)
{
    const struct watched *w = find(core, address);
    return w != NULL ? w->count : 0;
}

/* Emissions. */

static void hand_out(struct emission *e)
{
    struct watched *w = find(e->core, pdr_bytes(e->data, e->address_size));
    pdr_value event = pdr_bytes(e->data + e->address_size, e->size);
    if (w == NULL) {
        return;
    }
    if (e->only != NULL) {
        const struct watcher *watcher = watcher_of(w, e->only);
        if (watcher != NULL) {
            watch_send(watcher->watch, e->seq, event);
        }
        return;
    }
    for (struct list *node = w->watchers.next; node != &w->watchers; node = node->next) {
        const struct watcher *watcher = LIST_ITEM(node, struct watcher, node);
        if (e->left > watcher->joined || MUTATION(51)) {
            watch_send(watcher->watch, e->seq, event);
        }
    }
}

static void emission_opened(struct gate_wait *wait, enum pdr_status status)
{
    struct emission *e = LIST_ITEM(wait, struct emission, gate);
    if (status == PDR_OK && !e->core->dead) {
        hand_out(e);
    }
    mem_free(e);
}

static struct emission *emission_new(struct activation *a, struct watch *only, uint64_t seq, pdr_value event)
{
    struct emission *e = mem_new(sizeof *e + a->address_size + event.size);
    list_init(&e->node);
    e->gate.open = emission_opened;
    e->core = a->core;
    e->only = only;
    e->seq = seq;
    e->size = (uint32_t)event.size;
    e->address_size = a->address_size;
    memcpy(e->data, a->address, a->address_size);
    memcpy(e->data + a->address_size, event.data, event.size);
    return e;
}

/* Not before what it depends on, and so not before any earlier one. */
static void emission_leaves(struct activation *a, struct emission *e)
{
    if (MUTATION(50) || !commit_gate(a->shard, &e->gate, a->last_seq)) {
        emission_opened(&e->gate, PDR_OK);
    }
}

void turn_release_events(struct turn *turn)
{
    struct list *node;
    while ((node = list_pop(&turn->events)) != NULL) {
        struct emission *e = LIST_ITEM(node, struct emission, node);
        e->left = ++e->core->emissions;
        emission_leaves(turn->activation, e);
    }
    turn->event_count = 0;
}

void turn_drop_events(struct turn *turn)
{
    struct list *node;
    while ((node = list_pop(&turn->events)) != NULL) {
        mem_free(LIST_ITEM(node, struct emission, node));
    }
}

/* The window: rows by number, the oldest first. */

struct range {
    uint32_t from, to; /* of the entries */
};

static struct range events_of(const struct state *state)
{
    struct pdr_bytes least = pdr_bytes(NULL, 0);
    return (struct range){state_lower_bound(state, KEYS_EVENT, least, false),
                          state_lower_bound(state, KEYS_USER, least, false)};
}

static uint64_t seq_of(const struct state_entry *entry)
{
    return entry->key_size == SEQ_SIZE ? get_be64(entry->data) : 0;
}

/* The newest number in `state`; 0: none. */
static uint64_t last_of(const struct state *state)
{
    struct range range = events_of(state);
    while (range.to > range.from) {
        const struct state_entry *entry = state_entry_at(state, --range.to);
        if (!entry->deleted) {
            return seq_of(entry);
        }
    }
    return 0;
}

static struct pdr_bytes seq_key(uint8_t *room, uint64_t seq)
{
    put_be64(room, seq);
    return pdr_bytes(room, SEQ_SIZE);
}

static bool drop_one(struct turn *turn, const struct state_entry *entry)
{
    uint8_t room[SEQ_SIZE];
    struct pdr_bytes key = seq_key(room, seq_of(entry));
    struct state_entry *tombstone = state_entry_new(KEYS_EVENT, key, pdr_bytes(NULL, 0), true);
    if (tombstone == NULL) {
        return false;
    }
    tombstone->is_volatile = entry->is_volatile;
    turn_hold(turn, state_insert(&turn->writes, tombstone));
    return true;
}

/* What is beyond the window goes with the same entry; `size` bytes are to come. */
static bool trim(struct turn *turn, uint32_t kept, size_t size)
{
    const struct state *values = &turn->activation->values;
    uint32_t count = 1;
    size_t bytes = size;
    const struct state *const layers[] = {&turn->writes, values};
    bool is_first = events_of(&turn->writes).from == events_of(&turn->writes).to;
    for (int i = 0; i < 2; i++) { /* the newest first */
        struct range range = events_of(layers[i]);
        while (range.to > range.from) {
            const struct state_entry *entry = state_entry_at(layers[i], --range.to);
            bool is_gone = entry->deleted ||
                           (i == 1 && !is_first && state_find(&turn->writes, KEYS_EVENT, entry_key(entry)) != NULL);
            if (is_gone) {
                continue;
            }
            count++;
            bytes += entry->value_size;
            if ((count > kept || bytes > EVENT_WINDOW_BYTES_MAX) && !drop_one(turn, entry)) {
                return false;
            }
        }
    }
    return true;
}

static enum pdr_status check(struct turn *turn, pdr_value event)
{
    if (turn->reader || turn->kind != TURN_CALL) {
        return turn_fail(turn, PDR_INVALID, NULL, "a reader or a hook can't emit events");
    }
    if (event.size > EVENT_BYTES_MAX) {
        return turn_fail(turn, PDR_TOO_LARGE, NULL, "an event has at most %u bytes (limit event_bytes_max)",
                         EVENT_BYTES_MAX);
    }
    if (event.size == 0 || pdr_value_skip(event.data, event.size, PDR_VALUE_DEPTH_MAX) != (int64_t)event.size) {
        return turn_fail(turn, PDR_INVALID, NULL, "an event must be one MessagePack value");
    }
    if (turn->event_count >= TURN_EVENTS_MAX) {
        return turn_fail(turn, PDR_OVERLOADED, NULL, "a turn emits at most %u events (limit turn_events_max)",
                         TURN_EVENTS_MAX);
    }
    if (turn_bytes(turn) + event.size > PDR_TURN_BYTES_MAX) {
        return turn_fail(turn, PDR_TOO_LARGE, NULL, "a turn writes at most %u bytes (limit turn_bytes_max)",
                         PDR_TURN_BYTES_MAX);
    }
    return PDR_OK;
}

/* One more than the last. But of a volatile event nothing is left after a crash, and who heard of it asks for what
 * comes behind its number: given anew, to an event that is written down even, it would hide that one. So where some are
 * volatile, numbers go with the time: they have gaps, and none is given twice. */
static uint64_t next_seq(const struct turn *turn)
{
    const struct activation *a = turn->activation;
    uint64_t last = last_of(&turn->writes);
    last = last > 0 ? last : last_of(&a->values);
    if (!a->cls->forgets) {
        return last + 1;
    }
    int64_t now = clock_wall_ms(a->core->world.clock);
    uint64_t least = now > 0 ? (uint64_t)now << 16 : 1;
    return least > last ? least : last + 1;
}

enum pdr_status turn_emit(struct turn *turn, pdr_value event)
{
    struct activation *a = turn->activation;
    uint8_t room[SEQ_SIZE];
    enum pdr_status status = check(turn, event);
    if (status != PDR_OK) {
        return status;
    }
    uint64_t seq = next_seq(turn);
    struct state_entry *entry = state_entry_new(KEYS_EVENT, seq_key(room, seq), event, false);
    if (entry == NULL || !trim(turn, a->cls->events_kept, event.size)) {
        mem_free(entry);
        return turn_fail(turn, PDR_OVERLOADED, NULL, "the machine has no memory for this event");
    }
    entry->is_volatile = turn->durability == PDR_DURABILITY_VOLATILE;
    turn_hold(turn, state_insert(&turn->writes, entry));
    turn->event_count++;
    a->core->stats.events++;
    if (find(a->core, activation_address(a)) != NULL) {
        list_push_back(&turn->events, &emission_new(a, NULL, seq, event)->node);
    }
    return PDR_OK;
}

/* To join and to leave. */

static void replay(struct activation *a, struct watch *watch, uint64_t after)
{
    struct range range = events_of(&a->values);
    for (uint32_t i = range.from; i < range.to; i++) {
        const struct state_entry *entry = state_entry_at(&a->values, i);
        if (!entry->deleted && seq_of(entry) > after) {
            emission_leaves(a, emission_new(a, watch, seq_of(entry), entry_value(entry)));
        }
    }
}

/* The number behind which what is kept begins. */
static uint64_t oldest_of(const struct activation *a, uint64_t last)
{
    struct range range = events_of(&a->values);
    while (range.from < range.to && state_entry_at(&a->values, range.from)->deleted) {
        range.from++;
    }
    return range.from < range.to ? seq_of(state_entry_at(&a->values, range.from)) - 1 : last;
}

void watch_run(struct activation *a, struct call *call)
{
    struct watch *watch = call->listener;
    struct watched *w = find_or_make(a->core, a->shard->id, activation_address(a));
    uint64_t last = last_of(&a->values), after = last;
    if (w->count >= WATCHERS_MAX) {
        call->retry_ms = 1000;
        call_fail(call, PDR_OVERLOADED, "%.*s has %u listeners already (limit watchers_max)", (int)a->address_size,
                  a->address, WATCHERS_MAX);
        call_finish(call);
        return;
    }
    if (pdr_value_uint(pdr_value_at(call->args, 0), &after)) {
        uint64_t oldest = oldest_of(a, last);
        after = after > last ? last : after < oldest ? oldest : after;
    }
    struct watcher *watcher = mem_new(sizeof *watcher);
    *watcher = (struct watcher){.watch = watch, .joined = a->core->emissions};
    list_push_back(&w->watchers, &watcher->node);
    w->count++;
    watch->at = a->core;
    watch->leaving = false;
    watch->leave = NULL;
    pdr_write_map(&call->reply, 1);
    pdr_write_cstr(&call->reply, "seq");
    pdr_write_uint(&call->reply, after);
    turn_answer_seen(a, call); /* first: its gate is before theirs */
    replay(a, watch, after);
}

static void unlink_watcher(struct core *core, struct watch *watch)
{
    struct watched *w = find(core, watch->address);
    struct watcher *watcher = watcher_of(w, watch);
    if (watcher == NULL) {
        return;
    }
    list_remove(&watcher->node);
    mem_free(watcher);
    if (--w->count == 0) {
        hash_remove(&core->watched, &w->by_address);
        mem_free(w);
    }
}

void watch_undo(struct call *call)
{
    struct watch *watch = call->listener;
    unlink_watcher(call->at, watch);
    watch->at = NULL;
}

static void come_back(struct message *message)
{
    struct watch *watch = LIST_ITEM(message, struct watch, message);
    if (!watch->home->dead) {
        watch->leaving = false;
        watch->left(watch);
    }
}

void watch_send_left(struct watch *watch)
{
    watch->message.deliver = come_back;
    loop_post(watch->home->world.loop, &watch->message);
}

static void leave(struct message *message)
{
    struct watch *watch = LIST_ITEM(message, struct watch, message);
    if (watch->at->dead) {
        return; /* the world has ended: its owner frees it */
    }
    unlink_watcher(watch->at, watch);
    watch_send_left(watch);
}

void watch_leave(struct watch *watch)
{
    watch->leaving = true;
    if (watch->leave != NULL) {
        watch->leave(watch);
        return;
    }
    watch->message.deliver = leave;
    loop_post(watch->at->world.loop, &watch->message);
}

/* Of the whole core. */

/* A shard is given up. Who has asked to leave meanwhile is told so by the answer to that, which comes behind this. */

struct ending {
    struct message message;
    struct core *home;
    struct watch *watch;
};

static void end_arrived(struct message *message)
{
    struct ending *ending = LIST_ITEM(message, struct ending, message);
    if (!ending->home->dead && !ending->watch->leaving) {
        ending->watch->left(ending->watch);
    }
    mem_free(ending);
}

static bool close_one(struct hash_node *node, void *user)
{
    struct core *core = user;
    struct watched *w = LIST_ITEM(node, struct watched, by_address);
    struct list *at;
    if (shard_serves(core->shards[w->shard])) {
        return true;
    }
    while ((at = list_pop(&w->watchers)) != NULL) {
        struct watcher *watcher = LIST_ITEM(at, struct watcher, node);
        struct ending *ending = mem_new(sizeof *ending);
        *ending = (struct ending){{.deliver = end_arrived}, watcher->watch->home, watcher->watch};
        loop_post(ending->home->world.loop, &ending->message);
        mem_free(watcher);
    }
    hash_remove(&core->watched, node);
    mem_free(w);
    return true;
}

void watch_close(struct core *core)
{
    hash_each(&core->watched, close_one, core);
}

static bool free_one(struct hash_node *node, void *user)
{
    struct watched *w = LIST_ITEM(node, struct watched, by_address);
    struct list *at;
    while ((at = list_pop(&w->watchers)) != NULL) {
        mem_free(LIST_ITEM(at, struct watcher, node));
    }
    hash_remove(user, node);
    mem_free(w);
    return true;
}

void watch_free(struct core *core)
{
    hash_each(&core->watched, free_one, &core->watched);
    hash_release(&core->watched);
}
