/* core/shard/loader.c: actors' state is read. First, on the core thread, from what the store has in memory (memtables,
 * filters, cached blocks): that never waits, and is all there is to do for new names and warm data. What would need the
 * disk is read by jobs on the work pool, many actors a job over one iterator.
 *
 * Of a state that is too large, and of reminders that are too many, nothing is kept: turns read them key by key. But
 * the reminders are counted. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/shard/activation.h"
#include "core/shard/commit.h"
#include "core/shard/duty.h"
#include "core/store/keys.h"

#define LOADS_A_JOB 256u
#define PROBE_BYTES_MAX (16u << 10) /* of state: more is copied on the pool */
#define JOBS_MAX 4u

struct load_item {
    struct activation *activation;
    uint64_t applied_seq; /* of its shard when the reading began */
    struct state values;
    uint32_t reminder_count;
    bool is_behind; /* apply_overlay will need all reminders, however many */
    bool whole;
};

struct load_job {
    struct core_job job;
    uint32_t count;
    uint32_t resident_max;
    bool probes; /* on the core thread: gives up where there is much */
    enum pdr_status status;
    uint64_t begun_ns;
    struct load_item items[LOADS_A_JOB];
};

struct collect {
    const struct load_job *load;
    struct load_item *item;
    enum pdr_status status;
};

/* Is there room for this row, in what is kept of its kind? */
static bool has_room(const struct collect *collect, enum keys_kind kind, size_t size)
{
    const struct load_item *item = collect->item;
    const struct core_limits *limits = &collect->load->job.core->limits;
    if (kind == KEYS_EVENT || (item->is_behind && kind == KEYS_REMINDER && !collect->load->probes)) {
        return true;
    }
    return item->values.bytes + size <= collect->load->resident_max &&
           (kind != KEYS_REMINDER || item->reminder_count <= limits->resident_reminders_max);
}

static bool collect_one(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct collect *collect = user;
    struct state *values = &collect->item->values;
    struct keys_state_parts parts;
    if (!keys_state_parse(key, &parts)) {
        collect->status = PDR_INTERNAL;
        return false;
    }
    collect->item->reminder_count += parts.kind == KEYS_REMINDER;
    if (!state_has_all(values, parts.kind)) {
        return true; /* a reminder, counted */
    }
    if (!has_room(collect, parts.kind, value.size)) {
        state_drop_last(values, parts.kind); /* the last ones, for they come in order */
        collect->item->whole = parts.kind == KEYS_REMINDER && !collect->load->probes;
        return collect->item->whole;
    }
    struct state_entry *entry = state_entry_new(parts.kind, parts.user_key, value, false);
    if (entry == NULL) {
        collect->status = PDR_OVERLOADED;
        return false;
    }
    state_insert(values, entry);
    return true;
}

static enum pdr_status load_one(struct load_job *load, struct load_item *item, struct store *store,
                                struct store_cursor *cursor)
{
    const struct activation *a = item->activation; /* its address and shard don't change while it loads */
    struct collect collect = {load, item, PDR_OK};
    uint8_t from[KEYS_STATE_SIZE_MAX], to[KEYS_STATE_SIZE_MAX];
    struct pdr_bytes address = activation_address(a);
    size_t from_size = keys_state_prefix(from, a->shard->id, a->shard->gen, address);
    size_t to_size = keys_state_end(to, a->shard->id, a->shard->gen, address);
    item->whole = true;
    item->reminder_count = 0;
    state_init(&item->values, true);
    enum pdr_status status =
        store->ops->cursor_scan(cursor, pdr_bytes(from, from_size), pdr_bytes(to, to_size), collect_one, &collect);
    return status != PDR_OK ? status : collect.status;
}

static void load_run(struct job *job)
{
    struct load_job *load = LIST_ITEM(job, struct load_job, job.job);
    struct store *store = load->job.core->world.store;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    if (cursor == NULL) {
        load->status = PDR_OVERLOADED;
        return;
    }
    for (uint32_t i = 0; i < load->count && load->status == PDR_OK; i++) {
        load->status = load_one(load, &load->items[i], store, cursor);
    }
    store->ops->cursor_free(cursor);
}

static bool is_behind(const struct activation *a)
{
    return a->shard->applied_seq < a->shard->load_barrier;
}

/* After a roll-back the store may lack what is committed. While it takes writes, wait for it; while it does not, read
 * it all the same, and lay what is committed over it. */
static bool must_wait(const struct activation *a)
{
    return is_behind(a) && a->core->failed_step == NULL;
}

static void add_item(struct load_job *load, struct activation *a)
{
    load->items[load->count++] =
        (struct load_item){.activation = a, .applied_seq = a->shard->applied_seq, .is_behind = is_behind(a)};
}

static void loaded(struct load_job *load, struct load_item *item)
{
    struct activation *a = item->activation;
    if (a->shard->state == DUTY_CLOSING) {
        state_release(&item->values);
        duty_leave(a);
        return;
    }
    bool is_old = item->applied_seq < a->shard->load_barrier;
    if (is_old && (item->applied_seq != a->shard->applied_seq || !item->values.all_reminders)) {
        state_release(&item->values); /* a step came between: what was read may be of before, its records are gone */
        list_push_back(&a->core->loading, &a->node);
        return;
    }
    if (load->status == PDR_OK) {
        state_release(&a->values);
        a->values = item->values;
        a->reminder_count = (uint16_t)(item->reminder_count < UINT16_MAX ? item->reminder_count : UINT16_MAX);
        state_init(&item->values, false);
        if (is_old) {
            apply_overlay(a);
        }
    } else {
        a->last_seq = 0;
        activation_fail_mailbox(a, load->status, "the actor's state could not be read");
    }
    a->state = ACTIVATION_BUSY;
    if (load->status != PDR_OK) {
        activation_free(a);
    } else {
        activation_rest(a);
        if (a->doomed) {
            activation_reload(a);
        }
    }
}

static void load_discard(struct core_job *job)
{
    struct load_job *load = LIST_ITEM(job, struct load_job, job);
    for (uint32_t i = 0; i < load->count; i++) {
        state_release(&load->items[i].values);
    }
    mem_free(load);
}

static void load_done(struct job *job)
{
    struct load_job *load = LIST_ITEM(job, struct load_job, job.job);
    struct core *core = load->job.core;
    list_remove(&load->job.node);
    core->load_jobs--;
    metrics_time(&core->stats.load_us, core_now_ns(core) - load->begun_ns);
    if (load->status != PDR_OK) {
        char why[128];
        core->world.store->ops->last_error(core->world.store, why, sizeof why);
        LOG_ERROR("store.read_failed", "actors=%u why=\"%s\"", load->count, why);
    }
    for (uint32_t i = 0; i < load->count; i++) {
        loaded(load, &load->items[i]);
    }
    load_discard(&load->job);
}

/* Off the core thread's own hands: false if the store would have to wait, or the state is not small. */
static bool probe(struct activation *a, struct store_cursor *cursor, struct load_job *load)
{
    struct load_item *item = &load->items[0];
    load->count = 0;
    add_item(load, a);
    load->status = load_one(load, item, a->core->world.store, cursor);
    if (load->status != PDR_OK || !item->whole) {
        state_release(&item->values);
        return false;
    }
    a->core->stats.loads++;
    loaded(load, item);
    return true;
}

void loader_probe(struct core *core)
{
    struct store *store = core->world.store;
    struct store_cursor *cursor = NULL;
    struct load_job *load = NULL;
    struct list *node;
    while ((node = list_pop(&core->loading)) != NULL) {
        struct activation *a = LIST_ITEM(node, struct activation, node);
        if (cursor == NULL && load == NULL) {
            cursor = store->ops->cursor_new_cached(store);
            load = mem_new(offsetof(struct load_job, items) + sizeof load->items[0]);
            load->job.core = core;
            load->resident_max = PROBE_BYTES_MAX;
            load->probes = true;
        }
        if (cursor == NULL || must_wait(a) || !probe(a, cursor, load)) {
            list_push_back(&core->cold, node);
        }
    }
    if (cursor != NULL) {
        store->ops->cursor_free(cursor);
    }
    mem_free(load);
}

static void submit_some(struct core *core, struct list *later)
{
    struct load_job *load = mem_new(sizeof *load);
    load->job = (struct core_job){.job = {.run = load_run, .done = load_done}, .core = core, .discard = load_discard};
    load->resident_max = core->limits.resident_state_max;
    struct list *node;
    while (load->count < LOADS_A_JOB && (node = list_pop(&core->cold)) != NULL) {
        struct activation *a = LIST_ITEM(node, struct activation, node);
        if (must_wait(a)) {
            list_push_back(later, node);
        } else {
            add_item(load, a);
        }
    }
    if (load->count == 0) {
        mem_free(load);
        return;
    }
    core->load_jobs++;
    load->begun_ns = core_now_ns(core);
    core->stats.loads += load->count;
    list_push_back(&core->jobs, &load->job.node);
    work_submit(core->world.work, core->world.loop, &load->job.job);
}

void loader_submit(struct core *core)
{
    struct list later;
    list_init(&later);
    while (!list_empty(&core->cold) && core->load_jobs < JOBS_MAX) {
        submit_some(core, &later);
    }
    list_splice(&core->cold, &later);
}
