/* core/shard/state.c: a sorted array of entries; actors are small, and a large one keeps only what is hot. */
#include "core/shard/state.h"

#include "core/base/check.h"
#include "core/base/mem.h"

#define CAPACITY_MIN 4u

void state_init(struct state *state, bool complete)
{
    *state = (struct state){.complete = complete, .all_reminders = complete};
}

void state_release(struct state *state)
{
    for (uint32_t i = 0; i < state->count; i++) {
        mem_free(state_entry_at(state, i));
    }
    if (state->capacity > 0) {
        mem_free(state->many);
    }
    state_init(state, false);
}

void state_forget(struct state *state)
{
    state->count = 0;
    state->bytes = 0;
    state->volatile_bytes = 0;
}

static int compare(const struct state_entry *entry, enum keys_kind kind, struct pdr_bytes key)
{
    return entry->kind != kind ? (int)entry->kind - (int)kind : pdr_bytes_compare(entry_key(entry), key);
}

uint32_t state_lower_bound(const struct state *state, enum keys_kind kind, struct pdr_bytes key, bool after)
{
    uint32_t low = 0, high = state->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(state_entry_at(state, middle), kind, key);
        if (order < 0 || (after && order == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct state *state, uint32_t i, enum keys_kind kind, struct pdr_bytes key)
{
    return i < state->count && compare(state_entry_at(state, i), kind, key) == 0;
}

uint32_t state_count(const struct state *state, enum keys_kind kind)
{
    struct pdr_bytes least = pdr_bytes(NULL, 0);
    return state_lower_bound(state, (enum keys_kind)(kind + 1), least, false) -
           state_lower_bound(state, kind, least, false);
}

struct state_entry *state_find(const struct state *state, enum keys_kind kind, struct pdr_bytes key)
{
    uint32_t i = state_lower_bound(state, kind, key, false);
    return is_at(state, i, kind, key) ? state_entry_at(state, i) : NULL;
}

struct state_entry *state_entry_new(enum keys_kind kind, struct pdr_bytes key, struct pdr_bytes value, bool deleted)
{
    struct state_entry *entry = mem_try(sizeof *entry + key.size + value.size);
    if (entry == NULL) {
        return NULL;
    }
    *entry = (struct state_entry){
        .value_size = (uint32_t)value.size, .key_size = (uint16_t)key.size, .kind = (uint8_t)kind, .deleted = deleted};
    memcpy(entry->data, key.data, key.size);
    if (value.size > 0) {
        memcpy(entry->data + key.size, value.data, value.size);
    }
    return entry;
}

static uint32_t size_of(const struct state_entry *entry)
{
    return entry->key_size + entry->value_size;
}

size_t state_kind_bytes(const struct state *state, enum keys_kind kind)
{
    size_t bytes = 0;
    uint32_t i = state_lower_bound(state, kind, pdr_bytes(NULL, 0), false);
    for (; i < state->count && state_entry_at(state, i)->kind == kind; i++) {
        bytes += size_of(state_entry_at(state, i));
    }
    return bytes;
}

static void count(struct state *state, const struct state_entry *entry)
{
    state->bytes += size_of(entry);
    state->volatile_bytes += entry->is_volatile ? size_of(entry) : 0;
}

static void discount(struct state *state, const struct state_entry *entry)
{
    state->bytes -= size_of(entry);
    state->volatile_bytes -= entry->is_volatile ? size_of(entry) : 0;
}

/* For one more. */
static void make_room(struct state *state)
{
    if (state->capacity == 0 && state->count > 0) {
        struct state_entry *first = state->only;
        state->capacity = CAPACITY_MIN;
        state->many = mem_new(state->capacity * sizeof *state->many);
        state->many[0] = first;
    } else if (state->capacity > 0 && state->count == state->capacity) {
        state->capacity *= 2;
        state->many = mem_grow(state->many, state->capacity * sizeof *state->many);
    }
}

struct state_entry *state_insert(struct state *state, struct state_entry *entry)
{
    uint32_t i = state_lower_bound(state, entry->kind, entry_key(entry), false);
    count(state, entry);
    if (is_at(state, i, entry->kind, entry_key(entry))) {
        struct state_entry *old = state_entry_at(state, i);
        state_entries(state)[i] = entry;
        discount(state, old);
        return old;
    }
    make_room(state);
    struct state_entry **at = state_entries(state) + i;
    memmove(at + 1, at, (state->count - i) * sizeof *at);
    *at = entry;
    state->count++;
    return NULL;
}

struct state_entry *state_remove(struct state *state, enum keys_kind kind, struct pdr_bytes key)
{
    uint32_t i = state_lower_bound(state, kind, key, false);
    if (!is_at(state, i, kind, key)) {
        return NULL;
    }
    struct state_entry **at = state_entries(state) + i, *old = *at;
    state->count--;
    discount(state, old);
    memmove(at, at + 1, (state->count - i) * sizeof *at);
    return old;
}

static void forget_all_of(struct state *state, enum keys_kind kind)
{
    CHECK(kind == KEYS_USER || kind == KEYS_REMINDER);
    state->complete &= kind != KEYS_USER;
    state->all_reminders &= kind != KEYS_REMINDER;
}

/* Of what was large once; a small array stays as it is. */
static void give_room_back(struct state *state)
{
    if (state->capacity > 4 * CAPACITY_MIN && state->count <= state->capacity / 4) {
        state->capacity = state->count < CAPACITY_MIN ? CAPACITY_MIN : state->count;
        state->many = mem_grow(state->many, state->capacity * sizeof *state->many);
    }
}

void state_drop_applied(struct state *state, enum keys_kind kind, uint64_t applied_seq,
                        void (*drop)(void *user, struct state_entry *entry), void *user)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < state->count; i++) {
        struct state_entry *entry = state_entry_at(state, i);
        bool is_stored = entry->seq <= applied_seq && !entry->is_volatile;
        if (is_stored && (entry->kind == kind || entry->deleted)) {
            discount(state, entry);
            drop(user, entry);
        } else {
            state_entries(state)[kept++] = entry;
        }
    }
    state->count = kept;
    forget_all_of(state, kind);
    give_room_back(state);
}

void state_drop_last(struct state *state, enum keys_kind kind)
{
    while (state->count > 0 && state_entry_at(state, state->count - 1)->kind == kind) {
        struct state_entry *entry = state_entry_at(state, --state->count);
        discount(state, entry);
        mem_free(entry);
    }
    forget_all_of(state, kind);
    give_room_back(state);
}
