/* tools/node/sys_inspect.c: `_sys/node.inspect` and `.cancel`: one actor, looked at and helped out, on the core that
 * owns it. A passive actor is read from the store without being activated. */
#include "tools/node/sys_inspect.h"

#include <stdio.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/shard/mailbox.h"
#include "core/shard/reminder.h"
#include "core/shard/session.h"
#include "core/shard/turn.h"
#include "core/shard/watch.h"

#define CALLS_MAX 32u           /* of the mailbox that are shown */
#define KEYS_SHOWN 64u          /* of the state */
#define VALUE_SHOWN_MAX 256u    /* larger ones are told by their size alone */
#define ROWS_MAX 4096u          /* of the platform's that are read of a passive actor */
#define COUNTED_MAX (16u << 20) /* bytes of state in the store: counting stops there */

/* To the core that owns the actor, in the envelope of the call itself. */

void sys_send_to_owner(struct node *node, struct call *call, void (*deliver)(struct message *message))
{
    struct pdr_bytes items = pdr_value_items(call->args), address;
    struct pdr_ref ref;
    const char *why = "the first argument is the actor's address, TYPE/KEY";
    if (!pdr_value_bytes(pdr_value_next(&items), &address) || pdr_ref_parse(address, &ref, &why) != PDR_OK) {
        call_fail(call, PDR_INVALID, "%.*s: %s", (int)call->method.size, (const char *)call->method.data, why);
        call_finish(call);
        return;
    }
    call->shard = cluster_map_place(node->control->map, ref.type, ref.key, pdr_ref_hash(ref.key));
    if (route_is_elsewhere(&node->router, node->control, call, address)) {
        call_finish(call);
        return;
    }
    call->at = node->cores[cluster_map_core(node->control->map, call->shard)];
    call->owner_route = node;
    call->message.deliver = deliver;
    loop_post(call->at->world.loop, &call->message);
}

struct call *sys_at_owner(struct message *message, struct node **node, struct pdr_ref *ref, struct pdr_bytes *address)
{
    struct call *call = LIST_ITEM(message, struct call, message);
    struct pdr_bytes items = pdr_value_items(call->args);
    if (call->at->dead) {
        call_discard(call);
        return NULL;
    }
    *node = call->owner_route;
    CHECK(pdr_value_bytes(pdr_value_next(&items), address) && pdr_ref_parse(*address, ref, NULL) == PDR_OK);
    const struct shard *shard = call->shard < call->at->shard_count ? call->at->shards[call->shard] : NULL;
    if (shard == NULL || !shard_serves(shard)) {
        call->retry_ms = 50;
        call_fail(call, PDR_UNAVAILABLE, "shard %u, which has %.*s, is not open on this node (yet)", call->shard,
                  address->size > 64 ? 64 : (int)address->size, (const char *)address->data);
        call_finish(call);
        return NULL;
    }
    return call;
}

static bool option(const struct call *call, const char *name)
{
    bool on = false;
    pdr_value_bool(pdr_value_get(pdr_value_at(call->args, 1), name), &on);
    return on;
}

/* The parts of the answer. */

static void put_uint(pdr_writer *out, const char *key, uint64_t value)
{
    pdr_write_cstr(out, key);
    pdr_write_uint(out, value);
}

static void put_text(pdr_writer *out, const char *key, struct pdr_bytes value)
{
    pdr_write_cstr(out, key);
    if (value.size > 0) {
        pdr_write_str(out, value);
    } else {
        pdr_write_nil(out);
    }
}

/* Keys and values are bytes; most are text, and easier to read as such. */
static void put_bytes(pdr_writer *out, const char *key, struct pdr_bytes bytes)
{
    const uint8_t *at = bytes.data;
    bool is_text = true;
    for (size_t i = 0; i < bytes.size; i++) {
        is_text = is_text && at[i] >= ' ' && at[i] < 0x7f;
    }
    pdr_write_cstr(out, key);
    if (is_text) {
        pdr_write_str(out, bytes);
    } else {
        pdr_write_bin(out, bytes);
    }
}

static uint64_t ms_since(const struct inspected *actor, uint64_t ns)
{
    return ns < actor->now_ns ? (actor->now_ns - ns) / NS_PER_MS : 0;
}

static uint64_t ms_until(const struct inspected *actor, uint64_t ns)
{
    return ns > actor->now_ns ? (ns - actor->now_ns) / NS_PER_MS : 0;
}

static const char *state_of(const struct activation *a)
{
    static const char *const names[] = {"loading", "idle", "busy"};
    if (a == NULL) {
        return "passive";
    }
    const struct turn *inner = turn_innermost(a);
    return inner != NULL && inner->waiting ? "waiting" : names[a->state];
}

static void put_name(pdr_writer *out, const struct inspected *actor)
{
    put_text(out, "address", actor->address);
    put_text(out, "type", pdr_bytes(actor->address.data, actor->type_size));
    put_text(out, "state", pdr_str(state_of(actor->activation)));
    put_uint(out, "shard", actor->shard->id);
    put_uint(out, "core", actor->core->index);
    put_uint(out, "turns", actor->activation != NULL ? actor->activation->turns : 0);
}

static void put_call(pdr_writer *out, const struct inspected *actor, const struct call *call)
{
    pdr_write_map(out, 4);
    put_text(out, "method", call->method);
    put_text(out, "caller", call->caller);
    put_uint(out, "waiting_ms", ms_since(actor, call->queued_ns));
    put_uint(out, "deadline_left_ms", ms_until(actor, call->deadline_ns));
}

static void put_mailbox(pdr_writer *out, const struct inspected *actor)
{
    const struct activation *a = actor->activation;
    uint32_t count = a != NULL ? a->mailbox_count : 0, shown = count < CALLS_MAX ? count : CALLS_MAX;
    const struct call *call = NULL;
    pdr_write_cstr(out, "mailbox");
    pdr_write_map(out, 2);
    put_uint(out, "count", count);
    pdr_write_cstr(out, "calls");
    pdr_write_array(out, shown);
    for (uint32_t i = 0; i < shown; i++) {
        call = mailbox_next(a, call);
        put_call(out, actor, call);
    }
}

static void put_waits_for(pdr_writer *out, const struct turn *turn)
{
    char text[KEYS_ADDRESS_MAX + PDR_METHOD_SIZE_MAX + 16];
    const struct call *asked = turn->asked;
    pdr_write_cstr(out, "waits_for");
    if (!turn->waiting) {
        pdr_write_nil(out);
    } else if (turn->waits != TURN_WAITS_CALL) {
        pdr_write_cstr(out, turn_waits_text(turn->waits));
    } else if (asked == NULL) {
        pdr_write_cstr(out, "turns inside of it");
    } else {
        int size = snprintf(text, sizeof text, "call %.*s.%.*s", (int)asked->address.size,
                            (const char *)asked->address.data, (int)asked->method.size,
                            (const char *)asked->method.data);
        pdr_write_str(out, pdr_bytes(text, (size_t)size));
    }
}

static void put_turn(pdr_writer *out, const struct inspected *actor, const struct turn *turn)
{
    static const char *const hooks[] = {"", "(activate)", "(passivate)"};
    const struct call *call = turn->call;
    const char *role = turn->beside ? "beside" : turn->older == NULL ? "turn" : "inside";
    pdr_write_map(out, 8);
    put_text(out, "method", call != NULL ? call->method : pdr_str(hooks[turn->kind]));
    put_text(out, "role", pdr_str(role));
    put_text(out, "caller", call != NULL ? call->caller : pdr_bytes(NULL, 0));
    put_uint(out, "since_ms", ms_since(actor, turn->watch.begun_ns));
    put_waits_for(out, turn);
    put_uint(out, "for_ms", turn->waiting ? ms_since(actor, turn->watch.waits_ns) : 0);
    pdr_write_cstr(out, "cancelled");
    pdr_write_bool(out, turn->cancelled);
    pdr_write_cstr(out, "deadline_left_ms");
    if (call != NULL) {
        pdr_write_uint(out, ms_until(actor, turn->deadline_ns));
    } else {
        pdr_write_nil(out);
    }
}

/* The oldest first: each one inside of that before it, or beside it. */
static void put_turns(pdr_writer *out, const struct inspected *actor)
{
    const struct turn *turn = actor->activation != NULL ? actor->activation->turn : NULL;
    uint32_t count = turn != NULL;
    while (turn != NULL && turn->older != NULL) {
        turn = turn->older;
        count++;
    }
    pdr_write_cstr(out, "open_turns");
    pdr_write_array(out, count);
    for (; turn != NULL; turn = turn->newer) {
        put_turn(out, actor, turn);
    }
}

struct timers {
    pdr_writer *out;
    const struct inspected *actor;
};

static void put_timer(void *user, const struct actor_timer_info *timer)
{
    const struct timers *timers = user;
    pdr_write_map(timers->out, 4);
    put_text(timers->out, "name", timer->name);
    put_text(timers->out, "method", timer->method);
    put_uint(timers->out, "due_in_ms", ms_until(timers->actor, timer->due_ns));
    put_uint(timers->out, "period_ms", timer->period_ms);
}

static void put_timers(pdr_writer *out, const struct inspected *actor)
{
    const struct activation *a = actor->activation;
    struct timers timers = {out, actor};
    pdr_write_cstr(out, "timers");
    pdr_write_array(out, a != NULL ? actor_timers_each(a, NULL, NULL) : 0);
    if (a != NULL) {
        actor_timers_each(a, put_timer, &timers);
    }
}

static void put_state(pdr_writer *out, const struct inspected *actor)
{
    const struct state *rows = actor->rows;
    uint32_t first = state_lower_bound(rows, KEYS_USER, pdr_bytes(NULL, 0), false);
    uint32_t shown = rows->count - first < KEYS_SHOWN ? rows->count - first : KEYS_SHOWN;
    pdr_write_cstr(out, "data");
    pdr_write_map(out, 5);
    put_uint(out, "count", actor->count);
    put_uint(out, "bytes", actor->bytes);
    pdr_write_cstr(out, "exact");
    pdr_write_bool(out, actor->exact);
    pdr_write_cstr(out, "in_memory");
    pdr_write_bool(out, actor->in_memory);
    pdr_write_cstr(out, "rows");
    pdr_write_array(out, shown);
    for (uint32_t i = first; i < first + shown; i++) {
        const struct state_entry *entry = state_entry_at(rows, i);
        bool with_value = actor->wants_values && entry->value_size <= VALUE_SHOWN_MAX;
        pdr_write_map(out, 2u + with_value);
        put_bytes(out, "key", entry_key(entry));
        put_uint(out, "size", entry->value_size);
        if (with_value) {
            put_bytes(out, "value", entry_value(entry));
        }
    }
}

/* Rows of one kind are [*from, the answer). */
static uint32_t range_of(const struct state *rows, enum keys_kind kind, uint32_t *from)
{
    uint32_t to = *from = state_lower_bound(rows, kind, pdr_bytes(NULL, 0), false);
    while (to < rows->count && state_entry_at(rows, to)->kind == kind) {
        to++;
    }
    return to;
}

static void put_reminder(pdr_writer *out, const struct inspected *actor, const struct state_entry *entry)
{
    struct reminder reminder = {0};
    int64_t now_ms = clock_wall_ms(actor->core->world.clock);
    bool is_whole = reminder_decode(entry_value(entry), &reminder) == PDR_OK;
    pdr_write_map(out, 5);
    put_text(out, "name", entry_key(entry));
    put_text(out, "method", reminder.method);
    put_uint(out, "due_in_ms", is_whole && reminder.due_ms > now_ms ? (uint64_t)(reminder.due_ms - now_ms) : 0);
    put_uint(out, "period_ms", reminder.period_ms);
    put_text(out, "cron", reminder.cron);
}

static void put_reminders(pdr_writer *out, const struct inspected *actor)
{
    uint32_t from, to = range_of(actor->rows, KEYS_REMINDER, &from), count = 0;
    for (uint32_t i = from; i < to; i++) {
        count += !state_entry_at(actor->rows, i)->deleted;
    }
    pdr_write_cstr(out, "reminders");
    pdr_write_array(out, count);
    for (uint32_t i = from; i < to; i++) {
        const struct state_entry *entry = state_entry_at(actor->rows, i);
        if (!entry->deleted) {
            put_reminder(out, actor, entry);
        }
    }
}

/* That are kept, and who listens now. */
static void put_events(pdr_writer *out, const struct inspected *actor)
{
    uint32_t from, to = range_of(actor->rows, KEYS_EVENT, &from), count = 0;
    for (uint32_t i = from; i < to; i++) {
        count += !state_entry_at(actor->rows, i)->deleted;
    }
    pdr_write_cstr(out, "events");
    pdr_write_map(out, 2);
    put_uint(out, "kept", count);
    put_uint(out, "watchers", watch_count(actor->core, actor->address));
}

static void put_log(pdr_writer *out, const struct inspected *actor)
{
    pdr_write_cstr(out, "log");
    pdr_write_map(out, 5);
    put_uint(out, "epoch", actor->shard->epoch);
    put_uint(out, "last_seq", actor->activation != NULL ? actor->activation->last_seq : 0);
    put_uint(out, "shard_last_seq", actor->shard->last_seq);
    put_uint(out, "shard_commit_seq", actor->shard->commit_seq);
    put_uint(out, "shard_applied_seq", actor->shard->applied_seq);
}

static void count_results(struct session *session, void *user)
{
    *(uint64_t *)user += session->count;
}

/* Answers that are kept for retries, of the actor's shard: a record does not name its actor. */
static void put_sessions(pdr_writer *out, const struct inspected *actor)
{
    struct session_table *table = &actor->core->shards[actor->shard->id]->sessions;
    uint64_t results = 0;
    session_each(table, count_results, &results);
    pdr_write_cstr(out, "sessions_of_shard");
    pdr_write_map(out, 3);
    put_uint(out, "known", table->count);
    put_uint(out, "results", results);
    put_uint(out, "bytes", table->bytes);
}

static const struct inspect_part parts[] = {
    {6, put_name},   {1, put_mailbox},  {1, put_turns}, {1, put_timers}, {1, put_reminders},
    {1, put_events}, {1, put_sessions}, {1, put_state}, {1, put_log},
};
#define PARTS (sizeof parts / sizeof *parts)

static void finish(struct call *call, const struct inspected *actor)
{
    uint32_t keys = 0;
    for (size_t i = 0; i < PARTS; i++) {
        keys += parts[i].keys;
    }
    pdr_write_map(&call->reply, keys);
    for (size_t i = 0; i < PARTS; i++) {
        parts[i].put(&call->reply, actor);
    }
    call_finish(call);
}

/* What is not in memory: a job over the actor's rows. */

struct inspection {
    struct core_job job;
    struct call *call;
    struct inspected actor;
    struct state rows;
    uint32_t shown, others;
    enum pdr_status status;
};

static bool add_row(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct inspection *in = user;
    struct keys_state_parts row;
    if (!keys_state_parse(key, &row)) {
        in->status = PDR_INTERNAL;
        return false;
    }
    bool is_user = row.kind == KEYS_USER, is_shown = !is_user || value.size <= VALUE_SHOWN_MAX;
    if (is_user ? in->shown++ < KEYS_SHOWN : in->others++ < ROWS_MAX) {
        struct state_entry *entry =
            state_entry_new(row.kind, row.user_key, is_shown ? value : pdr_bytes(NULL, 0), false);
        if (entry == NULL) {
            in->status = PDR_OVERLOADED;
            return false;
        }
        state_insert(&in->rows, entry);
        entry->value_size = (uint32_t)value.size; /* of one that is too large to show, its size alone is told */
    }
    in->actor.count += is_user;
    in->actor.bytes += is_user ? row.user_key.size + value.size : 0;
    in->actor.exact = in->actor.bytes < COUNTED_MAX;
    return in->actor.exact;
}

static void read_rows(struct job *job)
{
    struct inspection *in = LIST_ITEM(job, struct inspection, job.job);
    struct store *store = in->job.core->world.store;
    const struct shard *shard = in->actor.shard;
    uint8_t from[KEYS_STATE_SIZE_MAX], to[KEYS_STATE_SIZE_MAX];
    size_t from_size = keys_state_prefix(from, shard->id, shard->gen, in->actor.address);
    size_t to_size = keys_state_end(to, shard->id, shard->gen, in->actor.address);
    struct store_cursor *cursor = store->ops->cursor_new(store);
    if (cursor == NULL) {
        in->status = PDR_OVERLOADED;
        return;
    }
    enum pdr_status status =
        store->ops->cursor_scan(cursor, pdr_bytes(from, from_size), pdr_bytes(to, to_size), add_row, in);
    in->status = status != PDR_OK ? status : in->status;
    store->ops->cursor_free(cursor);
}

static void inspection_free(struct inspection *in)
{
    state_release(&in->rows);
    mem_free(in);
}

static void discard(struct core_job *job)
{
    struct inspection *in = LIST_ITEM(job, struct inspection, job);
    call_discard(in->call);
    inspection_free(in);
}

static bool is_in_memory(const struct activation *a)
{
    return a != NULL && a->state != ACTIVATION_LOADING && a->values.complete && a->values.all_reminders;
}

static void use_memory(struct inspected *actor)
{
    const struct state *values = &actor->activation->values;
    actor->rows = values;
    actor->count = actor->bytes = 0;
    actor->in_memory = actor->exact = true;
    for (uint32_t i = state_lower_bound(values, KEYS_USER, pdr_bytes(NULL, 0), false); i < values->count; i++) {
        actor->count++;
        const struct state_entry *entry = state_entry_at(values, i);
        actor->bytes += entry->key_size + entry->value_size;
    }
}

static void rows_read(struct job *job)
{
    struct inspection *in = LIST_ITEM(job, struct inspection, job.job);
    struct inspected *actor = &in->actor;
    list_remove(&in->job.node);
    actor->now_ns = core_now_ns(actor->core);
    actor->activation = activation_find(actor->core, actor->address, activation_hash(actor->address));
    if (is_in_memory(actor->activation)) {
        use_memory(actor); /* it was loaded meanwhile */
    }
    if (in->status != PDR_OK) {
        call_fail(in->call, in->status, "the store could not be read");
        call_finish(in->call);
    } else {
        finish(in->call, actor);
    }
    inspection_free(in);
}

static void read_from_store(struct call *call, const struct inspected *actor)
{
    struct core *core = actor->core;
    if (core->frozen) { /* the store may be gone before the job is through */
        call_fail(call, PDR_UNAVAILABLE, "the node is stopping");
        call_finish(call);
        return;
    }
    struct inspection *in = mem_new(sizeof *in);
    *in = (struct inspection){.call = call, .actor = *actor, .status = PDR_OK};
    in->job = (struct core_job){.job = {.run = read_rows, .done = rows_read}, .core = core, .discard = discard};
    in->actor.rows = &in->rows;
    in->actor.exact = true;
    state_init(&in->rows, false);
    list_push_back(&core->jobs, &in->job.node);
    work_submit(core->world.work, core->world.loop, &in->job.job);
}

static void inspect(struct message *message)
{
    struct node *node;
    struct pdr_ref ref;
    struct pdr_bytes address;
    struct call *call = sys_at_owner(message, &node, &ref, &address);
    if (call == NULL) {
        return;
    }
    struct core *core = call->at;
    const struct actor_class *cls = registry_find(node->registry, ref.type);
    if (cls == NULL) {
        call_fail(call, PDR_NOT_FOUND, "there is no type %.*s on this node; `perdure types` lists them",
                  (int)ref.type.size, (const char *)ref.type.data);
        call_finish(call);
        return;
    }
    struct inspected actor = {
        .core = core,
        .shard = core->shards[call->shard],
        .activation = activation_find(core, address, activation_hash(address)),
        .address = address,
        .type_size = (uint32_t)ref.type.size,
        .wants_values = option(call, "values"),
        .now_ns = core_now_ns(core),
    };
    if (is_in_memory(actor.activation)) {
        use_memory(&actor);
        finish(call, &actor);
    } else {
        read_from_store(call, &actor);
    }
}

void sys_inspect(struct node *node, struct call *call)
{
    sys_send_to_owner(node, call, inspect);
}

/* Cancel: whatever waits is woken, the innermost first, since those around it go on only when it has ended. */

static void cancel(struct message *message)
{
    struct node *node;
    struct pdr_ref ref;
    struct pdr_bytes address;
    struct call *call = sys_at_owner(message, &node, &ref, &address);
    if (call == NULL) {
        return;
    }
    struct activation *a = activation_find(call->at, address, activation_hash(address));
    uint32_t cancelled = 0, dropped = 0;
    for (struct turn *turn = a != NULL ? a->turn : NULL; turn != NULL; turn = turn->older) {
        cancelled += turn_cancel(turn);
    }
    if (a != NULL && option(call, "queued")) {
        dropped = a->mailbox_count;
        activation_fail_mailbox(a, PDR_CANCELLED, "the call was cancelled from outside while it waited in the mailbox");
    }
    pdr_write_map(&call->reply, 2);
    put_uint(&call->reply, "cancelled", cancelled);
    put_uint(&call->reply, "dropped", dropped);
    call_finish(call);
}

void sys_cancel(struct node *node, struct call *call)
{
    call->is_read = false;
    sys_send_to_owner(node, call, cancel);
}
