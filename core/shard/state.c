/* core/shard/state.c: a sorted array of entries; actors are small, and a large one keeps only what is hot. */
#include "core/shard/state.h"

#include "core/base/mem.h"

void state_init(struct state *state, bool complete)
{
    *state = (struct state){.complete = complete};
}

void state_release(struct state *state)
{
    for (uint32_t i = 0; i < state->count; i++) {
        mem_free(state->entries[i]);
    }
    mem_free(state->entries);
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
        int order = compare(state->entries[middle], kind, key);
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
    return i < state->count && compare(state->entries[i], kind, key) == 0;
}

struct state_entry *state_find(const struct state *state, enum keys_kind kind, struct pdr_bytes key)
{
    uint32_t i = state_lower_bound(state, kind, key, false);
    return is_at(state, i, kind, key) ? state->entries[i] : NULL;
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

struct state_entry *state_insert(struct state *state, struct state_entry *entry)
{
    uint32_t i = state_lower_bound(state, entry->kind, entry_key(entry), false);
    count(state, entry);
    if (is_at(state, i, entry->kind, entry_key(entry))) {
        struct state_entry *old = state->entries[i];
        state->entries[i] = entry;
        discount(state, old);
        return old;
    }
    if (state->count == state->capacity) {
        state->capacity = state->capacity == 0 ? 1 : state->capacity < 4 ? 4 : state->capacity * 2;
        state->entries = mem_grow(state->entries, state->capacity * sizeof *state->entries);
    }
    memmove(state->entries + i + 1, state->entries + i, (state->count - i) * sizeof *state->entries);
    state->entries[i] = entry;
    state->count++;
    return NULL;
}

struct state_entry *state_remove(struct state *state, enum keys_kind kind, struct pdr_bytes key)
{
    uint32_t i = state_lower_bound(state, kind, key, false);
    if (!is_at(state, i, kind, key)) {
        return NULL;
    }
    struct state_entry *old = state->entries[i];
    state->count--;
    discount(state, old);
    memmove(state->entries + i, state->entries + i + 1, (state->count - i) * sizeof *state->entries);
    return old;
}

void state_drop_applied(struct state *state, uint64_t applied_seq)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < state->count; i++) {
        struct state_entry *entry = state->entries[i];
        bool is_stored = entry->seq <= applied_seq && !entry->is_volatile;
        if (is_stored && (entry->kind == KEYS_USER || entry->deleted)) {
            discount(state, entry);
            mem_free(entry);
        } else {
            state->entries[kept++] = entry;
        }
    }
    state->count = kept;
}

void state_drop_user(struct state *state)
{
    while (state->count > 0 && state->entries[state->count - 1]->kind == KEYS_USER) {
        struct state_entry *entry = state->entries[--state->count];
        discount(state, entry);
        mem_free(entry);
    }
    state->complete = false;
}
