/* core/shard/turn_state.c: a turn reads and writes its actor's state: own writes first, then memory, then the store. */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/turn.h"
#include "core/store/keys.h"

#define PAGE_KEYS 256u
#define PAGE_BYTES (64u << 10)

/* Reading the store on the work pool, while the fiber waits. The job lives on the fiber's stack. */

struct fetch {
    struct core_job job;
    struct turn *turn;
    struct pdr_bytes from, to; /* of the store; `to` empty: the one key `from` */
    struct state page;
    bool more;
    enum pdr_status status;
};

static bool fetch_each(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct fetch *fetch = user;
    struct keys_state_parts parts;
    if (!keys_state_parse(key, &parts)) {
        fetch->status = PDR_INTERNAL;
        return false;
    }
    if (fetch->page.count >= PAGE_KEYS || fetch->page.bytes >= PAGE_BYTES) {
        fetch->more = true;
        return false;
    }
    struct state_entry *entry = state_entry_new(parts.kind, parts.user_key, value, false);
    if (entry == NULL) {
        fetch->status = PDR_OVERLOADED;
        return false;
    }
    state_insert(&fetch->page, entry);
    return true;
}

static void fetch_one(struct fetch *fetch, struct store *store)
{
    void *value;
    size_t size;
    fetch->status = store->ops->get(store, fetch->from, &value, &size);
    if (fetch->status == PDR_NOT_FOUND) {
        fetch->status = PDR_OK;
    } else if (fetch->status == PDR_OK) {
        fetch_each(fetch, fetch->from, pdr_bytes(value, size));
        free(value);
    }
}

static void fetch_run(struct job *job)
{
    struct fetch *fetch = LIST_ITEM(job, struct fetch, job.job);
    struct store *store = fetch->job.core->world.store;
    if (fetch->to.size == 0) {
        fetch_one(fetch, store);
        return;
    }
    struct store_cursor *cursor = store->ops->cursor_new(store);
    if (cursor == NULL) {
        fetch->status = PDR_OVERLOADED;
        return;
    }
    enum pdr_status status = store->ops->cursor_scan(cursor, fetch->from, fetch->to, fetch_each, fetch);
    fetch->status = status != PDR_OK ? status : fetch->status;
    store->ops->cursor_free(cursor);
}

static void fetch_done(struct job *job)
{
    struct fetch *fetch = LIST_ITEM(job, struct fetch, job.job);
    list_remove(&fetch->job.node);
    turn_wake(fetch->turn);
}

static void fetch_discard(struct core_job *job)
{
    state_release(&LIST_ITEM(job, struct fetch, job)->page);
}

static enum pdr_status fetch_wait(struct turn *turn, struct fetch *fetch)
{
    struct core *core = turn->activation->core;
    if (turn->cancelled) {
        return turn_may_wait(turn);
    }
    fetch->job =
        (struct core_job){.job = {.run = fetch_run, .done = fetch_done}, .core = core, .discard = fetch_discard};
    fetch->turn = turn;
    fetch->status = PDR_OK;
    state_init(&fetch->page, false);
    list_push_back(&core->jobs, &fetch->job.node);
    work_submit(core->world.work, core->world.loop, &fetch->job.job);
    turn_wait(turn, TURN_WAITS_DISK);
    if (fetch->status == PDR_OK && !turn->cancelled) {
        return PDR_OK;
    }
    state_release(&fetch->page);
    if (turn->cancelled) {
        return turn_may_wait(turn);
    }
    char why[128];
    core->world.store->ops->last_error(core->world.store, why, sizeof why);
    return turn_fail(turn, fetch->status, NULL, "reading the actor's state failed: %s", why);
}

/* One row on the core thread, if the store has it in memory: without waiting behind those who write to it. */
static bool fetch_cached(struct turn *turn, struct fetch *fetch)
{
    struct store *store = turn->activation->core->world.store;
    struct store_cursor *cursor = store->ops->cursor_new_cached(store);
    uint8_t end[KEYS_STATE_SIZE_MAX + 1];
    if (cursor == NULL) {
        return false;
    }
    memcpy(end, fetch->from.data, fetch->from.size);
    end[fetch->from.size] = 0; /* the least key after it */
    fetch->status = PDR_OK;
    state_init(&fetch->page, false);
    enum pdr_status status =
        store->ops->cursor_scan(cursor, fetch->from, pdr_bytes(end, fetch->from.size + 1), fetch_each, fetch);
    store->ops->cursor_free(cursor);
    if (status != PDR_OK || fetch->status != PDR_OK) {
        state_release(&fetch->page);
        return false;
    }
    return true;
}

/* Get, put, delete. */

static enum pdr_status check_key(struct turn *turn, struct pdr_bytes key)
{
    if (key.size == 0 || key.size > PDR_STATE_KEY_MAX) {
        return turn_fail(turn, key.size == 0 ? PDR_INVALID : PDR_TOO_LARGE, NULL,
                         "a state key has 1 to %u bytes, not %zu (limit key_bytes_max)", PDR_STATE_KEY_MAX, key.size);
    }
    return PDR_OK;
}

static enum pdr_status found(const struct state_entry *entry, struct pdr_bytes *value)
{
    if (entry->deleted) {
        return PDR_NOT_FOUND;
    }
    *value = entry_value(entry);
    return PDR_OK;
}

/* A clean entry, kept so that the next read finds it; unless another turn wrote or read the key meanwhile. What was
 * written meanwhile is still there: it stays in memory as long as a turn is open that may have read the store before
 * it. */
static enum pdr_status keep(struct turn *turn, struct fetch *fetch, enum keys_kind kind, struct pdr_bytes key,
                            struct pdr_bytes *value)
{
    struct state *values = &turn->activation->values;
    const struct state_entry *newer = state_find(values, kind, key);
    if (newer != NULL && !MUTATION(23)) {
        state_release(&fetch->page);
        return found(newer, value);
    }
    if (fetch->page.count == 0) {
        state_release(&fetch->page);
        return PDR_NOT_FOUND;
    }
    struct state_entry *entry = state_entry_at(&fetch->page, 0);
    state_forget(&fetch->page);
    state_release(&fetch->page);
    turn_hold(turn, state_insert(values, entry));
    return found(entry, value);
}

enum pdr_status turn_get(struct turn *turn, struct pdr_bytes key, struct pdr_bytes *value)
{
    if (check_key(turn, key) != PDR_OK) {
        return key.size == 0 ? PDR_INVALID : PDR_TOO_LARGE;
    }
    return turn_row(turn, KEYS_USER, key, value);
}

enum pdr_status turn_row(struct turn *turn, enum keys_kind kind, struct pdr_bytes key, struct pdr_bytes *value)
{
    struct activation *a = turn->activation;
    const struct state_entry *entry = turn->writes.count > 0 ? state_find(&turn->writes, kind, key) : NULL;
    if (entry == NULL) {
        entry = state_find(&a->values, kind, key);
    }
    if (entry != NULL) {
        return found(entry, value);
    }
    if (state_has_all(&a->values, kind)) {
        return PDR_NOT_FOUND;
    }
    if (turn->kind == TURN_PASSIVATE) {
        return turn_fail(turn, PDR_INVALID, NULL, "a passivate hook can't wait, and this key is not in memory");
    }
    uint8_t from[KEYS_STATE_SIZE_MAX];
    struct fetch fetch;
    fetch.from = pdr_bytes(from, keys_state(from, a->shard->id, a->shard->gen, activation_address(a), kind, key));
    fetch.to = pdr_bytes(NULL, 0);
    bool is_read = kind == KEYS_REMINDER && fetch_cached(turn, &fetch);
    enum pdr_status status = is_read ? PDR_OK : fetch_wait(turn, &fetch);
    return status == PDR_OK ? keep(turn, &fetch, kind, key, value) : status;
}

static uint32_t volatile_size(const struct state *state, struct pdr_bytes key)
{
    const struct state_entry *entry = state_find(state, KEYS_USER, key);
    return entry != NULL && entry->is_volatile ? entry->key_size + entry->value_size : 0;
}

/* It lies in memory as long as the actor is active: eviction is no way out. */
static bool volatile_fits(const struct turn *turn, struct pdr_bytes key, struct pdr_bytes value)
{
    const struct state *values = &turn->activation->values, *writes = &turn->writes;
    size_t size = values->volatile_bytes + writes->volatile_bytes + key.size + value.size;
    if (value.size == 0 || size <= LIMIT_VOLATILE_BYTES_MAX) {
        return true;
    }
    size -= volatile_size(writes, key); /* near it: without what is replaced */
    size -= volatile_size(writes, key) == 0 ? volatile_size(values, key) : 0;
    for (uint32_t i = 0; i < writes->count; i++) {
        size -= volatile_size(values, entry_key(state_entry_at(writes, i)));
    }
    return size <= LIMIT_VOLATILE_BYTES_MAX;
}

enum pdr_status turn_write(struct turn *turn, struct pdr_bytes key, struct pdr_bytes value, bool deleted)
{
    if (turn->reader) {
        return turn_fail(turn, PDR_INVALID, NULL, "a reader or a hook can't write state");
    }
    if (check_key(turn, key) != PDR_OK) {
        return key.size == 0 ? PDR_INVALID : PDR_TOO_LARGE;
    }
    if (value.size > PDR_STATE_VALUE_MAX) {
        return turn_fail(turn, PDR_TOO_LARGE, NULL,
                         "a state value has at most %u bytes, not %zu (limit value_bytes_max)", PDR_STATE_VALUE_MAX,
                         value.size);
    }
    if (turn_bytes(turn) + key.size + value.size > PDR_TURN_BYTES_MAX) {
        return turn_fail(turn, PDR_TOO_LARGE, NULL, "a turn writes at most %u bytes (limit turn_bytes_max)",
                         PDR_TURN_BYTES_MAX);
    }
    if (turn->durability == PDR_DURABILITY_VOLATILE && !volatile_fits(turn, key, value)) {
        return turn_fail(turn, PDR_TOO_LARGE, NULL,
                         "an actor's state that is not written down has at most %d bytes (limit volatile_bytes_max)",
                         LIMIT_VOLATILE_BYTES_MAX);
    }
    struct state_entry *entry = state_entry_new(KEYS_USER, key, value, deleted);
    if (entry == NULL) {
        return turn_fail(turn, PDR_OVERLOADED, NULL, "the machine has no memory for this write");
    }
    entry->is_volatile = turn->durability == PDR_DURABILITY_VOLATILE;
    turn_hold(turn, state_insert(&turn->writes, entry)); /* slices of the old value may be in use */
    return PDR_OK;
}

bool turn_write_kind(struct turn *turn, enum keys_kind kind, struct pdr_bytes key, struct pdr_bytes value, bool deleted)
{
    struct state_entry *entry = state_entry_new(kind, key, value, deleted);
    if (entry != NULL) {
        turn_hold(turn, state_insert(&turn->writes, entry));
    }
    return entry != NULL;
}

/* Scan: merges what the turn wrote, what is in memory and (if that is not all) pages of the store, by key. */

struct turn_scan {
    struct list node; /* turn->scans */
    struct turn *turn;
    struct pdr_bytes to;
    bool started, exhausted; /* the store has nothing beyond `page` */
    bool whole;              /* so far it needed no store: the state was all in memory */
    struct state page;
    uint32_t last_size;
    uint8_t last[PDR_STATE_KEY_MAX + 1];
    uint8_t to_data[];
};

struct turn_scan *turn_scan_open(struct turn *turn, struct pdr_bytes from, struct pdr_bytes to)
{
    if (from.size > PDR_STATE_KEY_MAX || to.size > PDR_STATE_KEY_MAX) {
        turn_fail(turn, PDR_TOO_LARGE, NULL, "a state key has at most %u bytes (limit key_bytes_max)",
                  PDR_STATE_KEY_MAX);
        return NULL;
    }
    struct turn_scan *scan = turn_alloc(turn, sizeof *scan + to.size);
    if (scan == NULL) {
        return NULL;
    }
    list_push_back(&turn->scans, &scan->node);
    scan->turn = turn;
    scan->started = false;
    scan->exhausted = scan->whole = turn->activation->values.complete;
    state_init(&scan->page, false);
    scan->last_size = (uint32_t)from.size;
    if (from.size > 0) {
        memcpy(scan->last, from.data, from.size);
    }
    if (to.size > 0) {
        memcpy(scan->to_data, to.data, to.size);
    }
    scan->to = pdr_bytes(scan->to_data, to.size);
    return scan;
}

void turn_close_scans(struct turn *turn)
{
    struct list *node;
    while ((node = list_pop(&turn->scans)) != NULL) {
        state_release(&LIST_ITEM(node, struct turn_scan, node)->page);
    }
}

/* The next page of the store, from `last` on (after it, once started). */
static enum pdr_status next_page(struct turn_scan *scan)
{
    struct turn *turn = scan->turn;
    struct activation *a = turn->activation;
    uint8_t from[KEYS_STATE_SIZE_MAX + 1], to[KEYS_STATE_SIZE_MAX];
    if (turn->kind == TURN_PASSIVATE) {
        return turn_fail(turn, PDR_INVALID, NULL, "a passivate hook can't wait, and the state is not all in memory");
    }
    struct fetch fetch;
    struct pdr_bytes address = activation_address(a);
    size_t size =
        keys_state(from, a->shard->id, a->shard->gen, address, KEYS_USER, pdr_bytes(scan->last, scan->last_size));
    if (scan->started) {
        from[size++] = 0; /* the least key after it */
    }
    fetch.from = pdr_bytes(from, size);
    fetch.to = scan->to.size > 0
                   ? pdr_bytes(to, keys_state(to, a->shard->id, a->shard->gen, address, KEYS_USER, scan->to))
                   : pdr_bytes(to, keys_state_end(to, a->shard->id, a->shard->gen, address));
    fetch.more = false;
    enum pdr_status status = fetch_wait(turn, &fetch);
    if (status == PDR_OK) {
        state_release(&scan->page);
        scan->page = fetch.page;
        scan->exhausted = !fetch.more;
    }
    return status;
}

static const struct state_entry *next_of(const struct state *state, const struct turn_scan *scan)
{
    uint32_t i = state_lower_bound(state, KEYS_USER, pdr_bytes(scan->last, scan->last_size), scan->started);
    return i < state->count ? state_entry_at(state, i) : NULL;
}

/* The least of the three; the newer layer wins a tie. */
static const struct state_entry *least(const struct state_entry *newer, const struct state_entry *older)
{
    if (newer == NULL || older == NULL) {
        return newer != NULL ? newer : older;
    }
    return pdr_bytes_compare(entry_key(newer), entry_key(older)) <= 0 ? newer : older;
}

enum pdr_status turn_scan_next(struct turn_scan *scan, struct pdr_bytes *key, struct pdr_bytes *value)
{
    struct turn *turn = scan->turn;
    if (scan->whole && !turn->activation->values.complete) {
        scan->exhausted = scan->whole = false; /* another turn ended, and some of it went */
    }
    for (;;) {
        const struct state_entry *stored = next_of(&scan->page, scan);
        if (stored == NULL && !scan->exhausted) {
            enum pdr_status status = next_page(scan);
            if (status != PDR_OK) {
                return status;
            }
            continue;
        }
        const struct state_entry *entry =
            least(next_of(&turn->writes, scan), least(next_of(&turn->activation->values, scan), stored));
        if (entry == NULL || (scan->to.size > 0 && pdr_bytes_compare(entry_key(entry), scan->to) >= 0)) {
            return PDR_NOT_FOUND;
        }
        scan->started = true;
        scan->last_size = entry->key_size;
        memcpy(scan->last, entry->data, entry->key_size);
        if (!entry->deleted) {
            *key = entry_key(entry);
            *value = entry_value(entry);
            return PDR_OK;
        }
    }
}
