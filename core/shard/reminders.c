/* core/shard/reminders.c: hints in a heap a shard, filled by scans of the store, one window of time after the other.
 *
 * Fire: a timer of the core looks at the heaps at least each second (the wall clock may jump), and when the next is
 * due. A due hint becomes a call to its actor; when that fails, the hint comes back later.
 *
 * Scan: before the window ends, `window_end` is moved on; from then on what turns set below it becomes a hint at
 * once. When the store has all entries up to that moment (the barrier), a job reads KEYS_DUE up to the new end. What
 * is too much for memory is left beyond: the window then ends earlier. */
#include "core/shard/reminders.h"

#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/commit.h"
#include "core/shard/reminder.h"

#define WINDOW_MS 120000
#define AHEAD_MS 30000 /* a scan begins so long before its first reminder is due */
#define HINTS_MAX 512u /* that a scan leaves in memory, a shard */
#define LOOK_MS 1000u  /* at least so often, since the wall clock may jump */
#define WAIT_MS 20u    /* for the store, and for room in the queues */
#define FIRE_MAX 256u  /* a look */
#define SCANS_MAX 64u  /* shards a job */
#define BACKOFF_MS 100u
#define BACKOFF_MAX_MS 60000u
#define DEADLINE_MS 30000u

struct hint {
    struct list node; /* reminders->running, while a call of it is under way */
    struct shard *shard;
    int64_t at_ms;  /* when to look at it: due_ms, or later after a failure */
    int64_t due_ms; /* of the row it is about */
    uint32_t attempts;
    uint16_t address_size;
    uint8_t name_size;
    char data[]; /* address, name */
};

enum scan_state { SCAN_NONE, SCAN_WAITS, SCAN_RUNS };

struct reminders {
    struct hint **heap; /* by at_ms */
    uint32_t count, capacity;
    int64_t window_end; /* all that is due before it has a hint */
    int64_t beyond;     /* the least that is known to be due at window_end or later */
    struct list running;
    enum scan_state scan;
    int64_t scan_from;
    uint64_t barrier; /* the scan may read when the store has this entry */
    bool again;       /* forgotten while the scan ran: what it read may be too little */
};

static struct pdr_bytes hint_address(const struct hint *hint)
{
    return pdr_bytes(hint->data, hint->address_size);
}
static struct pdr_bytes hint_name(const struct hint *hint)
{
    return pdr_bytes(hint->data + hint->address_size, hint->name_size);
}

static int64_t wall_ms(const struct core *core)
{
    return clock_wall_ms(core->world.clock);
}

/* The heap. */

static void heap_put(struct reminders *r, uint32_t i, struct hint *hint)
{
    for (; i > 0 && hint->at_ms < r->heap[(i - 1) / 2]->at_ms; i = (i - 1) / 2) {
        r->heap[i] = r->heap[(i - 1) / 2];
    }
    r->heap[i] = hint;
}

static struct hint *heap_pop(struct reminders *r)
{
    struct hint *top = r->heap[0], *last = r->heap[--r->count];
    uint32_t i = 0;
    for (uint32_t child = 1; child < r->count; child = 2 * i + 1) {
        child += child + 1 < r->count && r->heap[child + 1]->at_ms < r->heap[child]->at_ms;
        if (last->at_ms <= r->heap[child]->at_ms) {
            break;
        }
        r->heap[i] = r->heap[child];
        i = child;
    }
    if (r->count > 0) {
        r->heap[i] = last;
    }
    return top;
}

static int compare_hints(const void *a, const void *b)
{
    const struct hint *x = *(struct hint *const *)a, *y = *(struct hint *const *)b;
    return x->at_ms != y->at_ms ? (x->at_ms < y->at_ms ? -1 : 1) : 0;
}

static void lower_beyond(struct reminders *r, int64_t due_ms)
{
    r->beyond = due_ms < r->beyond ? due_ms : r->beyond;
}

/* Turns set more for the near future than memory should hold: the later ones are left to a scan. */
static void shrink(struct reminders *r)
{
    qsort(r->heap, r->count, sizeof *r->heap, compare_hints); /* a sorted array is a heap */
    int64_t end = r->heap[HINTS_MAX]->at_ms;
    if (r->heap[0]->at_ms == end) {
        return; /* all at one moment, which no scan could part */
    }
    while (r->heap[r->count - 1]->at_ms >= end) {
        struct hint *hint = r->heap[--r->count];
        lower_beyond(r, hint->due_ms < end ? end : hint->due_ms);
        mem_free(hint);
    }
    r->window_end = end < r->window_end ? end : r->window_end;
    lower_beyond(r, r->window_end);
}

static void look_at(struct core *core, int64_t at_ms);

static void push(struct core *core, struct hint *hint)
{
    struct reminders *r = hint->shard->reminders;
    if (r->count == r->capacity) {
        r->capacity = r->capacity == 0 ? 16 : r->capacity * 2;
        r->heap = mem_grow(r->heap, r->capacity * sizeof *r->heap);
    }
    look_at(core, hint->at_ms);
    heap_put(r, r->count++, hint);
}

static struct hint *hint_new(struct shard *shard, int64_t due_ms, struct pdr_bytes address, struct pdr_bytes name)
{
    struct hint *hint = mem_new(sizeof *hint + address.size + name.size);
    hint->shard = shard;
    hint->at_ms = hint->due_ms = due_ms;
    hint->address_size = (uint16_t)address.size;
    hint->name_size = (uint8_t)name.size;
    memcpy(hint->data, address.data, address.size);
    memcpy(hint->data + address.size, name.data, name.size);
    list_init(&hint->node);
    return hint;
}

/* What turns set. */

static void note(struct core *core, struct shard *shard, int64_t due_ms, struct pdr_bytes address,
                 struct pdr_bytes name)
{
    struct reminders *r = shard->reminders;
    int64_t known = wall_ms(core) + WINDOW_MS;
    known = known < r->beyond ? known : r->beyond;
    if (r->scan == SCAN_NONE && known > r->window_end) {
        r->window_end = known; /* nothing is due before `beyond` */
    }
    if (due_ms >= r->window_end) {
        lower_beyond(r, due_ms);
        look_at(core, due_ms - AHEAD_MS);
        return;
    }
    push(core, hint_new(shard, due_ms, address, name));
    if (r->count > 2 * HINTS_MAX && r->scan == SCAN_NONE) {
        shrink(r);
    }
}

void reminders_note(struct core *core, struct shard *shard, const struct rows *rows)
{
    for (const struct row *row = rows->first; row != NULL; row = row->next) {
        struct pdr_bytes key = pdr_bytes(row->data + 1, row->key_size - 1u), address, name;
        int64_t due_ms;
        if (row->data[0] == KEYS_DUE && !row->deleted && reminder_due_parse(key, &due_ms, &address, &name)) {
            note(core, shard, due_ms, address, name);
        }
    }
}

static void drop_hints(struct reminders *r)
{
    while (r->count > 0) {
        mem_free(r->heap[--r->count]);
    }
    r->again = r->scan == SCAN_RUNS;
    r->scan = r->scan == SCAN_WAITS ? SCAN_NONE : r->scan;
}

void reminders_forget(struct core *core, struct shard *shard)
{
    if (shard_serves(shard)) {
        drop_hints(shard->reminders);
        shard->reminders->window_end = shard->reminders->beyond = INT64_MIN;
        look_at(core, INT64_MIN);
    }
}

/* Firing. */

static void fired(struct call *call)
{
    struct hint *hint = call->owner;
    struct core *core = call->home;
    enum pdr_status status = call->status;
    list_remove(&hint->node);
    if (status == PDR_OK || !shard_serves(hint->shard)) {
        mem_free(hint);
    } else {
        uint64_t wait = BACKOFF_MS << (hint->attempts < 10 ? hint->attempts : 10);
        wait = wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
        hint->attempts++;
        hint->at_ms = wall_ms(core) + (int64_t)(wait - wait / 4 + rng_below(&core->rng, wait / 2 + 1));
        if (hint->attempts % 8 == 1) {
            LOG_WARN("reminder.failed", "actor=%.*s name=%.*s attempts=%u code=%s why=\"%s\"; trying again",
                     hint->address_size, hint->data, hint->name_size, hint->data + hint->address_size, hint->attempts,
                     status == PDR_ACTOR ? call->code : pdr_status_wire(status), call->text);
        }
        push(core, hint);
    }
    call_free(&core->calls, call);
}

static void fire(struct core *core, struct hint *hint)
{
    static const uint8_t no_args[] = {0x90};
    struct pdr_bytes address = hint_address(hint);
    struct pdr_ref ref;
    const char *why;
    CHECK(pdr_ref_parse(address, &ref, &why) == PDR_OK); /* it was an actor's when the row was written */
    struct call *call = call_new(&core->calls, core, &ref, address, pdr_str("_reminder"),
                                 pdr_bytes(no_args, sizeof no_args), address, NULL, 0, 0);
    if (call == NULL) {
        hint->at_ms = wall_ms(core) + LOOK_MS;
        push(core, hint);
        return;
    }
    list_push_back(&hint->shard->reminders->running, &hint->node);
    call->finish = fired;
    call->owner = hint;
    call->is_reminder = true;
    call->deadline_ns = core_now_ns(core) + DEADLINE_MS * NS_PER_MS;
    call->shard = hint->shard->id;
    core_deliver(core, call);
}

struct call *reminder_call_open(struct activation *a, struct call *call)
{
    const struct hint *hint = call->owner;
    struct core *core = a->core;
    struct reminder reminder;
    static const uint8_t no_args[] = {0x90};
    if (!turn_fetch(a, call, KEYS_REMINDER, hint_name(hint)) || !reminder_find(a, hint_name(hint), &reminder) ||
        (reminder.due_ms != hint->due_ms && !MUTATION(40))) {
        call_finish(call);
        return NULL;
    }
    struct pdr_ref ref = {pdr_bytes(a->address, a->type_size),
                          pdr_bytes(a->address + a->type_size + 1, a->address_size - a->type_size - 1u)};
    struct pdr_bytes address = activation_address(a);
    struct pdr_bytes args = reminder.args.size > 0 ? reminder.args : pdr_bytes(no_args, sizeof no_args);
    struct call *real = call_new(&core->calls, core, &ref, address, reminder.method, args, address, NULL, 0, 0);
    if (real == NULL) {
        call_fail(call, PDR_OVERLOADED, "the machine has no memory for this call");
        call_finish(call);
        return NULL;
    }
    real->finish = call->finish;
    real->owner = call->owner;
    real->is_reminder = true;
    real->deadline_ns = call->deadline_ns;
    real->shard = call->shard;
    real->at = core;
    call_free(&core->calls, call);
    return real;
}

void reminder_call_ended(struct turn *turn)
{
    const struct hint *hint = turn->call->owner;
    if (!MUTATION(41)) {
        turn_reminder_fired(turn, hint_name(hint), hint->due_ms);
    }
    turn->activation->core->stats.reminders++;
}

static bool has_room(const struct core *core)
{
    return core->queued < core->limits.queued_max / 2 && !core->refusing && !core->stopping;
}

/* Scans: one job reads for many shards. */

struct scan_item {
    struct shard *shard;
    int64_t from, to;
    int64_t beyond;
    struct hint *hints[HINTS_MAX];
    uint32_t count;
};

struct scan_job {
    struct core_job job;
    enum pdr_status status;
    uint32_t count;
    struct scan_item items[];
};

static bool scan_one(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct scan_item *item = user;
    struct pdr_bytes address, name, rest;
    int64_t due_ms;
    rest = pdr_bytes((const uint8_t *)key.data + KEYS_HEAD_SIZE, key.size - KEYS_HEAD_SIZE);
    if (!reminder_due_parse(rest, &due_ms, &address, &name)) {
        return true; /* not ours to judge here; whoever copies the shard will */
    }
    if (due_ms >= item->to || item->count == HINTS_MAX) {
        item->beyond = due_ms;
        return false;
    }
    item->hints[item->count++] = hint_new(item->shard, due_ms, address, name);
    return true;
}

static void scan_run(struct job *job)
{
    struct scan_job *scan = LIST_ITEM(job, struct scan_job, job.job);
    struct store *store = scan->job.core->world.store;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    if (cursor == NULL) {
        scan->status = PDR_OVERLOADED;
        return;
    }
    for (uint32_t i = 0; i < scan->count && scan->status == PDR_OK; i++) {
        struct scan_item *item = &scan->items[i];
        uint8_t low[KEYS_HEAD_SIZE], high[KEYS_HEAD_SIZE], from[KEYS_HEAD_SIZE + 8], first[8];
        put_be64(first, item->from > 0 ? (uint64_t)item->from : 0);
        keys_table_range(low, high, item->shard->id, item->shard->gen, KEYS_DUE);
        size_t size = keys_row(from, item->shard->id, item->shard->gen, KEYS_DUE, pdr_bytes(first, 8));
        scan->status =
            store->ops->cursor_scan(cursor, pdr_bytes(from, size), pdr_bytes(high, sizeof high), scan_one, item);
    }
    store->ops->cursor_free(cursor);
}

static void scan_discard(struct core_job *job)
{
    struct scan_job *scan = LIST_ITEM(job, struct scan_job, job);
    for (uint32_t i = 0; i < scan->count; i++) {
        for (uint32_t k = 0; k < scan->items[i].count; k++) {
            mem_free(scan->items[i].hints[k]);
        }
    }
    mem_free(scan);
}

static void take_over(struct core *core, struct scan_item *item)
{
    struct reminders *r = item->shard->reminders;
    r->scan = SCAN_NONE;
    if (r->again) { /* begins anew; scan_discard frees what was read */
        r->again = false;
        return;
    }
    if (item->count == HINTS_MAX && item->beyond < r->window_end) {
        r->window_end = item->beyond; /* too many: the rest is for the next scan */
    }
    lower_beyond(r, item->beyond);
    for (uint32_t k = 0; k < item->count; k++) {
        push(core, item->hints[k]);
    }
    item->count = 0;
}

static void scan_done(struct job *job)
{
    struct scan_job *scan = LIST_ITEM(job, struct scan_job, job.job);
    struct core *core = scan->job.core;
    list_remove(&scan->job.node);
    for (uint32_t i = 0; i < scan->count; i++) {
        struct scan_item *item = &scan->items[i];
        if (scan->status == PDR_OK) {
            take_over(core, item);
        } else {
            item->shard->reminders->scan = SCAN_NONE;
            reminders_forget(core, item->shard);
        }
    }
    if (scan->status != PDR_OK) {
        char why[128];
        core->world.store->ops->last_error(core->world.store, why, sizeof why);
        LOG_ERROR("reminders.scan_failed", "core=%u why=\"%s\"; trying again", core->index, why);
        core->reminders_wait_ns = core_now_ns(core) + LOOK_MS * NS_PER_MS;
    }
    scan_discard(&scan->job);
    look_at(core, INT64_MIN);
}

static void begin_scan(struct core *core, struct shard *shard, int64_t now)
{
    struct reminders *r = shard->reminders;
    r->scan = SCAN_WAITS;
    r->scan_from = r->window_end;
    r->window_end = (now > r->window_end ? now : r->window_end) + WINDOW_MS;
    r->beyond = INT64_MAX;
    r->barrier = MUTATION(42) ? 0 : shard->last_seq;
    if (shard->applied_seq < r->barrier) {
        apply_now(core);
    }
}

/* Those whose barrier is reached, up to a number. True: some still wait. */
static bool submit_scans(struct core *core)
{
    struct scan_job *scan = NULL;
    bool waits = false;
    for (uint32_t id = 0; id < core->shard_count; id++) {
        struct shard *shard = core->shards[id];
        if (shard == NULL || shard->reminders == NULL || shard->reminders->scan != SCAN_WAITS) {
            continue;
        }
        if (shard->applied_seq < shard->reminders->barrier || (scan != NULL && scan->count == SCANS_MAX)) {
            waits = true;
            continue;
        }
        if (scan == NULL) {
            scan = mem_new(sizeof *scan + SCANS_MAX * sizeof scan->items[0]);
            scan->job =
                (struct core_job){.job = {.run = scan_run, .done = scan_done}, .core = core, .discard = scan_discard};
        }
        struct scan_item *item = &scan->items[scan->count++];
        item->shard = shard;
        item->from = shard->reminders->scan_from;
        item->to = shard->reminders->window_end;
        item->beyond = INT64_MAX;
        shard->reminders->scan = SCAN_RUNS;
    }
    if (scan != NULL) {
        list_push_back(&core->jobs, &scan->job.node);
        work_submit(core->world.work, core->world.loop, &scan->job.job);
    }
    if (waits && core->failed_step == NULL) { /* a full disk is tried again by its own timer */
        apply_now(core);
    }
    return waits;
}

/* The core's timer. */

static void look_at(struct core *core, int64_t at_ms)
{
    int64_t now = wall_ms(core);
    uint64_t delay = at_ms <= now ? 0 : (uint64_t)(at_ms - now) < LOOK_MS ? (uint64_t)(at_ms - now) : LOOK_MS;
    uint64_t at_ns = core_now_ns(core) + delay * NS_PER_MS;
    if (!timer_is_set(&core->reminders_timer) || at_ns / NS_PER_MS < core->reminders_timer.at_ms) {
        timer_set(&core->wheel, &core->reminders_timer, at_ns);
    }
}

/* Fires what is due in a shard; the time of the next. */
static int64_t fire_due(struct core *core, struct reminders *r, int64_t now, uint32_t *budget)
{
    while (r->count > 0 && r->heap[0]->at_ms <= now && *budget > 0 && has_room(core)) {
        --*budget;
        fire(core, heap_pop(r));
    }
    return r->count > 0 ? r->heap[0]->at_ms : INT64_MAX;
}

static void look(struct timer *timer)
{
    struct core *core = LIST_ITEM(timer, struct core, reminders_timer);
    int64_t now = wall_ms(core), next = INT64_MAX;
    uint32_t budget = FIRE_MAX;
    bool may_scan = !core->stopping && core_now_ns(core) >= core->reminders_wait_ns;
    for (uint32_t n = 0; n < core->shard_count; n++) {
        uint32_t id = (core->reminders_turn + n) % core->shard_count; /* each is the first some time */
        struct shard *shard = core->shards[id];
        if (shard == NULL || !shard_serves(shard)) {
            continue;
        }
        int64_t first = fire_due(core, shard->reminders, now, &budget);
        next = first < next ? first : next;
        if (may_scan && shard->reminders->scan == SCAN_NONE && shard->reminders->beyond < now + AHEAD_MS) {
            begin_scan(core, shard, now);
        }
    }
    core->reminders_turn++;
    bool waits = may_scan && submit_scans(core);
    if (waits || (next <= now && !core->stopping)) {
        next = now + (waits || !has_room(core) ? WAIT_MS : 1);
    }
    look_at(core, core->stopping ? INT64_MAX : next);
}

void reminders_open(struct core *core, struct shard *shard)
{
    if (shard->reminders == NULL) {
        shard->reminders = mem_new(sizeof *shard->reminders);
        list_init(&shard->reminders->running);
    }
    shard->reminders->window_end = shard->reminders->beyond = INT64_MIN;
    shard->reminders->again = false;
    look_at(core, INT64_MIN);
}

void reminders_close(struct core *core, struct shard *shard)
{
    if (shard->reminders != NULL) {
        drop_hints(shard->reminders);
    }
}

bool reminders_are_idle(const struct shard *shard)
{
    return shard->reminders == NULL || (shard->reminders->scan != SCAN_RUNS && list_empty(&shard->reminders->running));
}

void reminders_start(struct core *core)
{
    timer_init(&core->reminders_timer, look);
    for (uint32_t id = 0; id < core->shard_count; id++) {
        if (core->shards[id] != NULL && shard_serves(core->shards[id])) {
            reminders_open(core, core->shards[id]);
        }
    }
    timer_set(&core->wheel, &core->reminders_timer, core_now_ns(core));
}

void reminders_free(struct core *core)
{
    for (uint32_t id = 0; id < core->shard_count; id++) {
        struct reminders *r = core->shards[id] != NULL ? core->shards[id]->reminders : NULL;
        if (r == NULL) {
            continue;
        }
        struct list *node;
        while ((node = list_pop(&r->running)) != NULL) {
            mem_free(LIST_ITEM(node, struct hint, node));
        }
        while (r->count > 0) {
            mem_free(r->heap[--r->count]);
        }
        mem_free(r->heap);
        mem_free(r);
    }
}

uint64_t reminders_in_memory(const struct core *core)
{
    uint64_t count = 0;
    for (uint32_t id = 0; id < core->shard_count; id++) {
        const struct reminders *r = core->shards[id] != NULL ? core->shards[id]->reminders : NULL;
        for (const struct list *node = r != NULL ? r->running.next : NULL; node != NULL && node != &r->running;
             node = node->next) {
            count++;
        }
        count += r != NULL ? r->count : 0;
    }
    return count;
}
